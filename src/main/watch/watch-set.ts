/**
 * The watches of one provider, from call to end: checked, made, listed, stopped. Path: watchVariables, watch() -> [watch set] -> watch.
 * How a watch is registered and where its updates come from is the provider's; everything around it is said here, once for all of them.
 * Closed: `stopAll` ends every watch.
 */
import { type BridgeError, InvalidArgumentError } from '../../shared/errors.js';
import type { AnyWatchOptionsInput } from '../../shared/options.js';
import { parseWatchOptions } from '../../shared/options.js';
import { systemClock } from '../../shared/system-clock.js';
import { checkTarget, checkWatch } from '../call-arguments.js';
import type { Watch, WatcherInfo, WatchTarget } from '../state-provider.js';
import { releaseDue } from './dispatcher.js';
import type { AnyWatcher, WatchBackend, WatchOrigin } from './watch.js';
import { WatchRun } from './watch.js';
import { WatchHandle } from './watch-handle.js';
import { type AnyWatchIterable, type Begun, iterateWatch } from './watch-iterator.js';
import { WatchRegistry } from './watch-registry.js';

/** What a provider does for the watches of its set. */
export interface WatchSource extends WatchBackend {
  /** @throws ClosedError when the provider is closed */
  checkOpen(): void;
  /** Registers the watch. @throws what watchVariables throws; then nothing of it may stay */
  open(run: WatchRun, identifiers: readonly string[]): void | Promise<void>;
  /** As `open`, for what fits the run's patterns. */
  openPatterns(run: WatchRun): void | Promise<void>;
}

/** What a provider knows of a watch's updates before they come to the dispatcher. */
export interface UpstreamStats {
  readonly workerId: number;
  readonly transport: WatcherInfo['transport'];
  readonly received: number;
  readonly filteredWaiting: number;
  readonly missedWaiting: number;
  readonly reconnects: number;
  readonly buffered: number;
  readonly yields: number;
}

/** Told when a watch is over, with the error if it failed. */
export type OnOver = (error: BridgeError | undefined) => void;

/** Told what stops a watch before it is registered. */
export type OnBegun = (begun: Begun) => void;

export class WatchSet {
  readonly #source: WatchSource;
  readonly #verifies: boolean;
  readonly #registry = new WatchRegistry<WatchRun>();
  readonly #remove = (run: WatchRun): void => this.#registry.remove(run);
  /** Watches that hold back calls, or collect them, until their turn is over. */
  readonly #heldThisTurn = new Set<WatchRun>();

  /** `verifies`: whether the books of every watch are checked, whatever its options say. */
  constructor(source: WatchSource, verifies: boolean) {
    this.#source = source;
    this.#verifies = verifies;
  }

  /**
   * As far as the source registers without waiting, the watch is registered when this returns its promise.
   * @throws InvalidArgumentError, InvalidOptionsError, AbortedError, ClosedError, and what the source's `open` throws
   */
  async start(
    target: WatchTarget,
    watcher: AnyWatcher,
    input: AnyWatchOptionsInput,
    onOver: OnOver | undefined,
    origin?: WatchOrigin,
    onBegun?: OnBegun,
  ): Promise<Watch> {
    const { identifiers, patterns } = checkTarget(target);
    if (typeof watcher !== 'function')
      throw new InvalidArgumentError(
        'the watcher is a function (identifier, old, new, metadata), with batch: true (changes)',
      );
    const options = parseWatchOptions(input);
    this.#source.checkOpen();
    const ref = this.#registry.nextRef();
    const run = new WatchRun(ref, watcher, patterns, options, this.#source, this.#remove, this.#verifies, origin);
    run.handle = new WatchHandle(run, this.#source);
    // Before it is registered: it may end while it is.
    run.onOver = onOver;
    this.#registry.add(run);
    onBegun?.(run);
    try {
      const opening = patterns.length === 0 ? this.#source.open(run, identifiers) : this.#source.openPatterns(run);
      // In process there is nothing to wait for.
      if (opening !== undefined) await opening;
    } catch (error) {
      // Told to the caller, and not as the end of a watch that never was.
      run.onOver = undefined;
      await run.stop();
      // Its end by its own is the reason, whatever the opening broke off with.
      throw run.aborted ?? error;
    }
    // Over already: its caller hears why.
    if (run.isStopped) await run.ready;
    run.handleReady();
    return run.handle;
  }

  /** @throws InvalidOptionsError; what `start` throws is thrown by the first `next()` */
  iterate(target: WatchTarget, input: AnyWatchOptionsInput): AnyWatchIterable {
    const options = parseWatchOptions(input);
    return iterateWatch(
      (watcher, onOver, onBegun) => this.start(target, watcher, input, onOver, undefined, onBegun),
      options,
    );
  }

  /** @throws InvalidArgumentError, WatchNotFoundError */
  async stop(refOrWatch: string | Watch): Promise<void> {
    const { ref, handle } = checkWatch(refOrWatch);
    await this.#registry.require(ref, handle).stop();
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#registry.all().map((run) => run.stop()));
  }

  get isEmpty(): boolean {
    return this.#registry.size === 0;
  }

  /** The watch holds back calls, or collects them, until the updates that came together have all been seen. */
  holdThisTurn(run: WatchRun): void {
    this.#heldThisTurn.add(run);
  }

  /** The updates that came together have all been seen. */
  handleTurnEnd(nowMs: number): void {
    if (this.#heldThisTurn.size === 0) return;
    const runs = [...this.#heldThisTurn];
    this.#heldThisTurn.clear();
    for (const run of runs) releaseDue(run, nowMs);
  }

  list(upstreamOf: (run: WatchRun) => UpstreamStats): WatcherInfo[] {
    const nowMs = systemClock.nowMs();
    return this.#registry.all().map((run) => infoOf(run, upstreamOf(run), nowMs));
  }
}

function infoOf(run: WatchRun, upstream: UpstreamStats, nowMs: number): WatcherInfo {
  const { stats } = run;
  return {
    ref: run.ref,
    identifiers: run.identifiers,
    patterns: run.patterns,
    alive: !run.isStopped,
    state: run.state,
    workerId: upstream.workerId,
    transport: upstream.transport,
    createdAt: systemClock.wallAtMs(run.createdAt),
    stats: {
      updatesReceived: upstream.received,
      updatesDelivered: stats.delivered,
      updatesFiltered: stats.filtered + upstream.filteredWaiting,
      updatesRateLimited: stats.rateLimited,
      updatesMissed: stats.missed + upstream.missedWaiting,
      errors: stats.errors,
      reconnects: upstream.reconnects,
      yields: upstream.yields,
      buffered: upstream.buffered + (run.limit?.size ?? 0) + (run.batch?.changes.length ?? 0),
      uptimeMs: nowMs - run.createdAt,
      lastUpdateAt: stats.lastUpdateAtOn(systemClock),
      latencyMs: stats.latencyMs(),
    },
  };
}
