/** What the commit script says of an operation, as the session and a link's window take it. Path: scripts -> [script results] -> redis engine. Pure. */
import {
  type BridgeError,
  errorFromWire,
  InvalidArgumentError,
  QuotaExceededError,
  UnknownOutcomeError,
  VariablesNotFoundError,
  VersionConflictError,
} from '../../../../shared/errors.js';
import type { OperationResult, TableOperation } from '../../../../shared/state/operation.js';
import { OTHER_REFUSED } from '../../../../shared/state/operation.js';
import { alreadyRegistered, versionConflict } from '../../../../shared/state/variable.js';
import type { PlacedOutcome, WindowRecord } from '../../records.js';

/** As a window keeps it: a version, or why it was refused. */
function readResult(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** The hash of a window, field behind field. `since`: what its sets have done in generations before is lost. */
export function windowOf(link: string, said: readonly Buffer[], since: number): WindowRecord {
  let from = 0;
  let lostBehind: number | undefined;
  const outcomes: PlacedOutcome[] = [];
  for (let place = 0; place < said.length; place += 2) {
    const field = said[place]!.toString();
    const text = said[place + 1]!.toString();
    if (field === 'from') from = Number(text);
    else if (field === 'hole') lostBehind ??= Number(text);
    else if (field === 'generation' && Number(text) < since) lostBehind = 0;
    else if (/^\d+$/.test(field)) outcomes.push(outcomeOf(Number(field), text));
  }
  return { link, from, lostBehind, outcomes: outcomes.sort((a, b) => a.sequence - b.sequence) };
}

/** As it was said to the set; which variable it was nobody keeps. */
function outcomeOf(sequence: number, text: string): PlacedOutcome {
  const result = readResult(text);
  if (typeof result === 'number') return { sequence, version: result, code: '', message: '' };
  const { code, message } = refusalOf(result, 'of this set', 'of this set', undefined);
  return { sequence, version: 0, code, message };
}

export function resultOf(result: number | string, operation: TableOperation): OperationResult {
  if (typeof result === 'number') return result;
  const name = operation.kind === 'register' ? operation.name : operation.variable.name;
  const identifier = operation.kind === 'register' ? operation.name : operation.identifier;
  return refusalOf(result, name, identifier, operation.kind === 'set' ? operation.expectedVersion : undefined);
}

function refusalOf(result: string, name: string, identifier: string, expected: number | undefined): BridgeError {
  if (result.startsWith('conflict ')) {
    return versionConflict(name, Number(result.slice('conflict '.length)), expected ?? 'the one expected');
  }
  if (result.startsWith('error ')) {
    const [, code = '', message = ''] = /^error (\S+) ([\s\S]*)$/.exec(result) ?? [];
    return errorFromWire({ code, message });
  }
  switch (result) {
    case 'gone':
      return VariablesNotFoundError.of([identifier]);
    case 'exists':
      return alreadyRegistered(name);
    case 'full':
      return new QuotaExceededError(
        `variable "${name}": the session holds all the variables that it may: delete some, or raise maxVariables`,
      );
    case 'last':
      return new InvalidArgumentError(`variable "${name}" is at its last version: delete it and register it again`);
    case 'twice':
      return new InvalidArgumentError(`variable "${name}" is twice in one atomic batch: name it once`);
    case 'other':
      return OTHER_REFUSED;
    case 'early':
      return new VersionConflictError(`variable "${name}" was set meanwhile: it does not expire yet`);
    default:
      return new UnknownOutcomeError(
        `what became of a set of "${name}" is not known any more: read it again before setting again`,
      );
  }
}
