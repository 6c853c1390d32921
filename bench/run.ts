/** `npm run bench`: runs the scenarios one after the other, prints a table of each, writes the figures. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { BenchOptions } from './bench-options.js';
import { helpText, parseBenchOptions, UsageError } from './bench-options.js';
import type { PeerName } from './peers/peer-programs.js';
import { isInstalled, missingPeerText } from './peers/peer-programs.js';
import { judgeBudgets } from './report/budgets.js';
import { formatHtml } from './report/html.js';
import type { Report } from './report/json.js';
import { joinReports, reportOf } from './report/json.js';
import type { Row } from './report/row.js';
import { formatTable } from './report/table.js';
import { burst } from './scenarios/burst.js';
import { busy } from './scenarios/busy.js';
import { churn } from './scenarios/churn.js';
import { engine } from './scenarios/engine.js';
import { fanout } from './scenarios/fanout.js';
import { large } from './scenarios/large.js';
import { local } from './scenarios/local.js';
import { memory } from './scenarios/memory.js';
import { micro } from './scenarios/micro.js';
import { mixed } from './scenarios/mixed.js';
import { open } from './scenarios/open.js';
import { python } from './scenarios/python.js';
import { rates } from './scenarios/rates.js';
import { restart } from './scenarios/restart.js';
import type { Scenario } from './scenarios/scenario.js';
import { servers } from './scenarios/servers.js';
import { sets } from './scenarios/sets.js';
import { slow } from './scenarios/slow.js';
import { steady } from './scenarios/steady.js';
import { watches } from './scenarios/watches.js';
import { workers } from './scenarios/workers.js';

const SCENARIOS: readonly Scenario[] = [
  ...[steady, busy, fanout, open, churn, sets, local, micro],
  ...[rates, watches, memory, workers, burst, slow, restart, large, mixed, python, engine, servers],
];

// Who reads the table may stop reading (`| head`); the figures are written all the same.
process.stdout.on('error', () => {});
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const known = SCENARIOS.map(({ name }) => name);
    const usual = SCENARIOS.filter(({ isLong }) => isLong !== true).map(({ name }) => name);
    const options = parseBenchOptions(args, known, usual);
    if (options === undefined) {
      say(helpText(SCENARIOS));
      return 0;
    }
    return await runAll(options.fromFiles.length > 0 ? options : { ...options, peers: installedPeers(options) });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`bench: ${error.message}; --help lists everything\n`);
    return 2;
  }
}

async function runAll(options: BenchOptions): Promise<number> {
  if (options.fromFiles.length > 0) return joinFiles(options);
  const rows: Row[] = [];
  const problems: string[] = [];
  for (const scenario of SCENARIOS.filter(({ name }) => options.names.includes(name))) {
    try {
      const outcome = await scenario.run(options);
      show(outcome.title, outcome.rows);
      rows.push(...outcome.rows);
      problems.push(...outcome.problems);
    } catch (error) {
      // The others are worth having all the same.
      problems.push(`${scenario.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  write(reportOf(rows, options.runs), options);
  for (const problem of problems) process.stderr.write(`bench: FAILED: ${problem}\n`);
  return problems.length === 0 ? 0 : 1;
}

/** Shows what was measured before, as one. */
function joinFiles(options: BenchOptions): number {
  const joined = joinReports(options.fromFiles.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report));
  for (const scenario of new Set(joined.rows.map((row) => row.scenario))) {
    show(
      scenario,
      joined.rows.filter((row) => row.scenario === scenario),
    );
  }
  write(joined, options);
  return 0;
}

function show(title: string, rows: readonly Row[]): void {
  say(`\n${title}`);
  for (const [name, own] of byCase(rows)) say(`${name === undefined ? '' : `${name}:\n`}${formatTable(own)}`);
  for (const verdict of judgeBudgets(rows)) say(`  ${verdict}`);
}

function write(report: Report, { jsonFile, htmlFile }: BenchOptions): void {
  if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify(report, undefined, 2)}\n`);
  if (htmlFile !== undefined) writeFileSync(htmlFile, formatHtml(report));
}

/** The rows of a scenario in tables, one a case. */
function byCase(rows: readonly Row[]): Map<string | undefined, Row[]> {
  const cases = new Map<string | undefined, Row[]>();
  for (const row of rows) {
    const known = cases.get(row.case);
    if (known === undefined) cases.set(row.case, [row]);
    else known.push(row);
  }
  return cases;
}

/** Says of each other one how to get it. */
function installedPeers({ peers }: BenchOptions): PeerName[] {
  for (const peer of peers) if (!isInstalled(peer)) say(missingPeerText(peer));
  return peers.filter(isInstalled);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
