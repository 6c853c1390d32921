/**
 * The bytes of one table, by estimate: what it holds, what is decided and not kept, and the histories that make room.
 * Path: variable table -> [table bytes] -> the budget of all tables. Full: histories let go of old versions first; what then finds no room is refused.
 */
import { QuotaExceededError } from '../errors.js';
import { registrationBytes } from './held-bytes.js';
import type { HistoryBudget, HistoryLimits } from './history.js';
import type { DecidedChange, Variable } from './variable.js';

/** Bytes of several tables and of what is beside them. */
export interface WholeBudget {
  readonly maxBytes: number;
  bytes: number;
  /** Lets go of histories, whosesoever, until there is room for `more` bytes or there are none. */
  relieve(more: number): void;
}

export interface TableLimits {
  readonly history: HistoryLimits;
  /** Bytes of registrations and present values that it takes; with histories it may hold as much. Default: no limit. */
  readonly maxBytes?: number | undefined;
  /** Of all tables together. */
  readonly whole?: WholeBudget | undefined;
}

export class TableBytes {
  /** Of all versions, the present ones too. */
  readonly histories: HistoryBudget = { bytes: 0 };
  readonly #limits: HistoryLimits;
  readonly #maxBytes: number;
  readonly #whole: WholeBudget | undefined;
  readonly #variables: () => Iterator<Variable>;
  /** Of registrations, and of present values: what no eviction takes away. */
  #live = 0;
  /** What becomes more of them with what is decided and not kept. */
  #ahead = 0;
  /** Of registrations. */
  #registered = 0;
  /** What the whole was told. */
  #told = 0;
  #evicting: Iterator<Variable> | undefined;

  /** `variables`: those whose histories may let go of something. */
  constructor({ history, maxBytes, whole }: TableLimits, variables: () => Iterator<Variable>) {
    this.#limits = history;
    this.#maxBytes = maxBytes ?? Number.POSITIVE_INFINITY;
    this.#whole = whole;
    this.#variables = variables;
  }

  /** Of everything: registrations, present values and those before them. */
  get held(): number {
    return this.#registered + this.histories.bytes;
  }

  /** For `more` bytes that a decision would add, of the variable `name`. @throws QuotaExceededError */
  checkRoom(more: number, name: string): void {
    if (more <= 0) return;
    const live = this.#live + this.#ahead;
    if (live + more > this.#maxBytes) {
      throw new QuotaExceededError(
        `variable "${name}": ${more} bytes more, and the session holds ${live} of its ${this.#maxBytes}: delete some, or raise maxSessionBytes`,
      );
    }
    const whole = this.#whole;
    if (whole === undefined) return;
    const wanted = more + Math.max(0, this.#ahead);
    if (whole.bytes + wanted <= whole.maxBytes) return;
    this.tell();
    whole.relieve(wanted);
    if (whole.bytes + wanted <= whole.maxBytes) return;
    throw new QuotaExceededError(
      `variable "${name}": ${more} bytes more, and the server holds ${whole.bytes} of its ${whole.maxBytes}: delete some, or raise maxTotalBytes`,
    );
  }

  /** Whether a version fits that nobody would miss. */
  hasRoomFor(bytes: number): boolean {
    const whole = this.#whole;
    return this.held + bytes <= this.#maxBytes && (whole === undefined || whole.bytes + bytes <= whole.maxBytes);
  }

  // --- what is decided

  decideVersion(variable: Variable, bytes: number): void {
    this.#ahead += bytes - variable.decidedBytes;
  }

  /** `bytes`: of the registration alone. */
  decideRegistration(bytes: number): void {
    this.#ahead += bytes;
  }

  decideDeletion(variable: Variable): void {
    this.#ahead -= registrationBytes(variable) + variable.decidedBytes;
  }

  undo(): void {
    this.#ahead = 0;
  }

  // --- what is kept

  /** Before the variable has it. */
  applyVersion({ variable, bytes }: DecidedChange): void {
    const more = bytes - variable.history.newestBytes;
    this.#live += more;
    this.#ahead -= more;
  }

  applyRegistration(variable: Variable): void {
    const bytes = registrationBytes(variable);
    this.#count(bytes, bytes);
    this.#ahead -= bytes;
  }

  /** Before its history is cleared. */
  applyDeletion(variable: Variable): void {
    const bytes = registrationBytes(variable);
    const live = bytes + variable.history.newestBytes;
    this.#count(-bytes, -live);
    this.#ahead += live;
  }

  /** A variable that another life of the table had, with its history. */
  restore(variable: Variable): void {
    const bytes = registrationBytes(variable);
    this.#count(bytes, bytes + variable.history.newestBytes);
    this.tell();
  }

  /** One that is not read yet, by a guess; negative when it is. */
  restorePacked(bytes: number): void {
    this.#count(bytes, bytes);
    this.tell();
  }

  /** A history has one version more. */
  handleVersion(): void {
    // The one that grew has let go of all it may; the others take turns until the session is within its bytes.
    // A few turns a version: with many variables at their last 16 versions a whole round would be paid by every set.
    if (this.histories.bytes > this.#limits.maxSessionBytes || this.held > this.#maxBytes) {
      this.#evict(EVICTIONS_A_VERSION, false);
    }
    this.tell();
  }

  /** Lets go of versions before the present ones, of up to `most` variables. */
  letGoOfHistory(most: number): void {
    this.#evict(most, true);
    this.tell();
  }

  /** Tells the whole what this table holds. */
  tell(): void {
    if (this.#whole === undefined) return;
    const { held } = this;
    this.#whole.bytes += held - this.#told;
    this.#told = held;
  }

  #count(registered: number, live: number): void {
    this.#registered += registered;
    this.#live += live;
  }

  #evict(most: number, toPresent: boolean): void {
    for (let turns = most; turns > 0; turns -= 1) {
      const isFull = toPresent || this.held > this.#maxBytes;
      if (!isFull && this.histories.bytes <= this.#limits.maxSessionBytes) return;
      this.#evicting ??= this.#variables();
      const next = this.#evicting.next();
      if (next.done === true) {
        this.#evicting = undefined;
        if (toPresent) return;
      } else if (isFull) next.value.history.shrinkToPresent();
      else next.value.history.shrink(this.#limits);
    }
  }
}

/** Histories looked at for each new version while the session is over its bytes: with many variables at their last 16 nothing may be found. */
const EVICTIONS_A_VERSION = 8;
