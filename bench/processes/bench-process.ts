/**
 * A process of a measurement, called over IPC. Owner: the scenario, which closes it on every path.
 * Slow: each call has a deadline. Closed, or its parent dead: it loses its channel and ends by itself; one that does not is killed.
 */
import type { ChildProcess } from 'node:child_process';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { AnswerMessage, CallMessage, CallsOf } from './child-link.js';

interface PendingCall {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class BenchProcess<C extends CallsOf<C>> implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, PendingCall>();
  readonly #exited: Promise<unknown>;
  #lastId = 0;
  #isClosing = false;

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    // An 'error' has its own listener.
    this.#exited = once(child, 'exit').catch(() => undefined);
    child.on('message', (message) => this.#handleMessage(message as AnswerMessage));
    child.on('exit', (code, signal) => this.#fail(new Error(`the ${name} process ended with ${signal ?? code}`)));
    child.on('error', (error) => this.#fail(error));
  }

  /** Starts `<name>.js` beside this file. @throws Error when it is not ready in time */
  static start<C extends CallsOf<C>>(name: string, args: readonly string[] = []): Promise<BenchProcess<C>> {
    const file = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
    return BenchProcess.#begin(name, fork(file, args, { execArgv: ['--expose-gc'], stdio: STDIO }));
  }

  /** Starts a program that speaks over Node's channel too. @throws Error when it is not ready in time */
  static startProgram<C extends CallsOf<C>>(
    name: string,
    program: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): Promise<BenchProcess<C>> {
    const env = { ...process.env, ...environment };
    return BenchProcess.#begin(name, spawn(program, args, { env, stdio: STDIO }));
  }

  static async #begin<C extends CallsOf<C>>(name: string, child: ChildProcess): Promise<BenchProcess<C>> {
    const started = new BenchProcess<C>(name, child);
    try {
      await started.#within(
        new Promise((resolve, reject) => started.#pending.set(READY, { resolve, reject })),
        START_MS,
        'start',
      );
    } catch (error) {
      await started.close();
      throw error;
    }
    return started;
  }

  /** @throws Error with what went wrong there, when the process ends, or when it does not answer within `deadlineMs` */
  call<N extends keyof C & string>(
    name: N,
    argument: Parameters<C[N]>[0],
    deadlineMs = CALL_MS,
  ): Promise<Awaited<ReturnType<C[N]>>> {
    this.#lastId += 1;
    const message: CallMessage = { id: this.#lastId, name, argument };
    const answered = new Promise<unknown>((resolve, reject) => {
      if (!this.#child.connected) throw new Error(`the ${this.#name} process has ended`);
      this.#pending.set(message.id, { resolve, reject });
      this.#child.send(message);
    });
    return this.#within(answered, deadlineMs, name) as Promise<Awaited<ReturnType<C[N]>>>;
  }

  /** As a crash does it. `close` is still its owner's to call. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (this.#child.connected) this.#child.disconnect();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined) return;
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #handleMessage(message: AnswerMessage): void {
    const id = message.kind === 'ready' ? READY : message.id;
    const call = this.#pending.get(id);
    this.#pending.delete(id);
    if (message.kind === 'error') call?.reject(new Error(`the ${this.#name} process: ${message.error}`));
    else call?.resolve(message.kind === 'result' ? message.result : undefined);
  }

  #fail(error: Error): void {
    for (const call of this.#pending.values()) call.reject(error);
    this.#pending.clear();
  }

  async #within<T>(done: Promise<T>, deadlineMs: number, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const fail = () =>
        reject(new Error(`the ${this.#name} process did not answer "${what}" within ${deadlineMs} ms`));
      timer = setTimeout(fail, deadlineMs);
    });
    try {
      return await Promise.race([done, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** For a call that does something with each of so many things: 2 ms each, on top of the usual. */
export function deadlineForMs(things: number): number {
  return CALL_MS + 2 * things;
}

/** stdout is the table's. */
const STDIO: ['ignore', number, number, 'ipc'] = ['ignore', 2, 2, 'ipc'];
/** Id of the message that it runs. */
const READY = 0;
const START_MS = 20_000;
const CALL_MS = 60_000;
const CLOSE_MS = 5_000;
