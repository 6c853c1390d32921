import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs/minimal.js';
import { InvalidTypeError, InvalidValueError } from '../../../src/shared/errors.js';
import { DEFAULT_HISTORY_LIMITS } from '../../../src/shared/state/history.js';
import type { Change } from '../../../src/shared/state/variable.js';
import { VariableTable } from '../../../src/shared/state/variable-table.js';
import type { Metadata } from '../../../src/shared/values/metadata.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';
import { snakepit } from '../../../src/shared/wire/gen/bridge.js';
import { numberFromLong, timestampFromWire } from '../../../src/shared/wire/messages.js';
import type { UpdateMessage } from '../../../src/shared/wire/update-message.js';
import {
  concatBytes,
  decodeUpdate,
  encodeChange,
  encodeIdentifiersTail,
  encodeMark,
  encodeMissedTail,
  encodeSnapshot,
  MAX_OLD_VALUE_BYTES,
  updateValue,
} from '../../../src/shared/wire/update-message.js';
import { ERA_SPAN } from '../../../src/shared/wire/wire-version.js';

const { Variable, VariableUpdate } = snakepit.bridge;

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const bytes = fc.uint8Array({ maxLength: 12 });
const key = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toString', ''));
const metadata = fc.dictionary(key, text, { maxKeys: 4, noNullPrototype: true });
const timestamp = fc.record({
  seconds: fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }),
  nanos: fc.integer({ min: 0, max: 999_999_999 }),
});
const any = fc.record({ type_url: text, value: bytes }, { requiredKeys: [] });
const count = fc.maxSafeNat();

const variable = fc.record(
  {
    id: text,
    name: text,
    type: fc.constantFrom('float', 'map', ''),
    value: any,
    constraintsJson: text,
    metadata,
    source: fc.nat(5),
    lastUpdatedAt: timestamp,
    version: fc.integer(),
    accessControlJson: text,
    optimizationStatus: fc.record({ optimizing: fc.boolean(), optimizerId: text, startedAt: timestamp }),
    binaryValue: bytes,
  },
  { requiredKeys: [] },
);

const update = fc.record(
  {
    variableId: text,
    variable,
    updateSource: text,
    updateMetadata: metadata,
    timestamp,
    updateType: fc.constantFrom('initial_value', 'value_change', 'heartbeat', 'deleted', 'resync', 'synced', 'later'),
    oldValue: any,
    oldBinaryValue: bytes,
    missed: count,
    epoch: text,
    revision: count,
    reason: text,
    more: fc.boolean(),
    identifiers: fc.array(fc.string(), { maxLength: 3 }),
  },
  { requiredKeys: [] },
);

/** A field that neither end knows, of any wire type. */
const unknownField = fc
  .tuple(fc.integer({ min: 20, max: 3_000 }), fc.constantFrom(0, 1, 2, 5), count, bytes)
  .map(([field, wireType, number, payload]) => {
    const writer = protobuf.Writer.create().uint32(((field << 3) | wireType) >>> 0);
    if (wireType === 0) writer.uint64(number);
    else if (wireType === 1) writer.fixed64(number);
    else if (wireType === 2) writer.bytes(payload);
    else writer.fixed32(number % 2 ** 32);
    return writer.finish();
  });

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** The same as the generated decoder reads it. */
function expected(encoded: Uint8Array): Record<string, unknown> {
  const message = VariableUpdate.decode(encoded);
  const inner = message.variable as typeof message.variable | null;
  return {
    updateType: message.updateType,
    variableId: message.variableId || (inner?.id ?? ''),
    name: inner?.name ?? '',
    version: inner?.version ?? 0,
    timestamp: timestampFromWire(message.timestamp),
    missed: numberFromLong(message.missed as never),
    revision: numberFromLong(message.revision as never),
    epoch: message.epoch,
    reason: message.reason,
    more: message.more,
    identifiers: message.identifiers,
    source: message.updateSource,
    custom: Object.entries(message.updateMetadata),
    type: inner?.type ?? '',
    typeUrl: inner?.value?.type_url ?? '',
    value: [...(inner?.value?.value ?? [])],
    binary: [...(inner?.binaryValue ?? [])],
  };
}

