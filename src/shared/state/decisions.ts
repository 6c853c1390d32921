/**
 * What becomes of what is asked of a table, by what was decided before, whether that is kept or not. Path: variable table -> [decisions] -> whoever
 * keeps it, then the table again. What it decides is ahead of what the table shows until it is applied or undone. Full: QuotaExceededError.
 */
import { BridgeError, InvalidArgumentError, QuotaExceededError, VariablesNotFoundError } from '../errors.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import type { VariableValue } from '../values/variable-type.js';
import { bytesOfVersion, registrationBytes } from './held-bytes.js';
import type {
  Accepted,
  AcceptedRegistration,
  Asked,
  Decision,
  Deletion,
  OperationResult,
  Setter,
  TableOperation,
} from './operation.js';
import { OTHER_REFUSED } from './operation.js';
import { variableOf } from './registered-variable.js';
import type { TableBytes } from './table-bytes.js';
import type { DecidedChange, Variable } from './variable.js';
import { alreadyRegistered, changesNothing, checkExpectedVersion } from './variable.js';
import type { VersionedValue } from './versioned-value.js';

export interface DecisionOptions {
  readonly maxVariables: number;
  readonly newId: () => string;
  /** The timestamp of what is committed at `nowMs`. Default: the same number. */
  readonly timestampAt?: ((nowMs: number) => number) | undefined;
}

/** What is kept, and shown. */
interface KeptVariables {
  readonly size: number;
  findByName(name: string): Variable | undefined;
  nextPlace(): number;
}

export class Decisions {
  readonly #kept: KeptVariables;
  readonly #bytes: TableBytes;
  readonly #options: DecisionOptions;
  readonly #timestampAt: (nowMs: number) => number;
  #revision = 0;
  /** Registered, and not kept yet. */
  readonly #arriving = new Map<string, Variable>();
  /** Variables whose deletion is not kept yet. */
  #leaving = 0;

  constructor(kept: KeptVariables, bytes: TableBytes, options: DecisionOptions) {
    this.#kept = kept;
    this.#bytes = bytes;
    this.#options = options;
    this.#timestampAt = options.timestampAt ?? ((nowMs) => nowMs);
  }

  /** Of the last change that was decided. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * What becomes of it, by what was decided before, kept or not. What it changes is ahead until `apply` or `undo`.
   * @throws QuotaExceededError when there is no room for an atomic group
   */
  decide({ operations, isAtomic, setter, nowMs }: Asked): Decision {
    if (isAtomic) return this.#decideAll(operations as readonly Accepted[], setter, nowMs);
    if (operations.length === 1) return this.#decideAlone(operations[0]!, setter, nowMs);
    const results: OperationResult[] = [];
    const changes: DecidedChange[] = [];
    for (const operation of operations) {
      try {
        const change = this.#decideOne(operation, setter, nowMs);
        if (change !== undefined) changes.push(change);
        // An equal set says the version that it is equal to.
        results.push(change === undefined ? (operation as Accepted).variable.decided.version : change.current.version);
      } catch (error) {
        results.push(refusal(error));
      }
    }
    return { results, changes };
  }

  /** Of sets that shall be made together and of which others were refused: what would refuse these too. Decides nothing. */
  refuseAll(operations: readonly Accepted[]): readonly BridgeError[] {
    const named = new Map<number, string>();
    return operations.map((operation) => {
      try {
        nameOnce(named, operation.variable, operation.identifier);
        this.#isChange(operation);
        return OTHER_REFUSED;
      } catch (error) {
        return refusal(error);
      }
    });
  }

  /** What was decided in an earlier life of the table, and is kept. */
  repeat({ variable, previous, current, bytes, reason }: DecidedChange): void {
    this.#revision = current.revision;
    if (reason !== undefined) {
      this.#leave(variable);
      return;
    }
    if (previous === undefined) this.#arrive(variable, registrationBytes(variable));
    this.#bytes.decideVersion(variable, bytes);
    variable.decided = current;
    variable.decidedBytes = bytes;
  }

  /** What was registered is in the table. */
  handleArrived({ name }: Variable): void {
    this.#arriving.delete(name);
  }

