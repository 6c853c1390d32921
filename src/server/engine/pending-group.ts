/** One group between its decision and its answer. Path: local engine -> [pending group] -> commit queue -> local engine, whoever asked. */
import type { BridgeError } from '../../shared/errors.js';
import type { DecidedChange } from '../../shared/state/variable.js';
import type { Waiting } from './commit-queue.js';
import type { Outcome } from './engine.js';
import type { LocalSession } from './local-session.js';
import type { CommitRecord, WindowRecord } from './records.js';
import { changeRecordOf } from './records.js';

/** What is to be kept, and said when it is. */
export interface GroupParts {
  /** `begin`, `end`: of the session, without a change. */
  readonly kind: 'begin' | 'change' | 'end';
  readonly session: LocalSession;
  readonly changes: readonly DecidedChange[];
  readonly outcome: Outcome;
  readonly nowMs: number;
  /** Of the link that asked for it. */
  readonly window: WindowRecord | undefined;
}

export interface GroupHost {
  /** The timestamp of a moment. */
  wallAtMs(nowMs: number): number;
  /** `isAfterAll`: it was undone, as nobody could say that it is kept. */
  handleKept(parts: GroupParts, isAfterAll: boolean): void;
}

export class PendingGroup implements Waiting {
  readonly parts: GroupParts;
  /** Rejects where it is not kept. */
  readonly kept: Promise<Outcome>;
  readonly bytes: number;
  readonly #host: GroupHost;
  #resolve!: (outcome: Outcome) => void;
  #reject!: (error: BridgeError) => void;

  constructor(host: GroupHost, parts: GroupParts) {
    this.#host = host;
    this.parts = parts;
    let bytes = BYTES_A_GROUP;
    for (const change of parts.changes) bytes += change.bytes;
    this.bytes = bytes;
    this.kept = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever asked hears it; what waits behind it only wants to know that it is over.
    this.kept.catch(ignore);
  }

  get changes(): readonly DecidedChange[] {
    return this.parts.changes;
  }

  record(): CommitRecord {
    const { kind, session, changes, outcome, window } = this.parts;
    const { id, number, metadata, createdAtMs } = session;
    // Where it begins, or by which it is over.
    const before = kind === 'change' ? (changes[0]?.current.revision ?? 1) - 1 : outcome.revision;
    return {
      sessionId: id,
      session: number,
      begins:
        kind === 'begin'
          ? { sessionId: id, session: number, metadata, createdAt: this.#host.wallAtMs(createdAtMs) }
          : undefined,
      isEnd: kind === 'end',
      before,
      revision: changes.at(-1)?.current.revision ?? before,
      changes: changes.map(changeRecordOf),
      window,
    };
  }

  handleKept(): void {
    const { session, outcome } = this.parts;
    session.waiting -= 1;
    this.#host.handleKept(this.parts, false);
    this.#resolve(outcome);
  }

  handleKeptAfterAll(): void {
    this.#host.handleKept(this.parts, true);
  }

  handleFailed(error: BridgeError): void {
    this.parts.session.waiting -= 1;
    this.#reject(error);
  }
}

function ignore(): void {
  // Said by whoever asked.
}

/** About what a record takes beside its changes. */
const BYTES_A_GROUP = 200;
