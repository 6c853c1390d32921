import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InternalError, InvalidValueError } from '../../../src/shared/errors.js';
import { parseJson } from '../../../src/shared/values/json.js';
import { integerOf } from '../../../src/shared/values/number-text.js';
import type { EncodedValue } from '../../../src/shared/values/value-codec.js';
import {
  decodeNumbersInPieces,
  decodeValue,
  encodeNumbersInPieces,
  encodeValue,
  normalizeValue,
  valueBytes,
} from '../../../src/shared/values/value-codec.js';
import type { VariableType, VariableValue } from '../../../src/shared/values/variable-type.js';
import { OpaqueBinary, VARIABLE_TYPES } from '../../../src/shared/values/variable-type.js';

const subject = 'variable "fan"';
const utf8 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'utf8'));
const fromBase64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'));
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

const roundTrip = (type: VariableType, input: unknown, binaryThresholdBytes?: number): VariableValue =>
  decodeValue(type, encodeValue(type, normalizeValue(type, input, subject), { binaryThresholdBytes }), subject);

describe('vectors that every language reads', () => {
  interface Vector {
    readonly name: string;
    readonly type: VariableType;
    readonly typeUrl?: string;
    readonly json?: string;
    readonly base64?: string;
    readonly binary?: string;
    readonly thresholdBytes?: number;
    readonly expect?: unknown;
    readonly value?: unknown;
  }
  // Tests run in dist/test/shared/values. Read without losing a digit: the values in it are what is expected.
  const file = readFileSync(new URL('../../../../test/vectors/values.json', import.meta.url), 'utf8');
  const { decode, refuse, encode } = parseJson(file) as unknown as Record<'decode' | 'refuse' | 'encode', Vector[]>;

  const sent = ({ type, typeUrl, json, base64, binary }: Vector): EncodedValue => ({
    typeUrl: typeUrl ?? `type.googleapis.com/snakepit.${type}`,
    value: base64 === undefined ? utf8(json!) : fromBase64(base64),
    binary: binary === undefined ? undefined : fromBase64(binary),
  });

  const float = (value: unknown): number => (typeof value === 'string' ? Number(value) : (value as number));
  const expected = (type: VariableType, value: unknown): unknown => {
    const { dtype, data, shape, opaque } = (value ?? {}) as Record<string, unknown> & {
      opaque?: { header: string; bytes: string };
    };
    if (type === 'float') return float(value);
    if (type !== 'embedding' && type !== 'tensor') return value;
    if (opaque !== undefined) return new OpaqueBinary(opaque.header, fromBase64(opaque.bytes));
    const numbers = (data as unknown[]).map(float);
    const elements = dtype === 'float32' ? Float32Array.from(numbers) : Float64Array.from(numbers);
    return type === 'embedding' ? elements : { shape, data: elements };
  };

  for (const vector of decode) {
    test(`decode ${vector.type}: ${vector.name}`, () => {
      assert.deepEqual(decodeValue(vector.type, sent(vector), subject), expected(vector.type, vector.expect));
    });
  }

  for (const vector of refuse) {
    test(`refuse ${vector.type}: ${vector.name}`, () => {
      assert.throws(
        () => decodeValue(vector.type, sent(vector), subject),
        (error: unknown) => error instanceof InvalidValueError && error.message.startsWith(`${subject}: `),
      );
    });
  }

  for (const vector of encode) {
    test(`encode ${vector.type}: ${vector.name}`, () => {
      const value = expected(vector.type, vector.value) as VariableValue;
      const encoded = encodeValue(vector.type, value, { binaryThresholdBytes: vector.thresholdBytes });
      assert.deepEqual(
        { ...encoded, value: textOf(encoded.value) },
        {
          typeUrl: vector.typeUrl,
          value: vector.json,
          binary: vector.binary === undefined ? undefined : fromBase64(vector.binary),
        },
      );
    });
  }
});

