/**
 * `demo`: a server, a writer and a watching process, each as real as in production, and what they do as a live table.
 * Path: [demo] -> three demo children -> their reports -> demo screen. Closed: on every way out all children are gone before it returns.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Output } from '../output.js';
import { nextStop } from '../stop-signals.js';
import { UsageError } from '../usage-error.js';
import { DemoChild } from './demo-child.js';
import { demoCrash } from './demo-figures.js';
import type { FromWatcher, FromWriter, ToWatcher, ToWriter, WatcherProgress } from './demo-message.js';
import { DemoRedis } from './demo-redis.js';
import { demoRow, demoRowHeading, demoScreen, demoStarting, demoSummary, demoVerdict } from './demo-screen.js';
import type { DemoView, Paint } from './demo-view.js';

export interface DemoCommandOptions {
  readonly seconds?: number;
  readonly watches: number;
  readonly rate: number;
  readonly workers?: number;
  /**
   * `memory`; `sqlite`, in a folder that goes with it; `sqlite:DIR`; `redis`, which starts one of its own; its address. Of all but the first a
   * server is killed midway.
   */
  readonly engine: string;
  /** Two with Redis: one for the writer, one for the watching process. */
  readonly servers?: number;
  readonly json?: boolean;
}

interface Listening {
  readonly kind: 'listening';
  readonly port: number;
  readonly epoch: string;
}

type Redraw = ((text: string) => void) & { done(): void };

/** @throws Error when a child failed, or not everything that was set arrived */
export async function demo(options: DemoCommandOptions, output: Output): Promise<void> {
  if (options.servers === 2 && !/^(redis|unix:)/.test(options.engine)) {
    throw new UsageError('--servers 2 needs an engine that servers share: give --engine redis too');
  }
  const stop = new Promise<void>((resolve) => {
    void nextStop().then(resolve);
    output.closed.addEventListener('abort', () => resolve());
  });
  // With --json stdout is for the one line at the end.
  const displayStream = options.json === true ? process.stderr : process.stdout;
  const display = options.json === true ? new Output(displayStream) : output;
  const redraw = display.isTerminal ? (await import('log-update')).createLogUpdate(displayStream) : undefined;
  const folder = options.engine === 'sqlite' ? await mkdtemp(join(tmpdir(), 'bridged-state-demo-')) : undefined;
  const redis = options.engine === 'redis' ? await DemoRedis.start() : undefined;
  const engine = folder === undefined ? (redis?.address ?? options.engine) : `sqlite:${folder}`;
  const run = new Demo({ ...options, engine }, output, display, redraw);
  try {
    await run.perform(stop);
  } finally {
    await run.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    await redis?.close();
  }
}

class Demo {
  readonly #options: DemoCommandOptions;
  readonly #seconds: number | undefined;
  readonly #output: Output;
  readonly #display: Output;
  /** Undefined where it is no terminal: then it is a row a second. */
  readonly #redraw: Redraw | undefined;
  #server: DemoChild<Listening, never>;
  /** Of the watching process, where it has one of its own. */
  readonly #otherServer: DemoChild<Listening, never> | undefined;
  #otherPort = 0;
  #failRestart: (error: unknown) => void = () => undefined;
  /** Rejects when the server that was started again fails; never resolves. */
  readonly #restartFailed: Promise<never>;
  #crashTimer: NodeJS.Timeout | undefined;
  #crashing: Promise<void> | undefined;
  #crash: DemoView['crash'];
  #epoch = '';
  /** Of both servers. */
  #isSameEpoch = true;
  readonly #writer = new DemoChild<FromWriter, ToWriter>('writer', ['demo-writer']);
  readonly #watcher = new DemoChild<FromWatcher, ToWatcher>('watching', ['demo-watcher']);
  #port = 0;
  #startedAtMs = 0;
  #acknowledged = 0;
  #failed = 0;
  #isFinishing = false;
  /** The writer's last reports, for the rate. */
  #written: { readonly atMs: number; readonly acknowledged: number }[] = [];
  #progress: WatcherProgress | undefined;
  readonly #p99s: number[] = [];

