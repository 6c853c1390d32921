/** The pages for readers: their files, headings, links and blocks of code. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

// Tests run in dist/test/docs.
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export interface Block {
  readonly language: string;
  readonly code: string;
}

export interface Link {
  /** Path from the root of the repository. */
  readonly path: string;
  /** Without `#`; '' when the link has none. */
  readonly anchor: string;
}

export function readPage(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Every page at the root and below docs. */
export function pagePaths(): string[] {
  const atRoot = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  const below = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name));
  return [...atRoot, ...below].sort();
}

/** The fenced blocks of a page, or of its part under one `##` heading; '' is the part before the first. */
export function blocksOf(page: string, heading?: string): Block[] {
  const part = heading === undefined ? page : sectionOf(page, heading);
  return [...part.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({ language, code }));
}

/** Lines of a part that are indented by four, as commands are. */
export function commandsOf(page: string, heading: string): string[] {
  return [...sectionOf(page, heading).matchAll(/^ {4}(\S.*)$/gm)].map(([, command = '']) => command);
}

export function joined(blocks: readonly Block[], language: string): string {
  return blocks
    .filter((block) => block.language === language)
    .map((block) => block.code)
    .join('\n');
}

/** Links to files of the repository. */
export function linksOf(path: string): Link[] {
  const prose = withoutCode(readPage(path));
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file = '', anchor = ''] = target.split('#');
      return { path: file === '' ? path : normalize(join(dirname(path), file)), anchor };
    });
}

/** Paths of files that a page names in code, such as `src/main/index.ts`. */
export function namedPaths(path: string): string[] {
  const names = [...readPage(path).matchAll(/`((?:src|test|bench|scripts|docs|proto)\/[\w./-]+)`/g)];
  return [...new Set(names.map(([, name = '']) => name))];
}

/** The anchors that a code host makes of headings. */
export function anchorsOf(path: string): string[] {
  return [...withoutCode(readPage(path)).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function sectionOf(page: string, heading: string): string {
  const parts = page.split(/^## /m);
  const part = heading === '' ? parts[0] : parts.find((candidate) => candidate.startsWith(`${heading}\n`));
  if (part === undefined) throw new Error(`no part is headed "${heading}"`);
  return part;
}

function withoutCode(page: string): string {
  return page.replace(/^```[\s\S]*?^```$/gm, '').replace(/^ {4}.*$/gm, '');
}