describe('what was encoded is decoded to the same value', () => {
  const wellFormed = fc.string({ unit: 'binary', maxLength: 200 });

  test('floats, with NaN, infinities and the sign of zero', () => {
    fc.assert(fc.property(fc.double(), (value) => Object.is(roundTrip('float', value), value)));
  });

  test('integers of any size, in their one form', () => {
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeInteger(), fc.bigInt()), (value) => {
        assert.equal(roundTrip('integer', value), integerOf(BigInt(value)));
      }),
    );
  });

  test('booleans', () => {
    assert.equal(roundTrip('boolean', true), true);
    assert.equal(roundTrip('boolean', false), false);
  });

  for (const type of ['string', 'choice', 'module'] as const) {
    test(`${type}s of any characters`, () => {
      fc.assert(fc.property(wellFormed, (value) => roundTrip(type, value) === value));
    });
  }

  test('embeddings as JSON, as doubles', () => {
    fc.assert(
      fc.property(fc.oneof(fc.float64Array(), fc.float32Array()), (value) => {
        assert.deepEqual(roundTrip('embedding', value), Float64Array.from(value));
      }),
    );
  });

  test('embeddings as binary, in their own kind', () => {
    fc.assert(
      fc.property(fc.oneof(fc.float64Array(), fc.float32Array()), (value) => {
        assert.deepEqual(roundTrip('embedding', value, -1), value);
      }),
    );
  });

  test('tensors, as JSON and as binary', () => {
    const tensors = fc
      .tuple(fc.nat(3), fc.nat(3))
      .chain(([rows, columns]) =>
        fc
          .float64Array({ minLength: rows * columns, maxLength: rows * columns })
          .map((data) => ({ shape: [rows, columns], data })),
      );
    fc.assert(
      fc.property(tensors, fc.constantFrom(-1, Number.POSITIVE_INFINITY), (value, threshold) => {
        assert.deepEqual(roundTrip('tensor', value, threshold), value);
      }),
    );
  });

  test('pickles, byte by byte, whatever the threshold', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1 }),
        fc.constantFrom(-1, Number.POSITIVE_INFINITY),
        (bytes, threshold) => {
          const value = new OpaqueBinary('{"binary_format": "pickle", "ü":1}', bytes);
          assert.deepEqual(roundTrip('tensor', value, threshold), value);
        },
      ),
    );
  });

  test('maps and lists, deeply frozen', () => {
    const isDeeplyFrozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen));
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ stringUnit: 'binary' })), (list) => {
        const read = roundTrip('list', list);
        assert.deepEqual(read, list);
        assert.deepEqual(roundTrip('map', { '': list }), { '': list });
        assert.ok(isDeeplyFrozen(read) && isDeeplyFrozen(normalizeValue('list', list, subject)));
      }),
    );
  });
});

describe('normalizeValue', () => {
  test('never converts: each type refuses what another one holds', () => {
    const examples: Record<VariableType, unknown> = {
      float: 1.5,
      integer: 2n ** 60n,
      string: 'text',
      boolean: true,
      choice: 'text',
      module: 'text',
      embedding: Float32Array.of(1),
      tensor: { shape: [1], data: Float32Array.of(1) },
      map: { a: 'x' },
      list: ['x'],
    };
    const texts = ['string', 'choice', 'module'];
    for (const type of VARIABLE_TYPES) {
      for (const other of VARIABLE_TYPES) {
        const fits = type === other || (texts.includes(type) && texts.includes(other));
        const normalize = (): unknown => normalizeValue(type, examples[other], subject);
        if (fits) normalize();
        else assert.throws(normalize, InvalidValueError, `${type} <- ${other}`);
      }
      for (const nothing of [undefined, null])
        assert.throws(() => normalizeValue(type, nothing, subject), InvalidValueError);
    }
  });

  test('an integer has one form: a number while safe, one zero', () => {
    assert.equal(normalizeValue('integer', 3.0, subject), 3);
    assert.equal(normalizeValue('integer', 5n, subject), 5);
    assert.equal(normalizeValue('integer', 2n ** 53n, subject), 2n ** 53n);
    assert.ok(Object.is(normalizeValue('integer', -0, subject), 0));
  });

  const refusals: [VariableType, unknown, string][] = [
    ['integer', 12.5, '12.5 is not an integer: give a whole number or a bigint'],
    ['integer', Number.NaN, 'NaN is not an integer: give a whole number or a bigint'],
    ['integer', Number.POSITIVE_INFINITY, 'Infinity is not an integer: give a whole number or a bigint'],
    ['integer', 2 ** 53, '9007199254740992 is beyond 2^53 - 1, where a number has lost digits: give a bigint'],
    ['integer', 10n ** 4300n, 'the bigint has more than 4300 digits: give a string variable the digits'],
    ['integer', true, 'true is not an integer: give a whole number or a bigint'],
    ['float', 1n, '1n is not a float: give a number'],
    ['float', '1', '"1" is not a float: give a number'],
    ['boolean', 0, '0 is not a boolean: give true or false'],
    ['string', ['a'], 'a list is not a string: give a string'],
    ['string', 'a\ud800', 'the text holds half of a surrogate pair, which UTF-8 cannot say: give well-formed text'],
    ['choice', 1, '1 is not a choice: give one of its choices as a string'],
    ['module', undefined, "undefined is not a module: give a module's name as a string"],
    ['map', [], 'a list is not a map: give a plain object'],
    [
      'map',
      new Map(),
      'the value is a Map, which JSON cannot say: give plain maps, lists, strings, numbers, booleans and null',
    ],
    ['list', {}, 'a map is not a list: give an array'],
  ];
  for (const [type, input, sentence] of refusals) {
    test(`${type}: ${sentence}`, () => {
      assert.throws(() => normalizeValue(type, input, subject), {
        name: 'InvalidValueError',
        message: `${subject}: ${sentence}`,
      });
    });
  }

  test('takes a binary that structured clone has taken the class of, and copies it', () => {
    const given = structuredClone(new OpaqueBinary('{"binary_format":"pickle"}', Uint8Array.of(1)));
    const value = normalizeValue('tensor', given, subject) as OpaqueBinary;
    given.bytes[0] = 9;
    assert.deepEqual(value, new OpaqueBinary('{"binary_format":"pickle"}', Uint8Array.of(1)));
  });
});

