import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type LineItem, NOT_IN_LINE, TurnLine } from '../../../src/main/watch/turn-line.js';
import { BACKGROUND, NORMAL, type Rank, URGENT } from '../../../src/shared/delivery/priority.js';

interface Item extends LineItem {
  readonly name: string;
  /** What it has to tell. */
  left: number;
}

const itemOf = (name: string, rank: Rank, left = 1): Item => ({ name, rank, left, ...NOT_IN_LINE });

/** A line whose turns have time for so many tellings. */
function lineOf(tellings = Number.POSITIVE_INFINITY) {
  const told: string[] = [];
  let time = tellings;
  const line: TurnLine<Item> = new TurnLine<Item>({
    get isUsedUp() {
      return time <= 0;
    },
    serve: (item) => {
      while (item.left > 0 && time > 0) {
        item.left -= 1;
        time -= 1;
        told.push(item.name);
      }
      return item.left > 0;
    },
  });
  const turn = (): string[] => {
    time = tellings;
    told.length = 0;
    line.run();
    return [...told];
  };
  return { line, turn };
}

describe('a line of watches', () => {
  test('tells urgent ones first and those of the background last, of one rank first come first served', () => {
    const { line, turn } = lineOf();
    for (const [name, rank] of [
      ['b', BACKGROUND],
      ['n', NORMAL],
      ['u', URGENT],
      ['b2', BACKGROUND],
      ['u2', URGENT],
    ] as const)
      line.enter(itemOf(name, rank));
    assert.deepEqual(turn(), ['u', 'u2', 'n', 'b', 'b2']);
    assert.ok(line.isEmpty);
  });

  test('goes on where it was when the time was used up, and one that was not done goes behind its like', () => {
    const { line, turn } = lineOf(2);
    for (const item of [itemOf('a', NORMAL, 3), itemOf('b', NORMAL, 2), itemOf('c', NORMAL)]) line.enter(item);
    assert.deepEqual(
      [turn(), turn(), turn()],
      [
        ['a', 'a'],
        ['b', 'b'],
        ['c', 'a'],
      ],
    );
    assert.ok(line.isEmpty);
  });

  test('counts for each the turns that ended while it waited', () => {
    const { line, turn } = lineOf(1);
    const [first, second, third] = ['a', 'b', 'c'].map((name) => itemOf(name, NORMAL)) as [Item, Item, Item];
    for (const item of [first, second, third]) line.enter(item);
    turn();
    assert.deepEqual(
      [first, second, third].map((item) => line.yieldsOf(item)),
      [0, 1, 1],
    );
    line.leave(third);
    assert.deepEqual(turn(), ['b']);
    assert.deepEqual([line.isEmpty, turn(), line.yieldsOf(third)], [true, [], 1]);
  });

  test('what enters while it tells is told in the next turn', () => {
    const told: string[] = [];
    const line: TurnLine<Item> = new TurnLine<Item>({
      isUsedUp: false,
      serve: (item) => {
        told.push(item.name);
        if (told.length === 1) {
          line.enter(item);
          line.enter(itemOf('new', URGENT));
        }
        return false;
      },
    });
    line.enter(itemOf('a', NORMAL));
    line.run();
    assert.deepEqual(told, ['a']);
    line.run();
    assert.deepEqual(told, ['a', 'new', 'a']);
  });

  test('each watch of a rank is told at least once in 8 turns for each that waits of it, whatever outranks it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
        (urgents, normals, backgrounds, tellings) => {
          const { line, turn } = lineOf(tellings);
          const many = (count: number, rank: Rank) =>
            Array.from({ length: count }, (_, n) => itemOf(`${rank}-${n}`, rank, 1_000_000));
          const items = [...many(urgents, URGENT), ...many(normals, NORMAL), ...many(backgrounds, BACKGROUND)];
          for (const item of items) line.enter(item);
          const waitedFor = new Map(items.map(({ name }) => [name, 0]));
          const ofRank = [urgents, normals, backgrounds];
          for (let turns = 0; turns < 200; turns += 1) {
            const told = new Set(turn());
            for (const { name, rank } of items) {
              const waited = told.has(name) ? 0 : waitedFor.get(name)! + 1;
              waitedFor.set(name, waited);
              assert.ok(waited <= 8 * ofRank[rank]!, `${name} waited ${waited} turns`);
            }
          }
        },
      ),
    );
  });
});
