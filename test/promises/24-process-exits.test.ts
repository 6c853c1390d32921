/** A process that opened and closed a state exits by itself; one that let go of an open state does too. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { within } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.start();
});

after(() => server.close());

for (const workers of [0, 1, 2]) {
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
