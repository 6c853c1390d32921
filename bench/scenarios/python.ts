/** Set in Node and watched in Python, and the other way: the Python package beside what one would write without it, and beside redis-py where that is installed. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BenchProcess } from '../processes/bench-process.js';
import type { CallsOf } from '../processes/child-link.js';
import { bothWays, type ClientChoice } from '../processes/open-watch-client.js';
import type { WatcherCalls } from '../processes/watcher.js';
import type { WriterCalls } from '../processes/writer.js';
import { ratiosTo, withRatios } from '../report/row.js';
import type { Scenario } from './scenario.js';
import { measureInTurn, outcomeOfCases } from './scenario.js';
import { LATENCY_FIGURES, runStreamJob } from './stream-job.js';

export const python: Scenario = {
  name: 'python',
  summary: 'set in Node, watched in Python, and the other way: the package, plain grpc.aio, redis-py',
  isLong: true,
  run: (options) => {
    const isQuick = options.size === 'quick';
    const watches = options.watches ?? (isQuick ? 100 : 1_000);
    const seconds = options.seconds ?? (isQuick ? 1 : 5);
    const title = `python: ${watches} watches, ${seconds} s at each rate`;
    const interpreter = INTERPRETERS.find((candidate) => imports(candidate, 'grpc, google.protobuf'));
    if (interpreter === undefined) throw new Error(WHAT_TO_INSTALL);
    const rates = options.rate !== undefined ? [options.rate] : isQuick ? [200] : RATES;
    const cases = rates.flatMap((rate) => [
      {
        rate,
        words: 'Node sets, Python watches',
        toString: () => `${rate}/s to Python`,
        ends: { startWatcher: () => start<WatcherCalls>('watcher', interpreter) },
        ways: allWays,
      },
      // The CPU of the client is then that of Python, which sets.
      {
        rate,
        words: 'Python sets, Node watches',
        toString: () => `${rate}/s from Python`,
        ends: { startWriter: () => start<WriterCalls>('writer', interpreter) },
        ways: (choice: ClientChoice) => [choice],
      },
    ]);
    const hasRedis = imports(interpreter, 'redis.asyncio');
    if (!hasRedis && options.peers.includes('redis')) {
      process.stderr.write('bench: redis is left out: it needs redis-py: apt-get install python3-redis\n');
    }
    return outcomeOfCases(title, cases, async ({ rate, words, ends, ways }) => {
      const job = {
        ...{
          scenario: 'python',
          case: `${rate.toLocaleString('en')} updates/s, ${words}`,
          watches,
          variables: watches,
        },
        ...{ rate, seconds, warmupSeconds: isQuick ? 0.5 : 2, worksBeside: false, overloads: true, ...ends },
      };
      const choices: ClientChoice[] = [
        ...options.transports.flatMap((kind) => ways({ kind, workers: 0 })),
        { kind: 'plain' },
        ...(options.peers.includes('redis') && hasRedis ? [{ kind: 'redis' } as const] : []),
      ];
      const measured = await measureInTurn(
        options.runs,
        choices.map((choice) => () => runStreamJob(choice, job)),
      );
      const rows = measured.flatMap(({ row }) => row ?? []);
      const others = rows.filter(({ workers }) => workers === undefined);
      const compared = rows.map(({ workers, ...row }) =>
        workers === undefined
          ? row
          : others.reduce(
              (known, other) => withRatios(known, other.transport, ratiosTo(row, other, LATENCY_FIGURES)),
              row,
            ),
      );
      return { title, rows: compared, problems: measured.flatMap(({ problems }) => problems) };
    });
  },
};

/** A link also where its messages may come late, which is what costs Python. */
function allWays(choice: ClientChoice): ClientChoice[] {
  const ways = bothWays(choice);
  return choice.kind === 'link' ? [...ways, { ...ways.at(-1)!, spacingMs: WIDE_SPACING_MS } as ClientChoice] : ways;
}

function start<C extends CallsOf<C>>(name: 'watcher' | 'writer', interpreter: string): Promise<BenchProcess<C>> {
  const PYTHONPATH = `${ROOT}python`;
  return BenchProcess.startProgram(name, interpreter, [`${ROOT}bench/python/${name}.py`], { PYTHONPATH });
}

function imports(interpreter: string, modules: string): boolean {
  return spawnSync(interpreter, ['-c', `import ${modules}`], { stdio: 'ignore' }).status === 0;
}

/** The system's own first: a python3 that comes earlier on the PATH may lack the packages. */
const INTERPRETERS = ['/usr/bin/python3', 'python3'];
const WHAT_TO_INSTALL =
  'it needs python3 with gRPC and protobuf: apt-get install python3-grpcio python3-protobuf (and python3-redis to compare with)';
/** Benches run in dist/bench/scenarios. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const RATES = [1_000, 10_000];
const WIDE_SPACING_MS = 20;
