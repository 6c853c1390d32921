/** `npm run chaos`: lives of one seed or several, one after the other, and what the judge says of each. Exit 1 when a promise was broken. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseChaosOptions, USAGE } from './chaos-options.js';
import { ServerHouse } from './faults/server-house.js';
import type { History } from './history/history.js';
import { live } from './life.js';
import { pause } from './programs/clock.js';
import type { LifePlan } from './programs/life-plan.js';
import { planLife } from './programs/life-plan.js';
import { SERVER_OPTIONS } from './programs/world.js';
import { howToReplay, lifeLine, violationLines } from './report/life-report.js';
import type { MemorySample } from './report/memory-trend.js';
import { memoryTrend, trendLine } from './report/memory-trend.js';
import { loadAndKill } from './restart-load.js';

type Samples = Record<'client, resident' | 'client, heap' | 'server, resident', MemorySample[]>;

async function main(): Promise<number> {
  const options = parseChaosOptions(process.argv.slice(2));
  const { seed, seeds, lengthMs, program, engine } = options;
  if (options.load !== undefined) return (await loadAndKill(options.load, say)) ? 0 : 1;
  const startMs = performance.now();
  const samples: Samples = { 'client, resident': [], 'client, heap': [], 'server, resident': [] };
  const failed: string[] = [];
  let lives = 0;
  const house = await ServerHouse.start(engine, SERVER_OPTIONS);
  say(seeds === 1 ? `seed ${seed}` : `seeds ${seed} to ${seed + seeds - 1}`);
  while (lives < options.lives && performance.now() - startMs < options.untilMs) {
    const plan = planLife(seed + (lives % seeds), options.life ?? Math.floor(lives / seeds), lengthMs, program, engine);
    lives += 1;
    if (options.printsSteps) for (const [place, step] of plan.steps.entries()) say(`${place} ${JSON.stringify(step)}`);
    const { history, violations, phases } = await live(plan, house);
    say(lifeLine(plan, history, violations, phases));
    if (violations.length > 0) {
      for (const line of violationLines(violations)) say(line);
      say(howToReplay(plan, program !== undefined));
      if (options.dump !== undefined) dump(options.dump, plan, history);
      failed.push(`${plan.seed}/${plan.life} (${plan.program})`);
    }
    await sample(samples, house);
  }
  await house.close();
  for (const [what, series] of Object.entries(samples)) say(trendLine(what, memoryTrend(series)));
  say(failed.length === 0 ? `${lives} lives, no violation` : `${lives} lives, violations in ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

/** Between two lives, when nothing is open. */
async function sample(samples: Samples, { servers: [server] }: ServerHouse): Promise<void> {
  // What finalisers and closing threads hold goes with a later collection.
  for (let round = 0; round < 4; round += 1) {
    (globalThis as { gc?: () => void }).gc?.();
    await pause(25);
  }
  const atMs = performance.now();
  const { rss, heapUsed } = process.memoryUsage();
  samples['client, resident'].push({ atMs, bytes: rss });
  samples['client, heap'].push({ atMs, bytes: heapUsed });
  samples['server, resident'].push({ atMs, bytes: (await server!.report()).rssBytes });
}

function dump(folder: string, plan: LifePlan, history: History): void {
  const text = JSON.stringify({ plan, history }, (_, value) => (value instanceof Map ? [...value] : value));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${plan.program}-${plan.seed}-${plan.life}.json`), text);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (process.argv.includes('--help')) say(USAGE);
else process.exitCode = await main();
