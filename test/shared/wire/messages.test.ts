import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs/minimal.js';
import { InvalidValueError } from '../../../src/shared/errors.js';
import { DEFAULT_HISTORY_LIMITS } from '../../../src/shared/state/history.js';
import type { Registration } from '../../../src/shared/state/operation.js';
import { VariableTable } from '../../../src/shared/state/variable-table.js';
import type { Metadata } from '../../../src/shared/values/metadata.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';
import { google, snakepit } from '../../../src/shared/wire/gen/bridge.js';
import {
  numberFromLong,
  setterFromWire,
  setterToWire,
  timestampFromWire,
  timestampToWire,
  valueFromWire,
  valueToWire,
  variableToWire,
} from '../../../src/shared/wire/messages.js';
import { ERA_SPAN } from '../../../src/shared/wire/wire-version.js';

const entries = (map: object): [string, unknown][] => Object.entries(map);

function variableOf(more: Partial<Registration> = {}) {
  const table = new VariableTable({ maxVariables: 1, history: DEFAULT_HISTORY_LIMITS, newId: () => 'v1' });
  return table.register({ name: 'fan', type: 'float', initial: 1, ...more }, 1_700_000_000_000).variable;
}

describe('a value on the wire', () => {
  test('comes back as it was, also when it travels as binary', () => {
    for (const [type, value] of [
      ['float', Number.NaN],
      ['string', 'Größe'],
      ['integer', 2n ** 80n],
      ['embedding', Float64Array.of(1, 2)],
      ['embedding', new Float64Array(2_000).fill(0.5)],
    ] as const) {
      const { any, binary } = valueToWire(type, value);
      assert.deepEqual(valueFromWire(type, any, binary, 'variable "fan"'), value);
    }
  });

  test('that was not sent is refused, and named', () => {
    for (const any of [undefined, null]) {
      assert.throws(
        () => valueFromWire('float', any, undefined, 'variable "fan"'),
        (error) => error instanceof InvalidValueError && /^variable "fan": no value was sent/.test(error.message),
      );
    }
  });

  test('may leave its type URL out, and send an empty binary field', () => {
    assert.equal(valueFromWire('float', { value: Buffer.from('2') }, new Uint8Array(0), 'variable "fan"'), 2);
  });

  test('without bytes is refused as its type says', () => {
    assert.throws(() => valueFromWire('float', {}, null, 'variable "fan"'), InvalidValueError);
  });
});

describe('a time on the wire', () => {
  test('comes back to the microsecond, and is a valid timestamp', () => {
    const times = fc.double({ min: -62_135_596_800_000, max: 253_402_300_799_000, noNaN: true });
    fc.assert(
      fc.property(times, (ms) => {
        const timestamp = timestampToWire(ms);
        const nanos = timestamp.nanos ?? 0;
        assert.ok(nanos >= 0 && nanos < 1e9 && Number.isInteger(nanos));
        const back = timestampFromWire(
          google.protobuf.Timestamp.decode(google.protobuf.Timestamp.encode(timestamp).finish()),
        );
        assert.ok(Math.abs(back - ms) <= 0.001 + Number.EPSILON * Math.abs(ms), `${ms} came back as ${back}`);
      }),
    );
  });

  test('in whole ms comes back exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), (ms) => {
        assert.equal(timestampFromWire(timestampToWire(ms)), ms);
      }),
    );
  });

  test('never goes back by being sent: a later one is not earlier there', () => {
    const ms = fc.double({ min: 0, max: 10_000, noNaN: true });
    fc.assert(
      fc.property(ms, ms, (a, b) => {
        assert.ok(
          timestampFromWire(timestampToWire(Math.min(a, b))) <= timestampFromWire(timestampToWire(Math.max(a, b))),
        );
      }),
    );
  });

  test('that was not sent is 0', () => {
    assert.equal(timestampFromWire(undefined), 0);
    assert.equal(timestampFromWire(null), 0);
    assert.equal(timestampFromWire({}), 0);
  });
});

