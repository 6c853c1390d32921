import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SentState } from '../../../src/server/watch/sent-state.js';
import { openingOf } from '../../../src/server/watch/watch-opening.js';
import { parseWatchRequest, type WatchResume } from '../../../src/server/watch/watch-request.js';
import { parseCondition } from '../../../src/shared/delivery/condition-text.js';
import type { Variable } from '../../../src/shared/state/variable.js';
import { SampleTable } from '../sample-table.js';

const message = { variableIdentifiers: ['v0'], includeInitialValues: true };

async function opening(
  request: object,
  variables: readonly Variable[],
  isNewcomer = false,
  condition = '',
  fromRevision?: number,
) {
  const asked = condition === '' ? undefined : parseCondition(condition);
  const states = variables.map((variable) => {
    const sent = new SentState(variable, variable.current.version, undefined, isNewcomer, asked !== undefined);
    if (sent.kept !== undefined) sent.kept.captured = variable.current;
    return sent;
  });
  let steps = 0;
  const spend = (more: number): Promise<void> => {
    steps += more;
    return Promise.resolve();
  };
  const parsed = { ...parseWatchRequest({ ...message, ...request }), asked, fromRevision };
  const captured = { states, gone: [], sharedUpTo: sharedUpTo(parsed.resume), revision: 1_000 };
  const openings = await openingOf(parsed, captured, { spend });
  const said = openings.map((one) => {
    if (one.type === 'gone') return one.type;
    const upTo = one.type === 'replay' && one.upTo > one.version ? `-${one.upTo}` : '';
    return `${one.type} ${one.sent.variable.name}=${one.version}${upTo}`;
  });
  return { said, steps, openings };
}

/** At a server of life e1 in generation 2, that lost what the first had said behind revision 20. */
function sharedUpTo(resume: WatchResume | undefined): number {
  if (resume?.life !== 'e1') return -1;
  return resume.generation === 1 ? 20 : Number.POSITIVE_INFINITY;
}

describe('an opening', () => {
  test('says initial values in the order in which they were set, where they are asked for', async () => {
    const sample = new SampleTable();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => sample.variable(name));
    sample.set(a!, 1);
    const { said } = await opening({}, [a!, b!, c!]);
    assert.deepEqual(said, ['initial_value b=1', 'initial_value c=1', 'initial_value a=2']);
    assert.deepEqual((await opening({ includeInitialValues: false }, [a!, b!])).said, []);
  });

  test('of an earlier generation is a resync where what was seen is lost, and goes on where it is kept', async () => {
    const sample = new SampleTable();
    const fan = sample.variable('fan');
    for (let value = 1; value <= 30; value += 1) sample.set(fan, value);
    const versionAt = fan.history.upTo(20)!.version;
    const resumed = (version: number, generation: number) =>
      opening({ resume: { [fan.id]: version }, resumeEpoch: `e1~${generation}` }, [fan]);
    const { version } = fan.current;
    assert.deepEqual((await resumed(versionAt, 1)).said, [`replay fan=${versionAt + 1}-${version}`]);
    assert.deepEqual((await resumed(versionAt + 1, 1)).said, [`resync fan=${version}`]);
    assert.deepEqual((await resumed(version, 1)).said, [`resync fan=${version}`], 'its number was given anew');
    assert.deepEqual((await resumed(version, 2)).said, []);
  });

  test('replays what the history holds, and is a resync where it does not', async () => {
    const sample = new SampleTable({ maxAgeMs: 0 });
    const fan = sample.variable('fan');
    for (let value = 1; value < 30; value += 1) sample.set(fan, value);
    const resumed = (version: number) => opening({ resume: { [fan.id]: version }, resumeEpoch: 'e1' }, [fan]);
    assert.deepEqual((await resumed(30)).said, []);
    assert.deepEqual((await resumed(28)).said, ['replay fan=29-30']);
    const { said, openings } = await resumed(5);
    assert.deepEqual(said, ['resync fan=30']);
    assert.equal(openings[0]?.type === 'resync' && openings[0].missed, 24);
  });

  test('tells a variable that came while the watch was registered as changes, from its first version', async () => {
    const sample = new SampleTable();
    const fan = sample.variable('fan');
    sample.set(fan, 1);
    assert.deepEqual((await opening({ includeInitialValues: false }, [fan], true)).said, ['replay fan=1-2']);
  });

  test('from a revision tells what came since, and is a resync where the history does not say', async () => {
    const sample = new SampleTable({ maxAgeMs: 0 });
    const [fan, lamp] = [sample.variable('fan'), sample.variable('lamp')];
    for (let value = 1; value < 30; value += 1) sample.set(fan, value);
    const since = async (fromRevision: number) => (await opening({}, [fan, lamp], false, '', fromRevision)).said;
    assert.deepEqual(await since(31), []);
    assert.deepEqual(await since(28), ['replay fan=28-30']);
    // Its versions up to then are not held: whoever has one knows how many it missed. The other has not changed since its first.
    assert.deepEqual(await since(5), ['resync fan=30']);
    assert.deepEqual(await since(1), ['replay lamp=1', 'resync fan=30']);
    const late = sample.variable('late');
    sample.set(late, 1);
    assert.deepEqual((await opening({}, [late], false, '', 31)).said, ['replay late=1-2']);
  });

  test('with a condition replays what it lets through, and says of the rest at the end that it is behind', async () => {
    const sample = new SampleTable();
    const fan = sample.variable('fan');
    for (const value of [1, 50, 2, 60, 61, 3]) sample.set(fan, value);
    const resumed = (version: number, text: string) =>
      opening({ resume: { [fan.id]: version }, resumeEpoch: 'e1' }, [fan], false, text);
    const { said, openings } = await resumed(2, '{"gte":50}');
    assert.deepEqual(said, ['replay fan=3-6']);
    const [replay] = openings;
    assert.ok(replay?.type === 'replay');
    assert.deepEqual([replay.wanted?.versions, replay.sent.version, replay.sent.kept?.isBehind], [[3, 5, 6], 2, true]);
    assert.deepEqual((await resumed(3, '{"crosses":55}')).openings[0]?.type, 'replay');
    assert.deepEqual((await resumed(2, '{"gt":100}')).said, []);
    assert.deepEqual((await resumed(7, '{"gt":100}')).said, []);
  });

  test('with a condition is a resync where the value before what is to be asked is not held', async () => {
    const sample = new SampleTable({ maxAgeMs: 0 });
    const fan = sample.variable('fan');
    for (let value = 1; value < 30; value += 1) sample.set(fan, value);
    const resumed = (version: number) =>
      opening({ resume: { [fan.id]: version }, resumeEpoch: 'e1' }, [fan], false, '{"crosses":28.5}');
    assert.deepEqual((await resumed(15)).said, ['replay fan=30']);
    const { said, openings } = await resumed(14);
    assert.deepEqual(said, ['resync fan=30']);
    assert.equal(openings[0]?.type === 'resync' && openings[0].missed, 15);
    assert.equal(openings[0]?.type === 'resync' && openings[0].current, fan.current, 'it is held until it is told');
  });

  test('takes steps in proportion to what it says', async () => {
    const sample = new SampleTable();
    const variables = Array.from({ length: 900 }, (_, index) => sample.variable(`v${index}`));
    const few = await opening({}, variables.slice(0, 90));
    const many = await opening({}, variables);
    assert.ok(many.steps <= 10 * few.steps);
  });
});
