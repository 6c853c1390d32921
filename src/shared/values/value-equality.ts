/** When a set changes nothing. Scalars allocate nothing. */
import { isFloatArray } from './numeric-array.js';
import type { VariableValue } from './variable-type.js';

/**
 * Whether two values of one variable are the same: NaN is NaN, 0 is -0, maps whatever the order of their keys, embeddings and tensors element
 * by element, however wide those are, binaries byte by byte.
 */
export function valuesEqual(a: VariableValue | null, b: VariableValue | null): boolean {
  if (a === b) return true;
  if (typeof a === 'number') return Number.isNaN(a) && typeof b === 'number' && Number.isNaN(b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  return objectsEqual(a, b);
}

// Tensors and opaque binaries are maps here, with a typed array among their values.
function objectsEqual(a: object, b: object): boolean {
  if (ArrayBuffer.isView(a) || ArrayBuffer.isView(b))
    return elementsEqual(a as ArrayLike<number>, b as ArrayLike<number>);
  if (Array.isArray(a) || Array.isArray(b)) return Array.isArray(a) && Array.isArray(b) && listsEqual(a, b);
  return mapsEqual(a as Fields, b as Fields);
}

function elementsEqual(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length || !areOfOneKind(a, b)) return false;
  for (let index = 0; index < a.length; index += 1) {
    const inA = a[index]!;
    const inB = b[index]!;
    if (inA !== inB && !(Number.isNaN(inA) && Number.isNaN(inB))) return false;
  }
  return true;
}

function listsEqual(a: readonly VariableValue[], b: readonly VariableValue[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (!valuesEqual(a[index]!, b[index]!)) return false;
  return true;
}

function mapsEqual(a: Fields, b: Fields): boolean {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys) if (!Object.hasOwn(b, key) || !valuesEqual(a[key]!, b[key]!)) return false;
  return true;
}

/** Floats of either width are: the same numbers travel as the one or the other by their size, and JSON knows no widths. */
function areOfOneKind(a: object, b: object): boolean {
  return kindOf(a) === kindOf(b) || (isFloatArray(a) && isFloatArray(b));
}

/** A typed array's own name; a Buffer's is that of Uint8Array, a list has none. */
function kindOf(elements: object): unknown {
  return (elements as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag];
}

type Fields = Readonly<Record<string, VariableValue | null>>;
