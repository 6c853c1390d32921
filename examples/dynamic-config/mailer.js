// Sends mail, and logs as much as the configuration says.
import { parseArgs } from 'node:util';
import { BridgedState } from 'bridged-state';

const { values } = parseArgs({ options: { endpoint: { type: 'string', default: '127.0.0.1:50051' } } });
const state = await BridgedState.open({ endpoint: values.endpoint, sessionId: 'config', source: 'mailer' });

const levels = ['debug', 'info', 'warn'];
const log = (level, least, text) => {
  if (levels.indexOf(level) >= levels.indexOf(least)) console.log(`${level}: ${text}`);
};
const apply = {
  'log-level': (least) => {
    console.log(`logs from ${least} on`);
    for (const level of levels) log(level, least, 'a letter is sent');
  },
};

// The names may be registered after this program has started; present values come first, changes follow.
const config = state.watch(['log-level', 'running'], { missing: 'wait', includeInitial: true });
let applied = 0;
for await (const { identifier, newValue } of config) {
  if (identifier === 'running' && newValue === false) break;
  if (identifier === 'running') continue;
  applied += 1;
  apply[identifier](newValue);
  // Ready is who has its configuration.
  if (applied === 1) await state.registerVariable('ready/mailer', 'boolean', true);
}
console.log(`ends, having applied ${applied} values`);
await state.close();
