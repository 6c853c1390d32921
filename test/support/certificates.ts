/** An authority and certificates of its own, in a folder that goes with the tests. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export class Certificates {
  readonly #folder = mkdtempSync(join(tmpdir(), 'bridged-state-certificates-'));
  readonly ca: string;

  constructor() {
    after(() => rmSync(this.#folder, { recursive: true, force: true }));
    this.#openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-subj',
      '/CN=test ca',
      '-days',
      '2',
    );
    this.ca = this.#read('ca.pem');
  }

  /** @param names as OpenSSL writes them, such as `DNS:localhost,IP:127.0.0.1` */
  issue(name: string, names: string, days = '2'): Pair {
    writeFileSync(join(this.#folder, `${name}.ext`), `subjectAltName=${names}\n`);
    this.#openssl('req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', days, '-extfile', `${name}.ext`];
    this.#openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-out', `${name}.pem`);
    return { cert: this.#read(`${name}.pem`), key: this.#read(`${name}.key`) };
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'ignore' });
  }

  #read(name: string): string {
    return readFileSync(join(this.#folder, name), 'utf8');
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
