/** The thread that a pattern thread starts: one match after the other. Path: pattern thread -> [pattern worker] -> pattern thread. */
import { parentPort } from 'node:worker_threads';
import { patternOf } from '../shared/values/pattern-cache.js';
import type { LongMatch } from './pattern-thread.js';

parentPort?.on('message', ({ source, text }: LongMatch) => {
  parentPort?.postMessage(patternOf(source, 'pattern').matches(text));
});
