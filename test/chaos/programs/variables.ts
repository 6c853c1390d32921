/** The variables of a life: registered, deleted and registered again, from outside and one after the other. Owner: the performer. */
import type { RegistrationRecord } from '../history/history.js';
import type { Recorder } from '../history/recorder.js';
import { encodeTag } from '../history/value-tag.js';
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
  /** Registrations, deletions and new servers come one after the other: which life is on which server is known. */
  #line: Promise<void> = Promise.resolve();

  constructor(plan: LifePlan, world: World, recorder: Recorder) {
    this.#plan = plan;
    this.#world = world;
    this.#recorder = recorder;
    this.#ids = world.sessionIds.map(() => []);
    this.#present = world.sessionIds.map(() => plan.variables.map(({ isLate }) => !isLate));
  }

  /** Its name, or the id that it had last. */
  identifierOf(session: number, variable: number, byId: boolean): string {
    const { name } = this.#plan.variables[variable]!;
    return byId ? (this.#ids[session]![variable] ?? name) : name;
  }

  isPresent(session: number, variable: number): boolean {
    return this.#present[session]![variable]!;
  }

  /** Those that should be there: at first, and after a server that forgot them. */
  registerAll(): Promise<void> {
    return this.#next(async () => {
      await Promise.all(
        this.#present.map(async (present, session) => {
          const legsSeq = this.#recorder.nextSeq();
          const variables = present.flatMap((isPresent, variable) => (isPresent ? [variable] : []));
          await Promise.all(variables.map((variable) => this.#register(session, variable, legsSeq)));
        }),
      );
    });
  }

  register(session: number, variable: number): Promise<void> {
    return this.#next(() => this.#register(session, variable, this.#recorder.nextSeq()));
  }

  delete(session: number, variable: number): Promise<void> {
    return this.#next(async () => {
      const record = { session, variable, startMs: nowMs(), endMs: undefined, error: undefined };
      this.#recorder.history.deletions.push(record);
      const identifier = this.identifierOf(session, variable, false);
      const [answer] = await this.#world.call(session, [{ name: 'delete', identifier }]);
      const { endMs, error } = answer!;
      Object.assign(record, { endMs, error: error?.code });
      if (error !== undefined) this.#recorder.reject(`delete of ${identifier}`, error);
      else this.#present[session]![variable] = false;
    });
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
    const { type, isLeg } = this.#plan.variables[variable]!;
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
