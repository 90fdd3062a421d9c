// Revocation lists as other programs write them: signed by the CA's own key, its name and key
// identifier spelled in another way than in its certificate.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { webcrypto } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import * as x509 from '@peculiar/x509';
import {
  CertificateManager,
  NativeSigningBackend,
  PeerVerifier,
  SqliteCertificateStore,
  verifyPeer,
  verifyPeerSync,
} from '@catalyst/pki';
import { failsWith, folder, newSvid, TRUST_DOMAIN } from './helpers.mjs';

x509.cryptoProvider.set(webcrypto);

const passphrase = 'correct horse battery staple';
const HOUR = 3_600_000;

const backend = new NativeSigningBackend();
const store = new SqliteCertificateStore(join(folder(), 'certs.db'), { passphrase });
const manager = new CertificateManager(store, backend, { trustDomain: TRUST_DOMAIN });
await manager.initialize();
const [revoked, good] = [await newSvid(manager, 'node', 'a'), await newSvid(manager, 'node', 'b')];
const { servicesAnchors: anchors } = await manager.getCaBundle();
const record = await store.loadCaCertificate('services-ca');
const signingKey = await backend.importPrivateKeyPem(
  execFileSync('openssl', ['pkey', '-passin', 'env:PASSPHRASE'], {
    input: record.privateKeyPem,
    env: { ...process.env, PASSPHRASE: passphrase },
    encoding: 'utf8',
  }),
);
await manager.shutdown();

const ca = new x509.X509Certificate(record.certificatePem);
const keyId = new x509.AuthorityKeyIdentifierExtension(
  ca.getExtension(x509.SubjectKeyIdentifierExtension).keyId,
);
const sha1KeyId = await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey);

async function crl({
  issuer = ca.subjectName,
  aki = keyId,
  key = signingKey,
  serials = [revoked.serial],
  age = HOUR,
}) {
  const made = await x509.X509CrlGenerator.create({
    issuer,
    thisUpdate: new Date(Date.now() - age),
    nextUpdate: new Date(Date.now() + 24 * HOUR),
    signingKey: key,
    entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: new Date() })),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-384' },
    extensions: [aki, new x509.Extension('2.5.29.20', false, new Uint8Array([2, 1, 7]).buffer)],
  });
  return new Uint8Array(made.rawData);
}

const policy = { anchors, trustDomain: TRUST_DOMAIN, segment: 'services', role: 'server' };
const older = await crl({ serials: [], age: 5 * HOUR });
const newer = await crl({});
for (const [what, crls] of Object.entries({
  'the name as it stands in the certificate': [newer],
  'the name in another type of string': [await crl({ issuer: ca.subject })],
  'the name in other letters': [await crl({ issuer: ca.subject.toUpperCase() })],
  'the key identifier by SHA-1': [await crl({ aki: sha1KeyId })],
  'two of one number, the newer one last': [older, newer],
  'two of one number, the newer one first': [newer, older],
})) {
  test(`a list counts: ${what}`, async () => {
    await failsWith(
      'PKI_CERTIFICATE_REVOKED',
      verifyPeer(revoked.certificatePem, { ...policy, crls }),
    );
    await failsWith('PKI_CERTIFICATE_REVOKED', () =>
      verifyPeerSync(revoked.certificatePem, { ...policy, crls }),
    );
    assert.equal(
      (await verifyPeer(good.certificatePem, { ...policy, crls })).spiffeId,
      good.spiffeId,
    );
  });
}

test('a list of no CA of the policy is refused when the policy is made', async () => {
  const { privateKey: key } = await backend.generateKeyPair();
  const flipped = newer.with(-1, newer.at(-1) ^ 1);
  for (const [code, list] of [
    ['PKI_INVALID_POLICY', await crl({ issuer: 'CN=Another CA' })],
    ['PKI_CRL_INVALID', await crl({ key, aki: sha1KeyId })],
    ['PKI_CRL_INVALID', flipped],
  ]) {
    const given = { ...policy, crls: [list] };
    await failsWith(code, () => new PeerVerifier(given));
    await failsWith(code, verifyPeer(good.certificatePem, given));
  }
});
