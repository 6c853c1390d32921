/** The files of test/vectors that are made here, and their making: `node dist/test/vectors-check/vector-files.js` writes them again. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stringifyJson } from '../../src/shared/values/json.js';
import { decideVectors } from './decide-vectors.js';
import { backoffVectors, conditionVectors, ringVectors, versionVectors } from './delivery-vectors.js';
import { linkVectors } from './link-vectors.js';

export const VECTOR_FILES: Readonly<Record<string, () => unknown>> = {
  'versions.json': versionVectors,
  'backoff.json': backoffVectors,
  'conditions.json': conditionVectors,
  'update-rings.json': ringVectors,
  'link-frames.json': linkVectors,
  'decide.json': decideVectors,
};

/** Runs in dist/test/vectors-check. */
export function vectorUrl(name: string): URL {
  return new URL(`../../../test/vectors/${name}`, import.meta.url);
}

/** A line an entry: what changes is seen in a diff. Numbers keep all their digits and the sign of zero. */
export function vectorText(vectors: unknown): string {
  const parts = Object.entries(vectors as Record<string, unknown>).map(([key, part]) => {
    if (!Array.isArray(part)) return `  ${JSON.stringify(key)}: ${stringifyJson(part)}`;
    const lines = part.map((entry) => `    ${stringifyJson(entry)}`);
    return `  ${JSON.stringify(key)}: [\n${lines.join(',\n')}\n  ]`;
  });
  return `{\n${parts.join(',\n')}\n}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, make] of Object.entries(VECTOR_FILES)) writeFileSync(vectorUrl(name), vectorText(make()));
}
