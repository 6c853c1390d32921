/** What a run says of its lives, to be read. */
import type { History } from '../history/history.js';
import type { LifePlan } from '../programs/life-plan.js';
import type { Violation } from '../validate/violation.js';

/** One line: how to tell it again, what it was and what came of it. */
export function lifeLine(
  plan: LifePlan,
  history: History,
  violations: readonly Violation[],
  phases: Readonly<Record<string, number>>,
): string {
  const { seed, life, program, pools, states, steps } = plan;
  const workers = plan.isLocal ? 'local' : pools.map((pool) => `${pool.workers}w/${pool.credits}`).join('+');
  const calls = history.watches.reduce((sum, { entries }) => sum + entries.length, 0);
  const took = Object.entries(phases).map(([phase, ms]) => `${phase} ${(ms / 1_000).toFixed(1)}`);
  const outcome = violations.length === 0 ? 'ok' : `${violations.length} VIOLATIONS`;
  const { restarts } = history;
  if (restarts.length > 0)
    took.push(
      `${restarts.length} restarts in ${Math.round(Math.max(...restarts.map(({ tookMs }) => tookMs)))} ms at most,`,
    );
  return `seed ${seed} life ${life} ${program} (${workers}, ${states.length} states): ${steps.length} steps, ${history.sets.length} sets, ${history.watches.length} watches told ${calls} times, ${took.join(' ')} s: ${outcome}`;
}

/** The first few of each rule; the rest are often its echo. */
export function violationLines(violations: readonly Violation[], perRule = 3): string[] {
  const rules = groups(violations);
  return [...rules].flatMap(([rule, sentences]) => [
    ...sentences.slice(0, perRule).map((sentence) => `  ${rule}: ${sentence}`),
    ...(sentences.length > perRule ? [`  ${rule}: … and ${sentences.length - perRule} more`] : []),
  ]);
}

export function howToReplay({ seed, life, program, engine: { engine, servers } }: LifePlan, asked: boolean): string {
  const over = engine === 'memory' ? '' : ` --engine ${engine}${servers > 1 ? ` --servers ${servers}` : ''}`;
  const name = `${over}${asked ? ` --program ${program}` : ''}`;
  return `  again: npm run chaos -- --seed ${seed} --life ${life}${name}   (the same steps; their timing is the machine's)`;
}

function groups(violations: readonly Violation[]): Map<string, string[]> {
  const rules = new Map<string, string[]>();
  for (const { rule, sentence } of violations) {
    const sentences = rules.get(rule) ?? [];
    sentences.push(sentence);
    rules.set(rule, sentences);
  }
  return rules;
}
