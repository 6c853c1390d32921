/**
 * Is this the next version of a variable, one seen already, or are n missing? One tracker a watch and variable.
 * Path: variable feed -> [version tracker] -> watch feed. Knows lineages: a new epoch or a new variable id begins its versions anew.
 */

import { inGenerationOf, isSameLife, isSameLineage } from '../wire/epoch-text.js';

/** Verdict of `accept` on a version that was seen already. */
export const DUPLICATE = -1;

export class VersionTracker {
  /** Last version accepted; 0 before the first. */
  version = 0;
  /** Whether the version accepted last began a lineage or closed a gap that no replay filled. */
  isResync = false;
  #epoch = '';
  #variableId = '';

  /** Continues where an earlier tracker of the same watch and variable was. */
  resume(version: number, epoch: string, variableId: string): void {
    this.version = version;
    this.#epoch = epoch;
    this.#variableId = variableId;
  }

  /** All that it accepted is kept in the generation of another epoch of the same life. */
  continueIn(epoch: string): void {
    if (epoch !== this.#epoch && isSameLife(epoch, this.#epoch)) this.#epoch = inGenerationOf(this.#epoch, epoch);
  }

  get epoch(): string {
    return this.#epoch;
  }

  get variableId(): string {
    return this.#variableId;
  }

  /**
   * Returns how many versions were skipped right before this one, or DUPLICATE. `isSnapshot` says that it is a present value and not a change.
   * `missedInNewLife`: versions of a new lineage before this one, which nobody of this watch saw. The first version of a watch has skipped none.
   */
  accept(
    version: number,
    epoch: string,
    variableId: string,
    isSnapshot: boolean,
    missedInNewLife = version - 1,
  ): number {
    if (this.version === 0) return this.#begin(version, epoch, variableId, false, 0);
    // A change of another generation goes on from what this watch saw; a present value is said where that may be lost.
    const isOtherEpoch =
      epoch !== '' && this.#epoch !== '' && (isSnapshot ? epoch !== this.#epoch : !isSameLineage(epoch, this.#epoch));
    const isOtherVariable = variableId !== '' && this.#variableId !== '' && variableId !== this.#variableId;
    // A server without epochs that is behind what we have seen has lost its state.
    const isBehind = isSnapshot && version < this.version && (epoch === '' || this.#epoch === '');
    if (isOtherEpoch || isOtherVariable || isBehind) {
      return this.#begin(version, epoch, variableId, true, missedInNewLife);
    }
    if (version <= this.version) return DUPLICATE;
    const missed = version - this.version - 1;
    return this.#begin(version, epoch, variableId, isSnapshot && missed > 0, missed);
  }

  #begin(version: number, epoch: string, variableId: string, isResync: boolean, missed: number): number {
    this.version = version;
    if (epoch !== '') this.#epoch = epoch;
    if (variableId !== '') this.#variableId = variableId;
    this.isResync = isResync;
    return missed;
  }
}
