/** The suite against a context that has not moved; context-moved.test.ts is the other half. */
import { Context } from '../../src/main/index.js';
import { describeStateProvider } from '../../src/testing/index.js';

describeStateProvider('Context, in process', async () => new Context());
