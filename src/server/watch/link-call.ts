/**
 * All watches of one worker of a client, on one stream. Path: HTTP/2 -> [link call] -> carried watch -> outbox -> link feed, and back in rows.
 * What happens in one turn goes out as one message, or what happens in the spacing that the client asks for. Slow: its watches wait and conflate, one after another goes on; one that takes nothing for
 * slowStreamMs is cut. Full: maxStreams refuses a watch, maxConnectionBytes what it holds. Closed: every watch ends, exactly once.
 */
import type { Metadata, ServerDuplexStream, ServerInterceptingCallInterface } from '@grpc/grpc-js';
import {
  AbortedError,
  type BridgeError,
  InvalidArgumentError,
  SessionNotFoundError,
  SlowStreamError,
} from '../../shared/errors.js';
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from '../../shared/platform-timers.js';
import type { Deadline } from '../../shared/timer-wheel.js';
import { type EpochParts, epochText, parseEpoch } from '../../shared/wire/epoch-text.js';
import type { AskedWatch, LinkUpMessage } from '../../shared/wire/link-request.js';
import {
  heartbeatMsOf,
  helloOf,
  keptQuestionOf,
  LINK_UP,
  setNumbersOf,
  spacingMsOf,
  unwatchedOf,
  watchesOf,
} from '../../shared/wire/link-request.js';
import { MESSAGE_BYTES } from '../../shared/wire/link-row.js';
import { LinkSetRows, SetNames } from '../../shared/wire/link-set-rows.js';
import type { LinkWriter } from '../../shared/wire/link-writer.js';
import { encodeWelcome } from '../../shared/wire/link-writer.js';
import { checkSession } from '../handlers/admission.js';
import { bridgeErrorOf, failureOf } from '../handlers/call-failure.js';
import { decode, decodeInTurns, isLarge } from '../handlers/request-reader.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import type { WorkBudget } from '../work-turns.js';
import { AskedConditions } from './asked-conditions.js';
import { CarriedWatch } from './carried-watch.js';
import type { CarrierBudget, RoomSeeker } from './carrier-budget.js';
import { takeDirectCall } from './direct-write.js';
import type { KeptMarks } from './kept-marks.js';
import type { SayingLink } from './kept-sayer.js';
import { KeptSayer } from './kept-sayer.js';
import type { FeedLink } from './link-feed.js';
import { LinkFeed } from './link-feed.js';
import { LinkHandles } from './link-handles.js';
import type { OutcomeLink } from './link-outcomes.js';
import { LinkOutcomes } from './link-outcomes.js';
import { LinkSets } from './link-sets.js';
import type { MessageSink, MessageSource } from './message-pace.js';
import { MessagePace } from './message-pace.js';
import { heartbeatOf, watchRequestOf } from './watch-request.js';
import { WatchScope } from './watch-scope.js';
import type { LiveLink } from './watch-streams.js';

export type OpenCall = ServerDuplexStream<Buffer, Uint8Array>;

