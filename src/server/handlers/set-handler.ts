/** SetVariable and SetVariables: messages <-> session. Path: HTTP/2 -> [set handler] -> session. Values are decoded by their variable's declared type. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { BridgeError, InvalidArgumentError, InvalidValueError } from '../../shared/errors.js';
import type { Accepted, OperationResult, Setter } from '../../shared/state/operation.js';
import type { Variable } from '../../shared/state/variable.js';
import { noteResult } from '../../shared/state/variable-table.js';
import { longMatchOf } from '../../shared/values/constraint.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import { setterFromWire } from '../../shared/wire/messages.js';
import type { RequestOf, ResponseOf } from '../../shared/wire/services.js';
import { METHODS } from '../../shared/wire/services.js';
import { versionFromWire, wireVersion } from '../../shared/wire/wire-version.js';
import type { Kept } from '../engine/engine.js';
import { mapKept } from '../engine/engine.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import type { WorkBudget } from '../work-turns.js';
import { batchAnswer, newVersionsOf } from './batch-answer.js';
import { SetSteps } from './set-steps.js';
import type { Encoded, UnaryCall } from './unary-call.js';
import { inLine, unaryCall } from './unary-call.js';
import type { WireAny } from './value-reader.js';

export function setHandlers(server: ServerContext): UntypedServiceImplementation {
  const setters = new SetCalls(server);
  return {
    SetVariable: unaryCall(
      server,
      METHODS.SetVariable,
      (request, call) => setters.setOne(request, call),
      (errorMessage) => ({ success: false, errorMessage }),
    ),
    SetVariables: unaryCall(server, METHODS.SetVariables, (request, call, parts) =>
      setters.setSeveral(request, call, parts),
    ),
  };
}

class SetCalls {
  readonly #server: ServerContext;
  readonly #steps: SetSteps;

  constructor(server: ServerContext) {
    this.#server = server;
    this.#steps = new SetSteps(server);
  }

  setOne(request: RequestOf<'SetVariable'>, call: UnaryCall): Kept<ResponseOf<'SetVariable'>> {
    const session = this.#server.store.require(request.sessionId ?? '', call.nowMs);
    const identifier = request.variableIdentifier ?? '';
    const variable = session.require(identifier);
    const setter = setterFromWire(request.metadata, request.setter);
    const expectedVersion = expectedVersionOf(request.expectedVersion ?? 0, variable);
    const commit = (value: VariableValue, isMatched?: boolean): Kept<ResponseOf<'SetVariable'>> => {
      const result = this.#steps.commit({ session, identifier, variable, value, expectedVersion, setter }, isMatched);
      return mapKept(result, (version) => ({ success: true, newVersion: wireVersion(version) }));
    };
    const commitWhenMatched = (value: VariableValue): Kept<ResponseOf<'SetVariable'>> => {
      const long = longMatchOf(variable.type, variable.constraints, value);
      if (long === undefined) return commit(value);
      return inLine(this.#server.patterns.matches(long), call, (isMatched) => commit(value, isMatched));
    };
    const value = this.#steps.read(variable, request.value, request.binaryValue, setter);
    return value instanceof Promise ? inLine(value, call, commitWhenMatched) : commitWhenMatched(value);
  }

  /** In turns: values are looked at and, unless all or none shall be set, set as far as the turn goes. */
  async setSeveral(
    request: RequestOf<'SetVariables'>,
    call: UnaryCall,
    parts: readonly RequestOf<'SetVariables'>[],
  ): Promise<ResponseOf<'SetVariables'> | Encoded> {
    let session: Session;
    try {
      session = this.#server.store.require(request.sessionId ?? '', call.nowMs);
    } catch (error) {
      // The answer has no sentence of its own: each variable says it.
      if (!(error instanceof BridgeError)) throw error;
      call.errorCode = error.code;
      const refused = new Map<string, BridgeError>();
      for (const { updates } of parts)
        for (const identifier of Object.keys(updates ?? {})) refused.set(identifier, error);
      return batchAnswer(
        { success: false, versions: new Map(), refused },
        this.#server.options.maxMessageBytes,
        this.#server.turns.begin(),
      );
    }
    const batch = new Batch(session, request.atomic ?? false, setterFromWire(request.metadata, request.setter));
    const work = this.#server.turns.begin();
    let release: (() => void) | undefined;
    try {
      for (const assignment of assignmentsOf(parts)) {
        const waiting = this.#accept(batch, assignment) ?? work.spend(stepsOf(assignment));
        if (waiting === undefined) continue;
        release ??= call.holdLine();
        batch.commitUnlessAtomic(this.#server.clock.nowMs());
        await waiting;
      }
      const turn = work.ownTurn(batch.undivided);
      if (turn !== undefined) {
        release ??= call.holdLine();
        await turn;
      }
      batch.commit(this.#server.clock.nowMs());
    } finally {
      release?.();
    }
    const versions = await batch.whenNoted(work);
    const { refused } = batch;
    this.#server.counters.sets += versions.size;
    if (refused.size > 0) call.errorCode = 'BATCH_REFUSED';
    else if (versions.size <= MAX_ENTRIES_AT_ONCE) return { success: true, newVersions: newVersionsOf(versions) };
    return batchAnswer({ success: refused.size === 0, versions, refused }, this.#server.options.maxMessageBytes, work);
  }

  /** Of a batch; a promise when its value is read in turns, or its match made elsewhere. */
  #accept(batch: Batch, { identifier, any, binary, hasHeader }: WireAssignment): Promise<void> | undefined {
    try {
      if (!hasHeader) {
        throw new InvalidValueError(
          `variable "${identifier}": binary_updates has bytes for it but updates no header: put one there too`,
        );
      }
      const { session, setter } = batch;
      const variable = session.require(identifier);
      const value = this.#steps.read(variable, any, binary, setter);
      if (!(value instanceof Promise)) return this.#acceptRead(batch, identifier, variable, value);
      return value.then(
        (read) => this.#acceptRead(batch, identifier, variable, read),
        (error) => batch.refuse(identifier, error),
      );
    } catch (error) {
      batch.refuse(identifier, error);
    }
    return undefined;
  }

  #acceptRead(batch: Batch, identifier: string, variable: Variable, value: VariableValue): Promise<void> | undefined {
    const long = longMatchOf(variable.type, variable.constraints, value);
    if (long === undefined) {
      batch.accept(identifier, variable, value);
      return undefined;
    }
    return this.#server.patterns
      .matches(long)
      .then((isMatched) => batch.accept(identifier, variable, value, isMatched));
  }
}

