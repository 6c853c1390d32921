/**
 * Present values of watched variables, for `peek`: a cell a handle in shared memory, written by the worker when an update arrives, read by the
 * main thread at any time, although nothing of it has been dispatched. Path: watch feed -> [cell writer, cell reader] -> peek.
 * Neither side waits: a cell has two copies, and a counter says which is whole while the other is written. Every access is atomic, so that no
 * processor and no compiler may reorder them. Full: grows by chunks with the places of handles. Closed: a reader that is cleared has nothing.
 */
import { generationOf, placeOf } from './handles.js';

/** What can be peeked. */
export type CellValue = number | boolean;

/** Memory for the cells of neighbouring places. */
export type CellChunk = Int32Array;

export function makeCellChunk(): CellChunk {
  return new Int32Array(new SharedArrayBuffer(CELLS_A_CHUNK * WORDS * Int32Array.BYTES_PER_ELEMENT));
}

/** The worker's end. */
export class CellWriter {
  /** By place / CELLS_A_CHUNK: of handles that the main thread has allotted, which also makes the memory, and of those of this worker. */
  readonly #asked: CellChunk[] = [];
  readonly #found: CellChunk[] = [];
  readonly #onFoundChunk: (index: number, chunk: CellChunk) => void;
  readonly #number = new Float64Array(1);
  readonly #halves = new Int32Array(this.#number.buffer);

  /** `onFoundChunk`: the main thread has to be given it. */
  constructor(onFoundChunk: (index: number, chunk: CellChunk) => void) {
    this.#onFoundChunk = onFoundChunk;
  }

  handleChunk(index: number, chunk: CellChunk): void {
    this.#asked[index] = chunk;
  }

  /** Memory for a handle of this worker, and for those that come next: the main thread has it before it hears of them. */
  reserve(handle: number): void {
    const last = (placeOf(handle) + CELLS_A_CHUNK / 2) >> CHUNK_BITS;
    for (let index = this.#found.length; index <= last; index += 1) {
      const chunk = makeCellChunk();
      this.#found.push(chunk);
      this.#onFoundChunk(index, chunk);
    }
  }

  /** The variable has this value now. One that is no number and no boolean cannot be read. */
  write(handle: number, value: unknown): void {
    this.#write(handle, value, LIVE);
  }

  /** The value that it had when it was heard of last: nobody reads it before `show`. */
  keep(handle: number, value: unknown): void {
    this.#write(handle, value, 0);
  }

  /** What it has is the present value again. */
  show(handle: number): void {
    this.#mark(handle, LIVE);
  }

  /** Nobody knows whether what it has is the present value. */
  hide(handle: number): void {
    this.#mark(handle, 0);
  }

  /** It has none any more. */
  clear(handle: number): void {
    if (this.#formOf(handle) !== NOTHING) this.#put(handle, NOTHING, 0, 0);
  }

  #write(handle: number, value: unknown, live: number): void {
    switch (typeof value) {
      case 'number':
        this.#number[0] = value;
        this.#put(handle, NUMBER | live, this.#halves[0]!, this.#halves[1]!);
        return;
      case 'boolean':
        this.#put(handle, (value ? TRUE : FALSE) | live, 0, 0);
        return;
      default:
        this.clear(handle);
    }
  }

