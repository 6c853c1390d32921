/**
 * What one state changes, in the order of its calls, variable by variable. Path: slot -> [changes] -> set queue, or name gate -> call order -> unary calls.
 * A change has a place in the order until it is known what became of it; its caller is told when its time is up, whether it waits for its turn or
 * for an answer. The link keeps the order among its sets: while there are no calls, they are given to it as they come.
 * Full: `queuedSets` that wait, then one more is refused. Closed: when `whenTold` resolves every caller is told.
 */
import type { Deadlines } from '../../shared/deadlines.js';
import { deadlineOf } from '../../shared/deadlines.js';
import { BridgeError, InternalError, QuotaExceededError, UnavailableError } from '../../shared/errors.js';
import type { ChangeCall, SetsCommand, SetsOfBatch } from '../../shared/port/commands.js';
import { MESSAGE_BYTES } from '../../shared/wire/link-row.js';
import type { Connection } from '../connection/connection.js';
import type { QueuedCall } from './call-order.js';
import { CallOrder } from './call-order.js';
import { bytesOfSet, linkValueOf } from './link-value.js';
import { NameGate } from './name-gate.js';
import { SetsUnderWay } from './sets-under-way.js';
import { SlotBatch } from './slot-batch.js';
import type { CallOutcome, LinkChange, SetsOwner } from './slot-set.js';
import { SlotSet } from './slot-set.js';
import type { UnaryCalls } from './unary-calls.js';

/** Where the outcomes of the sets of a command go, by place. */
export type TellSet = (place: number, version: number, error: BridgeError | undefined) => void;

/** Those of one variable have their turn one after another. */
interface Line {
  readonly order: CallOrder<QueuedCall>;
  readonly gate: NameGate<QueuedCall>;
  /** What is in it. */
  size: number;
}

/** What waits in a line. */
interface Entrant {
  readonly identifiers: readonly string[];
  readonly deadlineMs: number;
  /** It waits as well for every set that was given to the link before. */
  readonly isBehindSets: boolean;
  /** It is its turn, which it ends by `leave`. */
  start(leave: () => void): void;
  /** It has no turn: its time was up, or too many wait. */
  refuse(error: BridgeError): void;
}

export class Changes {
  readonly #connection: Connection;
  readonly #calls: UnaryCalls;
  readonly #deadlines: Deadlines;
  readonly #limit: number;
  /** Calls until they end, and sets behind them until they are given to the link. */
  readonly #line: Line;
  /** Calls for sets that were given to the link, which cannot make them: what is in the line may wait for their end. */
  readonly #reroutes: Line;
  readonly #underWay = new SetsUnderWay();
  /** Callers that wait. */
  #untold = 0;
  #whenTold: (() => void)[] = [];

  constructor(connection: Connection, calls: UnaryCalls, queuedSets: number, deadlines: Deadlines) {
    this.#connection = connection;
    this.#calls = calls;
    this.#deadlines = deadlines;
    this.#limit = queuedSets;
    this.#line = lineOf(calls, queuedSets);
    this.#reroutes = lineOf(calls, queuedSets);
  }

  /** Resolves with what the call comes to. @throws BridgeError */
  make(call: ChangeCall): Promise<unknown> {
    this.#untold += 1;
    const { deadlineMs } = this.#connection;
    return new Promise<unknown>((resolve, reject) => {
      const outcome: CallOutcome = { handleDone: resolve, handleFailed: reject, handleEnd: () => undefined };
      this.#call(this.#line, call, deadlineMs, outcome);
    }).finally(() => this.#handleTold());
  }

  /** Those of one turn; `tell` is called once for each. */
  makeSets(command: SetsCommand, tell: TellSet): void {
    const { identifiers } = command;
    const { deadlineMs, transport } = this.#connection;
    const owner = this.#ownerOf(tell);
    this.#untold += identifiers.length;
    const batches = command.batches.values();
    let batch = batches.next().value;
    for (let place = 0; place < identifiers.length; place += 1) {
      if (place === batch?.from) {
        this.#makeBatch(command, batch, deadlineMs, owner);
        place = batch.upTo - 1;
        batch = batches.next().value;
        continue;
      }
      const value = transport === 'link' ? linkValueOf(command.values[place]) : undefined;
      const set = new SlotSet(command, place, value ?? NOT_SENT, deadlineMs, owner);
      if (value !== undefined && bytesOfSet(set) <= this.#maxSetBytes) this.#giveToLink(set);
      else set.reroute();
    }
  }

  #makeBatch(command: SetsCommand, sets: SetsOfBatch, deadlineMs: number, owner: SetsOwner): void {
    const hasLink = this.#connection.transport === 'link';
    const batch = new SlotBatch(command, sets, hasLink, deadlineMs, owner);
    if (batch.isForLink && this.#fits(batch)) this.#giveToLink(batch);
    else batch.reroute();
  }

  #fits({ isAtomic, sets }: SlotBatch): boolean {
    if (!isAtomic) return sets.every((set) => bytesOfSet(set) <= this.#maxSetBytes);
    // Whole in one message, beside whatever else is in it.
    const bytes = sets.reduce((sum, set) => sum + bytesOfSet(set), 0);
    return sets.length <= MAX_ATOMIC_SETS && bytes <= this.#maxAtomicBytes;
  }

  /** Of one set on the link: a larger one would hold up those behind it, and goes by a call of its own. */
  get #maxSetBytes(): number {
    return Math.min(MESSAGE_BYTES, this.#maxAtomicBytes);
  }

  get #maxAtomicBytes(): number {
    return this.#connection.maxRequestBytes / 4;
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
      handleEnd: ({ round }) => {
        if (round !== undefined) this.#underWay.handleEnd(round);
      },
      sendByLink: (set) => this.#connection.set(set),
      call: ({ round, deadlineMs }, call, outcome) => {
        this.#call(round === undefined ? this.#line : this.#reroutes, call, deadlineMs, outcome);
      },
    };
  }

