/**
 * `published-server.py` as a process of its own, made of the contract without what is ours. Path: proto/bridge.proto -> [without ours] -> protoc.
 * A test kills it and starts it again at the same port; what its journal says is what really happened.
 */
import type { ChildProcessByStdio } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { within } from '../support/deadline.js';
import { type PythonTools, ROOT } from './python-process.js';

const START_MS = 20_000;

/** Writes published_pb2.py beside the other generated messages. */
export function generatePublished({ generated }: PythonTools): void {
  const contract = readFileSync(join(ROOT, 'proto/bridge.proto'), 'utf8');
  writeFileSync(join(generated, 'published.proto'), publishedPart(contract));
  const { status, stderr } = spawnSync('protoc', [
    `--descriptor_set_in=${join(generated, 'imports.pb')}`,
    ...[`--proto_path=${generated}`, `--python_out=${generated}`, 'published.proto'],
  ]);
  if (status !== 0) throw new Error(`protoc does not take the published part of the contract: ${stderr}`);
}

/** The contract without what a comment right above calls ours, without the link, and with the published service name alone. */
export function publishedPart(contract: string): string {
  const kept: string[] = [];
  let comment: string[] = [];
  let droppedDepth = 0;
  let isLink = false;
  for (const line of contract.split('\n')) {
    if (line.startsWith('// ----')) isLink = line.includes('The link');
    const opens = line.trimEnd().endsWith('{');
    if (droppedDepth > 0) {
      droppedDepth += opens ? 1 : line.trim() === '}' ? -1 : 0;
    } else if (line.trim().startsWith('//')) {
      comment.push(line);
    } else {
      const isOurs =
        isLink || line.startsWith('service UnifiedBridge') || comment.some((each) => /^\s*\/\/ Ours\b/.test(each));
      if (!isOurs) kept.push(line);
      else if (opens) droppedDepth = 1;
      comment = [];
    }
  }
  return kept.join('\n');
}

/** The value of each version of a variable that the server committed, as its journal has them. */
export function committedVersions(journal: string, name: string): Map<number, unknown> {
  const entries = readFileSync(journal, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { name?: string; version: number; value: string });
  return new Map(
    entries.filter((entry) => entry.name === name).map(({ version, value }) => [version, JSON.parse(value)]),
  );
}

/** Owner: whoever started it; `kill` ends it, and `start` with its port starts it again. */
export class PublishedServer implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<null, Readable, null>;
  readonly port: number;

  private constructor(child: ChildProcessByStdio<null, Readable, null>, port: number) {
    this.#child = child;
    this.port = port;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Resolves when it accepts. Without a journal a restart has lost everything. */
  static async start(
    { interpreter, generated }: PythonTools,
    { port = 0, journal }: { port?: number; journal?: string } = {},
  ): Promise<PublishedServer> {
    const script = join(ROOT, 'test/interop/published-server.py');
    const options = journal === undefined ? [] : ['--journal', journal];
    const child = spawn(interpreter, [script, '--port', String(port), ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, PYTHONPATH: generated, PYTHONDONTWRITEBYTECODE: '1' },
    });
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the published server ended with ${code} before it listened`);
    });
    // It ends some time, and then nobody asks any more.
    ended.catch(() => undefined);
    const lines = createInterface({ input: child.stdout });
    const said = await within(START_MS, Promise.race([once(lines, 'line'), ended]), 'a listening published server');
    return new PublishedServer(child, Number(said[0]));
  }

  /** As a crash does it: nobody is told. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await within(START_MS, exit, 'the end of the published server');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
