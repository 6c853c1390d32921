// Decides the settings of a cluster and changes them while 1,000 followers watch. Several that belong together are set as
// one batch: no follower ever acts on half of it.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { BridgedState } from 'bridged-state';

const { values } = parseArgs({ options: { endpoint: { type: 'string', default: '127.0.0.1:50051' } } });
const state = await BridgedState.open({ endpoint: values.endpoint, sessionId: 'cluster', source: 'leader' });

await state.registerVariable('settings/epoch', 'integer', 0, { constraints: { min: 0 } });
await state.registerVariable('settings/batch-size', 'integer', 100, { constraints: { min: 1, max: 10_000 } });
await state.registerVariable('settings/sampling', 'float', 0.1, { constraints: { min: 0, max: 1 } });
console.log('settings are there, waiting for the followers');

for await (const { newValue } of state.watch('followers', { missing: 'wait', includeInitial: true })) {
  if (newValue === 1_000) break;
}

const changes = 20;
for (let epoch = 1; epoch <= changes; epoch += 1) {
  await state.updateVariables(
    { 'settings/epoch': epoch, 'settings/batch-size': 100 + epoch * 10, 'settings/sampling': epoch / changes },
    { atomic: true },
  );
  await sleep(25);
}
console.log(`made ${changes} changes of three settings each`);
await state.close();