/** What a batch has come to. */
class Batch {
  readonly session: Session;
  readonly setter: Setter;
  readonly #isAtomic: boolean;
  #accepted: Accepted[] = [];
  readonly #made: { readonly accepted: readonly Accepted[]; readonly results: Kept<readonly OperationResult[]> }[] = [];
  readonly refused = new Map<string, BridgeError>();

  constructor(session: Session, isAtomic: boolean, setter: Setter) {
    this.session = session;
    this.#isAtomic = isAtomic;
    this.setter = setter;
  }

  /** Sets that are made in one go. */
  get undivided(): number {
    return this.#isAtomic ? this.#accepted.length : 0;
  }

  accept(identifier: string, variable: Variable, value: VariableValue, isMatched?: boolean): void {
    try {
      this.#accepted.push(this.session.acceptDecoded(identifier, variable, value, undefined, isMatched));
    } catch (error) {
      this.refuse(identifier, error);
    }
  }

  /** Our errors are the answer to one of several; any other is a mistake of ours. */
  refuse(identifier: string, error: unknown): void {
    if (!(error instanceof BridgeError)) throw error;
    this.refused.set(identifier, error);
  }

  commitUnlessAtomic(nowMs: number): void {
    if (!this.#isAtomic) this.commit(nowMs);
  }

  commit(nowMs: number): void {
    const accepted = this.#accepted;
    this.#accepted = [];
    const { session, setter } = this;
    const results =
      this.#isAtomic && this.refused.size > 0
        ? session.refuseAll(accepted)
        : session.commitSeveral(accepted, this.#isAtomic, setter, nowMs);
    this.#made.push({ accepted, results });
    // Told by `whenNoted`, once every turn is done.
    if (results instanceof Promise) results.catch(() => undefined);
  }

  /** The new versions, in turns; `refused` is whole then. Rejects where something may not be kept. */
  async whenNoted(work: WorkBudget): Promise<ReadonlyMap<string, number>> {
    const versions = new Map<string, number>();
    for (const { accepted, results } of this.#made) {
      const known = results instanceof Promise ? await results : results;
      for (let place = 0; place < accepted.length; place += 1) {
        noteResult(accepted[place]!.identifier, known[place]!, versions, this.refused);
        const rest = work.spend(1);
        if (rest !== undefined) await rest;
      }
    }
    return versions;
  }
}

interface WireAssignment {
  identifier: string;
  any: WireAny;
  binary: Uint8Array | undefined;
  /** False: bytes without what says what they are. */
  hasHeader: boolean;
}

/** One object for all, to be read before the next is asked for. */
function* assignmentsOf(parts: readonly RequestOf<'SetVariables'>[]): Generator<WireAssignment> {
  const binaries = parts.filter((part) => Object.keys(part.binaryUpdates ?? {}).length > 0);
  const assignment: WireAssignment = { identifier: '', any: undefined, binary: undefined, hasHeader: true };
  for (const part of parts) {
    const updates = part.updates ?? {};
    for (const identifier of Object.keys(updates)) {
      const any = updates[identifier];
      const holder =
        binaries.length === 0
          ? undefined
          : binaries.find(({ binaryUpdates }) => Object.hasOwn(binaryUpdates!, identifier));
      assignment.identifier = identifier;
      assignment.any = any;
      assignment.binary = holder?.binaryUpdates?.[identifier];
      yield assignment;
    }
  }
  for (const { binaryUpdates } of binaries) {
    for (const identifier of Object.keys(binaryUpdates!)) {
      if (parts.some(({ updates }) => Object.hasOwn(updates ?? {}, identifier))) continue;
      assignment.identifier = identifier;
      assignment.any = undefined;
      assignment.binary = undefined;
      assignment.hasHeader = false;
      yield assignment;
    }
  }
}

/** Microseconds, about. */
function stepsOf({ any, binary }: WireAssignment): number {
  return STEPS_AN_ASSIGNMENT + ((any?.value?.length ?? 0) + (binary?.length ?? 0)) / BYTES_A_STEP;
}

function expectedVersionOf(wire: number, variable: Variable): number | undefined {
  if (wire === 0) return undefined;
  if (wire > 0) return versionFromWire(wire, variable.current.version);
  throw new InvalidArgumentError(
    `variable "${variable.name}": expected version ${wire} is negative: give the version that you have read, or 0 for no check`,
  );
}

/** Of an answer that is written at once: less than a millisecond. */
const MAX_ENTRIES_AT_ONCE = 1_024;
const STEPS_AN_ASSIGNMENT = 6;
const BYTES_A_STEP = 50;
