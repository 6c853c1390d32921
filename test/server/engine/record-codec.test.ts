import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs/minimal.js';
import {
  decodeCommits,
  decodeGone,
  decodeSession,
  decodeVariable,
  decodeWindow,
  encodeCommits,
  encodeGone,
  encodeSession,
  encodeVariable,
  encodeWindow,
  peekId,
  peekVariable,
  recordReader,
} from '../../../src/server/engine/record-codec.js';
import type { CommitRecord, RegistrationRecord } from '../../../src/server/engine/records.js';
import type { VersionedValue } from '../../../src/shared/state/versioned-value.js';
import { jsonTextOf } from '../../../src/shared/values/json-text.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';
import { encodeUtf8 } from '../../../src/shared/values/utf8.js';
import type { VariableType, VariableValue } from '../../../src/shared/values/variable-type.js';

const version = (value: VariableValue, more: Partial<VersionedValue> = {}): VersionedValue => ({
  ...{ version: 2 ** 53 - 2, value, timestamp: 1.7e12 + 0.125, source: '', custom: EMPTY_METADATA, revision: 7 },
  ...more,
});

const registration = (type: VariableType, more: Partial<RegistrationRecord> = {}): RegistrationRecord => ({
  ...{ id: 'var_1', name: 'ü', type, constraints: {}, metadata: EMPTY_METADATA, description: '', ttlMs: 0 },
  ...{ createdAt: 5.5, place: 2 ** 32 - 1, firstVersion: 1 },
  ...more,
});

const VALUES: readonly (readonly [VariableType, VariableValue])[] = [
  ['float', -0],
  ['float', Number.NaN],
  ['float', Number.NEGATIVE_INFINITY],
  ['integer', -(2n ** 90n)],
  ['integer', 2 ** 53 - 1],
  ['boolean', true],
  ['string', ''],
  ['string', '\u0000\u{1F600}'],
  ['choice', 'a'],
  ['module', 'Foo'],
  ['map', { a: [1, null, { b: 'c' }] } as unknown as VariableValue],
  ['list', []],
  ['embedding', Float32Array.of(1, 2)],
  ['embedding', new Float64Array(0)],
  ['tensor', { shape: [1, 2], data: Float64Array.of(-0, Number.NaN) } as unknown as VariableValue],
];

for (const [type, value] of VALUES) {
  test(`a ${type} is read as it was written: ${String(value).slice(0, 20)}`, () => {
    const versions = [version(value), version(value, { source: 'me', custom: { __proto__x: 'y', a: '' } })];
    const variable = { session: 3, registration: registration(type), versions };
    assert.deepEqual(decodeVariable(3, recordReader(encodeVariable(variable))), variable);
  });
}

test('a large map stays the text that it came as', () => {
  const text = jsonTextOf(encodeUtf8(JSON.stringify({ a: 'x'.repeat(70_000) })));
  const [read] = decodeVariable(
    1,
    recordReader(encodeVariable({ session: 1, registration: registration('map'), versions: [version(text)] })),
  ).versions;
  assert.deepEqual(read?.value, text);
});

test('commits, deletions, sessions and outcomes are read as they were written', () => {
  const full = registration('float', {
    ...{ constraints: { min: 1 }, metadata: { a: 'b' }, description: 'd', ttlMs: 9, firstVersion: 2 ** 52 },
  });
  const outcomes = [
    { sequence: 5, version: 9, code: '', message: '' },
    { sequence: 6, version: 0, code: 'X', message: 'why' },
  ];
  const commit: CommitRecord = {
    ...{ sessionId: 's', session: 2 ** 40, begins: undefined, isEnd: false, before: 6, revision: 8 },
    changes: [
      { place: 1, type: 'float', version: version(1), registration: full, reason: undefined },
      { place: 2, type: 'string', version: version('x'), registration: undefined, reason: 'expired' },
    ],
    window: { link: 'l==', from: 4, outcomes },
  };
  const session = { sessionId: 's', session: 2 ** 40, metadata: { k: 'v' }, createdAt: 1.5 };
  const beginning = { ...commit, changes: [], window: undefined, begins: session };
  const commits = [commit, beginning, { ...commit, isEnd: true }];
  assert.deepEqual(decodeCommits(recordReader(encodeCommits(commits))), commits);
  assert.deepEqual(decodeSession(2 ** 40, recordReader(encodeSession(session))), session);
  const gone = { session: 1, registration: full, reason: 'deleted' as const, version: version(3) };
  assert.deepEqual(decodeGone(1, recordReader(encodeGone(gone))), gone);
  assert.deepEqual(decodeWindow(recordReader(encodeWindow(commit.window!))), commit.window);
});

test('fields of a newer version are skipped', () => {
  const variable = { session: 1, registration: registration('float'), versions: [version(1)] };
  const newer = protobuf.Writer.create();
  newer
    .uint32((99 << 3) | 2)
    .string('new')
    .uint32((98 << 3) | 1)
    .double(1);
  const bytes = Buffer.concat([encodeVariable(variable), newer.finish()]);
  assert.deepEqual(decodeVariable(1, recordReader(bytes)), variable);
});

test('any text comes back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const versions = [version(wellFormed(text), { source: wellFormed(text) })];
      const variable = { session: 1, registration: registration('string'), versions };
      assert.deepEqual(decodeVariable(1, recordReader(encodeVariable(variable))), variable);
    }),
  );
});

function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

test('what finds a variable is read without the rest, unless it has a time to live', () => {
  const peek = (more: Partial<RegistrationRecord>) => {
    const described = registration('string', { place: 9, metadata: { a: 'b' }, description: 'd', ...more });
    const bytes = encodeVariable({ session: 1, registration: described, versions: [version('x')] });
    const reader = recordReader(Buffer.concat([bytes, bytes]));
    reader.pos = bytes.length;
    const found = peekVariable(reader, 2 * bytes.length);
    reader.pos = bytes.length;
    assert.equal(peekId(reader), 'var_1');
    return found;
  };
  assert.deepEqual(peek({}), { name: 'ü', place: 9 });
  assert.equal(peek({ ttlMs: 5 }), undefined);
});
