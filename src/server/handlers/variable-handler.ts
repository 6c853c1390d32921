/** Calls about one variable but setting: messages <-> session. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { InvalidArgumentError } from '../../shared/errors.js';
import type { Variable } from '../../shared/state/variable.js';
import { longMatchOf, parseConstraints } from '../../shared/values/constraint.js';
import { copyMetadata } from '../../shared/values/metadata.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import { parseVariableType } from '../../shared/values/variable-type.js';
import { numberFromLong, setterFromWire, variableToWire } from '../../shared/wire/messages.js';
import { METHODS } from '../../shared/wire/services.js';
import { ERA_SPAN, versionFromWire } from '../../shared/wire/wire-version.js';
import { mapKept } from '../engine/engine.js';
import type { ServerContext } from '../server-context.js';
import { inLine, unaryCall } from './unary-call.js';
import { UpdateSize } from './update-size.js';
import { readValue } from './value-reader.js';

export function variableHandlers(server: ServerContext): UntypedServiceImplementation {
  const { store, counters } = server;
  const updateSize = new UpdateSize(server.options.maxMessageBytes);
  return {
    RegisterVariable: unaryCall(
      server,
      METHODS.RegisterVariable,
      (request, call) => {
        const session = store.require(request.sessionId ?? '', call.nowMs);
        const name = request.name ?? '';
        const subject = `variable "${name}"`;
        const type = parseVariableType(request.type ?? '');
        const metadata = copyMetadata(request.metadata ?? undefined, subject);
        const constraints = request.constraintsJson ?? '';
        const valueBytes = (request.initialValue?.value?.length ?? 0) + (request.initialBinaryValue?.length ?? 0);
        updateSize.checkRegistration(name, constraints, request.description ?? '', metadata, valueBytes);
        const parsed = parseConstraints(type, constraints, subject);
        const register = (initial: VariableValue, isMatched?: boolean) => {
          const registered = session.register(
            {
              name,
              type,
              initial,
              isMatched,
              constraints: parsed,
              metadata,
              description: request.description ?? '',
              ttlMs: numberFromLong(request.ttlMs),
              // 0 is what a client that says none sends.
              version: numberFromLong(request.firstVersion) || 1,
              source: setterFromWire(metadata, request.setter).source,
            },
            server.clock.nowMs(),
          );
          return mapKept(registered, (variable) => ({ success: true, variableId: variable.id }));
        };
        const registerWhenMatched = (initial: VariableValue) => {
          const long = longMatchOf(type, parsed, initial);
          if (long !== undefined) {
            return inLine(server.patterns.matches(long), call, (isMatched) => register(initial, isMatched));
          }
          // Its name is compared with all of them at once: many registrations in a row leave others their turn.
          const rest = server.turns.begin().spend(server.observers.patternsOf(session.id) * STEPS_A_MATCH);
          return rest === undefined ? register(initial) : inLine(rest, call, () => register(initial));
        };
        const initial = readValue(server.turns, type, request.initialValue, request.initialBinaryValue, subject);
        return initial instanceof Promise ? inLine(initial, call, registerWhenMatched) : registerWhenMatched(initial);
      },
      (errorMessage) => ({ success: false, errorMessage }),
    ),

    GetVariable: unaryCall(server, METHODS.GetVariable, (request, { nowMs }) => {
      const variable = store.require(request.sessionId ?? '', nowMs).require(request.variableIdentifier ?? '');
      return { variable: variableToWire(variable), fromCache: false };
    }),

    DeleteVariable: unaryCall(
      server,
      METHODS.DeleteVariable,
      (request, { nowMs }) => {
        const session = store.require(request.sessionId ?? '', nowMs);
        return mapKept(session.delete(request.variableIdentifier ?? '', 'deleted', nowMs), () => ({ success: true }));
      },
      (errorMessage) => ({ success: false, errorMessage }),
    ),

    RollbackVariable: unaryCall(
      server,
      METHODS.RollbackVariable,
      (request, call) => {
        const session = store.require(request.sessionId ?? '', call.nowMs);
        const variable = session.require(request.variableIdentifier ?? '');
        const version = targetVersionOf(request.targetVersion ?? 0, variable);
        const rollBack = () => {
          const setter = setterFromWire(undefined, request.setter);
          const rolledBack = session.rollback(variable.name, version, setter, call.nowMs);
          counters.sets += 1;
          return mapKept(rolledBack, (present) => ({ success: true, variable: variableToWire(present) }));
        };
        const reading = variable.history.find(version) === undefined ? session.whenHistoryIsRead() : undefined;
        if (reading === undefined) return rollBack();
        const release = call.holdLine();
        return reading.then(rollBack).finally(release);
      },
      (errorMessage) => ({ success: false, errorMessage }),
    ),
  };
}

function targetVersionOf(wire: number, variable: Variable): number {
  if (wire < 1) {
    throw new InvalidArgumentError(`variable "${variable.name}": target version ${wire} is none: versions begin at 1`);
  }
  const version = versionFromWire(wire, variable.current.version);
  // Above the present one it can only be of the era before.
  return version > variable.current.version && version > ERA_SPAN ? version - ERA_SPAN : version;
}

/** Of a name and a pattern that are as long as they may be. */
const STEPS_A_MATCH = 30;
