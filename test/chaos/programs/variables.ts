/** The variables of a life: registered, deleted and registered again, from outside and one after the other. Owner: the performer. */
import type { EndRecord, RegistrationRecord } from '../history/history.js';
import type { Recorder } from '../history/recorder.js';
import { encodeTag, TAGGED_TYPES, type TaggedType } from '../history/value-tag.js';
import { nowMs, pause } from './clock.js';
import type { LifePlan } from './life-plan.js';
import type { World } from './world.js';

export class LifeVariables {
  readonly #plan: LifePlan;
  readonly #world: World;
  readonly #recorder: Recorder;
  /** By session and variable: the id it has, as far as we know. */
  readonly #ids: (string | undefined)[][];
  readonly #present: boolean[][];
  readonly #types: TaggedType[][];
  /** Registrations, deletions and new servers come one after the other: which life is on which server is known. */
  #line: Promise<void> = Promise.resolve();

  constructor(plan: LifePlan, world: World, recorder: Recorder) {
    this.#plan = plan;
    this.#world = world;
    this.#recorder = recorder;
    this.#ids = world.sessionIds.map(() => []);
    this.#present = world.sessionIds.map(() => plan.variables.map(({ isLate }) => !isLate));
    this.#types = world.sessionIds.map(() => plan.variables.map(({ type }) => type));
  }

  /** Its name, or the id that it had last. */
  identifierOf(session: number, variable: number, byId: boolean): string {
    const { name } = this.#plan.variables[variable]!;
    return byId ? (this.#ids[session]![variable] ?? name) : name;
  }

  /** That it has, or gets next. */
  typeOf(session: number, variable: number): TaggedType {
    return this.#types[session]![variable]!;
  }

  isPresent(session: number, variable: number): boolean {
    return this.#present[session]![variable]!;
  }

  /** All that the plan has: so that whoever waits for one hears of it. */
  registerAllOfPlan(): Promise<void> {
    for (const present of this.#present) present.fill(true);
    return this.registerAll();
  }

  /** Those that should be there: at first, and after a server that forgot them. */
  registerAll(): Promise<void> {
    return this.#next(async () => {
      await Promise.all(this.#present.map((_, session) => this.#registerPresent(session)));
    });
  }

  async #registerPresent(session: number): Promise<void> {
    const legsSeq = this.#recorder.nextSeq();
    const variables = this.#present[session]!.flatMap((isPresent, variable) => (isPresent ? [variable] : []));
    await Promise.all(variables.map((variable) => this.#register(session, variable, legsSeq)));
  }

  register(session: number, variable: number): Promise<void> {
    return this.#next(() => this.#register(session, variable, this.#recorder.nextSeq()));
  }

  delete(session: number, variable: number): Promise<void> {
    return this.#next(() => this.#delete(session, variable));
  }

  /** The calls are made in one breath. */
  retype(session: number, variable: number): Promise<void> {
    return this.#next(async () => {
      const deleted = this.#delete(session, variable);
      this.#changeType(session, variable);
      await Promise.all([deleted, this.#register(session, variable, this.#recorder.nextSeq())]);
    });
  }

  /** `end` says whether it was ended. What it then has is the legs and `variables`; undefined where nobody makes it anew. */
  async endSession(
    session: number,
    end: () => Promise<boolean | undefined>,
    variables: readonly number[] | undefined,
    retypes: boolean,
  ): Promise<void> {
    await this.#next(async () => {
      if (!(await this.#endedBy(session, end))) return;
      const present = this.#present[session]!;
      present.fill(false);
      if (variables === undefined) return;
      if (retypes) for (const variable of variables) this.#changeType(session, variable);
      for (const [place, { isLeg }] of this.#plan.variables.entries())
        present[place] = isLeg || variables.includes(place);
      await this.#registerPresent(session);
    });
  }

  /** While nobody comes to any of them, sessions end. */
  async abandonAll(whileAway: () => Promise<void>): Promise<void> {
    await this.#next(async () => {
      const away = whileAway();
      const nobodyKnows = async () => {
        await away;
        return undefined;
      };
      await Promise.all(this.#present.map((_, session) => this.#endedBy(session, nobodyKnows)));
    });
    await this.registerAll();
  }

  /** Or may be. */
  async #endedBy(session: number, end: () => Promise<boolean | undefined>): Promise<boolean> {
    const record: EndRecord = { session, startMs: nowMs(), endMs: undefined, isEnded: undefined };
    this.#recorder.history.ends.push(record);
    record.isEnded = await end();
    record.endMs = nowMs();
    if (record.isEnded !== false) this.#recorder.history.epochs.push({ atMs: nowMs(), session });
    return record.isEnded !== false;
  }

  #changeType(session: number, variable: number): void {
    const types = this.#types[session]!;
    types[variable] = TAGGED_TYPES[(TAGGED_TYPES.indexOf(types[variable]!) + 1) % TAGGED_TYPES.length]!;
  }

  async #delete(session: number, variable: number): Promise<void> {
    const record = { session, variable, startMs: nowMs(), endMs: undefined, error: undefined };
    this.#recorder.history.deletions.push(record);
    const identifier = this.identifierOf(session, variable, false);
    const [answer] = await this.#world.call(session, [{ name: 'delete', identifier }]);
    const { endMs, error } = answer!;
    Object.assign(record, { endMs, error: error?.code });
    if (error !== undefined) this.#recorder.reject(`delete of ${identifier}`, error);
    else this.#present[session]![variable] = false;
  }

  /** `kill` ends with another server, that knows nothing. */
  async forgetAll(kill: () => Promise<void>): Promise<void> {
    await this.#next(async () => {
      await kill();
      this.#recorder.history.epochs.push({ atMs: nowMs() });
    });
    await this.registerAll();
  }

  async #register(session: number, variable: number, seq: number): Promise<void> {
    const { isLeg } = this.#plan.variables[variable]!;
    const type = this.typeOf(session, variable);
    const identifier = this.identifierOf(session, variable, false);
    // Legs that are registered together count as set together.
    const tag = { session, variable, seq: isLeg ? seq : this.#recorder.nextSeq() };
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const record: RegistrationRecord = { tag, startMs: nowMs(), endMs: undefined, id: undefined, error: undefined };
      this.#recorder.history.registrations.push(record);
      const call = { name: 'register', identifier, type, value: encodeTag(type, tag) } as const;
      const [answer] = await this.#world.call(session, [call]);
      const { startMs, endMs, result, error } = answer!;
      Object.assign(record, { startMs, endMs, id: result, error: error?.code });
      if (error === undefined) {
        this.#ids[session]![variable] = result as string;
        this.#present[session]![variable] = true;
        return;
      }
      this.#recorder.reject(`register of ${identifier}`, error);
      if (error.code === 'ALREADY_EXISTS') {
        this.#present[session]![variable] = true;
        return;
      }
      await pause(20);
    }
  }

  #next(make: () => Promise<void>): Promise<void> {
    this.#line = this.#line.then(make);
    return this.#line;
  }
}

const ATTEMPTS = 100;
