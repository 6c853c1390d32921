/**
 * Sessions over an engine. Path: handlers -> [session store] -> session -> variable table -> engine -> observer manager.
 * Full: maxSessions refuses another with QuotaExceededError. A session that nobody calls or watches for sessionTtlMs ends.
 */
import {
  EngineFormatError,
  InvalidArgumentError,
  InvalidNameError,
  QuotaExceededError,
  SessionNotFoundError,
  UnavailableError,
} from '../shared/errors.js';
import { metadataBytes } from '../shared/state/held-bytes.js';
import type { HistoryLimits } from '../shared/state/history.js';
import type { WholeBudget } from '../shared/state/table-bytes.js';
import type { Change } from '../shared/state/variable.js';
import type { TableOptions } from '../shared/state/variable-table.js';
import type { Deadline, DeadlineSchedule } from '../shared/timer-wheel.js';
import { describeValue } from '../shared/values/describe-value.js';
import { checkName, MAX_NAME_CHARACTERS } from '../shared/values/identifier.js';
import type { Metadata } from '../shared/values/metadata.js';
import type { Engine, EngineHost, Kept, Life } from './engine/engine.js';
import { mapKept } from './engine/engine.js';
import { Session } from './session.js';
import { LeftWindows } from './watch/left-windows.js';
import type { WorkTurns } from './work-turns.js';

export interface SessionStoreOptions {
  readonly engine: Engine;
  readonly deadlines: DeadlineSchedule;
  readonly maxSessions: number;
  readonly maxVariablesPerSession: number;
  readonly maxAtomicVariables: number;
  readonly maxSessionBytes: number;
  readonly maxSessionMetadataBytes: number;
  readonly maxTotalBytes: number;
  readonly history: HistoryLimits;
  /** 0 = sessions never end by themselves. */
  readonly sessionTtlMs: number;
  readonly newVariableId: () => string;
  readonly turns: WorkTurns;
  /** Tells whoever observes, in order. */
  readonly tell: (sessionId: string, changes: readonly Change[]) => void;
  readonly handleGeneration?: ((session: Session) => void) | undefined;
  /** Its variables are gone, whoever ended it: what waits for others can hear of none. */
  readonly handleEnded?: ((session: Session) => void) | undefined;
  /** The timestamp of what is committed at `nowMs`. Default: the same number. */
  readonly timestampAt?: (nowMs: number) => number;
}

export class SessionStore {
  readonly #options: SessionStoreOptions;
  readonly #sessions = new Map<string, Session>();
  /** Sessions that are no more, whose variables are being deleted: one of the same id begins after that. */
  readonly #ending = new Map<string, Promise<number>>();
  /** Sessions whose beginning is not kept yet. */
  readonly #beginning = new Map<string, Promise<Session>>();
  /** Those that the engine is asked for: one answer for all who want them, since it tells one follower what happens. */
  readonly #seeking = new Map<string, Promise<void>>();
  readonly #held: WholeBudget;
  readonly #leftWindows = new LeftWindows();
  /** How often a session is looked at: where other servers can end it, they are told so often that it is used. */
  readonly lookEveryMs: number;
  #relieving: Iterator<Session> | undefined;

  constructor(options: SessionStoreOptions) {
    this.#options = options;
    this.lookEveryMs = options.sessionTtlMs / (options.engine.isShared ? TOUCHES_A_TTL : 1);
    this.#held = { maxBytes: options.maxTotalBytes, bytes: 0, relieve: (more) => this.#relieve(more) };
  }