  #handleTold(): void {
    this.#untold -= 1;
    if (this.#untold === 0) for (const resolve of this.#whenTold.splice(0)) resolve();
  }

  /** Behind the calls of its variables that were made before. */
  #giveToLink(change: LinkChange): void {
    const give = (): void => {
      change.round = this.#underWay.handleStart();
      change.start();
    };
    if (this.#line.size === 0) {
      give();
      return;
    }
    const { identifiers, deadlineMs } = change;
    this.#enter(this.#line, {
      ...{ identifiers, deadlineMs, isBehindSets: false },
      start: (leave) => {
        give();
        // What is behind it in the line is behind it on the link.
        leave();
      },
      refuse: (error) => change.refuse(error),
    });
  }

  #call(line: Line, call: ChangeCall, deadlineMs: number, outcome: CallOutcome): void {
    this.#enter(line, {
      ...{ identifiers: identifiersOf(call), deadlineMs, isBehindSets: line === this.#line },
      start: (leave) => void this.#start(call, deadlineMs, outcome, leave),
      refuse: (error) => {
        outcome.handleFailed(error);
        outcome.handleEnd();
      },
    });
  }

  #enter(line: Line, { identifiers, deadlineMs, isBehindSets, start, refuse }: Entrant): void {
    let isOver = false;
    const deadline = deadlineOf(() => {
      isOver = true;
      refuse(tooLate());
    });
    const leave = (): void => {
      line.size -= 1;
      line.order.handleEnd(queued);
    };
    const begin = (): void => {
      this.#deadlines.cancel(deadline);
      if (isOver) leave();
      else start(leave);
    };
    const queued: QueuedCall = {
      identifiers,
      start: isBehindSets ? () => this.#underWay.startBehind(begin) : begin,
    };
    line.size += 1;
    this.#deadlines.schedule(deadline, deadlineMs);
    const isFull = isBehindSets && this.#underWay.waiting >= this.#limit;
    if (!isFull && line.gate.push(queued)) return;
    line.size -= 1;
    this.#deadlines.cancel(deadline);
    refuse(this.#tooManyWait());
  }

  async #start(call: ChangeCall, deadlineMs: number, outcome: CallOutcome, leave: () => void): Promise<void> {
    const kept: Promise<void>[] = [];
    const keepPlace = (settled: Promise<void>): void => void kept.push(settled);
    try {
      outcome.handleDone(await this.#calls.change(call, { deadlineMs, keepPlace }));
    } catch (cause) {
      outcome.handleFailed(cause instanceof BridgeError ? cause : new InternalError(String(cause), { cause }));
    }
    await Promise.all(kept);
    leave();
    outcome.handleEnd();
  }

  #tooManyWait(): QuotaExceededError {
    const waiting = this.#line.gate.waiting + this.#reroutes.gate.waiting + this.#underWay.waiting;
    return new QuotaExceededError(
      `${waiting} calls wait for earlier ones already: await your sets, or raise limits.queuedSets`,
    );
  }
}

function lineOf(calls: UnaryCalls, queuedSets: number): Line {
  const order = new CallOrder<QueuedCall>(queuedSets);
  return { order, gate: new NameGate(order, calls, queuedSets), size: 0 };
}

/** Of a set that goes by a call: nobody reads it. */
const NOT_SENT = 0;
/** Of an atomic batch on the link, where it is one message. */
const MAX_ATOMIC_SETS = 4_096;

/** Of a change that waited in vain. */
function tooLate(): UnavailableError {
  return new UnavailableError(
    'a change that was called earlier is still to be answered, and this one waited for it until its time was up: it was not made',
  );
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