function plain({ decoded, isText, before, ...message }: UpdateMessage): Record<string, unknown> {
  // Of links alone.
  assert.deepEqual([decoded, isText, before], [undefined, false, undefined]);
  return {
    ...message,
    custom: Object.entries(message.custom),
    value: [...message.value],
    binary: [...(message.binary ?? [])],
  };
}

describe('decodeUpdate', () => {
  test('reads any update as the generated decoder does', () => {
    fc.assert(
      fc.property(update, (message) => {
        const encoded = VariableUpdate.encode(message).finish();
        assert.deepEqual(plain(decodeUpdate(encoded)), expected(encoded));
        // Again, now that its texts are those expected.
        assert.deepEqual(plain(decodeUpdate(encoded, expected(encoded) as never)), expected(encoded));
      }),
      { numRuns: 1_000 },
    );
  });

  test('takes no text for one that merely begins or looks the same', () => {
    const texts = fc.oneof(text, fc.constantFrom('\u00c3\u00a9', '\u00e9', 'a', 'ab', 'é'.repeat(70), 'x'.repeat(130)));
    fc.assert(
      fc.property(texts, texts, (sent, names) => {
        const encoded = VariableUpdate.encode({ variableId: sent, variable: { name: sent } }).finish();
        assert.equal(decodeUpdate(encoded, { variableId: names, name: names }).variableId, sent);
        assert.equal(decodeUpdate(encoded, { variableId: names, name: names }).name, sent);
      }),
    );
  });

  test('skips fields that it does not know, before, behind and inside the variable', () => {
    fc.assert(
      fc.property(
        update,
        variable,
        unknownField,
        unknownField,
        unknownField,
        (message, inner, before, behind, inside) => {
          const { variable: _, ...outer } = message;
          const nested = concat(inside, Variable.encode(inner).finish(), inside);
          const encoded = concat(
            before,
            VariableUpdate.encode(outer).finish(),
            protobuf.Writer.create().uint32(18).bytes(nested).finish(),
            behind,
          );
          assert.deepEqual(plain(decodeUpdate(encoded)), expected(encoded));
        },
      ),
    );
  });

  test('skips a known field of a wire type that it does not have', () => {
    const encoded = concat(
      protobuf.Writer.create().uint32(8).uint32(5).finish(),
      VariableUpdate.encode({ variableId: 'v1' }).finish(),
    );
    assert.deepEqual(plain(decodeUpdate(encoded)), expected(encoded));
  });

  test('cut anywhere throws wherever the generated decoder does, and else reads the same', () => {
    fc.assert(
      fc.property(update, fc.nat(), (message, at) => {
        const encoded = VariableUpdate.encode(message).finish();
        const cut = encoded.slice(0, encoded.length === 0 ? 0 : at % encoded.length);
        let wanted: Record<string, unknown>;
        try {
          wanted = expected(cut);
        } catch {
          assert.throws(() => decodeUpdate(cut));
          return;
        }
        assert.deepEqual(plain(decodeUpdate(cut)), wanted);
      }),
      { numRuns: 1_000 },
    );
  });

  test('ends on any bytes, with an update or an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
        try {
          decodeUpdate(garbage);
        } catch (error) {
          assert.ok(error instanceof Error);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('reads an empty message as one with defaults', () => {
    assert.deepEqual(plain(decodeUpdate(new Uint8Array(0))), expected(new Uint8Array(0)));
    assert.equal(decodeUpdate(new Uint8Array(0)).custom, EMPTY_METADATA);
  });

  test('takes __proto__ as an ordinary key of the setter', () => {
    const { custom } = decodeUpdate(
      VariableUpdate.encode({ updateMetadata: JSON.parse('{"__proto__":"mine"}') }).finish(),
    );
    assert.deepEqual(Object.entries(custom), [['__proto__', 'mine']]);
    assert.equal(Object.getPrototypeOf(custom), Object.prototype);
  });

  for (const large of [2 ** 31, 2 ** 32, 2 ** 53 - 1]) {
    test(`reads ${large} as missed and as revision without losing a digit`, () => {
      const message = decodeUpdate(VariableUpdate.encode({ missed: large, revision: large }).finish());
      assert.deepEqual([message.missed, message.revision], [large, large]);
    });
  }
});

describe('the value of an update', () => {
  test('is refused when its type is unknown, and when it is none of its type', () => {
    const message = (type: string) =>
      decodeUpdate(
        VariableUpdate.encode({ variable: { name: 'fan', type, value: { value: Buffer.from('"x"') } } }).finish(),
      );
    assert.throws(() => updateValue(message('complex')), InvalidTypeError);
    assert.throws(() => updateValue(message('')), InvalidTypeError);
    assert.throws(() => updateValue(message('float')), InvalidValueError);
    assert.equal(updateValue(message('string')), 'x');
  });
});

// --- what the server writes

const SETTER = { source: 'test', custom: EMPTY_METADATA };

function tableOf(): VariableTable {
  return new VariableTable({ maxVariables: 10, history: DEFAULT_HISTORY_LIMITS, newId: () => 'v1' });
}

function changeOf(
  type: string,
  initial: unknown,
  input: unknown,
  version = 1,
  custom: Metadata = EMPTY_METADATA,
): Change {
  const table = tableOf();
  const constraints = type === 'choice' ? { choices: ['a', 'b'] } : undefined;
  table.register({ name: 'fan', type, initial, version, constraints }, 1_700_000_000_000.125);
  return table.set({ identifier: 'fan', input }, { ...SETTER, custom }, 1_700_000_000_001.25).change!;
}

const VALUES: readonly (readonly [type: string, initial: unknown, input: unknown])[] = [
  ['float', 1, 2.5],
  ['float', 1, Number.NaN],
  ['float', 1, Number.NEGATIVE_INFINITY],
  ['integer', 1, 2n ** 80n],
  ['string', '', 'Größe 😀'],
  ['boolean', false, true],
  ['choice', 'a', 'b'],
  ['module', 'a', 'b'],
  ['embedding', [1], [1, 2, 3]],
  ['embedding', [1], new Float32Array(4_000).fill(0.5)],
  ['tensor', { shape: [1], data: [1] }, { shape: [2, 1], data: [1, 2] }],
  ['map', {}, JSON.parse('{"__proto__":[null,{"a":1}]}')],
  ['list', [], [1, 'a', null]],
];

describe('a change that the server writes', () => {
  for (const [type, initial, input] of VALUES) {
    test(`is read as it was made: ${type} ${String(input).slice(0, 20)}`, () => {
      const custom = JSON.parse('{"__proto__":"p","reason":"hot"}') as Metadata;
      const change = changeOf(type, initial, input, 1, custom);

      const message = decodeUpdate(encodeChange(change, 'e1', false));

      assert.deepEqual(updateValue(message), change.current.value);
      const { updateType, variableId, name, version, missed, revision, epoch, reason, source } = message;
      assert.deepEqual(
        { updateType, variableId, name, version, missed, revision, epoch, reason, source },
        {
          updateType: 'value_change',
          variableId: 'v1',
          name: 'fan',
          version: 2,
          missed: 0,
          revision: 2,
          epoch: '',
          reason: '',
          source: 'test',
        },
      );
      assert.equal(message.timestamp, 1_700_000_000_001.25);
      assert.deepEqual(Object.entries(message.custom), Object.entries(custom));
    });
  }

  test('says what was missed before it when the tail is put behind, up to 2^53 - 1', () => {
    const change = encodeChange(changeOf('float', 1, 2), 'e1', false);
    fc.assert(
      fc.property(count, (missed) => {
        const whole = concat(change, encodeMissedTail(missed));
        assert.deepEqual(plain(decodeUpdate(whole)), { ...plain(decodeUpdate(change)), missed });
        assert.equal(numberFromLong(VariableUpdate.decode(whole).missed as never), missed);
      }),
    );
  });

  test('says the identifiers of the request when their tail is put behind', () => {
    const bytes = encodeChange(changeOf('float', 1, 2), 'e1', false);
    const { identifiers } = VariableUpdate.decode(
      concatBytes(bytes, encodeIdentifiersTail(['fän', '', 'x'.repeat(300)])),
    );
    assert.deepEqual(identifiers, ['fän', '', 'x'.repeat(300)]);
  });

  test('carries the old value only when asked to', () => {
    const change = changeOf('float', 1, 2);
    const without = VariableUpdate.decode(encodeChange(change, 'e1', false));
    const withOld = VariableUpdate.decode(encodeChange(change, 'e1', true));
    assert.equal(without.oldValue, null);
    assert.equal(Buffer.from(withOld.oldValue.value).toString(), '1');
  });

  test('carries an old value beside the message when it is binary, and none above the limit', () => {
    const old = (elements: number) =>
      VariableUpdate.decode(encodeChange(changeOf('embedding', new Float64Array(elements), [1]), 'e1', true));
    assert.equal(old(2_000).oldBinaryValue.length, 16_000);
    assert.equal(old(MAX_OLD_VALUE_BYTES / 8 + 1).oldValue, null);
  });

  test('is a deletion with its reason when the variable went', () => {
    const table = tableOf();
    table.register({ name: 'fan', type: 'float', initial: 1 }, 0);
    const message = decodeUpdate(encodeChange(table.delete('fan', 'expired', 0), 'e1', false));
    assert.deepEqual([message.updateType, message.reason, message.version], ['deleted', 'expired', 2]);
  });

  test('begins a new epoch when its version no longer fits 32 bits', () => {
    const message = decodeUpdate(encodeChange(changeOf('float', 1, 2, ERA_SPAN), 'e1', false));
    assert.deepEqual([message.updateType, message.epoch, message.version], ['resync', 'e1.1', 1]);
  });

  test('says its era whenever it is not the first, so that nobody who missed its beginning takes it for another', () => {
    const change = changeOf('float', 1, 2, ERA_SPAN + 5);
    for (const previous of [change.previous, undefined]) {
      const message = decodeUpdate(encodeChange({ ...change, previous }, 'e1', false));
      assert.deepEqual([message.updateType, message.epoch, message.version], ['value_change', 'e1.1', 6]);
    }
  });
});

describe('a present value that the server writes', () => {
  for (const type of ['initial_value', 'resync'] as const) {
    test(`is read as it was made: ${type}`, () => {
      const { variable } = changeOf('float', 1, 2);
      const message = decodeUpdate(encodeSnapshot(variable, type, 'e1', 7));
      assert.deepEqual(
        [message.updateType, message.epoch, message.version, message.missed, updateValue(message)],
        [type, 'e1', 2, 7, 2],
      );
    });
  }

  test('says the era of its version', () => {
    const { variable } = changeOf('float', 1, 2, 2 * ERA_SPAN);
    const message = decodeUpdate(encodeSnapshot(variable, 'initial_value', 'e1'));
    assert.deepEqual([message.epoch, message.version], ['e1.2', 1]);
  });
});

test('a mark has no variable and says time, revision and epoch', () => {
  for (const type of ['heartbeat', 'synced'] as const) {
    const message = decodeUpdate(encodeMark(type, 1_700_000_000_000.5, 2 ** 40, 'e1'));
    const { updateType, timestamp: at, revision, epoch, variableId } = message;
    assert.deepEqual(
      { updateType, at, revision, epoch, variableId, type: message.type },
      { updateType: type, at: 1_700_000_000_000.5, revision: 2 ** 40, epoch: 'e1', variableId: '', type: '' },
    );
  }
});
