/**
 * What one state changes, in the order of its calls. Path: slot -> [changes] -> set queue, or call order -> unary calls.
 * A change has a place in the order until it is known what became of it; its caller is told when its time is up, whether it waits for its turn or
 * for an answer. Full: `queuedSets` that wait, then one more is refused. Closed: when `whenTold` resolves every caller is told.
 */
import type { Deadlines } from '../../shared/deadlines.js';
import { deadlineOf } from '../../shared/deadlines.js';
import { BridgeError, InternalError, QuotaExceededError } from '../../shared/errors.js';
import type { ChangeCall, SetsCommand, SetsOfBatch } from '../../shared/port/commands.js';
import type { Connection } from '../connection/connection.js';
import type { QueuedCall } from './call-order.js';
import { CallOrder } from './call-order.js';
import { ChangePhases } from './change-phases.js';
import { NameGate } from './name-gate.js';
import { SlotBatch } from './slot-batch.js';
import type { CallOutcome, SetsOwner } from './slot-set.js';
import { SlotSet, tooLate } from './slot-set.js';
import type { UnaryCalls } from './unary-calls.js';

/** Where the outcomes of the sets of a command go, by place. */
export type TellSet = (place: number, version: number, error: BridgeError | undefined) => void;

export class Changes {
  readonly #connection: Connection;
  readonly #calls: UnaryCalls;
  readonly #deadlines: Deadlines;
  readonly #limit: number;
  readonly #phases = new ChangePhases();
  readonly #order: CallOrder<QueuedCall>;
  readonly #gate: NameGate<QueuedCall>;
  readonly #phaseDeadline = deadlineOf((nowMs) => this.#handlePhaseDeadline(nowMs));
  /** Callers that wait. */
  #untold = 0;
  #whenTold: (() => void)[] = [];

  constructor(connection: Connection, calls: UnaryCalls, queuedSets: number, deadlines: Deadlines) {
    this.#connection = connection;
    this.#calls = calls;
    this.#deadlines = deadlines;
    this.#limit = queuedSets;
    this.#order = new CallOrder(queuedSets);
    this.#gate = new NameGate(this.#order, calls, queuedSets);
  }

  /** Resolves with what the call comes to. @throws BridgeError */
  make(call: ChangeCall): Promise<unknown> {
    if (this.#isFull) return Promise.reject(this.#tooManyWait());
    this.#untold += 1;
    const { deadlineMs } = this.#connection;
    return new Promise<unknown>((resolve, reject) => {
      const outcome: CallOutcome = {
        handleDone: resolve,
        handleFailed: reject,
        handleEnd: () => this.#phases.handleEnd(),
      };
      this.#push({
        ...{ way: 'call', deadlineMs },
        start: () => this.#call(call, deadlineMs, outcome),
        handleTooLate: () => reject(tooLate()),
      });
    }).finally(() => this.#handleTold());
  }

  /** Those of one turn; `tell` is called once for each. */
  makeSets(command: SetsCommand, tell: TellSet): void {
    const { identifiers } = command;
    const { deadlineMs, transport } = this.#connection;
    const owner = this.#ownerOf(tell);
    const batches = command.batches.values();
    let batch = batches.next().value;
    for (let place = 0; place < identifiers.length; place += 1) {
      if (place === batch?.from) {
        this.#makeBatch(command, batch, deadlineMs, owner);
        place = batch.upTo - 1;
        batch = batches.next().value;
      } else if (this.#isFull) tell(place, 0, this.#tooManyWait());
      else {
        this.#untold += 1;
        this.#push(new SlotSet(transport === 'link' ? 'link' : 'call', command, place, deadlineMs, owner));
      }
    }
  }

  #makeBatch(command: SetsCommand, sets: SetsOfBatch, deadlineMs: number, owner: SetsOwner): void {
    const { from, upTo, atomic } = sets;
    this.#untold += upTo - from;
    if (this.#isFull) {
      for (let place = from; place < upTo; place += 1) owner.tell(place, 0, this.#tooManyWait());
      return;
    }
    const { transport, maxRequestBytes } = this.#connection;
    const batch = new SlotBatch(command, sets, deadlineMs, owner);
    // Whole in one message, beside whatever else is in it.
    const fits = !atomic || batch.messageBytes <= maxRequestBytes / 4;
    batch.way = transport === 'link' && fits ? 'link' : 'call';
    this.#push(batch);
  }

  /** Resolves when every caller is told: each is, by its deadline. What it asked for may have its place for longer. */
  whenTold(): Promise<void> {
    return this.#untold === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenTold.push(resolve));
  }

  #ownerOf(tell: TellSet): SetsOwner {
    return {
      tell: (place, version, error) => {
        tell(place, version, error);
        this.#handleTold();
      },
      handleEnd: () => this.#phases.handleEnd(),
      sendByLink: (set) => this.#connection.set(set),
      call: (call, deadlineMs, outcome) => this.#call(call, deadlineMs, outcome),
    };
  }

