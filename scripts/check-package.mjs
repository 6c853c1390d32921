// Checks what a user would install: the packed tarball, by its list of files, by publint and attw, and by programs of
// test/package/consumer that use it from a project of their own.
//   --nodes  runs those programs on Node 20, 22 and 24 too, brought by npm packages (Linux, x64 and arm64)

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const consumers = join(root, 'test/package/consumer');

// A user downloads the first and keeps the second; a new file that was not meant to be shipped shows here.
const maxTarballBytes = 900_000;
const maxUnpackedBytes = 3_700_000;
const shippedFiles =
  /^(dist\/src\/|docs\/|proto\/bridge\.proto$|(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md)$)/;
const neverShipped = /\.(map|tsbuildinfo|mts|test\.js|test\.d\.ts)$|(?<!\.d)\.ts$|\/(test|bench)\//;
const requiredFiles = [
  ...['README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md', 'proto/bridge.proto'],
  ...[
    'dist/src/cli/main.js',
    'dist/src/workers/entry.js',
    'dist/src/workers/piscina-task.cjs',
    'dist/src/shared/wire/gen/bridge.js',
  ],
];
const nodeMajors = [20, 22, 24];
/** A program that has said all it has to say and is still there after this long does not end by itself. */
const programDeadlineMs = 60_000;

function main() {
  const options = process.argv.slice(2);
  for (const option of options) {
    if (option !== '--nodes') throw new CheckFailed(`unknown option ${option}: use --nodes or nothing`);
  }
  const workshop = mkdtempSync(join(tmpdir(), 'bridged-state-package-'));
  try {
    const tarball = pack(workshop);
    lintPackage(tarball);
    const project = install(workshop, tarball);
    checkFiles(join(project, 'node_modules/bridged-state'));
    checkTypes(project);
    for (const node of [process.execPath, ...(options.includes('--nodes') ? otherNodes(workshop) : [])]) {
      runPrograms(project, node);
    }
    run('npx', ['--no-install', 'bridged-state', '--help'], { cwd: project });
    say('npx bridged-state --help: answered');
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

function pack(workshop) {
  // The project's .npmrc turns scripts off, and a tarball without its prepack would hold what happened to be in dist.
  run('npm', ['pack', '--ignore-scripts=false', '--pack-destination', workshop], { cwd: root });
  const [name] = readdirSync(workshop);
  const tarball = join(workshop, name);
  const { size } = statSync(tarball);
  if (size > maxTarballBytes) throw new CheckFailed(`${name} has ${size} bytes, more than ${maxTarballBytes}`);
  say(`${name}: ${size} bytes of at most ${maxTarballBytes}`);
  return tarball;
}

function lintPackage(tarball) {
  const bin = (path) => join(root, 'node_modules', path);
  const findings = run(process.execPath, [bin('publint/src/cli.js'), 'run', tarball, '--strict'], { cwd: root });
  // A suggestion is no failure to publint.
  if (!findings.includes('All good!')) throw new CheckFailed(findings);
  say('publint: nothing to say');
  const attw = bin('@arethetypeswrong/cli/dist/index.js');
  // A proto file has no types.
  const options = ['--profile', 'esm-only', '--exclude-entrypoints', './bridge.proto', '--no-color', '--no-emoji'];
  run(process.execPath, [attw, tarball, ...options], { cwd: root });
  say('attw: nothing to say');
}

function install(workshop, tarball) {
  const project = join(workshop, 'project');
  cpSync(consumers, project, { recursive: true });
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const typesOfNode = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).devDependencies['@types/node'];
  npmInstall(project, tarball, `@types/node@${typesOfNode}`);
  return project;
}

function checkFiles(installed) {
  const files = filesBelow(installed);
  const unexpected = files.filter((path) => !shippedFiles.test(path) || neverShipped.test(path));
  if (unexpected.length > 0)
    throw new CheckFailed(`these files are packed and should not be:\n  ${unexpected.join('\n  ')}`);
  const missing = requiredFiles.filter((path) => !files.includes(path));
  if (missing.length > 0) throw new CheckFailed(`these files are not packed: ${missing.join(', ')}`);
  const bytes = files.reduce((sum, path) => sum + statSync(join(installed, path)).size, 0);
  if (bytes > maxUnpackedBytes) throw new CheckFailed(`unpacked it has ${bytes} bytes, more than ${maxUnpackedBytes}`);
  const places = files.filter((path) => readFileSync(join(installed, path), 'utf8').includes(root));
  if (places.length > 0)
    throw new CheckFailed(`these files name the folder that they were built in: ${places.join(', ')}`);
  say(`${files.length} files, ${bytes} bytes unpacked of at most ${maxUnpackedBytes}`);
}

/** As strict as a user can be: our declarations are read too (no skipLibCheck), so a type that does not resolve shows. */
function checkTypes(project) {
  const compilerOptions = {
    ...{ noEmit: true, target: 'es2022', module: 'nodenext', lib: ['es2023', 'esnext.disposable'], types: ['node'] },
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, verbatimModuleSyntax: true },
    skipLibCheck: false,
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.mts'] }));
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], { cwd: project });
  say('a strict TypeScript consumer compiles, declarations included');
}

function runPrograms(project, node) {
  const version = run(node, ['--version'], { cwd: project }).trim();
  const programs = readdirSync(consumers).filter((name) => name.endsWith('.mjs') && name !== 'watch-once.mjs');
  for (const program of programs) {
    const startedMs = Date.now();
    run(node, [program], { cwd: project, timeout: programDeadlineMs });
    say(`${program} on ${version}: done in ${Date.now() - startedMs} ms`);
  }
  run(node, ['node_modules/bridged-state/dist/src/cli/main.js', '--help'], {
    cwd: project,
    timeout: programDeadlineMs,
  });
  say(`bridged-state --help on ${version}: answered`);
}

function otherNodes(workshop) {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new CheckFailed(
      `--nodes knows where to get Node for linux on x64 and arm64, not ${process.platform} on ${process.arch}`,
    );
  }
  const name = `node-linux-${process.arch}`;
  const running = Number(process.versions.node.split('.')[0]);
  return nodeMajors
    .filter((major) => major !== running)
    .map((major) => {
      const folder = join(workshop, `node-${major}`);
      mkdirSync(folder);
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: `node-${major}`, private: true }));
      npmInstall(folder, `${name}@${major}`);
      return join(folder, 'node_modules', name, 'bin/node');
    });
}

function npmInstall(folder, ...packages) {
  run('npm', ['install', '--ignore-scripts', '--no-fund', '--no-audit', '--prefer-offline', ...packages], {
    cwd: folder,
  });
}

/** Returns what the command wrote to stdout; says nothing of it unless it fails. */
function run(command, args, options) {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    ...options,
  });
  if (status === 0) return stdout;
  const reason =
    error?.code === 'ETIMEDOUT'
      ? `did not end within ${options.timeout} ms`
      : (error?.message ?? `ended with ${status ?? signal}`);
  throw new CheckFailed(`${command} ${args.join(' ')} ${reason}\n${stdout ?? ''}${stderr ?? ''}`);
}

function filesBelow(folder, prefix = '') {
  if (!existsSync(folder)) throw new CheckFailed(`${folder} is not there`);
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(folder, entry.name), `${prefix}${entry.name}/`) : [`${prefix}${entry.name}`],
  );
}

class CheckFailed extends Error {}

function say(sentence) {
  process.stderr.write(`package: ${sentence}\n`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof CheckFailed)) throw error;
  say(error.message);
  process.exitCode = 1;
}
