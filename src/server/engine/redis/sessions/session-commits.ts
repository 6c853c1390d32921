/**
 * What is asked of a session, until it is answered: said by the commit script, then known here by the log, and told to whoever follows. Path: redis engine ->
 * [session commits] -> commit calls -> loss search, session replica -> redis engine. Slow, full, away: as the calls are.
 */
import { SessionNotFoundError } from '../../../../shared/errors.js';
import { NO_SETTER } from '../../../../shared/state/operation.js';
import { randomId } from '../../../../shared/system-clock.js';
import { Durations } from '../../durations.js';
import type { EngineHost, Group, Kept, Outcome, Quantiles } from '../../engine.js';
import type { AskedGroup, GroupReply } from '../scripts/group-arguments.js';
import { resultOf } from '../scripts/script-results.js';
import type { KeySpace } from '../topology/key-space.js';
import type { CommitCalls } from './commit-calls.js';
import type { KeyCare } from './key-care.js';
import type { LossSearch } from './loss-search.js';
import type { SessionReplica } from './session-replica.js';
import type { SessionReplicas } from './session-replicas.js';

/** What it asks, and tells. */
export interface CommitParts {
  readonly calls: CommitCalls;
  readonly care: KeyCare;
  readonly sessions: SessionReplicas;
  readonly losses: LossSearch;
}

export class SessionCommits {
  readonly #keys: KeySpace;
  readonly #parts: CommitParts;
  readonly #host: Pick<EngineHost, 'table' | 'nowMs'>;
  /** Sets that came by no link are this server's own. */
  readonly #server = `server-${randomId('s')}`;
  readonly #tailed = new Durations();
  #sequence = 0;
  #changes = 0;

  constructor(keys: KeySpace, parts: CommitParts, host: Pick<EngineHost, 'table' | 'nowMs'>) {
    this.#keys = keys;
    this.#parts = parts;
    this.#host = host;
  }

  /** That this server asked for. */
  get changes(): number {
    return this.#changes;
  }

  /** From an answer to its commit, by the log. */
  get tailMs(): Quantiles {
    return this.#tailed.read();
  }

  /** As `Engine.commit`. */
  commit({ sessionId, operations, isAtomic, setter, once, isEnd }: Group): Kept<Outcome> {
    const replica = this.#parts.sessions.find(sessionId);
    if (replica === undefined || replica.isOver || replica.isEnding) {
      // Another server was faster.
      if (isEnd === true) return { revision: 0, results: [] };
      throw SessionNotFoundError.of(sessionId);
    }
    this.#parts.calls.checkRoom();
    const kept = new Promise<Outcome>((resolve, reject) => {
      const asked: AskedGroup = {
        // Each by its name: a spread costs 3 us on Node 20, and this is once a set.
        sessionId,
        isAtomic,
        operations,
        setter,
        makes: false,
        ends: isEnd === true,
        metadata: '',
        link: once?.link ?? this.#server,
        sequence: once?.sequence ?? this.#nextSequence(operations.length),
        answered: once?.answered ?? 0,
        before: once?.before ?? NOTHING_BEFORE,
        done: once?.done,
        isOwn: once === undefined,
        maxVariables: this.#maxVariables,
      };
      this.#parts.calls.ask(asked, {
        handleReply: (reply, from) => {
          try {
            this.#handleReply(replica, asked, reply, from, resolve);
          } catch (error) {
            reject(error);
          }
        },
        handleFailure: (error) => {
          if (asked.ends) replica.isEnding = false;
          reject(error);
        },
      });
    });
    if (isEnd) replica.isEnding = true;
    replica.tail = kept;
    return kept;
  }

  /** `metadata`: JSON. One that is there already stays as it is. */
  makeSession(sessionId: string, metadata: string): Promise<void> {
    const asked: AskedGroup = {
      ...{ sessionId, metadata, makes: true, ends: false, isAtomic: false, operations: [], setter: NO_SETTER },
      ...{ link: this.#server, sequence: this.#nextSequence(0), answered: 0, before: [], done: undefined, isOwn: true },
      maxVariables: this.#maxVariables,
    };
    return new Promise((resolve, reject) => {
      this.#parts.calls.ask(asked, { handleReply: () => resolve(), handleFailure: reject });
    });
  }

  /** @throws SessionNotFoundError */
  #handleReply(
    replica: SessionReplica,
    { operations, ends, sessionId }: AskedGroup,
    { state, revision, results }: GroupReply,
    from: number,
    resolve: (outcome: Outcome) => void,
  ): void {
    const { care, sessions, losses } = this.#parts;
    if (state === 'none' && !ends) {
      // Another server has ended it, and the log says so; or it is lost.
      care.suspect(replica);
      throw SessionNotFoundError.of(sessionId);
    }
    const outcomes = operations.map((operation, place) => {
      const result = results[from + place]!;
      if (typeof result === 'number') this.#changes += 1;
      return resultOf(result, operation);
    });
    const { nowMs } = this.#host;
    if (ends) {
      // What was asked before it is told, and answered, first: by the log, which nobody reads for a session that is forgotten.
      replica.whenAt(revision, () => {
        sessions.forget(replica);
        if (!replica.isOver) replica.handleOver(nowMs());
        resolve({ revision, results: outcomes });
      });
      return;
    }
    const answeredAtMs = nowMs();
    // What it has done is told to the watches of this server before whoever asked hears of it.
    const tell = (): void =>
      replica.whenAt(revision, () => {
        this.#tailed.add(nowMs() - answeredAtMs);
        if (contradicts(replica, operations, results, from)) care.suspect(replica);
        resolve({ revision, results: outcomes });
      });
    losses.whenChecked(this.#keys.bucketOf(sessionId), tell);
  }

  /** Of sets that came by no link. */
  #nextSequence(operations: number): number {
    const sequence = this.#sequence + 1;
    this.#sequence += Math.max(1, operations);
    return sequence;
  }

  get #maxVariables(): number {
    return Math.min(this.#host.table.maxVariables, Number.MAX_SAFE_INTEGER);
  }
}

/** What was refused though this server has it, or because of what it has not. */
function contradicts(
  { table, isOver }: SessionReplica,
  operations: AskedGroup['operations'],
  results: GroupReply['results'],
  from: number,
): boolean {
  if (isOver) return false;
  return operations.some((operation, place) => {
    const result = results[from + place];
    if (typeof result !== 'string') return false;
    if (operation.kind === 'register') return result === 'exists' && table.find(operation.name) === undefined;
    return result === 'gone' && table.findById(operation.variable.id) !== undefined;
  });
}

const NOTHING_BEFORE: AskedGroup['before'] = [];
