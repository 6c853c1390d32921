/**
 * A child process of the demo: one of our own commands. Path: demo -> [demo child] -> process.
 * Owner: demo. It ends by `end`; if it ends by itself, `failed` rejects with what it said last. If demo dies, the child's channel closes, and it goes.
 */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Message {
  readonly kind: string;
}

export class DemoChild<In extends Message, Out extends Message> {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #awaited = new Map<string, (message: In) => void>();
  #onMessage: (message: In) => void = () => undefined;
  #isEnding = false;
  #stderr = '';
  #fail: (error: Error) => void = () => undefined;
  /** Rejects when it ends although nobody asked it to; never resolves. */
  readonly failed: Promise<never>;

  constructor(name: string, args: readonly string[]) {
    this.#name = name;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // It may fail while nobody waits; whoever waits next learns it.
    this.failed.catch(() => undefined);
    // The demo's own server is open to everybody on this machine: a token meant for another one would shut out the others.
    const { BRIDGED_STATE_TOKEN: _, ...env } = process.env;
    // A process group of its own: Ctrl-C in the terminal reaches the demo alone, which ends its children in order.
    this.#process = fork(MAIN_FILE, [...args], { detached: true, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#exited = new Promise((resolve) => {
      this.#process.once('error', (error) => this.#handleEnd(error.message, resolve));
      this.#process.once('exit', (code, signal) => this.#handleEnd(signal ?? `exit code ${code}`, resolve));
    });
    this.#process.stdout?.on('data', (text: Buffer) => this.#handleStdout(text.toString()));
    this.#process.stderr?.on('data', (text: Buffer) => {
      this.#stderr = `${this.#stderr}${text.toString()}`.slice(-MOST_STDERR);
    });
    this.#process.on('message', (message) => this.#handleMessage(message as In));
    process.once('exit', this.#kill);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  onMessage(handle: (message: In) => void): void {
    this.#onMessage = handle;
  }

  /** Says `message` and waits for the answer of that kind. @throws when none comes in time, or it ends */
  async ask<K extends In['kind']>(message: Out, kind: K, withinMs = ANSWER_MS): Promise<Extract<In, { kind: K }>> {
    const answer = this.next(kind, withinMs);
    this.tell(message);
    return answer;
  }

  tell(message: Out): void {
    // Who has ended says so by `failed`.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  async next<K extends In['kind']>(kind: K, withinMs = ANSWER_MS): Promise<Extract<In, { kind: K }>> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const sentence = `the ${this.#name} process did not get to "${kind}" within ${withinMs / 1000} s: try fewer watches or a lower rate`;
      timer = setTimeout(() => reject(new Error(sentence)), withinMs);
    });
    const answer = new Promise<In>((resolve) => this.#awaited.set(kind, resolve));
    try {
      return (await Promise.race([answer, late, this.failed])) as Extract<In, { kind: K }>;
    } finally {
      clearTimeout(timer);
      this.#awaited.delete(kind);
    }
  }

  /** Resolves when the process is gone: by itself, or killed when it takes too long. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#fail(new Error(`the ${this.#name} process was ended`));
    this.#process.kill('SIGTERM');
    const timer = setTimeout(this.#kill, END_MS);
    await this.#exited;
    clearTimeout(timer);
    process.removeListener('exit', this.#kill);
  }

  /** Without a word, as the demo means it: that it ends is no failure. */
  async crash(): Promise<void> {
    this.#isEnding = true;
    this.#kill();
    await this.#exited;
    process.removeListener('exit', this.#kill);
  }

  readonly #kill = (): void => {
    this.#process.kill('SIGKILL');
  };

  #handleMessage(message: In): void {
    this.#awaited.get(message.kind)?.(message);
    this.#onMessage(message);
  }

  /** The server says one JSON line, with an `event` where messages have a `kind`. */
  #handleStdout(text: string): void {
    const [line] = text.split('\n', 1);
    if (!line?.startsWith('{')) return;
    const { event, ...rest } = JSON.parse(line) as { event: string };
    this.#handleMessage({ kind: event, ...rest } as unknown as In);
  }

  #handleEnd(how: string, resolve: () => void): void {
    resolve();
    if (this.#isEnding) return;
    const said = this.#stderr.trim().split('\n').at(-1) ?? '';
    this.#fail(new Error(`the ${this.#name} process ended by itself (${how})${said === '' ? '' : `: ${said}`}`));
  }
}

const MAIN_FILE = fileURLToPath(new URL('../main.js', import.meta.url));

const ANSWER_MS = 30_000;
const END_MS = 3_000;
const MOST_STDERR = 4_096;
