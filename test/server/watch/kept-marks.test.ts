import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ChangeFollower } from '../../../src/server/watch/kept-marks.js';
import { KeptMarks } from '../../../src/server/watch/kept-marks.js';
import type { Variable } from '../../../src/shared/state/variable.js';
import { SampleTable } from '../sample-table.js';

function setup() {
  const sample = new SampleTable();
  const followers = new Map<Variable, ChangeFollower[]>();
  let waits = 0;
  const source = {
    followNext: (variable: Variable, follower: ChangeFollower): void => {
      followers.set(variable, [...(followers.get(variable) ?? []), follower]);
    },
  };
  const marks = new KeptMarks(source, {
    handleKeptWaiting: () => {
      waits += 1;
    },
  });
  const set = (variable: Variable, value: number): number => {
    sample.set(variable, value);
    const told = followers.get(variable) ?? [];
    followers.delete(variable);
    for (const follower of told) follower.handleChanged();
    return told.length;
  };
  const said = () =>
    marks
      .takeWaiting()
      .map((mark) => marks.say(mark))
      .filter((kept) => kept !== undefined);
  return { sample, marks, set, said, waits: () => waits };
}

describe('what was kept out', () => {
  test('is said once a variable, whatever the number of changes and watches', () => {
    const { sample, marks, set, said, waits } = setup();
    const fan = sample.variable('fan');
    for (let watch = 0; watch < 3; watch += 1) marks.watch(fan);
    assert.equal(set(fan, 1), 1);
    for (let value = 2; value < 10; value += 1) assert.equal(set(fan, value), 0, 'further changes cost nothing');
    assert.equal(waits(), 1);
    assert.deepEqual(said(), [{ number: 0, id: fan.id, version: 10 }]);
    assert.equal(marks.isWaiting, false);
    set(fan, 20);
    assert.deepEqual(said(), [{ number: 0, id: undefined, version: 11 }]);
    assert.deepEqual(said(), []);
  });

  test('is said again for a watch that returns, though the variable has not changed since', () => {
    const { sample, marks, set, said } = setup();
    const fan = sample.variable('fan');
    marks.watch(fan);
    set(fan, 1);
    assert.equal(said().length, 1);
    marks.renew(fan);
    assert.deepEqual(said(), [{ number: 0, id: undefined, version: 2 }]);
  });

  test('is not said of a variable that nobody watches any more, and its number is given on', () => {
    const { sample, marks, set, said } = setup();
    const [fan, lamp] = [sample.variable('fan'), sample.variable('lamp')];
    marks.watch(fan);
    set(fan, 1);
    said();
    set(fan, 2);
    marks.unwatch(fan);
    marks.unwatch(fan);
    marks.renew(fan);
    assert.deepEqual(said(), []);
    marks.watch(lamp);
    set(lamp, 1);
    assert.deepEqual(said(), [{ number: 0, id: lamp.id, version: 2 }]);
  });

  test('waits again when there was no room to say it', () => {
    const { sample, marks, set, said } = setup();
    const [fan, lamp] = [sample.variable('fan'), sample.variable('lamp')];
    for (const variable of [fan, lamp]) marks.watch(variable);
    set(fan, 1);
    const waiting = marks.takeWaiting();
    set(lamp, 1);
    marks.putBack(waiting);
    assert.deepEqual(
      said().map(({ id }) => id),
      [fan.id, lamp.id],
    );
  });
});
