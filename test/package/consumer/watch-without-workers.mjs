// The same on the embedding thread: no worker file is started, but the same code is imported.
import assert from 'node:assert/strict';
import { watchOnce } from './watch-once.mjs';

assert.deepEqual(await watchOnce({ workers: 0 }), { identifier: 'fan', oldValue: 1, newValue: 2 });
