/** Tokens and certificates from files, on both ends of the command line. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, runHere, startServe } from '../support/command-line.js';

let folder: string;
const at = (name: string): string => join(folder, name);
const openssl = (...args: string[]): void => {
  execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
};

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'bridged-state-cli-'));
  writeFileSync(at('tokens'), '# all\noperator\nteam  team-*\n');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test ca', '-days', '2');
  writeFileSync(at('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost');
  for (const name of ['server', 'client']) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-out', `${name}.pem`);
  }
});

after(() => rmSync(folder, { recursive: true, force: true }));

test('serve --tokens opens the sessions that a token names', async () => {
  const { serve, endpoint } = await startServe('--tokens', at('tokens'));
  try {
    const list = (...args: string[]) => runHere(['list', '--json', '--endpoint', endpoint, ...args]);
    assert.equal((await list('--token', 'operator')).exitCode, 0);
    assert.equal((await list('--token', 'team', '--session', 'team-a')).exitCode, 0);
    const denied = await list('--token', 'team', '--session', 'other');
    assert.equal(denied.exitCode, 1);
    assert.match(denied.stderr, /^bridged-state: [^\n]*does not open[^\n]*\n$/);
    assert.equal((await list()).exitCode, 1);
  } finally {
    await serve.kill();
  }
});

test('serve --tls-cert --tls-key --tls-ca encrypts and asks clients for certificates, which commands take from files', async () => {
  const certificate = ['--tls-cert', at('server.pem'), '--tls-key', at('server.key')];
  const { serve, endpoint } = await startServe(...certificate, '--tls-ca', at('ca.pem'));
  try {
    const client = ['--tls-ca', at('ca.pem'), '--tls-cert', at('client.pem'), '--tls-key', at('client.key')];
    for (const name of [endpoint, endpoint.replace('127.0.0.1', 'localhost')]) {
      const { exitCode, stdout, stderr } = await run(['list', '--json', '--endpoint', name, ...client]);
      assert.deepEqual([exitCode, stdout, stderr], [0, '[]\n', ''], name);
    }
  } finally {
    await serve.kill();
  }
});

test('files that are not there, and halves of a pair, are wrong use in one line', async () => {
  for (const [args, sentence] of [
    [['serve', '--tokens', at('nowhere')], /--tokens: the file .* is not there/],
    [['serve', '--tls-cert', at('server.pem')], /--tls-cert needs --tls-key/],
    [['serve', '--tls-ca', at('ca.pem')], /--tls-ca needs --tls-cert and --tls-key/],
    [['list', '--tls-key', at('client.key')], /--tls-key needs --tls-cert/],
    [['list', '--tls-ca', at('nowhere')], /--tls-ca: the file .* is not there/],
  ] as const) {
    const { exitCode, stderr } = await runHere([...args]);
    assert.equal(exitCode, 2, args.join(' '));
    assert.match(stderr, sentence);
    assert.equal(stderr.trim().split('\n').length, 1);
  }
});
