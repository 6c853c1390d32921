/**
 * Who watches what of a LocalState. Path: variable table -> [local watches] -> ring -> local turns -> dispatcher -> watcher.
 * Slow: each watch has a bounded ring and its `overflow`; what it begins with takes no room there.
 */
import type { Deadlines } from '../shared/deadlines.js';
import { rankOf } from '../shared/delivery/priority.js';
import { BASELINE, flagsOfReason, INITIAL } from '../shared/delivery/update.js';
import { UpdateRing } from '../shared/delivery/update-ring.js';
import { BufferOverflowError, VariablesNotFoundError } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import type { Audience } from '../shared/one-or-many.js';
import { addListener, forEachListener, OneOrMany, removeListener, removeListeners } from '../shared/one-or-many.js';
import { setImmediate } from '../shared/platform-timers.js';
import type { Change, Variable } from '../shared/state/variable.js';
import type { VersionedValue } from '../shared/state/versioned-value.js';
import { systemClock } from '../shared/system-clock.js';
import { checkName, compileWildcard } from '../shared/values/identifier.js';
import type { LastTold } from './watch/call-gate.js';
import { releaseDue, watchedVariable } from './watch/dispatcher.js';
import { type LocalEntry, LocalTurns, type LocalVariable, type Observation } from './watch/local-turns.js';
import { NOT_IN_LINE } from './watch/turn-line.js';
import type { WatchRun } from './watch/watch.js';
import type { UpstreamStats, WatchSource } from './watch/watch-set.js';
import { WatchSet } from './watch/watch-set.js';

/** What the watches have to know of their state. */
export interface LocalWatchesOptions {
  readonly sessionId: string;
  readonly logger: Logger;
  readonly deadlines: Deadlines;
  readonly maxMainMs: number;
  readonly find: (identifier: string) => Variable | undefined;
  readonly list: (pattern: string) => Variable[];
  /** @throws ClosedError */
  readonly checkOpen: () => void;
}

export class LocalWatches implements WatchSource {
  readonly set = new WatchSet(this, false);
  readonly deadlines: Deadlines;
  readonly logger: Logger;
  readonly sessionId: string;
  readonly asksConditions = true;
  /** They come by no port. */
  readonly turns = undefined;
  readonly checkOpen: () => void;
  readonly #find: (identifier: string) => Variable | undefined;
  readonly #list: (pattern: string) => Variable[];
  /** Watched variables that do not exist yet, by name. */
  readonly #awaited = new OneOrMany<string, LocalVariable>();
  /** Those that wait for what fits a pattern. */
  readonly #searching = new Set<Observation>();
  readonly #observations = new Map<WatchRun, Observation>();
  readonly #turns: LocalTurns;

  constructor({ sessionId, logger, deadlines, maxMainMs, find, list, checkOpen }: LocalWatchesOptions) {
    this.#turns = new LocalTurns(maxMainMs, (nowMs) => this.set.handleTurnEnd(nowMs));
    this.sessionId = sessionId;
    this.logger = logger;
    this.deadlines = deadlines;
    this.checkOpen = checkOpen;
    this.#find = find;
    this.#list = list;
  }

  /** Something to wait for, when a loop of awaited sets has kept the event loop from turning for long. */
  turnIfBusy(): Promise<void> | undefined {
    return this.#turns.turnIfBusy();
  }

  // --- from the table

