/** The house rules that neither the compiler nor the linter can see. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

// Tests run in dist/test/package.
const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const sources = filesBelow('src').filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'));
const pure = pureModules();

describe('pure modules', () => {
  test('the compiler and the linter agree on which modules are pure', () => {
    const { include, exclude } = readJson('tsconfig.pure.json') as { include: string[]; exclude: string[] };
    const { plugins } = readJson('biome.json') as { plugins: { path: string; includes: string[] }[] };
    const linted = plugins.find(({ path }) => path === './pure.grit')?.includes;
    assert.deepEqual(linted, [...include, ...exclude.map((path) => `!${path}`)]);
  });

  test('every pure module that has code has a test file of the same name', () => {
    const untested = pure.filter((path) => hasCode(path) && !existsSync(join(root, testOf(path))));
    assert.deepEqual(untested.map(testOf), [], 'these test files are missing');
  });

  test('a pure module imports code only from pure modules', () => {
    const violations = pure.flatMap((path) =>
      importsOf(path)
        .filter(({ target, isTypeOnly }) => !isTypeOnly && target.startsWith('src/') && !pure.includes(target))
        // Generated encoders and decoders are functions of their arguments.
        .filter(({ target }) => !target.startsWith('src/shared/wire/gen/'))
        .map(({ target }) => `${path} imports ${target}`),
    );
    assert.deepEqual(violations, []);
  });
});

describe('docs/data-flow.md', () => {
  const [, ...ways] = read('docs/data-flow.md').split(/^## /m);
  const filesOf = new Map(ways.map((way) => [way.slice(0, way.indexOf('\n')), filesOfTable(way)]));

  test('a table each of an update, a set and a reconnect names files', () => {
    assert.deepEqual([...filesOf.keys()], ['An update', 'A set', 'A reconnect']);
    for (const [way, files] of filesOf) assert.ok(files.length > 1, `${way} has no table of files`);
  });

  for (const file of new Set([...filesOf.values()].flat())) {
    test(`${file} exists and opens with its path`, () => {
      assert.ok(existsSync(join(root, file)), `${file} is not there`);
      const opening = /^\s*\/\*\*([\s\S]*?)\*\//.exec(read(file))?.[1];
      assert.ok(opening !== undefined, `${file} does not open with a doc comment`);
      assert.match(opening, /\bPath:/, `the doc comment that ${file} opens with names no path`);
    });
  }
});

test('no module leads back to itself by its imports, those of types too', () => {
  const left = new Set<string>();
  const circleFrom = (path: string, way: readonly string[]): readonly string[] | undefined => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (left.has(path)) return undefined;
    for (const { target } of importsOf(path)) {
      const circle = sources.includes(target) ? circleFrom(target, [...way, path]) : undefined;
      if (circle !== undefined) return circle;
    }
    left.add(path);
    return undefined;
  };
  const circles = new Set(sources.flatMap((path) => circleFrom(path, [])?.join(' -> ') ?? []));
  assert.deepEqual([...circles], []);
});

test('an index.ts is not imported from its own folder', () => {
  const violations = sources.flatMap((path) =>
    importsOf(path)
      .filter(({ target }) => target.endsWith('/index.ts') && path.startsWith(`${dirname(target)}/`))
      .map(({ target }) => `${path} imports ${target}`),
  );
  assert.deepEqual(violations, []);
});

test('no suite is async: of tests declared after an await scripts/test-hooks.cjs knows no suite, and they would be left out', () => {
  const files = [...filesBelow('test'), ...sources].filter((path) => path.endsWith('.ts'));
  const violations = files.filter((path) => /^ *(?:describe|suite)\((?:(?!=>)[\s\S])*\basync \(/m.test(read(path)));
  assert.deepEqual(violations, []);
});

test('timers are the platform’s as they were when our modules loaded, whatever a test suite fakes afterwards', () => {
  const threads = sources.filter((path) => /^src\/(main|workers|server|shared|testing)\//.test(path));
  const violations = threads.flatMap((path) => {
    const code = read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    const imported = /import \{([^}]*)\} from '[./]*(?:shared\/)?platform-timers\.js'/.exec(code)?.[1] ?? '';
    return TIMERS.filter((name) => new RegExp(`(?<![.\\w'])${name}\\(`).test(code))
      .filter((name) => !new RegExp(`\\b${name}\\b`).test(imported))
      .concat(/\bperformance\./.test(code) && !path.endsWith('/platform-timers.ts') ? ['performance'] : [])
      .map((name) => `${path} uses the global ${name}: import it from shared/platform-timers`);
  });
  assert.deepEqual(violations, []);
});

test('nothing is exported by star: a public name is a reviewed line', () => {
  const violations = sources.filter((path) => /^export \*/m.test(read(path)));
  assert.deepEqual(violations, []);
});

const TIMERS = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'queueMicrotask',
];

/** Existing files that tsconfig.pure.json includes. */
function pureModules(): string[] {
  const { include, exclude } = readJson('tsconfig.pure.json') as { include: string[]; exclude: string[] };
  const included = include.map(patternToRegExp);
  return sources.filter(
    (path) =>
      included.some((pattern) => pattern.test(path)) &&
      !exclude.some((excluded) => path === excluded || path.startsWith(`${excluded}/`)),
  );
}

function patternToRegExp(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*\/|\*)/).map((part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '*') return '[^/]*';
    return part.replaceAll('.', '\\.');
  });
  return new RegExp(`^${parts.join('')}$`);
}

function testOf(source: string): string {
  return source.replace(/^src\//, 'test/').replace(/\.ts$/, '.test.ts');
}

/** A module of types only compiles to nothing that a test could run. */
function hasCode(source: string): boolean {
  const compiled = read(`dist/${source.replace(/\.ts$/, '.js')}`);
  const withoutComments = compiled.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  return withoutComments.trim() !== 'export {};';
}

function importsOf(source: string): { target: string; isTypeOnly: boolean }[] {
  const statements = read(source).matchAll(/^(?:import|export)\s+(type\s+)?[^;]*?from '(\.[^']*)\.js';$/gm);
  return [...statements].map(([, type, specifier]) => ({
    target: `${normalize(join(dirname(source), specifier ?? ''))}.ts`,
    isTypeOnly: type !== undefined,
  }));
}

function filesOfTable(page: string): string[] {
  const rows = page.split('\n').filter((line) => line.startsWith('|'));
  const names = rows.flatMap((row) =>
    [...row.matchAll(/`((?:main|workers|server|shared)\/[^`]+)`/g)].map(([, name]) => name),
  );
  return [...new Set(names)].map((name) => `src/${name}.ts`);
}

/** The settings files are JSON with comment lines. */
function readJson(path: string): unknown {
  return JSON.parse(read(path).replace(/^\s*\/\/.*$/gm, ''));
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
  );
}
