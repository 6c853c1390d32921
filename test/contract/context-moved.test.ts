/** The suite against a context that has moved to a bridge. */
import { after } from 'node:test';
import { Context } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { describeStateProvider } from '../../src/testing/index.js';

const server = await startBridgeServer({ port: 0 });
after(() => server.close());
let sessions = 0;

describeStateProvider('Context, moved to a bridge', async () => {
  const context = new Context();
  sessions += 1;
  await context.ensureBridged({ endpoint: `127.0.0.1:${server.port}`, sessionId: `moved-${sessions}`, workers: 0 });
  return context;
});
