/** The suite against a context that has moved to a bridge, over a stream a watch; context.test.ts is the other half. */
import { Context } from '../../src/main/index.js';
import { describeStateProvider } from '../../src/testing/index.js';
import { BridgedProviders } from '../support/bridged-providers.js';

const providers = new BridgedProviders(1);

describeStateProvider('Context, moved to a bridge, by streams', async () => {
  const [{ port }, pool] = await providers.opened();
  const context = new Context();
  const sessionId = providers.newSession();
  await context.ensureBridged({ endpoint: `127.0.0.1:${port}`, sessionId, pool, transport: 'stream' });
  return context;
});