  handleChange(change: Change): void {
    const flags = flagsOfReason(change.reason);
    forEachListener(observed(change.variable), (watched) => this.#offer(watched, change.current, flags));
  }

  handleRegistered(change: Change): void {
    const { variable } = change;
    const { name } = variable;
    this.#awaited.forEach(name, (watched) => this.#attach(watched, variable));
    this.#awaited.removeAll(name);
    for (const { run, fits } of this.#searching) {
      if (fits?.(name) === true) this.#attach(this.#watched(run, name, variable), variable);
    }
    this.handleChange(change);
  }

  handleRemoved(change: Change): void {
    this.handleChange(change);
    removeListeners(observed(change.variable));
  }

  // --- for a context

  /** The names of the variables that a watch still hears of; undefined for one that does not exist yet. By the watch's identifiers. */
  namesOf(run: WatchRun): Map<string, string | undefined> {
    const names = new Map<string, string | undefined>();
    for (const [identifier, watched] of run.variables) {
      if (!watched.isGone) names.set(identifier, (watched as LocalVariable).variable?.name);
    }
    return names;
  }

  /** Tells what waits and what is held back, now: says where the watcher then is with each variable, by identifier. */
  handOver(run: WatchRun): Map<string, LastTold> {
    const last = new Map<string, LastTold>();
    const observation = this.#observations.get(run);
    if (observation === undefined) return last;
    this.#turns.tellNow(observation);
    releaseDue(run, Number.POSITIVE_INFINITY);
    for (const [identifier, watched] of run.variables) {
      if (watched.isGone) continue;
      const { lastValue, missed } = watched;
      last.set(identifier, { value: lastValue, missed: missed + observation.ring.owed(watched) });
    }
    return last;
  }

  // --- WatchSource

  open(run: WatchRun, identifiers: readonly string[]): void {
    this.#begin(run, undefined, 0);
    this.#observe(run, identifiers);
    this.#handleLive(run);
  }

  openPatterns(run: WatchRun): void {
    const matchers = run.patterns.map(compileWildcard);
    const fits = (name: string): boolean => matchers.some((matches) => matches(name));
    const observation = this.#begin(run, fits, Number.POSITIVE_INFINITY);
    this.#searching.add(observation);
    const found = new Set(run.patterns.flatMap((pattern) => this.#list(pattern)));
    this.#tellPresent(
      observation,
      [...found].map((variable) => this.#present(run, variable.name, variable)),
    );
    this.#handleLive(run);
  }

  handleIdentified(): void {
    // The table knows its variables by both.
  }

  forget(): void {
    // A variable that is gone has no observers any more.
  }

  async add(run: WatchRun, identifiers: readonly string[]): Promise<void> {
    this.#observe(run, identifiers);
  }

  async remove(run: WatchRun, identifiers: readonly string[]): Promise<void> {
    const observation = this.#observations.get(run);
    const unwanted = new Set<LocalVariable>();
    for (const identifier of identifiers) {
      const watched = run.variables.get(identifier) as LocalVariable | undefined;
      if (watched === undefined) continue;
      run.variables.delete(identifier);
      if (!watched.isGone && observation !== undefined) observation.left -= 1;
      this.#detach(watched);
      unwanted.add(watched);
      run.dropHeld(watched);
    }
    if (observation === undefined) return;
    observation.ring.removeWhere(({ key }) => unwanted.has(key));
    observation.initial = observation.initial.filter(({ key }) => !unwanted.has(key));
  }

  async stop(run: WatchRun): Promise<void> {
    for (const watched of run.variables.values()) this.#detach(watched as LocalVariable);
    const observation = this.#observations.get(run);
    this.#observations.delete(run);
    if (observation === undefined) return;
    this.#turns.leave(observation);
    this.#searching.delete(observation);
    observation.ring.clear();
    observation.initial = [];
  }

  lastWordAtMs(): number {
    // In process there is no silence.
    return systemClock.nowMs();
  }

  tellDue(run: WatchRun, nowMs: number): void {
    const observation = this.#observations.get(run);
    if (observation !== undefined) this.#turns.tellDue(observation, nowMs);
  }

  releaseAtTurnEnd(run: WatchRun): void {
    this.set.holdThisTurn(run);
  }

  upstreamOf(run: WatchRun): UpstreamStats {
    const { stats } = run;
    const observation = this.#observations.get(run);
    const buffered = observation === undefined ? 0 : observation.ring.size + observation.initial.length;
    return {
      workerId: -1,
      transport: 'local',
      received: stats.delivered + stats.filtered + stats.rateLimited + buffered + (run.limit?.size ?? 0),
      filteredWaiting: 0,
      missedWaiting: observation?.ring.missedWaiting() ?? 0,
      reconnects: 0,
      buffered,
      yields: observation === undefined ? 0 : this.#turns.yieldsOf(observation),
    };
  }

  // --- inside

  /** @throws VariablesNotFoundError naming every unknown one, InvalidNameError for one to wait for that can be none; then none is watched */
  #observe(run: WatchRun, identifiers: readonly string[]): void {
    const observation = this.#observations.get(run);
    if (observation === undefined) return;
    const found = identifiers.map((identifier) => ({ identifier, variable: this.#find(identifier) }));
    const missing = found.filter(({ variable }) => variable === undefined);
    if (missing.length > 0 && run.options.missing === 'fail') {
      throw VariablesNotFoundError.of(missing.map(({ identifier }) => identifier));
    }
    // Of a text that is no name nothing could come.
    for (const { identifier } of missing) checkName(identifier);
    observation.left += found.length;
    const present: LocalEntry[] = [];
    for (const { identifier, variable } of found) {
      if (variable !== undefined) present.push(this.#present(run, identifier, variable));
      else this.#awaited.add(identifier, this.#watched(run, identifier, undefined));
    }
    this.#tellPresent(observation, present);
  }

  #begin(run: WatchRun, fits: Observation['fits'], left: number): Observation {
    const { bufferLimit, overflow, priority, atomic } = run.options;
    const ring = new UpdateRing<LocalEntry>(bufferLimit, overflow);
    const rank = rankOf(priority);
    const isWhole = atomic || run.batch !== undefined || run.limit !== undefined;
    const observation: Observation = {
      run,
      ring,
      fits,
      initial: [],
      left,
      isWhole,
      owesSynced: false,
      failure: undefined,
      rank,
      ...NOT_IN_LINE,
    };
    this.#observations.set(run, observation);
    return observation;
  }

  #handleLive(run: WatchRun): void {
    run.handleState('live');
    // In a turn of its own, behind the initial values: nothing is told before the caller has the watch.
    setImmediate(() => {
      const observation = this.#observations.get(run);
      if (observation?.isInLine === true) observation.owesSynced = true;
      else run.handleSynced();
    });
  }

  #watched(run: WatchRun, identifier: string, variable: Variable | undefined): LocalVariable {
    const watched: LocalVariable = { ...watchedVariable(run, identifier), variable };
    run.variables.set(identifier, watched);
    return watched;
  }

  /** Observed from now on; its value at this moment. */
  #present(run: WatchRun, identifier: string, variable: Variable): LocalEntry {
    const watched = this.#watched(run, identifier, variable);
    this.#attach(watched, variable);
    return entryOf(watched, variable.current, run.options.includeInitial ? INITIAL : BASELINE);
  }

  #tellPresent(observation: Observation, present: LocalEntry[]): void {
    if (observation.run.options.includeInitial) this.#putFirst(observation, present);
    // A baseline is told to nobody: it is where the watch stands.
    else for (const entry of present) this.#turns.deliver(entry, systemClock.nowMs());
  }

  /** In the order that they were set: revisions rise. */
  #putFirst(observation: Observation, initial: LocalEntry[]): void {
    initial.sort((a, b) => a.entry.revision - b.entry.revision);
    for (const entry of initial) observation.initial.push(entry);
    this.#turns.enter(observation);
  }

