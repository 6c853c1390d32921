/** The suite over a server, with one worker. */
import { describeStateProvider } from '../../src/testing/index.js';
import { BridgedProviders } from '../support/bridged-providers.js';

const providers = new BridgedProviders(1);
describeStateProvider('BridgedState, workers: 1', () => providers.open());
