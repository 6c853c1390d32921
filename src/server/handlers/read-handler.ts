/**
 * Answers that may be large: GetVariables, ListVariables, GetVariableHistory. Path: session -> [read handler] -> answer page -> HTTP/2.
 * What is to be said is noted first and encoded then, in turns: what fits one turn is one moment of the session. Full: the answer says what is left.
 */
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { InvalidArgumentError, MessageTooLargeError } from '../../shared/errors.js';
import type { Variable } from '../../shared/state/variable.js';
import type { VersionedValue } from '../../shared/state/versioned-value.js';
import { compileWildcard } from '../../shared/values/identifier.js';
import { encodeUtf8, utf8Length } from '../../shared/values/utf8.js';
import { encodeNumbersInPieces, encodeValue } from '../../shared/values/value-codec.js';
import type { VariableType, VariableValue } from '../../shared/values/variable-type.js';
import { AnswerPage, fieldBytes } from '../../shared/wire/answer-page.js';
import { snakepit } from '../../shared/wire/gen/bridge.js';
import { timestampToWire, variableToWire } from '../../shared/wire/messages.js';
import type { RequestOf, ResponseOf } from '../../shared/wire/services.js';
import { METHODS } from '../../shared/wire/services.js';
import { ERA_SPAN, versionFromWire, wireVersion } from '../../shared/wire/wire-version.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import type { WorkBudget } from '../work-turns.js';
import { inTurns } from '../work-turns.js';
import { Encoded, unaryCall } from './unary-call.js';

export function readHandlers(server: ServerContext): UntypedServiceImplementation {
  const { store, turns, options } = server;
  const { maxAnswerBytes } = options;
  return {
    GetVariables: unaryCall(server, METHODS.GetVariables, async (request, { nowMs }, parts) => {
      const session = store.require(request.sessionId ?? '', nowMs);
      return new Encoded(await getSeveral(session, request, parts, turns.begin(), maxAnswerBytes));
    }),

    ListVariables: unaryCall(server, METHODS.ListVariables, async (request, { nowMs }) => {
      const session = store.require(request.sessionId ?? '', nowMs);
      return new Encoded(await list(session, request, turns.begin(), maxAnswerBytes));
    }),

    GetVariableHistory: unaryCall(server, METHODS.GetVariableHistory, async (request, { nowMs }) => {
      const session = store.require(request.sessionId ?? '', nowMs);
      const reading = session.whenHistoryIsRead();
      if (reading !== undefined) await reading;
      const variable = session.require(request.variableIdentifier ?? '');
      return new Encoded(await historyOf(variable, request, turns.begin(), maxAnswerBytes));
    }),
  };
}

/** A variable as it was at one moment. */
interface Noted {
  readonly identifier: string;
  readonly variable: Variable;
  readonly current: VersionedValue;
}

async function getSeveral(
  session: Session,
  request: RequestOf<'GetVariables'>,
  parts: readonly RequestOf<'GetVariables'>[],
  work: WorkBudget,
  maxAnswerBytes: number,
): Promise<Uint8Array> {
  const page = new AnswerPage(limitOf(request.maxBytes, maxAnswerBytes));
  const seen = new Set<string>();
  const noted: Noted[] = [];
  const missingVariables: string[] = [];
  // Of what is not in the page yet: it must have room to name it.
  let leftBytes = 0;
  for (const identifier of identifiersOf(parts)) {
    if (seen.has(identifier)) continue;
    seen.add(identifier);
    const variable = session.find(identifier);
    if (variable === undefined) missingVariables.push(identifier);
    else noted.push({ identifier, variable, current: variable.current });
    leftBytes += fieldBytes(utf8Length(identifier));
    const rest = work.spend(STEPS_A_NAME);
    if (rest !== undefined) await rest;
  }
  let taken = 0;
  for (const { identifier, variable, current } of noted) {
    const key = encodeUtf8(identifier);
    leftBytes -= fieldBytes(key.length);
    const bytes = snakepit.bridge.Variable.encode(variableToWire(variable, current)).finish();
    // If it does not fit, its own name is among those that are left.
    if (!page.addEntry(FIELD_ENTRIES, key, bytes, leftBytes)) {
      checkPaged(request.maxBytes, maxAnswerBytes);
      break;
    }
    taken += 1;
    const rest = work.spend(stepsOf(bytes));
    if (rest !== undefined) await rest;
  }
  await insistOn(page, missingVariables, work, (names) => ({ missingVariables: names }));
  const remaining = noted.slice(taken).map(({ identifier }) => identifier);
  await insistOn(page, remaining, work, (names) => ({ remainingIdentifiers: names }));
  return page.finish();
}