  constructor(options: DemoCommandOptions, output: Output, display: Output, redraw: Redraw | undefined) {
    this.#options = options;
    this.#server = new DemoChild('server', serverArguments(options.engine, 0));
    this.#otherServer =
      options.servers === 2 ? new DemoChild('other server', serverArguments(options.engine, 0)) : undefined;
    this.#restartFailed = new Promise((_, reject) => {
      this.#failRestart = reject;
    });
    this.#restartFailed.catch(() => undefined);
    this.#output = output;
    this.#display = display;
    this.#redraw = redraw;
    this.#seconds = options.seconds ?? (display.isTerminal ? undefined : DEFAULT_SECONDS);
  }

  /** Resolves when it has been shown and counted; when `stop` comes before it runs, without that. */
  async perform(stop: Promise<void>): Promise<void> {
    const started = this.#start().then(() => true);
    started.catch(() => undefined);
    if (!(await Promise.race([started, stop.then(() => false)]))) {
      this.#display.line(' ended before it had begun');
      return;
    }
    let timer: NodeJS.Timeout | undefined;
    const time = new Promise<void>((resolve) => {
      if (this.#seconds !== undefined) timer = setTimeout(resolve, this.#seconds * 1000);
    });
    try {
      this.#crashMidway();
      const children = [this.#server, this.#otherServer, this.#writer, this.#watcher];
      const failed = [this.#restartFailed, ...children.flatMap((child) => (child === undefined ? [] : [child.failed]))];
      await Promise.race([stop, time, ...failed]);
    } finally {
      clearTimeout(this.#crashTimer);
      clearTimeout(timer);
    }
    await this.#crashing;
    await this.#finish();
  }

  /** A server whose state outlives it is killed, and another one started in its place. */
  #crashMidway(): void {
    if (this.#options.engine === 'memory') return;
    const afterMs = this.#seconds === undefined ? CRASH_AFTER_MS : (this.#seconds * 1000) / 2;
    this.#crashTimer = setTimeout(() => {
      this.#crashing = this.#restart();
      this.#crashing.catch(this.#failRestart);
    }, afterMs);
  }

  async #restart(): Promise<void> {
    const killedAtMs = performance.now();
    if (this.#otherServer !== undefined) {
      await this.#otherServer.crash();
      this.#crash = { atMs: killedAtMs - this.#startedAtMs, awayMs: undefined, isSameEpoch: this.#isSameEpoch };
      if (this.#redraw === undefined) this.#display.line(demoCrash(this.#crash));
      return;
    }
    await this.#server.crash();
    this.#server = new DemoChild('server', serverArguments(this.#options.engine, this.#port));
    const { epoch } = await this.#server.next('listening');
    this.#server.failed.catch(this.#failRestart);
    const awayMs = performance.now() - killedAtMs;
    this.#crash = { atMs: killedAtMs - this.#startedAtMs, awayMs, isSameEpoch: epoch === this.#epoch };
    if (this.#redraw === undefined) this.#display.line(demoCrash(this.#crash));
  }

  async close(): Promise<void> {
    this.#redraw?.done();
    // Clients first: the server then has nobody left to tell that it drains.
    await Promise.all([this.#writer.end(), this.#watcher.end()]);
    await Promise.all([this.#server.end(), this.#otherServer?.end()]);
  }

  async #start(): Promise<void> {
    this.#sayStarting('starting a server, a writer and a watching process');
    const { watches, rate, workers } = this.#options;
    // Asked for at once: either may be first.
    const [server, other] = await Promise.all([this.#server.next('listening'), this.#otherServer?.next('listening')]);
    ({ port: this.#port, epoch: this.#epoch } = server);
    this.#otherPort = other?.port ?? this.#port;
    this.#isSameEpoch = (other?.epoch ?? this.#epoch) === this.#epoch;
    const ports = [...new Set([this.#port, this.#otherPort])];
    this.#sayStarting(`registering ${watches} variables`);
    const reportEveryMs = this.#redraw === undefined ? ROW_EVERY_MS : REDRAW_EVERY_MS;
    await Promise.all([
      this.#writer.ask({ kind: 'settings', settings: { ports, variables: watches, rate } }, 'registered'),
      this.#watcher.ask(
        { kind: 'settings', settings: { ports: ports.toReversed(), watches, workers, reportEveryMs } },
        'connected',
      ),
    ]);
    this.#sayStarting(`opening ${watches} watches, one on each variable`);
    const { openMs, progress } = await this.#watcher.ask({ kind: 'watch' }, 'watching');
    this.#writer.onMessage((message) => this.#handleWriter(message));
    this.#watcher.onMessage((message) => this.#handleWatcher(message));
    this.#progress = progress;
    this.#startedAtMs = performance.now();
    this.#written = [{ atMs: this.#startedAtMs, acknowledged: 0 }];
    if (this.#redraw === undefined) for (const line of demoRowHeading(this.#view(), openMs)) this.#display.line(line);
    else this.#show();
    this.#writer.tell({ kind: 'start' });
  }

  /** Nothing more is set; what was is waited for, and counted. @throws Error when that does not add up */
  async #finish(): Promise<void> {
    const elapsedMs = performance.now() - this.#startedAtMs;
    const { atMs, acknowledged: setInTime } = this.#written.at(-1)!;
    const rateReached = setInTime === 0 ? 0 : (setInTime * 1000) / (atMs - this.#startedAtMs);
    this.#isFinishing = true;
    const { acknowledged, failed, failure } = await this.#writer.ask({ kind: 'stop' }, 'stopped');
    this.#acknowledged = acknowledged;
    this.#failed = failed;
    const { progress } = await this.#watcher.ask({ kind: 'finish', expected: acknowledged }, 'finished');
    // Its other figures are of a moment in which nothing happened.
    const { delivered, missed, latencyOfRun } = progress;
    this.#progress = { ...(this.#progress ?? progress), delivered, missed, latencyOfRun };
    const view: DemoView = { ...this.#view(), elapsedMs, rateReached };
    this.#redraw?.(demoScreen(view, this.#paint, this.#display.columns));
    this.#redraw?.done();
    for (const line of demoVerdict(view, this.#paint, this.#display.columns)) this.#display.line(line);
    const isComplete = failed === 0 && delivered + missed === acknowledged;
    if (this.#options.json === true) this.#output.line(JSON.stringify(demoSummary(view, isComplete)));
    if (failed > 0) throw new Error(`${failed} sets failed, the first because ${failure}`);
    if (!isComplete) {
      throw new Error(
        `${acknowledged} sets, but ${delivered} delivered and ${missed} missed: please report it, with this line`,
      );
    }
  }

  #handleWriter(message: FromWriter): void {
    if (message.kind !== 'progress') return;
    this.#acknowledged = message.acknowledged;
    this.#failed = message.failed;
    this.#written.push({ atMs: performance.now(), acknowledged: message.acknowledged });
    if (this.#written.length > MOST_REPORTS) this.#written.shift();
  }

  #handleWatcher(message: FromWatcher): void {
    if (message.kind !== 'progress' || this.#isFinishing) return;
    this.#progress = message.progress;
    if (message.progress.latency !== undefined) this.#p99s.push(message.progress.latency.p99);
    if (this.#p99s.length > MOST_REPORTS) this.#p99s.shift();
    this.#show();
  }

  #sayStarting(doing: string): void {
    this.#redraw?.(demoStarting(doing, this.#paint, this.#display.columns));
  }

  #show(): void {
    const view = this.#view();
    if (this.#redraw === undefined) this.#display.line(demoRow(view));
    else this.#redraw(demoScreen(view, this.#paint, this.#display.columns));
  }

  #view(): DemoView {
    const progress = this.#progress;
    return {
      elapsedMs: performance.now() - this.#startedAtMs,
      seconds: this.#seconds,
      port: this.#port,
      crash: this.#crash,
      serverPid: this.#server.pid,
      writerPid: this.#writer.pid,
      watcherPid: this.#watcher.pid,
      watches: this.#options.watches,
      rateAsked: this.#options.rate,
      rateReached: this.#rate(),
      sets: this.#acknowledged,
      failed: this.#failed,
      delivered: progress?.delivered ?? 0,
      missed: progress?.missed ?? 0,
      latency: progress?.latency,
      latencyOfRun: progress?.latencyOfRun,
      p99s: this.#p99s,
      mainUtilization: progress?.mainUtilization ?? 0,
      workers: progress?.workers ?? [],
    };
  }

  /** Sets a second, over the last second. */
  #rate(): number {
    const reports = this.#written.slice(-RATE_REPORTS);
    const [oldest, newest] = [reports[0], reports.at(-1)];
    if (oldest === undefined || newest === undefined || newest === oldest) return 0;
    return ((newest.acknowledged - oldest.acknowledged) * 1000) / (newest.atMs - oldest.atMs);
  }

  readonly #paint: Paint = (style, text) => this.#display.paint(style, text);
}

// Without a terminal nobody presses Ctrl-C.
const DEFAULT_SECONDS = 10;
const REDRAW_EVERY_MS = 500;
const ROW_EVERY_MS = 1_000;
/** Of either child, kept. */
const MOST_REPORTS = 60;
/** The writer reports four times a second. */
const RATE_REPORTS = 5;

const CRASH_AFTER_MS = 5_000;

function serverArguments(engine: string, port: number): string[] {
  return ['serve', '--engine', engine, '--port', `${port}`, '--log-level', 'warn', '--with-parent'];
}
