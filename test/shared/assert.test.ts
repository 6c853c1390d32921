import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as check } from '../../src/shared/assert.js';
import { InternalError } from '../../src/shared/errors.js';

test('a broken invariant is an InternalError that says which', () => {
  assert.throws(
    () => check(false, 'versions only rise'),
    (error) => error instanceof InternalError && error.message === 'broken invariant: versions only rise',
  );
});

test('an invariant that holds says nothing', () => {
  check(true, 'versions only rise');
});
