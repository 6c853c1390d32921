/**
 * Which watched variables an identifier means, by name and by id. Path: peek -> [peek index] -> value cells.
 * Full: cannot be; it holds what is watched, about 200 bytes a variable. Closed: a watch takes its variables out when it ends.
 */
import { OneOrMany } from '../../shared/one-or-many.js';
import type { CellValue } from '../../shared/port/value-cells.js';
import type { WatchedVariable } from './dispatched-watch.js';

export class PeekIndex {
  /** In the order in which they were watched. */
  readonly #variables = new OneOrMany<string, WatchedVariable>();

  add(variables: readonly WatchedVariable[]): void {
    for (const variable of variables) {
      if (variable.isGone) continue;
      this.#add(variable.identifier, variable);
      this.#add(variable.variableId, variable);
      this.#add(variable.name, variable);
    }
  }

  remove(variables: readonly WatchedVariable[]): void {
    for (const variable of variables) {
      this.#variables.remove(variable.identifier, variable);
      this.#variables.remove(variable.variableId, variable);
      this.#variables.remove(variable.name, variable);
    }
  }

  /** It has another id than before, and perhaps the first. */
  handleIdentified(variable: WatchedVariable, formerId: string): void {
    if (formerId !== variable.variableId && formerId !== variable.identifier)
      this.#variables.remove(formerId, variable);
    if (!this.#variables.has(variable.identifier, variable)) return;
    this.#add(variable.variableId, variable);
    this.#add(variable.name, variable);
  }

  /** The present value as the first of them knows it that knows all changes; one with a condition may be told only some. */
  peek(identifier: string): CellValue | undefined {
    let filtered: CellValue | undefined;
    for (const { cells, handle, watch } of this.#variables.of(identifier)) {
      const value = cells?.read(handle);
      if (value === undefined) continue;
      if (!watch.hasCondition) return value;
      filtered ??= value;
    }
    return filtered;
  }

  #add(key: string, variable: WatchedVariable): void {
    if (key !== '') this.#variables.add(key, variable);
  }
}
