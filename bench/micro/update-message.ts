import { DEFAULT_HISTORY_LIMITS } from '../../src/shared/state/history.js';
import type { Change } from '../../src/shared/state/variable.js';
import { VariableTable } from '../../src/shared/state/variable-table.js';
import { EMPTY_METADATA } from '../../src/shared/values/metadata.js';
import { METHODS } from '../../src/shared/wire/services.js';
import { decodeUpdate, encodeChange } from '../../src/shared/wire/update-message.js';
import type { Kernel } from './kernel.js';
import { repeat, SET_AT_MS } from './kernel.js';

export function updateMessageKernels(): Kernel[] {
  const change = someChange();
  const bytes = encodeChange(change, 'epoch-1', false);
  return [
    repeat('update message: encode', () => encodeChange(change, 'epoch-1', false)),
    repeat('update message: decode', () => decodeUpdate(bytes, NAMES), GENERATED),
    repeat(GENERATED, () => METHODS.WatchVariables.decodeResponse(bytes)),
  ];
}

function someChange(): Change {
  const table = new VariableTable({ maxVariables: 1, history: DEFAULT_HISTORY_LIMITS, newId: () => 'var-1' });
  table.register({ name: 'sensor-1', type: 'float', initial: 0 }, SET_AT_MS);
  const setter = { source: 'bench', custom: EMPTY_METADATA };
  return table.set({ identifier: 'sensor-1', input: 21.5 }, setter, SET_AT_MS + 1).change!;
}

const GENERATED = 'update message: decode, generated code';

/** As a stream's next message has them. */
const NAMES = { variableId: 'var-1', name: 'sensor-1' };
