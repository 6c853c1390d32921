/** The command line of the benchmarks, parsed once. */
import { parseArgs } from 'node:util';
import { defaultWorkers } from '../src/shared/options.js';
import type { PeerName } from './peers/peer-programs.js';
import { PEER_NAMES } from './peers/peer-programs.js';

export type Size = 'quick' | 'normal' | 'full';

export type BenchTransport = 'link' | 'stream';

export interface BenchOptions {
  readonly names: readonly string[];
  readonly size: Size;
  readonly workers: readonly number[];
  /** Ours, by each of these. */
  readonly transports: readonly BenchTransport[];
  /** Those that may be measured beside us, installed or not. */
  readonly peers: readonly PeerName[];
  /** Whether the command line says which: `--quick` has no time for most of them otherwise. */
  readonly arePeersNamed: boolean;
  /** Each measurement is made this many times, ours and the others in turn; medians are told. */
  readonly runs: number;
  /** Instead of each scenario's own. */
  readonly seconds: number | undefined;
  readonly watches: number | undefined;
  readonly rate: number | undefined;
  /** Reports that are joined and shown instead of measuring anything. */
  readonly fromFiles: readonly string[];
  readonly jsonFile: string | undefined;
  readonly htmlFile: string | undefined;
}

export class UsageError extends Error {}

/** Without names the `usual` ones run. @throws UsageError saying what is wrong; undefined when help was asked for */
export function parseBenchOptions(
  args: readonly string[],
  known: readonly string[],
  usual: readonly string[] = known,
): BenchOptions | undefined {
  const { values, positionals } = parse(args);
  if (values.help === true) return undefined;
  if (values.quick === true && values.full === true) throw new UsageError('give --quick or --full, not both');
  const unknown = positionals.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`there is no "${unknown}": choose from ${known.join(', ')}`);
  const workers = (values.workers ?? String(defaultWorkers())).split(',').map((text) => number('workers', text, 0, 64));
  return {
    names: positionals.length === 0 ? usual : known.filter((name) => positionals.includes(name)),
    size: values.quick === true ? 'quick' : values.full === true ? 'full' : 'normal',
    workers: [...new Set(workers)],
    transports: transportsOf(values.transport ?? 'link,stream'),
    peers: peersOf(values.peers),
    arePeersNamed: values.peers !== undefined,
    runs: number('runs', values.runs ?? '1', 1, 100),
    seconds: optional('seconds', values.seconds, 0.1, 3_600),
    watches: optional('watches', values.watches, 1, 1_000_000),
    rate: optional('rate', values.rate, 1, 10_000_000),
    fromFiles: values.from === undefined ? [] : values.from.split(','),
    jsonFile: values.json,
    htmlFile: values.html,
  };
}

interface NamedScenario {
  readonly name: string;
  readonly summary: string;
  readonly isLong?: boolean;
}

export function helpText(scenarios: readonly NamedScenario[]): string {
  const linesOf = (isLong: boolean) =>
    scenarios
      .filter((scenario) => (scenario.isLong ?? false) === isLong)
      .map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`)
      .join('\n');
  return `Usage: npm run bench -- [names…] [options]

Without names, at most 5 minutes:
${linesOf(false)}

Only when named, a minute to ten each:
${linesOf(true)}

  --quick          small loads, everything within 60 s      --full       30 s of each measurement
  --workers 1,2,4  worker threads (the library's default)   --runs N     N times in turn with the others, medians (1)
  --seconds N      measured time                            --watches N  watches
  --rate N         updates per second, in all               --json FILE  the figures
  --html FILE      a page with plots, standing alone        --transport  link,stream or one of them (link,stream)
  --peers LIST     none, or some of ${PEER_NAMES.join(',')}: measured beside us where their servers are installed
  --from FILES     measures nothing: joins what --json wrote, a comma between, for --html and --json
  --help           this

Exit code: 0 measured, 1 something was neither delivered nor counted as missed, or a process failed, 2 wrong use.`;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean' },
        full: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        workers: { type: 'string' },
        transport: { type: 'string' },
        peers: { type: 'string' },
        runs: { type: 'string' },
        seconds: { type: 'string' },
        watches: { type: 'string' },
        rate: { type: 'string' },
        from: { type: 'string' },
        json: { type: 'string' },
        html: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function transportsOf(text: string): BenchTransport[] {
  const transports = [...new Set(text.split(','))];
  for (const transport of transports) {
    if (transport !== 'link' && transport !== 'stream') {
      throw new UsageError(`--transport is "${text}": give link, stream, or both with a comma between`);
    }
  }
  return transports as BenchTransport[];
}

function peersOf(text: string | undefined): readonly PeerName[] {
  if (text === undefined) return PEER_NAMES;
  if (text === 'none') return [];
  const names = text.split(',');
  const unknown = names.find((name) => !PEER_NAMES.some((peer) => peer === name));
  if (unknown !== undefined) {
    throw new UsageError(`--peers names "${unknown}": give none, or some of ${PEER_NAMES.join(',')}`);
  }
  return PEER_NAMES.filter((peer) => names.includes(peer));
}

function optional(name: string, text: string | undefined, least: number, most: number): number | undefined {
  return text === undefined ? undefined : number(name, text, least, most);
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  const isFit =
    text.trim() !== '' && value >= least && value <= most && (name === 'seconds' || Number.isInteger(value));
  if (!isFit) {
    const kind = name === 'seconds' ? 'number' : 'whole number';
    throw new UsageError(`--${name} is "${text}": give a ${kind} from ${least} to ${most}`);
  }
  return value;
}
