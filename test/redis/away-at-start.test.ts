/** A Redis that is away when a server starts: the server waits and says why, unless somebody has to mend something first. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { RedisEngine, startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../../src/testing/within.js';
import { Certificates } from '../support/certificates.js';
import { CommandProcess } from '../support/command-line.js';
import { freePort } from '../support/free-port.js';
import { closeRedis, startRedis, withRedis } from '../support/redis-server.js';

withRedis('a Redis that is away at the start', () => {
  describe('a Redis that is away when a server starts', () => {
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      await closeRedis();
    });

    test('is waited for with one warning, and served from as soon as it is there', async () => {
      const redis = await startRedis();
      redis.kill();
      await redis.ended();
      const adminPort = await freePort();
      const admin = `http://127.0.0.1:${adminPort}`;
      const serve = startCommand(redis.url, '--admin-port', String(adminPort));
      await serve.said(/"level":"warn".*it is tried again until it does/);
      assert.equal((await fetch(`${admin}/healthz`)).status, 200);
      const waiting = await fetch(`${admin}/readyz`);
      assert.equal(waiting.status, 503);
      assert.match(
        await waiting.text(),
        /^engine lost: Redis at unix:\S+ does not answer \(connect \w+ .*\): it is tried again/,
      );
      assert.match(await (await fetch(`${admin}/metrics`)).text(), /^bridged_state_engine_ready 0$/m);
      assert.equal((await fetch(`${admin}/backup`, { method: 'POST' })).status, 409);
      await redis.run();
      const { event, port } = await serve.json();
      assert.equal(event, 'listening');
      assert.equal((await fetch(`${admin}/readyz`)).status, 200);
      const state = await BridgedState.open({ endpoint: `127.0.0.1:${port}`, workers: 0 });
      await state.registerVariable('v', 'integer', 1);
      await state.close();
      serve.signal('SIGTERM');
      const { exitCode, stderr } = await serve.end();
      assert.equal(exitCode, 0);
      assert.equal(stderr.match(/"level":"warn"/g)?.length, 1);
      assert.doesNotMatch(stderr, /"level":"error"/);
    });

    test('SIGTERM ends the wait, with 0 and without a word on stdout', async () => {
      const serve = startCommand('redis://127.0.0.1:1');
      await serve.said(/"level":"warn".*ECONNREFUSED/);
      serve.signal('SIGTERM');
      const { exitCode, stdout, stderr } = await serve.end();
      assert.deepEqual([exitCode, stdout], [0, '']);
      assert.doesNotMatch(stderr, /"level":"error"/);
    });

    test('because it loads, hangs up, has no room for a client, or is a replica still: passes by itself', async () => {
      const answering = (text: string) =>
        startServer((socket) => socket.on('data', () => void socket.write(text.repeat(8))));
      const replica = await startRedis('--replicaof', '127.0.0.1', '1');
      const causes: readonly (readonly [url: string, cause: RegExp])[] = [
        [replica.url, /READONLY|MASTERDOWN/],
        [`redis://127.0.0.1:${await answering('-LOADING Redis is loading the dataset in memory\r\n')}`, /LOADING/],
        [`redis://127.0.0.1:${await answering('-ERR max number of clients reached\r\n')}`, /max number/],
        [`redis://127.0.0.1:${await startServer((socket) => socket.destroy())}`, /closed|ECONNRESET|EPIPE/],
        ['redis://nowhere.invalid', /ENOTFOUND|EAI_AGAIN/],
      ];
      const wait = new AbortController();
      const starts = causes.map(([url]) => {
        const engine = new RedisEngine(url);
        const started = startBridgeServer({ port: 0, engine, waitForEngine: wait.signal });
        started.catch(() => undefined);
        return { engine, started };
      });
      for (const [place, [, cause]] of causes.entries()) {
        const { engine } = starts[place]!;
        await until(() => engine.health.state === 'lost', `the cause ${cause}`);
        assert.match(String(engine.health.cause), cause);
      }
      const [promoted, ...away] = starts;
      // One that says nothing is not waited for either, once nobody wants it.
      const silent = new RedisEngine(`redis://127.0.0.1:${await startServer(() => undefined)}`);
      away.push({
        engine: silent,
        started: startBridgeServer({ port: 0, engine: silent, waitForEngine: wait.signal }),
      });
      away.at(-1)!.started.catch(() => undefined);
      assert.match(await replica.command('REPLICAOF', 'NO', 'ONE'), /OK/);
      const server = await within(promoted!.started, 'the server over the promoted one');
      assert.equal(promoted!.engine.health.state, 'ready');
      wait.abort();
      for (const { started } of away)
        await assert.rejects(within(started, 'the end', 2_000), { code: 'ENGINE_UNAVAILABLE' });
      assert.equal(promoted!.engine.health.state, 'ready', 'what waits no more is not ended by it');
      await server.close();
    });

    test('is not waited for where somebody has to mend something first: each is said at once', async () => {
      const authority = new Certificates();
      const { cert, key } = authority.issue('redis', 'DNS:localhost,IP:127.0.0.1');
      const folder = mkdtempSync(join(tmpdir(), 'bridged-state-tls-'));
      closers.push(() => rmSync(folder, { recursive: true, force: true }));
      const files = Object.entries({ ca: authority.ca, cert, key }).flatMap(([name, text]) => {
        writeFileSync(join(folder, name), text);
        return [`--tls-${name === 'ca' ? 'ca-cert' : name}-file`, join(folder, name)];
      });
      const [plainPort, tlsPort] = [await freePort(), await freePort()];
      await startRedis('--tls-port', String(tlsPort), ...files, '--tls-auth-clients', 'no');
      const plain = await startRedis('--port', String(plainPort));
      await plain.command('ACL', 'SETUSER', 'reader', 'on', '>secret', '+@read', '+info', '+hello', '~*');
      const http = await startServer((socket) =>
        socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      );
      const refused: readonly (readonly [url: string, sentence: RegExp])[] = [
        [`redis://nobody:secret@127.0.0.1:${plainPort}`, /refuses \(WRONGPASS .* user and password/],
        [`redis://reader:secret@127.0.0.1:${plainPort}`, /refuses \(NOPERM .* what that user may do/],
        [`rediss://127.0.0.1:${plainPort}`, /knows no TLS: give its address as redis:/],
        [`redis://127.0.0.1:${tlsPort}`, /asks for TLS: give its address as rediss:/],
        [`rediss://127.0.0.1:${tlsPort}`, /certificate.*NODE_EXTRA_CA_CERTS/],
        [`redis://127.0.0.1:${http}`, /RESP/],
      ];
      const waitForEngine = new AbortController().signal;
      await Promise.all(
        refused.map(async ([url, message]) => {
          const start = startBridgeServer({ port: 0, engine: new RedisEngine(url), waitForEngine });
          await assert.rejects(within(start, url), { code: 'ENGINE_UNAVAILABLE', message });
        }),
      );
      const serve = startCommand(`redis://nobody:secret@127.0.0.1:${plainPort}`);
      const { exitCode, stdout, stderr } = await serve.end();
      assert.deepEqual([exitCode, stdout], [1, '']);
      assert.match(stderr, /^bridged-state: [^\n]+WRONGPASS[^\n]+\n$/);
    });
  });
});

const closers: (() => unknown)[] = [];

function startCommand(engine: string, ...more: string[]): CommandProcess {
  const serve = new CommandProcess(['serve', '--port', '0', '--engine', engine, ...more]);
  closers.push(() => serve.kill());
  return serve;
}

/** Its port. */
async function startServer(handle: (socket: Socket) => unknown): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    handle(socket);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}
