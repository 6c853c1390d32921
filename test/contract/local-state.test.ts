/** The suite against the provider in process. */
import { LocalState } from '../../src/main/index.js';
import { describeStateProvider } from '../../src/testing/index.js';

describeStateProvider('LocalState', async () => new LocalState());
