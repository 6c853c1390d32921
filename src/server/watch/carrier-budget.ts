/**
 * Bytes that the watches of one connection hold. Path: watch, outbox -> [carrier budget]. What is held is refused or left out above the limit.
 * What is under way waits for room: then whoever waited longest goes on, so that streams nobody reads stop each other and nobody else.
 */

/** Told once when there is room again. */
export interface RoomSeeker {
  handleRoom(nowMs: number): void;
}

export class CarrierBudget {
  readonly maxBytes: number;
  /** Names waited for, observers, changes that wait. */
  held = 0;
  #underWay = 0;
  readonly #seekers = new Set<RoomSeeker>();

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get isPressed(): boolean {
    return this.held > this.maxBytes;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Whether one more message may be given to the transport. Who hears no is told when it may. */
  hasRoom(seeker: RoomSeeker): boolean {
    if (this.#underWay < this.maxBytes) return true;
    this.#seekers.add(seeker);
    return false;
  }

  addUnderWay(bytes: number): void {
    this.#underWay += bytes;
  }

  removeUnderWay(bytes: number, nowMs: number): void {
    this.#underWay -= bytes;
    for (const seeker of this.#seekers) {
      if (this.#underWay >= this.maxBytes) return;
      this.#seekers.delete(seeker);
      seeker.handleRoom(nowMs);
    }
  }

  /** It wants nothing any more. */
  forget(seeker: RoomSeeker): void {
    this.#seekers.delete(seeker);
  }
}
