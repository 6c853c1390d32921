/** One test of an engine: a fresh engine with a host, sessions that are followed, and what was told of them. Owner: the test; ended: every engine is closed. */
import assert from 'node:assert/strict';
import type { Commit, Engine, Following, Group, Kept, Life, Outcome, SetPlace } from '../../server/engine/engine.js';
import type { WindowRecord } from '../../server/engine/records.js';
import { silentLogger } from '../../shared/logger.js';
import { dateNowMs } from '../../shared/platform-timers.js';
import type { Registration, Setter, TableOperation } from '../../shared/state/operation.js';
import { acceptDecoded, acceptRegistration, NO_SETTER } from '../../shared/state/operation.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import { within } from '../within.js';

/** How an engine is made, and what can be done to what it stands on. What means nothing for it is left out, and its tests are skipped. */
export interface EngineSetup {
  /** A fresh, empty one, not opened. */
  create(): Engine | Promise<Engine>;
  /** Another one over what that one kept, not opened: that one was closed, or killed. */
  reopen?(engine: Engine): Engine | Promise<Engine>;
  /** Ends it in the middle of whatever it does, as kill -9 does. */
  kill?(engine: Engine): Promise<void>;
  /** Takes its storage away for a while; what is returned gives it back. */
  cut?(engine: Engine): Promise<() => Promise<void>>;
  /** Leaves its storage no room; what is returned frees it. */
  fill?(engine: Engine): Promise<() => Promise<void>>;
  /** Makes its storage take that long for each thing, ms. */
  pause?(engine: Engine, ms: number): Promise<void>;
}

/** A session as its server has it. */
export class FollowedSession {
  readonly id: string;
  readonly told: Commit[] = [];
  readonly #engine: Engine;
  following!: Following;
  readonly #newId: () => string;

  constructor(engine: Engine, id: string, newId: () => string) {
    this.#engine = engine;
    this.id = id;
    this.#newId = newId;
  }

  handleCommit(commit: Commit): void {
    this.told.push(commit);
  }

  windows(): readonly WindowRecord[] {
    return this.following.windows;
  }

  get versions(): number[] {
    return this.told.flatMap(({ changes }) => changes.map(({ current }) => current.version));
  }

  ask(operations: readonly TableOperation[], more: Partial<Group> = {}): Kept<Outcome> {
    const { id: sessionId } = this;
    return this.#engine.commit({
      sessionId,
      operations,
      isAtomic: false,
      setter: NO_SETTER,
      nowMs: dateNowMs(),
      ...more,
    });
  }

  /** The only result. */
  async one(operation: TableOperation, more: Partial<Group> = {}): Promise<number> {
    const { results } = await within(
      asPromise(() => this.ask([operation], more)),
      'an answer of the engine',
    );
    const [result] = results;
    if (typeof result !== 'number') throw result;
    return result;
  }

  registration(name: string, more: Partial<Registration> = {}): TableOperation {
    return acceptRegistration({ name, type: 'float', initial: 0, ...more }, this.#newId());
  }

  register(name: string, more: Partial<Registration> = {}): Promise<number> {
    return this.one(this.registration(name, more));
  }

  setting(name: string, value: VariableValue, expectedVersion?: number): TableOperation {
    return acceptDecoded(name, this.following.table.require(name), value, expectedVersion);
  }

  set(
    name: string,
    value: VariableValue,
    { once, setter = NO_SETTER }: { once?: SetPlace; setter?: Setter } = {},
  ): Promise<number> {
    return this.one(this.setting(name, value), { once, setter });
  }

  delete(name: string): Promise<number> {
    const variable = this.following.table.require(name);
    return this.one({ kind: 'delete', identifier: name, variable, reason: 'deleted' });
  }

  async end(): Promise<void> {
    await within(
      asPromise(() => this.ask([], { isEnd: true })),
      'the end of a session',
    );
  }

  /** Each begins where the one before it ended. */
  checkChain(): void {
    let { before } = this.told[0] ?? { before: 0 };
    for (const commit of this.told) {
      assert.equal(commit.before, before, 'a commit begins where the one before it ended');
      assert.equal(commit.changes.at(-1)?.current.revision, commit.revision);
      before = commit.revision;
    }
  }
}

export class EngineTest {
  readonly #setup: EngineSetup;
  readonly #engines = new Set<Engine>();
  engine!: Engine;
  life!: Life;
  #ids = 0;

  private constructor(setup: EngineSetup) {
    this.#setup = setup;
  }

  static async run(setup: EngineSetup, body: (given: EngineTest) => Promise<void>): Promise<void> {
    const given = new EngineTest(setup);
    try {
      given.engine = await setup.create();
      given.life = await given.open(given.engine);
      await body(given);
    } finally {
      for (const engine of given.#engines) await within(engine.close(), 'the end of an engine');
    }
  }

  async open(engine: Engine): Promise<Life> {
    this.#engines.add(engine);
    const newId = (): string => {
      this.#ids += 1;
      return `var_${this.#ids}_${dateNowMs()}`;
    };
    const host = {
      table: { maxVariables: 200_000, history: { maxAgeMs: 60_000, maxVersions: 100, maxSessionBytes: 1e9 }, newId },
      nowMs: dateNowMs,
      epoch: undefined,
      newEpoch: () => `epoch_${newId()}`,
      logger: silentLogger,
      handleHealth: () => undefined,
    };
    return within(engine.open(host), 'the opening of an engine', 60_000);
  }

  /** Closes it, or forgets one that was killed, and opens another over what it kept. */
  async reopen(isKilled = false): Promise<void> {
    const before = this.engine;
    if (!isKilled) await within(before.close(), 'the end of an engine');
    this.#engines.delete(before);
    this.engine = await this.#setup.reopen!(before);
    this.life = await this.open(this.engine);
  }

  /** For a test that makes another engine beside. */
  forget(engine: Engine): void {
    this.#engines.delete(engine);
  }

  /** Made when it is not there. */
  async session(id = 's', isNew = true): Promise<FollowedSession> {
    const session = new FollowedSession(this.engine, id, () => {
      this.#ids += 1;
      return `var_${this.#ids}_${dateNowMs()}`;
    });
    const create = isNew ? { metadata: { owner: 'suite' }, createdAtMs: dateNowMs() } : undefined;
    const following = await within(
      asPromise(() => this.engine.follow(id, session, create)),
      'a session',
    );
    assert.ok(following !== undefined, `session ${id} is there`);
    session.following = following;
    return session;
  }
}

export async function asPromise<T>(ask: () => Kept<T>): Promise<T> {
  return ask();
}