test('a 64-bit field is read exactly up to 2^53 - 1, signed ones below 0 too, and 0 when it is not there', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (number) => {
      const reader = protobuf.Reader.create(protobuf.Writer.create().int64(number).finish());
      assert.equal(numberFromLong(reader.int64() as never), number);
    }),
  );
  assert.equal(numberFromLong(7), 7);
  assert.equal(numberFromLong(undefined), 0);
  assert.equal(numberFromLong(null), 0);
});

describe('what a setter says', () => {
  test('comes back: who it is, and its own map, __proto__ among its keys too', () => {
    const key = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'source'));
    fc.assert(
      fc.property(fc.string(), fc.dictionary(key, fc.string(), { noNullPrototype: true }), (source, custom) => {
        const sent = setterToWire(source, custom, true);
        const back = setterFromWire(sent.metadata, sent.setter);
        assert.equal(back.source, source);
        assert.deepEqual(entries(back.custom), entries(custom));
      }),
    );
  });

  test('towards a server that knows no setter goes into the map, unless the map has that key', () => {
    const toForeign = (source: string, custom: Metadata) => setterToWire(source, custom, false);
    assert.deepEqual(toForeign('me', { unit: 'rpm' }), { metadata: { unit: 'rpm', source: 'me' } });
    assert.deepEqual(toForeign('me', { source: 'other' }), { metadata: { source: 'other' } });
    assert.deepEqual(toForeign('', { unit: 'rpm' }), { metadata: { unit: 'rpm' } });
    const back = setterFromWire(toForeign('me', { unit: 'rpm' }).metadata);
    assert.deepEqual(back, { source: 'me', custom: { unit: 'rpm' } });
  });

  test('is nothing when nothing was sent', () => {
    for (const sent of [undefined, null, {}]) {
      assert.deepEqual(setterFromWire(sent), { source: '', custom: EMPTY_METADATA });
    }
  });
});

describe('a variable on the wire', () => {
  test('says what it was registered with, and its present value', () => {
    const variable = variableOf({
      constraints: { min: 0 },
      metadata: JSON.parse('{"__proto__":"p","unit":"rpm"}') as Metadata,
      description: 'a fan',
      ttlMs: 5_000,
      source: 'python',
      version: 3,
    });

    const wire = snakepit.bridge.Variable.decode(snakepit.bridge.Variable.encode(variableToWire(variable)).finish());

    assert.deepEqual(
      [wire.id, wire.name, wire.type, wire.version, wire.source, JSON.parse(wire.constraintsJson)],
      ['v1', 'fan', 'float', 3, 1, { min: 0 }],
    );
    assert.deepEqual(entries(wire.metadata), [
      ['__proto__', 'p'],
      ['unit', 'rpm'],
    ]);
    assert.deepEqual([wire.description, numberFromLong(wire.ttlMs)], ['a fan', 5_000]);
    assert.equal(timestampFromWire(wire.lastUpdatedAt), 1_700_000_000_000);
    assert.equal(valueFromWire('float', wire.value, wire.binaryValue, 'fan'), 1);
  });

  test('can be said as it was at an earlier version', () => {
    const variable = variableOf();
    const earlier = { ...variable.current, version: 9, value: 4 };
    const wire = variableToWire(variable, earlier);
    assert.deepEqual([wire.version, valueFromWire('float', wire.value, undefined, 'fan')], [9, 4]);
  });

  test('says its version within 32 bits', () => {
    assert.equal(variableToWire(variableOf({ version: ERA_SPAN + 7 })).version, 7);
  });

  test('says a source that the published contract knows by its number, and any other as 0', () => {
    const numbers = ['python', 'typescript', 'elixir', 'thermostat', ''].map(
      (source) => variableToWire(variableOf({ source })).source,
    );
    assert.deepEqual(numbers, [1, 2, 0, 0, 0]);
  });

  test('puts bytes beside the message only when there are any', () => {
    assert.equal('binaryValue' in variableToWire(variableOf()), false);
    const large = variableToWire(variableOf({ type: 'embedding', initial: new Float64Array(2_000) }));
    assert.equal(large.binaryValue?.length, 16_000);
  });
});
