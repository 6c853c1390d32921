/**
 * A real browser, driven over its debugging pipe: no port, no package. Path: test -> [JSON between NUL bytes] -> headless Chromium.
 * Found where Debian puts it; a test that needs it is skipped without it, and fails where CI is true.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { within } from '../support/deadline.js';

export const WHAT_TO_INSTALL = "the page's test needs a browser: apt-get install chromium";
const ANSWER_MS = 20_000;

/** Undefined where there is none. */
export function findBrowser(): string | undefined {
  return ['chromium', 'chromium-browser', 'google-chrome'].find(
    (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0,
  );
}

interface Answer {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** One page of one browser. Owner: whoever opened it; leaving its scope ends the browser and removes its profile. */
export class BrowserPage implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #heard = '';
  #sessionId: string | undefined;

  private constructor(command: string) {
    this.#profile = mkdtempSync(join(tmpdir(), 'bridged-state-browser-'));
    const flags = ['--headless=new', '--disable-gpu', '--no-first-run', '--disable-dev-shm-usage'];
    // Its sandbox does not start for root, as whom CI runs; the page is our own.
    if (process.getuid?.() === 0) flags.push('--no-sandbox');
    this.#child = spawn(command, [...flags, '--remote-debugging-pipe', `--user-data-dir=${this.#profile}`], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    const answers = this.#child.stdio[4] as Readable;
    answers.setEncoding('utf8');
    answers.on('data', (text: string) => this.#handleText(text));
    // A browser that is gone closes the pipe under a command; who waits for the answer has a deadline.
    (this.#child.stdio[3] as Writable).on('error', () => undefined);
  }

  static async open(command: string, url: string): Promise<BrowserPage> {
    const page = new BrowserPage(command);
    try {
      const { targetId } = await page.#ask('Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await page.#ask('Target.attachToTarget', { targetId, flatten: true });
      page.#sessionId = sessionId as string;
      // Answered when the page has taken the place of the empty one.
      await page.#ask('Page.navigate', { url });
    } catch (error) {
      await page[Symbol.asyncDispose]();
      throw error;
    }
    return page;
  }

  /** The value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.#ask('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    const { result, exceptionDetails } = answer as {
      result: { value: T };
      exceptionDetails?: { exception?: { description?: string } };
    };
    if (exceptionDetails !== undefined) throw new Error(`in the page: ${exceptionDetails.exception?.description}`);
    return result.value;
  }

  /** Resolves when the expression is true in the page, which is asked again whenever it has drawn. */
  async until(expression: string, what: string): Promise<void> {
    const drawn = 'new Promise((resolve) => setTimeout(resolve, 20))';
    const holds = async (): Promise<void> => {
      while (!(await this.evaluate<boolean>(`Boolean(${expression})`))) await this.evaluate(drawn);
    };
    await within(ANSWER_MS, holds(), what);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exit = once(this.#child, 'exit');
      this.#sessionId = undefined;
      this.#ask('Browser.close', {}).catch(() => undefined);
      await within(5_000, exit, 'the end of the browser').catch(() => this.#child.kill('SIGKILL'));
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  async #ask(method: string, params: object): Promise<Record<string, unknown>> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    const session = this.#sessionId === undefined ? {} : { sessionId: this.#sessionId };
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    const { result, error } = await within(ANSWER_MS, answered, `the browser's answer to ${method}`);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  #handleText(text: string): void {
    const messages = (this.#heard + text).split('\0');
    this.#heard = messages.pop() ?? '';
    for (const message of messages) {
      const answer = JSON.parse(message) as Answer;
      if (answer.id === undefined) continue;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    }
  }
}
