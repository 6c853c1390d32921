/**
 * A user's value as plain data of our own, on the caller's thread and before anybody knows the declared type: what no type holds is refused
 * here, in the same words by every provider, and what comes out shares no memory with what was given. Path: your set -> [input copy] -> local state, or the port.
 */
import { isOpaqueBinary } from './binary-array.js';
import { copyFloats, isByteArray, isFloatArray } from './numeric-array.js';
import type { CopyRules, JsonPath } from './plain-copy.js';
import { PlainCopy } from './plain-copy.js';
import type { Embedding, VariableInput } from './variable-type.js';
import { OpaqueBinary } from './variable-type.js';

/**
 * Copies only what a view shows, not the memory behind it. Whether the value is of its variable's type is judged later, by `normalizeValue`.
 * @throws InvalidValueError for functions, symbols, class instances, cycles, more than 100 levels, getters and proxies that throw, and memory that is gone
 */
export function copyInput(input: unknown, subject: string): VariableInput {
  switch (typeof input) {
    case 'number':
    case 'boolean':
    case 'string':
    case 'bigint':
    // No type holds it, and each says so in its own words.
    case 'undefined':
      return input as VariableInput;
    default: {
      const copy = PlainCopy.make(RULES, input, subject);
      return (isOpaqueBinary(copy) ? new OpaqueBinary(copy.header, copy.bytes) : copy) as VariableInput;
    }
  }
}

/** A condition with its values, wherever in it they stand. @throws InvalidValueError as `copyInput` does */
export function copyCondition(input: unknown, subject: string): unknown {
  return PlainCopy.make(CONDITION_RULES, input, subject);
}

const RULES: CopyRules = {
  takesEveryNumber: true,
  freezes: false,
  // Half of a surrogate pair crosses a port; the type refuses it.
  checkKey: () => undefined,
  copyLeaf(input, copy) {
    if (ArrayBuffer.isView(input)) {
      if (isFloatArray(input) && isPlaceOfFloats(copy.path)) return copyView(input, copy);
      if (isByteArray(input) && isPlaceOfBytes(copy.path)) return copyView(input, copy);
    }
    switch (typeof input) {
      case 'number':
      case 'boolean':
      case 'string':
      case 'bigint':
        return input;
      case 'object':
        if (input === null) return null;
        if (input instanceof OpaqueBinary && copy.path.length === 0) return copyBinary(input, copy);
        return copy.refuseKind(input);
      default:
        return copy.refuseKind(input);
    }
  },
};

/** An embedding, or the data of a tensor. */
function isPlaceOfFloats(path: JsonPath): boolean {
  return path.length === 0 || (path.length === 1 && path[0] === 'data');
}

/** Structured clone makes this of an OpaqueBinary. */
function isPlaceOfBytes(path: JsonPath): boolean {
  return path.length === 1 && path[0] === 'bytes';
}

function copyBinary({ header, bytes }: OpaqueBinary, copy: PlainCopy): unknown {
  if (typeof header !== 'string' || !isByteArray(bytes)) copy.refuse('is an OpaqueBinary without header or bytes');
  return { header, bytes: copyView(bytes, copy) };
}

function copyView(view: Uint8Array | Embedding, copy: PlainCopy): unknown {
  try {
    return isByteArray(view) ? new Uint8Array(view) : copyFloats(view);
  } catch (cause) {
    copy.refuse(
      'shows memory that is gone, because it was transferred, shrank, or is that of a WebAssembly memory that grew: make a new view',
      cause,
    );
  }
}

const CONDITION_RULES: CopyRules = {
  ...RULES,
  copyLeaf(input, copy) {
    if (isFloatArray(input) || isByteArray(input)) return copyView(input, copy);
    return input instanceof OpaqueBinary ? copyBinary(input, copy) : RULES.copyLeaf(input, copy);
  },
};
