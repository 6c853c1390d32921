import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AnswerPage, fieldBytes } from '../../../src/shared/wire/answer-page.js';
import { snakepit } from '../../../src/shared/wire/gen/bridge.js';
import { METHODS } from '../../../src/shared/wire/services.js';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const variable = (name: string): Uint8Array => snakepit.bridge.Variable.encode({ name }).finish();
const names = fc.array(fc.string({ maxLength: 400 }), { maxLength: 30 });

test('what it holds is what the generated reader reads, in order, with what is behind it', () => {
  fc.assert(
    fc.property(names, fc.string(), (given, nextPageToken) => {
      const page = new AnswerPage(Number.POSITIVE_INFINITY);
      for (const name of given) page.add(1, variable(name));
      const bytes = page.finish(METHODS.ListVariables.encodeResponse({ nextPageToken }));
      const read = METHODS.ListVariables.decodeResponse(bytes);
      assert.deepEqual(
        (read.variables ?? []).map(({ name }) => name ?? ''),
        given,
      );
      assert.equal(read.nextPageToken ?? '', nextPageToken);
      assert.deepEqual(
        [...bytes],
        [...METHODS.ListVariables.encodeResponse({ variables: given.map((name) => ({ name })), nextPageToken })],
      );
    }),
  );
});

test('it never grows beyond its limit, but by a first message that is larger alone', () => {
  fc.assert(
    fc.property(names, fc.nat(2_000), (given, maxBytes) => {
      const page = new AnswerPage(maxBytes);
      const taken = given.filter((name) => page.add(1, variable(name)));
      assert.ok(page.bytes <= maxBytes || taken.length === 1);
      assert.ok(given.length === 0 || taken.length > 0);
      assert.equal(page.finish().length, page.bytes);
    }),
  );
});

test('entries of a map are read by their keys', () => {
  const page = new AnswerPage(10_000);
  page.addEntry(1, text('fan'), variable('fan'));
  page.addEntry(1, text(''), variable('x'.repeat(200)));
  page.insist(METHODS.GetVariables.encodeResponse({ missingVariables: ['gone'] }));
  const { variables, missingVariables } = METHODS.GetVariables.decodeResponse(page.finish());
  assert.deepEqual(Object.keys(variables ?? {}), ['fan', '']);
  assert.equal(variables?.['']?.name, 'x'.repeat(200));
  assert.deepEqual(missingVariables, ['gone']);
});

test('newest first is turned round', () => {
  const page = new AnswerPage(10_000);
  for (const name of ['c', 'b', 'a']) page.add(1, variable(name));
  const { variables } = METHODS.ListVariables.decodeResponse(page.finish(undefined, true));
  assert.deepEqual(
    variables?.map(({ name }) => name),
    ['a', 'b', 'c'],
  );
});

test('the bytes of a field are its key, its length and itself', () => {
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 3_000_000]) {
    const page = new AnswerPage(0);
    page.add(1, new Uint8Array(length));
    assert.equal(page.finish().length, fieldBytes(length));
  }
});
