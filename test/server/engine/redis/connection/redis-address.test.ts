import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseRedisUrl } from '../../../../../src/server/engine/redis/connection/redis-address.js';

const NOBODY = { username: undefined, password: undefined };

describe('the address of Redis', () => {
  test('names one process, or the socket of one', () => {
    assert.deepEqual(parseRedisUrl('redis://store'), {
      ...{ place: { kind: 'node', node: { host: 'store', port: 6379 } }, login: NOBODY, isTls: false },
      ...{ prefix: '', shown: 'redis://store:6379' },
    });
    assert.deepEqual(parseRedisUrl('rediss://me:p%40:ss@[::1]:1/a/b%20c'), {
      ...{ place: { kind: 'node', node: { host: '::1', port: 1 } }, login: { username: 'me', password: 'p@:ss' } },
      ...{ isTls: true, prefix: 'a/b c:', shown: 'rediss://[::1]:1' },
    });
    assert.deepEqual(parseRedisUrl('redis://:p@ss@store/').login, { username: undefined, password: 'p@ss' });
    const { place, prefix, shown } = parseRedisUrl('unix:/run/redis.sock?house');
    assert.deepEqual(
      [place, prefix, shown],
      [{ kind: 'socket', path: '/run/redis.sock' }, 'house:', 'unix:/run/redis.sock'],
    );
  });

  test('names sentinels, what they call the primary, and what they ask for themselves', () => {
    const nodes = [
      { host: 'a', port: 26379 },
      { host: '10.0.0.2', port: 5000 },
    ];
    assert.deepEqual(parseRedisUrl('redis+sentinel://a,10.0.0.2:5000/my-master'), {
      place: { kind: 'sentinel', nodes, name: 'my-master', sentinelLogin: NOBODY },
      ...{ login: NOBODY, isTls: false, prefix: '', shown: 'redis+sentinel://a:26379,10.0.0.2:5000/my-master' },
    });
    const said = parseRedisUrl('rediss+sentinel://me:s1@[::1]/m/house/1?sentinel_password=s%262&sentinel_username=you');
    assert.deepEqual(said, {
      place: {
        ...{ kind: 'sentinel', nodes: [{ host: '::1', port: 26379 }], name: 'm' },
        sentinelLogin: { username: 'you', password: 's&2' },
      },
      ...{ login: { username: 'me', password: 's1' }, isTls: true },
      ...{ prefix: 'house/1:', shown: 'rediss+sentinel://[::1]:26379/m' },
    });
  });

  test('names some nodes of a cluster', () => {
    const nodes = [
      { host: 'a', port: 6379 },
      { host: '::1', port: 7000 },
    ];
    assert.deepEqual(parseRedisUrl('rediss+cluster://me:p@a,[::1]:7000/house'), {
      ...{ place: { kind: 'cluster', nodes }, login: { username: 'me', password: 'p' }, isTls: true },
      ...{ prefix: 'house:', shown: 'rediss+cluster://a:6379,[::1]:7000' },
    });
  });

  const refused: readonly (readonly [url: string, sentence: RegExp])[] = [
    ['http://store', /another form/],
    ['redis://', /another form: give redis:\/\//],
    ['redis+other://secret@a/b', /another form/],
    ['redis://me:secret@', /another form/],
    ['redis://me:sec/ret@store', /write a slash in a password as %2F/],
    ['redis://me:secret?@store', /HOST:PORT/],
    ['redis://me:secret%@store', /begins no character/],
    ['redis://store:0', /HOST:PORT/],
    ['redis://store:65536', /HOST:PORT/],
    ['redis://::1', /HOST:PORT/],
    ['redis://a,b', /several hosts: give redis\+sentinel/],
    ['redis://store/1?secret=1', /nothing behind a question mark/],
    ['redis+cluster://a,b/{house}', /has a brace in its prefix/],
    ['redis+cluster://a?sentinel_password=secret', /nothing behind a question mark/],
    ['redis+sentinel://a,b', /lacks the name/],
    ['redis+sentinel://a,b//house', /lacks the name/],
    ['redis+sentinel://a,,b/m', /HOST:PORT/],
    ['redis+sentinel://a/m?sentinelPassword=secret', /takes sentinel_username/],
  ];
  for (const [url, message] of refused) {
    test(`is refused without a word of what may be secret: ${url}`, () => {
      assert.throws(() => parseRedisUrl(url), { code: 'INVALID_OPTIONS', message });
      assert.throws(
        () => parseRedisUrl(url),
        ({ message }: Error) => !/sec|ret/.test(message.replace(/redis\+sentinel:\/\/\S+|write \S+ .*/g, '')),
      );
    });
  }
});
