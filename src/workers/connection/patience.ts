/**
 * How long a silent server is waited for. Path: connection -> [patience] -> liveness. Pure: it is told when one fell silent, and for how long it had stood.
 * Where another server can go on, waiting costs more than a needless change: it is short. Servers that fall silent one soon after the other are
 * busy rather than dead, and leaving them makes them busier: it doubles, up to what a server alone is given.
 */

/** By the user; undefined where he said nothing. */
export interface AskedPatience {
  readonly timeMs: number | undefined;
  readonly timeoutMs: number | undefined;
}

export interface Waits {
  /** Silence before a probe. */
  readonly silenceMs: number;
  /** For its answer. */
  readonly answerMs: number;
}

export class Patience {
  readonly #asked: AskedPatience;
  /** Servers left for their silence, each before it had stood for long. */
  #silences = 0;

  constructor(asked: AskedPatience) {
    this.#asked = asked;
  }

  /** The present server is left for its silence, after it had stood for so long. */
  handleSilence(stoodForMs: number): void {
    this.#silences = stoodForMs >= TRUSTED_AFTER_MS ? 1 : this.#silences + 1;
  }

  /** `hasOthers`: another server can go on. */
  waits(hasOthers: boolean, standsForMs: number): Waits {
    const { timeMs, timeoutMs } = this.#asked;
    const factor = standsForMs >= TRUSTED_AFTER_MS ? 1 : 2 ** this.#silences;
    const short = (ms: number, ofOneAlone: number): number =>
      hasOthers ? Math.min(ms * factor, ofOneAlone) : ofOneAlone;
    return {
      silenceMs: timeMs ?? short(SHORT_SILENCE_MS, SILENCE_MS),
      answerMs: timeoutMs ?? short(SHORT_ANSWER_MS, ANSWER_MS),
    };
  }
}

/** A server that has stood for so long is not blamed for those before it. */
const TRUSTED_AFTER_MS = 10_000;
/** Together with the looks between them and the way to another server below two seconds. */
const SHORT_SILENCE_MS = 400;
const SHORT_ANSWER_MS = 1_000;
const SILENCE_MS = 10_000;
const ANSWER_MS = 3_000;
