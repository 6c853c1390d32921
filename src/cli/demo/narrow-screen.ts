/**
 * The demo on a terminal of less than 80 columns: the same figures below one another, in as many rows as the wide one at most. Path: demo screen ->
 * [narrow screen]. Narrower than 40: lines are cut.
 */
import { type Style, shorten } from '../output.js';
import { bar, count, demoCrash, ms, right, sparkline, wrapped } from './demo-figures.js';
import type { Latency } from './demo-message.js';
import type { DemoView, Paint } from './demo-view.js';

/** A piece of a line, and how it is painted. */
type Piece = string | readonly [style: Style, text: string];

export function narrowScreen(view: DemoView, paint: Paint, columns: number): string {
  const width = Math.max(1, columns - 1);
  const line = (...pieces: Piece[]): string => fitted(pieces, width, paint);
  const label = (text: string): Piece => ['bold', text.padEnd(LABEL)];
  const busy = (name: string, utilization: number): string => {
    const cells = columns - LABEL - AROUND_A_BAR;
    return cells < 1 ? line(` ${name}`) : ` ${name.padEnd(LABEL)}${bar(utilization, cells, paint)}`;
  };
  const elapsed = `${Math.round(view.elapsedMs / 1000)} s`;
  const missed: Piece = [view.missed === 0 ? 'green' : 'yellow', `${count(view.missed)} missed`];
  const failed: Piece = view.failed === 0 ? '' : ['red', `  ${count(view.failed)} failed`];
  const workers = view.workers.slice(0, SHOWN_WORKERS);
  const left = view.workers.length - workers.length;
  return [
    '',
    line(' ', ['bold', TITLE], right(elapsed, width - 1 - TITLE.length)),
    line(['dim', ` ${'─'.repeat(width - 1)}`]),
    line(' ', ['cyan', 'writer'], ' → ', ['cyan', 'server'], ' → ', ['cyan', 'watching process']),
    line(['dim', ` pid ${view.writerPid} → ${view.serverPid} → ${view.watcherPid}`]),
    '',
    line(' ', label('rate'), right(count(view.rateReached), COUNT), ' sets a second'),
    line(' ', label('updates'), right(count(view.delivered), COUNT), ' delivered'),
    line(' ', ' '.repeat(LABEL), missed, failed),
    line(' ', label('ms'), ['dim', right('p50', CELL) + right('p99', CELL) + right('max', CELL)]),
    line(' ', 'now'.padEnd(LABEL), cellsOf(view.latency)),
    line(' ', 'all'.padEnd(LABEL), cellsOf(view.latencyOfRun)),
    line(' ', ['dim', 'p99'.padEnd(LABEL)], ['magenta', sparkline(view.p99s, Math.max(1, width - 1 - LABEL))]),
    '',
    busy('main', view.mainUtilization),
    ...workers.map(({ workerId, utilization }) => busy(`worker ${workerId}`, utilization)),
    ...(left > 0 ? [line(` and ${left} more`)] : []),
    ...(view.crash === undefined ? [] : wrapped(demoCrash(view.crash), columns)),
    ...(view.seconds === undefined ? [line(['dim', ' Ctrl-C ends it'])] : []),
  ].join('\n');
}

/** Cut before it is painted: what paints takes no columns. */
function fitted(pieces: readonly Piece[], width: number, paint: Paint): string {
  let room = width;
  let text = '';
  for (const piece of pieces) {
    const [style, said] = typeof piece === 'string' ? [undefined, piece] : piece;
    const shown = said.length <= room ? said : room > 0 ? shorten(said, room) : '';
    room -= shown.length;
    text += style === undefined || shown === '' ? shown : paint(style, shown);
  }
  return text;
}

function cellsOf(latency: Latency | undefined): string {
  return [latency?.p50, latency?.p99, latency?.max].map((value) => right(ms(value), CELL)).join('');
}

const TITLE = 'bridged-state demo';
const LABEL = 9;
const COUNT = 10;
const CELL = 9;
/** The space before it, the figure behind it, and a column that stays free. */
const AROUND_A_BAR = 9;
const SHOWN_WORKERS = 4;
