// Certificates of a program's own, made with Web Crypto keys.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { NativeSigningBackend, WebCryptoSigningBackend } from '@catalyst/pki';
import { failsWith, folder } from './helpers.mjs';

const { subtle } = globalThis.crypto;
const backend = new WebCryptoSigningBackend();
const START = new Date('2026-01-01T00:00:00.999Z');
const END = new Date('2036-01-01T00:00:00Z');

const certify = (subject, params) =>
  backend.signCertificate({
    subjectPublicKey: subject.publicKey,
    signingKey: subject.privateKey,
    notBefore: START,
    notAfter: END,
    isCa: false,
    keyUsage: { digitalSignature: true },
    ...params,
  });

const caUsage = { isCa: true, keyUsage: { keyCertSign: true, crlSign: true } };

async function hierarchy() {
  const [rootKey, caKey, leafKey] = await Promise.all(
    [1, 2, 3].map(() => backend.generateKeyPair()),
  );
  const root = await certify(rootKey, {
    subjectCN: 'Root',
    signingCert: '',
    pathLenConstraint: 1,
    ...caUsage,
  });
  const services = await certify(caKey, {
    subjectCN: 'Services',
    signingKey: rootKey.privateKey,
    signingCert: root,
    pathLenConstraint: 0,
    nameConstraints: {
      permittedUris: ['spiffe://mesh.example.com/node/', 'spiffe://mesh.example.com/auth/'],
    },
    ...caUsage,
  });
  const leaf = await certify(leafKey, {
    subjectCN: 'node-a',
    sanUri: 'spiffe://mesh.example.com/node/node-a',
    sanDns: ['node-a.example.com', 'node-a'],
    signingKey: caKey.privateKey,
    signingCert: services,
    extKeyUsage: ['serverAuth', 'clientAuth'],
    serialNumber: '0abc',
  });
  return { rootKey, caKey, leafKey, root, services, leaf };
}

test('of many certificates at once each has its own bytes signed', async () => {
  const key = await backend.generateKeyPair();
  const names = Array.from({ length: 60 }, (_, at) => `node-${at}-${'x'.repeat(at % 50)}`);
  const made = await Promise.all(names.map((subjectCN) => certify(key, { subjectCN })));
  for (const [at, pem] of made.entries()) {
    const certificate = new X509Certificate(pem);
    assert.equal(certificate.subject, `CN=${names[at]}`);
    assert.ok(certificate.verify(certificate.publicKey));
  }
});

test('OpenSSL takes a whole hierarchy, name constraints included', async () => {
  const { root, services, leaf } = await hierarchy();
  const place = folder();
  const write = (name, text) => (writeFileSync(join(place, name), text), join(place, name));
  const files = [write('root.pem', root), write('ca.pem', services), write('leaf.pem', leaf)];
  const output = execFileSync(
    'openssl',
    [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslclient',
      '-CAfile',
      files[0],
      '-untrusted',
      ...files.slice(1),
    ],
    { encoding: 'utf8' },
  );
  assert.match(output, /leaf\.pem: OK/);
});

test('a certificate says what was asked for', async () => {
  const { root, services, leaf } = await hierarchy();
  const [rootCert, caCert, leafCert] = [root, services, leaf].map(
    (pem) => new X509Certificate(pem),
  );
  assert.equal(rootCert.subject, 'CN=Root');
  assert.equal(rootCert.issuer, 'CN=Root');
  assert.ok(rootCert.ca && caCert.ca && !leafCert.ca);
  assert.ok(rootCert.verify(rootCert.publicKey));
  assert.ok(caCert.verify(rootCert.publicKey) && leafCert.verify(caCert.publicKey));
  assert.equal(leafCert.subject, 'CN=node-a');
  assert.equal(leafCert.issuer, 'CN=Services');
  assert.equal(
    leafCert.subjectAltName,
    'URI:spiffe://mesh.example.com/node/node-a, DNS:node-a.example.com, DNS:node-a',
  );
  assert.equal(leafCert.serialNumber, '0ABC');
  assert.equal(Date.parse(leafCert.validFrom), START.getTime() - 999, 'cut to the second');
  assert.equal(Date.parse(leafCert.validTo), END.getTime());
});

test('a key that is not extractable signs', async () => {
  const key = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, false, [
    'sign',
    'verify',
  ]);
  const root = new X509Certificate(await certify(key, { subjectCN: 'Root', ...caUsage }));
  assert.ok(root.verify(root.publicKey));
  await failsWith('PKI_INVALID_KEY', backend.exportPrivateKeyPem(key.privateKey), /extractable/);
});

