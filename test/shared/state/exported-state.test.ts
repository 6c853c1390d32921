import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidArgumentError } from '../../../src/shared/errors.js';
import type { ExportedState } from '../../../src/shared/state/exported-state.js';
import { checkExportedState, EXPORT_FORMAT } from '../../../src/shared/state/exported-state.js';

const STATE: ExportedState = {
  format: EXPORT_FORMAT,
  variables: [
    {
      name: 'fan',
      type: 'float',
      value: 1,
      version: 3,
      constraints: {},
      metadata: {},
      description: '',
      ttlMs: 0,
    } as ExportedState['variables'][number],
  ],
};

test('an exported state passes, also after structured clone and JSON', () => {
  for (const state of [STATE, structuredClone(STATE), JSON.parse(JSON.stringify(STATE)) as unknown]) {
    assert.equal(checkExportedState(state), state);
  }
});

for (const input of [
  undefined,
  null,
  'state',
  [],
  {},
  { ...STATE, format: 'bridged-state/0' },
  { format: EXPORT_FORMAT },
]) {
  test(`what is no exported state is refused: ${JSON.stringify(input)?.slice(0, 40)}`, () => {
    assert.throws(
      () => checkExportedState(input),
      (error) => error instanceof InvalidArgumentError && /give what exportState\(\) returned/.test(error.message),
    );
  });
}
