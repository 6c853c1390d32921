/** What the demo shows: the live screen for a terminal, 80 columns wide, and rows for anything else. Decides only what is written where. */
import type { Style } from '../output.js';
import type { Latency, WorkerBusyness } from './demo-message.js';

/** The demo at one moment. */
export interface DemoView {
  readonly elapsedMs: number;
  /** Undefined: until Ctrl-C. */
  readonly seconds: number | undefined;
  readonly port: number;
  /**
   * The server was killed, and another one started over what it had kept, which took `awayMs`; without it the watching process went on at the
   * other one.
   */
  readonly crash:
    | { readonly atMs: number; readonly awayMs: number | undefined; readonly isSameEpoch: boolean }
    | undefined;
  readonly serverPid: number;
  readonly writerPid: number;
  readonly watcherPid: number;
  readonly watches: number;
  readonly rateAsked: number;
  readonly rateReached: number;
  readonly sets: number;
  readonly failed: number;
  readonly delivered: number;
  readonly missed: number;
  /** Of the last report. */
  readonly latency: Latency | undefined;
  readonly latencyOfRun: Latency | undefined;
  /** The p99 of each report, oldest first. */
  readonly p99s: readonly number[];
  readonly mainUtilization: number;
  /** None where the main thread does their work. */
  readonly workers: readonly WorkerBusyness[];
}

export type Paint = (style: Style, text: string) => string;

export function demoScreen(view: DemoView, paint: Paint): string {
  const dim = (text: string) => paint('dim', text);
  const label = (text: string) => paint('bold', text.padEnd(LABEL));
  const missed = view.missed === 0 ? paint('green', '0 missed') : paint('yellow', `${count(view.missed)} missed`);
  const failed = view.failed === 0 ? '' : paint('red', `   ${count(view.failed)} failed`);
  const title = 'bridged-state demo';
  const time = `${timeOf(view)}`;
  return [
    '',
    ` ${paint('bold', title)}${time.padStart(WIDTH - 2 - title.length)}`,
    ` ${dim('─'.repeat(WIDTH - 2))}`,
    ` ${paint('cyan', 'writer')}  ${dim('── sets ──▶')}  ${paint('cyan', 'server')}  ${dim('── updates ──▶')}  ${paint('cyan', 'watching process')}   ${dim(`${count(view.watches)} watches`)}`,
    dim(` pid ${pad(view.writerPid, 16)} pid ${pad(view.serverPid, 19)} pid ${view.watcherPid}`),
    '',
    ` ${label('rate')}${right(count(view.rateReached), COUNT)} sets a second  ${dim(`of ${count(view.rateAsked)} asked`)}`,
    ` ${label('updates')}${right(count(view.delivered), COUNT)} delivered      ${missed}${failed}`,
    '',
    ` ${label('latency')}${dim('       p50         p99         max   ms, from set to watcher')}`,
    `   ${'now'.padEnd(LABEL - 2)}${latencyCells(view.latency)}   ${paint('magenta', sparkline(view.p99s))}`,
    `   ${'all'.padEnd(LABEL - 2)}${latencyCells(view.latencyOfRun)}   ${dim('▲ p99 of the last 12 s')}`,
    '',
    ` ${label('threads')}${dim('of the watching process, how busy they are')}`,
    `   ${'main'.padEnd(LABEL - 2)}${bar(view.mainUtilization, paint)}  ${dim(view.workers.length === 0 ? 'your watchers, and gRPC' : 'only calls your watchers')}`,
    ...workerLines(view.workers, paint),
    ...(view.crash === undefined ? [] : ['', ` ${demoCrash(view.crash)}`]),
    '',
  ].join('\n');
}

/** What became of the server in the middle. */
export function demoCrash({ atMs, awayMs, isSameEpoch }: NonNullable<DemoView['crash']>): string {
  const epoch = isSameEpoch ? 'the same epoch' : 'another epoch';
  const at = `${Math.round(atMs / 100) / 10} s`;
  return awayMs === undefined
    ? `the watching process' server killed after ${at}, on at the other: ${epoch}`
    : `server killed after ${at}, listening again ${Math.round(awayMs)} ms later: ${epoch}`;
}

/** While it gets ready: what is being done. */
export function demoStarting(doing: string, paint: Paint): string {
  return `\n ${paint('bold', 'bridged-state demo')}\n ${paint('dim', '─'.repeat(WIDTH - 2))}\n ${doing} …\n`;
}

export function demoRowHeading(
  { serverPid, writerPid, watcherPid, port, watches }: DemoView,
  openMs: number,
): string[] {
  return [
    `server pid ${serverPid} on port ${port}, writer pid ${writerPid}, watching pid ${watcherPid}`,
    `${count(watches)} watches opened in ${Math.round(openMs)} ms; latency is from set to watcher, in ms`,
    '',
    row(['time', 'asked', 'reached', 'delivered', 'missed', 'p50', 'p99', 'max', 'main', 'worker']),
  ];
}

