/**
 * Which watches are told next, and when a turn is over. Path: local watches, watch turns -> [turn line] -> dispatcher.
 * Urgent watches go first and those of the background last; a watch that is not done when the time is used up goes behind the others of its rank.
 * Slow: what waits stays in its watch's ring. A rank that waits goes first in one turn of eight, so that none is passed over for ever.
 */
import Denque from 'denque';
import { RANKS, type Rank } from '../../shared/delivery/priority.js';

/** The place of one watch. Only the line writes the fields. */
export interface LineItem {
  readonly rank: Rank;
  isInLine: boolean;
  /** Turns that ended while it waited, as far as they are counted, and those of the line by then. */
  yields: number;
  yieldsOfLine: number;
}

/** What a line item begins with. */
export const NOT_IN_LINE = { isInLine: false, yields: 0, yieldsOfLine: 0 } as const;

/** Tells what items have. */
export interface LineServer<T> {
  /** The time of this turn is used up. */
  readonly isUsedUp: boolean;
  /** Returns whether something of it is left. */
  serve(item: T): boolean;
}

export class TurnLine<T extends LineItem> {
  readonly #server: LineServer<T>;
  readonly #lines = [new Denque<T>(), new Denque<T>(), new Denque<T>()] as const;
  /** Of each rank, when this turn began. */
  readonly #waiting: [number, number, number] = [0, 0, 0];
  #size = 0;
  #yields = 0;
  /** Turns in a row that ended with something waiting. */
  #behind = 0;

  constructor(server: LineServer<T>) {
    this.#server = server;
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  enter(item: T): void {
    if (item.isInLine) return;
    item.isInLine = true;
    item.yieldsOfLine = this.#yields;
    this.#lines[item.rank].push(item);
    this.#size += 1;
  }

  /** It is over, and enters no more. */
  leave(item: T): void {
    if (!item.isInLine) return;
    this.#count(item);
    item.isInLine = false;
    this.#size -= 1;
  }

  /** Turns that ended while it waited. */
  yieldsOf(item: T): number {
    this.#count(item);
    return item.yields;
  }

  /** Serves those that wait now, each once, as long as there is time. */
  run(): void {
    const server = this.#server;
    const waiting = this.#waiting;
    for (const rank of RANKS) waiting[rank] = this.#lines[rank].length;
    for (const rank of this.#order()) {
      if (waiting[rank] === 0) continue;
      const line = this.#lines[rank];
      for (let left = waiting[rank]; left > 0 && !server.isUsedUp; left -= 1) {
        const item = line.shift()!;
        if (!item.isInLine) continue;
        this.#count(item);
        item.isInLine = false;
        this.#size -= 1;
        if (server.serve(item)) this.enter(item);
      }
    }
    if (!server.isUsedUp || this.isEmpty) {
      this.#behind = 0;
      return;
    }
    this.#yields += 1;
    this.#behind += 1;
  }

  #count(item: T): void {
    if (item.isInLine) item.yields += this.#yields - item.yieldsOfLine;
    item.yieldsOfLine = this.#yields;
  }

  #order(): readonly Rank[] {
    if (this.#behind === 0) return RANKS;
    switch (this.#behind % FAIR_TURNS) {
      case FAIR_TURNS / 2 - 1:
        return NORMAL_FIRST;
      case FAIR_TURNS - 1:
        return BACKGROUND_FIRST;
      default:
        return RANKS;
    }
  }
}

/** Of so many turns in a row in which not all were told, one begins with the background and one with normal watches. */
const FAIR_TURNS = 8;
const NORMAL_FIRST: readonly Rank[] = [1, 0, 2];
const BACKGROUND_FIRST: readonly Rank[] = [2, 1, 0];
