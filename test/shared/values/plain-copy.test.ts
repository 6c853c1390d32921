import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvalidValueError } from '../../../src/shared/errors.js';
import type { CopyRules } from '../../../src/shared/values/plain-copy.js';
import { PlainCopy } from '../../../src/shared/values/plain-copy.js';

const RULES: CopyRules = {
  takesEveryNumber: true,
  freezes: false,
  checkKey: () => undefined,
  copyLeaf: (input, copy) => (typeof input === 'object' && input !== null ? copy.refuseKind(input) : input),
};

const copyOf = (input: unknown): unknown => PlainCopy.make(RULES, input, 'variable "m"');

const refusal = (input: unknown): InvalidValueError => {
  try {
    copyOf(input);
  } catch (error) {
    assert.ok(error instanceof InvalidValueError);
    return error;
  }
  return assert.fail('accepted');
};

const broken = (): never => {
  throw new Error('broken');
};

const revoked = (target: object): object => {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
};

describe('every property is read once', () => {
  test('of maps and lists, through getters and proxies', () => {
    const reads: string[] = [];
    const counting = <T extends object>(target: T): T =>
      new Proxy(target, {
        get(inner, key, receiver) {
          reads.push(String(key));
          return Reflect.get(inner, key, receiver);
        },
      });
    assert.deepEqual(copyOf(counting({ a: counting([1, 2]), b: 3 })), { a: [1, 2], b: 3 });
    assert.deepEqual(reads, ['a', 'length', '0', '1', 'b']);
  });

  test('so what is copied is what was looked at, although the second answer would be another', () => {
    let answers = 0;
    const given = Object.defineProperty({}, 'a', { enumerable: true, get: () => (answers++ === 0 ? 1 : broken) });
    assert.deepEqual(copyOf(given), { a: 1 });
  });
});

describe('what cannot be read is refused with its place and its cause', () => {
  const cases: [string, unknown, RegExp][] = [
    [
      'a getter that throws',
      {
        list: [
          {
            get a(): never {
              return broken();
            },
          },
        ],
      },
      /^variable "m": \.list\[0\]\.a cannot be read/,
    ],
    ['a proxy without keys', { p: new Proxy({}, { ownKeys: broken }) }, /\.p cannot be read/],
    ['a proxy without prototype', [new Proxy({}, { getPrototypeOf: broken })], /\[0\] cannot be read/],
    ['a revoked map', { p: revoked({}) }, /\.p cannot be read/],
    ['a revoked list', revoked([]), /the value cannot be read/],
  ];
  for (const [name, input, expected] of cases) {
    test(name, () => {
      const error = refusal(input);
      assert.match(error.message, expected);
      assert.ok(error.cause instanceof Error);
    });
  }
});

describe('what is no plain map is refused', () => {
  class Derived extends (null as unknown as ObjectConstructor) {}
  const cases: [string, unknown, RegExp][] = [
    ['an instance of a class that extends null', Object.create(Derived.prototype), /is a Derived/],
    ['a map that inherits from a bare one', Object.create(Object.create(null)), /is an object/],
    [
      'a hidden toJSON',
      Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 2 }),
      /the value has a toJSON of its own/,
    ],
    ['a toJSON', { at: { toJSON: () => 1 } }, /\.at\.toJSON/],
    ['a symbol as key', [{ [Symbol('s')]: 1 }], /\[0\] has symbols as keys/],
    [
      'an instance of a class whose name cannot be read',
      { p: Object.create({ constructor: new Proxy(Date, { get: broken }) }) },
      /\.p is an object that cannot be read/,
    ],
    ['a hidden symbol as key', Object.defineProperty({}, Symbol('s'), { value: 1 }), /has symbols as keys/],
  ];
  const rules: CopyRules = { ...RULES, copyLeaf: (input, copy) => (isData(input) ? input : copy.refuseKind(input)) };
  for (const [name, input, expected] of cases)
    test(name, () => assert.throws(() => PlainCopy.make(rules, input, 'm'), expected));

  test('a key toJSON with a value is an ordinary one', () => {
    assert.deepEqual(copyOf({ toJSON: 5 }), { toJSON: 5 });
  });
});

describe('cycles', () => {
  test('are named where they begin again, and each property is still read once', () => {
    const inner: Record<string, unknown> = {};
    const given = { a: [inner] };
    inner.back = given;
    assert.match(refusal(given).message, /^variable "m": \.a\[0\]\.back contains itself/);
  });

  test('a value that grows as it is read ends at the limit of levels', () => {
    const endless = (): object => ({
      get next() {
        return endless();
      },
    });
    assert.match(refusal(endless()).message, /the value nests deeper than 100 levels/);
  });

  test('one object at two places is no cycle', () => {
    const shared = { a: 1 };
    assert.deepEqual(copyOf([shared, { shared }]), [{ a: 1 }, { shared: { a: 1 } }]);
  });
});

function isData(input: unknown): boolean {
  return input === null || (typeof input !== 'object' && typeof input !== 'function' && typeof input !== 'symbol');
}
