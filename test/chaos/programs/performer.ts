/** Does the steps of a plan, one after the other, waiting for nothing that it need not. Owner: the life. */
import type { StateProvider } from '../../../src/main/index.js';
import { FaultLine } from '../faults/fault-line.js';
import type { WatchRecord } from '../history/history.js';
import type { Recorder } from '../history/recorder.js';
import { nowMs, pause } from './clock.js';
import type { LifePlan } from './life-plan.js';
import { OtherCalls } from './other-calls.js';
import { RunningWatch } from './running-watch.js';
import type { Setter } from './setting.js';
import { LifeSets } from './setting.js';
import type { Step } from './step.js';
import { LifeVariables } from './variables.js';
import type { World } from './world.js';

type StepOf<K extends Step['does']> = Extract<Step, { does: K }>;

export class Performer {
  readonly #plan: LifePlan;
  readonly #world: World;
  readonly #recorder: Recorder;
  readonly #variables: LifeVariables;
  readonly #sets: LifeSets;
  readonly #calls: OtherCalls;
  readonly #faults: FaultLine;
  readonly #watches: RunningWatch[] = [];
  /** How often each state was opened anew: the order of calls is promised within one. */
  readonly #reopenings: number[];
  /** States that are closed and not open again. */
  readonly #closing = new Set<number>();
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(plan: LifePlan, world: World, recorder: Recorder) {
    this.#plan = plan;
    this.#world = world;
    this.#recorder = recorder;
    this.#variables = new LifeVariables(plan, world, recorder);
    this.#sets = new LifeSets(world, recorder, this.#variables);
    this.#calls = new OtherCalls(recorder, this.#variables);
    this.#faults = new FaultLine(world.proxies, world.house, recorder.history);
    this.#reopenings = plan.states.map(() => 0);
  }

  get watches(): readonly RunningWatch[] {
    return this.#watches;
  }

  async perform(): Promise<void> {
    await this.#variables.registerAll();
    for (const step of this.#plan.steps) {
      const done = this.#do(step);
      this.#underWay.add(done);
      void done.finally(() => this.#underWay.delete(done));
      // Without a pause the next step is made in the same turn.
      if (step.pauseMs > 0) await pause(step.pauseMs);
    }
  }

  /** Mends what is broken; what was under way comes to its end by itself. */
  async heal(): Promise<void> {
    await this.#faults.heal();
  }

  /** Whatever was begun by a step is over, or waits for something that was told as never settling. */
  async finish(deadlineMs: number): Promise<void> {
    const endMs = nowMs() + deadlineMs;
    while (this.#underWay.size > 0 && nowMs() < endMs) await pause(5);
  }

  /** One more set of everything: a watch that is alive hears of it. Where sessions were ended everything is there first. */
  async setAllOnce(): Promise<void> {
    if (this.#recorder.history.ends.length > 0) await this.#variables.registerAllOfPlan();
    await Promise.all(
      this.#world.sessionIds.map(async (_, session) => {
        const outside = this.#setter(undefined, session);
        const present = this.#plan.variables.flatMap(({ isLeg }, variable) =>
          this.#variables.isPresent(session, variable) ? [{ variable, isLeg }] : [],
        );
        const legs = present.filter(({ isLeg }) => isLeg).map(({ variable }) => variable);
        const plain = present.filter(({ isLeg }) => !isLeg).map(({ variable }) => variable);
        await Promise.all([this.#sets.batch(outside, legs, true), this.#sets.batch(outside, plain, false)]);
      }),
    );
  }

  #do(step: Step): Promise<unknown> {
    switch (step.does) {
      case 'watch':
        return this.#watch(step);
      case 'add':
      case 'remove':
        return this.#changeWatch(step);
      case 'stop':
        return this.#watches[step.watch]?.stop(step.by) ?? DONE;
      case 'set':
        return this.#sets.set(this.#setter(step.state), step.variable, step);
      case 'burst':
        return this.#sets.burst(this.#setterBy(step), step.variables, step.sets, step.atOnce);
      case 'batch':
        return this.#sets.batch(this.#setterBy(step), step.variables, false);
      case 'atomic':
        return this.#setLegs(step);
      case 'delete':
        return this.#variables.delete(step.session, step.variable);
      case 'register':
        return this.#variables.isPresent(step.session, step.variable)
          ? DONE
          : this.#variables.register(step.session, step.variable);
      case 'end-session':
        return this.#endSession(step);
      case 'abandon':
        return this.#variables.abandonAll(() => this.#leaveAlone(step.forMs));
      case 'retype':
        return this.#variables.retype(step.session, step.variable);
      case 'rollback':
      case 'import':
      case 'wait':
      case 'move':
        return this.#callOther(step);
      case 'read':
        return this.#read(step);
      case 'block':
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, step.forMs);
        return DONE;
      case 'restart-worker':
        return this.#restartWorker(step);
      case 'cut':
      case 'stall':
      case 'silence':
        this.#faults.wire(step.server, step.does, step.forMs);
        return DONE;
      case 'delay':
        this.#faults.wire(step.server, 'delay', step.forMs, step.delayMs);
        return DONE;
      case 'pause-server':
        this.#faults.pauseServer(step.server, step.forMs);
        return DONE;
      case 'kill-server':
        return this.#killServer(step);
      case 'cut-engine':
        this.#faults.cutEngine(step.server, step.forMs);
        return DONE;
      case 'kill-engine':
        return this.#faults.killEngine(step.forMs);
      case 'fill-engine':
        return this.#faults.fillEngine(step.forMs);
      case 'fail-over':
        return this.#faults.failOver();
      case 'reopen':
        return this.#reopen(step);
      default:
        return step satisfies never;
    }
  }

