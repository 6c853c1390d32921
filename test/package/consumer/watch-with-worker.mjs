// The whole way through the installed package, with a worker thread. It must end by itself: nothing of ours may keep a
// process alive after close().
import assert from 'node:assert/strict';
import { watchOnce } from './watch-once.mjs';

assert.deepEqual(await watchOnce({ workers: 1 }), { identifier: 'fan', oldValue: 1, newValue: 2 });
