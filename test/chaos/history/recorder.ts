/** Fills in a history: numbers the sets, counts turns of the event loop, and knows which promises have not settled. Path: program -> [recorder] -> history. */
import type { ErrorName } from '../programs/clock.js';
import { codeOf, nowMs, pause } from '../programs/clock.js';
import type { History, SetRecord } from './history.js';
import type { Tag } from './value-tag.js';

export class Recorder {
  readonly history: History;
  readonly #pending = new Map<Promise<unknown>, string>();
  #seq = 0;
  #turn = 0;
  #isTurnEndDue = false;

  constructor(history: History) {
    this.history = history;
  }

  nextSeq(): number {
    this.#seq += 1;
    return this.#seq;
  }

  /** The same for all that happens in one turn of the event loop. */
  get turn(): number {
    if (!this.#isTurnEndDue) {
      this.#isTurnEndDue = true;
      setImmediate(() => {
        this.#turn += 1;
        this.#isTurnEndDue = false;
      });
    }
    return this.#turn;
  }

  /** Watches over a promise of the API: it has to settle, and its failure is kept. Resolves with the result, or undefined. */
  async track<T>(call: string, promise: Promise<T>, onError?: (error: ErrorName) => void): Promise<T | undefined> {
    this.#pending.set(promise, call);
    try {
      return await promise;
    } catch (cause) {
      const error = codeOf(cause);
      this.reject(call, error);
      onError?.(error);
      return undefined;
    } finally {
      this.#pending.delete(promise);
    }
  }

  reject(call: string, { code, message, isKnown }: ErrorName): void {
    this.history.rejections.push({ call, code, message, isKnown });
  }

  /** Waits for all that is under way; when nothing has settled for so long, what is left is a trouble. */
  async settle(deadlineMs: number, when: string): Promise<void> {
    let left = this.#pending.size;
    let endMs = nowMs() + deadlineMs;
    while (this.#pending.size > 0 && nowMs() < endMs) {
      await pause(5);
      if (this.#pending.size < left) endMs = nowMs() + deadlineMs;
      left = Math.min(left, this.#pending.size);
    }
    for (const call of this.#pending.values()) {
      this.history.troubles.push({ kind: 'unsettled', what: `${call} ${when}, after ${deadlineMs} ms` });
    }
    this.#pending.clear();
  }

  /** A set is made now; `answerSet` says what came of it. */
  recordSet(
    tag: Tag,
    setter: string,
    isByLink: boolean,
    {
      isRepeat = false,
      expectedVersion,
    }: { readonly isRepeat?: boolean; readonly expectedVersion?: number | undefined } = {},
  ): SetRecord {
    const record: SetRecord = {
      ...{ tag, setter, isByLink, isRepeat, expectedVersion, startMs: nowMs() },
      ...{ endMs: undefined, version: undefined, error: undefined },
    };
    this.history.sets.push(record);
    return record;
  }
}

/** What came of a set. One that a batch refused in part is unknown, unless the error says its version. */
export function answerSet(record: SetRecord, endMs: number, version: number | undefined, error?: ErrorName): void {
  record.endMs = endMs;
  record.version = version;
  if (error !== undefined) record.error = error.code;
}
