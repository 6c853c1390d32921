import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseWatchRequest, parseWatchRequestParts } from '../../../src/server/watch/watch-request.js';
import { InvalidArgumentError } from '../../../src/shared/errors.js';
import { ERA_SPAN } from '../../../src/shared/wire/wire-version.js';

describe('a request to watch', () => {
  test('names each identifier and pattern once, with the defaults of what it leaves out', () => {
    const request = parseWatchRequest({ sessionId: 's', variableIdentifiers: ['a', 'b', 'a'], patterns: ['*', '*'] });
    assert.deepEqual([...request.identifiers], ['a', 'b']);
    assert.deepEqual([...request.patterns], ['*']);
    const { includesOldValues, keepsBatches, waitsForMissing, wantsSynced, token, heartbeatMs, resume } = request;
    assert.deepEqual(
      [includesOldValues, keepsBatches, waitsForMissing, wantsSynced, token, heartbeatMs, resume],
      [true, false, false, false, '', undefined, undefined],
    );
  });

  test('has the versions of a later era whole', () => {
    const { resume } = parseWatchRequest({ variableIdentifiers: ['a'], resume: { x: 5 }, resumeEpoch: 'e1.2' });
    assert.equal(resume?.life, 'e1');
    assert.deepEqual([...(resume?.ids() ?? [])], ['x']);
    assert.deepEqual(
      [resume?.has('x'), resume?.versionOf('x'), resume?.versionOf('y')],
      [true, 2 * ERA_SPAN + 5, undefined],
    );
  });

  test('in parts means what it means whole, a step for each name and id', async () => {
    const parts = [
      { sessionId: 's', variableIdentifiers: ['a', 'b'], options: { missing: 'wait' } },
      { variableIdentifiers: ['b', 'c'], resume: { x: 1 }, patterns: ['p*'] },
      {
        resume: { y: 2, x: 3 },
        resumeEpoch: 'e1',
        heartbeatMs: 500,
        options: { atomic: '1' },
        includeInitialValues: true,
      },
    ];
    let steps = 0;
    const request = await parseWatchRequestParts(parts, {
      spend: (more) => {
        steps += more;
        return Promise.resolve();
      },
    });
    assert.equal(steps, 7);
    assert.deepEqual([...request.identifiers], ['a', 'b', 'c']);
    assert.deepEqual([...request.patterns], ['p*']);
    const { sessionId, waitsForMissing, keepsBatches, heartbeatMs, includesInitialValues, resume } = request;
    assert.deepEqual(
      [sessionId, waitsForMissing, keepsBatches, heartbeatMs, includesInitialValues],
      ['s', true, true, 500, true],
    );
    assert.deepEqual([resume?.life, resume?.versionOf('x'), resume?.versionOf('y')], ['e1', 3, 2]);
  });

  test('is refused where it says what cannot be meant', () => {
    for (const wrong of [
      {},
      { patterns: Array.from({ length: 101 }, (_, index) => `p${index}*`) },
      { variableIdentifiers: ['a'], options: { missing: 'perhaps' } },
      { variableIdentifiers: ['a'], options: { old_value: 'some' } },
      { variableIdentifiers: ['a'], heartbeatMs: -1 },
      { variableIdentifiers: ['a'], resume: { x: -1 } },
    ]) {
      assert.throws(() => parseWatchRequest(wrong), InvalidArgumentError);
    }
  });
});