  #handleTold(): void {
    this.#untold -= 1;
    if (this.#untold === 0) for (const resolve of this.#whenTold.splice(0)) resolve();
  }

  #push(change: Parameters<ChangePhases['push']>[0]): void {
    this.#phases.push(change);
    this.#schedulePhases();
  }

  #schedulePhases(): void {
    const dueAtMs = this.#phases.nextDeadlineMs;
    if (dueAtMs !== undefined && this.#phaseDeadline.wheelSlot < 0)
      this.#deadlines.schedule(this.#phaseDeadline, dueAtMs);
  }

  #handlePhaseDeadline(nowMs: number): void {
    this.#phases.handleDeadline(nowMs);
    this.#schedulePhases();
  }

  /** Behind earlier calls of the same variables. */
  #call(call: ChangeCall, deadlineMs: number, outcome: CallOutcome): void {
    let isTooLate = false;
    const deadline = deadlineOf(() => {
      isTooLate = true;
      outcome.handleFailed(tooLate());
    });
    const queued: QueuedCall = {
      identifiers: identifiersOf(call),
      start: () => {
        this.#deadlines.cancel(deadline);
        if (isTooLate) this.#handleEnd(queued, outcome);
        else void this.#start(call, deadlineMs, queued, outcome);
      },
    };
    // Before it is known whether it waits: it may start at once.
    this.#deadlines.schedule(deadline, deadlineMs);
    if (this.#gate.push(queued)) return;
    this.#deadlines.cancel(deadline);
    outcome.handleFailed(this.#tooManyWait());
    outcome.handleEnd();
  }

  async #start(call: ChangeCall, deadlineMs: number, queued: QueuedCall, outcome: CallOutcome): Promise<void> {
    const kept: Promise<void>[] = [];
    const keepPlace = (settled: Promise<void>): void => void kept.push(settled);
    try {
      outcome.handleDone(await this.#calls.change(call, { deadlineMs, keepPlace }));
    } catch (cause) {
      outcome.handleFailed(cause instanceof BridgeError ? cause : new InternalError(String(cause), { cause }));
    }
    await Promise.all(kept);
    this.#handleEnd(queued, outcome);
  }

  #handleEnd(queued: QueuedCall, outcome: CallOutcome): void {
    this.#order.handleEnd(queued);
    outcome.handleEnd();
  }

  get #isFull(): boolean {
    return this.#phases.waiting >= this.#limit;
  }

  #tooManyWait(): QuotaExceededError {
    const waiting = this.#gate.waiting + this.#phases.waiting;
    return new QuotaExceededError(
      `${waiting} calls wait for earlier ones already: await your sets, or raise limits.queuedSets`,
    );
  }
}

function identifiersOf(call: ChangeCall): readonly string[] {
  switch (call.name) {
    case 'register':
      return [call.variable];
    case 'update':
      return call.values.map(([identifier]) => identifier);
    case 'set':
    case 'delete':
    case 'rollback':
      return [call.identifier];
    default:
      return call satisfies never;
  }
}