  /** Once: the sessions that the engine has kept. */
  async open(host: Omit<EngineHost, 'table'>): Promise<Life> {
    const { engine } = this.#options;
    const handleSession = (sessionId: string): void => this.#handleSession(sessionId, host.nowMs());
    const life = await engine.open({ ...host, table: this.#tableOptions(), handleSession });
    const nowMs = host.nowMs();
    for (const id of [...engine.sessionIds]) {
      const session = await this.#openSession(id, nowMs, undefined);
      if (session !== undefined) this.#add(session, nowMs);
    }
    return life;
  }

  /** From what the engine has of it now. Nobody watches any more. */
  beginAnew(session: Session, nowMs: number): void {
    this.#sessions.delete(session.id);
    session.abandon();
    this.#handleSession(session.id, nowMs);
  }

  /** By estimate: of everything that sessions hold. */
  get heldBytes(): number {
    return this.#held.bytes;
  }

  get size(): number {
    return this.#sessions.size;
  }

  sessions(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** The session of that id, made when it is not there. @throws InvalidArgumentError also for too much metadata, InvalidNameError, QuotaExceededError */
  initialise(sessionId: string, metadata: Metadata, nowMs: number): Kept<Session> {
    const known = this.#sessions.get(sessionId);
    if (known !== undefined) {
      this.use(known, nowMs);
      return known;
    }
    const beginning = this.#beginning.get(sessionId);
    if (beginning !== undefined) return beginning;
    if (sessionId === '') throw noSessionId();
    checkSessionId(sessionId);
    this.#checkMetadata(sessionId, metadata);
    const { maxSessions } = this.#options;
    if (this.#sessions.size + this.#beginning.size >= maxSessions) {
      throw new QuotaExceededError(
        `session "${sessionId}": the server holds its ${maxSessions} sessions: clean one up, or raise maxSessions`,
      );
    }
    const make = (): Kept<Session> =>
      mapKept(this.#openSession(sessionId, nowMs, metadata), (made) => {
        if (made !== undefined) return this.#add(made, nowMs);
        throw new UnavailableError(`session "${sessionId}" was ended as it was made: initialise it again`);
      });
    const seeking = this.#seeking.get(sessionId)?.catch(ignore);
    const session = seeking?.then(() => this.#sessions.get(sessionId) ?? make()) ?? make();
    if (!(session instanceof Promise)) return session;
    const made = session.finally(() => this.#beginning.delete(sessionId));
    this.#beginning.set(sessionId, made);
    return made;
  }

  get isShared(): boolean {
    return this.#options.engine.isShared;
  }

  /** A call of it, or as good as one: it lives on, and no other server ends it. Those are told now and then, and at once where they were not told lately. */
  use(session: Session, nowMs: number): void {
    session.usedAtMs = nowMs;
    if (this.isShared && this.lookEveryMs > 0 && nowMs - session.touchedAtMs > this.lookEveryMs)
      this.touch(session, nowMs);
  }

  touch(session: Session, nowMs: number): void {
    session.touchedAtMs = nowMs;
    this.#options.engine.touch([session.id]);
  }

  /** At every server; without others only as far as this one knows. */
  async idleMs(session: Session): Promise<number> {
    return (await this.#options.engine.idleMs?.(session.id)) ?? Number.POSITIVE_INFINITY;
  }

  /** Another server has made it. */
  #handleSession(sessionId: string, nowMs: number): void {
    // Where it cannot be read now, whoever asks for it makes it be read.
    this.seek(sessionId, nowMs)?.catch(() => undefined);
  }

  /**
   * Resolves when a session that another server may have made is here, if it is anywhere; undefined where there is nothing to look for.
   * Rejects with EngineFormatError where it is there and cannot be read.
   */
  seek(sessionId: string, nowMs: number): Promise<void> | undefined {
    if (!this.isShared || this.#sessions.has(sessionId)) return undefined;
    if (sessionId === '' || sessionId.length > 2 * MAX_NAME_CHARACTERS) return undefined;
    if (this.isEnding(sessionId)) return this.whenEnded(sessionId).then(() => this.seek(sessionId, nowMs));
    const known = this.#beginning.get(sessionId)?.then(ignore, ignore) ?? this.#seeking.get(sessionId);
    if (known !== undefined) return known;
    const add = (session: Session | undefined): void => {
      if (session !== undefined) this.#add(session, nowMs);
    };
    const opening = this.#openSession(sessionId, nowMs, undefined);
    if (!(opening instanceof Promise)) {
      add(opening);
      return undefined;
    }
    const seeking = opening
      .then(add, (error: unknown) => {
        if (error instanceof EngineFormatError) throw error;
      })
      .finally(() => this.#seeking.delete(sessionId));
    this.#seeking.set(sessionId, seeking);
    return seeking;
  }

  /** Another server has ended it. */
  #handleOver(session: Session, nowMs: number): void {
    if (this.#sessions.get(session.id) !== session || this.#ending.has(session.id)) return;
    this.#trackEnding(session, this.#finish(session, nowMs));
  }

  #openSession(id: string, nowMs: number, metadata: Metadata | undefined): Kept<Session | undefined> {
    const { engine, deadlines, newVariableId, maxAtomicVariables, tell, handleGeneration } = this.#options;
    const create = metadata === undefined ? undefined : { metadata, createdAtMs: nowMs };
    const handleOver = (session: Session, atMs: number): void => this.#handleOver(session, atMs);
    const options = {
      ...{ id, engine, deadlines, newVariableId, maxAtomicVariables, tell },
      ...{ whole: this.#held, handleOver, handleGeneration, leftWindows: this.#leftWindows },
    };
    return Session.open(options, nowMs, create);
  }

  #add(session: Session, nowMs: number): Session {
    const { deadlines, sessionTtlMs } = this.#options;
    this.#sessions.set(session.id, session);
    if (sessionTtlMs > 0)
      deadlines.schedule(new Idleness(this, session, deadlines, sessionTtlMs), nowMs + this.lookEveryMs);
    return session;
  }

  #tableOptions(): TableOptions {
    const { maxVariablesPerSession, maxSessionBytes, history, newVariableId, timestampAt } = this.#options;
    return {
      maxVariables: maxVariablesPerSession,
      maxBytes: maxSessionBytes,
      whole: this.#held,
      history,
      newId: newVariableId,
      timestampAt,
    };
  }

  find(sessionId: string): Session | undefined {
    return this.#sessions.get(sessionId);
  }

  /** The session of a call, which keeps it alive. @throws InvalidArgumentError, SessionNotFoundError */
  require(sessionId: string, nowMs: number): Session {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) throw sessionId === '' ? noSessionId() : SessionNotFoundError.of(sessionId);
    this.use(session, nowMs);
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
  ): { readonly isEnded: boolean; readonly resources: number | Promise<number> } {
    const session = this.require(sessionId, nowMs);
    if (!force && session.isWatchedByOthers(connection)) return { isEnded: false, resources: 0 };
    return { isEnded: true, resources: this.end(session, nowMs) };
  }

  /** How many variables it held. The session is gone once that is kept, its variables go in turns. Rejects when it may not be kept: it stays. */
  end(session: Session, nowMs: number): Promise<number> {
    const ended = session.beginEnd(nowMs);
    const ending =
      ended instanceof Promise ? ended.then(() => this.#finish(session, nowMs)) : this.#finish(session, nowMs);
    this.#trackEnding(session, ending);
    return ending;
  }

  #trackEnding(session: Session, ending: Promise<number>): void {
    this.#ending.set(session.id, ending);
    const forget = (): void => {
      if (this.#ending.get(session.id) === ending) this.#ending.delete(session.id);
    };
    ending.then(forget, forget);
  }

  async #finish(session: Session, nowMs: number): Promise<number> {
    if (this.#sessions.get(session.id) === session) this.#sessions.delete(session.id);
    const variables = await session.finishEnd(nowMs, this.#options.turns.begin());
    this.#options.handleEnded?.(session);
    return variables;
  }

  /** Until the session of that id that was ended last has let go of its variables: who waits for names there must not get those of a new one. */
  async whenEnded(sessionId: string): Promise<void> {
    while (this.#ending.has(sessionId)) await this.#ending.get(sessionId)?.catch(() => undefined);
  }

  isEnding(sessionId: string): boolean {
    return this.#ending.has(sessionId);
  }

  #checkMetadata(sessionId: string, metadata: Metadata): void {
    const bytes = metadataBytes(metadata);
    const { maxSessionMetadataBytes } = this.#options;
    if (bytes > maxSessionMetadataBytes) {
      throw new InvalidArgumentError(
        `session "${sessionId}": its metadata has ${bytes} bytes, and ${maxSessionMetadataBytes} are allowed: shorten it, or raise maxSessionMetadataBytes`,
      );
    }
    if (this.#held.bytes + bytes <= this.#held.maxBytes) return;
    this.#relieve(bytes);
    if (this.#held.bytes + bytes <= this.#held.maxBytes) return;
    throw new QuotaExceededError(
      `session "${sessionId}": the server holds ${this.#held.bytes} of its ${this.#held.maxBytes} bytes: clean a session up, or raise maxTotalBytes`,
    );
  }

  /** Sessions take turns in letting go of their histories, a few of their variables each. */
  #relieve(more: number): void {
    for (let turns = MAX_RELIEVED_SESSIONS; turns > 0; turns -= 1) {
      if (this.#held.bytes + more <= this.#held.maxBytes) return;
      this.#relieving ??= this.#sessions.values();
      const next = this.#relieving.next();
      if (next.done === true) this.#relieving = undefined;
      else next.value.letGoOfHistory(MAX_RELIEVED_VARIABLES);
    }
  }
}

/** Ends a session that nobody calls or watches. Looked at once a sessionTtlMs, not once a call. */
class Idleness implements Deadline {
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
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
    const session = this.#session;
    const { lookEveryMs } = this.#store;
    const isUsed = session.isWatched || nowMs < session.usedAtMs + lookEveryMs;
    if (isUsed) this.#store.touch(session, nowMs);
    const endsAtMs = session.usedAtMs + this.#sessionTtlMs;
    if (session.isWatched) this.#deadlines.schedule(this, nowMs + lookEveryMs);
    else if (nowMs < endsAtMs) this.#deadlines.schedule(this, this.#store.isShared ? nowMs + lookEveryMs : endsAtMs);
    else await this.#endUnlessUsed(nowMs).catch((error: unknown) => this.#tryLater(error, nowMs));
  }

  /** Another server may have used it; and this one may, while that is asked. */
  async #endUnlessUsed(nowMs: number): Promise<void> {
    const session = this.#session;
    const { usedAtMs } = session;
    const idleMs = this.#store.isShared ? await this.#store.idleMs(session) : this.#sessionTtlMs;
    if (this.#store.find(session.id) !== session) return;
    const isUsed = session.isWatched || session.usedAtMs !== usedAtMs;
    if (isUsed) this.#deadlines.schedule(this, nowMs + this.#store.lookEveryMs);
    else if (idleMs >= this.#sessionTtlMs) await this.#store.end(session, nowMs);
    else this.#deadlines.schedule(this, nowMs + this.#sessionTtlMs - idleMs);
  }

  /** The engine is full, or away. */
  #tryLater(error: unknown, nowMs: number): void {
    this.#deadlines.schedule(this, nowMs + this.#sessionTtlMs);
    throw error;
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

function ignore(): void {
  // Said by whoever asked for it.
}

function noSessionId(): InvalidArgumentError {
  return new InvalidArgumentError('the call names no session: fill session_id');
}

/** How often a session that is used says so to the other servers. */
const TOUCHES_A_TTL = 4;
/** Of one call that finds the server full: some thousand variables, a millisecond. */
const MAX_RELIEVED_SESSIONS = 16;
const MAX_RELIEVED_VARIABLES = 256;
