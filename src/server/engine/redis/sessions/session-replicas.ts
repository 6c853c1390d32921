/**
 * The sessions that this server has a replica of: read from Redis when somebody asks for one, kept up by its log, and read anew where that has a hole or does not fit.
 * Path: bucket log, redis -> [session replicas] -> session replica. What is logged of one while it is read waits until it is. Away: it is read again until it can be;
 * so is one that another program has written into, while the others go on. Closed: `close`.
 */
import { EngineFormatError, ProtocolError } from '../../../../shared/errors.js';
import { pause } from '../../../within.js';
import type { EngineHost } from '../../engine.js';
import { unreadableSession } from '../connection/redis-errors.js';
import { redisRefusalOf } from '../connection/redis-refusal.js';
import { bucketOf } from '../format/keys.js';
import type { KeptSession, LoggedCommit } from '../log/log-entry.js';
import { readSession } from '../log/log-entry.js';
import { READ_SESSION } from '../scripts/scripts.js';
import type { KeySpace } from '../topology/key-space.js';
import type { ForeignWrites } from './foreign-writes.js';
import type { KeyCare } from './key-care.js';
import type { LogHistories } from './log-histories.js';
import { SessionReplica } from './session-replica.js';

/** What it asks. */
export interface ReplicaParts {
  readonly care: KeyCare;
  readonly foreign: ForeignWrites;
  readonly histories: LogHistories;
}

export class SessionReplicas {
  readonly #keys: KeySpace;
  readonly #parts: ReplicaParts;
  readonly #host: EngineHost;
  readonly #handleAway: (error: unknown) => void;
  readonly #replicas = new Map<string, SessionReplica>();
  /** Sessions that are read for the first time. */
  readonly #loads = new Map<string, Promise<SessionReplica | undefined>>();
  /** Commits of sessions that are being read: they come behind. */
  readonly #loading = new Map<string, LoggedCommit[]>();
  /** That are read again later. */
  readonly #unreadable = new Set<SessionReplica>();
  #forks = 0;
  #isClosing = false;

  constructor(keys: KeySpace, parts: ReplicaParts, host: EngineHost, handleAway: (error: unknown) => void) {
    this.#keys = keys;
    this.#parts = parts;
    this.#host = host;
    this.#handleAway = handleAway;
  }

  get byId(): ReadonlyMap<string, SessionReplica> {
    return this.#replicas;
  }

  find(sessionId: string): SessionReplica | undefined {
    return this.#replicas.get(sessionId);
  }

  in(bucket: number): SessionReplica[] {
    return [...this.#replicas.values()].filter(({ id }) => bucketOf(id) === bucket);
  }

  /** Times that another took the place of one that had told what is lost. */
  get forks(): number {
    return this.#forks;
  }

  /** The one that is here, or is made of what Redis has; undefined where it has nothing. @throws EngineFormatError where that cannot be read */
  async load(sessionId: string): Promise<SessionReplica | undefined> {
    // One after another: of two at once the second would take apart what the first has made, and one that found nothing says nothing of what was made since.
    for (let loads = this.#loads.get(sessionId); loads !== undefined; loads = this.#loads.get(sessionId)) {
      await loads.catch(() => undefined);
    }
    const known = this.#replicas.get(sessionId);
    if (known !== undefined) return known;
    const loads = this.#loadOnce(sessionId).finally(() => this.#loads.delete(sessionId));
    this.#loads.set(sessionId, loads);
    return loads;
  }

  async #loadOnce(sessionId: string): Promise<SessionReplica | undefined> {
    const behind: LoggedCommit[] = [];
    this.#loading.set(sessionId, behind);
    try {
      const bucket = this.#keys.bucketOf(sessionId);
      // What it reads is of this generation.
      if (bucket.checkedGeneration < 0)
        await this.#keys.takeOver(bucket).catch((error) => this.#named(error, sessionId));
      const kept = await this.#keptOf(sessionId);
      return kept === undefined ? undefined : this.#add(this.#make(sessionId, kept));
    } finally {
      this.#loading.delete(sessionId);
      for (const commit of behind) this.handleLogged(commit);
    }
  }

  /** What was kept, by whichever server. */
  handleLogged(commit: LoggedCommit): void {
    const { sessionId } = commit;
    const loading = this.#loading.get(sessionId);
    if (loading !== undefined) {
      loading.push(commit);
      return;
    }
    const replica = this.#replicas.get(sessionId);
    if (replica !== undefined && commit.generation > replica.generation && !replica.isNext(commit)) {
      // This server has not looked yet whether what it told is kept.
      void this.reload(replica, commit);
      return;
    }
    if (replica === undefined || replica.life < commit.life) {
      if (replica !== undefined) this.#end(replica, this.#host.nowMs());
      if (commit.begins) this.#host.handleSession?.(sessionId);
      return;
    }
    // Of a life of it that is over.
    if (commit.life < replica.life) return;
    if (replica.isBehind(commit)) {
      void this.reload(replica, commit);
      return;
    }
    const nowMs = this.#host.nowMs();
    replica.apply(commit, nowMs);
    if (commit.ends) this.#end(replica, nowMs);
  }