/** As many fields of few messages: each message of its own would cost more than the name in it. */
async function insistOn(
  page: AnswerPage,
  names: readonly string[],
  work: WorkBudget,
  answerOf: (names: string[]) => ResponseOf<'GetVariables'>,
): Promise<void> {
  for (let start = 0; start < names.length; start += NAMES_AT_ONCE) {
    const some = names.slice(start, start + NAMES_AT_ONCE);
    page.insist(METHODS.GetVariables.encodeResponse(answerOf(some)));
    const rest = work.spend(STEPS_A_NAME * some.length);
    if (rest !== undefined) await rest;
  }
}

function* identifiersOf(parts: readonly RequestOf<'GetVariables'>[]): Generator<string> {
  for (const { variableIdentifiers } of parts) yield* variableIdentifiers ?? [];
}

async function list(
  session: Session,
  request: RequestOf<'ListVariables'>,
  work: WorkBudget,
  maxAnswerBytes: number,
): Promise<Uint8Array> {
  const maxBytes = limitOf(request.maxBytes, maxAnswerBytes);
  const page = new AnswerPage(maxBytes, TOKEN_BYTES);
  const pattern = request.pattern ?? '';
  const matches = pattern === '' || pattern === '*' ? undefined : compileWildcard(pattern);
  const most = Math.min(MAX_NOTED, Math.ceil(maxBytes / FEWEST_BYTES_A_VARIABLE));
  let place = placeOf(session, request.pageToken ?? '');
  for (let next = session.after(place); next !== undefined; next = session.after(place)) {
    const noted: [Variable, VersionedValue][] = [];
    let passed = place;
    while (next !== undefined && noted.length < most) {
      passed = next.place;
      if (matches === undefined || matches(next.name)) noted.push([next, next.current]);
      const rest = work.spend(matches === undefined ? STEPS_A_NOTE : STEPS_A_MATCH);
      if (rest !== undefined) await rest;
      next = session.after(passed);
    }
    for (const [variable, current] of noted) {
      const bytes = snakepit.bridge.Variable.encode(variableToWire(variable, current)).finish();
      if (!page.add(FIELD_ENTRIES, bytes)) {
        checkPaged(request.maxBytes, maxAnswerBytes);
        return page.finish(METHODS.ListVariables.encodeResponse({ nextPageToken: tokenOf(session, place) }));
      }
      place = variable.place;
      const rest = work.spend(stepsOf(bytes));
      if (rest !== undefined) await rest;
    }
    place = passed;
  }
  return page.finish();
}

async function historyOf(
  variable: Variable,
  request: RequestOf<'GetVariableHistory'>,
  work: WorkBudget,
  maxAnswerBytes: number,
): Promise<Uint8Array> {
  const limit = request.limit ?? 0;
  if (limit < 0) throw new InvalidArgumentError(`limit ${limit} is negative: give 0 for all versions that are kept`);
  const page = new AnswerPage(limitOf(request.maxBytes, maxAnswerBytes), HAS_MORE_BYTES);
  const { history, type } = variable;
  const before = versionBefore(request.beforeVersion ?? 0, variable);
  const entries = history.before(before, limit === 0 ? history.length : limit);
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const entry = entries[index]!;
    const bytes = snakepit.bridge.VariableHistoryEntry.encode({
      version: wireVersion(entry.version),
      value: await anyInTurns(type, entry.value, work),
      timestamp: timestampToWire(entry.timestamp),
      changedBy: entry.source,
      metadata: entry.custom,
    }).finish();
    if (!page.add(FIELD_ENTRIES, bytes)) {
      checkPaged(request.maxBytes, maxAnswerBytes);
      return page.finish(METHODS.GetVariableHistory.encodeResponse({ hasMore: true }), true);
    }
    const rest = work.spend(stepsOf(bytes));
    if (rest !== undefined) await rest;
  }
  return page.finish(undefined, true);
}

