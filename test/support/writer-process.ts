/** Sets one variable to 1, 2, 3, … until it is killed or its starter is gone. Arguments: endpoint, name. */
import { BridgedState } from '../../src/main/index.js';

const [endpoint = '', name = ''] = process.argv.slice(2);

process.on('disconnect', () => process.exit());
if (process.send !== undefined && name !== '') {
  const state = await BridgedState.open({ endpoint, workers: 0 });
  for (let value = 1; ; value += 1) await state.setVariable(name, value);
}
