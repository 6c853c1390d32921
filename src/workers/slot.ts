/**
 * Wires one worker: commands in, turns out. Path: main -> [slot] -> connection, and back through the port writer.
 * The only file here that knows the others. Closed: when `stop` is answered, or its port is gone.
 */

import type { MessagePort } from 'node:worker_threads';
import { Deadlines } from '../shared/deadlines.js';
import { ClosedError, errorToWire, InternalError, QuotaExceededError } from '../shared/errors.js';
import { silentLogger } from '../shared/logger.js';
import { eventLoopUtilization } from '../shared/platform-timers.js';
import type { AttachCommand, BridgeConfig, Call, Command, SetsCommand, SetsOfBatch } from '../shared/port/commands.js';
import { changesState } from '../shared/port/commands.js';
import { FoundHandles } from '../shared/port/handles.js';
import type { AttachResult, PortBatchResult, PortStats } from '../shared/port/replies.js';
import type { LaneMemory } from '../shared/port/update-lane.js';
import { systemClock } from '../shared/system-clock.js';
import { CallOrder, type QueuedCall } from './calls/call-order.js';
import { ChangePhases } from './calls/change-phases.js';
import { NameGate } from './calls/name-gate.js';
import { SlotBatch } from './calls/slot-batch.js';
import { SlotSet } from './calls/slot-set.js';
import { UnaryCalls } from './calls/unary-calls.js';
import { Connection } from './connection/connection.js';
import { PortWriter } from './port-writer.js';
import { Subscription } from './watch/subscription.js';

/** What a worker is given; the port comes by transfer. */
export interface SlotTask {
  readonly port: MessagePort;
  /** Takes the updates, by shared memory. */
  readonly lane: LaneMemory;
  /** Least time between two messages that carry no reply, ms. */
  readonly spacingMs: number;
}

interface Bridge {
  readonly connection: Connection;
  readonly calls: UnaryCalls;
  readonly order: CallOrder<QueuedCall>;
  readonly gate: NameGate<QueuedCall>;
  readonly phases: ChangePhases;
  readonly config: BridgeConfig;
}

export class Slot {
  readonly #port: MessagePort;
  readonly #writer: PortWriter;
  readonly #deadlines = new Deadlines();
  readonly #bridges = new Map<number, Bridge>();
  readonly #subscriptions = new Map<number, Subscription>();
  /** Of variables that patterns find. */
  readonly #found = new FoundHandles();
  #utilization = eventLoopUtilization();
  #isStopped = false;
  #resolveClosed: () => void = () => undefined;
  /** Resolves when nothing of this slot is left. */
  readonly closed: Promise<void>;

