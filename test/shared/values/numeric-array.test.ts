import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import {
  elementsOf,
  elementsText,
  givenElement,
  isByteArray,
  isFloat32Array,
  isFloatArray,
  isShape,
  jsonElement,
  readEmbedding,
  readTensor,
  shapeText,
} from '../../../src/shared/values/numeric-array.js';
import type { NestedNumbers } from '../../../src/shared/values/variable-type.js';

const embedding = (input: unknown): unknown => readEmbedding(input, givenElement, 'variable "v"');
const tensor = (input: unknown): unknown => readTensor(input, givenElement, 'variable "t"');

const nest = (flat: readonly number[], shape: readonly number[]): NestedNumbers => {
  const [size, ...inner] = shape;
  if (size === undefined) return flat[0]!;
  const step = elementsOf(inner);
  return Array.from({ length: size }, (_, index) => nest(flat.slice(index * step, (index + 1) * step), inner));
};

describe('embeddings', () => {
  test('a list becomes doubles, NaN and the infinities among them', () => {
    assert.deepEqual(
      embedding([1, Number.NaN, Number.NEGATIVE_INFINITY, -0]),
      Float64Array.of(1, Number.NaN, Number.NEGATIVE_INFINITY, -0),
    );
  });

  test('a typed array keeps its kind and is copied', () => {
    const given = Float32Array.of(1, 2);
    const copy = embedding(given);
    given[0] = 9;
    assert.deepEqual(copy, Float32Array.of(1, 2));
    assert.deepEqual(embedding(Float64Array.of(0.1)), Float64Array.of(0.1));
  });

  test('an empty one is an embedding', () => {
    assert.deepEqual(embedding([]), new Float64Array(0));
  });

  for (const [name, input] of Object.entries({
    'a string inside': ['1'],
    'a bigint inside': [1n],
    'null inside': [null],
    'a hole': Array(2),
    'a nested list': [[1]],
    bytes: Uint8Array.of(1),
    integers: Int32Array.of(1),
    'a number': 1,
    'a map': { 0: 1 },
    null: null,
  })) {
    test(`${name} is refused`, () => {
      assert.throws(() => embedding(input), { name: 'InvalidValueError', message: /^variable "v": .*: give / });
    });
  }

  test('names of floats are elements in JSON only', () => {
    assert.deepEqual(
      readEmbedding(['NaN', '-Infinity'], jsonElement, 'v'),
      Float64Array.of(Number.NaN, Number.NEGATIVE_INFINITY),
    );
    assert.throws(() => embedding(['NaN']), /element 0 is "NaN", not a number/);
    assert.throws(() => readEmbedding([Number.POSITIVE_INFINITY], jsonElement, 'v'), /element 0 is Infinity/);
  });
});

describe('tensors', () => {
  const shapes = fc.array(fc.nat(4), { maxLength: 4 });

  test('nested and flat data are the same tensor', () => {
    fc.assert(
      fc.property(shapes, fc.infiniteStream(fc.double()), (shape, doubles) => {
        const flat = [...doubles.take(elementsOf(shape))];
        const expected = { shape, data: Float64Array.from(flat) };
        assert.deepEqual(tensor({ shape, data: flat }), expected);
        assert.deepEqual(tensor({ shape, data: nest(flat, shape) }), expected);
      }),
    );
  });

  test('it is frozen, and shares neither shape nor data with what was given', () => {
    const given = { shape: [2], data: Float32Array.of(1, 2) };
    const copy = readTensor(given, givenElement, 't');
    given.shape[0] = 9;
    given.data[0] = 9;
    assert.deepEqual(copy, { shape: [2], data: Float32Array.of(1, 2) });
    assert.ok(Object.isFrozen(copy) && Object.isFrozen(copy.shape));
  });

  for (const [name, input, expected] of [
    ['too few elements', { shape: [2, 2], data: [1, 2, 3] }, /3 elements do not fill the shape \[2,2\], which holds 4/],
    ['too many elements', { shape: [1], data: [1, 2] }, /2 elements do not fill/],
    ['too few in a typed array', { shape: [2], data: new Float32Array(1) }, /1 elements do not fill/],
    ['a jagged list', { shape: [2, 2], data: [[1, 2, 3], [4]] }, /a list of 3 on axis 1/],
    ['too deep a list', { shape: [2], data: [[1], [2]] }, /a list of 1 on axis 1/],
    ['too flat a list', { shape: [1, 1, 1], data: [[1]] }, /has 1 on axis 2/],
    ['a string inside', { shape: [1], data: ['1'] }, /element 0 is "1"/],
    ['a negative size', { shape: [-1], data: [] }, /the shape \[-1\] is not a shape/],
    ['a broken size', { shape: [1.5], data: [] }, /the shape \[1.5\] is not a shape/],
    ['33 axes', { shape: Array.from({ length: 33 }, () => 1), data: [1] }, /is not a shape: give up to 32/],
    ['a product beyond all numbers', { shape: Array.from({ length: 32 }, () => 2 ** 52), data: [1] }, /do not fill/],
    ['no shape', { data: [1] }, /a map is not a tensor: give \{ shape, data \}/],
    ['no data', { shape: [1] }, /is not a tensor/],
    ['a list', [1], /a list is not a tensor/],
    ['null', null, /null is not a tensor/],
  ] as const) {
    test(`${name} is refused`, () => {
      assert.throws(() => tensor(input), { name: 'InvalidValueError', message: expected });
    });
  }

  test('a data list of 100,000 levels is refused without running out of stack', () => {
    let data: unknown = [1];
    for (let level = 0; level < 100_000; level += 1) data = [data];
    assert.throws(() => tensor({ shape: [1, 1], data }), /on axis 2/);
  });
});

test('elements come back from their text, whatever they are', () => {
  fc.assert(
    fc.property(fc.float64Array(), (elements) => {
      assert.deepEqual(readEmbedding(JSON.parse(elementsText(elements)), jsonElement, 'v'), elements);
    }),
  );
});

test('arrays of another realm are told by their kind', () => {
  assert.ok(isFloat32Array(runInNewContext('new Float32Array(1)')));
  assert.ok(isFloatArray(runInNewContext('new Float64Array(1)')));
  assert.ok(isByteArray(Buffer.from('x')));
  assert.ok(
    !isFloatArray([1]) && !isFloatArray(new Int32Array(1)) && !isFloatArray({ [Symbol.toStringTag]: 'Float32Array' }),
  );
});

test('a shape has up to 32 whole numbers from 0', () => {
  assert.ok(isShape([]) && isShape([0, 3]) && isShape(Array.from({ length: 32 }, () => 1)));
  assert.ok(!isShape([Number.NaN]) && !isShape(['1']) && !isShape([2 ** 53]) && !isShape({ length: 0 }));
  assert.equal(elementsOf([]), 1);
  assert.equal(elementsOf([2 ** 52, 2 ** 52, 0]), 0);
  assert.equal(shapeText([2, null]), '[2,null]');
});
