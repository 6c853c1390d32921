import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseServerOptions } from '../../src/server/server-options.js';
import { InvalidOptionsError } from '../../src/shared/errors.js';

describe('options of the server', () => {
  test('left out are the documented defaults, complete and frozen', () => {
    const options = parseServerOptions(undefined);
    const { engine, epoch, logger, ...plain } = options;
    assert.deepEqual(plain, {
      host: '127.0.0.1',
      port: 50_051,
      heartbeatMs: 30_000,
      sessionTtlMs: 3_600_000,
      maxSessions: 100_000,
      maxVariablesPerSession: 1_000_000,
      maxStreams: 100_000,
      maxStreamBytes: 4_194_304,
      maxConnectionBytes: 67_108_864,
      maxAtomicVariables: 40_000,
      maxSessionPatterns: 1_000,
      maxSessionBytes: 268_435_456,
      maxAnswerBytes: 67_108_864,
      requestTimeoutMs: 30_000,
      maxConnectionRequestBytes: 67_108_864,
      maxRequestBytes: 268_435_456,
      maxSessionMetadataBytes: 65_536,
      maxTotalBytes: 1_073_741_824,
      maxMessageBytes: 4_194_304,
      outboxLimit: 1_024,
      slowStreamMs: 10_000,
      drainMs: 5_000,
      history: { maxAgeMs: 60_000, maxVersions: 10_000, maxSessionBytes: 67_108_864 },
    });
    assert.equal(typeof engine.commit, 'function');
    assert.equal(typeof logger.warn, 'function');
    assert.equal(epoch, undefined, 'the engine says it');
    assert.ok(Object.isFrozen(options));
  });

  test('given as undefined are left out', () => {
    assert.equal(parseServerOptions({ port: undefined, history: { maxVersions: undefined } }).port, 50_051);
  });

  for (const [option, value] of [
    ['host', ''],
    ['host', 'a b'],
    ['port', -1],
    ['port', 65_536],
    ['port', 1.5],
    ['port', '50051'],
    ['adminPort', -1],
    ['engine', {}],
    ['engine', null],
    ['epoch', ''],
    ['epoch', 'a b'],
    ['epoch', 'x'.repeat(65)],
    ['heartbeatMs', 99],
    ['heartbeatMs', Number.NaN],
    ['sessionTtlMs', -1],
    ['maxSessions', 0],
    ['maxVariablesPerSession', 0],
    ['maxStreams', 0],
    ['maxMessageBytes', 1_023],
    ['outboxLimit', 0],
    ['slowStreamMs', 0],
    ['drainMs', -1],
    ['history', { maxVersions: 15 }],
    ['history', { maxVersion: 100 }],
    ['tokens', []],
    ['tokens', ['a b']],
    ['tokens', ['']],
    ['tokens', 'secret'],
    ['tls', {}],
    ['tls', { cert: 'x' }],
    ['logger', { info: () => undefined }],
    ['portt', 1],
  ] as const) {
    test(`${option} ${JSON.stringify(value)} is refused, by its name`, () => {
      assert.throws(
        () => parseServerOptions({ [option]: value }),
        (error: Error) => {
          assert.ok(error instanceof InvalidOptionsError, String(error));
          assert.match(error.message, new RegExp(`startBridgeServer: .*${option}`));
          return true;
        },
      );
    });
  }
});
