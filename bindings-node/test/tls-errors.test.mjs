// explainTlsError on errors as they look in Bun and Node, and on what is no error at all. That they
// do look so is shown by the tests which provoke them.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { explainTlsError, verifyPeerSync } from '@catalyst/pki';
import { failsWith, newManager, TRUST_DOMAIN } from './helpers.mjs';

const { native } = createRequire(import.meta.url)('../dist/native.js');

const kind = (error) => explainTlsError(error).kind;
const withCode = (code, message = '') => Object.assign(new Error(message), { code });

const KINDS = [
  ['issuer-unknown', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'PKI_UNTRUSTED_ISSUER'],
  ['issuer-incomplete', 'UNABLE_TO_GET_ISSUER_CERT'],
  ['issuer-not-sent', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ['root-unknown', 'SELF_SIGNED_CERT_IN_CHAIN'],
  ['expired', 'CERT_HAS_EXPIRED', 'PKI_CERTIFICATE_EXPIRED', 'PKI_ISSUER_EXPIRED'],
  ['not-yet-valid', 'CERT_NOT_YET_VALID', 'PKI_CERTIFICATE_NOT_YET_VALID'],
  ['name-mismatch', 'ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH', 'PKI_NAME_MISMATCH'],
  ['name-constraint', 'PERMITTED_VIOLATION', 'EXCLUDED_VIOLATION'],
  ['name-constraint', 'UNSUPPORTED_CONSTRAINT_SYNTAX', 'PKI_NAME_CONSTRAINT_VIOLATED'],
  ['name-constraint', 'NAME_CONSTRAINTS_WITHOUT_SANS'],
  ['name-mismatch', 'IP_ADDRESS_MISMATCH'],
  ['wrong-usage', 'INVALID_PURPOSE', 'PKI_USAGE_NOT_ALLOWED'],
  ['bad-signature', 'CERT_SIGNATURE_FAILURE', 'PKI_SIGNATURE_INVALID'],
  ['bad-signature', 'UNABLE_TO_DECRYPT_CERT_SIGNATURE', 'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY'],
  ['issuer-not-allowed', 'INVALID_CA', 'PATH_LENGTH_EXCEEDED', 'PKI_PATH_LENGTH_EXCEEDED'],
  ['issuer-not-allowed', 'KEYUSAGE_NO_CERTSIGN'],
  ['chain-rejected', 'CERT_CHAIN_TOO_LONG', 'CERT_UNTRUSTED', 'CERT_REJECTED'],
  ['chain-rejected', 'ERROR_IN_CERT_NOT_BEFORE_FIELD', 'ERROR_IN_CERT_NOT_AFTER_FIELD'],
  ['crl-unusable', 'UNABLE_TO_GET_CRL', 'CRL_NOT_YET_VALID', 'CRL_HAS_EXPIRED'],
  ['crl-unusable', 'UNABLE_TO_DECRYPT_CRL_SIGNATURE', 'CRL_SIGNATURE_FAILURE', 'PKI_CRL_INVALID'],
  ['crl-unusable', 'ERROR_IN_CRL_LAST_UPDATE_FIELD', 'ERROR_IN_CRL_NEXT_UPDATE_FIELD'],
  ['crl-unusable', 'InvalidCRL'],
  ['out-of-memory', 'OUT_OF_MEM'],
  ['handshake-timeout', 'ERR_TLS_HANDSHAKE_TIMEOUT'],
  ['revoked', 'CERT_REVOKED', 'PKI_IDENTITY_DENIED', 'PKI_SERIAL_DENIED'],
  ['unexpected-peer', 'PKI_UNEXPECTED_PEER', 'PKI_FOREIGN_TRUST_DOMAIN'],
  ['peer-refused', 'PKI_SPIFFE_ID_MISSING', 'PKI_MALFORMED_CERTIFICATE', 'PKI_PEER_ID_INVALID'],
  ['policy-rejected', 'PKI_INVALID_POLICY', 'PKI_ANCHOR_REJECTED'],
  ['key-mismatch', 'ERR_OSSL_X509_KEY_VALUES_MISMATCH'],
  ['unreadable-pem', 'ERR_OSSL_PEM_NO_START_LINE', 'ERR_OSSL_UNSUPPORTED'],
  ['chain-as-list', 'ERR_SSL_KEY_USAGE_BIT_INCORRECT'],
  ['no-client-certificate', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'],
  ['no-client-certificate', 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
  ['certificate-refused', 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'],
  ['certificate-refused', 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED'],
  ['not-tls', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_HTTP_REQUEST'],
  ['options-rejected', 'FailedToOpenSocket'],
  ['unreachable', 'ECONNREFUSED', 'ConnectionRefused', 'ENOTFOUND', 'ETIMEDOUT'],
  ['closed', 'ECONNRESET', 'EPIPE', 'ConnectionClosed', 'UND_ERR_SOCKET'],
  ['handshake-failed', 'EPROTO', 'ERR_SSL_SOMETHING_NEW'],
  ['unknown', 'ENOENT', 'ERR_INVALID_ARG_TYPE', 'PKI_NOT_INITIALIZED'],
];

/** Node's documentation of tls, "X509 certificate error codes", with OpenSSL's words for each. */
const NODE_CODES = {
  UNABLE_TO_GET_ISSUER_CERT: 'unable to get issuer certificate',
  UNABLE_TO_GET_CRL: 'unable to get certificate CRL',
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: "unable to decrypt certificate's signature",
  UNABLE_TO_DECRYPT_CRL_SIGNATURE: "unable to decrypt CRL's signature",
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: 'unable to decode issuer public key',
  CERT_SIGNATURE_FAILURE: 'certificate signature failure',
  CRL_SIGNATURE_FAILURE: 'CRL signature failure',
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
  CERT_HAS_EXPIRED: 'certificate has expired',
  CRL_NOT_YET_VALID: 'CRL is not yet valid',
  CRL_HAS_EXPIRED: 'CRL has expired',
  ERROR_IN_CERT_NOT_BEFORE_FIELD: "format error in certificate's notBefore field",
  ERROR_IN_CERT_NOT_AFTER_FIELD: "format error in certificate's notAfter field",
  ERROR_IN_CRL_LAST_UPDATE_FIELD: "format error in CRL's lastUpdate field",
  ERROR_IN_CRL_NEXT_UPDATE_FIELD: "format error in CRL's nextUpdate field",
  OUT_OF_MEM: null, // 'out of memory' is what everybody says.
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'self-signed certificate in certificate chain',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unable to get local issuer certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unable to verify the first certificate',
  CERT_CHAIN_TOO_LONG: 'certificate chain too long',
  CERT_REVOKED: 'certificate revoked',
  INVALID_CA: 'invalid CA certificate',
  PATH_LENGTH_EXCEEDED: 'path length constraint exceeded',
  INVALID_PURPOSE: 'unsuitable certificate purpose',
  CERT_UNTRUSTED: 'certificate not trusted',
  CERT_REJECTED: 'certificate rejected',
  HOSTNAME_MISMATCH: 'hostname mismatch',
};

test('every code that Node documents is explained, and its words alone are too', () => {
  const tested = KINDS.flatMap(([, ...codes]) => codes);
  for (const [code, words] of Object.entries(NODE_CODES)) {
    assert.ok(tested.includes(code), `${code} has its kind above`);
    const { kind: expected } = explainTlsError(withCode(code, words ?? ''));
    assert.notEqual(expected, 'unknown', code);
    if (words === null) continue;
    for (const message of [
      words,
      `WebSocket connection to 'wss://a:1/' failed: TLS handshake failed: ${words}`,
      `${words}; if the root CA is installed locally, try running Node.js with --use-system-ca`,
    ]) {
      assert.equal(kind(message), expected, message);
      assert.equal(kind(withCode('UNSPECIFIED', message)), expected, message);
    }
  }
});

test('the words of others are not taken for those of TLS', () => {
  for (const message of [
    'Redis: failed to connect',
    'failed to connect',
    'Failed to create HTTP server for the tests',
    'the invalid CA was removed',
    'California: invalid CA',
    'the path length constraint exceeded what was planned',
    'no such http request',
    'the alert unknown CA was sent',
    'bad base64 decode',
    'there is no start line in the file',
    'the gift certificate has expired',
    'the previous certificate revoked by us',
    'the user disconnected before secure TLS was there',
    'the wizard was closed unexpectedly',
    'out of memory',
  ]) {
    assert.equal(kind(new Error(message)), 'unknown', message);
  }
  // What they say is of the CA that is verified by, not of the one that is read.
  assert.equal(
    kind({ code: 'INVALID_CA', message: 'invalid CA certificate' }),
    'issuer-not-allowed',
  );
});

test('each code has its kind', () => {
  const ours = native.errorCodes().map(({ code }) => code);
  for (const [expected, ...codes] of KINDS) {
    for (const code of codes) {
      const explained = explainTlsError(withCode(code));
      assert.equal(explained.kind, expected, code);
      assert.equal(explained.code, expected === 'unknown' ? null : code);
      assert.ok(!code.startsWith('PKI_') || ours.includes(code), `${code} is no code of the core`);
    }
  }
});

test('each kind is explained', () => {
  for (const [, code] of KINDS) {
    const { meaning, causes, fix, ...rest } = explainTlsError({ code });
    assert.deepEqual(Object.keys(rest), ['kind', 'code']);
    for (const text of [meaning, fix, ...causes]) assert.match(text, /^.{20,400}$/);
    assert.ok(causes.length > 0);
  }
  // What is handed out is the caller's own.
  explainTlsError('').causes.length = 0;
  assert.notEqual(explainTlsError('').causes.length, 0);
});

test('where the code says little the message counts', () => {
  const failed = (why) =>
    `WebSocket connection to 'wss://a:1/' failed: TLS handshake failed: ${why}`;
  for (const [expected, code, message] of [
    ['issuer-not-sent', undefined, failed('unable to verify the first certificate')],
    ['issuer-unknown', undefined, 'unable to get local issuer certificate'],
    ['issuer-incomplete', undefined, 'unable to get issuer certificate'],
    ['root-unknown', undefined, 'self-signed certificate in certificate chain'],
    ['root-unknown', undefined, 'self signed certificate in certificate chain'],
    ['self-signed', undefined, 'self signed certificate'],
    ['name-constraint', 'UNSPECIFIED', 'permitted subtree violation'],
    ['name-constraint', 'UNSPECIFIED', failed('unsupported or invalid name constraint syntax')],
    [
      'no-client-certificate',
      'EPROTO',
      failed('error:1000045c:SSL routines:OPENSSL_internal:TLSV1_ALERT_CERTIFICATE_REQUIRED'),
    ],
    [
      'certificate-refused',
      'EPROTO',
      'write EPROTO 80:error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:x.c:1:SSL alert number 48',
    ],
    ['key-mismatch', undefined, 'error:05800074:x509 certificate routines::key values mismatch'],
    ['unreadable-pem', undefined, 'error:0480006C:PEM routines::no start line'],
    ['unreadable-pem', 'ERR_BORINGSSL', 'Invalid CA'],
    ['crl-unusable', 'ERR_CRYPTO_OPERATION_FAILED', 'Failed to parse CRL'],
    ['chain-rejected', 'UNSPECIFIED', 'EE certificate key too weak'],
    ['chain-rejected', 'UNSPECIFIED', 'unhandled critical extension'],
    ['options-rejected', undefined, 'Failed to create HTTP server'],
    ['unreachable', undefined, 'Unable to connect. Is the computer able to access the url?'],
    ['closed', undefined, "WebSocket connection to 'wss://a:1/' failed: Connection ended"],
    [
      'closed',
      undefined,
      'Client network socket disconnected before secure TLS connection was established',
    ],
    [
      'not-tls',
      'EPROTO',
      'write EPROTO 80CC:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:',
    ],
    [
      'options-rejected',
      undefined,
      "WebSocket connection to 'wss://a:1/' failed: Failed to connect",
    ],
    [
      'unreachable',
      'ECONNREFUSED',
      "WebSocket connection to 'wss://a:1/' failed: Failed to connect",
    ],
    ['closed', undefined, 'socket hang up'],
  ]) {
    assert.equal(kind({ code, message }), expected, message);
  }
});

test('the precise error counts, wherever it is', async () => {
  const manager = await newManager();
  const anchors = (await manager.getCaBundle()).servicesAnchors;
  const policy = { anchors, trustDomain: TRUST_DOMAIN, segment: 'services', role: 'server' };
  const expired = withCode('CERT_HAS_EXPIRED', 'certificate has expired');
  const nested = new TypeError('fetch failed', { cause: new Error('outer', { cause: expired }) });
  assert.deepEqual([kind(nested), explainTlsError(nested).code], ['expired', 'CERT_HAS_EXPIRED']);
  assert.equal(kind({ type: 'error', message: 'failed', error: expired }), 'expired');
  assert.equal(kind(new AggregateError([withCode('ECONNRESET'), expired])), 'expired');
  const reset = Object.assign(withCode('ECONNRESET'), { cause: expired });
  assert.deepEqual([kind(reset), explainTlsError(reset).code], ['expired', 'CERT_HAS_EXPIRED']);
  assert.equal(kind({ code: 1006, reason: '', wasClean: false }), 'closed');
  const pki = await failsWith('PKI_MALFORMED_CERTIFICATE', () => verifyPeerSync('', policy));
  assert.equal(explainTlsError(pki).code, 'PKI_MALFORMED_CERTIFICATE');
});

test('anything at all', () => {
  const circular = new Error('circular');
  circular.cause = circular;
  const deep = Array.from({ length: 10_000 }).reduce((cause) => ({ cause }), {});
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const throwing = () => {
    throw new Error('on purpose');
  };
  const traps = { get: throwing, has: throwing, ownKeys: throwing, getPrototypeOf: throwing };
  const getters = Object.defineProperties(
    {},
    Object.fromEntries(
      ['code', 'message', 'cause', 'error', 'errors'].map((name) => [name, { get: throwing }]),
    ),
  );
  // Never the same object twice.
  const endless = () => new Proxy({}, { get: (_, name) => (name === 'cause' ? endless() : 1) });
  const odd = { code: {}, message: 5, cause: Symbol('s'), errors: new Proxy([], traps) };
  for (const value of [
    undefined,
    null,
    true,
    0,
    NaN,
    1n,
    Symbol('s'),
    '',
    'x',
    [],
    {},
    () => {},
    circular,
    deep,
    proxy,
    new Proxy({}, traps),
    new Proxy(() => {}, traps),
    getters,
    endless(),
    odd,
    Object.create(null),
    { toString: throwing, valueOf: throwing, [Symbol.toPrimitive]: throwing },
    { code: { toString: throwing }, message: { toString: throwing } },
  ]) {
    assert.equal(explainTlsError(value).kind, 'unknown');
  }
  // A string is a message.
  assert.equal(kind('unable to verify the first certificate'), 'issuer-not-sent');
});

test('nothing of the error is repeated, however long it is', () => {
  const secret = 'SECRET_0123456789';
  for (const value of [
    secret,
    { code: secret, message: secret },
    { code: `ERR_SSL_${secret.toLowerCase()}`, message: secret },
    { code: `PKI_${secret}`, message: secret, cause: { code: `E${secret}` } },
    Object.assign(withCode('CERT_HAS_EXPIRED', secret), { cert: { raw: secret } }),
    { code: 'A'.repeat(50_000_000), message: `${secret}${' alert'.repeat(10_000_000)}` },
    { code: `ERR_SSL_${'A'.repeat(1_000_000)}` },
  ]) {
    // Time of the processor: that of the clock is the machine's load too.
    const before = process.cpuUsage();
    const text = JSON.stringify(explainTlsError(value));
    assert.doesNotMatch(text, /secret|AAAA/i);
    assert.ok(text.length < 2_000);
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 1_000_000, `${user + system} microseconds`);
  }
});
