/** A process that opened and closed a state exits by itself; one that let go of an open state does too. */
import assert from 'node:assert/strict';
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { within } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { workerCounts } from '../support/worker-counts.js';

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.start();
});

after(() => server.close());

for (const workers of workerCounts([0, 1, 2], 1)) {
  // Without workers the sockets are the main thread's, and nothing lets go of them.
  for (const end of workers === 0 ? ['close'] : ['close', 'unref']) {
    test(`a process with ${workers} workers and a watch ends after ${end}()`, async () => {
      const program = fileURLToPath(import.meta.resolve('../support/short-process.js'));
      const child = fork(program, [`127.0.0.1:${server.port}`, String(workers), end]);
      const [code] = await within(20_000, once(child, 'exit'), 'the end of the process');
      assert.equal(code, 0);
    });
  }
}

test('a process that may make no threads is told so, with a remedy', async () => {
  const flag = ['--permission', '--experimental-permission'].find((one) =>
    process.allowedNodeEnvironmentFlags.has(one),
  );
  const library = import.meta.resolve('../../src/main/index.js');
  const program = `const { WorkerPool } = await import('${library}');
    await WorkerPool.open({ workers: 2 }).catch(({ code, message }) => console.log(code, message));`;
  const arguments_ = [flag ?? '', '--allow-fs-read=*', '--input-type=module', '--eval', program];
  const { stdout } = await within(20_000, run(process.execPath, arguments_), 'the end of the process');
  assert.match(stdout, /^WORKER_FAILED a worker thread cannot be made \(.*\): permit it, .* or give workers: 0$/m);
});

const run = promisify(execFile);
