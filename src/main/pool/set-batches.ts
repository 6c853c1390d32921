/**
 * Sets on their way to one worker: those of a turn are one command, each has its own promise. Path: bridged state -> [set batches] -> slot client.
 * Bounded by what the worker takes in: it refuses. Closed: every promise that is left is rejected.
 */
import type { BridgeError } from '../../shared/errors.js';
import { errorFromWire } from '../../shared/errors.js';
import type { SetsCommand } from '../../shared/port/commands.js';
import type { SetResults } from '../../shared/port/replies.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { EMPTY_METADATA } from '../../shared/values/metadata.js';
import type { PlainValue } from '../../shared/wire/link-set-writer.js';

interface Settler {
  resolve(version: number): void;
  reject(error: BridgeError): void;
}

export class SetBatch {
  readonly #settlers: (Settler | undefined)[] = [];
  readonly #identifiers: string[] = [];
  readonly #values: PlainValue[] = [];
  #metadata: Metadata[] | undefined;
  #expectedVersions: number[] | undefined;
  #left = 0;
  readonly bridge: number;
  readonly source: string;

  constructor(bridge: number, source: string) {
    this.bridge = bridge;
    this.source = source;
  }

  get isSettled(): boolean {
    return this.#left === 0;
  }

  /** Resolves with the version. @throws BridgeError of the worker or the server */
  add(identifier: string, value: PlainValue, metadata: Metadata, expectedVersion: number): Promise<number> {
    const place = this.#identifiers.length;
    this.#identifiers.push(identifier);
    this.#values.push(value);
    if (metadata !== EMPTY_METADATA) this.#metadata ??= new Array<Metadata>(place).fill(EMPTY_METADATA);
    this.#metadata?.push(metadata);
    if (expectedVersion !== 0) this.#expectedVersions ??= new Array<number>(place).fill(0);
    this.#expectedVersions?.push(expectedVersion);
    this.#left += 1;
    return new Promise((resolve, reject) => this.#settlers.push({ resolve, reject }));
  }

  command(id: number): SetsCommand {
    return {
      kind: 'sets',
      id,
      bridge: this.bridge,
      identifiers: this.#identifiers,
      values: this.#values,
      source: this.source,
      metadata: this.#metadata,
      expectedVersions: this.#expectedVersions,
    };
  }

  handleResults({ places, versions, errors }: SetResults): void {
    let refused = 0;
    for (let index = 0; index < places.length; index += 1) {
      const settler = this.#take(places[index]!);
      const version = versions[index]!;
      if (version > 0) settler?.resolve(version);
      else {
        settler?.reject(errorFromWire(errors[refused]!));
        refused += 1;
      }
    }
  }

  /** Those that are not settled. */
  fail(error: BridgeError): void {
    for (const place of this.#settlers.keys()) this.#take(place)?.reject(error);
  }

  #take(place: number): Settler | undefined {
    const settler = this.#settlers[place];
    if (settler === undefined) return undefined;
    this.#settlers[place] = undefined;
    this.#left -= 1;
    return settler;
  }
}
