/** The suite over a server, with the worker code on this thread. */
import { describeStateProvider } from '../../src/testing/index.js';
import { BridgedProviders } from '../support/bridged-providers.js';

const providers = new BridgedProviders(0);
describeStateProvider('BridgedState, workers: 0', () => providers.open());
