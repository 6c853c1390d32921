/**
 * What is asked of a session, as calls of the commit script: one at a time and bucket, with whatever has come until then. Path: redis engine ->
 * [commit calls] -> redis primary -> commit script. Slow: the next call takes more groups. Full: `ask` refuses. Away: calls are made again, until
 * a group has waited for `behindMs`; each has its place in a window, so that none is made twice. Closed: the redis engine waits for what was asked.
 */
import type { BridgeError } from '../../../../shared/errors.js';
import { InternalError, QuotaExceededError, UnknownOutcomeError } from '../../../../shared/errors.js';
import { pause } from '../../../within.js';
import { Durations } from '../../durations.js';
import type { Quantiles } from '../../engine.js';
import { redisFailure } from '../connection/redis-errors.js';
import type { Bucket, RedisPrimary } from '../connection/redis-primary.js';
import type { RedisRefusal } from '../connection/redis-refusal.js';
import { redisRefusalOf } from '../connection/redis-refusal.js';
import { keysOfBucket, keysOfCommit } from '../format/keys.js';
import { COMMIT } from '../scripts/commit-script.js';
import type { Argument, AskedGroup, GroupReply } from '../scripts/group-arguments.js';
import { canJoin, packGroups, readReplies } from '../scripts/group-arguments.js';
import type { KeySpace } from '../topology/key-space.js';
import type { Primaries } from '../topology/primaries.js';

export interface CallsHost {
  readonly behindMs: number;
  readonly nowMs: () => number;
  handleAnswer(): void;
  handleAway(error: unknown): void;
  handleFull(error: unknown): void;
  /** The script failed on these groups, alone: why, where it is a key of another program. Undefined: nobody knows. */
  handleBroken(groups: readonly AskedGroup[], error: unknown): Promise<BridgeError | undefined>;
}

/** Exactly one of them is called. */
export interface Answer {
  /** Its results begin at `from`: those of other groups stand beside them. */
  handleReply(reply: GroupReply, from: number): void;
  /** StorageFullError, EngineUnavailableError and EngineFormatError where nothing was done, UnknownOutcomeError where it may be. */
  handleFailure(error: BridgeError): void;
}

interface Pending {
  readonly group: AskedGroup;
  readonly answer: Answer;
  readonly askedAtMs: number;
  /** It went out, and no answer came, or none that counts. */
  mayBeMade: boolean;
  /** It went with others that failed: it may be among those that were made. */
  wentWithOthers: boolean;
}

interface Line {
  readonly pending: Pending[];
  isCalling: boolean;
  /** So many of them failed together: each goes alone, for only some have to do with it. */
  alone: number;
}

export class CommitCalls {
  readonly #keys: KeySpace;
  readonly #primaries: Primaries;
  readonly #host: CallsHost;
  readonly #lines = new Map<Bucket, Line>();
  readonly #durations = new Durations();
  #waiting = 0;
  #calls = 0;
  #fenced = 0;
  #windowHits = 0;
  #isClosing = false;
  /** Whose last call was refused, or not answered. */
  readonly #refused = new Set<Bucket>();
  #probedAtMs = Number.NEGATIVE_INFINITY;

  constructor(keys: KeySpace, host: CallsHost) {
    this.#keys = keys;
    this.#primaries = keys.primaries;
    this.#host = host;
  }

  /** Nothing that was asked last was refused. */
  get isTaken(): boolean {
    return this.#refused.size === 0;
  }

  /** Groups that were asked and not answered. */
  get waiting(): number {
    return this.#waiting;
  }

  get calls(): number {
    return this.#calls;
  }

  /** Calls that were meant for a process that is not the primary any more. */
  get fenced(): number {
    return this.#fenced;
  }

  /** Sets that had been made when they were asked again. */
  get windowHits(): number {
    return this.#windowHits;
  }

  /** From `ask` to the answer. */
  get durations(): Quantiles {
    return this.#durations.read();
  }

