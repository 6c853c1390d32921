/**
 * Wires one worker: commands in, turns out. Path: main -> [slot] -> connection, and back through the port writer.
 * The only file here that knows the others. Closed: when `stop` is answered, or its port is gone.
 */

import type { MessagePort } from 'node:worker_threads';
import { Deadlines } from '../shared/deadlines.js';
import { ClosedError, errorToWire } from '../shared/errors.js';
import { silentLogger } from '../shared/logger.js';
import { eventLoopUtilization } from '../shared/platform-timers.js';
import type { AttachCommand, Call, Command, SetsCommand } from '../shared/port/commands.js';
import { changesState } from '../shared/port/commands.js';
import { FoundHandles } from '../shared/port/handles.js';
import { openAt } from '../shared/port/opens.js';
import type { AttachResult, PortStats } from '../shared/port/replies.js';
import type { LaneMemory } from '../shared/port/update-lane.js';
import { Changes } from './calls/changes.js';
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
  readonly changes: Changes;
  /** Under way. */
  readonly reads: Set<Promise<void>>;
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
      case 'opens':
        for (const place of command.ids.keys()) this.#open(openAt(command, place));
        return;
      case 'drop': {
        const isAnyLeft = this.#subscriptions.get(command.subscription)?.drop(command.handles) ?? false;
        this.#writer.reply({ kind: 'answer', id: command.id, result: isAnyLeft });
        return;
      }
      case 'close':
        this.#subscriptions.get(command.subscription)?.close();
        this.#writer.done(command.id);
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
    const connection = new Connection(config, this.#deadlines, silentLogger, (atMs) =>
      this.#writer.reply({ kind: 'heard', bridge: number, atMs }),
    );
    const calls = new UnaryCalls(connection, config.sessionId);
    const changes = new Changes(connection, calls, config.limits.queuedSets, this.#deadlines);
    this.#bridges.set(number, { connection, calls, changes, reads: new Set() });
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
    await Promise.all([bridge.changes.whenTold(), ...bridge.reads]);
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
    const subscription = new Subscription(
      command,
      bridge.connection,
      this.#writer,
      this.#deadlines,
      this.#found,
      this.#handleOver,
    );
    this.#subscriptions.set(command.subscription, subscription);
    subscription.start();
  }

  /** One for all: a closure each would stay as long as its watch, and what it stands in with it. */
  readonly #handleOver = (subscription: number): void => {
    this.#subscriptions.delete(subscription);
  };

  #call(id: number, number: number, call: Call): void {
    const bridge = this.#bridges.get(number);
    if (bridge === undefined) {
      void this.#answer(id, Promise.reject(new ClosedError('the state was closed: open another')));
      return;
    }
    if (changesState(call)) {
      void this.#answer(id, bridge.changes.make(call));
      return;
    }
    const reading = this.#answer(id, bridge.calls.read(call)).finally(() => bridge.reads.delete(reading));
    bridge.reads.add(reading);
  }

  #sets(command: SetsCommand): void {
    const { id, bridge: number, identifiers } = command;
    const bridge = this.#bridges.get(number);
    if (bridge === undefined) {
      const error = new ClosedError('the state was closed: open another');
      for (const place of identifiers.keys()) this.#writer.setResult(id, place, 0, error);
      return;
    }
    bridge.changes.makeSets(command, (place, version, error) => this.#writer.setResult(id, place, version, error));
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
