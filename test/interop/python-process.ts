/** Python with gRPC: found, given the messages of proto/bridge.proto, and driven by lines of JSON. */
import type { ChildProcessByStdio } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { within } from '../support/deadline.js';

// Tests run in dist/test/interop.
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const ANSWER_MS = 20_000;

/** The system's own first: a python3 that comes earlier on the PATH may lack the packages. */
export const INTERPRETERS = ['/usr/bin/python3', 'python3'];

export const WHAT_TO_INSTALL =
  'the Python tests need python3 with gRPC and protobuf, and protoc: apt-get install python3-grpcio python3-protobuf protobuf-compiler';

export interface PythonTools {
  readonly interpreter: string;
  /** Folder with bridge_pb2.py. */
  readonly generated: string;
  /** Removes what was generated. */
  remove(): void;
}

/** Undefined where something is missing. Whoever calls removes what was generated. */
export function findPython(): PythonTools | undefined {
  const interpreter = INTERPRETERS.find((candidate) => succeeds(candidate, ['-c', 'import grpc, google.protobuf']));
  if (interpreter === undefined) return undefined;
  const generated = mkdtempSync(join(tmpdir(), 'bridged-state-python-'));
  const tools = { interpreter, generated, remove: () => rmSync(generated, { recursive: true, force: true }) };
  // The imports of the contract come from Python's own copy: not every protoc brings theirs.
  const descriptors = join(generated, 'imports.pb');
  const isGenerated =
    succeeds(interpreter, ['-c', WRITE_IMPORTS, descriptors]) &&
    succeeds('protoc', [
      `--descriptor_set_in=${descriptors}`,
      `--proto_path=${join(ROOT, 'proto')}`,
      `--python_out=${generated}`,
      'bridge.proto',
    ]) &&
    // A protoc newer than the protobuf package writes what that cannot read.
    succeeds(interpreter, ['-c', 'import bridge_pb2'], { PYTHONPATH: generated });
  if (isGenerated) return tools;
  tools.remove();
  return undefined;
}

const WRITE_IMPORTS = `
import sys
from google.protobuf import any_pb2, descriptor_pb2, timestamp_pb2
imports = descriptor_pb2.FileDescriptorSet()
for module in (any_pb2, timestamp_pb2):
    module.DESCRIPTOR.CopyToProto(imports.file.add())
with open(sys.argv[1], "wb") as file:
    file.write(imports.SerializeToString())
`;

function succeeds(command: string, args: readonly string[], environment: Record<string, string> = {}): boolean {
  return spawnSync(command, args, { stdio: 'ignore', env: { ...process.env, ...environment } }).status === 0;
}

/** What a call of Python's failed with: a gRPC status, or the class of another exception. */
export class PythonError extends Error {
  readonly status: string;
  /** The `bridge-error` trailer. */
  readonly code: string | null;

  constructor({ status, sentence, code }: { status: string; sentence: string; code: string | null }) {
    super(`${status}: ${sentence}`);
    this.status = status;
    this.code = code;
  }
}

/** `python-client.py`, one command after another. Owner: whoever started it; `close` ends it. */
export class PythonProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  #lastId = 0;

  constructor({ interpreter, generated }: PythonTools) {
    this.#child = spawn(interpreter, [join(ROOT, 'test/interop/python-client.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, PYTHONPATH: generated, PYTHONDONTWRITEBYTECODE: '1', PYTHONIOENCODING: 'utf-8' },
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** A client of one session; its number goes with each of its commands. */
  open(endpoint: string, sessionId: string, service: string): Promise<number> {
    return this.#ask({ do: 'open', arguments: { endpoint, session_id: sessionId, service } });
  }

  /** @throws PythonError */
  run<T>(client: number, name: string, args: Readonly<Record<string, unknown>>): Promise<T> {
    return this.#ask({ do: name, client, arguments: args });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.stdin.end();
    await within(ANSWER_MS, exit, 'the end of the Python process');
  }

  async #ask<T>(command: Readonly<Record<string, unknown>>): Promise<T> {
    this.#lastId += 1;
    this.#child.stdin.write(`${JSON.stringify({ id: this.#lastId, ...command })}\n`);
    const { value, done } = await within(ANSWER_MS, this.#lines.next(), `Python's answer to ${String(command.do)}`);
    if (done) throw new Error('the Python process ended: its stderr says why');
    const answer = JSON.parse(value) as {
      id: number;
      result?: T;
      error?: ConstructorParameters<typeof PythonError>[0];
    };
    if (answer.id !== this.#lastId) throw new Error(`Python answered command ${answer.id}, not ${this.#lastId}`);
    if (answer.error !== undefined) throw new PythonError(answer.error);
    return answer.result as T;
  }
}