  constructor({ port, lane, spacingMs }: SlotTask) {
    this.#port = port;
    this.#writer = new PortWriter(port, lane, spacingMs);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    port.on('message', (commands: readonly Command[]) => {
      for (const command of commands) this.#handle(command);
    });
    // The main thread, or its state, is gone: nobody is left to answer.
    port.on('close', () => void this.#stop());
    this.#writer.reply({ kind: 'ready' });
  }

  #handle(command: Command): void {
    switch (command.kind) {
      case 'grant':
        this.#writer.handleGrant();
        return;
      case 'cells':
        this.#writer.cells.handleChunk(command.index, command.chunk);
        return;
      case 'attach':
        void this.#answer(command.id, this.#attach(command));
        return;
      case 'detach':
        void this.#answer(command.id, this.#detach(command.bridge));
        return;
      case 'open':
        this.#open(command);
        return;
      case 'drop': {
        const isAnyLeft = this.#subscriptions.get(command.subscription)?.drop(command.handles) ?? false;
        this.#writer.reply({ kind: 'answer', id: command.id, result: isAnyLeft });
        return;
      }
      case 'close':
        this.#subscriptions.get(command.subscription)?.close();
        this.#writer.reply({ kind: 'answer', id: command.id, result: undefined });
        return;
      case 'call':
        this.#call(command.id, command.bridge, command.call);
        return;
      case 'sets':
        this.#sets(command);
        return;
      case 'stats':
        this.#answerStats(command.id);
        return;
      case 'stop':
        void this.#answer(command.id, this.#closeAll()).then(() => this.#stop());
        return;
      default:
        command satisfies never;
    }
  }

  async #answer(id: number, work: Promise<unknown>): Promise<void> {
    try {
      this.#writer.reply({ kind: 'answer', id, result: await work });
    } catch (error) {
      this.#writer.reply({ kind: 'refusal', id, error: errorToWire(error) });
    }
  }

  async #attach({ bridge: number, config, isRecovery }: AttachCommand): Promise<AttachResult> {
    const connection = new Connection(config, this.#deadlines, silentLogger);
    const calls = new UnaryCalls(connection, config.sessionId);
    const order = new CallOrder<QueuedCall>(config.limits.queuedSets);
    const gate = new NameGate(order, calls, config.limits.queuedSets);
    this.#bridges.set(number, { connection, calls, order, gate, phases: new ChangePhases(), config });
    try {
      const { epoch } = await connection.open(isRecovery);
      return { epoch, transport: connection.transport };
    } catch (error) {
      this.#bridges.delete(number);
      await connection.close();
      throw error;
    }
  }

  async #detach(number: number): Promise<void> {
    const bridge = this.#bridges.get(number);
    if (bridge === undefined) return;
    this.#bridges.delete(number);
    for (const subscription of [...this.#subscriptions.values()]) {
      if (subscription.bridge === number) subscription.close();
    }
    // What was asked for is answered; nothing is tried again.
    bridge.connection.drain();
    await bridge.phases.whenIdle();
    await bridge.gate.whenIdle();
    await bridge.connection.close();
  }

  #open(command: Extract<Command, { kind: 'open' }>): void {
    const bridge = this.#bridges.get(command.bridge);
    if (bridge === undefined) {
      this.#writer.reply({
        kind: 'refusal',
        id: command.id,
        error: errorToWire(new ClosedError('the state was closed: open another')),
      });
      return;
    }
    // Not the command: it would stay as long as the watch.
    const { subscription: number } = command;
    const onEnd = () => this.#subscriptions.delete(number);
    const subscription = new Subscription(
      command,
      bridge.connection,
      this.#writer,
      this.#deadlines,
      this.#found,
      onEnd,
    );
    this.#subscriptions.set(command.subscription, subscription);
    subscription.start();
  }

  #call(id: number, number: number, call: Call): void {
    const bridge = this.#bridges.get(number);
    if (bridge === undefined) {
      void this.#answer(id, Promise.reject(new ClosedError('the state was closed: open another')));
      return;
    }
    if (!changesState(call)) {
      void this.#answer(id, bridge.calls.make(call));
      return;
    }
    void this.#answer(
      id,
      new Promise((resolve, reject) => {
        if (this.#isFull(bridge)) reject(tooManyWait(bridge));
        else
          bridge.phases.push(
            'call',
            () =>
              void this.#change(bridge, call)
                .finally(() => bridge.phases.handleEnd())
                .then(resolve, reject),
          );
      }),
    );
  }

  /** By a call, behind earlier ones of the same variables. */
  #change(bridge: Bridge, call: Call): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const queued: QueuedCall = {
        identifiers: identifiersOf(call),
        start: () => {
          void bridge.calls
            .make(call)
            .then(resolve, reject)
            .finally(() => bridge.order.handleEnd(queued));
        },
      };
      if (!bridge.gate.push(queued)) reject(tooManyWait(bridge));
    });
  }

  #isFull({ phases, config }: Bridge): boolean {
    return phases.waiting >= config.limits.queuedSets;
  }

  #sets(command: SetsCommand): void {
    const { id, bridge: number, identifiers } = command;
    const bridge = this.#bridges.get(number);
    if (bridge === undefined) {
      const error = new ClosedError('the state was closed: open another');
      for (const place of identifiers.keys()) this.#writer.setResult(id, place, 0, error);
      return;
    }
    const deadlineMs = systemClock.nowMs() + bridge.config.limits.callTimeoutMs;
    const isByLink = bridge.connection.transport === 'link';
    const batches = command.batches.values();
    let batch = batches.next().value;
    for (let place = 0; place < identifiers.length; place += 1) {
      if (place === batch?.from) {
        this.#setBatch(bridge, command, batch, deadlineMs);
        place = batch.upTo - 1;
        batch = batches.next().value;
        continue;
      }
      if (this.#isFull(bridge)) {
        this.#writer.setResult(id, place, 0, tooManyWait(bridge));
        continue;
      }
      const set = new SlotSet(command, place, deadlineMs, {
        settle: (version, error) => {
          bridge.phases.handleEnd();
          this.#writer.setResult(id, place, version, error);
        },
        call: (call) => this.#change(bridge, call) as Promise<number>,
      });
      bridge.phases.push(isByLink ? 'link' : 'call', () => {
        if (!isByLink || !bridge.connection.set(set)) set.reroute();
      });
    }
  }

  #setBatch(bridge: Bridge, command: SetsCommand, { from, upTo, atomic }: SetsOfBatch, deadlineMs: number): void {
    const { id } = command;
    if (this.#isFull(bridge)) {
      for (let place = from; place < upTo; place += 1) this.#writer.setResult(id, place, 0, tooManyWait(bridge));
      return;
    }
    const { connection, phases } = bridge;
    const batch = new SlotBatch(command, { from, upTo, atomic }, deadlineMs, {
      settle: (place, version, error) => this.#writer.setResult(id, place, version, error),
      handleEnd: () => phases.handleEnd(),
      call: (call) => this.#change(bridge, call) as Promise<PortBatchResult>,
    });
    // Whole in one message, beside whatever else is in it.
    const fits = !atomic || batch.messageBytes <= connection.maxRequestBytes / 4;
    const isByLink = connection.transport === 'link' && fits;
    phases.push(isByLink ? 'link' : 'call', () => {
      for (const set of batch.sets) if (!isByLink || !connection.set(set)) set.reroute();
    });
  }

  /** Of conditions that the server asks only it knows what they kept out since the last update. */
  #answerStats(id: number): void {
    const asked: Promise<void>[] = [];
    for (const { connection } of this.#bridges.values()) {
      const answer = connection.askKept();
      if (answer !== undefined) asked.push(answer);
    }
    if (asked.length === 0) this.#writer.reply({ kind: 'answer', id, result: this.#stats() });
    else
      void this.#answer(
        id,
        Promise.all(asked).then(() => this.#stats()),
      );
  }

  #stats(): PortStats {
    const now = eventLoopUtilization();
    const { utilization } = eventLoopUtilization(now, this.#utilization);
    this.#utilization = now;
    let channels = 0;
    let streams = 0;
    for (const { connection } of this.#bridges.values()) {
      channels += connection.connections;
      streams += connection.streams;
    }
    return {
      subscriptions: [...this.#subscriptions.values()].map((subscription) => subscription.stats()),
      channels,
      streams,
      utilization,
    };
  }

  async #closeAll(): Promise<void> {
    for (const number of [...this.#bridges.keys()]) await this.#detach(number);
  }

  async #stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    await this.#closeAll();
    this.#writer.close();
    this.#deadlines.close();
    this.#port.close();
    this.#resolveClosed();
  }
}

function tooManyWait({ gate, phases }: Bridge): QuotaExceededError {
  return new QuotaExceededError(
    `${gate.waiting + phases.waiting} calls wait for earlier ones already: await your sets, or raise limits.queuedSets`,
  );
}

function identifiersOf(call: Call): readonly string[] {
  switch (call.name) {
    case 'register':
      return [call.variable];
    case 'update':
      return call.values.map(([identifier]) => identifier);
    case 'set':
    case 'delete':
    case 'history':
    case 'rollback':
      return [call.identifier];
    case 'get':
      return call.identifiers;
    case 'list':
      return [];
    default:
      throw new InternalError(`no call is named ${(call satisfies never as Call).name}`);
  }
}
