/**
 * Updates as columns: what crosses a port in one message. Path: port writer -> [update batch] -> slot client.
 * Numbers travel in one transferred buffer, values in one array; sources and setters' maps only where they are not all alike.
 * Cloning rows of objects costs the receiving thread five times as much.
 */
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import type { VariableValue } from '../values/variable-type.js';
import { OpaqueBinary } from '../values/variable-type.js';

/** Numbers of one update, in this order. */
export const COLUMNS = 8;
export const HANDLE = 0;
export const VERSION = 1;
export const TIMESTAMP = 2;
export const RECEIVED_AT = 3;
export const REVISION = 4;
export const MISSED = 5;
export const FILTERED = 6;
export const FLAGS = 7;

export interface UpdateBatch {
  readonly count: number;
  /** `count` times COLUMNS numbers; the buffer may be longer. */
  readonly numbers: Float64Array;
  readonly values: readonly unknown[];
  /** One source for all, or one each. */
  readonly sources: string | readonly string[];
  /** Setters' maps by the update's place, where there are any. */
  readonly customs: ReadonlyMap<number, Metadata> | undefined;
  /** Old values by the update's place, where HAS_OLD is set. */
  readonly olds: ReadonlyMap<number, unknown> | undefined;
  /** Places whose value is opaque binary, and ~places whose old value is: a port keeps its fields but not its class. */
  readonly opaques: ReadonlySet<number> | undefined;
}

export class UpdateBatchWriter {
  #numbers: Float64Array;
  #values: unknown[] = [];
  #source = '';
  #sources: string[] | undefined;
  #customs: Map<number, Metadata> | undefined;
  #olds: Map<number, unknown> | undefined;
  #opaques: Set<number> | undefined;
  #count = 0;

  constructor() {
    this.#numbers = new Float64Array(SMALLEST_CAPACITY * COLUMNS);
  }

  get count(): number {
    return this.#count;
  }

  append(
    handle: number,
    version: number,
    value: VariableValue,
    timestamp: number,
    receivedAt: number,
    revision: number,
    missed: number,
    filtered: number,
    flags: number,
    source: string,
    custom: Metadata,
  ): void {
    const place = this.#count;
    if ((place + 1) * COLUMNS > this.#numbers.length) this.#grow();
    const numbers = this.#numbers;
    const at = place * COLUMNS;
    numbers[at] = handle;
    numbers[at + 1] = version;
    numbers[at + 2] = timestamp;
    numbers[at + 3] = receivedAt;
    numbers[at + 4] = revision;
    numbers[at + 5] = missed;
    numbers[at + 6] = filtered;
    numbers[at + 7] = flags;
    this.#values.push(value);
    if (value instanceof OpaqueBinary) this.#markOpaque(place);
    this.#putSource(place, source);
    if (custom !== EMPTY_METADATA) {
      this.#customs ??= new Map();
      this.#customs.set(place, custom);
    }
    this.#count = place + 1;
  }

  /** Says the old value of the update appended last. */
  putOld(old: VariableValue | undefined): void {
    this.#olds ??= new Map();
    const place = this.#count - 1;
    this.#olds.set(place, old);
    if (old instanceof OpaqueBinary) this.#markOpaque(~place);
  }

  /** Moves out what was appended; its `numbers.buffer` is to be transferred. */
  take(): UpdateBatch {
    const batch: UpdateBatch = {
      count: this.#count,
      numbers: this.#numbers,
      values: this.#values,
      sources: this.#sources ?? this.#source,
      customs: this.#customs,
      olds: this.#olds,
      opaques: this.#opaques,
    };
    // The next turn is likely to bring about as much as this one.
    this.#numbers = new Float64Array(Math.max(SMALLEST_CAPACITY, this.#count) * COLUMNS);
    this.#values = [];
    this.#source = '';
    this.#sources = undefined;
    this.#customs = undefined;
    this.#olds = undefined;
    this.#opaques = undefined;
    this.#count = 0;
    return batch;
  }

  #markOpaque(place: number): void {
    this.#opaques ??= new Set();
    this.#opaques.add(place);
  }

  #putSource(place: number, source: string): void {
    if (this.#sources !== undefined) {
      this.#sources.push(source);
    } else if (place === 0) {
      this.#source = source;
    } else if (source !== this.#source) {
      this.#sources = new Array<string>(place).fill(this.#source);
      this.#sources.push(source);
    }
  }

  #grow(): void {
    const larger = new Float64Array(this.#numbers.length * 2);
    larger.set(this.#numbers);
    this.#numbers = larger;
  }
}

/** The value at a place, with its class again where the port took it. */
export function batchValue(batch: UpdateBatch, place: number): VariableValue {
  const value = batch.values[place];
  return batch.opaques?.has(place) ? reviveOpaque(value) : (value as VariableValue);
}

/** The old value said with the update at a place; undefined too when none was. */
export function batchOld(batch: UpdateBatch, place: number): VariableValue | undefined {
  const old = batch.olds?.get(place);
  return batch.opaques?.has(~place) ? reviveOpaque(old) : (old as VariableValue | undefined);
}

export function batchSource(batch: UpdateBatch, place: number): string {
  return typeof batch.sources === 'string' ? batch.sources : batch.sources[place]!;
}

/** A value that crosses a port alone: opaque binary loses its class on the way. */
export interface PortValue {
  readonly value: unknown;
  readonly isOpaque: boolean;
}

export function toPortValue(value: VariableValue): PortValue {
  return { value, isOpaque: value instanceof OpaqueBinary };
}

export function fromPortValue(port: PortValue): VariableValue {
  return port.isOpaque ? reviveOpaque(port.value) : (port.value as VariableValue);
}

function reviveOpaque(value: unknown): OpaqueBinary {
  const { header, bytes } = value as { header: string; bytes: Uint8Array };
  return new OpaqueBinary(header, bytes);
}

const SMALLEST_CAPACITY = 16;
