/** One test of the suite: a fresh provider, recordings of its watches, and at the end nothing may be left. */
import assert from 'node:assert/strict';
import type { StateProvider, Watch, WatchTarget } from '../../main/state-provider.js';
import { InternalError } from '../../shared/errors.js';
import type { WatchOptionsInput } from '../../shared/options.js';
import { until, within } from '../within.js';
import { Recording } from './recording.js';

export type Body = (contract: ContractTest) => Promise<void>;

/** States a promise; `body` proves it. */
export type Promised = (sentence: string, body: Body) => void;

export class ContractTest {
  readonly provider: StateProvider;
  readonly #create: () => Promise<StateProvider>;
  readonly #providers: StateProvider[] = [];
  readonly #recordings: Recording[] = [];

  private constructor(create: () => Promise<StateProvider>, provider: StateProvider) {
    this.#create = create;
    this.provider = provider;
    this.#providers.push(provider);
  }

  static async run(create: () => Promise<StateProvider>, body: Body): Promise<void> {
    const contract = new ContractTest(create, await within(create(), 'a fresh provider'));
    try {
      await body(contract);
      await contract.#checkNothingLeft();
    } finally {
      for (const provider of contract.#providers) await within(provider.close(), 'the end of a provider');
    }
  }

  /** One more provider, as empty as the first. */
  async another(): Promise<StateProvider> {
    const provider = await within(this.#create(), 'another fresh provider');
    this.#providers.push(provider);
    return provider;
  }

  /** Registers floats. */
  async floats(values: Readonly<Record<string, number>>): Promise<void> {
    for (const [name, value] of Object.entries(values)) await this.provider.registerVariable(name, 'float', value);
  }

  /** A registered watch whose calls are recorded. The provider checks its books, and we check that old and new chain. */
  async record(target: WatchTarget, options: WatchOptionsInput = {}): Promise<Recording> {
    return this.#record(target, options, (recording, recorded) =>
      this.provider.watchVariables(target, recording.watcher, recorded),
    );
  }

  /** The same with `batch: true`. */
  async recordBatches(target: WatchTarget, options: WatchOptionsInput = {}): Promise<Recording> {
    return this.#record(target, options, (recording, recorded) =>
      this.provider.watchVariables(target, recording.batchWatcher, { ...recorded, batch: true }),
    );
  }

  async #record(
    target: WatchTarget,
    options: WatchOptionsInput,
    watch: (recording: Recording, recorded: WatchOptionsInput) => Promise<Watch>,
  ): Promise<Recording> {
    const recording = new Recording();
    const { onError } = options;
    const watching = watch(recording, {
      verify: true,
      ...options,
      onError: (error) => {
        recording.errors.push(error);
        onError?.(error);
      },
    });
    recording.watch = await within(watching, `a watch of ${JSON.stringify(target)}`);
    this.#recordings.push(recording);
    return recording;
  }

  /** Values and versions of every variable, to compare before and after. */
  async snapshot(): Promise<Map<string, unknown>> {
    const variables = await this.provider.listVariables();
    return new Map(
      variables.map(({ name, type, value, version, constraints }) => [name, { type, value, version, constraints }]),
    );
  }

  /** The call is refused with an error of this class, and every variable is as it was. */
  async refuses<E extends Error>(
    call: () => Promise<unknown>,
    errorClass: abstract new (...args: never[]) => E,
    what = 'the call',
  ): Promise<E> {
    const before = await this.snapshot();
    const error = await refusalOf(call, what);
    assert.ok(error instanceof errorClass, `${what}: ${errorClass.name} was expected, not ${String(error)}`);
    assert.ok(error.message.length > 10, `${what}: an error says in a sentence what is wrong`);
    assert.deepEqual(await this.snapshot(), before, `${what}: a refused call changes nothing`);
    return error;
  }

  async #checkNothingLeft(): Promise<void> {
    for (const recording of this.#recordings) {
      const internal = recording.errors.filter((error) => error instanceof InternalError);
      assert.deepEqual(internal, [], 'the books of every watch balance');
      recording.checkVersions();
      await within(recording.watch.stop(), 'the end of a watch');
    }
    for (const provider of this.#providers) {
      const left = async () => (await provider.listWatchers()).length === 0;
      await until(left, 'no watch is left when all are stopped').catch(async (error: unknown) => {
        // A closed provider may refuse to answer; then there is none.
        if (!isClosed(await refusalOf(() => provider.listWatchers(), 'listWatchers').catch(() => undefined)))
          throw error;
      });
    }
  }
}

async function refusalOf(call: () => Promise<unknown>, what: string): Promise<unknown> {
  let result: unknown;
  try {
    result = await within(call(), what);
  } catch (error) {
    return error;
  }
  return assert.fail(`${what} was not refused: it resolved with ${String(result)}`);
}

function isClosed(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === 'CLOSED';
}
