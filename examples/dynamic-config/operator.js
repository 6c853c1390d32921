// Says which values the configuration may have, then changes it while both services run. The server refuses what the
// constraints do not allow, whoever sets it, and says why.
import { parseArgs } from 'node:util';
import { BatchRefusedError, BridgedState, ConstraintViolationError } from 'bridged-state';

const { values } = parseArgs({ options: { endpoint: { type: 'string', default: '127.0.0.1:50051' } } });
const state = await BridgedState.open({ endpoint: values.endpoint, sessionId: 'config', source: 'operator' });

await state.registerVariable('log-level', 'choice', 'info', { constraints: { choices: ['debug', 'info', 'warn'] } });
await state.registerVariable('ranking', 'module', 'rank.recent', {
  constraints: { allowed_modules: ['rank.recent', 'rank.popular'] },
});
await state.registerVariable('running', 'boolean', true);
for (const service of ['search', 'mailer']) {
  for await (const { newValue } of state.watch(`ready/${service}`, { missing: 'wait', includeInitial: true })) {
    if (newValue === true) break;
  }
}

console.log(`log-level is version ${await state.setVariable('log-level', 'debug')}`);
try {
  await state.setVariable('log-level', 'verbose');
} catch (error) {
  if (!(error instanceof ConstraintViolationError)) throw error;
  console.log(`refused: ${error.message}`);
}
try {
  await state.updateVariables({ 'log-level': 'warn', ranking: 'rank.random' }, { atomic: true });
} catch (error) {
  if (!(error instanceof BatchRefusedError)) throw error;
  console.log(error.message);
}
await state.updateVariables({ 'log-level': 'warn', ranking: 'rank.popular' }, { atomic: true });
await state.setVariable('running', false);
await state.close();
