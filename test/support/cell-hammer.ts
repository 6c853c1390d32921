/** A thread that writes one cell as fast as it can: rising numbers whose halves belong together, and booleans between them. */
import { parentPort, workerData } from 'node:worker_threads';
import type { CellChunk } from '../../src/shared/port/value-cells.js';
import { CellWriter } from '../../src/shared/port/value-cells.js';

const { handle, chunk, stop } = workerData as { handle: number; chunk: CellChunk; stop: Int32Array };
const writer = new CellWriter(() => undefined);
writer.handleChunk(0, chunk);
const number = new Float64Array(1);
const halves = new Int32Array(number.buffer);
let low = 0;

function write(): void {
  low += 1;
  halves[0] = low;
  halves[1] = 0x40000000 | (low & 0xfffff);
  writer.write(handle, number[0]);
  if (low % 3 === 0) writer.write(handle, low % 2 === 0);
}

write();
parentPort!.postMessage('writing');
while (Atomics.load(stop, 0) === 0) for (let n = 0; n < 1_000; n += 1) write();
