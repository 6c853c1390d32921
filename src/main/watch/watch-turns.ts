/**
 * Updates of a state over a bridge that cannot be told where they stand in the lane: behind urgent ones, or because the turn's time is used up.
 * Path: slot client -> dispatcher -> [watch turns] -> dispatcher. Slow: a ring a watch, with its `bufferLimit` and `overflow`; what is left out is
 * told by `missed`. While no watch has a priority and no budget is set, everything goes past it. Closed: a watch that stops takes its ring along.
 */
import { NORMAL, rankOf, URGENT } from '../../shared/delivery/priority.js';
import type { Update } from '../../shared/delivery/update.js';
import { DELETED_MASK, MORE, UpdateRecord } from '../../shared/delivery/update.js';
import { UpdateRing } from '../../shared/delivery/update-ring.js';
import { BufferOverflowError } from '../../shared/errors.js';
import { systemClock } from '../../shared/system-clock.js';
import type { Turns, VariablePosition, WatchedVariable } from './dispatched-watch.js';
import { deliver } from './dispatcher.js';
import { MainTurns } from './main-turns.js';
import { type LineItem, NOT_IN_LINE } from './turn-line.js';
import type { WatchRun } from './watch.js';

class TurnUpdate extends UpdateRecord {
  readonly key: WatchedVariable;
  /** What was set atomically is dropped together. */
  readonly group: number;

  constructor(key: WatchedVariable, group: number) {
    super();
    this.key = key;
    this.group = group;
  }
}

/** What one watch waits with. */
interface RunQueue extends LineItem {
  readonly run: WatchRun;
  /** All that waits is told in one go: it is one array, or one atomic whole, or only held back for now. */
  readonly isWhole: boolean;
  ring: UpdateRing<TurnUpdate> | undefined;
  /** Counts the groups that were taken in. */
  group: number;
  /** What may not overtake the updates. */
  after: (() => void)[] | undefined;
  isFailed: boolean;
}

/** What waits of a watch, for listWatchers. */
export interface TurnStats {
  readonly buffered: number;
  readonly missedWaiting: number;
  readonly filteredWaiting: number;
  readonly yields: number;
}

export class WatchTurns implements Turns {
  isPlain: boolean;
  readonly #main: MainTurns<RunQueue>;
  /** Made when something of a watch first cannot be told at once. */
  readonly #queues = new Map<WatchRun, RunQueue>();
  /** Watches of any priority but normal, and how many of them are urgent. */
  readonly #others = new Set<WatchRun>();
  #urgents = 0;
  /** When the updates that come now were taken, and those that waited are told. */
  #drainMs = 0;
  #runMs = 0;