  /** @throws QuotaExceededError where too much waits */
  checkRoom(): void {
    if (this.#waiting < MAX_WAITING) return;
    throw new QuotaExceededError(`${MAX_WAITING} groups wait for Redis: try again later`);
  }

  ask(group: AskedGroup, answer: Answer): void {
    const bucket = this.#keys.bucketOf(group.sessionId);
    const line = this.#lineOf(bucket);
    this.#waiting += 1;
    line.pending.push({ group, answer, askedAtMs: this.#host.nowMs(), mayBeMade: false, wentWithOthers: false });
    if (!line.isCalling) void this.#callLoop(bucket, line);
  }

  /** Whether what was refused would be taken now: asked with calls that change nothing, at most once a second. `handleAnswer` and the others say it. */
  async probe(): Promise<void> {
    const nowMs = this.#host.nowMs();
    if (this.#isClosing || nowMs < this.#probedAtMs + PROBE_MS) return;
    this.#probedAtMs = nowMs;
    for (const bucket of [...this.#refused]) {
      // What waits there asks by itself.
      if (this.#lines.get(bucket)?.isCalling === true) continue;
      try {
        const primary = this.#primaries.of(bucket.slot);
        if (!primary.isKnownIn(bucket)) await primary.takeOver(bucket);
        const keys = this.#primaries.isCluster ? keysOfBucket(bucket.prefix) : undefined;
        await primary.evaluate(COMMIT, [bucket.prefix, bucket.run, WINDOW_MS, LOG_ENTRIES], keys);
        await primary.acknowledge(PROBE_MS);
        this.#refused.delete(bucket);
      } catch (error) {
        const refusal = redisRefusalOf(error);
        if (refusal === 'fenced') bucket.run = '';
        else if (refusal === 'full') this.#host.handleFull(error);
        else this.#host.handleAway(error);
      }
    }
    if (this.isTaken) this.#host.handleAnswer();
  }

  /** It did not answer something that may write: a call that changes nothing has to be taken before it counts as there. */
  doubt(bucket: Bucket): void {
    this.#refused.add(bucket);
  }

  /** What Redis does not answer is not asked again. */
  beginClose(): void {
    this.#isClosing = true;
  }

  /** Its groups are in the order of the calls, and what comes meanwhile goes together. */
  async #callLoop(bucket: Bucket, line: Line): Promise<void> {
    line.isCalling = true;
    // What is asked in this turn goes with it.
    await Promise.resolve();
    try {
      while (line.pending.length > 0) await this.#callOnce(bucket, line);
    } finally {
      line.isCalling = false;
    }
  }

  async #callOnce(bucket: Bucket, line: Line): Promise<void> {
    const { pending } = line;
    const { calls, count } = joined(pending, line.alone > 0 ? 1 : Number.POSITIVE_INFINITY);
    let sent: 'not' | 'sent' | 'made' = 'not';
    let replies: GroupReply[];
    let primary: RedisPrimary | undefined;
    try {
      primary = this.#primaries.of(bucket.slot);
      if (!primary.isKnownIn(bucket)) await primary.takeOver(bucket);
      // Not before: what was made is known by what was answered until then.
      const packed = this.#pack(calls, pending, count);
      if (packed === undefined) return;
      const args: Argument[] = [bucket.prefix, bucket.run, WINDOW_MS, LOG_ENTRIES, ...packed];
      const keys = this.#primaries.isCluster ? keysOf(bucket, pending.slice(0, count)) : undefined;
      sent = 'sent';
      replies = readReplies(await primary.evaluate(COMMIT, args, keys));
      sent = 'made';
      await primary.acknowledge();
    } catch (error) {
      const refusal = sent === 'made' ? undefined : redisRefusalOf(error);
      // One that says why not has done nothing; all else may have come too late for us.
      if (sent !== 'not' && (refusal === undefined || refusal === 'broken')) {
        for (const one of pending.slice(0, count)) one.mayBeMade = true;
      }
      if (refusal === 'fenced') primary!.forgetRun();
      if (calls.length > 1 && (refusal === 'foreign' || refusal === 'broken')) {
        // Those before the one that failed were made: their windows say so.
        for (const one of pending.slice(0, count)) one.wentWithOthers = true;
        line.alone = count;
        return;
      }
      const why = refusal === undefined ? (primary?.failure ?? error) : error;
      await this.#handleRefusal(refusal, why, bucket, pending, count);
      line.alone = Math.max(0, line.alone - count);
      return;
    }
    this.#calls += 1;
    line.alone = Math.max(0, line.alone - count);
    this.#refused.delete(bucket);
    pending.splice(0, count);
    for (const [place, groups] of calls.entries()) {
      this.#windowHits += replies[place]!.hits;
      this.#settle(groups, replies[place]!);
    }
    this.#host.handleAnswer();
  }

  async #handleRefusal(
    refusal: RedisRefusal | undefined,
    error: unknown,
    bucket: Bucket,
    pending: Pending[],
    count: number,
  ): Promise<void> {
    const { address } = this.#keys;
    if (refusal !== 'fenced' && refusal !== 'moved') this.#refused.add(bucket);
    switch (refusal) {
      case 'fenced':
        this.#fenced += 1;
        bucket.run = '';
        return this.#giveUpOld(pending, error);
      case 'elsewhere':
        this.#host.handleAway(error);
        this.#primaries.lookAgain(bucket.slot);
        return this.#giveUpOld(pending, error);
      case 'moved':
        this.#primaries.lookAgain(bucket.slot);
        return this.#giveUpOld(pending, error);
      case 'full':
        this.#host.handleFull(error);
        this.#refuse(pending.splice(0, count), (cause) => redisFailure(address, cause), error);
        return;
      case 'broken':
      case 'foreign': {
        const alone = pending.slice(0, count);
        for (const one of alone) one.wentWithOthers = false;
        const groups = alone.map(({ group }) => group);
        const said = await this.#host.handleBroken(groups, error).catch(() => undefined);
        if (said === undefined) this.#host.handleAway(error);
        this.#refuse(pending.splice(0, count), (cause) => said ?? redisFailure(address, cause), error);
        return;
      }
      case 'denied':
        this.#host.handleAway(error);
        this.#refuse(pending.splice(0, count), (cause) => redisFailure(address, cause), error);
        return;
      default:
        this.#host.handleAway(error);
        if (this.#primaries.isCluster) this.#primaries.lookAgain(bucket.slot);
        await this.#giveUpOld(pending, error);
    }
  }

  /** Undefined: some of them cannot be written, which are refused, so that the others go without them. */
  #pack(calls: readonly (readonly Pending[])[], pending: Pending[], count: number): Buffer[] | undefined {
    try {
      return calls.map((groups) => packedOf(groups, pending));
    } catch (error) {
      const went = pending.splice(0, count);
      const broken = went.filter((one) => !canPack(one));
      // Where each can be written alone, it is what they are together that cannot.
      const refused = broken.length > 0 ? broken : went;
      pending.unshift(...went.filter((one) => !refused.includes(one)));
      this.#refuse(refused, unwritable, error);
      return undefined;
    }
  }

  #settle(groups: readonly Pending[], reply: GroupReply): void {
    const nowMs = this.#host.nowMs();
    let from = 0;
    for (const { group, answer, askedAtMs } of groups) {
      this.#waiting -= 1;
      this.#durations.add(nowMs - askedAtMs);
      answer.handleReply(reply, from);
      from += group.operations.length;
    }
  }

  /** With `errorOf` where it is known that nothing was done. */
  #refuse(refused: readonly Pending[], errorOf: (cause: unknown) => BridgeError, cause: unknown): void {
    for (const { answer, mayBeMade, wentWithOthers } of refused) {
      this.#waiting -= 1;
      answer.handleFailure(mayBeMade || wentWithOthers ? unknownOutcome(cause) : errorOf(cause));
    }
  }

  /** Those that have waited for long enough; the others go again. */
  async #giveUpOld(pending: Pending[], error: unknown): Promise<void> {
    const nowMs = this.#host.nowMs();
    const old = pending.findIndex(({ askedAtMs }) => !this.#isClosing && nowMs - askedAtMs < this.#host.behindMs);
    const refused = pending.splice(0, old === -1 ? pending.length : old);
    this.#refuse(refused, (cause) => redisFailure(this.#keys.address, cause), error);
    if (pending.length > 0) await pause(RETRY_MS);
  }

  #lineOf(bucket: Bucket): Line {
    let line = this.#lines.get(bucket);
    if (line === undefined) {
      line = { pending: [], isCalling: false, alone: 0 };
      this.#lines.set(bucket, line);
    }
    return line;
  }
}

