/** The suite of the one API: every promise that state-provider.ts makes, a file a topic. */
import { describe, test } from 'node:test';
import type { StateProvider } from '../../main/state-provider.js';
import { describeBadInput } from './bad-input.js';
import { describeBatches } from './batches.js';
import { describeCallers } from './callers.js';
import { describeChangesTogether } from './changes-together.js';
import { describeConditions } from './conditions.js';
import { describeConstraints } from './constraints.js';
import type { Body } from './contract-test.js';
import { ContractTest } from './contract-test.js';
import { describeErrors } from './errors.js';
import { describeExportImport } from './export-import.js';
import { describeFilters } from './filters.js';
import { describeForeignValues } from './foreign-values.js';
import { describeGoneVariables } from './gone-variables.js';
import { describeHistory } from './history.js';
import { describeInsideCalls } from './inside-calls.js';
import { describeIteration } from './iteration.js';
import { describeLifecycle } from './lifecycle.js';
import { describeMissingVariables } from './missing-variables.js';
import { describeNames } from './names.js';
import { describeOverflow } from './overflow.js';
import { describeOwners } from './owners.js';
import { describePatterns } from './patterns.js';
import { describePeeking } from './peeking.js';
import { describePriorities } from './priorities.js';
import { describeRateLimits } from './rate-limits.js';
import { describeSignals } from './signals.js';
import { describeStopping } from './stopping.js';
import { describeValues } from './values.js';
import { describeVariables } from './variables.js';
import { describeWatcherInfo } from './watcher-info.js';
import { describeWatching } from './watching.js';

const TOPICS: readonly (readonly [topic: string, describeTopic: (promise: Promised) => void])[] = [
  ['variables', describeVariables],
  ['names', describeNames],
  ['values', describeValues],
  ['constraints', describeConstraints],
  ['batches', describeBatches],
  ['history and rollback', describeHistory],
  ['bad input', describeBadInput],
  ['watching', describeWatching],
  ['stopping, adding, removing', describeStopping],
  ['variables that are not there yet', describeMissingVariables],
  ['variables that go', describeGoneVariables],
  ['patterns', describePatterns],
  ['filters', describeFilters],
  ['conditions', describeConditions],
  ['rate limits', describeRateLimits],
  ['overflow', describeOverflow],
  ['changes together', describeChangesTogether],
  ['priorities', describePriorities],
  ['peeking', describePeeking],
  ['iteration', describeIteration],
  ['signals', describeSignals],
  ['owners', describeOwners],
  ['inside a call', describeInsideCalls],
  ['what user code throws', describeErrors],
  ['values of other realms', describeForeignValues],
  ['async contexts', describeCallers],
  ['listWatchers', describeWatcherInfo],
  ['export and import', describeExportImport],
  ['lifecycle', describeLifecycle],
];

/** States a promise and proves it on a fresh provider. */
type Promised = (sentence: string, body: Body) => void;

/**
 * Describes a provider by what it has to keep. `create` makes a fresh one without variables for each test; the suite closes it.
 *
 *     describeStateProvider('MyState', async () => new MyState());
 */
export function describeStateProvider(name: string, create: () => Promise<StateProvider>): void {
  describe(name, () => {
    for (const [topic, describeTopic] of TOPICS) {
      describe(topic, () => {
        describeTopic((sentence, body) => test(sentence, () => ContractTest.run(create, body)));
      });
    }
  });
}