  /** The log was cut before it was read, or has what nobody can take. */
  handleHole(bucket: number, cause: unknown): void {
    if (cause !== undefined) {
      this.#host.logger.warn(
        { engine: 'redis', error: cause },
        'an entry of a log cannot be taken: sessions are read anew',
      );
    }
    for (const replica of this.in(bucket)) void this.reload(replica);
  }

  /**
   * Brings it to what Redis has, and to `commit`, the next that is known. `isAfterBreak`: one that is not there any more was lost rather than ended.
   * Resolves when it is done, or when somebody has to mend something first.
   */
  async reload(replica: SessionReplica, commit?: LoggedCommit, isAfterBreak = false): Promise<void> {
    while (!this.#loading.has(replica.id)) {
      try {
        await this.#reloadOnce(replica, commit, isAfterBreak);
        this.#parts.foreign.handleRead(replica.id);
        return;
      } catch (error) {
        if (this.#isClosing) return;
        if (error instanceof EngineFormatError) {
          // Sessions beside it go on meanwhile.
          this.#parts.foreign.handleUnreadable(replica.id, error);
          if (this.#unreadable.has(replica)) return;
          this.#unreadable.add(replica);
          void pause(MENDED_MS).then(() => {
            this.#unreadable.delete(replica);
            return this.reload(replica, commit, isAfterBreak);
          });
          return;
        }
        this.#handleAway(error);
        await pause(RETRY_MS);
      }
    }
  }

  /** It has ended. */
  forget(replica: SessionReplica): void {
    if (this.#replicas.get(replica.id) === replica) this.#replicas.delete(replica.id);
  }

  /** What cannot be read is not read again. */
  beginClose(): void {
    this.#isClosing = true;
  }

  close(): void {
    this.beginClose();
    this.#replicas.clear();
  }

  async #reloadOnce(replica: SessionReplica, commit: LoggedCommit | undefined, isAfterBreak: boolean): Promise<void> {
    const { id } = replica;
    const behind: LoggedCommit[] = commit === undefined ? [] : [commit];
    this.#loading.set(id, behind);
    try {
      const kept = await this.#keptOf(id);
      const isLost =
        kept === undefined ? isAfterBreak || (await this.#parts.care.mend(id)) === 'lost' : replica.hasLost(kept);
      const nowMs = this.#host.nowMs();
      // Another look may have been faster.
      if (replica.isOver) return;
      if (isLost) this.#fork(replica, kept);
      else if (kept === undefined || kept.life !== replica.life) this.#end(replica, nowMs);
      else {
        this.#catchUp(replica, kept, nowMs);
        this.#parts.histories.add(bucketOf(id), replica);
      }
    } finally {
      this.#loading.delete(id);
    }
    for (const one of behind) this.handleLogged(one);
  }

  /** @throws EngineFormatError where it cannot be read */
  #catchUp(replica: SessionReplica, kept: KeptSession, nowMs: number): void {
    try {
      replica.catchUp(kept, nowMs);
    } catch (cause) {
      throw cause instanceof ProtocolError ? this.#unreadableBy(replica.id, cause) : cause;
    }
  }

  /** Some of what this server told of it is lost: another takes its place, and whoever watches comes back to hear what it has seen of that. */
  #fork(replica: SessionReplica, kept: KeptSession | undefined): void {
    const next = kept === undefined ? undefined : this.#make(replica.id, kept);
    this.#forks += 1;
    this.forget(replica);
    if (next !== undefined) this.#add(next);
    replica.abandon();
    this.#host.handleFork?.(replica.id);
  }

  #end(replica: SessionReplica, nowMs: number): void {
    this.forget(replica);
    replica.handleOver(nowMs);
  }

  /** @throws EngineFormatError where it cannot be read */
  async #keptOf(sessionId: string): Promise<KeptSession | undefined> {
    const read = async (): Promise<KeptSession | undefined> =>
      readSession(await this.#keys.evaluateOf(READ_SESSION, sessionId));
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof ProtocolError) && redisRefusalOf(error) !== 'foreign') throw error;
      await this.#parts.care.mend(sessionId);
    }
    return read().catch((error: unknown) => {
      throw error instanceof ProtocolError ? this.#unreadableBy(sessionId, error) : error;
    });
  }

  /** @throws EngineFormatError naming the key of another program, where that is the reason */
  async #named(error: unknown, sessionId: string): Promise<never> {
    const foreign = redisRefusalOf(error) === 'foreign' ? await this.#parts.foreign.find([sessionId]) : undefined;
    throw foreign ?? error;
  }

  /** @throws EngineFormatError where it cannot be read */
  #make(sessionId: string, kept: KeptSession): SessionReplica {
    const { table, nowMs } = this.#host;
    try {
      return new SessionReplica(sessionId, kept, table, nowMs());
    } catch (cause) {
      throw this.#unreadableBy(sessionId, cause);
    }
  }

  #add(replica: SessionReplica): SessionReplica {
    this.#replicas.set(replica.id, replica);
    this.#parts.histories.add(bucketOf(replica.id), replica);
    return replica;
  }

  #unreadableBy(sessionId: string, cause: unknown): EngineFormatError {
    return unreadableSession(this.#keys.address, this.#keys.bucketOf(sessionId).prefix, sessionId, cause);
  }
}

const RETRY_MS = 50;
/** Somebody has to mend it first. */
const MENDED_MS = 1_000;
