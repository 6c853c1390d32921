/** `top`: what a server does, once a second, from its admin port: sessions, streams, observers, rates, and how long it takes to answer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { UnavailableError } from '../shared/errors.js';
import type { Output } from './output.js';
import { table } from './output.js';
import { nextStop } from './stop-signals.js';

export interface TopCommandOptions {
  readonly admin: string;
  readonly seconds?: number;
  readonly json?: boolean;
}

interface Session {
  readonly id: string;
  readonly variables: number;
  readonly revision: number;
  readonly streams: number;
  readonly usedAt: number;
}

/** What the server said at one moment. */
interface Reading {
  readonly atMs: number;
  /** From question to answer, ms: the server's event loop is as slow. */
  readonly answerMs: number;
  readonly epoch: string;
  readonly sessions: readonly Session[];
  readonly metric: (name: string) => number;
  readonly has: (name: string) => boolean;
}

export async function top(options: TopCommandOptions, output: Output): Promise<void> {
  const over = new AbortController();
  void nextStop().then(() => over.abort());
  output.closed.addEventListener('abort', () => over.abort());
  const redraw = options.json !== true && output.isTerminal ? (await import('log-update')).default : undefined;
  const { seconds } = options;
  const timer = seconds === undefined ? undefined : setTimeout(() => over.abort(), seconds * 1000).unref();
  let last: Reading | undefined;
  while (!over.signal.aborted) {
    const reading = await read(options.admin);
    const view = viewOf(reading, last);
    if (options.json === true) output.line(JSON.stringify(view));
    else if (redraw !== undefined) redraw(screenOf(view, reading.sessions, options.admin, output).join('\n'));
    else
      output.line(
        Object.entries(view)
          .map(([name, value]) => `${name} ${value}`)
          .join('  '),
      );
    last = reading;
    await sleep(EVERY_MS, undefined, { signal: over.signal }).catch(() => undefined);
  }
  clearTimeout(timer);
  redraw?.done();
}

type View = ReturnType<typeof viewOf>;

function viewOf(reading: Reading, last: Reading | undefined) {
  const { metric } = reading;
  const perSecond = (name: string): number => {
    if (last === undefined || last.epoch !== reading.epoch) return 0;
    return Math.round((metric(name) - last.metric(name)) / ((reading.atMs - last.atMs) / 1000));
  };
  return {
    sessions: metric('sessions'),
    variables: metric('variables'),
    streams: metric('streams'),
    observers: metric('observers'),
    setsPerSecond: perSecond('sets_total'),
    updatesPerSecond: perSecond('updates_sent_total'),
    conflatedPerSecond: perSecond('updates_conflated_total'),
    slowStreamsCut: metric('slow_streams_cut_total'),
    callsFailed: metric('calls_failed_total'),
    engineReady: metric('engine_ready') === 1,
    commitsPerSecond: perSecond('engine_transactions_total'),
    commitMsP50: rounded(metric('engine_commit_ms_p50')),
    commitMsP99: rounded(metric('engine_commit_ms_p99')),
    engineBytes: metric('engine_bytes'),
    tailMsP50: rounded(metric('engine_tail_ms_p50')),
    tailMsP99: rounded(metric('engine_tail_ms_p99')),
    isShared: reading.has('engine_tail_ms_count'),
    fenced: metric('engine_fenced_total'),
    forks: metric('engine_forks_total'),
    answerMs: Math.round(reading.answerMs * 10) / 10,
  };
}

function screenOf(view: View, sessions: readonly Session[], admin: string, output: Output): string[] {
  const count = (number: number) => number.toLocaleString('en-US');
  const busiest = [...sessions].sort((a, b) => b.streams - a.streams || b.usedAt - a.usedAt).slice(0, SHOWN_SESSIONS);
  const [heading, ...rows] = table([
    ['SESSION', 'VARIABLES', 'STREAMS', 'REVISION'],
    ...busiest.map(({ id, variables, streams, revision }) => [id, count(variables), count(streams), count(revision)]),
  ]);
  return [
    `${output.paint('bold', `bridge server at ${admin}`)}   answers in ${view.answerMs} ms, Ctrl-C ends this`,
    '',
    `  holds    ${count(view.sessions)} sessions   ${count(view.variables)} variables`,
    `  serves   ${count(view.streams)} streams   ${count(view.observers)} observers`,
    `  takes    ${count(view.setsPerSecond)} sets a second`,
    `  sends    ${count(view.updatesPerSecond)} updates a second   ${count(view.conflatedPerSecond)} conflated`,
    `  refused  ${count(view.callsFailed)} calls failed   ${count(view.slowStreamsCut)} slow streams cut`,
    ...engineLines(view, count),
    '',
    `  ${output.paint('bold', heading!)}`,
    ...rows.map((row) => `  ${row}`),
  ];
}

/** Of one that outlives its server. */
function engineLines(view: View, count: (number: number) => string): string[] {
  if (view.engineBytes === 0 && !view.isShared) return [];
  const { commitMsP50, commitMsP99, commitsPerSecond, engineBytes, engineReady } = view;
  const said = engineReady ? '' : '   NOT READY: see its log';
  const times = `in ${commitMsP50} ms p50, ${commitMsP99} ms p99`;
  const keeps = `  keeps    ${count(commitsPerSecond)} commits a second ${times}`;
  if (!view.isShared) return [`${keeps}   ${count(Math.ceil(engineBytes / 1e6))} MB${said}`];
  const { tailMsP50, tailMsP99, fenced, forks } = view;
  return [
    `${keeps}${said}`,
    `  shares   behind by ${tailMsP50} ms p50, ${tailMsP99} ms p99   ${count(fenced)} calls fenced   ${count(forks)} sessions forked`,
  ];
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** @throws UnavailableError */
async function read(admin: string): Promise<Reading> {
  const startedAtMs = performance.now();
  const [metrics, sessions] = await Promise.all([fetchText(admin, '/metrics'), fetchText(admin, '/sessions')]);
  const atMs = performance.now();
  const { epoch, sessions: listed } = JSON.parse(sessions) as { epoch: string; sessions: Session[] };
  const values = new Map<string, number>();
  for (const [, name, value] of metrics.matchAll(/^bridged_state_(\w+) (\S+)$/gm)) values.set(name!, Number(value));
  const metric = (name: string) => values.get(name) ?? 0;
  return { atMs, answerMs: atMs - startedAtMs, epoch, sessions: listed, metric, has: (name) => values.has(name) };
}

async function fetchText(admin: string, path: string): Promise<string> {
  try {
    const response = await fetch(`http://${admin}${path}`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    if (response.ok) return await response.text();
    throw new Error(`it answers ${response.status}`);
  } catch (cause) {
    const sentence = `no admin port of a bridge server at ${admin}: start one with serve --admin-port N, and give it by --admin`;
    throw new UnavailableError(sentence, { cause });
  }
}

const EVERY_MS = 1_000;
const ANSWER_TIMEOUT_MS = 5_000;
const SHOWN_SESSIONS = 10;
