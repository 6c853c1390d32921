import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Finding, Findings, Stage } from '../../../src/workers/connection/connect-failure.js';
import { leavesTlsOpen, sentenceOfFailure } from '../../../src/workers/connection/connect-failure.js';

const error = (code: string, stage: Stage = 'tls'): Finding => ({ kind: 'error', stage, code });

const sentence = (own: Finding, rest: Partial<Findings> = {}): string =>
  sentenceOfFailure({ endpoint: 'h:1', isTls: true, hasCertificate: false, other: undefined, own, ...rest });

describe('the sentence names what is to be mended', () => {
  const cases: [string, RegExp][] = [
    [
      sentence(error('SELF_SIGNED_CERT_IN_CHAIN')),
      /certificate of h:1 is not trusted \(SELF_SIGNED_CERT_IN_CHAIN\).*tls\.ca/,
    ],
    [sentence(error('CERT_HAS_EXPIRED')), /certificate of h:1 has expired/],
    [sentence(error('CERT_REVOKED')), /certificate of h:1 is refused \(CERT_REVOKED\)/],
    [sentence(error('ERR_TLS_CERT_ALTNAME_INVALID')), /for another host name/],
    [sentence(error('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'greeting')), /wants a certificate from its clients/],
    [sentence(error('ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE')), /wants a certificate from its clients/],
    [sentence(error('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'), { hasCertificate: true }), /refuses the certificate tls\.cert/],
    [sentence(error('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')), /refuses the TLS handshake/],
    [sentence(error('ERR_SSL_WRONG_VERSION_NUMBER'), { other: { kind: 'http2' } }), /does not speak TLS/],
    [sentence({ kind: 'closed', stage: 'greeting' }), /may want a client certificate/],
    [sentence({ kind: 'closed', stage: 'greeting' }, { hasCertificate: true }), /may not trust the certificate/],
    [
      sentence({ kind: 'closed', stage: 'greeting' }, { isTls: false, other: { kind: 'closed', stage: 'greeting' } }),
      /speaks TLS, and this state does not/,
    ],
    [sentence({ kind: 'other', says: 'http1' }, { isTls: false }), /HTTP\/1\.1/],
    [sentence(error('ENOTFOUND', 'connect')), /DNS does not know the name in h:1/],
    [sentence(error('EAI_AGAIN', 'connect')), /DNS does not answer/],
    [sentence(error('ECONNREFUSED', 'connect')), /no gRPC server answers at h:1/],
    [sentence({ kind: 'http2' }), /no gRPC server answers at h:1/],
  ];
  for (const [said, expected] of cases) test(said, () => assert.match(said, expected));
});

describe('the other way is tried', () => {
  test('where TLS on one side only may be the reason', () => {
    for (const finding of [
      error('ERR_SSL_WRONG_VERSION_NUMBER'),
      error('ECONNRESET'),
      { kind: 'closed', stage: 'greeting' },
      { kind: 'other', says: 'tls' },
    ] as Finding[])
      assert.equal(leavesTlsOpen(finding), true);
  });

  test('and not where the first says enough', () => {
    for (const finding of [
      error('ECONNREFUSED', 'connect'),
      error('CERT_HAS_EXPIRED'),
      error('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'greeting'),
      { kind: 'http2' },
      { kind: 'silent', stage: 'connect' },
    ] as Finding[])
      assert.equal(leavesTlsOpen(finding), false);
  });
});

test('whatever is met, there is one sentence, and it names the endpoint', () => {
  const stage = fc.constantFrom<Stage>('connect', 'tls', 'greeting');
  const finding: fc.Arbitrary<Finding> = fc.oneof(
    fc.record({ kind: fc.constant('error' as const), stage, code: fc.string() }),
    fc.record({ kind: fc.constantFrom('closed' as const, 'silent' as const), stage }),
    fc.record({
      kind: fc.constant('other' as const),
      says: fc.constantFrom('tls' as const, 'http1' as const, 'unknown' as const),
    }),
    fc.constant<Finding>({ kind: 'http2' }),
  );
  const other = fc.option(finding, { nil: undefined });
  fc.assert(
    fc.property(finding, other, fc.boolean(), fc.boolean(), (own, second, isTls, hasCertificate) => {
      const said = sentence(own, { other: second, isTls, hasCertificate });
      assert.ok(said.includes('h:1') && said.includes(': '));
    }),
  );
});
