/**
 * What the demo shows: the live screen for a terminal, in 80 columns or as many as it has, and rows of 80 for anything else. Decides only what
 * is written where.
 */
import type { Style } from '../output.js';
import { bar, count, demoCrash, ms, percent, right, sparkline, timeOf, wrapped } from './demo-figures.js';
import type { Latency, WorkerBusyness } from './demo-message.js';
import type { DemoView, Paint } from './demo-view.js';
import { narrowScreen } from './narrow-screen.js';

/** `columns`: of the terminal. */
export function demoScreen(view: DemoView, paint: Paint, columns: number): string {
  if (columns < WIDTH) return narrowScreen(view, paint, columns);
  const dim = (text: string) => paint('dim', text);
  const label = (text: string) => paint('bold', text.padEnd(LABEL));
  const missed = view.missed === 0 ? paint('green', '0 missed') : paint('yellow', `${count(view.missed)} missed`);
  const failed = view.failed === 0 ? '' : paint('red', `   ${count(view.failed)} failed`);
  const title = 'bridged-state demo';
  const time = timeOf(view);
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
    `   ${'now'.padEnd(LABEL - 2)}${latencyCells(view.latency)}   ${paint('magenta', sparkline(view.p99s, SPARKS))}`,
    `   ${'all'.padEnd(LABEL - 2)}${latencyCells(view.latencyOfRun)}   ${dim('▲ p99 of the last 12 s')}`,
    '',
    ` ${label('threads')}${dim('of the watching process, how busy they are')}`,
    `   ${'main'.padEnd(LABEL - 2)}${bar(view.mainUtilization, BAR, paint)}  ${dim(view.workers.length === 0 ? 'your watchers, and gRPC' : 'only calls your watchers')}`,
    ...workerLines(view.workers, view.crash === undefined ? SHOWN_WORKERS : SHOWN_WORKERS - 2, paint),
    ...(view.crash === undefined ? [] : ['', ` ${demoCrash(view.crash)}`]),
    '',
  ].join('\n');
}

/** While it gets ready: what is being done. */
export function demoStarting(doing: string, paint: Paint, columns: number): string {
  const width = Math.min(WIDTH, columns);
  const rule = paint('dim', '─'.repeat(Math.max(0, width - 2)));
  return ['', ` ${paint('bold', 'bridged-state demo')}`, ` ${rule}`, ...wrapped(`${doing} …`, width), ''].join('\n');
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
export function demoVerdict(view: DemoView, paint: Paint, columns: number): string[] {
  const { sets, failed, delivered, missed, latencyOfRun, rateReached } = view;
  const lines = [''];
  const say = (sentence: string): void => void lines.push(...wrapped(sentence, columns));
  const judge = (style: Style, sentence: string): void =>
    void lines.push(...wrapped(sentence, columns).map((line) => paint(style, line)));
  say(`${count(sets)} sets at ${count(rateReached)} a second, ${count(delivered)} delivered, ${count(missed)} missed`);
  if (latencyOfRun !== undefined) {
    const { p50, p99, max } = latencyOfRun;
    say(`latency p50 ${ms(p50)} ms, p99 ${ms(p99)} ms, max ${ms(max)} ms, the first 2 s left out`);
  }
  if (view.crash !== undefined) say(demoCrash(view.crash));
  if (failed > 0) judge('red', `${count(failed)} sets failed`);
  else if (sets !== delivered + missed) judge('red', 'what was set, delivered and missed does not add up');
  else if (missed > 0) judge('yellow', 'every update was delivered or told as missed: this machine was too busy');
  else judge('green', 'every update arrived');
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

function workerLines(workers: readonly WorkerBusyness[], most: number, paint: Paint): string[] {
  const shown = workers.slice(0, most).map(({ workerId, watches, utilization }) => {
    const name = `worker ${workerId}`.padEnd(LABEL - 2);
    return `   ${name}${bar(utilization, BAR, paint)}  ${paint('dim', `gRPC for ${count(watches)} watches`)}`;
  });
  return workers.length > most ? [...shown, `   and ${workers.length - most} more`] : shown;
}

function latencyCells(latency: Latency | undefined): string {
  return [latency?.p50, latency?.p99, latency?.max]
    .map((value) => right(ms(value), 12))
    .join('')
    .slice(2);
}

const rounded = (number: number): number => Math.round(number * 1000) / 1000;
const pad = (number: number, width: number): string => String(number).padEnd(width);

const WIDTH = 80;
const ROW = [6, 9, 9, 11, 8, 8, 8, 8, 6, 7];
const LABEL = 12;
const BAR = 30;
/** As wide as the column of p50 below it. */
const COUNT = 10;
const SHOWN_WORKERS = 6;
/** Reports of 12 s, at two a second. */
const SPARKS = 24;
