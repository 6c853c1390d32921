/** A process whose system clock is corrected while states are open; prints what they tell. Started by wall-clock.test.ts. */
const started = Date.now.bind(Date);
let stepMs = 0;
// The system's clock, as a correction leaves it: the monotonic one hears nothing of it.
Date.now = () => started() + stepMs;

const { LocalState, BridgedState } = await import('../../src/main/index.js');
const { startBridgeServer } = await import('../../src/server/index.js');

const server = await startBridgeServer({
  port: 0,
  history: { maxAgeMs: 5_000, maxVersions: 100, maxSessionBytes: 1e6 },
});
const told: Record<string, unknown> = {};
const HOUR_MS = 3_600_000;
for (const [kind, open] of [
  ['local', async () => new LocalState()],
  ['bridged', () => BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 1 })],
] as const) {
  stepMs = 0;
  const state = await open();
  await state.registerVariable('t', 'integer', 0, { ttlMs: 600_000 });
  const heard: { timestamp: number; receivedAt: number }[] = [];
  const watch = await state.watchVariables('t', (_, __, ___, metadata) => heard.push(metadata));
  for (let value = 1; value <= 30; value += 1) await state.setVariable('t', value);
  stepMs = -HOUR_MS;
  // It is looked at once a millisecond.
  await new Promise((resolve) => setTimeout(resolve, 5));
  const wallMs = Date.now();
  await state.setVariable('t', 31);
  while (heard.length < 31) await new Promise((resolve) => setTimeout(resolve, 2));
  const last = heard[30]!;
  const [info] = await state.listWatchers();
  told[kind] = {
    timestampOffMs: last.timestamp - wallMs,
    receivedOffMs: last.receivedAt - wallMs,
    lastUpdateOffMs: info!.stats.lastUpdateAt! - wallMs,
    createdOffMs: info!.createdAt - wallMs,
    latencyMs: info!.stats.latencyMs!.p99,
    infoOffMs: (await state.getVariableInfo('t')).lastUpdatedAt - wallMs,
    kept: (await state.history('t')).length,
    freshnessMs: watch.freshnessMs,
    uptimeMs: info!.stats.uptimeMs,
  };
  await state.close();
}
await server.close();
console.log(JSON.stringify(told));

export {};