  /** A deleted variable is out of it. */
  handleLeft(): void {
    this.#leaving -= 1;
  }

  /** Nothing has happened up to there that is not in the table. */
  skipTo(revision: number): void {
    this.#revision = revision;
  }

  /** Nothing of what is ahead was kept: all of it, in any order. */
  undo(changes: Iterable<DecidedChange>, keptRevision: number): void {
    for (const { variable } of changes) {
      variable.decided = variable.current;
      variable.decidedBytes = variable.history.newestBytes;
      variable.isLeaving = false;
    }
    this.#arriving.clear();
    this.#leaving = 0;
    this.#bytes.undo();
    this.#revision = keptRevision;
  }

  /** The hot path: an array that grows has room for many. */
  #decideAlone(operation: TableOperation, setter: Setter, nowMs: number): Decision {
    try {
      const change = this.#decideOne(operation, setter, nowMs);
      if (change !== undefined) return { results: [change.current.version], changes: [change] };
      return { results: [(operation as Accepted).variable.decided.version], changes: NO_CHANGES };
    } catch (error) {
      return { results: [refusal(error)], changes: NO_CHANGES };
    }
  }

  #decideOne(operation: TableOperation, setter: Setter, nowMs: number): DecidedChange | undefined {
    switch (operation.kind) {
      case 'set':
        return this.decideSet(operation, setter, nowMs);
      case 'register':
        return this.decideRegistration(operation, nowMs);
      case 'delete':
        return this.decideDeletion(operation, nowMs);
      default:
        return operation satisfies never;
    }
  }

  /** Undefined: it is equal. */
  decideSet(accepted: Accepted, setter: Setter, nowMs: number): DecidedChange | undefined {
    if (!this.#isChange(accepted)) return undefined;
    const { variable, value } = accepted;
    const bytes = bytesOfVersion(value, setter.custom, setter.source);
    this.#bytes.checkRoom(bytes - variable.decidedBytes, variable.name);
    return this.#decided(variable, value, setter, nowMs, this.#revision + 1, bytes);
  }

  #decideAll(operations: readonly Accepted[], setter: Setter, nowMs: number): Decision {
    const named = hasTwins(operations) ? new Map<number, string>() : undefined;
    const results: OperationResult[] = [];
    /** Of the version that each makes; 0 where it is equal. */
    const sizes: number[] = [];
    let first: Variable | undefined;
    let more = 0;
    let isRefused = false;
    for (const operation of operations) {
      let result: OperationResult = OTHER_REFUSED;
      let bytes = 0;
      try {
        const { identifier, variable, value } = operation;
        if (named !== undefined) nameOnce(named, variable, identifier);
        if (this.#isChange(operation)) {
          first ??= variable;
          bytes = bytesOfVersion(value, setter.custom, setter.source);
          more += bytes - variable.decidedBytes;
        }
      } catch (error) {
        result = refusal(error);
        isRefused = true;
      }
      results.push(result);
      sizes.push(bytes);
    }
    if (isRefused) return { results, changes: NO_CHANGES };
    if (first !== undefined) this.#bytes.checkRoom(more, first.name);
    const revision = this.#revision + 1;
    const changes: DecidedChange[] = [];
    for (let place = 0; place < operations.length; place += 1) {
      const { variable, value } = operations[place]!;
      const bytes = sizes[place]!;
      if (bytes > 0) changes.push(this.#decided(variable, value, setter, nowMs, revision, bytes));
      results[place] = variable.decided.version;
    }
    return { results, changes };
  }

  /** @throws VariablesNotFoundError, VersionConflictError, InvalidArgumentError */
  #isChange({ identifier, variable, value, expectedVersion }: Accepted): boolean {
    if (variable.isGone || variable.isLeaving) throw VariablesNotFoundError.of([identifier]);
    checkExpectedVersion(variable, expectedVersion);
    return !changesNothing(variable, value);
  }

  /** `bytes`: of the version that it makes. */
  #decided(
    variable: Variable,
    value: VariableValue,
    setter: Setter,
    nowMs: number,
    revision: number,
    bytes: number,
  ): DecidedChange {
    const previous = variable.decided;
    const current: VersionedValue = {
      version: previous.version + 1,
      value,
      timestamp: this.#timestampAt(nowMs),
      source: setter.source,
      custom: setter.custom,
      revision,
    };
    this.#revision = revision;
    this.#bytes.decideVersion(variable, bytes);
    variable.decided = current;
    variable.decidedBytes = bytes;
    return { variable, previous, current, reason: undefined, bytes };
  }

  /** @throws AlreadyExistsError, QuotaExceededError */
  decideRegistration(registration: AcceptedRegistration, nowMs: number): DecidedChange {
    const { name, value, source, firstVersion } = registration;
    const known = this.#kept.findByName(name);
    if ((known !== undefined && !known.isLeaving) || this.#arriving.has(name)) {
      throw alreadyRegistered(name);
    }
    if (this.#kept.size + this.#arriving.size - this.#leaving >= this.#options.maxVariables) {
      throw new QuotaExceededError(
        `variable "${name}": the session holds its ${this.#options.maxVariables} variables: delete some, or raise maxVariables`,
      );
    }
    const current: VersionedValue = {
      version: firstVersion,
      value,
      timestamp: this.#timestampAt(nowMs),
      source,
      custom: EMPTY_METADATA,
      revision: this.#revision + 1,
    };
    const id = registration.id === '' ? this.#options.newId() : registration.id;
    const place = this.#kept.nextPlace() + this.#arriving.size;
    const variable = variableOf(this.#bytes.histories, registration, current, place, current.timestamp, id);
    const bytes = bytesOfVersion(value, current.custom, source);
    const registered = registrationBytes(variable);
    this.#bytes.checkRoom(registered + bytes, name);
    this.#revision += 1;
    this.#arrive(variable, registered);
    this.#bytes.decideVersion(variable, bytes);
    variable.decidedBytes = bytes;
    return { variable, previous: undefined, current, reason: undefined, bytes };
  }

  /** @throws VariablesNotFoundError */
  decideDeletion({ identifier, variable, reason }: Deletion, nowMs: number): DecidedChange {
    if (variable.isGone || variable.isLeaving) throw VariablesNotFoundError.of([identifier]);
    const previous = variable.decided;
    this.#revision += 1;
    const current: VersionedValue = {
      ...previous,
      version: previous.version + 1,
      timestamp: this.#timestampAt(nowMs),
      revision: this.#revision,
    };
    this.#leave(variable);
    return { variable, previous, current, reason, bytes: 0 };
  }

  #arrive(variable: Variable, bytes: number): void {
    this.#arriving.set(variable.name, variable);
    this.#bytes.decideRegistration(bytes);
  }

  #leave(variable: Variable): void {
    variable.isLeaving = true;
    this.#leaving += 1;
    this.#bytes.decideDeletion(variable);
  }
}

/** Whether a variable is there a second time. By places, sorted: a map of tens of thousands would be a fifth of what a large group takes. */
function hasTwins(operations: readonly Accepted[]): boolean {
  const places = new Float64Array(operations.length);
  for (let at = 0; at < operations.length; at += 1) places[at] = operations[at]!.variable.place;
  places.sort();
  for (let at = 1; at < places.length; at += 1) if (places[at] === places[at - 1]) return true;
  return false;
}

/** @throws InvalidArgumentError when a batch names a variable a second time, by its name or its id */
export function nameOnce(named: Map<number, string>, variable: Variable, identifier: string): void {
  // By place: a hash of an object has to be made first.
  const twin = named.get(variable.place);
  if (twin !== undefined) {
    throw new InvalidArgumentError(
      `variable "${variable.name}" is twice in one atomic batch, as "${twin}" and "${identifier}": name it once`,
    );
  }
  named.set(variable.place, identifier);
}

/** Our errors are the answer to one of several; any other is a mistake of ours. */
export function refusal(error: unknown): BridgeError {
  if (!(error instanceof BridgeError)) throw error;
  return error;
}

export const NO_CHANGES: readonly DecidedChange[] = [];
