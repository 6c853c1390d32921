import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { InvalidValueError } from '../../../src/shared/errors.js';
import { copyInput } from '../../../src/shared/values/input-copy.js';
import { normalizeValue } from '../../../src/shared/values/value-codec.js';
import { OpaqueBinary, VARIABLE_TYPES } from '../../../src/shared/values/variable-type.js';
import { anyValue } from '../../support/any-value.js';

const copyOf = (input: unknown): unknown => copyInput(input, 'variable "e"');

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): void;
}
// Node has it; its types belong to the browser's.
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: { Memory: new (pages: { initial: number; maximum?: number; shared?: boolean }) => WasmMemory };
};

const resizable = (bytes: number): ArrayBuffer =>
  new (ArrayBuffer as new (bytes: number, options: object) => ArrayBuffer)(bytes, { maxByteLength: 1_024 });

class Hostile extends Float32Array {
  static get [Symbol.species](): Float32ArrayConstructor {
    throw new Error('species');
  }
}

describe('views of every kind of memory', () => {
  const large = new Float32Array(1_000);
  const pooled = Buffer.from(new Uint8Array(16));
  const wasm = new WebAssembly.Memory({ initial: 1 });
  const sharedWasm = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const views: [string, Float32Array | Float64Array][] = [
    ['a row of a matrix', large.subarray(100, 104)],
    ['shared memory', new Float64Array(new SharedArrayBuffer(32))],
    ['WebAssembly memory', new Float32Array(wasm.buffer, 256, 4)],
    ['shared WebAssembly memory', new Float32Array(sharedWasm.buffer, 256, 4)],
    ['the Buffer pool', new Float32Array(pooled.buffer, (pooled.byteOffset + 3) & ~3, 2)],
    ['a resizable buffer', new Float32Array(resizable(64))],
    ['another realm', runInNewContext('new Float32Array([0, 0])') as Float32Array],
    ['a subclass whose species throws', new Hostile(4)],
  ];
  for (const [name, view] of views) {
    test(`${name}: the copy has the elements and nothing of the memory`, () => {
      view.fill(2);
      for (const copy of [copyOf(view), (copyOf({ shape: [view.length], data: view }) as { data: unknown }).data]) {
        const array = copy as Float32Array;
        view[0] = 77;
        assert.equal(array.constructor, view.BYTES_PER_ELEMENT === 4 ? Float32Array : Float64Array);
        assert.deepEqual([...array], Array(view.length).fill(2));
        assert.ok(array.buffer.constructor === ArrayBuffer && array.buffer.byteLength === array.byteLength);
        view.fill(2);
      }
    });
  }

  test('memory that is gone is named', () => {
    const transferred = new Float32Array(4);
    structuredClone(transferred, { transfer: [transferred.buffer] });
    const grown = new WebAssembly.Memory({ initial: 1 });
    const before = new Float64Array(grown.buffer, 0, 2);
    grown.grow(1);
    const buffer = resizable(64);
    const outside = new Float32Array(buffer, 32, 8);
    (buffer as ArrayBuffer & { resize(bytes: number): void }).resize(16);
    for (const gone of [transferred, before, outside, { shape: [4], data: transferred }])
      assert.throws(() => copyOf(gone), { code: 'INVALID_VALUE', message: /shows memory that is gone/ });
    const bytes = new Uint8Array(2);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    for (const binary of [new OpaqueBinary('{}', bytes), { header: '{}', bytes }])
      assert.throws(() => copyOf(binary), /\.bytes shows memory|shows memory/);
  });
});

test('an opaque binary, or what structured clone made of one, comes out as one, its bytes copied', () => {
  const bytes = Buffer.from('abc');
  for (const given of [new OpaqueBinary('{}', bytes), { header: '{}', bytes }]) {
    const copy = copyOf(given) as OpaqueBinary;
    assert.ok(copy instanceof OpaqueBinary && copy.bytes.constructor === Uint8Array);
    assert.deepEqual([...copy.bytes], [97, 98, 99]);
    assert.notEqual(copy.bytes.buffer, bytes.buffer);
  }
});

describe('what no type holds is refused', () => {
  const cases: [string, unknown][] = [
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a Date', new Date(0)],
    ['a Set', new Set()],
    ['a boxed number', Object(5)],
    ['bytes', new Uint8Array(1)],
    ['a DataView', new DataView(new ArrayBuffer(4))],
    ['an ArrayBuffer', new ArrayBuffer(4)],
    ['a typed array inside a map', { v: Float32Array.of(1) }],
    ['bytes that are not the field of a binary', { a: { bytes: new Uint8Array(1) } }],
    ['a proxy of a typed array', new Proxy(Float32Array.of(1), {})],
    ['a promise', Promise.resolve(1)],
    ['an opaque binary without fields', Object.create(OpaqueBinary.prototype)],
    ['undefined inside a list', [undefined]],
  ];
  for (const [name, input] of cases) test(name, () => assert.throws(() => copyOf(input), InvalidValueError));
});

test('a copy is what its type takes exactly as it takes the value itself', () => {
  fc.assert(
    fc.property(
      fc.oneof(anyValue, fc.jsonValue(), fc.array(fc.double())),
      fc.constantFrom(...VARIABLE_TYPES),
      (value, type) => {
        const normal = (input: unknown): unknown => {
          try {
            return normalizeValue(type, input, 'v');
          } catch (error) {
            return (error as Error).message;
          }
        };
        assert.deepEqual(normal(copyOf(value)), normal(value));
      },
    ),
  );
});

test('numbers, strings, booleans, bigints, null and undefined are themselves, lists of numbers NaN and all', () => {
  for (const scalar of [Number.NaN, -0, 'half \ud800', true, 10n ** 5_000n, null, undefined])
    assert.ok(Object.is(copyOf(scalar), scalar));
  assert.deepEqual(copyOf([Number.NaN, Number.POSITIVE_INFINITY, 5n]), [Number.NaN, Number.POSITIVE_INFINITY, 5n]);
});
