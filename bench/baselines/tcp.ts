/** A bare TCP ping-pong between two processes. A round trip has two hops, as many as a set has on its way to a watcher: nothing can be faster. */
import { BenchProcess } from '../processes/bench-process.js';
import type { TcpCalls } from '../processes/tcp.js';
import type { Row } from '../report/row.js';
import { rowOf } from '../report/row.js';

export async function measureTcp(scenario: string, seconds: number): Promise<Row> {
  await using echo = await BenchProcess.start<TcpCalls>('tcp');
  await using pinger = await BenchProcess.start<TcpCalls>('tcp');
  const port = await echo.call('listen', null);
  const { p50, p90, p99, p999, max } = await pinger.call('ping', { port, seconds });
  return rowOf({ scenario, transport: 'tcp', p50_ms: p50, p90_ms: p90, p99_ms: p99, p999_ms: p999, max_ms: max });
}
