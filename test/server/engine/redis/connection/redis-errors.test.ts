import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  clusterCause,
  inACluster,
  notACluster,
  redisAway,
  redisFailure,
} from '../../../../../src/server/engine/redis/connection/redis-errors.js';
import { QuotaExceededError } from '../../../../../src/shared/errors.js';

describe('what is said of a Redis that cannot be used', () => {
  const place = { shown: 'redis://store:6379' };
  const caused = (properties: object): Error => Object.assign(new Error('why'), properties);

  test('names the place, the cause and what to do about it', () => {
    const said: readonly (readonly [object, RegExp])[] = [
      [{ code: 'ECONNREFUSED' }, /store:6379 does not answer \(why\): nothing was done; start it/],
      [{ name: 'ReplyError', message: 'WRONGPASS no' }, /refuses \(WRONGPASS no\): .*user and password/],
      [{ code: 'SELF_SIGNED_CERT_IN_CHAIN' }, /NODE_EXTRA_CA_CERTS/],
      [{ code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, /the host that its certificate names/],
    ];
    for (const [properties, sentence] of said) {
      const cause = caused(properties);
      const error = redisFailure(place, cause);
      assert.match(error.message, sentence);
      assert.equal(error.cause, cause);
    }
  });

  test('names those primaries of a cluster that are away, and where an address is of the other kind', () => {
    assert.equal(clusterCause([], 'why'), 'why');
    const primaries = ['a:1', 'b:2'].map((name) => ({ name, isReady: name === 'b:2', takeovers: 0 }));
    assert.match(String(clusterCause(primaries, caused({}))), /Error: a:1 of the cluster: why: sessions elsewhere/);
    assert.match(notACluster(place, caused({})).message, /no node of a cluster \(why\): give its address as redis:/);
    assert.match(inACluster({ shown: 'rediss://a:1' }).message, /give its address as rediss\+cluster:\/\/a:1/);
  });

  test('is of the kind that its caller can tell', () => {
    const kinds: readonly (readonly [string, string, RegExp])[] = [
      ['OOM command not allowed', 'STORAGE_FULL', /takes no more: nothing was done/],
      ['WRONGTYPE of another kind', 'ENGINE_FORMAT', /another program: give a prefix/],
      ['READONLY a replica', 'ENGINE_UNAVAILABLE', /READONLY a replica/],
    ];
    for (const [message, code, sentence] of kinds) {
      const error = redisFailure(place, caused({ name: 'ReplyError', message }));
      assert.equal(error.code, code);
      assert.match(error.message, sentence);
    }
    const ours = new QuotaExceededError('too much waits');
    assert.equal(redisFailure(place, ours), ours);
  });

  test('says whether it is tried again', () => {
    assert.match(redisAway(place, 'silent').message, /store:6379 does not answer \(silent\): it is tried again/);
  });
});
