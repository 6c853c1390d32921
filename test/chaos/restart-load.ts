/** `npm run chaos -- --engine sqlite --kills K`: a loaded server that is killed again and again, and what its client saw of it. */
import { BridgedState, type UpdateMetadata, type VariableValue } from '../../src/main/index.js';
import { LocalEngine, SqliteJournal } from '../../src/server/index.js';
import { dateNowMs } from '../../src/shared/platform-timers.js';
import { acceptRegistration, NO_SETTER } from '../../src/shared/state/operation.js';
import { randomId } from '../../src/shared/system-clock.js';
import { hostOf } from '../server/engine/stub-journal.js';
import { ServerHouse } from './faults/server-house.js';
import { nowMs, pause } from './programs/clock.js';
import { Random } from './programs/random.js';

export interface LoadOptions {
  readonly seed: number;
  readonly kills: number;
  /** Sets a second, one after the other over the watched variables. */
  readonly rate: number;
  readonly watches: number;
  /** In the session, watched or not. */
  readonly variables: number;
}

interface Watched {
  /** Values set so far are 1 to this: the version of a value is the value and one. */
  set: number;
  /** Highest version that was acknowledged, and that its watch was told. */
  acknowledged: number;
  told: number;
}

/** Resolves with what it says, and whether everything held. */
export async function loadAndKill(options: LoadOptions, say: (line: string) => void): Promise<boolean> {
  const { seed, kills, rate, watches, variables } = options;
  const random = new Random(seed, kills);
  const house = await ServerHouse.start({ engine: 'sqlite', servers: 1 }, {}, (folder) => fill(folder, variables));
  const [server] = house.servers;
  const endpoint = `127.0.0.1:${server!.port}`;
  const open = () => BridgedState.open({ endpoint, sessionId: SESSION, workers: 1, ...PATIENT });
  const [writer, watcher] = [await open(), await open()];
  const watched: Watched[] = Array.from({ length: watches }, () => ({ set: 0, acknowledged: 1, told: 1 }));
  const broken: string[] = [];
  const errors = new Map<string, number>();
  const listening: number[] = [];
  const live: number[] = [];
  await Promise.all(watched.map((one, place) => watcher.watchVariables(nameOf(place), told.bind(undefined, one))));
  say(`${variables} variables, ${watches} watches, ${rate} sets/s, ${kills} kills`);

  let isOver = false;
  let sets = 0;
  const underWay = new Set<Promise<void>>();
  const setting = (async () => {
    const startMs = nowMs();
    while (!isOver) {
      for (const due = ((nowMs() - startMs) * rate) / 1_000; sets < due; sets += 1) {
        const set = setOne(sets % watches);
        underWay.add(set);
        void set.finally(() => underWay.delete(set));
      }
      await pause(5);
    }
  })();
  const { epoch } = server!;
  for (let kill = 1; kill <= kills; kill += 1) {
    await pause(random.whole(300, 1_500));
    await server!.kill();
    const killedMs = nowMs();
    const before = sets;
    await server!.restart();
    listening.push(nowMs() - killedMs);
    if (server!.epoch !== epoch) broken.push(`kill ${kill}: the epoch was ${epoch}, and is ${server!.epoch}`);
    // Told of what was set after the kill: it is live again.
    const endMs = nowMs() + CATCH_UP_MS;
    const next = watched[before % watches]!;
    const due = next.set + 1;
    while (next.told < due && nowMs() < endMs) await pause(2);
    if (next.told < due) broken.push(`kill ${kill}: no change came for ${CATCH_UP_MS} ms`);
    live.push(nowMs() - killedMs);
  }
  isOver = true;
  await setting;
  await Promise.all(underWay);
  const endMs = nowMs() + CATCH_UP_MS;
  while (watched.some((one) => one.told < one.acknowledged) && nowMs() < endMs) await pause(20);
  for (const [place, one] of watched.entries()) {
    const { version } = await writer.getVariableInfo(nameOf(place));
    if (version < one.acknowledged)
      broken.push(`${nameOf(place)}: version ${one.acknowledged} was acknowledged, it is at ${version}`);
    if (one.told < version) broken.push(`${nameOf(place)}: at version ${version}, its watch was told ${one.told}`);
  }
  await Promise.all([writer.close(), watcher.close()]);
  await house.close();
  for (const line of broken.slice(0, 20)) say(`  ${line}`);
  const failed = [...errors].map(([code, count]) => `, ${count} ${code}`).join('');
  say(`${sets} sets${failed}; listening again ${spread(listening)}, told again ${spread(live)} after the kill`);
  say(broken.length === 0 ? 'nothing lost, nothing missed, no resync, one epoch' : `${broken.length} VIOLATIONS`);
  return broken.length === 0;

  async function setOne(place: number): Promise<void> {
    const one = watched[place]!;
    one.set += 1;
    const value = one.set;
    try {
      const version = await writer.setVariable(nameOf(place), value);
      // Each set is made once, in the order of the calls.
      if (version !== value + 1 && errors.size === 0)
        broken.push(`${nameOf(place)}: value ${value} became version ${version}`);
      one.acknowledged = Math.max(one.acknowledged, version);
    } catch (error) {
      const code = (error as { code?: string }).code ?? String(error);
      errors.set(code, (errors.get(code) ?? 0) + 1);
    }
  }

  function told(
    one: Watched,
    name: string,
    _: VariableValue | undefined,
    value: VariableValue | undefined,
    { version, missed, resync }: UpdateMetadata,
  ): void {
    if (missed > 0 || resync) broken.push(`${name}: version ${version} says missed ${missed}, resync ${resync}`);
    if (version !== one.told + 1) broken.push(`${name}: version ${version} after ${one.told}`);
    if (value !== version - 1 && errors.size === 0) broken.push(`${name}: version ${version} is ${value}`);
    one.told = version;
  }
}

