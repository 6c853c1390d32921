/**
 * Why no connection stands, in a sentence that says what to mend. Path: connect probe -> [connect failure] -> the state's caller.
 * Told by what the probe met and by error codes; it decides nothing but the words.
 */

/** What a connection of the probe's own met. */
export type Finding =
  /** `stage`: before the connection stood, in the TLS handshake, or after. `code` is Node's or OpenSSL's. */
  | { readonly kind: 'error'; readonly stage: Stage; readonly code: string; readonly certificateNames?: string }
  /** The other end greets in HTTP/2, as a gRPC server does. */
  | { readonly kind: 'http2' }
  /** It says something else. */
  | { readonly kind: 'other'; readonly says: 'tls' | 'http1' | 'unknown' }
  /** It ended the connection without a word. */
  | { readonly kind: 'closed'; readonly stage: Stage }
  /** Nothing came in time. */
  | { readonly kind: 'silent'; readonly stage: Stage };

export type Stage = 'connect' | 'tls' | 'greeting';

export interface Findings {
  readonly endpoint: string;
  /** The state was opened with `tls`. */
  readonly isTls: boolean;
  /** The state gives a certificate of its own. */
  readonly hasCertificate: boolean;
  /** As the state connects. */
  readonly own: Finding;
  /** The other way, with TLS instead of without or the reverse; undefined where the first says enough. */
  readonly other: Finding | undefined;
}

/** Whether what was met may come of TLS on one side only. */
export function leavesTlsOpen(finding: Finding): boolean {
  switch (finding.kind) {
    case 'http2':
      return false;
    case 'other':
    case 'closed':
    case 'silent':
      return finding.kind !== 'silent' || finding.stage !== 'connect';
    case 'error':
      return finding.stage !== 'connect' && !isCertificateCode(finding.code) && !isAlert(finding.code);
  }
}

export function sentenceOfFailure(findings: Findings): string {
  const { endpoint, own, other, isTls } = findings;
  if (!isTls && other !== undefined && speaksTls(other)) {
    return `${endpoint} speaks TLS, and this state does not: set tls to true or { ca }, or name a port without encryption`;
  }
  if (isTls && other !== undefined && (other.kind === 'http2' || (other.kind === 'other' && other.says === 'http1'))) {
    return `${endpoint} does not speak TLS: leave tls out, or name a port with encryption`;
  }
  switch (own.kind) {
    case 'error':
      return sentenceOfError(own, findings);
    case 'other':
      return own.says === 'http1'
        ? `${endpoint} answers in HTTP/1.1, and a gRPC server speaks HTTP/2: check the endpoint, and proxies before it`
        : `${endpoint} answers, but not in HTTP/2: check that a gRPC server is there`;
    case 'closed':
      return isTls
        ? sentenceOfClosedTls(findings)
        : `${endpoint} ends each connection at once: check that a gRPC server is there`;
    case 'silent':
      return `${endpoint} accepts a connection and says nothing: check that a gRPC server is there`;
    case 'http2':
      return `no gRPC server answers at ${endpoint}: start it, or check the endpoint`;
  }
}

function sentenceOfError(
  { stage, code, certificateNames }: Extract<Finding, { kind: 'error' }>,
  { endpoint, hasCertificate, isTls }: Findings,
): string {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    const names = certificateNames === undefined ? '' : ` (it names ${certificateNames})`;
    return `the certificate of ${endpoint} is for another host name${names}: connect by a name that it holds`;
  }
  if (code === 'CERT_HAS_EXPIRED') return `the certificate of ${endpoint} has expired (${code}): renew it`;
  if (code === 'CERT_NOT_YET_VALID')
    return `the certificate of ${endpoint} is not valid yet (${code}): check the clocks`;
  if (UNTRUSTED.has(code)) {
    return `the certificate of ${endpoint} is not trusted (${code}): give the authority that signed it as tls.ca`;
  }
  if (isCertificateCode(code)) return `the certificate of ${endpoint} is refused (${code}): replace it`;
  if (isAlert(code)) {
    if (!hasCertificate && (isAbout(code, 'CERTIFICATE') || isAbout(code, 'HANDSHAKE_FAILURE'))) {
      return `${endpoint} wants a certificate from its clients (${code}): give tls.cert and tls.key`;
    }
    return isAbout(code, 'CERT') || isAbout(code, 'UNKNOWN_CA')
      ? `${endpoint} refuses the certificate tls.cert (${code}): give one that its authority signed`
      : `${endpoint} refuses the TLS handshake (${code}): check which versions and certificates it takes`;
  }
  if (stage === 'connect') return sentenceOfNetwork(endpoint, code);
  return isTls
    ? `the TLS handshake with ${endpoint} failed (${code}): check that it speaks TLS, and its certificate`
    : `${endpoint} ends the connection (${code}): check that a gRPC server is there`;
}

function sentenceOfNetwork(endpoint: string, code: string): string {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_NONAME':
    case 'EAI_NODATA':
      return `DNS does not know the name in ${endpoint} (${code}): check its spelling`;
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return `DNS does not answer for the name in ${endpoint} (${code}): check the network and its name servers`;
    case 'ENOENT':
      return `there is no socket ${endpoint} (${code}): start the server, or check the path`;
    case 'EACCES':
    case 'EPERM':
      return `this process may not connect to ${endpoint} (${code}): check its permissions`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
    case 'EINVAL':
      return `no network leads to ${endpoint} (${code}): check the address`;
    default:
      return `no gRPC server answers at ${endpoint} (${code}): start it, or check the endpoint`;
  }
}

function sentenceOfClosedTls({ endpoint, own, hasCertificate }: Findings): string {
  if (own.kind === 'closed' && own.stage !== 'greeting') {
    return `${endpoint} ends the TLS handshake without a word: check that it speaks TLS`;
  }
  return hasCertificate
    ? `${endpoint} ends the connection after the TLS handshake: it may not trust the certificate tls.cert`
    : `${endpoint} ends the connection after the TLS handshake: it may want a client certificate, tls.cert and tls.key`;
}

function speaksTls(finding: Finding): boolean {
  switch (finding.kind) {
    case 'http2':
    case 'other':
      return true;
    case 'closed':
    case 'silent':
      return finding.stage === 'greeting';
    case 'error':
      return finding.stage === 'greeting' || isAlert(finding.code);
  }
}

/** An alert: the other end speaks TLS, and refuses. */
function isAlert(code: string): boolean {
  return code.startsWith('ERR_SSL_') && isAbout(code, 'ALERT_');
}

function isAbout(code: string, what: string): boolean {
  return code.includes(what);
}

function isCertificateCode(code: string): boolean {
  return UNTRUSTED.has(code) || OTHER_CERTIFICATE_CODES.has(code);
}

// Of OpenSSL's verification, as Node names them.
const UNTRUSTED: ReadonlySet<string> = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
]);

const OTHER_CERTIFICATE_CODES: ReadonlySet<string> = new Set([
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_REJECTED',
  'CERT_CHAIN_TOO_LONG',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  'ERROR_IN_CERT_NOT_AFTER_FIELD',
]);
