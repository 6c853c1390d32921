/** Which sets go by the link in columns, many to a message: those whose value travels without its variable's type, and that are short. Path: bridged state -> [plain set] -> slot client. */
import type { Metadata } from '../shared/values/metadata.js';
import { isWellFormed } from '../shared/values/utf8.js';
import type { VariableInput } from '../shared/values/variable-type.js';
import type { PlainValue } from '../shared/wire/link-set-writer.js';

export type PlainEntries = readonly (readonly [identifier: string, value: PlainValue])[];

export function isPlain(input: VariableInput): input is PlainValue {
  switch (typeof input) {
    case 'number':
    case 'boolean':
      return true;
    case 'string':
      return input.length <= MAX_PLAIN_TEXT && isWellFormed(input);
    default:
      return false;
  }
}

export function arePlain(
  entries: readonly (readonly [identifier: string, value: VariableInput])[],
  atomic: boolean,
): entries is PlainEntries {
  if (atomic && entries.length > MAX_ATOMIC_SETS) return false;
  return entries.every(([identifier, value]) => isPlain(value) && identifier.length <= MAX_PLAIN_TEXT);
}

/** What travels beside the value. */
export function isShort(identifier: string, source: string, metadata: Metadata): boolean {
  let length = identifier.length + source.length;
  for (const key of Object.keys(metadata)) length += key.length + metadata[key]!.length;
  return length <= MAX_PLAIN_TEXT;
}

/** Characters; longer ones go by calls of their own. */
const MAX_PLAIN_TEXT = 4_096;
/** Of an atomic batch on the link, where it is one message. */
const MAX_ATOMIC_SETS = 4_096;
