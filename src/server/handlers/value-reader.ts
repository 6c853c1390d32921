/**
 * The value of a set or a registration. Path: request -> [value reader] -> session. A large text is read in turns, and a large map or list is
 * kept as its text: nobody here asks what is in it.
 */
import { JsonCheck, jsonTextOf } from '../../shared/values/json-text.js';
import { decodeNumbersInPieces, isSentAsBinary } from '../../shared/values/value-codec.js';
import type { VariableType, VariableValue } from '../../shared/values/variable-type.js';
import { valueFromWire } from '../../shared/wire/messages.js';
import type { RequestOf } from '../../shared/wire/services.js';
import type { WorkTurns } from '../work-turns.js';
import { inTurns } from '../work-turns.js';

export type WireAny = RequestOf<'SetVariable'>['value'];

/** @throws InvalidValueError, now or by the promise; the caller's connection waits for that one */
export function readValue(
  turns: WorkTurns,
  type: VariableType,
  any: WireAny,
  binary: Uint8Array | null | undefined,
  subject: string,
): VariableValue | Promise<VariableValue> {
  const text = any?.value;
  const isLarge = text !== null && text !== undefined && text.length > LARGE_TEXT;
  if (!isLarge || isSentAsBinary(type, any?.type_url ?? '')) return valueFromWire(type, any, binary, subject);
  switch (type) {
    case 'map':
    case 'list':
    case 'embedding':
    case 'tensor':
      return readInTurns(turns, type, text, subject);
    default:
      return valueFromWire(type, any, binary, subject);
  }
}

async function readInTurns(
  turns: WorkTurns,
  type: 'map' | 'list' | 'embedding' | 'tensor',
  text: Uint8Array,
  subject: string,
): Promise<VariableValue> {
  const work = turns.begin();
  const check = new JsonCheck(type, text, subject);
  while (!check.advance(BYTES_A_PIECE)) {
    const rest = work.spend(STEPS_A_PIECE);
    if (rest !== undefined) await rest;
  }
  if (type === 'map' || type === 'list') return jsonTextOf(text);
  return inTurns(decodeNumbersInPieces(type, text, subject), work, STEPS_A_PIECE);
}

/** Below it a text is a value within 5 ms. */
const LARGE_TEXT = 64 * 1024;
const BYTES_A_PIECE = 8 * 1024;
/** Always a look at the clock. */
const STEPS_A_PIECE = 128;
