/**
 * Main's end of one slot: ids become promises, updates go to their dispatcher. Path: lane and MessagePort -> [slot client] -> dispatcher.
 * Slow: what this thread has not dispatched keeps its room in the lane, so the worker stops sending. Closed: every promise that is left is rejected.
 */
import type { MessagePort } from 'node:worker_threads';
import { receiveMessageOnPort } from 'node:worker_threads';
import type { ErrorWire } from '../../shared/errors.js';
import { type BridgeError, ClosedError, errorFromWire, InvalidValueError } from '../../shared/errors.js';
import { listedNames } from '../../shared/listed-names.js';
import { clearImmediate, queueMicrotask, setImmediate } from '../../shared/platform-timers.js';
import type { AttachCommand, Command, OpenCommand, SetValue } from '../../shared/port/commands.js';
import { changesState } from '../../shared/port/commands.js';
import { addOpen, isPlainOpen, opensOf } from '../../shared/port/opens.js';
import type { PortBatchResult, Reply, TurnMessage } from '../../shared/port/replies.js';
import type { StreamStateName } from '../../shared/port/stream-states.js';
import type { LaneMemory, LaneSink } from '../../shared/port/update-lane.js';
import { LaneReader } from '../../shared/port/update-lane.js';
import { CellReader } from '../../shared/port/value-cells.js';
import { systemClock } from '../../shared/system-clock.js';
import type { Metadata } from '../../shared/values/metadata.js';
import type { WatchedVariable } from '../watch/dispatched-watch.js';
import { deliverInGroup } from '../watch/dispatcher.js';
import { HandleTable } from './handle-table.js';
import { bytesOfCall, HeldChanges } from './held-changes.js';
import type { LanePoller, PolledLane } from './lane-poller.js';
import type { SetEntries } from './set-batches.js';
import { SetBatch } from './set-batches.js';
import { fateOf, lostWithWorker } from './slot-recovery.js';

/** A command as its sender writes it: the id is the client's business. */
export type CommandBody = Command extends infer C ? (C extends { readonly id: number } ? Omit<C, 'id'> : never) : never;

/** The share of one watch in one slot, as its state sees it. */
export interface SlotSubscriber {
  readonly subscription: number;
  /** Its worker is gone; the next one goes on from what was dispatched. */
  handleWorkerLost(): void;
  handleState(state: StreamStateName, error: ErrorWire | undefined): void;
  handleSynced(): void;
  handlePulse(atMs: number): void;
  handleTrouble(error: ErrorWire): void;
  handleEnded(error: ErrorWire | undefined): void;
  /** Its first opening is not answered. */
  readonly isOpening: boolean;
  /** The server has registered it. */
  handleReady(): void;
  /** Its first opening was refused; it is forgotten here. */
  handleRefused(error: BridgeError): void;
  /** One of its patterns has found a variable; undefined when it is of no use any more. */
  handleNewcomer(name: string, handle: number): WatchedVariable | undefined;
  /** What opens it, in a fresh worker from where it is; undefined when none of its variables is left. */
  openCommand(id: number): OpenCommand | undefined;
}

/** A state's face towards a slot. */
export interface SlotBridge {
  readonly bridge: number;
  attachCommand(isRecovery: boolean): Omit<AttachCommand, 'id'>;
  /** The turn is over: what was held for it goes out. */
  handleTurnEnd(): void;
}

interface Pending {
  readonly command: Command;
  resolve(result: unknown): void;
  reject(error: BridgeError): void;
}

export class SlotClient implements LaneSink, PolledLane {
  readonly number: number;
  /** What updates of this slot are addressed to, whichever state watches. */
  readonly handles = new HandleTable<WatchedVariable>();
  /** Present values, as the worker has heard them. */
  readonly cells = new CellReader();
  readonly #poller: LanePoller;
  #port: MessagePort | undefined;
  #lane: LaneReader | undefined;
  /** When the updates that are being dispatched were taken, ms. */
  #nowMs = 0;
  #nextId = 1;
  readonly #pending = new Map<number, Pending>();
  /** Those that are to be opened, by the id of what asks for it: what it said they say again when it has to be repeated. */
  readonly #openings = new Map<number, SlotSubscriber>();
  /** Sets that are not all answered, by the id of their command. */
  readonly #setBatches = new Map<number, SetBatch>();
  /** What is asked in one go is one message. */
  #outgoing: Command[] = [];
  /** Of all its states. */
  readonly #held = new HeldChanges();
  /** Of this turn, not posted. */
  #collecting: SetBatch | undefined;
  #setTurn: NodeJS.Immediate | undefined;
  readonly #bridges = new Map<number, SlotBridge>();
  /** When the server of each was heard on its link, ms. */
  readonly #heardAtMs = new Map<number, number>();
  /** By the number that this slot has allotted: states of one pool must not count for themselves. */
  readonly #subscribers = new Map<number, SlotSubscriber>();
  #nextSubscription = 1;
  #onReady: () => void = () => undefined;
  #isReferenced = true;
  #closedBy: BridgeError | undefined;

