// Which compiled test files there are, and which of them test pure modules.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Their paths, from the root. */
export function testsBelow(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return testsBelow(path);
    return entry.name.endsWith('.test.js') ? [path] : [];
  });
}

/** Of these paths the tests of what tsconfig.pure.json lists: nothing that they test touches the world, so they can share a process. */
export function pureOf(paths) {
  const settings = readFileSync(join(root, 'tsconfig.pure.json'), 'utf8').replace(/^\s*\/\/.*$/gm, '');
  const { include, exclude } = JSON.parse(settings);
  const isBelow = (source) => (entry) => source.startsWith(entry.replace(/\*\*\/\*\.ts$/, ''));
  return paths.filter((path) => {
    const source = path.replace(/^dist\/test\/(.*)\.test\.js$/, 'src/$1.ts');
    return include.some(isBelow(source)) && !exclude.some(isBelow(source));
  });
}