/** What goes with the next call, in order: groups that can be one are. */
function joined(
  pending: readonly Pending[],
  most: number,
): { readonly calls: readonly Pending[][]; readonly count: number } {
  const calls: Pending[][] = [];
  let count = 0;
  let size = 0;
  for (const one of pending) {
    size += Math.max(1, one.group.operations.length);
    if (count > 0 && size > MAX_OPERATIONS) break;
    const last = calls.at(-1);
    if (last !== undefined && canJoin(last[0]!.group, one.group)) last.push(one);
    else if (calls.length >= most) break;
    else calls.push([one]);
    count += 1;
  }
  return { calls, count };
}

/** Whatever it may touch: a slot that is on its way has to have all of it, or none. */
function keysOf({ prefix }: Bucket, pending: readonly Pending[]): string[] {
  const keys = new Set(keysOfBucket(prefix));
  for (const { group } of pending) for (const key of keysOfCommit(prefix, group.sessionId, group.link)) keys.add(key);
  return [...keys];
}

/** This server's own before the oldest that waits are never asked again. */
function answeredBefore({ link, answered, isOwn }: AskedGroup, pending: readonly Pending[]): number {
  if (!isOwn) return answered;
  for (const { group } of pending) if (group.link === link) return group.sequence - 1;
  return answered;
}

function packedOf(groups: readonly Pending[], pending: readonly Pending[]): Buffer {
  return packGroups(
    groups.map(({ group }) => group),
    answeredBefore(groups[0]!.group, pending),
  );
}

function canPack(one: Pending): boolean {
  try {
    packedOf([one], [one]);
    return true;
  } catch {
    return false;
  }
}

function unwritable(cause: unknown): InternalError {
  return new InternalError(`what was asked cannot be written for Redis (${String(cause)}): nothing was done`, {
    cause,
  });
}

function unknownOutcome(cause: unknown): UnknownOutcomeError {
  return new UnknownOutcomeError('Redis did not say what became of it: read it again before setting again', { cause });
}

/** Groups that are asked and not answered. */
const MAX_WAITING = 100_000;
/** Of one call of the script: it holds Redis up for some 2 ms. */
const MAX_OPERATIONS = 256;
/** A link that sets nothing for longer may hear that the outcome of what a break left unanswered is unknown. */
export const WINDOW_MS = 3_600_000;
/** Entries that a log keeps, about: a server that was away for longer reads its sessions anew. */
const LOG_ENTRIES = 100_000;
const RETRY_MS = 50;
const PROBE_MS = 1_000;
