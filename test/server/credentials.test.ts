/** Tokens and certificates, on the wire. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client, credentials, status } from '@grpc/grpc-js';
import { startBridgeServer } from '../../src/server/index.js';
import { METHODS, methodPath, SERVICE_NAMES } from '../../src/shared/wire/services.js';
import { any, PlainClient } from './plain-client.js';

describe('a server with tokens', () => {
  test('answers who has one, and nobody else', async () => {
    await using server = await startBridgeServer({ port: 0, tokens: ['first', 'second'] });
    const client = new PlainClient(server.port);
    const refused = async () => [
      await client.failure('Ping', { message: '' }),
      await client.failure('InitializeSession', { sessionId: 's' }),
      await client.failure('SetVariable', { sessionId: 's', variableIdentifier: 'fan', value: any(1) }),
      await client.watch({ sessionId: 's', variableIdentifiers: ['fan'] }).end(),
    ];
    for (const header of [undefined, 'Bearer third', 'Basic first', 'first']) {
      client.headers.remove('authorization');
      if (header !== undefined) client.headers.set('authorization', header);
      for (const { code, metadata } of await refused()) {
        assert.equal(code, status.UNAUTHENTICATED);
        assert.deepEqual(metadata.get('bridge-error'), ['UNAUTHENTICATED']);
      }
    }
    assert.equal(server.metrics().sessions, 0);
    for (const token of ['first', 'second']) {
      client.headers.set('authorization', `Bearer ${token}`);
      await client.initSession();
    }
    client.close();
  });
});

describe('a token of some sessions', () => {
  test('opens them to every call and watch, and says nothing of others, whether they are there or not', async () => {
    const tokens = ['all', { token: 'team', sessions: ['team-*'] }];
    await using server = await startBridgeServer({ port: 0, tokens });
    const operator = new PlainClient(server.port);
    operator.headers.set('authorization', 'Bearer all');
    for (const sessionId of ['team-a', 'other']) {
      await operator.initSession(sessionId);
      await operator.register('fan', 1, { sessionId });
    }
    const client = new PlainClient(server.port);
    client.headers.set('authorization', 'Bearer team');
    await client.initSession('team-b');
    assert.equal((await client.call('ListVariables', { sessionId: 'team-a' })).variables?.length, 1);
    assert.equal((await client.call('Ping', { message: 'x' })).message, 'pong: x');
    const details = new Set<string>();
    for (const sessionId of ['other', 'nowhere']) {
      const byName = { sessionId, variableIdentifier: 'fan' };
      const failures = [
        await client.failure('InitializeSession', { sessionId }),
        await client.failure('CleanupSession', { sessionId, force: true }),
        await client.failure('GetSession', { sessionId }),
        await client.failure('Heartbeat', { sessionId }),
        await client.failure('GetVariable', byName),
        await client.failure('GetVariables', { sessionId, variableIdentifiers: ['fan'] }),
        await client.failure('ListVariables', { sessionId }),
        await client.failure('GetVariableHistory', byName),
        await client.failure('RegisterVariable', { sessionId, name: 'x', type: 'float', initialValue: any(1) }),
        await client.failure('SetVariable', { ...byName, value: any(2) }),
        await client.failure('SetVariables', { sessionId, updates: { fan: any(2) } }),
        await client.failure('SetVariables', { sessionId, updates: { fan: any('x'.repeat(100_000)) } }),
        await client.failure('DeleteVariable', byName),
        await client.failure('RollbackVariable', { ...byName, targetVersion: 1 }),
        await client.failure('UnwatchVariables', { sessionId, watchToken: 'x' }),
        await client.failure('GetExposedElixirTools', { sessionId }),
        await client.watch({ sessionId, variableIdentifiers: ['fan'] }).end(),
      ];
      for (const { code, metadata, details: sentence } of failures) {
        assert.equal(code, status.PERMISSION_DENIED);
        assert.deepEqual(metadata.get('bridge-error'), ['PERMISSION_DENIED']);
        details.add(sentence);
      }
    }
    assert.equal(details.size, 1);
    const { variable } = await operator.call('GetVariable', { sessionId: 'other', variableIdentifier: 'fan' });
    assert.equal(variable?.version, 1);
    client.close();
    operator.close();
  });
});

describe('a server with a certificate', () => {
  let folder: string;
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'bridged-state-tls-'));
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test ca', '-days', '2');
    for (const name of ['server', 'client']) {
      openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', '/CN=localhost');
      const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
      openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-out', `${name}.pem`);
    }
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  function ping(port: number, key?: string, cert?: string): Promise<Buffer> {
    const pem = (name: string | undefined) => (name === undefined ? null : Buffer.from(read(name)));
    const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(pem('ca.pem'), pem(key), pem(cert)), {
      'grpc.ssl_target_name_override': 'localhost',
      'grpc.use_local_subchannel_pool': 1,
    });
    const bytes = Buffer.from(METHODS.Ping.encodeRequest({ message: 'tls' }));
    const deadline = Date.now() + 5_000;
    return new Promise<Buffer>((resolve, reject) => {
      const identity = (value: Buffer): Buffer => value;
      client.makeUnaryRequest(
        methodPath(SERVICE_NAMES[0], 'Ping'),
        identity,
        identity,
        bytes,
        { deadline },
        (error, answer) => (error ? reject(error) : resolve(answer!)),
      );
    }).finally(() => client.close());
  }

  test('answers over TLS', async () => {
    await using server = await startBridgeServer({
      port: 0,
      tls: { cert: read('server.pem'), key: read('server.key') },
    });
    const { message } = METHODS.Ping.decodeResponse(await ping(server.port));
    assert.equal(message, 'pong: tls');
  });

  test('and an authority asks clients for a certificate of it', async () => {
    const tls = { cert: read('server.pem'), key: read('server.key'), ca: read('ca.pem') };
    await using server = await startBridgeServer({ port: 0, tls });
    const { message } = METHODS.Ping.decodeResponse(await ping(server.port, 'client.key', 'client.pem'));
    assert.equal(message, 'pong: tls');
    await assert.rejects(ping(server.port));
  });
});
