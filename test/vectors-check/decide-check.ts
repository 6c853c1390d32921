/** Whether an engine decides as test/vectors/decide.json says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Variable } from '../../src/shared/state/variable.js';
import { parseJson } from '../../src/shared/values/json.js';
import type { EngineTest } from '../../src/testing/engine-contract/engine-test.js';
import type { DecideVectors } from './decide-vectors.js';
import { operationsOf, resultOf } from './decide-vectors.js';
import { vectorUrl } from './vector-files.js';

const { cases } = parseJson(readFileSync(vectorUrl('decide.json'), 'utf8')) as unknown as DecideVectors;

export async function checkDecides(engineTest: EngineTest): Promise<void> {
  for (const { name: id, steps } of cases) {
    const session = await engineTest.session(id);
    const known = new Map<string, Variable>();
    let ids = 0;
    const newId = (): string => {
      ids += 1;
      return `${id} ${ids}`;
    };
    for (const { atomic, operations, results, revision } of steps) {
      const outcome = await session.ask(operationsOf(operations, known, newId), { isAtomic: atomic });
      const found = { results: outcome.results.map(resultOf), revision: await engineTest.engine.head(id) };
      assert.deepEqual(found, { results, revision }, `${id}: ${JSON.stringify(operations)}`);
      for (const variable of session.following.table.variables()) known.set(variable.name, variable);
    }
    session.checkChain();
  }
}