describe('encodeValue', () => {
  test('an embedding travels as binary from the first element above 10,240 bytes', () => {
    const typeUrl = (elements: number): string => encodeValue('embedding', new Float64Array(elements)).typeUrl;
    assert.equal(typeUrl(1280), 'type.googleapis.com/snakepit.embedding');
    assert.equal(typeUrl(1281), 'type.googleapis.com/snakepit.embedding.binary');
  });

  test('its bytes are its own: whoever gets them may transfer them', () => {
    const value = Float32Array.of(1, 2);
    const { binary } = encodeValue('embedding', value, { binaryThresholdBytes: 0 });
    binary!.fill(0);
    assert.deepEqual(value, Float32Array.of(1, 2));
  });

  test('a value that its type cannot hold is our own mistake', () => {
    assert.throws(() => encodeValue('float', 'x'), InternalError);
    assert.throws(() => encodeValue('integer', true), InternalError);
    assert.throws(() => encodeValue('boolean', 1), InternalError);
    assert.throws(() => encodeValue('string', 1), InternalError);
  });
});

describe('decodeValue', () => {
  test('any bytes give a value or an InvalidValueError, nothing else', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.json().map(utf8),
      fc.string({ unit: 'binary' }).map(utf8),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...VARIABLE_TYPES),
        bytes,
        fc.option(bytes),
        fc.boolean(),
        (type, value, binary, isBinary) => {
          const sent = { typeUrl: isBinary ? `${type}.binary` : type, value, binary: binary ?? undefined };
          try {
            const decoded = decodeValue(type, sent, subject);
            assert.deepEqual(normalizeValue(type, decoded, subject), decoded);
          } catch (error) {
            assert.ok(error instanceof InvalidValueError, String(error));
          }
        },
      ),
      { numRuns: 5000 },
    );
  });

  test('a bomb of 2 million levels is refused for every type', () => {
    const value = utf8('['.repeat(2_000_000));
    for (const type of VARIABLE_TYPES)
      assert.throws(() => decodeValue(type, { typeUrl: '', value, binary: undefined }, subject), InvalidValueError);
  });

  test('nothing of a receive buffer is kept', () => {
    const buffer = Buffer.alloc(8192);
    const header = '{"binary_format":"pickle"}';
    buffer.write('\u0080\u0004.', 100, 'latin1');
    const sent = { typeUrl: 'tensor.binary', value: utf8(header), binary: buffer.subarray(100, 103) };
    const { bytes } = decodeValue('tensor', sent, subject) as OpaqueBinary;
    assert.equal(bytes.buffer.byteLength, 3);
    assert.equal(bytes.constructor, Uint8Array);
  });
});

test('the bytes of a value grow with it and are always the same', () => {
  const rising: VariableValue[][] = [
    [true, 'a'.repeat(10), 'a'.repeat(1000)],
    [1, 2n ** 100n, 2n ** 10_000n],
    [new Float32Array(10), new Float64Array(10), new Float64Array(1000)],
    [
      { shape: [1], data: new Float64Array(1) },
      { shape: [99], data: new Float64Array(99) },
    ],
    [{}, { a: 1 }, { a: [1, null, 'x'] }, { a: [1, null, 'x', { b: 'y'.repeat(100) }] }],
    [new OpaqueBinary('{}', new Uint8Array(1)), new OpaqueBinary('{}', new Uint8Array(5000))],
  ];
  for (const values of rising) {
    const sizes = values.map(valueBytes);
    assert.deepEqual(
      sizes,
      [...sizes].sort((a, b) => a - b),
    );
    assert.deepEqual(values.map(valueBytes), sizes);
  }
  assert.ok(valueBytes('ü'.repeat(1000)) >= 2000);
  assert.ok(valueBytes(new Float64Array(1000)) >= 8000);
});

test('numbers that are read or written in pieces are the same as at once', () => {
  const lengths = [0, 1, 2_047, 2_048, 2_049, 10_000];
  for (const length of lengths) {
    const data = Float64Array.from({ length }, (_, index) => (index % 7 === 0 ? Number.NaN : index / 3));
    for (const [type, value] of [
      ['embedding', data],
      ['tensor', { shape: [length], data }],
    ] as const) {
      const whole = encodeValue(type, value, { binaryThresholdBytes: Number.POSITIVE_INFINITY });
      assert.deepEqual(ending(encodeNumbersInPieces(type, value)!), whole);
      assert.deepEqual(ending(decodeNumbersInPieces(type, whole.value, subject)), decodeValue(type, whole, subject));
    }
  }
  assert.equal(encodeNumbersInPieces('list', [1]), undefined);
  assert.equal(encodeNumbersInPieces('embedding', new OpaqueBinary('{}', new Uint8Array(1))), undefined);
});

function ending<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value as T;
  }
}
