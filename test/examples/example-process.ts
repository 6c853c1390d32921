/** An example as a user starts it, by the runner's name for it: a process group of its own that ends by itself or is asked to. */
import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { within } from '../support/deadline.js';

// Tests run in dist/test/examples.
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const END_MS = 60_000;

/** Owner: whoever started it; leaving its scope ends it. */
export class ExampleProcess implements AsyncDisposable {
  /** All that it has said, on both streams. */
  readonly lines: string[] = [];
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #ended: Promise<number | null>;
  #waiters: { readonly pattern: RegExp; readonly resolve: (match: RegExpExecArray) => void }[] = [];

  /** The arguments of the runner, after what its environment has besides, if anything. */
  constructor(...args: readonly (string | Record<string, string>)[]) {
    const given = args.filter((each) => typeof each === 'string');
    const besides = args.filter((each) => typeof each !== 'string');
    this.#child = spawn(process.execPath, ['scripts/example.mjs', ...given], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: Object.assign({}, process.env, ...besides),
      // As a shell starts it: what the terminal tells, it tells all of this group.
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#handleLine(line));
    }
    this.#ended = once(this.#child, 'close').then(([code]) => code as number | null);
  }

  /** Its exit code, when it has ended by itself. */
  end(): Promise<number | null> {
    return within(END_MS, this.#ended, `the end of the example, which said\n${this.lines.join('\n')}\n`);
  }

  /** Asks it to end, as `kill` does. */
  stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.end();
  }

  /** Asks all of its process group, as the terminal does: for Ctrl-C by SIGINT, for a closed window by SIGHUP. */
  interrupt(signal: NodeJS.Signals): Promise<number | null> {
    process.kill(-this.#child.pid!, signal);
    return this.end();
  }

  /** What it has started and what runs now: the server and the programs. */
  programs(): { readonly pid: number; readonly command: string }[] {
    const started: { pid: number; command: string }[] = [];
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        // The parent comes behind the name in brackets, which may have any characters, and the state.
        const parent = /\) . (\d+) [^)]*$/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
        if (Number(parent) !== this.#child.pid) continue;
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ');
        started.push({ pid: Number(pid), command });
      } catch {
        // It has ended since the folder was read.
      }
    }
    return started;
  }

  /** Resolves at a line that matches, or at once if it was said already. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const said = this.lines.map((line) => pattern.exec(line)).find((match) => match !== null);
    if (said) return said;
    const saying = new Promise<RegExpExecArray>((resolve) => this.#waiters.push({ pattern, resolve }));
    const ended = this.#ended.then((code) => {
      throw new Error(`it ended with ${code} and said\n${this.lines.join('\n')}`);
    });
    ended.catch(() => undefined);
    return within(END_MS, Promise.race([saying, ended]), `a line like ${pattern}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.stop();
  }

  #handleLine(line: string): void {
    this.lines.push(line);
    this.#waiters = this.#waiters.filter(({ pattern, resolve }) => {
      const match = pattern.exec(line);
      if (match !== null) resolve(match);
      return match === null;
    });
  }
}

/** Runs an example to its end: its exit code and what it said. */
export async function runExample(...args: string[]): Promise<{ code: number | null; text: string }> {
  await using example = new ExampleProcess(...args);
  const code = await example.end();
  return { code, text: example.lines.join('\n') };
}
