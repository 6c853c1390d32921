/** The suite against the engine that keeps nothing beyond its process. */
import { MemoryEngine } from '../../src/server/index.js';
import { describeEngine } from '../../src/testing/index.js';

describeEngine('MemoryEngine', () => new MemoryEngine());
