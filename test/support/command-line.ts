/** The built command line as real processes: run to its end, or followed line by line. */
import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { runCommandLine } from '../../src/cli/command-line.js';
import { within } from './deadline.js';

export interface CommandResult {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running command. Owner: the test, which awaits `exited` or ends it with `kill`. */
export class CommandProcess {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #lines: string[] = [];
  #partial = '';
  #stdout = '';
  #stderr = '';
  #onChange: () => void = () => undefined;
  #isOver = false;
  readonly exited: Promise<CommandResult>;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout.on('data', (data: Buffer) => this.#handleStdout(data.toString()));
    this.#child.stderr.on('data', (data: Buffer) => {
      this.#stderr += data.toString();
      this.#onChange();
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code) => {
        this.#isOver = true;
        resolve({ exitCode: code ?? undefined, stdout: this.#stdout, stderr: this.#stderr });
        this.#onChange();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The next line of stdout. */
  line(ms = 15_000): Promise<string> {
    return this.#eventually(ms, () => this.#lines.shift(), 'a line');
  }

  async json(ms?: number): Promise<Record<string, unknown>> {
    return JSON.parse(await this.line(ms)) as Record<string, unknown>;
  }

  /** Resolves when stderr has said it. */
  async said(words: RegExp, ms = 15_000): Promise<void> {
    await this.#eventually(ms, () => (words.test(this.#stderr) ? true : undefined), `${words} on stderr`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Nobody reads its stdout any more. */
  closeStdout(): void {
    this.#child.stdout.destroy();
  }

  end(ms = 15_000): Promise<CommandResult> {
    return within(ms, this.exited, 'the end of a command');
  }

  /** For a test's own end: gone whatever it did. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  #handleStdout(text: string): void {
    this.#stdout += text;
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    this.#lines.push(...lines);
    this.#onChange();
  }

  async #eventually<T>(ms: number, take: () => T | undefined, what: string): Promise<T> {
    const result = new Promise<T>((resolve, reject) => {
      this.#onChange = () => {
        const taken = take();
        // What comes after it is for who asks next.
        if (taken !== undefined) this.#onChange = () => undefined;
        if (taken !== undefined) resolve(taken);
        else if (this.#isOver) reject(new Error(`the command ended without ${what}; stderr: ${this.#stderr}`));
      };
      this.#onChange();
    });
    return within(ms, result, what);
  }
}

/** The same command on this thread: a process of its own takes 0.6 s of CPU. For what is said and answered, not for signals and pipes. */
export async function runHere(args: readonly string[]): Promise<CommandResult> {
  const [stdout, stderr] = [new HeldText(), new HeldText()];
  const exitCode = await within(15_000, runCommandLine(args, stdout, stderr), 'the end of a command');
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

class HeldText extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export function run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<CommandResult> {
  return new CommandProcess(args, env).end();
}

/** A `serve` process and what it said when it accepted. */
export async function startServe(
  ...args: string[]
): Promise<{ serve: CommandProcess; endpoint: string; line: Record<string, unknown> }> {
  const serve = new CommandProcess(['serve', '--port', '0', ...args]);
  const line = await serve.json();
  return { serve, endpoint: `127.0.0.1:${line.port}`, line };
}

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
