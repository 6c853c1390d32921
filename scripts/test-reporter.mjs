// The spec reporter, with the places of sources instead of those of what was compiled from them. `node --enable-source-maps` would
// say them too, but reads a map for every module of every process and thread: a tenth of the time that the tests take.

import { existsSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { spec } from 'node:test/reporters';
import { pathToFileURL } from 'node:url';
import { root } from './test-files.mjs';

const maps = new Map();

export default async function* (events) {
  for await (const text of Readable.from(events).compose(new spec())) yield inSources(`${text}`);
}

function inSources(text) {
  return text
    .replaceAll(`${pathToFileURL(root)}/dist/`, 'dist/')
    .replace(
      /\bdist\/([\w./-]+\.c?js):(\d+):(\d+)/g,
      (place, path, line, column) => sourceOf(path, Number(line), Number(column)) ?? place,
    );
}

/** dist mirrors the sources, each beside its map. */
function sourceOf(path, line, column) {
  if (!maps.has(path)) maps.set(path, mapOf(`${root}/dist/${path}.map`));
  const entry = maps.get(path)?.findEntry(line - 1, column - 1);
  if (entry?.originalSource === undefined) return undefined;
  const source = posix.join(posix.dirname(path), posix.basename(entry.originalSource));
  return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
}

function mapOf(file) {
  return existsSync(file) ? new SourceMap(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
}
