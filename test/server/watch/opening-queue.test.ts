import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Opening } from '../../../src/server/watch/opening.js';
import { OpeningQueue } from '../../../src/server/watch/opening-queue.js';
import { SentState } from '../../../src/server/watch/sent-state.js';
import type { Variable } from '../../../src/shared/state/variable.js';
import { SampleTable } from '../sample-table.js';

function replay(variable: Variable, from: number): Opening {
  const { version: upTo } = variable.current;
  const sent = new SentState(variable, from);
  return { type: 'replay', sent, version: from + 1, upTo, revision: variable.history.find(from + 1)?.revision ?? 0 };
}

function taken(queue: OpeningQueue): Opening[] {
  const openings: Opening[] = [];
  for (let next = queue.peek(); next !== undefined; next = queue.peek()) {
    assert.equal(queue.take(), next);
    openings.push(next);
  }
  assert.equal(queue.take(), undefined);
  return openings;
}

describe('the queue of an opening', () => {
  test('says each version of each variable once, in the order of their revisions', () => {
    const sets = fc.array(fc.nat(4), { maxLength: 60 });
    const seen = fc.array(fc.nat(3), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(sets, seen, (order, froms) => {
        const sample = new SampleTable();
        const variables = [0, 1, 2, 3, 4].map((place) => sample.variable(`v${place}`));
        for (const [value, place] of order.entries()) sample.set(variables[place]!, value + 1);
        const openings = variables
          .map((variable, place) => replay(variable, Math.min(froms[place]!, variable.current.version)))
          .filter((one) => one.type === 'replay' && one.version <= one.upTo)
          .sort((a, b) => a.revision - b.revision);
        const expected = openings.flatMap((one) => {
          if (one.type !== 'replay') return [];
          const { sent, version, upTo } = one;
          return Array.from({ length: upTo - version + 1 }, (_, step) => `${sent.variable.name}=${version + step}`);
        });
        const said = taken(new OpeningQueue(openings));
        const revisions = said.map(({ revision }) => revision);
        assert.deepEqual(
          revisions,
          revisions.toSorted((a, b) => a - b),
        );
        const names = said.map((one) => (one.type === 'replay' ? `${one.sent.variable.name}=${one.version}` : ''));
        assert.deepEqual(names.sort(), expected.sort());
      }),
    );
  });

  test('of a watch with a condition says the versions that it lets through', () => {
    const sample = new SampleTable();
    const [a, b] = [sample.variable('a'), sample.variable('b')];
    for (let value = 1; value <= 6; value += 1) for (const variable of [a, b]) sample.set(variable, value);
    const wanted = { versions: [2, 5, 7], place: 0 };
    const queue = new OpeningQueue([{ ...replay(a, 1), wanted } as Opening, replay(b, 5)]);
    const said = taken(queue).map((one) => (one.type === 'replay' ? `${one.sent.variable.name}=${one.version}` : ''));
    assert.deepEqual(said, ['a=2', 'a=5', 'b=6', 'a=7', 'b=7']);
  });

  test('passes over a version that is no longer held where the one before it stood', () => {
    const sample = new SampleTable({ maxVersions: 16, maxAgeMs: 0 });
    const [a, b] = [sample.variable('a'), sample.variable('b')];
    for (let value = 1; value <= 3; value += 1) sample.set(a, value);
    const queue = new OpeningQueue([replay(a, 1)]);
    for (let value = 4; value <= 40; value += 1) sample.set(a, value);
    sample.set(b, 1);
    assert.deepEqual(
      taken(queue).map((one) => one.type === 'replay' && one.version),
      [2, 3, 4],
    );
  });

  test('has one entry a variable: 20 variables of 5,000 versions are replayed whole', () => {
    const sample = new SampleTable({ maxVersions: 10_000 });
    const variables = Array.from({ length: 20 }, (_, place) => sample.variable(`v${place}`));
    for (let value = 1; value <= 5_000; value += 1) for (const variable of variables) sample.set(variable, value);
    const said = taken(new OpeningQueue(variables.map((variable) => replay(variable, 1))));
    assert.equal(said.length, 100_000);
    assert.ok(said.every(({ revision }, place) => place === 0 || revision >= said[place - 1]!.revision));
  });
});
