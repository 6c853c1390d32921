/** Sets variables `v0` … to 1, 2, … in batches, and ends. Arguments: endpoint, how many variables, how many rounds. */
import { BridgedState } from '../../src/main/index.js';

const [endpoint = '', variables = '', rounds = ''] = process.argv.slice(2);

if (rounds !== '') {
  const state = await BridgedState.open({ endpoint, workers: 0 });
  const names = Array.from({ length: Number(variables) }, (_, place) => `v${place}`);
  for (let round = 1; round <= Number(rounds); round += 1) {
    await state.updateVariables(Object.fromEntries(names.map((name) => [name, round])));
  }
  await state.close();
}