export class LinkCall
  implements FeedLink, Deadline, MessageSink, MessageSource, RoomSeeker, LiveLink, OutcomeLink, SayingLink
{
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
  readonly handles = new LinkHandles();
  readonly #kept: KeptSayer;
  maxBytes: number;
  largeBytes = LARGE_ROW_BYTES;
  readonly #server: ServerContext;
  readonly #call: OpenCall;
  readonly #directCall: ServerInterceptingCallInterface;
  readonly #connection: string;
  readonly #budget: CarrierBudget;
  readonly #pace: MessagePace;
  readonly #feeds = new Map<number, LinkFeed>();
  /** Feeds with something to say that had to wait, in turn. */
  #seekers = new Set<RoomSeeker>();
  readonly #inbox: Buffer[] = [];
  #isReading = false;
  #session: Session | undefined;
  /** Of its watches. */
  #scope: WatchScope | undefined;
  /** The epoch that the client's revisions belong to. */
  #clientEpoch: EpochParts = parseEpoch('');
  #isWelcome = false;
  #saidPosition = 0;
  #sets: LinkSets | undefined;
  readonly #setNames = new SetNames();
  #askSeeker: RoomSeeker | undefined;
  readonly #outcomes: LinkOutcomes;
  #heartbeatMs: number;
  #spacingMs = 0;
  #flushTurn: NodeJS.Immediate | undefined;
  /** Instead of a turn, where a message went out less than the spacing ago. */
  #flushTimer: NodeJS.Timeout | undefined;
  /** While there are rows for the next message. */
  #writer: LinkWriter | undefined;
  /** Taken by the pace. */
  #message: Uint8Array | undefined;
  readonly #conditions = new AskedConditions();
  /** Feeds that are not open: what was kept out of them is not all said. */
  #opening = 0;
  /** Its session is no more. */
  #isLeaving = false;
  #whenNoFeeds: (() => void) | undefined;
  #leavesAtMs = Number.POSITIVE_INFINITY;
  #isEnded = false;

  /** Owner: itself, until its end. */
  constructor(server: ServerContext, call: OpenCall, header: Metadata) {
    const { options, watchStreams } = server;
    this.#server = server;
    this.#call = call;
    this.#directCall = takeDirectCall(call.metadata);
    this.#connection = call.getPeer();
    this.#heartbeatMs = options.heartbeatMs;
    this.maxBytes = options.maxMessageBytes;
    this.#kept = new KeptSayer(server, this);
    this.#budget = watchStreams.handleCallBegun(this.#connection);
    this.#outcomes = new LinkOutcomes(this, this.#budget, () => server.clock.nowMs());
    this.#pace = new MessagePace(this, this, this.#budget, options.slowStreamMs, MAX_BYTES_UNDER_WAY);
    watchStreams.addLink(this);
    call.on('cancelled', () => {
      this.#end();
      watchStreams.handleCallEnded(this.#connection);
    });
    call.on('data', (bytes: Buffer) => this.#handleMessage(bytes));
    // Its client has nothing more to ask, and wants nothing more.
    call.on('end', () => this.#finish());
    call.sendMetadata(header);
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** Of its next message: another one once that is taken. */
  get writer(): LinkWriter {
    this.#writer ??= this.#server.linkWriters.take();
    return this.#writer;
  }

  #releaseWriter(): void {
    if (this.#writer === undefined) return;
    this.#server.linkWriters.giveBack(this.#writer);
    this.#writer = undefined;
  }

  handleGeneration(): void {
    if (this.#isEnded || !this.#isWelcome) return;
    this.writer.epoch(this.#epoch());
    this.handleRows();
  }

  handleSessionEnded(): void {
    if (this.#isEnded || this.#isLeaving) return;
    this.#isLeaving = true;
    this.#leaveWithin(LEAVES_WITHIN_MS);
    void this.#leave();
  }

  /** What its watches and setters were to hear is said before it goes. */
  async #leave(): Promise<void> {
    if (this.#feeds.size > 0) await new Promise<void>((resolve) => (this.#whenNoFeeds = resolve));
    await this.#sets?.whenTold();
    this.flush();
    this.fail(SessionNotFoundError.of(this.#session!.id));
  }

  /** Its end follows, most often: where the session goes on after all, its client begins another link. */
  handleSessionMissed(): void {
    if (this.#leavesAtMs === Number.POSITIVE_INFINITY) this.#leaveWithin(HEARS_OF_END_WITHIN_MS);
  }

  #leaveWithin(ms: number): void {
    this.#leavesAtMs = this.#server.clock.nowMs() + ms;
    if (this.dueAtMs > this.#leavesAtMs) this.#server.deadlines.schedule(this, this.#leavesAtMs);
  }

  handleServers(): void {
    if (this.#isEnded || !this.#isWelcome) return;
    this.writer.servers(this.#server.options.engine.serversOf?.(this.#session!.id) ?? []);
    this.handleRows();
  }

  #epoch(): string {
    return epochText(this.#server.options.epoch, this.#session!.generation);
  }

  fail(error: unknown): void {
    if (this.#isEnded) return;
    this.#end();
    this.#call.emit('error', failureOf(this.#server, error, 'Open'));
  }

  drain(error: unknown, spreadMs: number): void {
    if (this.#isEnded) return;
    this.writer.draining(spreadMs);
    this.flush();
    this.fail(error);
  }

  // --- from the client

  #handleMessage(bytes: Buffer): void {
    this.#inbox.push(bytes);
    if (this.#isReading) {
      this.#call.pause();
      return;
    }
    this.#isReading = true;
    this.#readAll()
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.#isReading = false;
        this.#call.resume();
      });
  }

  async #readAll(): Promise<void> {
    for (let bytes = this.#inbox.shift(); bytes !== undefined && !this.#isEnded; bytes = this.#inbox.shift()) {
      const work = this.#server.turns.begin();
      const parts = isLarge(bytes) ? await decodeInTurns(LINK_UP, bytes, work) : [decode(LINK_UP, bytes)];
      if (this.#isEnded) return;
      await this.#handleRequest(parts, work);
      if (this.#isEnded || parts.every(({ setKinds }) => (setKinds?.length ?? 0) === 0)) continue;
      await this.#makeSets(parts, work);
    }
  }

  async #handleRequest(parts: readonly LinkUpMessage[], work: WorkBudget): Promise<void> {
    const hello = helloOf(parts);
    const heartbeatMs = heartbeatMsOf(parts);
    this.#heartbeatMs = heartbeatOf(heartbeatMs) ?? this.#heartbeatMs;
    this.#spacingMs = Math.min(spacingMsOf(parts) || this.#spacingMs, MAX_SPACING_MS);
    if ((hello === undefined) !== (this.#session !== undefined)) {
      throw new InvalidArgumentError('a link begins with one hello: send it in the first message, and in no other');
    }
    if (hello !== undefined) {
      const { sessionId, maxBytes } = hello;
      checkSession(this.#server, this.#call.metadata, sessionId);
      const session = this.#server.store.require(sessionId, this.#server.clock.nowMs());
      this.#session = session;
      this.#clientEpoch = parseEpoch(hello.epoch);
      this.#sets = new LinkSets(this.#server, session, this.#outcomes);
      if (maxBytes !== 0) this.#limitTo(maxBytes);
      const { maxMessageBytes } = this.#server.options;
      const sets = await this.#outcomes.takeWindow(
        hello,
        session,
        () => this.#sharedRevision(session) === Number.POSITIVE_INFINITY,
      );
      if (this.#isEnded) return;
      this.#isWelcome = true;
      this.#message = encodeWelcome({
        epoch: this.#epoch(),
        heartbeatMs: this.#heartbeatMs,
        maxBytes: maxMessageBytes,
        asksConditions: true,
        ...sets,
      });
      this.#pace.send(this.#server.clock.nowMs());
      this.#outcomes.tellAgain(hello, sets);
    }
    if (hello !== undefined || heartbeatMs !== 0) {
      this.#server.deadlines.schedule(this, this.#server.clock.nowMs() + this.#heartbeatMs);
    }
    for (const row of watchesOf(parts)) {
      const rest = work.spend(row === undefined ? 1 : stepsOf(row)) ?? this.room();
      if (rest !== undefined) await rest;
      if (this.#isEnded) return;
      if (row !== undefined) this.#watch(row, work);
    }
    for (const feed of unwatchedOf(parts)) {
      const rest = work.spend(1);
      if (rest !== undefined) await rest;
      this.#feeds.get(feed)?.end();
    }
    this.#kept.handleQuestion(keptQuestionOf(parts));
  }

  /** Undefined: go on. Who does not take what it is answered asks for nothing more. */
  room(): Promise<void> | undefined {
    if (this.#isEnded || this.#pace.takesWrites(this)) return undefined;
    return new Promise((resolve) => {
      this.#askSeeker = { handleRoom: () => resolve() };
      this.#seekers.add(this.#askSeeker);
    });
  }

  /** Who does not take the outcomes sets no more. @throws InvalidArgumentError, QuotaExceededError when their names hold too much */
  async #makeSets(parts: readonly LinkUpMessage[], work: WorkBudget): Promise<void> {
    const sets = this.#sets!;
    for (let room = this.room(); room !== undefined; room = this.room()) await room;
    // Its window may be another link's by now.
    if (this.#isEnded) return;
    this.#outcomes.begin(setNumbersOf(parts), sets.untold);
    const making = sets.make(new LinkSetRows(parts, this.#setNames), work, () => this.#isEnded);
    this.#outcomes.handleMaking(making, sets);
    await making;
    this.#outcomes.holdNames(this.#setNames.heldBytes);
  }

  /** @throws InvalidArgumentError: whoever takes no message would be told of each watch that its updates are too large. */
  #limitTo(maxBytes: number): void {
    if (maxBytes < LEAST_MAX_BYTES) {
      throw new InvalidArgumentError(
        `the hello's max_bytes ${maxBytes} is less than a message of one update takes: give ${LEAST_MAX_BYTES} or more, or 0 for any`,
      );
    }
    this.maxBytes = Math.min(this.maxBytes, maxBytes);
    this.largeBytes = Math.min(LARGE_ROW_BYTES, this.maxBytes / 4);
  }

  #watch(row: AskedWatch, work: WorkBudget): void {
    const { store, clock, watchStreams } = this.#server;
    if (this.#feeds.has(row.feed)) {
      throw new InvalidArgumentError(`the link has a feed ${row.feed} already: give each watch a number of its own`);
    }
    try {
      const asked = row.condition === undefined ? undefined : this.#conditions.read(row.condition);
      const request = watchRequestOf(row, this.#session!.id, asked);
      const session = store.require(request.sessionId, clock.nowMs());
      if (session !== this.#session) throw SessionNotFoundError.of(session.id);
      if (row.fromRevision !== undefined && row.fromRevision > this.#sharedRevision(session)) {
        throw new AbortedError('not all up to the revision to resume from is kept in this epoch: resume by versions');
      }
      watchStreams.checkQuota();
      const feed = new LinkFeed(this, row.feed);
      const watch = new CarriedWatch(this.#scopeOf(session), request, feed, feed, feed);
      feed.carry(watch);
      this.#feeds.set(row.feed, feed);
      this.#opening += 1;
      watch
        .open(work)
        .catch((error: unknown) => watch.fail(error))
        .finally(() => {
          this.#opening -= 1;
          this.#kept.handleRoom();
        });
    } catch (error) {
      new LinkFeed(this, row.feed).handleEnded(error);
    }
  }

  #scopeOf(session: Session): WatchScope {
    if (this.#scope?.session === session) return this.#scope;
    this.#scope = new WatchScope(this.#server, session, this.#connection, this.#budget);
    return this.#scope;
  }

  /** Up to where what its client was told before is kept. */
  #sharedRevision(session: Session): number {
    const { life, generation } = this.#clientEpoch;
    return life === this.#server.options.epoch ? session.sharedUpTo(generation) : -1;
  }

  isAllWritten(): boolean {
    return !this.#isEnded && this.#opening === 0 && this.#seekers.size === 0 && this.#pace.takesWrites(this);
  }

  /** Ends the call with OK. */
  #finish(): void {
    if (this.#isEnded) return;
    this.#end();
    this.#call.end();
  }

  // --- from its feeds

  get marks(): KeptMarks {
    return this.#kept.marks;
  }

  takesRows(seeker: RoomSeeker): boolean {
    if (this.#isEnded) return false;
    if (this.#pace.takesWrites(this)) return true;
    this.#seekers.add(seeker);
    return false;
  }

  handleRows(): void {
    if (this.#isEnded) this.#releaseWriter();
    else if (this.writer.size >= Math.min(MESSAGE_BYTES, this.maxBytes / 2)) this.flush();
    else if (this.#flushTurn === undefined && this.#flushTimer === undefined) this.#flushLater();
  }

  #flushLater(): void {
    const waitMs = this.#spacingMs === 0 ? 0 : this.#pace.lastWriteAtMs + this.#spacingMs - this.#server.clock.nowMs();
    if (waitMs > 0) this.#flushTimer = setTimeout(() => this.flush(), waitMs);
    else this.#flushTurn = setImmediate(() => this.flush());
  }

  /** They take along what the spacing holds back. */
  handleAwaitedRows(): void {
    this.handleRows();
    if (this.#flushTimer === undefined) return;
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    this.#flushTurn = setImmediate(() => this.flush());
  }

  flush(): void {
    clearImmediate(this.#flushTurn);
    clearTimeout(this.#flushTimer);
    this.#flushTurn = undefined;
    this.#flushTimer = undefined;
    if (this.#isEnded || this.#writer === undefined || this.#writer.isEmpty) return;
    this.#tellPosition();
    this.#message = this.#writer.take();
    this.#releaseWriter();
    this.#pace.send(this.#server.clock.nowMs());
    if (this.dueAtMs > this.#pace.stuckAtMs) this.#server.deadlines.schedule(this, this.#pace.stuckAtMs);
  }

  /** So that a client that comes back can say where it was by one number. */
  #tellPosition(): void {
    const { toldRevision } = this.#session!;
    if (toldRevision <= this.#saidPosition || !this.isAllWritten()) return;
    this.#saidPosition = toldRevision;
    this.writer.position(toldRevision);
  }

  handleFeedEnded(feed: LinkFeed): void {
    this.#seekers.delete(feed);
    if (this.#feeds.get(feed.number) === feed) this.#feeds.delete(feed.number);
    if (this.#feeds.size === 0) this.#whenNoFeeds?.();
  }

  failureOf(error: unknown): BridgeError {
    return bridgeErrorOf(this.#server, error, 'Open');
  }

  // --- its pace

  take(): Uint8Array | undefined {
    const message = this.#message;
    this.#message = undefined;
    return message;
  }

  write(bytes: Uint8Array): void {
    this.#directCall.sendMessage(bytes, this.#handleWritten);
  }

  readonly #handleWritten = (): void => {
    if (this.#isEnded) return;
    const nowMs = this.#server.clock.nowMs();
    this.#pace.handleWritten(nowMs);
    this.handleRoom(nowMs);
  };

  /** One feed after another goes on, as far as there is room: those that have to wait again are last. */
  handleRoom(nowMs: number): void {
    if (this.#seekers.size === 0) {
      this.#kept.handleRoom();
      return;
    }
    const seekers = this.#seekers;
    this.#seekers = new Set();
    for (const seeker of seekers) {
      if (this.#isEnded) return;
      if (this.#pace.takesWrites(this)) {
        seekers.delete(seeker);
        seeker.handleRoom(nowMs);
      } else {
        for (const later of this.#seekers) seekers.add(later);
        this.#seekers = seekers;
        return;
      }
    }
    this.#kept.handleRoom();
  }

  handleDeadline(nowMs: number): void {
    if (this.#isEnded) return;
    if (this.#pace.isStuck(nowMs)) {
      this.#server.counters.slowStreamsCut += 1;
      this.fail(
        new SlowStreamError('the link took nothing for too long and was cut: read faster, watch less, or resume'),
      );
      return;
    }
    if (nowMs >= this.#leavesAtMs) {
      this.fail(SessionNotFoundError.of(this.#session!.id));
      return;
    }
    if (nowMs >= this.#pace.lastWriteAtMs + this.#heartbeatMs && !this.#pace.isUnderWay) {
      this.writer.heartbeat();
      this.flush();
    }
    this.#server.deadlines.schedule(this, Math.min(this.#leavesAtMs, this.#pace.nextLookMs(nowMs, this.#heartbeatMs)));
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearImmediate(this.#flushTurn);
    clearTimeout(this.#flushTimer);
    this.#inbox.length = 0;
    void this.#endFeeds([...this.#feeds.values()]);
    this.#seekers.clear();
    this.#releaseWriter();
    // What waits for room sees that it has ended.
    this.#askSeeker?.handleRoom(this.#server.clock.nowMs());
    this.#budget.forget(this);
    this.#outcomes.close();
    this.#pace.close(this.#server.clock.nowMs());
    this.#server.deadlines.cancel(this);
    this.#kept.close();
    this.#server.watchStreams.removeLink(this);
  }

  /** Many in turns. */
  async #endFeeds(feeds: readonly LinkFeed[]): Promise<void> {
    const work = this.#server.turns.begin();
    for (const feed of feeds) {
      feed.end();
      const rest = work.spend(STEPS_AN_END);
      if (rest !== undefined) await rest;
    }
  }
}

function stepsOf({ condition }: AskedWatch): number {
  return STEPS_A_WATCH + (condition?.length ?? 0) / UNITS_A_STEP;
}

/** Later than that an update is not told because a client would rather have fewer messages. */
const MAX_SPACING_MS = 100;
/** As the options maxMessageBytes of both ends have it. */
const LEAST_MAX_BYTES = 1_024;
const LARGE_ROW_BYTES = 16 * 1024;
/** Given to HTTP/2 and not gone through: more would wait where nothing conflates. */
const MAX_BYTES_UNDER_WAY = 512 * 1024;
/** Of a condition's text that are read in about a microsecond. */
const UNITS_A_STEP = 50;
const STEPS_A_WATCH = 10;
const STEPS_AN_END = 2;
/** What its watches were to hear waits for room, or for what they open with. */
const LEAVES_WITHIN_MS = 5_000;
/** Of a session that a set did not find: its end is known here by then. */
const HEARS_OF_END_WITHIN_MS = 1_000;
