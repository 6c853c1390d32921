/**
 * The server of a peer, started and measured from beside it: it is no Node process, so what it uses is read from /proc, in ticks of 10 ms.
 * Owner of the server and its folder: this process, which takes both along however it ends.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { PeerName } from '../peers/peer-programs.js';
import { findProgram, missingPeerText, PEER_PROGRAMS } from '../peers/peer-programs.js';
import { answerParent } from './child-link.js';
import { nowUs, sleepUntil } from './monotonic-clock.js';
import type { Interval, ServerUsage } from './usage.js';

// Above the code that runs at once and needs them.
const LISTEN_US = 15e6;
const MAX_SAID = 2_000;
/** Fields 14 and 15 of proc(5), counted from the third. */
const USER_FIELD = 11;
const SYSTEM_FIELD = 12;
const TICK_US = 10_000;

// A disk that is waited for has no part in the comparison: our server keeps its state in memory.
const MEMORY_FOLDER = '/dev/shm';
const folder = mkdtempSync(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), 'bridged-state-peer-'));
let server: ChildProcess | undefined;
let said = '';
let meteredFromUs: number | undefined;

process.on('exit', () => {
  server?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const name = process.argv[2] as PeerName;
const port = await start(name);

const calls = {
  port: (_: null) => port,
  connections: (_: null): number => Number.NaN,
  listeningSinceUs: (_: null): number => Number.NaN,
  usage: async ({ fromUs, toUs }: Interval): Promise<ServerUsage> => {
    await sleepUntil(fromUs);
    const before = cpuUs();
    await sleepUntil(toUs);
    return usageSince(before);
  },
  memory: (_: null) => ({ rssBytes: rssBytes(), heapBytes: undefined }),
  startMeter: (_: null) => {
    meteredFromUs = cpuUs();
  },
  stopMeter: (_: null): ServerUsage => usageSince(meteredFromUs),
  /** What it holds is its own affair. */
  open: (_: null) => undefined,
};

answerParent(calls);

async function start(peer: PeerName): Promise<number> {
  const { program, args } = PEER_PROGRAMS[peer];
  const path = findProgram(program);
  if (path === undefined) throw new Error(missingPeerText(peer));
  const [port, sparePort] = await freePorts();
  const child = spawn(path, args({ port, sparePort, folder }), { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  server = child;
  for (const output of [child.stdout, child.stderr]) {
    output.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-MAX_SAID);
    });
  }
  child.on('error', (error) => fail(error.message));
  child.on('exit', (code, signal) => fail(`it ended with ${signal ?? code}`));
  const deadlineUs = nowUs() + LISTEN_US;
  while (!(await accepts(port))) {
    if (nowUs() > deadlineUs) fail('it does not listen');
    await pause(20);
  }
  return port;
}

function fail(why: string): never {
  process.stderr.write(`bench: the server of ${name} failed, ${why}. It said: ${said}\n`);
  process.exit(1);
}

/** Free when asked; whoever takes one in between makes the server fail, which says so. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  for (const listener of servers) {
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
  }
  const ports = servers.map((listener) => (listener.address() as AddressInfo).port);
  for (const listener of servers) {
    listener.close();
    await once(listener, 'close');
  }
  return ports as [number, number];
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    // Not yet.
    return false;
  } finally {
    socket.destroy();
  }
}

function usageSince(beforeUs: number | undefined): ServerUsage {
  const afterUs = cpuUs();
  const usedUs = beforeUs === undefined || afterUs === undefined ? undefined : afterUs - beforeUs;
  return { cpuUs: usedUs, rssBytes: rssBytes() };
}

/** User and system time of all its threads; undefined where there is no /proc. */
function cpuUs(): number | undefined {
  const text = readProc('stat');
  if (text === undefined) return undefined;
  // The name before the last bracket may hold anything; the third field follows it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[USER_FIELD]) + Number(fields[SYSTEM_FIELD])) * TICK_US;
}

function rssBytes(): number | undefined {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readProc('status') ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
}

function readProc(file: string): string | undefined {
  try {
    return readFileSync(`/proc/${server?.pid}/${file}`, 'utf8');
  } catch {
    // Not Linux: these figures are absent.
    return undefined;
  }
}
