import { DEFAULT_HISTORY_LIMITS } from '../../src/shared/state/history.js';
import { NO_SETTER } from '../../src/shared/state/operation.js';
import { VariableTable } from '../../src/shared/state/variable-table.js';
import type { Kernel } from './kernel.js';
import { repeat, SET_AT_MS } from './kernel.js';

export function variableTableKernels(): Kernel[] {
  let ids = 0;
  const table = new VariableTable({
    maxVariables: VARIABLES,
    history: { ...DEFAULT_HISTORY_LIMITS, maxVersions: 16 },
    newId: () => {
      ids += 1;
      return `var-${ids}`;
    },
  });
  const names = Array.from({ length: VARIABLES }, (_, index) => `sensor-${index}`);
  for (const name of names) table.register({ name, type: 'float', initial: 0 }, SET_AT_MS);
  let value = 0;
  return [
    repeat('variable table: set, with history', (index) => {
      value += 1;
      return table.set({ identifier: names[index]!, input: value }, NO_SETTER, SET_AT_MS + value);
    }),
  ];
}

const VARIABLES = 1_000;
