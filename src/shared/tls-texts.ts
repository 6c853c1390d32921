/**
 * PEM texts as users give them, looked at on the thread that they are given on: afterwards a connection that fails has other reasons.
 * Path: options -> [tls texts] -> grpc-js. No text stands in a sentence: one of them is a secret.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { InvalidOptionsError } from './errors.js';

export interface TlsTexts {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** @throws InvalidOptionsError naming which text is wrong, and how; `subject` is whose options they are */
export function checkTlsTexts({ ca, cert, key }: TlsTexts, subject: string): void {
  if ((cert === undefined) !== (key === undefined)) {
    const [given, missing] = key === undefined ? ['cert', 'key'] : ['key', 'cert'];
    throw new InvalidOptionsError(`${subject}: tls.${given} is given without tls.${missing}: give both, or neither`);
  }
  if (ca !== undefined) for (const text of certificatesIn(ca, 'ca', subject)) readCertificate(text, 'ca', subject);
  if (cert !== undefined && key !== undefined) checkPair(cert, key, subject);
  asOption(subject, 'tls: the texts are refused', () => createSecureContext({ ca, cert, key }));
}

function checkPair(cert: string, key: string, subject: string): void {
  const certificates = certificatesIn(cert, 'cert', subject).map((text) => readCertificate(text, 'cert', subject));
  if (!/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(key)) refuseText('key', 'PRIVATE KEY', key, subject);
  if (/-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(key)) {
    throw new InvalidOptionsError(`${subject}: tls.key is encrypted: decrypt it first, with openssl pkey`);
  }
  const own = asOption(subject, 'tls.key cannot be read', () => createPrivateKey(key));
  if (certificates[0]!.checkPrivateKey(own)) return;
  throw new InvalidOptionsError(`${subject}: tls.key does not belong to tls.cert: give the key that it was made for`);
}

function certificatesIn(text: string, name: string, subject: string): string[] {
  return text.match(CERTIFICATE) ?? refuseText(name, 'CERTIFICATE', text, subject);
}

function readCertificate(text: string, name: string, subject: string): X509Certificate {
  return asOption(subject, `tls.${name} holds a certificate that cannot be read`, () => new X509Certificate(text));
}

function refuseText(name: string, what: string, text: string, subject: string): never {
  const isPath = !text.includes('-----BEGIN') && !text.trim().includes('\n') && /[/\\.]/.test(text);
  const fact = isPath ? 'looks like a path' : `holds no PEM text "-----BEGIN ${what}-----"`;
  throw new InvalidOptionsError(
    `${subject}: tls.${name} ${fact}: give what the file holds, as readFileSync returns it`,
  );
}

function asOption<T>(subject: string, fact: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const { reason, message } = cause as { readonly reason?: string; readonly message: string };
    throw new InvalidOptionsError(`${subject}: ${fact} (${reason ?? message}): give PEM texts`, { cause });
  }
}

const CERTIFICATE =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]+?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
