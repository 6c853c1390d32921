import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { followRejection, sentenceOf } from '../../src/shared/thrown.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('what was thrown, in words', () => {
  test('is the message of an error of any realm, and the text of anything else', () => {
    assert.equal(sentenceOf(new Error('here')), 'here');
    assert.equal(sentenceOf(runInNewContext('new Error("there")')), 'there');
    assert.equal(sentenceOf('text'), 'text');
    assert.equal(sentenceOf(Symbol('mark')), 'Symbol(mark)');
    assert.equal(sentenceOf(undefined), 'undefined');
    assert.equal(sentenceOf(null), 'null');
  });

  test('never throws', () => {
    const deny = () => {
      throw new Error('denied');
    };
    const hostile = [
      Object.create(null),
      Object.defineProperty(new Error(), 'message', { get: deny }),
      new Proxy({}, { get: deny }),
      { toString: deny },
      { message: 1, toString: () => ({}) },
    ];
    for (const thrown of hostile) assert.equal(sentenceOf(thrown), 'something that cannot be put into words');
    fc.assert(fc.property(fc.anything(), (thrown) => typeof sentenceOf(thrown) === 'string'));
  });
});

describe('a rejection', () => {
  test('of what is no thenable is none', () => {
    // biome-ignore lint/suspicious/noThenProperty: it is no function.
    const noFunction = { then: 1 };
    for (const result of [undefined, null, 0, '', true, {}, [], noFunction, () => undefined]) {
      assert.equal(
        followRejection(result, () => assert.fail()),
        false,
      );
    }
  });

  test('is told once, and a promise that resolves tells nothing', async () => {
    const told: unknown[] = [];
    const tell = (cause: unknown) => void told.push(cause);
    assert.equal(followRejection(Promise.reject('late'), tell), true);
    assert.equal(followRejection(Promise.resolve(1), tell), true);
    assert.equal(followRejection(runInNewContext('Promise.reject("there")'), tell), true);
    await turn();
    assert.deepEqual(told, ['late', 'there']);
  });

  test('reads `then` once, and calls it on its own object', async () => {
    let reads = 0;
    const result = {
      // biome-ignore lint/suspicious/noThenProperty: that is what it is for.
      get then() {
        reads += 1;
        return function (this: unknown, _: unknown, reject: (cause: unknown) => void) {
          reject(this === result ? 'own' : 'other');
        };
      },
    };
    const told: unknown[] = [];
    followRejection(result, (cause) => told.push(cause));
    await turn();
    assert.deepEqual([reads, told], [1, ['own']]);
  });
});
