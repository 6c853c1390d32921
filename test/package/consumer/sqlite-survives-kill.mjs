// A server over the SQLite of this Node is killed, and the next one has what the first acknowledged. A Node that has none of its own says which
// package brings it: this project has not installed it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BridgedState } from 'bridged-state';

const folder = mkdtempSync(join(tmpdir(), 'bridged-state-sqlite-'));
try {
  if (process.getBuiltinModule?.('node:sqlite') === undefined) await refuses();
  else await survives();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function survives() {
  const first = await serve();
  await withState(first, async (state) => {
    await state.registerVariable('fan', 'integer', 1);
    await state.setVariable('fan', 2);
  });
  await end(first, 'SIGKILL');
  const second = await serve();
  await withState(second, async (state) => assert.equal(await state.getVariable('fan'), 2));
  await end(second, 'SIGTERM');
  for (const { said } of [first, second]) assert.doesNotMatch(said(), /Warning/);
}

async function refuses() {
  const { child, said } = start();
  const [code] = await once(child, 'close');
  assert.notEqual(code, 0);
  assert.match(said(), /the sqlite engine needs Node 22\.13 or later, .*: npm install libsql@/);
  assert.doesNotMatch(said(), /^\s+at /m, 'a sentence, no stack');
}

function start() {
  const args = ['serve', '--engine', `sqlite:${folder}`, '--port', '0'];
  const child = spawn(process.execPath, ['node_modules/bridged-state/dist/src/cli/main.js', ...args]);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (more) => (text += more));
  return { child, said: () => text };
}

/** Resolves with a server that has said where it listens. */
async function serve() {
  const server = start();
  for (;;) {
    const port = /"port":(\d+)/.exec(server.said())?.[1];
    if (port !== undefined) return { ...server, endpoint: `127.0.0.1:${port}` };
    const [heard] = await Promise.race([once(server.child.stdout, 'data'), once(server.child, 'exit')]);
    if (typeof heard !== 'string') throw new Error(`the server has ended: ${server.said()}`);
  }
}

async function end({ child }, signal) {
  const over = once(child, 'close');
  child.kill(signal);
  await over;
}

async function withState({ endpoint }, use) {
  const state = await BridgedState.open({ endpoint, sessionId: 's', workers: 0 });
  try {
    await use(state);
  } finally {
    await state.close();
  }
}
