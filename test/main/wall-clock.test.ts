/** Somebody corrects the system's clock while states are open: timestamps follow, and nothing expires, ages or wakes by it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

interface Told {
  readonly timestampOffMs: number;
  readonly receivedOffMs: number;
  readonly lastUpdateOffMs: number;
  readonly createdOffMs: number;
  readonly latencyMs: number;
  readonly infoOffMs: number;
  readonly kept: number;
  readonly freshnessMs: number;
  readonly uptimeMs: number;
}

test('timestamps follow a wall clock that is set back by an hour; history, age and latency do not notice', async () => {
  const program = fileURLToPath(new URL('./wall-clock-process.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 60_000 });
  const told = JSON.parse(stdout) as Record<'local' | 'bridged', Told>;
  for (const [kind, one] of Object.entries(told)) {
    const text = `${kind}: ${JSON.stringify(one)}`;
    // A busy machine delays by seconds; the correction is an hour.
    for (const name of ['timestampOffMs', 'receivedOffMs', 'lastUpdateOffMs', 'infoOffMs', 'createdOffMs'] as const) {
      assert.ok(Math.abs(one[name]) < 60_000, `${name} of ${text}`);
    }
    for (const name of ['latencyMs', 'freshnessMs', 'uptimeMs'] as const) {
      assert.ok(one[name] < 60_000, `${name} of ${text}`);
    }
    assert.equal(one.kept, 32, text);
  }
});