  /** `onTurn`: what waited was told in a turn of its own. */
  constructor(maxMainMs: number, onTurn: () => void) {
    this.#main = new MainTurns<RunQueue>(
      maxMainMs,
      (queue) => this.#serve(queue),
      () => {
        this.run();
        onTurn();
      },
    );
    this.isPlain = !this.#main.budget.isOn;
  }

  open(run: WatchRun): void {
    const { priority } = run.options;
    if (priority === 'normal') return;
    this.#others.add(run);
    if (priority === 'urgent') this.#urgents += 1;
    this.#settle();
  }

  close(run: WatchRun): void {
    if (this.#others.delete(run) && run.options.priority === 'urgent') this.#urgents -= 1;
    const queue = this.#queues.get(run);
    if (queue !== undefined) {
      this.#queues.delete(run);
      this.#main.line.leave(queue);
      queue.ring = undefined;
      queue.after = undefined;
    }
    this.#settle();
  }

  offer(variable: WatchedVariable, update: Update, nowMs: number): void {
    const run = variable.watch as WatchRun;
    if (run.isStopped) return;
    const queue = this.#queueOf(run);
    if (queue.isFailed) return;
    const isIdle = !queue.isInLine && (queue.ring === undefined || queue.ring.isIdle);
    if (!isIdle || !this.#isDirect(queue)) {
      this.#push(queue, variable, update);
      return;
    }
    if (nowMs !== this.#drainMs) {
      this.#drainMs = nowMs;
      this.#main.begin();
    }
    deliver(variable, update, nowMs);
    this.#main.spend();
  }

  /** Where a variable is that has been told all that waits of it. */
  ahead(run: WatchRun): ReadonlyMap<WatchedVariable, VariablePosition> {
    const ahead = new Map<WatchedVariable, VariablePosition>();
    this.#queues.get(run)?.ring?.visit(({ key, version, value, flags, lineage }) => {
      const { epoch, variableId } = lineage ?? ahead.get(key) ?? key;
      const isGone = (flags & DELETED_MASK) !== 0;
      ahead.set(key, { lastVersion: version, lastValue: value, epoch, variableId, isGone });
    });
    return ahead;
  }

  /** These will not come. */
  remove(run: WatchRun, variables: readonly WatchedVariable[]): void {
    const ring = this.#queues.get(run)?.ring;
    if (ring === undefined) return;
    const unwanted = new Set(variables);
    ring.removeWhere(({ key }) => unwanted.has(key));
  }

  /** Does it when all that waits of the watch has been told. False when nothing does: then it is the caller's. */
  defer(run: WatchRun, tell: () => void): boolean {
    const queue = this.#queues.get(run);
    if (queue?.isInLine !== true) return false;
    queue.after ??= [];
    queue.after.push(tell);
    return true;
  }

  /** Time has come for what a rate limit holds. */
  tellDue(run: WatchRun, nowMs: number): void {
    if (run.isStopped) return;
    if (this.#main.budget.isUsedUp) {
      this.#main.line.enter(this.#queueOf(run));
      return;
    }
    this.#main.begin();
    run.releaseHeld(nowMs);
    this.#main.spend();
  }

  /** The updates that came together have all been offered: tells what waits, as far as there is time. */
  run(): void {
    if (this.#main.line.isEmpty) return;
    this.#runMs = systemClock.nowMs();
    this.#main.run();
    this.#settle();
  }

  statsOf(run: WatchRun): TurnStats {
    const queue = this.#queues.get(run);
    const ring = queue?.ring;
    return {
      buffered: ring?.size ?? 0,
      missedWaiting: ring?.missedWaiting() ?? 0,
      filteredWaiting: ring?.filteredWaiting() ?? 0,
      yields: queue === undefined ? 0 : this.#main.line.yieldsOf(queue),
    };
  }

  #queueOf(run: WatchRun): RunQueue {
    let queue = this.#queues.get(run);
    if (queue === undefined) {
      const { priority, atomic } = run.options;
      const isWhole = run.batch !== undefined || run.limit !== undefined || (atomic && this.#main.budget.isOn);
      queue = {
        run,
        rank: rankOf(priority),
        isWhole,
        ring: undefined,
        group: 0,
        after: undefined,
        isFailed: false,
        ...NOT_IN_LINE,
      };
      this.#queues.set(run, queue);
    }
    return queue;
  }

  #isDirect({ rank, isWhole }: RunQueue): boolean {
    if (isWhole || this.#main.budget.isUsedUp) return false;
    return rank === URGENT || (rank === NORMAL && this.#urgents === 0);
  }

  #push(queue: RunQueue, variable: WatchedVariable, update: Update): void {
    const { bufferLimit, overflow, atomic } = queue.run.options;
    queue.ring ??= new UpdateRing(bufferLimit, overflow, atomic ? ({ group }) => group : undefined);
    const isTaken = queue.ring.push(new TurnUpdate(variable, queue.group).assign(update));
    if ((update.flags & MORE) === 0) queue.group += 1;
    this.#main.line.enter(queue);
    if (isTaken) return;
    queue.isFailed = true;
    this.defer(queue.run, () =>
      queue.run.handleEnded(
        new BufferOverflowError(
          `the watcher fell ${bufferLimit} updates behind and asked for overflow 'error': take updates faster, raise bufferLimit, or conflate`,
        ),
      ),
    );
  }

  #serve(queue: RunQueue): boolean {
    const { run, isWhole, ring } = queue;
    let isUsedUp = false;
    for (let left = ring?.size ?? 0; left > 0 && !isUsedUp && !run.isStopped; left -= 1) {
      const update = ring!.take();
      if (update === undefined) break;
      deliver(update.key, update, this.#runMs);
      if (!isWhole) isUsedUp = this.#main.spend();
    }
    if (isWhole) {
      run.releaseHeld(this.#runMs);
      this.#main.spend();
    }
    if (ring !== undefined && ring.size > 0) return !run.isStopped;
    const { after } = queue;
    queue.after = undefined;
    for (const tell of after ?? []) tell();
    return false;
  }

  /** Not while something waits: it would be overtaken. */
  #settle(): void {
    this.isPlain = !this.#main.budget.isOn && this.#others.size === 0 && this.#main.line.isEmpty;
  }
}
