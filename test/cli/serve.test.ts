import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandProcess, run, runHere, startServe } from '../support/command-line.js';

test('serve prints one JSON line when it accepts, and ends with 0 by SIGTERM', async () => {
  const { serve, endpoint, line } = await startServe();
  try {
    assert.deepEqual(Object.keys(line), ['event', 'host', 'port', 'adminPort', 'epoch', 'engine', 'generation']);
    assert.deepEqual([line.engine, line.generation], ['memory', 0]);
    assert.deepEqual([line.event, line.host, line.adminPort], ['listening', '127.0.0.1', null]);
    assert.equal(typeof line.epoch, 'string');
    assert.deepEqual(await run(['list', '--json', '--endpoint', endpoint]), {
      exitCode: 0,
      stdout: '[]\n',
      stderr: '',
    });
    serve.signal('SIGTERM');
    const { exitCode, stdout, stderr } = await serve.end();
    assert.equal(exitCode, 0);
    assert.equal(stdout, `${JSON.stringify(line)}\n`);
    for (const entry of stderr.trim().split('\n')) assert.ok('level' in (JSON.parse(entry) as object), entry);
  } finally {
    await serve.kill();
  }
});

test('SIGTERM drains: a watching client is told and tries again, and serve ends with 0', async () => {
  const { serve, endpoint } = await startServe('--log-level', 'silent');
  let watch: CommandProcess | undefined;
  try {
    await runHere(['register', 'fan', 'integer', '1', '--endpoint', endpoint]);
    watch = new CommandProcess(['watch', 'fan', '--json', '--endpoint', endpoint]);
    assert.equal((await watch.json()).event, 'ready');
    serve.signal('SIGTERM');
    const { exitCode, stderr } = await serve.end();
    assert.deepEqual([exitCode, stderr], [0, '']);
    await watch.said(/connection is lost/);
    watch.signal('SIGINT');
    assert.equal((await watch.end()).exitCode, 0);
  } finally {
    await serve.kill();
    await watch?.kill();
  }
});

test('SIGINT ends serve with 0 too', async () => {
  const { serve } = await startServe('--log-level', 'silent');
  serve.signal('SIGINT');
  assert.equal((await serve.end()).exitCode, 0);
});

test('a port in use is told in one line, exit code 1', async () => {
  const { serve, line } = await startServe();
  try {
    const { exitCode, stdout, stderr } = await run(['serve', '--port', String(line.port)]);
    assert.deepEqual([exitCode, stdout], [1, '']);
    assert.match(stderr, /^bridged-state: [^\n]*in use[^\n]*\n$/);
  } finally {
    await serve.kill();
  }
});

test('with an admin port it answers over HTTP, and top shows it', async () => {
  const { serve, endpoint, line } = await startServe('--admin-port', '0', '--log-level', 'warn');
  try {
    const admin = `127.0.0.1:${line.adminPort}`;
    assert.equal((await fetch(`http://${admin}/healthz`)).status, 200);
    await runHere(['register', 'fan', 'integer', '1', '--session', 'cooling', '--endpoint', endpoint]);
    const { exitCode, stdout, stderr } = await run(['top', '--admin', admin, '--json', '--seconds', '0.5']);
    assert.deepEqual([exitCode, stderr], [0, '']);
    const view = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual([view.sessions, view.variables, view.streams], [1, 1, 0]);
  } finally {
    await serve.kill();
  }
});

test('top without an admin port says what to do, exit code 1', async () => {
  const { exitCode, stderr } = await run(['top', '--admin', '127.0.0.1:1', '--seconds', '1']);
  assert.equal(exitCode, 1);
  assert.match(stderr, /^bridged-state: no admin port [^\n]*--admin-port[^\n]*\n$/);
});

test('an empty token is refused where it was given, and opens no server to everybody', async () => {
  for (const args of [['serve', '--port', '0'], ['list']]) {
    const { exitCode, stderr } = await run(args, { BRIDGED_STATE_TOKEN: '' });
    assert.equal(exitCode, 2);
    assert.match(
      stderr,
      /^bridged-state: option '--token [^\n]*BRIDGED_STATE_TOKEN[^\n]* at least one character[^\n]*\n$/,
    );
  }
});

test('a server with tokens opens to those who have one, by option or environment', async () => {
  const { serve, endpoint } = await startServe('--token', 'sesame', '--log-level', 'warn');
  try {
    const refused = await runHere(['list', '--endpoint', endpoint]);
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /^bridged-state: [^\n]+\n$/);
    assert.equal((await runHere(['list', '--endpoint', endpoint, '--token', 'sesame'])).exitCode, 0);
    assert.equal((await run(['list', '--endpoint', endpoint], { BRIDGED_STATE_TOKEN: 'sesame' })).exitCode, 0);
  } finally {
    await serve.kill();
  }
});
