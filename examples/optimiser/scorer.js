// Scores the parameters that the tuner sets, and draws the history when there are no more trials. The score is Himmelblau's
// function, which has four valleys that reach zero; think of a build, a queue or a model that is measured with these parameters.
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BridgedState } from 'bridged-state';
import { drawHistory } from './plot.js';

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: '127.0.0.1:50051' },
    plot: { type: 'string', default: relative('.', fileURLToPath(new URL('history.svg', import.meta.url))) },
    seed: { type: 'string' },
    trials: { type: 'string' },
  },
});
const state = await BridgedState.open({ endpoint: values.endpoint, sessionId: 'tuning', source: 'scorer' });

const scoreOf = (x, y) => (x ** 2 + y - 11) ** 2 + (x + y ** 2 - 7) ** 2;
const history = [];
const parameters = { x: 0, y: 0, trial: 0 };

// The tuner sets both parameters and the trial's number as one batch: with `atomic` and `batch` they come as one array. A
// parameter that keeps its value is not in it, hence `parameters`.
const batches = state.watch(['x', 'y', 'trial'], {
  missing: 'wait',
  includeInitial: true,
  atomic: true,
  batch: true,
});
for await (const changes of batches) {
  if (changes.some(({ metadata }) => metadata.deleted)) break;
  for (const { identifier, newValue } of changes) parameters[identifier] = newValue;
  const { x, y, trial } = parameters;
  // Registered, but not set yet; or a trial that is scored already.
  if (trial === (history.at(-1)?.trial ?? 0)) continue;

  const score = scoreOf(x, y);
  history.push({ trial, x, y, score });
  // Value and trial in one variable: the tuner cannot take it for the score of another trial.
  await state.setVariable('score', { trial, value: score });
}
await state.close();

drawHistory(history, values.plot);
console.log(`scored ${history.length} trials, drawn in ${values.plot}`);