  constructor(number: number, poller: LanePoller) {
    this.number = number;
    this.#poller = poller;
  }

  /** Takes over a fresh worker's port and lane. Resolves when the worker says that it runs. */
  start(port: MessagePort, memory: LaneMemory): Promise<void> {
    this.#port = port;
    const lane = new LaneReader(memory);
    this.#lane = lane;
    lane.isPolled = this.#poller.isPolling;
    const ready = new Promise<void>((resolve) => {
      this.#onReady = resolve;
    });
    port.on('message', (message: TurnMessage | null) => {
      // One of a worker that is gone may still be on its way.
      if (this.#lane !== lane) return;
      lane.handleMessage(message);
      if (this.drain() > 0) this.#poller.start();
    });
    if (!this.#isReferenced) port.unref();
    this.#postCells(0);
    return ready;
  }

  /** The worker is gone. What it held is brought to the next one by `recover`. */
  handleDeath(): void {
    this.#port?.close();
    this.#port = undefined;
    this.#lane = undefined;
    this.cells.handleWorkerLost();
    for (const [id, { command, resolve, reject }] of [...this.#pending]) {
      if (this.#isUnwanted(command)) {
        this.#pending.delete(id);
        reject(stoppedMeanwhile());
        continue;
      }
      const fate = fateOf(command);
      if (fate.name === 'repeat') continue;
      this.#pending.delete(id);
      if (fate.name === 'done') resolve(undefined);
      else reject(fate.error);
    }
    // What was only collected goes to the next worker.
    this.#failPosted();
    for (const subscriber of this.#subscribers.values()) subscriber.handleWorkerLost();
    // Whoever was told may have asked for more. `recover` says to the next worker what is to be said again, in its order.
    this.#outgoing = [];
    const openings = [...this.#openings.values()];
    this.#openings.clear();
    for (const subscriber of openings) {
      if (!this.#subscribers.has(subscriber.subscription) && subscriber.isOpening)
        subscriber.handleRefused(stoppedMeanwhile());
    }
  }

  /** Asked for and given up since: repeated, it would have no owner. */
  #isUnwanted(command: Command): boolean {
    return command.kind === 'attach' && !this.#bridges.has(command.bridge);
  }

  /** Gives a fresh worker what the dead one had: states first, then watches, then what was asked and not answered. */
  recover(): void {
    const unanswered = [...this.#pending.values()];
    const asked = new Set<number>();
    for (const { command } of unanswered) {
      if (command.kind === 'attach') asked.add(command.bridge);
    }
    for (const bridge of this.#bridges.values()) {
      if (!asked.has(bridge.bridge)) this.#ask(bridge.attachCommand(true)).catch(ignore);
    }
    for (const { command } of unanswered) if (command.kind === 'attach') this.#post({ ...command, isRecovery: true });
    // Behind the states that they are of.
    this.#postSets();
    for (const subscriber of [...this.#subscribers.values()]) this.#askToOpen(subscriber);
    for (const { command } of unanswered) if (command.kind !== 'attach') this.#post(command);
  }

  /** From where its watch is by now: updates may have come before the answer. */
  #askToOpen(subscriber: SlotSubscriber): void {
    const id = this.#nextId;
    const command = subscriber.openCommand(id);
    if (command === undefined) {
      // The worker had told its last update, and died before it said that this was the last.
      subscriber.handleReady();
      this.#subscribers.delete(subscriber.subscription);
      subscriber.handleEnded(undefined);
      return;
    }
    this.#nextId += 1;
    this.#openings.set(id, subscriber);
    this.#postOpen(command);
  }

  #handleRefusedOpening(subscriber: SlotSubscriber, error: BridgeError): void {
    const isWanted = this.#subscribers.delete(subscriber.subscription);
    if (subscriber.isOpening) {
      subscriber.handleRefused(error);
      return;
    }
    // Given up meanwhile: that is why it was refused, and nobody's failure.
    if (!isWanted) return;
    const { code, message, details } = error;
    subscriber.handleEnded({ code, message, details });
  }

  /** When the server of this state was last heard on its link, ms; 0 while it has none. */
  heardAtMs(bridge: number): number {
    return this.#heardAtMs.get(bridge) ?? 0;
  }

  async attach(bridge: SlotBridge): Promise<unknown> {
    this.#bridges.set(bridge.bridge, bridge);
    try {
      return await this.#request(bridge.attachCommand(false));
    } catch (error) {
      this.#bridges.delete(bridge.bridge);
      throw error;
    }
  }

  async detach(bridge: SlotBridge): Promise<void> {
    // At once: a worker that dies meanwhile is not given it again.
    this.#bridges.delete(bridge.bridge);
    this.#heardAtMs.delete(bridge.bridge);
    if (this.#closedBy === undefined) await this.#request({ kind: 'detach', bridge: bridge.bridge });
  }

  /** A handle for the variable, and memory for its present value. @throws QuotaExceededError */
  allot(variable: WatchedVariable): number {
    const handle = this.handles.allot(variable);
    const made = this.cells.reserve(handle);
    if (made > 0) this.#postCells(this.cells.chunks.length - made);
    return handle;
  }

  /** A number that no other subscription of this slot has or had. */
  nextSubscription(): number {
    const subscription = this.#nextSubscription;
    this.#nextSubscription += 1;
    return subscription;
  }

  /** It is told that it is ready, or refused: by the worker or the server. */
  open(subscriber: SlotSubscriber): void {
    if (this.#closedBy !== undefined) {
      subscriber.handleRefused(this.#closedBy);
      return;
    }
    this.#subscribers.set(subscriber.subscription, subscriber);
    this.#postSets();
    this.#askToOpen(subscriber);
  }

  async drop(subscriber: SlotSubscriber, handles: readonly number[]): Promise<void> {
    await this.#request({ kind: 'drop', subscription: subscriber.subscription, handles });
  }

  /** Resolves when nothing more can come for it. */
  async closeSubscriber(subscriber: SlotSubscriber): Promise<void> {
    // At once: what still comes is for nobody, and a worker that dies meanwhile does not open it again.
    this.#subscribers.delete(subscriber.subscription);
    if (this.#closedBy === undefined) await this.#request({ kind: 'close', subscription: subscriber.subscription });
  }

  /** @throws BridgeError of the worker or the server, or because too much waits */
  async call(bridge: number, call: Extract<Command, { kind: 'call' }>['call']): Promise<unknown> {
    if (!changesState(call)) return this.#request({ kind: 'call', bridge, call });
    const bytes = bytesOfCall(call);
    this.#held.take(bytes);
    try {
      return await this.#request({ kind: 'call', bridge, call });
    } finally {
      this.#held.giveBack(bytes);
    }
  }

  /** One of those that this turn sends together. @throws BridgeError of the worker or the server */
  set(
    bridge: number,
    identifier: string,
    value: SetValue,
    source: string,
    metadata: Metadata,
    expectedVersion: number,
  ): Promise<number> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy);
    return this.#setsOf(bridge, source).add(identifier, value, metadata, expectedVersion);
  }

  /** As `set`, those of one batch. @throws BridgeError of the worker or the server, where that is no answer to one of several */
  update(
    bridge: number,
    values: SetEntries,
    source: string,
    metadata: Metadata,
    atomic: boolean,
  ): Promise<PortBatchResult> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy);
    return this.#setsOf(bridge, source).addBatch(values, metadata, atomic);
  }

  #setsOf(bridge: number, source: string): SetBatch {
    const collecting = this.#collecting;
    if (collecting !== undefined && (collecting.bridge !== bridge || collecting.source !== source)) this.#postSets();
    this.#collecting ??= new SetBatch(bridge, source, this.#held);
    this.#setTurn ??= setImmediate(() => this.#postSets());
    return this.#collecting;
  }

  /** Before anything else that is said: order is what was asked for. */
  #postSets(): void {
    clearImmediate(this.#setTurn);
    this.#setTurn = undefined;
    const batch = this.#collecting;
    if (batch === undefined || this.#port === undefined) return;
    this.#collecting = undefined;
    // Nothing was let in.
    if (batch.isSettled) return;
    const id = this.#nextId;
    this.#nextId += 1;
    this.#setBatches.set(id, batch);
    this.#post(batch.command(id));
  }

  /** Sets that were under way may have been made. */
  #failPosted(): void {
    for (const batch of this.#setBatches.values()) batch.fail(lostWithWorker('set'));
    this.#setBatches.clear();
  }

  stats(): Promise<unknown> {
    return this.#request({ kind: 'stats' });
  }

  /** Nobody is told anything of what is watched any more, its end neither. */
  forgetSubscribers(): void {
    this.#subscribers.clear();
  }

  /** Asks the worker to end by itself. */
  async stop(): Promise<void> {
    if (this.#port !== undefined && this.#closedBy === undefined) await this.#request({ kind: 'stop' });
  }

  /** No more words with the worker; whoever waits is told why. */
  close(error: BridgeError): void {
    if (this.#closedBy !== undefined) return;
    this.#closedBy = error;
    clearImmediate(this.#setTurn);
    this.#failPosted();
    this.#collecting?.fail(error);
    this.#collecting = undefined;
    this.#port?.close();
    this.#port = undefined;
    this.#lane = undefined;
    for (const { command, reject } of this.#pending.values()) {
      const fate = fateOf(command);
      // A change that was under way may have been made.
      reject(fate.name === 'failed' ? fate.error : error);
    }
    this.#pending.clear();
    const openings = [...this.#openings.values()];
    this.#openings.clear();
    for (const subscriber of openings) if (subscriber.isOpening) subscriber.handleRefused(error);
    const wire: ErrorWire = { code: error.code, message: error.message };
    for (const subscriber of [...this.#subscribers.values()]) subscriber.handleEnded(wire);
    this.#subscribers.clear();
  }

  /** Whether the worker may leave it to the poller to find its updates. */
  set isPolled(isPolled: boolean) {
    if (this.#lane !== undefined) this.#lane.isPolled = isPolled;
  }

  get hasNews(): boolean {
    return this.#lane?.hasNews ?? false;
  }

  /** Dispatches what the worker has sent. Returns how many updates. */
  drain(): number {
    const lane = this.#lane;
    if (lane === undefined) return 0;
    this.#nowMs = systemClock.nowMs();
    const updates = lane.drain(this, this.#pull);
    if (updates === 0) return 0;
    // Of a worker that ended meanwhile, nobody asks for room.
    if (lane.release()) this.#post({ kind: 'grant' });
    for (const bridge of this.#bridges.values()) bridge.handleTurnEnd();
    return updates;
  }

  // --- from the lane

  handleUpdate(update: LaneReader): void {
    const variable = this.handles.find(update.handle) ?? this.#newcomer(update);
    if (variable !== undefined) deliverInGroup(variable, update, this.#nowMs);
  }

  /** What a pattern has found makes itself known by its first update. */
  #newcomer({ handle, lineage }: LaneReader): WatchedVariable | undefined {
    const newcomer = lineage?.newcomer;
    if (newcomer === undefined) return undefined;
    const variable = this.#subscribers.get(newcomer.subscription)?.handleNewcomer(newcomer.name, handle);
    if (variable !== undefined) this.handles.adopt(handle, variable);
    return variable;
  }

  unref(): void {
    this.#isReferenced = false;
    this.#port?.unref();
  }

  ref(): void {
    this.#isReferenced = true;
    this.#port?.ref();
  }

  readonly #pull = (): TurnMessage | null | undefined => {
    if (this.#port === undefined) return undefined;
    return receiveMessageOnPort(this.#port)?.message as TurnMessage | null | undefined;
  };

  #request(body: CommandBody): Promise<unknown> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy);
    this.#postSets();
    return this.#ask(body);
  }

  #ask(body: CommandBody): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    const command = { ...body, id } as Command;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { command, resolve, reject });
      this.#post(command);
    });
  }

  #postCells(from: number): void {
    const { chunks } = this.cells;
    for (let index = from; index < chunks.length; index += 1)
      this.#post({ kind: 'cells', index, chunk: chunks[index]! });
  }

  /** Together with what else is said before anything awaited goes on: to wake the worker costs as much as 20 commands. */
  #post(command: Command): void {
    if (this.#outgoing.length === 0) queueMicrotask(() => this.#postAll());
    this.#outgoing.push(command);
    if (this.#outgoing.length >= COMMANDS_A_MESSAGE) this.#postAll();
  }

  /** Those that say the same of themselves together. */
  #postOpen(command: OpenCommand): void {
    if (!isPlainOpen(command)) {
      this.#post(command);
      return;
    }
    const last = this.#outgoing.at(-1);
    if (last?.kind !== 'opens' || !addOpen(last, command)) this.#post(opensOf(command));
    else if (last.ids.length >= COMMANDS_A_MESSAGE) this.#postAll();
  }

  #postAll(): void {
    const commands = this.#outgoing;
    if (commands.length === 0) return;
    this.#outgoing = [];
    // Without a port, between two workers, `recover` or `start` will post them.
    if (this.#port === undefined) return;
    try {
      this.#port.postMessage(commands);
    } catch {
      for (const command of commands) this.#postAlone(command);
    }
  }

  #postAlone(command: Command): void {
    try {
      this.#port?.postMessage([command]);
    } catch (cause) {
      // Functions and symbols are no values of any type; structured clone is the first to notice.
      const sentence = cause instanceof Error ? cause.message : String(cause);
      const error = new InvalidValueError(
        `${subjectOf(command)}: a value cannot leave this thread (${sentence}): give plain data`,
        { cause },
      );
      if ('id' in command) this.#refuse(command.id, error);
      else if (command.kind === 'opens') for (const id of command.ids) this.#refuse(id, error);
    }
  }

  handleReply(reply: Reply): void {
    switch (reply.kind) {
      case 'ready':
        this.#onReady();
        return;
      case 'cells':
        this.cells.handleFoundChunk(reply.index, reply.chunk);
        return;
      case 'answer':
        this.#take(reply.id)?.resolve(reply.result);
        return;
      case 'done':
        for (const id of reply.ids) this.#handleDone(id);
        return;
      case 'refusal':
        this.#refuse(reply.id, errorFromWire(reply.error));
        return;
      case 'set-results': {
        const batch = this.#setBatches.get(reply.id);
        batch?.handleResults(reply);
        if (batch?.isSettled === true) this.#setBatches.delete(reply.id);
        return;
      }
      case 'state':
        for (const number of reply.subscriptions) this.#subscribers.get(number)?.handleState(reply.state, reply.error);
        return;
      case 'synced':
        for (const number of reply.subscriptions) this.#subscribers.get(number)?.handleSynced();
        return;
      case 'heard':
        if (this.#bridges.has(reply.bridge)) this.#heardAtMs.set(reply.bridge, reply.atMs);
        return;
      case 'pulse':
        for (const number of reply.subscriptions) this.#subscribers.get(number)?.handlePulse(reply.atMs);
        return;
      case 'trouble':
        this.#subscribers.get(reply.subscription)?.handleTrouble(reply.error);
        return;
      case 'ended': {
        const subscriber = this.#subscribers.get(reply.subscription);
        this.#subscribers.delete(reply.subscription);
        subscriber?.handleEnded(reply.error);
        return;
      }
      default:
        reply satisfies never;
    }
  }

  #handleDone(id: number): void {
    const subscriber = this.#openings.get(id);
    if (subscriber === undefined) {
      this.#take(id)?.resolve(undefined);
      return;
    }
    this.#openings.delete(id);
    subscriber.handleReady();
  }

  #refuse(id: number, error: BridgeError): void {
    const subscriber = this.#openings.get(id);
    if (subscriber === undefined) {
      this.#take(id)?.reject(error);
      return;
    }
    this.#openings.delete(id);
    this.#handleRefusedOpening(subscriber, error);
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}

function subjectOf(command: Command): string {
  if (command.kind !== 'call') return command.kind;
  const { call } = command;
  if (call.name === 'update') return `variables ${listedNames(call.values.map(([identifier]) => `"${identifier}"`))}`;
  const name = 'identifier' in call ? call.identifier : 'variable' in call ? call.variable : '';
  return `variable "${name}"`;
}

const stoppedMeanwhile = (): ClosedError => new ClosedError('it was stopped while its worker died');

export const closedPool = (): ClosedError => new ClosedError('the worker pool was closed: open another');

/** A worker reads a message in one go: those behind it, and what comes from servers, have their turn in between. */
const COMMANDS_A_MESSAGE = 256;

function ignore(): void {
  // A state that cannot be attached again tells so by its watches.
}
