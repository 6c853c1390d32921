/**
 * Up to which versions the conditions of one link's watches have kept changes out, where nothing else says it. Path: observer manager ->
 * [kept marks] -> link call. A variable waits to be said from its first change on, so that its further ones cost nothing; it is said in one
 * row, whatever the number of its watches. Full: one a variable that the link watches with a condition. Closed: with its watches.
 */
import type { Variable } from '../../shared/state/variable.js';
import { LinkHandles } from './link-handles.js';

/** Told once, of the next change. */
export interface ChangeFollower {
  handleChanged(): void;
}

/** As the observer manager does. */
export interface ChangeSource {
  followNext(variable: Variable, follower: ChangeFollower): void;
}

export interface KeptMarksOwner {
  /** Something waits to be said, where nothing did. */
  handleKeptWaiting(): void;
}

/** What is said of one variable. */
export interface KeptMark {
  /** Stands for the variable on this link. */
  readonly number: number;
  /** Whose number it is from now on; undefined where that was said. */
  readonly id: string | undefined;
  readonly version: number;
}

export class KeptMarks {
  readonly #source: ChangeSource;
  readonly #owner: KeptMarksOwner;
  readonly #numbers = new LinkHandles();
  readonly #marks = new Map<Variable, Mark>();
  #waiting: Mark[] = [];

  constructor(source: ChangeSource, owner: KeptMarksOwner) {
    this.#source = source;
    this.#owner = owner;
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** One more watch asks a condition of it. */
  watch(variable: Variable): void {
    const known = this.#marks.get(variable);
    if (known !== undefined) {
      known.watches += 1;
      return;
    }
    const mark = new Mark(variable, this);
    this.#marks.set(variable, mark);
    this.#source.followNext(variable, mark);
  }

  unwatch(variable: Variable): void {
    const mark = this.#marks.get(variable);
    if (mark === undefined) return;
    mark.watches -= 1;
    if (mark.watches > 0) return;
    this.#marks.delete(variable);
    if (mark.number >= 0) this.#numbers.giveBack(mark.number);
  }

  /** One of its watches does not know the present version, and is told nothing by which it would. */
  renew(variable: Variable): void {
    const mark = this.#marks.get(variable);
    if (mark === undefined) return;
    mark.saidVersion = 0;
    this.handleChanged(mark);
  }

  /** What waits, oldest first; one that is not taken waits again by `putBack`. */
  takeWaiting(): readonly Mark[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }

  putBack(marks: readonly Mark[]): void {
    this.#waiting = [...marks, ...this.#waiting];
  }

  /** Undefined where there is nothing to say of it any more. */
  say(mark: Mark): KeptMark | undefined {
    mark.isWaiting = false;
    const { variable, number } = mark;
    if (mark.watches === 0) return undefined;
    this.#source.followNext(variable, mark);
    const { version } = variable.current;
    if (version === mark.saidVersion) return undefined;
    mark.saidVersion = version;
    if (number >= 0) return { number, id: undefined, version };
    mark.number = this.#numbers.take();
    return { number: mark.number, id: variable.id, version };
  }

  /** Of one of its marks. */
  handleChanged(mark: Mark): void {
    if (mark.isWaiting || mark.watches === 0) return;
    mark.isWaiting = true;
    this.#waiting.push(mark);
    if (this.#waiting.length === 1) this.#owner.handleKeptWaiting();
  }
}

class Mark implements ChangeFollower {
  readonly variable: Variable;
  readonly #marks: KeptMarks;
  watches = 1;
  /** -1 before it was said first. */
  number = -1;
  saidVersion: number;
  isWaiting = false;

  constructor(variable: Variable, marks: KeptMarks) {
    this.variable = variable;
    this.#marks = marks;
    this.saidVersion = variable.current.version;
  }

  handleChanged(): void {
    this.#marks.handleChanged(this);
  }
}

export type { Mark };
