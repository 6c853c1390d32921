// 1,000 followers in one process: each has a watch of its own, as if it were a service that knows nothing of the others.
// Their streams and decoding are in worker threads; this thread only runs the callbacks.
import { parseArgs } from 'node:util';
import { BridgedState } from 'bridged-state';

const { values } = parseArgs({ options: { endpoint: { type: 'string', default: '127.0.0.1:50051' } } });
const state = await BridgedState.open({ endpoint: values.endpoint, sessionId: 'cluster' });

const names = ['settings/epoch', 'settings/batch-size', 'settings/sampling'];
const followers = Array.from({ length: 1_000 }, () => ({ settings: {}, halves: 0 }));
const counts = { updates: 0, missed: 0, arrived: 0, slowestMs: 0 };
const { promise: everywhere, resolve } = withResolvers();

function follow(follower, changes) {
  for (const { identifier, newValue, metadata } of changes) {
    follower.settings[identifier] = newValue;
    counts.updates += 1;
    counts.missed += metadata.missed;
    if (!metadata.initial) counts.slowestMs = Math.max(counts.slowestMs, metadata.receivedAt - metadata.timestamp);
  }
  const { 'settings/epoch': epoch, 'settings/batch-size': batchSize } = follower.settings;
  // Registered one after the other, set together.
  if (batchSize !== undefined && batchSize !== 100 + epoch * 10) follower.halves += 1;
  if (epoch !== 20) return;
  counts.arrived += 1;
  if (counts.arrived === followers.length) resolve();
}

await Promise.all(
  followers.map((follower) =>
    state.watchVariables(names, (changes) => follow(follower, changes), {
      missing: 'wait',
      includeInitial: true,
      atomic: true,
      batch: true,
    }),
  ),
);
await state.registerVariable('followers', 'integer', followers.length);
console.log(`${followers.length.toLocaleString('en')} watches stand`);

await everywhere;
const halves = followers.reduce((sum, follower) => sum + follower.halves, 0);
console.log(`each of ${counts.arrived.toLocaleString('en')} watches has the last settings`);
console.log(
  `${counts.updates.toLocaleString('en')} updates, ${counts.missed} missed, ${halves} halves of a batch seen`,
);
console.log(`slowest update: ${counts.slowestMs.toFixed(1)} ms from the server to this process`);
await state.close();

function withResolvers() {
  let resolve;
  const promise = new Promise((resolvePromise) => {
    resolve = resolvePromise;
  });
  return { promise, resolve };
}
