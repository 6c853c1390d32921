import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOfVersion, metadataBytes, registrationBytes } from '../../../src/shared/state/held-bytes.js';
import { NO_CONSTRAINTS, parseConstraints } from '../../../src/shared/values/constraint.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';

const long = 'x'.repeat(10_000);
const version = { value: 1, custom: EMPTY_METADATA, source: 'typescript' };
const registration = { name: 'fan', description: '', metadata: EMPTY_METADATA, constraints: NO_CONSTRAINTS };

test('of a version every part counts at least the bytes that it takes', () => {
  const bytesOf = ({ value, custom, source }: typeof version) => bytesOfVersion(value, custom, source);
  const least = bytesOf(version);
  for (const more of [{ value: long }, { custom: { key: long } }, { custom: { [long]: '' } }, { source: long }]) {
    assert.ok(bytesOf({ ...version, ...more } as typeof version) - least >= 10_000, Object.keys(more)[0]);
  }
});

test('of a registration every part counts, keys that its type does not know too', () => {
  const least = registrationBytes(registration);
  const unknown = parseConstraints('float', { unit: long }, 'fan');
  for (const more of [{ name: long }, { description: long }, { metadata: { key: long } }, { constraints: unknown }]) {
    assert.ok(registrationBytes({ ...registration, ...more }) - least >= 10_000, Object.keys(more)[0]);
  }
});

test('many small entries count too', () => {
  const metadata = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [String(index), '']));
  assert.ok(metadataBytes(metadata) >= 30_000);
  assert.equal(metadataBytes(EMPTY_METADATA), 0);
});
