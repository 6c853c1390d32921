/** One life: its program, then quiet, then the end, and what the judge says. Bounded in time: whatever does not come is a violation. */
import type { BridgeServerMetrics } from '../../src/server/index.js';
import type { ServerHouse } from './faults/server-house.js';
import type { History, PresentVariable, PresentWatch, TroubleRecord } from './history/history.js';
import { emptyHistory } from './history/history.js';
import { Recorder } from './history/recorder.js';
import { decodeTag } from './history/value-tag.js';
import { nowMs, pause } from './programs/clock.js';
import type { LifePlan } from './programs/life-plan.js';
import { Performer } from './programs/performer.js';
import { callTimeoutOf, openWorld, type World } from './programs/world.js';
import type { ReadVariable } from './programs/writer-calls.js';
import { theLastValueArrives } from './validate/06-the-last-value-arrives.js';
import { judge } from './validate/judge.js';
import type { Violation } from './validate/violation.js';

export interface LifeResult {
  readonly history: History;
  readonly violations: readonly Violation[];
  /** How long each part of it took, ms. */
  readonly phases: Readonly<Record<string, number>>;
}

export async function live(plan: LifePlan, steadyHouse: ServerHouse | undefined): Promise<LifeResult> {
  const phases: Record<string, number> = {};
  let sinceMs = nowMs();
  const endPhase = (name: string) => {
    phases[name] = nowMs() - sinceMs;
    sinceMs = nowMs();
  };
  const names = plan.variables.map(({ name, isLeg }) => ({ name, isLeg }));
  const sessionIds = Array.from({ length: plan.sessions }, (_, place) => ({ sessionId: `${place}`, variables: names }));
  const history = emptyHistory(sessionIds, {
    hasFaults: plan.hasFaults,
    isDurable: plan.engine.engine !== 'memory',
    isGapless: plan.isGapless,
    mayExpire: plan.mayExpire,
    callTimeoutMs: callTimeoutOf(plan),
    servers: plan.engine.servers,
  });
  const recorder = new Recorder(history);
  const unlisten = listenForStrays(history.troubles);
  let world: World | undefined;
  try {
    world = await openWorld(plan, recorder, steadyHouse);
    for (const [place, sessionId] of world.sessionIds.entries()) Object.assign(sessionIds[place]!, { sessionId });
    const performer = new Performer(plan, world, recorder);
    endPhase('open');
    await performer.perform();
    endPhase('steps');
    await performer.heal();
    await recorder.settle(SETTLE_MS, 'has not settled after the faults');
    await performer.finish(FINISH_MS);
    endPhase('settle');
    await performer.setAllOnce();
    await beQuiet(plan, history, world, performer);
    checkPeeks(plan, history, world, performer);
    endPhase('quiet');
    await end(history, world, performer, recorder);
    endPhase('end');
  } catch (error) {
    history.troubles.push({
      kind: 'stuck',
      what: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    // What it leaves open would be the next lives' memory.
    if (world !== undefined) await Promise.race([closeAll(world), pause(CLOSE_MS)]);
  } finally {
    unlisten();
  }
  return { history, violations: judge(history), phases };
}

/** Waits until every watch knows what the server holds, or until it should have. Then writes down how things are. */
async function beQuiet(plan: LifePlan, history: History, world: World, performer: Performer): Promise<void> {
  const endMs = nowMs() + QUIET_MS;
  for (;;) {
    const variables = await readAll(plan, world).catch((error: unknown) => {
      // A change whose caller was told that its time is up may still be made, and take away what was just listed.
      if (nowMs() > endMs) throw error;
      return undefined;
    });
    if (variables === undefined) continue;
    history.quiet = { atMs: nowMs(), variables, watchers: await listAll(world, performer) };
    for (const watch of history.watches) watch.quietEntries = watch.entries.length;
    const isCalm = history.watches.every((watch) => theLastValueArrives(watch, history).length === 0);
    const isHeld = history.quiet.watchers.some(({ buffered }) => buffered > 0);
    if ((isCalm && !isHeld) || nowMs() > endMs) return;
    await pause(20);
  }
}

/** What a state peeks of a variable, where it knows anything, is the server's present value. Where a condition is asked, it may know less. */
function checkPeeks(plan: LifePlan, history: History, world: World, performer: Performer): void {
  for (const [place, state] of world.states.entries()) {
    const { session } = plan.states[place]!;
    const filtered = new Set<number>();
    for (const { provider, record } of performer.watches)
      if (provider === state && record.traits.filter === 'condition')
        for (const variable of record.identifiers.values()) filtered.add(variable);
    for (const present of history.quiet?.variables ?? []) {
      if (present.session !== session || filtered.has(present.variable)) continue;
      const peeked = state.peek(present.id);
      if (peeked === undefined || decodeTag(peeked)?.seq === present.tag.seq) continue;
      const what = `state ${place} peeks ${peeked} (#${decodeTag(peeked)?.seq}) of ${present.id}, which is at #${present.tag.seq}`;
      history.troubles.push({ kind: 'stale-peek', what });
    }
  }
}

async function readAll(plan: LifePlan, world: World): Promise<PresentVariable[]> {
  const names = new Set(plan.variables.map(({ name }) => name));
  const sessions = await Promise.all(
    world.sessionIds.map(async (_, session) => {
      const [answer] = await world.call(session, [{ name: 'read' }]);
      const { error, result } = answer!;
      if (error !== undefined) throw new Error(`the session cannot be read: ${error.message}`);
      // A context that moved has brought others.
      const ours = (result as ReadVariable[]).filter(({ name }) => names.has(name));
      return ours.map(({ id, version, tag, isNumber, kept }) => ({
        ...{ session, variable: tag?.variable ?? -1, id, version, tag: tag ?? FOREIGN, isNumber },
        kept: kept.map((entry) => ({ version: entry.version, tag: entry.tag ?? FOREIGN })),
      }));
    }),
  );
  return sessions.flat();
}

async function listAll(world: World, performer: Performer): Promise<PresentWatch[]> {
  const lists = await Promise.all(
    world.states.map(async (provider) => {
      const infos = new Map((await provider.listWatchers()).map((info) => [info.ref, info]));
      const watches = performer.watches.filter((watch) => watch.provider === provider && watch.ref !== undefined);
      return watches.flatMap((watch) => {
        const info = infos.get(watch.ref!);
        if (info === undefined) return [];
        const { updatesDelivered, updatesFiltered, updatesRateLimited, updatesMissed, buffered } = info.stats;
        const counts = { delivered: updatesDelivered, filtered: updatesFiltered, rateLimited: updatesRateLimited };
        return [{ label: watch.record.label, state: info.state, ...counts, missed: updatesMissed, buffered }];
      });
    }),
  );
  return lists.flat();
}

/** Half of the watches are stopped, the others end with their states. Afterwards nothing is left at the server. */
async function end(history: History, world: World, performer: Performer, recorder: Recorder): Promise<void> {
  for (const [place, watch] of performer.watches.entries()) if (place % 2 === 0) void watch.stop('stop');
  await recorder.settle(CLOSE_MS, 'of the end has not settled');
  const closing = Promise.all(world.states.map((state) => state.close()));
  for (const [place, watch] of performer.watches.entries()) if (place % 2 === 1) void watch.handleEnding(closing);
  void recorder.track('close of all states', closing);
  await recorder.settle(CLOSE_MS, 'has not settled');
  if (world.house !== undefined) await nothingIsLeft(world.house, history.troubles);
  const closed = recorder.track('close of the pools', world.close());
  await recorder.settle(CLOSE_MS, 'has not settled');
  await Promise.race([closed, pause(0)]);
  for (const watch of performer.watches) watch.release();
  await world.cleanUp();
  if (world.house !== undefined) await noSessionIsLeft(world.house, history.troubles);
  await world.closeHouse();
}

async function closeAll(world: World): Promise<void> {
  await Promise.allSettled(world.states.map((state) => state.close()));
  await world.close().catch(() => undefined);
  await world.cleanUp().catch(() => undefined);
  await world.closeHouse().catch(() => undefined);
}

/** Of its watches. */
function nothingIsLeft(house: ServerHouse, troubles: TroubleRecord[]): Promise<void> {
  return comesToNothing(house, ['streams', 'observers'], troubles);
}

/** Of anything. */
function noSessionIsLeft(house: ServerHouse, troubles: TroubleRecord[]): Promise<void> {
  return comesToNothing(house, ['sessions', 'variables', 'links', 'observers', 'heldBytes', 'requestBytes'], troubles);
}

async function comesToNothing(
  { servers }: ServerHouse,
  what: readonly (keyof BridgeServerMetrics)[],
  troubles: TroubleRecord[],
): Promise<void> {
  const endMs = nowMs() + CLOSE_MS;
  for (;;) {
    const all = await Promise.all(servers.map(async (server) => (await server.report()).metrics));
    const left = what.flatMap((name) => {
      const sum = all.reduce((before, metrics) => before + metrics[name], 0);
      return sum === 0 ? [] : [`${name} ${sum}`];
    });
    if (left.length === 0) return;
    if (nowMs() > endMs) {
      troubles.push({ kind: 'left-over', what: `at the server: ${left.join(', ')}` });
      return;
    }
    await pause(20);
  }
}

function listenForStrays(troubles: TroubleRecord[]): () => void {
  const handle = (error: unknown) =>
    void troubles.push({
      kind: 'unhandled',
      what: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  process.on('unhandledRejection', handle);
  process.on('uncaughtException', handle);
  return () => {
    process.off('unhandledRejection', handle);
    process.off('uncaughtException', handle);
  };
}

const SETTLE_MS = 12_000;
const FINISH_MS = 5_000;
const QUIET_MS = 10_000;
const CLOSE_MS = 8_000;
const FOREIGN = { session: -1, variable: -1, seq: -1 };
