import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CarrierChoice } from '../../../src/workers/connection/carrier-choice.js';

describe('the choice of a carrier', () => {
  test('auto takes the link of a server of ours, and streams where it has none, endpoint by endpoint', () => {
    const choice = new CarrierChoice('auto');
    assert.equal(choice.kindFor('a:1', true), 'link');
    assert.equal(choice.kindFor('a:1', false), 'stream');
    assert.equal(choice.handleNoLink('a:1'), true);
    assert.equal(choice.kindFor('a:1', true), 'stream');
    assert.equal(choice.kindFor('b:1', true), 'link');
  });

  test('what was asked for by name is taken, or refused', () => {
    assert.equal(new CarrierChoice('stream').kindFor('a:1', true), 'stream');
    const links = new CarrierChoice('link');
    assert.equal(links.kindFor('a:1', false), 'link');
    assert.equal(links.handleNoLink('a:1'), false);
    assert.equal(links.kindFor('a:1', true), 'link');
  });
});