  #attach(watched: LocalVariable, variable: Variable): void {
    watched.variable = variable;
    watched.variableId = variable.id;
    addListener(observed(variable), watched);
  }

  /** Nothing more comes for it, and what waits is told to nobody. */
  #detach(watched: LocalVariable): void {
    watched.isGone = true;
    this.#unobserve(watched);
  }

  #unobserve(watched: LocalVariable): void {
    if (watched.variable === undefined) this.#awaited.remove(watched.identifier, watched);
    else removeListener(observed(watched.variable), watched);
  }

  #offer(watched: LocalVariable, entry: VersionedValue, flags: number): void {
    const observation = this.#observations.get(watched.watch as WatchRun);
    if (observation === undefined) return;
    if (!observation.ring.push(entryOf(watched, entry, flags))) this.#handleOverflow(observation);
    this.#turns.enter(observation);
  }

  /** It hears no more; its end comes behind what waits, in a turn of its own: not inside somebody's set. */
  #handleOverflow(observation: Observation): void {
    const { run } = observation;
    for (const watched of run.variables.values()) this.#unobserve(watched as LocalVariable);
    this.#searching.delete(observation);
    observation.failure = new BufferOverflowError(
      `the watcher fell ${run.options.bufferLimit} updates behind and asked for overflow 'error': take updates faster, raise bufferLimit, or conflate`,
    );
  }
}

/** Nobody but these watches has listeners of a LocalState's variables. */
function observed(variable: Variable): Audience<LocalVariable> {
  return variable as Audience<LocalVariable>;
}

function entryOf(key: LocalVariable, entry: VersionedValue, flags: number): LocalEntry {
  return { key, value: entry.value, old: undefined, missed: 0, filtered: 0, flags, entry };
}
