// Sensors of three rooms: 100 readings a second, far more than anybody reads on a page.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { BridgedState } from 'bridged-state';

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: '127.0.0.1:50051' },
    seconds: { type: 'string', default: '20' },
    port: { type: 'string' },
  },
});
const state = await BridgedState.open({ endpoint: values.endpoint, sessionId: 'house', source: 'sensors' });

const readings = new Map();
for (const room of ['kitchen', 'hall', 'attic']) {
  readings.set(`${room}/temperature`, 20);
  readings.set(`${room}/humidity`, 50);
}
for (const [name, value] of readings) await state.registerVariable(name, 'float', value);
await state.registerVariable('sensors/running', 'boolean', true);
console.log('the sensors are there');

let isRunning = true;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    isRunning = false;
  });
}
const endsAtMs = performance.now() + Number(values.seconds) * 1_000;
let sets = 0;
while (isRunning && performance.now() < endsAtMs) {
  for (const [name, value] of readings) {
    const next = Math.round((value + (Math.random() - 0.5) / 2) * 100) / 100;
    readings.set(name, next);
    await state.setVariable(name, next);
    sets += 1;
  }
  await sleep(60);
}
console.log(`set ${sets} readings`);
await state.setVariable('sensors/running', false);
await state.close();
