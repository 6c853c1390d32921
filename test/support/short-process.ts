/** Opens a state, watches, and then closes it, or lets go of it while a loop and a wait are under way. Arguments: endpoint, workers, `close` or `unref`. */
import { BridgedState, waitFor } from '../../src/main/index.js';

const [endpoint = '', workers = '', end = ''] = process.argv.slice(2);

if (end !== '') {
  // The channel to its starter would keep it alive.
  process.disconnect();
  const state = await BridgedState.open({ endpoint, workers: Number(workers), sessionId: `short-${workers}-${end}` });
  await state.registerVariable('fan', 'integer', 1);
  await state.watchVariables('fan', () => undefined);
  await state.setVariable('fan', 2);
  if (end === 'close') await state.close();
  else {
    // Nobody handles what becomes of these: the end of the process is no failure of them.
    void waitFor(state, 'fan', { eq: 3 });
    void (async () => {
      for await (const _ of state.watch('fan'));
    })();
    state.unref();
  }
}
