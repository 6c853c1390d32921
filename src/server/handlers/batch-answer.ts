/**
 * The answer of SetVariables, written in slices so that a large one leaves others their turn. Path: set handler -> [batch answer] -> HTTP/2.
 * Full: sentences are cut to their share of what one message may have; the codes are not.
 */
import type { BridgeError } from '../../shared/errors.js';
import { putOwn } from '../../shared/values/metadata.js';
import { METHODS } from '../../shared/wire/services.js';
import { wireVersion } from '../../shared/wire/wire-version.js';
import type { WorkBudget } from '../work-turns.js';
import { wellFormed } from './call-failure.js';
import { Encoded } from './unary-call.js';

export interface BatchOutcome {
  readonly success: boolean;
  readonly versions: ReadonlyMap<string, number>;
  readonly refused: ReadonlyMap<string, BridgeError>;
}

export async function batchAnswer(
  { success, versions, refused }: BatchOutcome,
  maxBytes: number,
  work: WorkBudget,
): Promise<Encoded> {
  const parts: Uint8Array[] = [METHODS.SetVariables.encodeResponse({ success })];
  let bytes = 0;
  const put = (part: Uint8Array): Promise<void> | undefined => {
    parts.push(part);
    bytes += part.length;
    return work.spend(STEPS_A_SLICE);
  };
  for (const slice of slicesOf(versions)) {
    const rest = put(METHODS.SetVariables.encodeResponse({ newVersions: newVersionsOf(slice) }));
    if (rest !== undefined) await rest;
  }
  let sentenceBytes = 0;
  for (const slice of slicesOf(refused)) {
    const errorCodes: Record<string, string> = {};
    for (const [identifier, { code, message }] of slice) {
      putOwn(errorCodes, identifier, code);
      bytes += Buffer.byteLength(identifier) + BYTES_AROUND_A_SENTENCE;
      sentenceBytes += Buffer.byteLength(message);
    }
    const rest = put(METHODS.SetVariables.encodeResponse({ errorCodes }));
    if (rest !== undefined) await rest;
  }
  const share = bytes + sentenceBytes <= maxBytes ? undefined : Math.floor((maxBytes - bytes) / refused.size);
  for (const slice of slicesOf(refused)) {
    const errors: Record<string, string> = {};
    for (const [identifier, { message }] of slice) putOwn(errors, identifier, shortened(wellFormed(message), share));
    const rest = put(METHODS.SetVariables.encodeResponse({ errors }));
    if (rest !== undefined) await rest;
  }
  // One message behind the other is one message of all their fields.
  return new Encoded(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
}

export function newVersionsOf(versions: Iterable<readonly [string, number]>): Record<string, number> {
  const newVersions: Record<string, number> = {};
  for (const [identifier, version] of versions) putOwn(newVersions, identifier, wireVersion(version));
  return newVersions;
}

/** Thousands of refusals of long values must not make an answer that nobody may take. */
function shortened(sentence: string, maxBytes: number | undefined): string {
  if (maxBytes === undefined || Buffer.byteLength(sentence) <= maxBytes) return sentence;
  const most = Math.max(0, maxBytes - ELLIPSIS_BYTES);
  // No more units than bytes; where a character has several, fewer.
  let kept = sentence.slice(0, most);
  while (Buffer.byteLength(kept) > most) kept = kept.slice(0, Math.floor(kept.length / 2));
  return kept === '' ? '' : wellFormed(`${kept}…`).replace('\uFFFD…', '…');
}

function* slicesOf<T>(map: ReadonlyMap<string, T>): Generator<[string, T][]> {
  let slice: [string, T][] = [];
  for (const entry of map) {
    slice.push(entry);
    if (slice.length < ENTRIES_A_SLICE) continue;
    yield slice;
    slice = [];
  }
  if (slice.length > 0) yield slice;
}

const ENTRIES_A_SLICE = 256;
/** A look at the clock behind each. */
const STEPS_A_SLICE = 128;
/** Keys and lengths. */
const BYTES_AROUND_A_SENTENCE = 16;
const ELLIPSIS_BYTES = 3;
