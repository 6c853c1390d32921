/** Pools for all tests of a file, because a thread takes a quarter of a second of CPU to start. Not for tests that end workers. */
import { after } from 'node:test';
import { WorkerPool } from '../../src/main/index.js';

const pools = new Map<number, Promise<WorkerPool>>();

/** The one of this file with so many workers, closed when its tests are over. */
export function sharedPool(workers: number): Promise<WorkerPool> {
  const pool = pools.get(workers) ?? WorkerPool.open({ workers });
  pools.set(workers, pool);
  return pool;
}

after(async () => {
  for (const pool of pools.values()) await (await pool).close();
});
