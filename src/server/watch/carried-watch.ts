/**
 * One watch from its opening to its end, whatever carries it. Path: watch -> [carried watch] -> outbox -> its carrier.
 * Closed by whichever comes first: its client, its token, its last variable, a failure, draining; in the middle of its opening too. Then
 * everything that it observes is unregistered and all that waits is let go of, exactly once.
 */
import { BridgeError, InternalError, SlowStreamError } from '../../shared/errors.js';
import type { Moment, UpdateEncoder } from '../../shared/wire/update-encoder.js';
import type { PublishedChange } from '../observer-manager.js';
import type { Session } from '../session.js';
import type { Work } from '../work-turns.js';
import type { KeptMarks } from './kept-marks.js';
import type { Opening } from './opening.js';
import type { OutboxPace } from './outbox.js';
import { Outbox } from './outbox.js';
import type { SentState } from './sent-state.js';
import type { WatchOwner } from './watch.js';
import { Watch } from './watch.js';
import { lacksOlder, openingOf } from './watch-opening.js';
import { isAhead, registerWatch } from './watch-registration.js';
import type { WatchRequest } from './watch-request.js';
import type { WatchScope } from './watch-scope.js';
import type { LiveWatch } from './watch-streams.js';

/** What carries it: a stream of its own, or a link with others. */
export interface WatchCarrier {
  /** Of one that asks conditions for its client. */
  readonly marks: KeptMarks | undefined;
  /** Its client is told that it is registered. */
  handleRegistered(): void;
  /** Something waits that the carrier did not take: it shall go on before long. */
  handleWaiting(): void;
  /** Once; an error unless it has ended with all that it had to say. */
  handleEnded(error: unknown): void;
}

/** `last-words`: finished before it was open. `finishing`: what waits still goes out, then it ends with OK. */
type CarriedState = 'opening' | 'last-words' | 'live' | 'finishing' | 'ended';

export class CarriedWatch implements WatchOwner, LiveWatch {
  readonly token: string;
  readonly outbox: Outbox;
  readonly #scope: WatchScope;
  /** Until it is open: most of what it says is not needed any more. */
  #request: WatchRequest | undefined;
  readonly #carrier: WatchCarrier;
  readonly #watch: Watch;
  #state: CarriedState = 'opening';

  /** Owner: its carrier, until its end. */
  constructor(
    scope: WatchScope,
    request: WatchRequest,
    encoder: UpdateEncoder,
    pace: OutboxPace,
    carrier: WatchCarrier,
  ) {
    const { keepsBatches, token, asked } = request;
    this.token = token;
    this.#scope = scope;
    this.#request = request;
    this.#carrier = carrier;
    this.outbox = new Outbox(scope.outboxesOf(keepsBatches), encoder, pace);
    this.#watch = new Watch(scope, this, asked && carrier.marks && { asked, marks: carrier.marks });
    scope.server.watchStreams.add(this);
    scope.session.addWatch(scope.connection);
  }

  get session(): Session {
    return this.#scope.session;
  }

  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  /** Nothing more is registered for it; what waits goes out. */
  get isFinishing(): boolean {
    return this.#state === 'finishing';
  }

  /** Registers it, in turns that are left to others, says so, and sends what comes before the first change. */
  async open(work: Work): Promise<void> {
    const { epoch: life } = this.#scope.server.options;
    const request = this.#request!;
    // What was asked for before it is seen by it.
    const kept = this.session.whenKept(request.waitsForMissing ? [] : request.identifiers);
    if (kept !== undefined) await kept;
    if (this.isEnded) return;
    if (this.session.isShared && (await isAhead(request, this.session, life, work))) await this.session.whenKnown();
    if (this.isEnded) return;
    const gone = await registerWatch(this.#watch, request, this.session, life, work);
    if (this.isEnded) return;
    const { resume } = request;
    const sharedUpTo = resume?.life === life ? this.session.sharedUpTo(resume.generation) : -1;
    const reading = this.session.whenHistoryIsRead();
    // Before it is captured: what is set meanwhile would wait for it.
    if (reading !== undefined && lacksOlder(request, this.#watch.observed(), gone, sharedUpTo)) await reading;
    if (this.isEnded) return;
    // In one turn, so that all of it is of one revision; what is set from here on is told behind it.
    const { states, gone: goneMeanwhile } = this.#watch.capture();
    const { clock } = this.#scope.server;
    const at = { revision: this.session.revision, timestamp: clock.wallAtMs(clock.nowMs()) };
    this.#carrier.handleRegistered();
    const captured = { states, gone: gone.concat(goneMeanwhile), sharedUpTo, revision: at.revision };
    this.#request = undefined;
    this.#begin(await openingOf(request, captured, work), at, request.wantsSynced);
    const { asks } = this.#watch;
    if (asks !== undefined) await this.#renewMarks(asks.marks, states, work);
  }

  /** What was kept out at last while the watch was away. */
  async #renewMarks(marks: KeptMarks, states: readonly SentState[], work: Work): Promise<void> {
    for (const { variable, kept } of states) {
      const rest = work.spend(1);
      if (rest !== undefined) await rest;
      if (kept?.isBehind === true && !this.isEnded) marks.renew(variable);
    }
  }

  #begin(opening: readonly Opening[], at: Moment, wantsSynced: boolean): void {
    if (this.#state === 'ended') return;
    const isLast = this.#state === 'last-words' || this.#watch.isSpent;
    this.#state = 'live';
    this.outbox.open(opening, at, wantsSynced, this.#scope.server.clock.nowMs());
    if (isLast) this.finish();
    else if (this.outbox.isWaiting) this.#carrier.handleWaiting();
  }

  finish(): void {
    switch (this.#state) {
      case 'opening':
        this.#state = 'last-words';
        break;
      case 'live':
        this.#state = 'finishing';
        this.#watch.close(this.#scope.server.turns);
        this.#endIfAllIsSent();
        if (!this.isEnded) this.#carrier.handleWaiting();
        break;
      case 'last-words':
      case 'finishing':
      case 'ended':
        break;
      default:
        this.#state satisfies never;
    }
  }

  fail(error: unknown): void {
    if (this.#state === 'ended') return;
    this.end();
    this.#carrier.handleEnded(error);
  }

  /** Its client is gone, or wants it no more: nobody is told. */
  end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#watch.close(this.#scope.server.turns);
    this.outbox.close();
    this.#scope.server.watchStreams.remove(this);
    this.session.removeWatch(this.#scope.connection, this.#scope.server.clock.nowMs());
  }

  /** It takes nothing for too long, or holds too much that may not be left out. */
  cut(): void {
    this.#scope.server.counters.slowStreamsCut += 1;
    this.fail(
      new SlowStreamError('the stream took no update for too long and was cut: read faster, watch less, or resume it'),
    );
  }

  /** The carrier takes more. */
  handleRoom(nowMs: number): void {
    this.outbox.handleRoom(nowMs);
    if (this.#state === 'finishing') this.#endIfAllIsSent();
  }

  handleChange(sent: SentState, published: PublishedChange): void {
    this.outbox.push(sent, published);
    if (!this.outbox.isWaiting) return;
    if (this.outbox.isOverfull) this.cut();
    else this.#carrier.handleWaiting();
  }

  handleNothingLeft(): void {
    this.finish();
  }

  handleFailure(error: unknown): void {
    this.fail(
      error instanceof BridgeError
        ? error
        : new InternalError('the watch failed by a mistake of the server: watch again', { cause: error }),
    );
  }

  #endIfAllIsSent(): void {
    if (this.outbox.isWaiting) return;
    this.end();
    this.#carrier.handleEnded(undefined);
  }
}
