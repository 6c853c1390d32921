/**
 * A server with a hundred clients is killed and started again: how long from the moment at which it listens until every watch is registered again. With its
 * state, kept in SQLite, and without it: then another service registers the variables anew, and it also counts until each watch has a value of the new server.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchOptions, BenchTransport } from '../bench-options.js';
import { BenchProcess, deadlineForMs } from '../processes/bench-process.js';
import type { ClientsCalls } from '../processes/clients.js';
import { transportOf } from '../processes/open-watch-client.js';
import type { ServerCalls } from '../processes/server.js';
import type { WriterCalls } from '../processes/writer.js';
import { rowOf } from '../report/row.js';
import type { Measured, Scenario } from './scenario.js';
import { measureInTurn } from './scenario.js';
import { SESSION } from './stream-processes.js';

export const restart: Scenario = {
  name: 'restart',
  summary: 'a server killed and started again: until 100 clients have all their watches back',
  isLong: true,
  run: async (options: BenchOptions) => {
    const isQuick = options.size === 'quick';
    const clients = isQuick ? 8 : 100;
    const watches = Math.max(1, Math.round((options.watches ?? (isQuick ? 400 : 100_000)) / clients));
    const measured = await measureInTurn(
      options.runs,
      options.transports
        // 100,000 streams of one machine are more than it opens in minutes.
        .filter((transport) => transport === 'link' || clients * watches <= MAX_STREAMS)
        .flatMap((transport) =>
          HOW.map(
            (how) => () =>
              how.isKept
                ? withFolder((folder) => restartOnce(transport, how.byOneCall, clients, watches, `sqlite:${folder}`))
                : restartOnce(transport, how.byOneCall, clients, watches, undefined),
          ),
        ),
    );
    return {
      title: `restart: ${clients} clients of ${watches} watches in ${PROCESSES} processes, workers: 0; times from listening`,
      rows: measured.flatMap(({ row }) => row ?? []),
      problems: measured.flatMap(({ problems }) => problems),
    };
  },
};

async function restartOnce(
  transport: BenchTransport,
  byOneCall: boolean,
  clients: number,
  watches: number,
  keeper: string | undefined,
): Promise<Measured> {
  const startServer = (port: number) =>
    BenchProcess.start<ServerCalls>('server', [String(port), ...(keeper === undefined ? [] : [keeper])]);
  const owned: { close(): Promise<void> }[] = [];
  try {
    const server = await startServer(0);
    owned.push(server);
    const port = await server.call('port', null);
    const place = {
      port,
      session: SESSION,
      variables: watches,
      peer: undefined,
      values: 'number',
      setsBy: 'calls',
    } as const;
    const writer = await BenchProcess.start<WriterCalls>('writer');
    owned.push(writer);
    await writer.call('prepare', place);
    const groups: BenchProcess<ClientsCalls>[] = [];
    for (let group = 0; group < PROCESSES; group += 1) {
      const started = await BenchProcess.start<ClientsCalls>('clients');
      owned.push(started);
      groups.push(started);
    }
    const each = clients / PROCESSES;
    const plan = { transport, byOneCall, port, session: SESSION, clients: each, watches };
    const openDeadlineMs = deadlineForMs(clients * watches);
    await Promise.all(groups.map((group) => group.call('open', plan, openDeadlineMs)));

    // Another service, which runs by then.
    const registrar = await BenchProcess.start<WriterCalls>('writer');
    owned.push(registrar);
    server.kill();
    const again = await startServer(port);
    owned.push(again);
    const listeningSinceUs = await again.call('listeningSinceUs', null);
    const resyncs = keeper === undefined;
    if (resyncs) await registrar.call('prepare', place);
    const back = { deadlineMs: BACK_MS, resyncs };
    const returns = await Promise.all(groups.map((group) => group.call('back', back, 2 * BACK_MS)));
    const connections = await again.call('connections', null);
    const latest = (moment: 'liveAtUs' | 'resyncedAtUs') => Math.max(...returns.map((back) => back[moment]));
    const lacking = returns.reduce((sum, back) => sum + back.lacking, 0);
    const row = rowOf({
      scenario: 'restart',
      transport: transportOf({ kind: transport, workers: 0, watchesAllByOneCall: byOneCall }),
      case: resyncs ? 'state lost' : 'state kept',
      workers: 0,
      watches: clients * watches,
      back_ms: (latest('liveAtUs') - listeningSinceUs) / 1_000,
      ...(resyncs ? { resynced_ms: (latest('resyncedAtUs') - listeningSinceUs) / 1_000 } : {}),
      connections_per_client: (connections - WRITER_CONNECTIONS) / clients,
    });
    const why = returns.find(({ firstError }) => firstError !== undefined)?.firstError ?? 'none told an error';
    return {
      row,
      problems: lacking === 0 ? [] : [`restart, ${transport}: ${lacking} watches did not come back (${why})`],
    };
  } finally {
    // The clients before the servers that they would miss.
    for (const process of owned.reverse()) await process.close();
  }
}

async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'bridged-state-bench-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const HOW = [true, false].flatMap((isKept) => [false, true].map((byOneCall) => ({ isKept, byOneCall })));
const PROCESSES = 4;
const MAX_STREAMS = 10_000;
/** One that registers, one that sets. */
const WRITER_CONNECTIONS = 2;
const BACK_MS = 60_000;
