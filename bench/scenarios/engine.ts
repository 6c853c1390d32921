/** Sets that are on the disk when they are answered, beside the disk alone; and how long a server with 100,000 variables takes to listen again. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchProcess } from '../processes/bench-process.js';
import type { DurableCalls } from '../processes/durable-sets.js';
import type { Row } from '../report/row.js';
import { ratiosTo, rowOf, withRatios } from '../report/row.js';
import type { Scenario } from './scenario.js';
import { measureInTurn } from './scenario.js';

interface Case {
  readonly name: string;
  readonly inFlight: number;
  readonly rate: number;
  readonly batch: number;
}

export const engine: Scenario = {
  name: 'engine',
  summary: 'sets that are on the disk when they are answered, beside fdatasync alone; a restart with 100,000 variables',
  isLong: true,
  run: async (options) => {
    const isQuick = options.size === 'quick';
    const seconds = options.seconds ?? (isQuick ? 1 : 5);
    const root = mkdtempSync(join(tmpdir(), 'bridged-state-bench-'));
    const rows: Row[] = [];
    try {
      let folders = 0;
      for (const { name, ...load } of CASES) {
        const measured = await measureInTurn(
          options.runs,
          (['sqlite', 'fdatasync'] as const).map((transport) => async () => {
            folders += 1;
            const folder = mkdtempSync(join(root, `${folders}-`));
            await using sets = await BenchProcess.start<DurableCalls>('durable-sets');
            const { p50, p99, p999, perSecond } = await sets.call('sets', { transport, folder, ...load, seconds });
            rmSync(folder, { recursive: true });
            const figures = { p50_ms: p50, p99_ms: p99, p999_ms: p999, reached: perSecond };
            return { row: rowOf({ scenario: 'engine', transport, case: name, ...figures }), problems: [] };
          }),
        );
        const [ours, floor] = measured.flatMap(({ row }) => row ?? []);
        rows.push(withRatios(ours!, 'fdatasync', ratiosTo(ours!, floor!, ['p50_ms', 'p99_ms'])), floor!);
      }
      const variables = isQuick ? 10_000 : 100_000;
      const folder = join(root, 'restart');
      const filling = await BenchProcess.start<DurableCalls>('durable-sets');
      try {
        await filling.call('fill', { folder, variables }, FILL_MS);
      } finally {
        await filling.close();
      }
      const back = await listeningMs(folder);
      rows.push(
        rowOf({ scenario: 'engine', transport: 'sqlite', case: `start, ${variables} variables`, back_ms: back }),
      );
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
    return {
      title: 'engine: sets of 150 bytes, 1,000 variables, answered when they are on the disk',
      rows,
      problems: [],
    };
  },
};

/** From the start of its process. */
async function listeningMs(folder: string): Promise<number> {
  const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
  const beganAtMs = performance.now();
  const server = spawn(process.execPath, [main, 'serve', '--port', '0', '--engine', `sqlite:${folder}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await once(server.stdout, 'data');
    return performance.now() - beganAtMs;
  } finally {
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }
}

const CASES: readonly Case[] = [
  { name: '1 in flight', inFlight: 1, rate: 0, batch: 1 },
  { name: '10 in flight', inFlight: 10, rate: 0, batch: 1 },
  { name: '100 in flight', inFlight: 100, rate: 0, batch: 1 },
  { name: 'batches of 100', inFlight: 1, rate: 0, batch: 100 },
  { name: '10,000 a second', inFlight: 0, rate: 10_000, batch: 1 },
];
const FILL_MS = 60_000;
