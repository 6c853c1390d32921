/** The suite against a bridge server, through two worker threads. */
import { after } from 'node:test';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { describeStateProvider } from '../../src/testing/index.js';

const server = await startBridgeServer({ port: 0 });
const pool = await WorkerPool.open({ workers: 2 });
let sessions = 0;

describeStateProvider('BridgedState with 2 workers', () => {
  sessions += 1;
  return BridgedState.open({
    endpoint: `127.0.0.1:${server.port}`,
    sessionId: `session-${sessions}`,
    pool,
    verify: true,
  });
});

after(async () => {
  await pool.close();
  await server.close();
});