/** Registered by the engine itself: by calls of one connection they would be kept one by one. */
async function fill(folder: string, variables: number): Promise<void> {
  const journal = new CoveredJournal(folder, { durability: 'os' });
  const engine = new LocalEngine(journal, { snapshotEveryMs: 100 });
  const { table } = hostOf();
  await engine.open(
    hostOf({ table: { ...table, maxVariables: variables, timestampAt: dateNowMs }, newEpoch: () => 'filled' }),
  );
  const follower = { handleCommit: () => undefined, windows: () => [] };
  await engine.follow(SESSION, follower, { metadata: {}, createdAtMs: 0 });
  for (let from = 0; from < variables; from += AT_ONCE) {
    const places = Array.from({ length: Math.min(AT_ONCE, variables - from) }, (_, place) => from + place);
    const operations = places.map((place) =>
      acceptRegistration({ name: nameOf(place), type: 'integer', initial: 0 }, randomId('var')),
    );
    await engine.commit({ sessionId: SESSION, operations, isAtomic: false, setter: NO_SETTER, nowMs: 0 });
  }
  while (journal.coveredTo < variables / AT_ONCE) await pause(20);
  await engine.close();
}

class CoveredJournal extends SqliteJournal {
  /** A whole snapshot has all appends up to it. */
  coveredTo = 0;

  override async cut(...args: Parameters<SqliteJournal['cut']>): Promise<void> {
    await super.cut(...args);
    [this.coveredTo] = args;
  }
}

function nameOf(place: number): string {
  return `load/${place}`;
}

function spread(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b).map(Math.round);
  return `${sorted[Math.floor(sorted.length / 2)]} ms (at most ${sorted.at(-1)})`;
}

/** A set waits for the server to come back, however long. */
const PATIENT = {
  limits: { callTimeoutMs: 60_000, queuedSets: 1_000_000, openTimeoutMs: 30_000 },
  reconnect: { baseMs: 20, capMs: 200, spreadMs: 20 },
  breaker: { failures: 1_000, openMs: 100 },
} as const;
const SESSION = 'load';
const AT_ONCE = 1_000;
const CATCH_UP_MS = 30_000;
