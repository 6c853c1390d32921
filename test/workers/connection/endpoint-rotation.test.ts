import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { EndpointRotation } from '../../../src/workers/connection/endpoint-rotation.js';

type Tried = readonly [endpoint: string, size: number];

/** What happens, then which endpoint is tried. */
type Step = { readonly tried: Tried } & (
  | { readonly servers: readonly string[] }
  | { readonly reached: true }
  | { readonly lasting: true }
  | { readonly failed: true; readonly isOtherLeft: boolean }
);

interface Rotation {
  readonly name: string;
  readonly given: readonly string[];
  readonly tried: Tried;
  readonly steps: readonly Step[];
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
        if ('servers' in step) rotation.handleServers(step.servers);
        else if ('reached' in step) rotation.handleReached();
        else if ('lasting' in step) rotation.handleLasting();
        else assert.equal(rotation.advance(), step.isOtherLeft);
        assert.deepEqual([rotation.current, rotation.size], step.tried);
      }
    });
  }
});
