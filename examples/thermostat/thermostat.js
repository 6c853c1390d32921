// Watches the temperature of the room and switches its fan and its heating. Each switches on at one temperature and off at
// another (hysteresis), else it would be switched at every reading around one line. It answers each reading, also one that
// switches nothing: the simulated room waits for that.
import { parseArgs } from 'node:util';
import { BridgedState } from 'bridged-state';

const { values } = parseArgs({
  options: { endpoint: { type: 'string', default: '127.0.0.1:50051' }, minutes: { type: 'string' } },
});
const state = await BridgedState.open({ endpoint: values.endpoint, sessionId: 'house', source: 'thermostat' });

const on = { fan: false, heating: false };
const counts = { readings: 0, switched: 0, comfortable: 0 };

/** What is to be on, at this temperature and with what is on now. */
function decide(temperature, { low, high }) {
  const middle = (low + high) / 2;
  return {
    fan: on.fan ? temperature > middle : temperature > high - 0.5,
    heating: on.heating ? temperature < middle : temperature < low + 0.5,
  };
}

// The room may start after this program; its present temperature comes first, changes follow.
const temperatures = state.watch('temperature', { missing: 'wait', includeInitial: true });
for await (const { newValue: temperature, metadata } of temperatures) {
  if (metadata.deleted) break;
  // Read at each reading: a change of it counts from the next one on. The room registers it before its temperature.
  const comfort = await state.getVariable('comfort');
  const wanted = decide(temperature, comfort);
  // One batch: nobody sees the fan of this reading with the heating of the last.
  await state.updateVariables({ ...wanted, answered: metadata.version }, { atomic: true });

  for (const device of ['fan', 'heating']) {
    if (wanted[device] === on[device]) continue;
    on[device] = wanted[device];
    counts.switched += 1;
    console.log(`${temperature.toFixed(1)} degrees: ${device} ${on[device] ? 'on' : 'off'}`);
  }
  counts.readings += 1;
  // How many readings in a row were comfortable.
  counts.comfortable = temperature >= comfort.low && temperature <= comfort.high ? counts.comfortable + 1 : 0;
}

console.log(`answered ${counts.readings} readings, switched ${counts.switched} times`);
console.log(`the last ${counts.comfortable} readings were comfortable`);
if (counts.comfortable < 30) process.exitCode = 1;
await state.close();
