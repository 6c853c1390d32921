import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { EndpointRotation } from '../../../src/workers/connection/endpoint-rotation.js';

type Tried = readonly [endpoint: string, size: number];

interface Rotation {
  readonly name: string;
  readonly given: readonly string[];
  readonly tried: Tried;
  readonly steps: readonly { readonly servers?: readonly string[]; readonly tried: Tried }[];
}

/** The Python client reads them too. */
const vectors = JSON.parse(
  readFileSync(new URL('../../../../test/vectors/endpoints.json', import.meta.url), 'utf8'),
) as { readonly rotations: readonly Rotation[] };

describe('endpoints are tried', () => {
  for (const { name, given, tried, steps } of vectors.rotations) {
    test(name, () => {
      const rotation = new EndpointRotation(given);
      assert.deepEqual([rotation.current, rotation.size], tried);
      for (const step of steps) {
        if (step.servers === undefined) rotation.advance();
        else rotation.handleServers(step.servers);
        assert.deepEqual([rotation.current, rotation.size], step.tried);
      }
    });
  }

  test('in rounds: one is over when each has failed, and what lasted begins another', () => {
    const rotation = new EndpointRotation(['a:1', 'b:1', 'c:1']);
    const left = (): boolean => rotation.advance();
    assert.deepEqual([left(), left(), left(), left()], [true, true, false, true]);
    rotation.handleLasting();
    assert.deepEqual([left(), left(), left()], [true, true, false]);
    const alone = new EndpointRotation(['a:1']);
    assert.deepEqual([alone.advance(), alone.advance()], [false, false]);
  });
});
