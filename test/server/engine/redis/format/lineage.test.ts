import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LINEAGE_CHARACTERS, Lineage } from '../../../../../src/server/engine/redis/format/lineage.js';

describe('a lineage', () => {
  test('says up to where what was told in a generation is kept', () => {
    const lineage = new Lineage('0:0 2:100 5:140 ');
    assert.deepEqual(
      [0, 1, 2, 4, 5, 9].map((generation) => lineage.sharedUpTo(generation)),
      [100, 100, 140, 140, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    );
    lineage.add(5, 150);
    lineage.add(7, 200);
    assert.deepEqual([lineage.sharedUpTo(4), lineage.sharedUpTo(5)], [140, 200]);
  });

  test('that was cut does not know where its oldest generations ended', () => {
    const text = Array.from({ length: 300 }, (_, place) => `${1_000 + place}:${10 * place} `)
      .join('')
      .slice(-LINEAGE_CHARACTERS);
    const lineage = new Lineage(text);
    assert.equal(lineage.sharedUpTo(3), -1);
    assert.equal(lineage.sharedUpTo(1_298), 2_990);
  });
});
