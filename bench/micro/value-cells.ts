import { HANDLE_PLACES } from '../../src/shared/port/handles.js';
import { CellReader, CellWriter } from '../../src/shared/port/value-cells.js';
import type { Kernel } from './kernel.js';
import { repeat } from './kernel.js';

/** What each update costs its worker for `peek`, and what a peek costs once its cell is known. Both ends on one thread. */
export function valueCellsKernels(): Kernel[] {
  const reader = new CellReader();
  const writer = new CellWriter(() => undefined);
  reader.reserve(HANDLE_PLACES + CELLS);
  for (const [index, chunk] of reader.chunks.entries()) writer.handleChunk(index, chunk);
  writer.write(HANDLE_PLACES, 1);
  return [
    repeat('value cells: write a number', (index) => writer.write(HANDLE_PLACES + (index % CELLS), index + 0.5)),
    repeat('value cells: a text, which has no cell', (index) =>
      writer.write(2 * HANDLE_PLACES + (index % CELLS), 'text'),
    ),
    repeat('value cells: read', (index) => reader.read(HANDLE_PLACES + (index % CELLS))),
  ];
}

const CELLS = 5_000;
