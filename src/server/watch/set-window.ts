/**
 * What became of the last sets of one link id, so that those which are sent again after a break are answered and not made again.
 * Path: link call -> [set window] -> its next link. Owner: session. Full: the oldest outcomes go, and are unknown then. Closed: a while after its link.
 */

/** Of one set: its version, or why it was refused. */
export interface SetOutcome {
  /** 0 where it was refused. */
  readonly version: number;
  readonly code: string;
  readonly message: string;
}

export class SetWindow {
  /** Some sets behind this one were lost, though those behind them are there. */
  readonly #lostBehind: number | undefined;
  /** The last set that was made or refused. */
  #last = 0;
  /** The last that was made, as its server or its client knows. */
  #done = 0;
  /** Versions of the last sets, by place; the first is that of `#from + 1`. NOT_MADE of one that no server has made. */
  #versions: number[] = [];
  #from = 0;
  /** The client has the outcomes up to here. */
  #answered = 0;
  readonly #refusals = new Map<number, SetOutcome>();
  #refusalBytes = 0;
  /** Resolves when the link that has it makes none of its sets any more. */
  making: Promise<void> = Promise.resolve();

  constructor(lostBehind?: number) {
    this.#lostBehind = lostBehind;
  }

  /** Whether all up to a set that was done has its place. */
  hasKept(done: number): boolean {
    return done <= (this.#lostBehind ?? this.#last);
  }

  get done(): number {
    return this.#done;
  }

  /** Its client has heard so, before its server began. */
  handleKnownDone(sequence: number): void {
    if (sequence <= this.#last) this.#done = Math.max(this.#done, sequence);
  }

  get last(): number {
    return this.#last;
  }

  /** Outcomes up to here are not known any more. */
  get lostTo(): number {
    return this.#from;
  }

  /**
   * A client that begins with another number than the next has the outcomes of all before, or asks for none of them: those are not to be made any
   * more. One that begins with another than 1 had an earlier window, of which nobody knows. False: its sets are out of their order.
   */
  begin(sequence: number, made: number, answered: number): boolean {
    if (sequence === this.#last + made + 1) return true;
    if (made !== 0 || !Number.isSafeInteger(sequence) || sequence <= this.#last) return false;
    if (this.#last !== 0 && answered !== sequence - 1) return false;
    this.skipTo(sequence - 1);
    return true;
  }

  handleDone(version: number): void {
    this.#last += 1;
    if (version > 0) this.#done = this.#last;
    this.#versions.push(version);
    if (this.#versions.length > 2 * MAX_OUTCOMES) this.#forgetTo(this.#last - MAX_OUTCOMES);
  }

  handleRefused(code: string, message: string): void {
    this.handleDone(0);
    const bytes = 2 * (code.length + message.length) + BYTES_A_REFUSAL;
    // Sentences of one that is refused all the time are not kept without an end: then its outcome is unknown.
    if (this.#refusalBytes + bytes > MAX_REFUSAL_BYTES) return;
    this.#refusalBytes += bytes;
    this.#refusals.set(this.#last, { version: 0, code, message });
  }

  /** The client has these. */
  handleAnswered(sequence: number): void {
    if (!Number.isSafeInteger(sequence) || sequence > this.#last) return;
    this.#answered = Math.max(this.#answered, sequence);
    this.#forgetTo(sequence);
  }

  get answered(): number {
    return this.#answered;
  }

  /** The client has outcomes of sets that changed nothing: a server that ended in between keeps none of these. */
  skipTo(sequence: number): void {
    if (!Number.isSafeInteger(sequence) || sequence <= this.#last) return;
    this.#last = sequence;
    this.#from = sequence;
    this.#answered = sequence;
    this.#versions = [];
    this.#refusals.clear();
    this.#refusalBytes = 0;
  }

  /** An outcome from before the server's end, in order. What is made is kept with its outcome, and in order: one without that stands before others was not made. */
  restore({ sequence, version, code, message }: SetOutcome & { readonly sequence: number }): void {
    if (sequence <= this.#last) return;
    if (sequence - this.#last > MAX_OUTCOMES) this.skipTo(sequence - 1);
    while (this.#last < sequence - 1) this.handleDone(NOT_MADE);
    if (version > 0) this.handleDone(version);
    else this.handleRefused(code, message);
  }

  /** What its client may still ask for, in order. */
  *open(): Generator<SetOutcome & { readonly sequence: number }> {
    for (let sequence = Math.max(this.#answered, this.#from) + 1; sequence <= this.#last; sequence += 1) {
      yield { sequence, ...this.outcomeOf(sequence) };
    }
  }

  /** Of a set that was made or refused; unknown where that was forgotten. */
  outcomeOf(sequence: number): SetOutcome {
    const version = sequence > this.#from ? (this.#versions[sequence - this.#from - 1] ?? 0) : 0;
    if (version > 0) return { version, code: '', message: '' };
    if (version === NOT_MADE) return WAS_NOT_MADE;
    return this.#refusals.get(sequence) ?? UNKNOWN;
  }

  /** By estimate. */
  get heldBytes(): number {
    return BYTES_A_WINDOW + BYTES_AN_OUTCOME * this.#versions.length + this.#refusalBytes;
  }

  /** Its link has ended: what its client has nobody asks for. */
  forgetAnswered(): void {
    if (this.#answered > this.#from) this.#forget(this.#answered);
  }

  #forgetTo(sequence: number): void {
    // Now and then: taking away from the front moves all that stay.
    if (sequence - this.#from >= Math.min(MAX_OUTCOMES, this.#versions.length / 2)) this.#forget(sequence);
  }

  #forget(sequence: number): void {
    const count = sequence - this.#from;
    this.#versions = this.#versions.slice(count);
    this.#from = sequence;
    for (const [refused, { code, message }] of this.#refusals) {
      if (refused > sequence) break;
      this.#refusals.delete(refused);
      this.#refusalBytes -= 2 * (code.length + message.length) + BYTES_A_REFUSAL;
    }
  }
}

const NOT_MADE = -1;
const WAS_NOT_MADE: SetOutcome = {
  version: 0,
  code: 'UNAVAILABLE',
  message: 'set: its server refused it, or ended before it was made: it was not made',
};
const UNKNOWN: SetOutcome = {
  version: 0,
  code: 'UNKNOWN_OUTCOME',
  message: 'set: its outcome was forgotten: it may or may not have been made, so read before you repeat it',
};

/** Kept at least, while they are not known to be answered. */
export const MAX_OUTCOMES = 10_000;
const MAX_REFUSAL_BYTES = 256 * 1024;
const BYTES_A_REFUSAL = 100;
const BYTES_A_WINDOW = 500;
const BYTES_AN_OUTCOME = 8;