export function demoRow(view: DemoView): string {
  const { latency } = view;
  const busiest = view.workers.reduce((most, { utilization }) => Math.max(most, utilization), 0);
  return row([
    `${Math.round(view.elapsedMs / 1000)} s`,
    ...[view.rateAsked, view.rateReached, view.delivered, view.missed].map(count),
    ...[latency?.p50, latency?.p99, latency?.max].map(ms),
    ...[view.mainUtilization, busiest].map(percent),
  ]);
}

/** The last words: whether everything that was set arrived. */
export function demoVerdict(view: DemoView, paint: Paint): string[] {
  const { sets, failed, delivered, missed, latencyOfRun, rateReached } = view;
  const lines = [
    '',
    ` ${count(sets)} sets at ${count(rateReached)} a second, ${count(delivered)} delivered, ${count(missed)} missed`,
  ];
  if (latencyOfRun !== undefined) {
    lines.push(
      ` latency p50 ${ms(latencyOfRun.p50)} ms, p99 ${ms(latencyOfRun.p99)} ms, max ${ms(latencyOfRun.max)} ms, the first 2 s left out`,
    );
  }
  if (view.crash !== undefined) lines.push(` ${demoCrash(view.crash)}`);
  if (failed > 0) lines.push(paint('red', ` ${count(failed)} sets failed`));
  else if (sets !== delivered + missed) lines.push(paint('red', ' what was set, delivered and missed does not add up'));
  else if (missed > 0)
    lines.push(paint('yellow', ' every update was delivered or told as missed: this machine was too busy'));
  else lines.push(paint('green', ' every update arrived'));
  return lines;
}

/** The one JSON line at the end. Figures that were not measured are absent. */
export function demoSummary(view: DemoView, isComplete: boolean): object {
  const { elapsedMs, watches, rateAsked, rateReached, sets, failed, delivered, missed, latencyOfRun } = view;
  return {
    event: 'summary',
    complete: isComplete,
    seconds: rounded(elapsedMs / 1000),
    watches,
    rateAsked,
    rateReached: rounded(rateReached),
    sets,
    failed,
    delivered,
    missed,
    ...(view.crash === undefined
      ? {}
      : {
          killed: {
            ...(view.crash.awayMs === undefined ? {} : { awayMs: rounded(view.crash.awayMs) }),
            sameEpoch: view.crash.isSameEpoch,
          },
        }),
    latencyMs: latencyOfRun,
    mainUtilization: rounded(view.mainUtilization),
    workers: view.workers.map(({ workerId, watches, streams, utilization }) => ({
      workerId,
      watches,
      streams,
      utilization: rounded(utilization),
    })),
  };
}

const row = (cells: readonly string[]): string => cells.map((cell, column) => right(cell, ROW[column]!)).join('');

function workerLines(workers: readonly WorkerBusyness[], paint: Paint): string[] {
  const shown = workers.slice(0, SHOWN_WORKERS).map(({ workerId, watches, utilization }) => {
    const name = `worker ${workerId}`.padEnd(LABEL - 2);
    return `   ${name}${bar(utilization, paint)}  ${paint('dim', `gRPC for ${count(watches)} watches`)}`;
  });
  return workers.length > SHOWN_WORKERS ? [...shown, `   and ${workers.length - SHOWN_WORKERS} more`] : shown;
}

function bar(utilization: number, paint: Paint): string {
  const full = Math.min(BAR, Math.round(utilization * BAR));
  const style = utilization > 0.8 ? 'red' : utilization > 0.5 ? 'yellow' : 'green';
  return `${paint(style, '█'.repeat(full))}${paint('dim', '░'.repeat(BAR - full))} ${right(percent(utilization), 5)}`;
}

function latencyCells(latency: Latency | undefined): string {
  return [latency?.p50, latency?.p99, latency?.max]
    .map((value) => right(ms(value), 12))
    .join('')
    .slice(2);
}

/** Each value as high as its share of the highest. */
function sparkline(values: readonly number[]): string {
  const last = values.slice(-SPARKS);
  const highest = Math.max(...last);
  return last.map((value) => SPARK[Math.round((value / highest) * (SPARK.length - 1))]).join('');
}

function timeOf({ elapsedMs, seconds }: DemoView): string {
  const elapsed = `${Math.round(elapsedMs / 1000)} s`;
  return seconds === undefined ? `${elapsed}, Ctrl-C ends it` : `${elapsed} of ${seconds}`;
}

const count = (number: number): string => Math.round(number).toLocaleString('en-US');
const percent = (share: number): string => `${Math.round(share * 100)} %`;
const ms = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(value < 10 ? 2 : 1));
const rounded = (number: number): number => Math.round(number * 1000) / 1000;
const right = (text: string, width: number): string => text.padStart(width);
const pad = (number: number, width: number): string => String(number).padEnd(width);

const WIDTH = 80;
const ROW = [6, 9, 9, 11, 8, 8, 8, 8, 6, 7];
const LABEL = 12;
const BAR = 30;
/** As wide as the column of p50 below it. */
const COUNT = 10;
const SHOWN_WORKERS = 6;
const SPARK = '▁▂▃▄▅▆▇█';
/** Reports of 12 s, at two a second. */
const SPARKS = 24;
