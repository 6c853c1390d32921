import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  epochText,
  inGenerationOf,
  isSameLife,
  isSameLineage,
  parseEpoch,
} from '../../../src/shared/wire/epoch-text.js';

describe('the text of an epoch', () => {
  test('says life, generation and era, and is read again', () => {
    const life = fc.stringMatching(/^[\w-]{1,20}$/);
    fc.assert(
      fc.property(life, fc.nat(2 ** 31), fc.nat(4_194_304), (name, generation, era) => {
        const text = era === 0 ? epochText(name, generation) : `${epochText(name, generation)}.${era}`;
        assert.deepEqual(parseEpoch(text), { life: name, generation, era });
      }),
    );
  });

  test('is read the same however many others were read before', () => {
    for (let life = 0; life < 100; life += 1) {
      for (const text of [`life${life}~2.3`, 'first~1', `${'long'.repeat(100)}~${life}`]) parseEpoch(text);
    }
    assert.deepEqual(parseEpoch('first~1'), { life: 'first', generation: 1, era: 0 });
    assert.deepEqual(parseEpoch('life7~2.3'), { life: 'life7', generation: 2, era: 3 });
  });

  test('of the same life in another generation counts versions on, in another era it does not', () => {
    assert.deepEqual([isSameLife('a~1', 'a'), isSameLife('a~1.2', 'a~7'), isSameLife('a', 'b')], [true, true, false]);
    assert.deepEqual(
      [isSameLineage('a~1', 'a~2'), isSameLineage('a.1', 'a~2.1'), isSameLineage('a', 'a.1'), isSameLineage('', 'a')],
      [true, true, false, false],
    );
  });

  test('keeps its era in another generation', () => {
    assert.equal(inGenerationOf('a~1.3', 'a~2'), 'a~2.3');
    assert.equal(inGenerationOf('a~1', 'a'), 'a');
  });
});
