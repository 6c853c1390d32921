/** The suite against a context, before its move and behind it. */
import { after } from 'node:test';
import { Context } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { describeStateProvider } from '../../src/testing/index.js';

const server = await startBridgeServer({ port: 0 });
after(() => server.close());
let sessions = 0;

describeStateProvider('Context, in process', async () => new Context());

describeStateProvider('Context, moved to a bridge', async () => {
  const context = new Context();
  sessions += 1;
  await context.ensureBridged({ endpoint: `127.0.0.1:${server.port}`, sessionId: `moved-${sessions}`, workers: 0 });
  return context;
});
