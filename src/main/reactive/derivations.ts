/** What is derived of what in one state, and how long a chain of derived variables may be. Pure. */
import { InvalidArgumentError } from '../../shared/errors.js';
import type { UpdateMetadata } from '../watch/watcher.js';

/** Who sets a derived variable. */
export const DERIVED_SOURCE = 'derived';
/** Of the custom metadata of such a set: how many derived variables were set one because of the other. The same in Python. */
export const DEPTH_KEY = 'derived-depth';
/** A chain that is longer goes in a circle that does not settle. */
export const MAX_DEPTH = 32;

export class Derivations {
  /** By target: what it is computed of. */
  readonly #inputs = new Map<string, readonly string[]>();

  /** @throws InvalidArgumentError that names the cycle it would close, or the target that is derived already */
  add(target: string, names: readonly string[]): void {
    const cycle = this.#cycleOf(target, names);
    if (cycle !== undefined) {
      throw new InvalidArgumentError(
        `derived variables would follow one another in a circle: ${cycle.join(' -> ')}: leave one of them out`,
      );
    }
    if (this.#inputs.has(target)) {
      throw new InvalidArgumentError(`"${target}" is derived already: close that one first`);
    }
    this.#inputs.set(target, names);
  }

  remove(target: string): void {
    this.#inputs.delete(target);
  }

  /** From the target back to it, in the order in which one is set because of the other. */
  #cycleOf(target: string, names: readonly string[]): readonly string[] | undefined {
    const paths = names.map((name) => [target, name]);
    const seen = new Set<string>();
    for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
      const last = path.at(-1)!;
      if (last === target) return path.reverse();
      if (seen.has(last)) continue;
      seen.add(last);
      for (const name of this.#inputs.get(last) ?? []) paths.push([...path, name]);
    }
    return undefined;
  }
}

/** Of the set that made this update; 0 when nobody derived it. */
export function depthOf({ source, custom }: Pick<UpdateMetadata, 'source' | 'custom'>): number {
  const text = source === DERIVED_SOURCE ? custom[DEPTH_KEY] : undefined;
  return typeof text === 'string' && /^\d{1,5}$/.test(text) ? Number(text) : 0;
}
