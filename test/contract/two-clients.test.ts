/** The suite with two clients: one sets, the other watches, and neither shares anything but the session with the other. */
import { describeStateProvider } from '../../src/testing/index.js';
import { BridgedProviders } from '../support/bridged-providers.js';
import { TwoClients } from '../support/two-clients.js';

const setters = new BridgedProviders(1);
// Its watches are split over both workers.
const watchers = new BridgedProviders(2);

describeStateProvider('two BridgedStates of one session', async () => {
  const sessionId = setters.newSession();
  const endpoint = `127.0.0.1:${(await setters.server()).port}`;
  const states = [setters, watchers].map((providers) => providers.open({ endpoint, sessionId }));
  const [setter, watcher] = await Promise.all(states);
  return new TwoClients(setter!, watcher!);
});
