/** One client asks for as much as the server's defaults take; how long another client waits meanwhile, which shares nothing with it but the server. */
import { BenchProcess, deadlineForMs } from '../processes/bench-process.js';
import type { BystanderCalls } from '../processes/bystander.js';
import type { LargeClientCalls } from '../processes/large-client.js';
import { LARGE_REQUESTS } from '../processes/large-requests.js';
import type { ServerCalls } from '../processes/server.js';
import type { Row } from '../report/row.js';
import { medianRow, rowOf } from '../report/row.js';
import type { Measured, Scenario } from './scenario.js';
import { measureInTurn, outcomeOfCases } from './scenario.js';

export const large: Scenario = {
  name: 'large',
  summary: "one client's largest requests: how long another client's sets wait for them",
  isLong: true,
  run: (options) => {
    const rounds = options.size === 'quick' ? 2 : 5;
    const title = `large: sets of a client while another one has asked for much; medians of ${rounds} requests, the first of its server apart`;
    return outcomeOfCases(title, SUMMARIES, async (summary) => {
      const [measured] = await measureInTurn(options.runs, [() => askAgainAndAgain(summary, rounds)]);
      const { row, problems } = measured!;
      return { title, rows: row === undefined ? [] : [row], problems };
    });
  },
};

const SUMMARIES = LARGE_REQUESTS.map(({ summary }) => summary);

async function askAgainAndAgain(summary: string, rounds: number): Promise<Measured> {
  await using server = await BenchProcess.start<ServerCalls>('server', ['0', 'memory', 'default-limits']);
  await using client = await BenchProcess.start<LargeClientCalls>('large-client');
  await using bystander = await BenchProcess.start<BystanderCalls>('bystander');
  const port = await server.call('port', null);
  const place = SUMMARIES.indexOf(summary);
  await bystander.call('prepare', { port });
  await client.call('prepare', { port, place }, deadlineForMs(LARGE_REQUESTS[place]!.variables));
  const rows: Row[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    await client.call('make', null);
    await bystander.call('start', null);
    const answeredMs = await client.call('send', null);
    const { p50, p99, max } = await bystander.call('stop', null);
    const row = { scenario: 'large', transport: 'calls', case: summary, p50_ms: p50, p99_ms: p99 };
    rows.push(rowOf({ ...row, answered_ms: answeredMs, ...(round === 0 ? { first_max_ms: max } : { max_ms: max }) }));
  }
  const [first, ...later] = rows;
  return { row: { ...medianRow(later), first_max_ms: first!.first_max_ms! }, problems: [] };
}
