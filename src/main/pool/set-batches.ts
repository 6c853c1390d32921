/**
 * Sets on their way to one worker: those of a turn are one command, each has its own promise. Path: bridged state -> [set batches] -> slot client.
 * Bounded by what may wait altogether. Closed: every promise that is left is rejected.
 */
import type { BridgeError, ErrorWire } from '../../shared/errors.js';
import {
  BatchRefusedError,
  ConstraintViolationError,
  errorFromWire,
  errorToWire,
  InvalidArgumentError,
  InvalidValueError,
  MessageTooLargeError,
  QuotaExceededError,
  UnknownOutcomeError,
  VariablesNotFoundError,
  VersionConflictError,
} from '../../shared/errors.js';
import type { SetsCommand, SetsOfBatch, SetValue } from '../../shared/port/commands.js';
import type { PortBatchResult, SetResults } from '../../shared/port/replies.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { EMPTY_METADATA } from '../../shared/values/metadata.js';
import { bytesOfChange, type HeldChanges } from './held-changes.js';

/** Sets of one batch. */
export type SetEntries = readonly (readonly [identifier: string, value: SetValue])[];

interface Settler {
  resolve(version: number): void;
  reject(error: BridgeError): void;
}

/** What becomes of a batch, place by place. */
class BatchOutcome {
  readonly #values: SetEntries;
  readonly #isAtomic: boolean;
  readonly #resolve: (result: PortBatchResult) => void;
  readonly #reject: (error: BridgeError) => void;
  readonly #versions: number[] = [];
  readonly #errors: (BridgeError | undefined)[] = [];
  #left: number;

  constructor(
    values: SetEntries,
    isAtomic: boolean,
    resolve: (result: PortBatchResult) => void,
    reject: (error: BridgeError) => void,
  ) {
    this.#values = values;
    this.#isAtomic = isAtomic;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#left = values.length;
  }

  handleDone(place: number, version: number): void {
    this.#versions[place] = version;
    this.#handleOne();
  }

  handleFailed(place: number, error: BridgeError): void {
    this.#errors[place] = error;
    this.#handleOne();
  }

  #handleOne(): void {
    this.#left -= 1;
    if (this.#left > 0) return;
    const failure = this.#failure();
    if (failure === undefined) this.#resolve(this.#result());
    else this.#reject(failure);
  }

  /** What is no answer to one of several. */
  #failure(): BridgeError | undefined {
    const unknown = this.#errors.find((error) => error instanceof UnknownOutcomeError);
    if (unknown !== undefined || this.#versions.length > 0) return unknown;
    // All of them, by the same word: it was not about any of them.
    const [first] = this.#errors;
    const isOfAll = this.#errors.every((error) => error?.code === first?.code);
    const isAnswer = first !== undefined && (isRefusal(first) || (!this.#isAtomic && isOfSize(first)));
    return isOfAll && !isAnswer ? first : undefined;
  }

  #result(): PortBatchResult {
    const versions: [string, number][] = [];
    const refused: [string, ErrorWire][] = [];
    for (const [place, [identifier]] of this.#values.entries()) {
      const error = this.#errors[place];
      if (error === undefined) versions.push([identifier, this.#versions[place]!]);
      else if (!(error instanceof BatchRefusedError)) refused.push([identifier, errorToWire(error)]);
    }
    return { versions, refused };
  }
}

/** What a value or a name caused. */
function isRefusal(error: BridgeError): boolean {
  return (
    error instanceof InvalidValueError ||
    error instanceof ConstraintViolationError ||
    error instanceof VariablesNotFoundError ||
    error instanceof VersionConflictError ||
    error instanceof InvalidArgumentError
  );
}

/** Where the batch is atomic it is about all of it, and else about one. */
function isOfSize(error: BridgeError): boolean {
  return error instanceof QuotaExceededError || error instanceof MessageTooLargeError;
}

export class SetBatch {
  readonly #settlers: (Settler | undefined)[] = [];
  readonly #identifiers: string[] = [];
  readonly #values: SetValue[] = [];
  readonly #held: HeldChanges;
  /** By place. */
  readonly #bytes: number[] = [];
  #metadata: Metadata[] | undefined;
  #expectedVersions: number[] | undefined;
  readonly #batches: SetsOfBatch[] = [];
  #left = 0;
  readonly bridge: number;
  readonly source: string;

  constructor(bridge: number, source: string, held: HeldChanges) {
    this.#held = held;
    this.bridge = bridge;
    this.source = source;
  }

  get isSettled(): boolean {
    return this.#left === 0;
  }

  /** Resolves with the version. @throws BridgeError of the worker or the server */
  add(identifier: string, value: SetValue, metadata: Metadata, expectedVersion: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const bytes = bytesOfChange(value, metadata);
      this.#held.take(bytes);
      this.#push(identifier, value, metadata, expectedVersion, bytes, { resolve, reject });
    });
  }

  /**
   * Those of one batch, together. Resolves with what became of each, those of an atomic batch that are not to blame left out.
   * @throws BridgeError where it is not known, or where none was even looked at
   */
  addBatch(values: SetEntries, metadata: Metadata, atomic: boolean): Promise<PortBatchResult> {
    return new Promise((resolve, reject) => {
      const bytes = values.map(([, value]) => bytesOfChange(value, metadata));
      this.#held.take(bytes.reduce((sum, own) => sum + own, 0));
      const from = this.#identifiers.length;
      this.#batches.push({ from, upTo: from + values.length, atomic });
      const outcome = new BatchOutcome(values, atomic, resolve, reject);
      for (const [place, [identifier, value]] of values.entries()) {
        const settler: Settler = {
          resolve: (version) => outcome.handleDone(place, version),
          reject: (error) => outcome.handleFailed(place, error),
        };
        this.#push(identifier, value, metadata, 0, bytes[place]!, settler);
      }
    });
  }

  #push(
    identifier: string,
    value: SetValue,
    metadata: Metadata,
    expectedVersion: number,
    bytes: number,
    settler: Settler,
  ): void {
    const place = this.#identifiers.length;
    this.#bytes.push(bytes);
    this.#identifiers.push(identifier);
    this.#values.push(value);
    if (metadata !== EMPTY_METADATA) this.#metadata ??= new Array<Metadata>(place).fill(EMPTY_METADATA);
    this.#metadata?.push(metadata);
    if (expectedVersion !== 0) this.#expectedVersions ??= new Array<number>(place).fill(0);
    this.#expectedVersions?.push(expectedVersion);
    this.#left += 1;
    this.#settlers.push(settler);
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
      batches: this.#batches,
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
    this.#held.giveBack(this.#bytes[place]!);
    this.#left -= 1;
    return settler;
  }
}