/** An answer that is full: the next page, where the caller has asked for pages. @throws MessageTooLargeError */
function checkPaged(maxBytes: number | null | undefined, maxAnswerBytes: number): void {
  if ((maxBytes ?? 0) > 0) return;
  throw new MessageTooLargeError(
    `the answer has more than ${maxAnswerBytes} bytes: ask for it in pages (max_bytes), or raise maxAnswerBytes`,
  );
}

/** @throws InvalidArgumentError */
function limitOf(maxBytes: number | null | undefined, maxAnswerBytes: number): number {
  const limit = maxBytes ?? 0;
  if (limit < 0) throw new InvalidArgumentError(`max_bytes ${limit} is negative: give 0 for one answer of any size`);
  return limit === 0 ? maxAnswerBytes : limit;
}

function tokenOf(session: Session, place: number): string {
  return `${place}@${session.createdAtMs}`;
}

/** @throws InvalidArgumentError for a token of another session, or of another life of this one: its places are others */
function placeOf(session: Session, token: string): number {
  if (token === '') return 0;
  const [, place, createdAtMs] = /^(\d{1,15})@(.*)$/s.exec(token) ?? [];
  if (place === undefined || createdAtMs !== String(session.createdAtMs)) {
    throw new InvalidArgumentError(
      `page_token is none of session "${session.id}" as it is now: list again from the start, with an empty one`,
    );
  }
  return Number(place);
}

/** @throws InvalidArgumentError */
function versionBefore(wire: number, variable: Variable): number {
  const present = variable.current.version;
  if (wire === 0) return present + 1;
  if (wire < 0) {
    throw new InvalidArgumentError(`before_version ${wire} is negative: give a version, or 0 for the newest`);
  }
  const version = versionFromWire(wire, present);
  // Above the one that comes next it can only be of the era before.
  return version > present + 1 && version > ERA_SPAN ? version - ERA_SPAN : version;
}

/** As JSON: an entry of a history has no field for bytes beside the value. */
async function anyInTurns(
  type: VariableType,
  value: VariableValue,
  work: WorkBudget,
): Promise<{ type_url: string; value: Uint8Array }> {
  const pieces = encodeNumbersInPieces(type, value);
  const encoded = pieces === undefined ? encodeValue(type, value) : await inTurns(pieces, work, STEPS_A_PIECE);
  return { type_url: encoded.typeUrl, value: encoded.value };
}

/** Microseconds to make that many bytes, about. */
function stepsOf(bytes: Uint8Array): number {
  return STEPS_AN_ENCODING + bytes.length / BYTES_A_STEP;
}

/** Variables, versions: of each answer. */
const FIELD_ENTRIES = 1;

/** Of numbers as text, about a millisecond: always a look at the clock. */
const STEPS_A_PIECE = 1_000;

/** Kept free for what is put behind a full page. */
const TOKEN_BYTES = 48;
const HAS_MORE_BYTES = 2;

/** Variables looked at before they are encoded: 8 ms at most, so that a list up to there is nearly always one moment. */
const MAX_NOTED = 65_536;
/** Id, name, type, value, time, version. */
const FEWEST_BYTES_A_VARIABLE = 64;

const STEPS_A_NOTE = 0.25;
const STEPS_A_NAME = 1;
const NAMES_AT_ONCE = 256;
const STEPS_A_MATCH = 1;
const STEPS_AN_ENCODING = 2;
const BYTES_A_STEP = 200;
