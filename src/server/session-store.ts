/**
 * Sessions over an engine. Path: handlers -> [session store] -> session -> variable table -> engine -> observer manager.
 * Full: maxSessions refuses another with QuotaExceededError. A session that nobody calls or watches for sessionTtlMs ends.
 */
import { InvalidArgumentError, InvalidNameError, QuotaExceededError, SessionNotFoundError } from '../shared/errors.js';
import type { HistoryLimits } from '../shared/state/history.js';
import type { Deadline, DeadlineSchedule } from '../shared/timer-wheel.js';
import { describeValue } from '../shared/values/describe-value.js';
import { checkName, MAX_NAME_CHARACTERS } from '../shared/values/identifier.js';
import type { Metadata } from '../shared/values/metadata.js';
import type { Engine } from './engine/engine.js';
import type { Kept } from './session.js';
import { Session } from './session.js';

export interface SessionStoreOptions {
  readonly engine: Engine;
  readonly deadlines: DeadlineSchedule;
  readonly maxSessions: number;
  readonly maxVariablesPerSession: number;
  readonly history: HistoryLimits;
  /** 0 = sessions never end by themselves. */
  readonly sessionTtlMs: number;
  readonly newVariableId: () => string;
  /** The timestamp of what is committed at `nowMs`. Default: the same number. */
  readonly timestampAt?: (nowMs: number) => number;
}

export class SessionStore {
  readonly #options: SessionStoreOptions;
  readonly #sessions = new Map<string, Session>();

  constructor(options: SessionStoreOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  sessions(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** The session of that id, made when it is not there. @throws InvalidArgumentError, InvalidNameError, QuotaExceededError */
  initialise(sessionId: string, metadata: Metadata, nowMs: number): Session {
    const known = this.#sessions.get(sessionId);
    if (known !== undefined) {
      known.usedAtMs = nowMs;
      return known;
    }
    if (sessionId === '') throw noSessionId();
    checkSessionId(sessionId);
    const {
      engine,
      deadlines,
      maxSessions,
      maxVariablesPerSession,
      history,
      sessionTtlMs,
      newVariableId,
      timestampAt,
    } = this.#options;
    if (this.#sessions.size >= maxSessions) {
      throw new QuotaExceededError(
        `session "${sessionId}": the server holds its ${maxSessions} sessions: clean one up, or raise maxSessions`,
      );
    }
    const session = new Session({
      id: sessionId,
      metadata,
      createdAtMs: nowMs,
      table: { maxVariables: maxVariablesPerSession, history, newId: newVariableId, timestampAt },
      engine,
      deadlines,
    });
    this.#sessions.set(sessionId, session);
    if (sessionTtlMs > 0)
      deadlines.schedule(new Idleness(this, session, deadlines, sessionTtlMs), nowMs + sessionTtlMs);
    return session;
  }

  find(sessionId: string): Session | undefined {
    return this.#sessions.get(sessionId);
  }

  /** The session of a call, which keeps it alive. @throws InvalidArgumentError, SessionNotFoundError */
  require(sessionId: string, nowMs: number): Session {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) throw sessionId === '' ? noSessionId() : SessionNotFoundError.of(sessionId);
    session.usedAtMs = nowMs;
    return session;
  }

  /**
   * Ends a session: its variables are deleted and their watches told. Without `force` one that another connection watches stays.
   * @throws InvalidArgumentError, SessionNotFoundError
   */
  cleanup(
    sessionId: string,
    force: boolean,
    connection: string,
    nowMs: number,
  ): { readonly isEnded: boolean; readonly resources: Kept<number> } {
    const session = this.require(sessionId, nowMs);
    if (!force && session.isWatchedByOthers(connection)) return { isEnded: false, resources: 0 };
    return { isEnded: true, resources: this.end(session, nowMs) };
  }

  /** The variables that it held. */
  end(session: Session, nowMs: number): Kept<number> {
    if (this.#sessions.get(session.id) === session) this.#sessions.delete(session.id);
    return session.end(nowMs);
  }
}

/** Ends a session that nobody calls or watches. Looked at once a sessionTtlMs, not once a call. */
class Idleness implements Deadline {
  dueAtMs = 0;
  wheelSlot = -1;
  readonly #store: SessionStore;
  readonly #session: Session;
  readonly #deadlines: DeadlineSchedule;
  readonly #sessionTtlMs: number;

  constructor(store: SessionStore, session: Session, deadlines: DeadlineSchedule, sessionTtlMs: number) {
    this.#store = store;
    this.#session = session;
    this.#deadlines = deadlines;
    this.#sessionTtlMs = sessionTtlMs;
  }

  async handleDeadline(nowMs: number): Promise<void> {
    // Cleaned up, and perhaps made anew with an idleness of its own.
    if (this.#store.find(this.#session.id) !== this.#session) return;
    const endsAtMs = this.#session.usedAtMs + this.#sessionTtlMs;
    if (this.#session.isWatched) this.#deadlines.schedule(this, nowMs + this.#sessionTtlMs);
    else if (nowMs < endsAtMs) this.#deadlines.schedule(this, endsAtMs);
    else await this.#store.end(this.#session, nowMs);
  }
}

function checkSessionId(sessionId: string): void {
  try {
    checkName(sessionId);
  } catch (cause) {
    throw new InvalidNameError(
      `the session id ${describeValue(sessionId)} is refused: give 1 to ${MAX_NAME_CHARACTERS} characters without control characters`,
      { cause },
    );
  }
}

function noSessionId(): InvalidArgumentError {
  return new InvalidArgumentError('the call names no session: fill session_id');
}
