/** Values with versions, out of one provider and into another. Plain data: it survives structured clone, and JSON where the values do. */
import { InvalidArgumentError } from '../errors.js';
import type { Constraints } from '../values/constraint.js';
import { describeValue } from '../values/describe-value.js';
import { checkName } from '../values/identifier.js';
import type { Metadata } from '../values/metadata.js';
import type { VariableType, VariableValue } from '../values/variable-type.js';

export interface ExportedVariable {
  readonly name: string;
  readonly type: VariableType;
  readonly value: VariableValue;
  readonly version: number;
  readonly constraints: Constraints;
  readonly metadata: Metadata;
  readonly description: string;
  readonly ttlMs: number;
}

export interface ExportedState {
  readonly format: 'bridged-state/1';
  readonly variables: readonly ExportedVariable[];
}

export const EXPORT_FORMAT = 'bridged-state/1';

/** @throws InvalidArgumentError when it isn't what `exportState` gave, InvalidNameError for a name that is none */
export function checkExportedState(input: unknown): ExportedState {
  const state = input as Partial<ExportedState> | null | undefined;
  if (state?.format !== EXPORT_FORMAT || !Array.isArray(state.variables)) {
    throw new InvalidArgumentError(
      `this is no exported state: give what exportState() returned (format "${EXPORT_FORMAT}")`,
    );
  }
  for (const variable of state.variables as readonly unknown[]) {
    if (typeof variable !== 'object' || variable === null) {
      throw new InvalidArgumentError(
        `a variable of the exported state is ${describeValue(variable)}: give it as it came`,
      );
    }
    checkName((variable as ExportedVariable).name);
  }
  return state as ExportedState;
}
