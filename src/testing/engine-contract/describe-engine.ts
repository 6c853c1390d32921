/** The suite of an engine: what the server's sessions lean on. */
import { describe } from 'node:test';
import { describeDeciding } from './deciding.js';
import type { EngineSetup } from './engine-test.js';
import { describeOutliving } from './outliving.js';

/**
 * Describes an engine by what it has to keep. `create` makes a fresh, empty one for each test; what else is given says what can be done to what
 * it stands on.
 *
 *     describeEngine('memory', { create: () => new MemoryEngine() });
 */
export function describeEngine(name: string, setup: EngineSetup): void {
  describe(name, () => {
    describe('decides', () => describeDeciding(setup));
    describe('outlives', () => describeOutliving(setup));
  });
}
