import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  clusterCause,
  foreignKeys,
  inACluster,
  notACluster,
  redisAway,
  redisUnavailable,
} from '../../../../src/server/engine/redis/redis-errors.js';

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
      const error = redisUnavailable(place, cause);
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

  test('says whether it is tried again', () => {
    assert.match(redisAway(place, 'silent').message, /store:6379 does not answer \(silent\): it is tried again/);
    assert.match(foreignKeys(place, caused({})).message, /another program: give a prefix/);
  });
});