  #mark(handle: number, live: number): void {
    const form = this.#formOf(handle);
    if (form === NOTHING || (form & LIVE) === live) return;
    const chunk = this.#chunkOf(handle)!;
    const copy = copyAt(cellAt(handle), chunk[cellAt(handle)]!);
    this.#put(handle, (form & ~LIVE) | live, chunk[copy + LOW]!, chunk[copy + HIGH]!);
  }

  /** Of what this handle has written; its place may have had other owners. Only this thread writes, so it need not be atomic. */
  #formOf(handle: number): number {
    const chunk = this.#chunkOf(handle);
    if (chunk === undefined) return NOTHING;
    const at = cellAt(handle);
    const copy = copyAt(at, chunk[at]!);
    return chunk[copy + GENERATION] === generationOf(handle) ? chunk[copy + FORM]! : NOTHING;
  }

  #put(handle: number, form: number, low: number, high: number): void {
    const chunk = this.#chunkOf(handle);
    if (chunk === undefined) return;
    const at = cellAt(handle);
    const writes = (chunk[at]! + 1) | 0;
    const copy = copyAt(at, writes);
    Atomics.store(chunk, copy + GENERATION, generationOf(handle));
    Atomics.store(chunk, copy + FORM, form);
    Atomics.store(chunk, copy + LOW, low);
    Atomics.store(chunk, copy + HIGH, high);
    // Whole: from here on it is what is read.
    Atomics.store(chunk, at, writes);
  }

  #chunkOf(handle: number): CellChunk | undefined {
    return (handle > 0 ? this.#asked : this.#found)[placeOf(handle) >> CHUNK_BITS];
  }
}

/** The main thread's end, of one life of its worker. */
export class CellReader {
  #asked: CellChunk[] = [];
  #found: CellChunk[] = [];
  readonly #number = new Float64Array(1);
  readonly #halves = new Int32Array(this.#number.buffer);

  /** What the worker has to be given. */
  get chunks(): readonly CellChunk[] {
    return this.#asked;
  }

  /** Memory for a handle that this thread has allotted. Returns the chunks that were made for it, the last ones of `chunks`. */
  reserve(handle: number): number {
    const before = this.#asked.length;
    while (this.#asked.length <= placeOf(handle) >> CHUNK_BITS) this.#asked.push(makeCellChunk());
    return this.#asked.length - before;
  }

  handleFoundChunk(index: number, chunk: CellChunk): void {
    this.#found[index] = chunk;
  }

  /** The worker is gone: the next one gets fresh memory, in which nothing of this one can be read. */
  handleWorkerLost(): void {
    this.#asked = this.#asked.map(makeCellChunk);
    this.#found = [];
  }

  /** Undefined where it has no value, or nobody knows whether that is the present one. */
  read(handle: number): CellValue | undefined {
    const chunk = (handle > 0 ? this.#asked : this.#found)[placeOf(handle) >> CHUNK_BITS];
    if (chunk === undefined) return undefined;
    const at = cellAt(handle);
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const writes = Atomics.load(chunk, at);
      const copy = copyAt(at, writes);
      const generation = Atomics.load(chunk, copy + GENERATION);
      const form = Atomics.load(chunk, copy + FORM);
      const low = Atomics.load(chunk, copy + LOW);
      const high = Atomics.load(chunk, copy + HIGH);
      // Written since, its next writing may have begun in this copy.
      if (Atomics.load(chunk, at) !== writes) continue;
      if (generation !== generationOf(handle) || (form & LIVE) === 0) return undefined;
      return this.#valueOf(form, low, high);
    }
    return undefined;
  }

  #valueOf(form: number, low: number, high: number): CellValue {
    if ((form & NUMBER) === 0) return (form & TRUE) !== 0;
    this.#halves[0] = low;
    this.#halves[1] = high;
    return this.#number[0]!;
  }
}

function cellAt(handle: number): number {
  return (placeOf(handle) & (CELLS_A_CHUNK - 1)) * WORDS;
}

/** Of the cell's two copies the one that is whole after so many writings. */
function copyAt(at: number, writes: number): number {
  return at + 1 + (writes & 1) * COPY_WORDS;
}

const CHUNK_BITS = 10;
/** Together 36 KB. */
const CELLS_A_CHUNK = 2 ** CHUNK_BITS;

/** Of a copy: whose it is, what it is, and the halves of a number. */
const GENERATION = 0;
const FORM = 1;
const LOW = 2;
const HIGH = 3;
const COPY_WORDS = 4;
/** Of a cell: the writings, and two copies. */
const WORDS = 1 + 2 * COPY_WORDS;

const NOTHING = 0;
const LIVE = 1;
const NUMBER = 2;
const TRUE = 4;
const FALSE = 8;

/** Each is a whole writing by the other thread in the time of five loads: more than a few do not happen. */
const MAX_TRIES = 1_000;
