/** Files that options name: certificates, keys, tokens. A file that cannot be read is wrong use, said in a line that names the option. */
import { readFile } from 'node:fs/promises';
import { UsageError } from './usage-error.js';

export interface TlsOptions {
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

export interface TlsTexts {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Undefined when no such option was given. @throws UsageError also for a certificate without its key, and a key without its certificate */
export async function readTls({ tlsCa, tlsCert, tlsKey }: TlsOptions): Promise<TlsTexts | undefined> {
  if (tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) return undefined;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError(
      tlsKey === undefined ? '--tls-cert needs --tls-key: give both' : '--tls-key needs --tls-cert: give both',
    );
  }
  return {
    ...(tlsCa === undefined ? {} : { ca: await readOptionFile('--tls-ca', tlsCa) }),
    ...(tlsCert === undefined ? {} : { cert: await readOptionFile('--tls-cert', tlsCert) }),
    ...(tlsKey === undefined ? {} : { key: await readOptionFile('--tls-key', tlsKey) }),
  };
}

/** @throws UsageError */
export async function readOptionFile(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as { readonly code?: string };
    const reason = code === 'ENOENT' ? 'is not there' : `cannot be read (${code ?? 'unknown'})`;
    throw new UsageError(`${option}: the file ${path} ${reason}: give the path of a file`);
  }
}