  async #watch({ state, variables, plan, isHasty }: StepOf<'watch'>): Promise<void> {
    const { session, pool } = this.#plan.states[state]!;
    const identifiers = new Map(
      variables.map((variable) => [this.#variables.identifierOf(session, variable, plan.byId), variable]),
    );
    const record: WatchRecord = {
      ...{ label: `w${this.#watches.length}`, state: this.#nameOf(state), session, identifiers, startMs: nowMs() },
      ...{ firstIdentifiers: [...identifiers.keys()], readyMs: undefined, entries: [], quietEntries: undefined },
      traits: {
        ...plan,
        isRateLimited: plan.debounceMs > 0 || plan.throttleMs > 0 || plan.conflates,
        isOneStream:
          plan.isAtomic ||
          (this.#plan.pools[pool]?.workers ?? 0) <= 1 ||
          (variables.length === 1 && plan.pattern === undefined),
      },
    };
    const watch = new RunningWatch(record, plan, this.#world.states[state]!, this.#recorder);
    this.#watches.push(watch);
    this.#recorder.history.watches.push(record);
    watch.start();
    if (isHasty) await watch.stop('end');
  }

  #changeWatch({ does, watch, variables, byId }: StepOf<'add' | 'remove'>): Promise<void> {
    const running = this.#watches[watch];
    if (running === undefined) return DONE;
    // An atomic one is judged by the variables that it has from the start, one of a pattern by what fits.
    const { isAtomic, pattern } = running.record.traits;
    if (isAtomic || pattern !== undefined) return DONE;
    const { session } = running.record;
    const identifiers = variables.map((variable) => this.#variables.identifierOf(session, variable, byId));
    if (does === 'remove') return running.remove(identifiers);
    return running.add(new Map(identifiers.map((identifier, place) => [identifier, variables[place]!])));
  }

  async #setLegs(step: StepOf<'atomic'>): Promise<void> {
    const legs = this.#plan.variables.flatMap(({ isLeg }, variable) => (isLeg ? [variable] : []));
    const setter = this.#setterBy(step);
    await Promise.all(Array.from({ length: step.rounds }, () => this.#sets.batch(setter, legs, true)));
  }

  #read({ state, variable, what }: StepOf<'read'>): Promise<unknown> {
    const provider = this.#world.states[state]!;
    const identifier = this.#variables.identifierOf(this.#plan.states[state]!.session, variable, false);
    return this.#recorder.track<unknown>(`${what} of ${identifier}`, readOf(provider, identifier, what));
  }

  #endSession({ session, server, isForced, anew, variables, retypes }: StepOf<'end-session'>): Promise<void> {
    const end = () => this.#world.endSession(session, server, isForced, anew === 'at-once');
    return this.#variables.endSession(session, end, anew === 'never' ? undefined : variables, retypes);
  }

  async #leaveAlone(forMs: number): Promise<void> {
    await this.#world.leave();
    for (const server of this.#world.proxies.keys()) this.#faults.wire(server, 'cut', forMs);
    await pause(forMs);
  }

  #callOther(step: StepOf<'rollback' | 'import' | 'wait' | 'move'>): Promise<void> {
    const provider = this.#world.states[step.state]!;
    const planned = this.#plan.states[step.state]!;
    const { session } = planned;
    switch (step.does) {
      case 'rollback':
        return this.#calls.rollback(provider, session, step.variable, step.back);
      case 'import':
        return this.#calls.import(provider, this.#nameOf(step.state), session, step.variables);
      case 'wait': {
        const names = step.variables.map((variable) => this.#variables.identifierOf(session, variable, false));
        return this.#calls.wait(provider, names, step.timeoutMs);
      }
      case 'move':
        return this.#calls.move(this.#world.optionsOf(planned), step.size, step.forMs);
      default:
        return step satisfies never;
    }
  }

  #restartWorker({ pool, worker }: StepOf<'restart-worker'>): Promise<unknown> {
    const { workers } = this.#plan.pools[pool]!;
    if (worker >= workers) return DONE;
    return this.#recorder.track('restart of a worker', this.#world.pools[pool]!.restartWorker(worker));
  }

  #killServer({ server, forMs }: StepOf<'kill-server'>): Promise<void> {
    const kill = () => this.#faults.killServer(server, forMs);
    return this.#recorder.history.isDurable ? kill() : this.#variables.forgetAll(kill);
  }

  /** The sets that were made before it closed get their answers. */
  async #reopen({ state, sets }: StepOf<'reopen'>): Promise<void> {
    if (this.#closing.has(state)) return;
    this.#closing.add(state);
    const setter = this.#setter(state);
    const legs = new Set(this.#plan.variables.flatMap(({ isLeg }, place) => (isLeg ? [place] : [])));
    const plain = this.#plan.variables.map((_, place) => place).filter((place) => !legs.has(place));
    const made = Array.from({ length: sets }, (_, place) =>
      this.#sets.set(setter, plain[place % plain.length]!, { kind: 'plain', byId: false, padding: 0 }),
    );
    const closing = this.#world.states[state]!.close();
    const name = this.#nameOf(state);
    const ending = this.#watches
      .filter(({ record }) => record.state === name)
      .map((watch) => watch.handleEnding(closing));
    await this.#recorder.track(`close of ${name}`, closing);
    const unanswered = (await Promise.all(made)).filter(({ error }) => error === 'CLOSED').length;
    // Towards a server that is away there is no answer to wait for.
    if (unanswered > 0 && !this.#plan.hasFaults) {
      const what = `${unanswered} of ${sets} sets that were made before close() of ${name} got no answer`;
      this.#recorder.history.troubles.push({ kind: 'unanswered', what });
    }
    await Promise.all(ending);
    const opened = await this.#recorder.track(
      `opening of a state after ${name}`,
      this.#world.open(this.#plan.states[state]!),
    );
    if (opened === undefined) return;
    this.#world.states[state] = opened;
    this.#reopenings[state]! += 1;
    this.#closing.delete(state);
  }

  #setterBy({ state, by }: { readonly state: number; readonly by: 'state' | 'writer' }): Setter {
    return by === 'state' ? this.#setter(state) : this.#setter(undefined, this.#plan.states[state]!.session);
  }

  #setter(state: number | undefined, session = 0): Setter {
    if (state === undefined)
      return { name: `outside of session ${session}`, session, state: undefined, isByLink: true };
    const planned = this.#plan.states[state]!;
    return {
      ...{ name: this.#nameOf(state), session: planned.session, state: this.#world.states[state]! },
      isByLink: planned.transport === 'link',
    };
  }

  #nameOf(state: number): string {
    return `state ${state}.${this.#reopenings[state]}`;
  }
}

function readOf(provider: StateProvider, identifier: string, what: StepOf<'read'>['what']): Promise<unknown> {
  switch (what) {
    case 'get':
      return provider.getVariable(identifier);
    case 'list':
      return provider.listVariables();
    case 'history':
      return provider.history(identifier, { limit: 5 });
    case 'watchers':
      return provider.listWatchers();
    default:
      return what satisfies never;
  }
}

const DONE = Promise.resolve();
