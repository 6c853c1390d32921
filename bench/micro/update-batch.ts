import {
  batchSource,
  batchValue,
  COLUMNS,
  HANDLE,
  UpdateBatchWriter,
  VERSION,
} from '../../src/shared/port/update-batch.js';
import { EMPTY_METADATA } from '../../src/shared/values/metadata.js';
import type { Kernel } from './kernel.js';
import { SET_AT_MS } from './kernel.js';

/** Without the port between them. */
export function updateBatchKernels(): Kernel[] {
  const writer = new UpdateBatchWriter();
  const run = () => {
    for (let place = 0; place < UPDATES; place += 1) {
      writer.append(place, 2, 21.5, SET_AT_MS, SET_AT_MS + 1, place, 0, 0, 0, 'bench', EMPTY_METADATA);
    }
    const batch = writer.take();
    let kept: unknown;
    for (let place = 0; place < batch.count; place += 1) {
      const at = place * COLUMNS;
      kept = [
        batch.numbers[at + HANDLE],
        batch.numbers[at + VERSION],
        batchValue(batch, place),
        batchSource(batch, place),
      ];
    }
    return kept;
  };
  return [{ name: 'update batch: write and read', operations: UPDATES, run }];
}

const UPDATES = 256;
