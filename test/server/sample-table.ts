/** Variables and changes for tests of pure modules. */
import type { HistoryLimits } from '../../src/shared/state/history.js';
import { NO_SETTER } from '../../src/shared/state/operation.js';
import type { Change, Variable } from '../../src/shared/state/variable.js';
import { VariableTable } from '../../src/shared/state/variable-table.js';

export class SampleTable {
  readonly table: VariableTable;
  #ids = 0;
  #nowMs = 0;

  constructor(history: Partial<HistoryLimits> = {}) {
    this.table = new VariableTable({
      maxVariables: 10_000,
      history: { maxAgeMs: 60_000, maxVersions: 10_000, maxSessionBytes: 1e9, ...history },
      newId: () => {
        this.#ids += 1;
        return `var_${this.#ids}`;
      },
    });
  }

  register(name: string, initial = 0): Change {
    return this.table.register({ name, type: 'float', initial }, this.#tick());
  }

  variable(name: string): Variable {
    return this.register(name).variable;
  }

  set(variable: Variable, value: number): Change {
    const { change } = this.table.set({ identifier: variable.name, input: value }, NO_SETTER, this.#tick());
    if (change === undefined) throw new Error('the value was equal');
    return change;
  }

  /** As one batch. */
  setAll(variables: readonly Variable[], value: number): readonly Change[] {
    const assignments = variables.map(({ name }) => ({ identifier: name, input: value }));
    return this.table.update(assignments, true, NO_SETTER, this.#tick()).changes;
  }

  delete(variable: Variable): Change {
    return this.table.delete(variable.name, 'deleted', this.#tick());
  }

  #tick(): number {
    this.#nowMs += 1;
    return this.#nowMs;
  }
}