test('keys go out and come back', async () => {
  const pair = await new NativeSigningBackend().generateKeyPair();
  assert.deepEqual(pair.privateKey.algorithm, { name: 'ECDSA', namedCurve: 'P-384' });
  assert.deepEqual([pair.privateKey.usages, pair.publicKey.usages], [['sign'], ['verify']]);
  assert.ok(pair.privateKey.extractable && pair.publicKey.extractable);

  const privatePem = await backend.exportPrivateKeyPem(pair.privateKey);
  assert.match(
    privatePem,
    /^-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END PRIVATE KEY-----\n$/,
  );
  assert.match(await backend.exportPublicKeyPem(pair.publicKey), /^-----BEGIN PUBLIC KEY-----\n/);
  const imported = await backend.importPrivateKeyPem(privatePem);
  assert.deepEqual([imported.extractable, imported.usages], [true, ['sign']]);
  const algorithm = { name: 'ECDSA', hash: 'SHA-384' };
  const data = new Uint8Array([1, 2, 3]);
  const signature = await subtle.sign(algorithm, imported, data);
  assert.ok(await subtle.verify(algorithm, pair.publicKey, signature, data));
});

test('the fingerprint is SHA-256 in base64url, of a buffer or a view', async () => {
  const bytes = new Uint8Array([0xff, 0xfe, 1, 2, 3]);
  const expected = createHash('sha256').update(bytes).digest('base64url');
  assert.equal(await backend.computeFingerprint(bytes), expected);
  assert.equal(await backend.computeFingerprint(bytes.buffer), expected);
});

test('the wrong key signs nothing', async () => {
  const { root, leafKey, caKey } = await hierarchy();
  const params = { subjectCN: 'a', signingCert: root };
  await failsWith('PKI_INVALID_KEY', certify(caKey, params), /did not sign/);
  const self = { subjectCN: 'a', signingKey: leafKey.privateKey };
  await failsWith('PKI_INVALID_KEY', certify(caKey, self), /did not sign/);
});

test('what cannot be meant is refused', async () => {
  const key = await backend.generateKeyPair();
  const p256 = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const ecdh = await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-384' }, true, [
    'deriveBits',
  ]);
  for (const [code, params, message] of [
    ['PKI_INVALID_ARGUMENT', { subjectCN: '' }, /common name/],
    ['PKI_INVALID_ARGUMENT', { subjectCN: 7 }, /subjectCN/],
    ['PKI_INVALID_ARGUMENT', { signingKey: key.publicKey }, /signingKey.*private CryptoKey/],
    ['PKI_INVALID_ARGUMENT', { subjectPublicKey: {} }, /subjectPublicKey.*public CryptoKey/],
    ['PKI_INVALID_ARGUMENT', { notAfter: new Date(NaN) }, /notAfter/],
    ['PKI_INVALID_ARGUMENT', { notAfter: new Date(0) }, /begins/],
    ['PKI_INVALID_ARGUMENT', { serialNumber: 'x' }, /serial number/],
    ['PKI_INVALID_ARGUMENT', { sanDns: ['a..b'] }, /DNS name/],
    ['PKI_INVALID_ARGUMENT', { nameConstraints: { permittedUris: ['a.example'] } }, /only a CA/],
    ['PKI_INVALID_ARGUMENT', { extKeyUsage: ['codeSigning'] }, /extKeyUsage/],
    ['PKI_MALFORMED_CERTIFICATE', { signingCert: 'none' }],
    ['PKI_KEY_ALGORITHM_NOT_ALLOWED', { subjectPublicKey: p256.publicKey }, /P-384/],
    ['PKI_INVALID_KEY', { signingKey: ecdh.privateKey }, /ECDSA/],
  ]) {
    await failsWith(code, certify(key, { subjectCN: 'a', ...params }), message);
  }
  const pem = await backend.exportPrivateKeyPem(p256.privateKey);
  for (const text of [pem, 'no key', '']) {
    const error = await failsWith('PKI_INVALID_KEY', backend.importPrivateKeyPem(text), /P-384/);
    assert.ok(!JSON.stringify([error.message, error.cause]).includes(pem.split('\n')[1]));
  }
  const encrypted =
    '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n';
  await failsWith('PKI_INVALID_KEY', backend.importPrivateKeyPem(encrypted), /decrypt it first/);
});
