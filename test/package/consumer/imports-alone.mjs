// Each entry can be imported alone, and importing starts nothing.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

for (const entry of ['bridged-state', 'bridged-state/server', 'bridged-state/testing']) {
  const names = Object.keys(await import(entry));
  assert.notEqual(names.length, 0, `${entry} exports nothing`);
}
const proto = readFileSync(fileURLToPath(import.meta.resolve('bridged-state/bridge.proto')), 'utf8');
assert.match(proto, /^package snakepit\.bridge;$/m);
assert.equal(createRequire(import.meta.url)('bridged-state/package.json').name, 'bridged-state');
await assert.rejects(import('bridged-state/dist/src/main/index.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
