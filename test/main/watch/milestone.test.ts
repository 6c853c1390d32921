import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Milestone } from '../../../src/main/watch/milestone.js';

describe('a milestone', () => {
  test('resolves whoever asked before it was reached, and after', async () => {
    const milestone = new Milestone();
    const before = milestone.promise;
    milestone.handleReached();
    await before;
    await milestone.promise;
    assert.ok(milestone.isReached);
  });

  test('rejects whoever asked before it was over, and after, with what says why', async () => {
    const milestone = new Milestone();
    const before = milestone.promise;
    milestone.handleOver(() => new Error('over'));
    await assert.rejects(before, /over/);
    await assert.rejects(milestone.promise, /over/);
    milestone.handleReached();
    assert.ok(!milestone.isReached);
  });

  test('makes no error when nobody asks', () => {
    const milestone = new Milestone();
    milestone.handleOver(() => assert.fail('nobody asked'));
  });

  test('that was reached stays so at the end', async () => {
    const milestone = new Milestone();
    milestone.handleReached();
    milestone.handleOver(() => new Error('over'));
    await milestone.promise;
  });

  test('reached anew is a new promise; one that was not reached goes on', async () => {
    const milestone = new Milestone();
    const first = milestone.promise;
    milestone.reset();
    assert.equal(milestone.promise, first);
    milestone.handleReached();
    milestone.reset();
    const second = milestone.promise;
    assert.notEqual(second, first);
    milestone.handleReached();
    await second;
  });
});
