/** The suite over a server, with two workers: watches are split over both. */
import { describeStateProvider } from '../../src/testing/index.js';
import { BridgedProviders } from '../support/bridged-providers.js';

const providers = new BridgedProviders(2);
describeStateProvider('BridgedState, workers: 2', () => providers.open());
