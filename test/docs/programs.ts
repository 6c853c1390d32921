/** Programs that pages show: compiled as a user would, run, and read line by line. */
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { within } from '../support/deadline.js';
import { ROOT } from './pages.js';

const LINE_MS = 20_000;
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
/** As strict as a user can be. */
const COMPILER_OPTIONS = {
  ...{ target: 'es2022', module: 'nodenext', lib: ['es2023', 'esnext.disposable'], types: ['node'] },
  ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, verbatimModuleSyntax: true },
  skipLibCheck: true,
};

/** A folder inside the package, where its own name can be imported. Whoever made it removes it. */
export class ProgramFolder {
  readonly #path: string;

  constructor() {
    const parent = fileURLToPath(new URL('./programs/', import.meta.url));
    mkdirSync(parent, { recursive: true });
    this.#path = mkdtempSync(parent);
  }

  /** Compiles all at once: a compiler takes longer to start than to check. Returns the path of each program. @throws Error with what the compiler says */
  compile(programs: Readonly<Record<string, string>>): Record<string, string> {
    const files = Object.keys(programs).map((name) => `${name}.ts`);
    for (const [name, code] of Object.entries(programs)) writeFileSync(join(this.#path, `${name}.ts`), code);
    writeFileSync(
      join(this.#path, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...COMPILER_OPTIONS, rootDir: '.', outDir: '.' }, files }),
    );
    const { status, stdout } = spawnSync(process.execPath, [TSC, '-p', this.#path], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`a program of a page does not compile:\n${stdout}`);
    return Object.fromEntries(Object.keys(programs).map((name) => [name, join(this.#path, `${name}.js`)]));
  }

  /** Returns the path. */
  write(name: string, code: string): string {
    writeFileSync(join(this.#path, name), code);
    return join(this.#path, name);
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}

/** A program that runs. Owner: whoever started it; it ends by itself, or by `end`. */
export class RunningProgram {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** The next line that it prints, or undefined at its end. */
  async line(): Promise<string | undefined> {
    const { value, done } = await within(LINE_MS, this.#lines.next(), 'the next line of a program');
    return done ? undefined : value;
  }

  /** All that it prints until it ends by itself. @throws Error when it fails */
  async output(): Promise<string> {
    const exit = once(this.#child, 'exit');
    let output = '';
    for (let line = await this.line(); line !== undefined; line = await this.line()) output += `${line}\n`;
    const [code] = (await within(LINE_MS, exit, 'the end of a program')) as [number | null];
    if (code !== 0) throw new Error(`a program of a page ended with ${code} after it had printed:\n${output}`);
    return output;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await within(LINE_MS, exit, 'the end of a program');
  }
}
