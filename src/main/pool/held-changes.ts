/**
 * Bytes of the changes whose callers wait, in both threads and on the wire. Path: bridged state -> [held changes] -> set batches, slot client.
 * Full: one more is refused at once, unless it is alone. Bounded by worker: a state that sets faster than its server takes it would fill the memory.
 */
import { QuotaExceededError } from '../../shared/errors.js';
import type { ChangeCall } from '../../shared/port/commands.js';
import { metadataBytes } from '../../shared/state/held-bytes.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { valueBytes } from '../../shared/values/value-codec.js';
import type { VariableValue } from '../../shared/values/variable-type.js';

export class HeldChanges {
  readonly #mostBytes: number;
  #bytes = 0;

  constructor(mostBytes: number = MOST_BYTES) {
    this.#mostBytes = mostBytes;
  }

  /** @throws QuotaExceededError */
  take(bytes: number): void {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#mostBytes) {
      throw new QuotaExceededError(
        `changes of ${this.#bytes} bytes wait to be made already, of ${this.#mostBytes} at most: await your sets before you start more`,
      );
    }
    this.#bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** By estimate. `value`: plain data of whatever type. */
export function bytesOfChange(value: unknown, metadata: Metadata): number {
  return BYTES_AROUND_A_CHANGE + valueBytes(value as VariableValue) + metadataBytes(metadata);
}

export function bytesOfCall(call: ChangeCall): number {
  switch (call.name) {
    case 'set':
      return bytesOfChange(call.value.value, call.metadata);
    case 'register':
      return bytesOfChange(call.initial.value, call.metadata);
    case 'update':
      return call.values.reduce((sum, [, { value }]) => sum + bytesOfChange(value, call.metadata), 0);
    default:
      return BYTES_AROUND_A_CHANGE;
  }
}

/** Of what the port makes of it: a few times as much while it crosses and travels. */
const MOST_BYTES = 256 * 1024 * 1024;
const BYTES_AROUND_A_CHANGE = 128;
