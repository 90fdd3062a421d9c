import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import {
  CertificateManager,
  generateKeyAndCsr,
  NativeSigningBackend,
  SqliteCertificateStore,
} from '@catalyst/pki';
import { failsWith, newManager, newSvid, TRUST_DOMAIN } from './helpers.mjs';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const FINGERPRINT = /^[A-Za-z0-9_-]{43}$/;

test('a hierarchy is made once and loaded after that', async () => {
  const store = new SqliteCertificateStore();
  const manager = new CertificateManager(store, new NativeSigningBackend(), {
    trustDomain: TRUST_DOMAIN,
  });
  assert.equal(manager.isInitialized(), false);
  const first = await manager.initialize();
  assert.equal(manager.isInitialized(), true);
  assert.deepEqual(Object.keys(first).sort(), [
    'rootFingerprint',
    'servicesCaFingerprint',
    'transportCaFingerprint',
  ]);
  for (const fingerprint of Object.values(first)) assert.match(fingerprint, FINGERPRINT);
  assert.deepEqual(await manager.initialize(), first);

  const second = new CertificateManager(store, new NativeSigningBackend(), {
    trustDomain: TRUST_DOMAIN,
  });
  assert.deepEqual(await second.initialize(), first);

  const other = new CertificateManager(store, new NativeSigningBackend(), {
    trustDomain: 'other.example.com',
  });
  await failsWith('PKI_TRUST_DOMAIN_MISMATCH', other.initialize(), /trust domain mismatch/);
});

test('many calls of initialize at once make one hierarchy', async () => {
  const manager = CertificateManager.ephemeral();
  const results = await Promise.all(Array.from({ length: 8 }, () => manager.initialize()));
  for (const result of results) assert.deepEqual(result, results[0]);
});

test('before initialize nothing is signed, and the status says why', async () => {
  const manager = CertificateManager.ephemeral();
  const { csrPem } = await generateKeyAndCsr('node', 'a');
  const error = await failsWith(
    'PKI_NOT_INITIALIZED',
    manager.signCSR({ csrPem, serviceType: 'node', nodeId: 'a' }),
    /CA not initialized/,
  );
  assert.equal(error.status, 503);
  await failsWith('PKI_NOT_INITIALIZED', manager.getCaBundle());
  const status = await manager.getStatus();
  assert.equal(status.status, 'uninitialized');
  assert.equal(status.rootCa, null);
});

test('a certificate comes with its chain, times and names', async () => {
  const manager = await newManager();
  const svid = await newSvid(manager, 'node', 'node-a.example.com', { ttlSeconds: 600 });
  assert.equal(svid.spiffeId, `spiffe://${TRUST_DOMAIN}/node/node-a.example.com`);

  const certificate = new X509Certificate(svid.certificatePem);
  assert.equal(certificate.subject, 'CN=node-a.example.com');
  assert.match(certificate.subjectAltName, new RegExp(`URI:${svid.spiffeId}`));
  assert.equal(
    certificate.validToDate?.getTime() ?? Date.parse(certificate.validTo),
    Date.parse(svid.expiresAt),
  );
  assert.equal(Date.parse(certificate.validTo) - Date.parse(certificate.validFrom), 600_000);
  assert.equal(
    Date.parse(svid.renewAfter),
    (Date.parse(certificate.validTo) + Date.parse(certificate.validFrom)) / 2,
  );
  assert.equal(
    certificate.serialNumber.toLowerCase().replace(/^0+/, ''),
    svid.serial.replace(/^0+/, ''),
  );
  assert.equal(
    Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url'),
    svid.fingerprint,
  );
  assert.match(svid.expiresAt, ISO);
  assert.match(svid.renewAfter, ISO);

  const [issuer, root] = svid.chain.map((pem) => new X509Certificate(pem));
  assert.equal(svid.chain.length, 2);
  assert.ok(certificate.verify(issuer.publicKey));
  assert.ok(issuer.verify(root.publicKey));
});

test('both spellings of a request are taken', async () => {
  const manager = await newManager();
  const { csrPem } = await generateKeyAndCsr('auth', 'auth-a', { trustDomain: TRUST_DOMAIN });
  for (const request of [
    { csr: csrPem, nodeId: 'auth-a' },
    { csrPem, nodeId: 'auth-a' },
    { csr: csrPem, instanceId: 'auth-a' },
    { csrPem, instanceId: 'auth-a', csr: csrPem, nodeId: 'auth-a' },
  ]) {
    const { certificatePem } = await manager.signCSR({ ...request, serviceType: 'auth' });
    assert.match(new X509Certificate(certificatePem).subject, /CN=auth-a/);
  }
});

test('each of the six service types gets a certificate', async () => {
  const manager = await newManager();
  for (const type of ['orchestrator', 'auth', 'node', 'gateway', 'envoy/app', 'envoy/transport']) {
    const svid = await newSvid(manager, type, 'node-a.example.com');
    assert.match(
      new X509Certificate(svid.certificatePem).issuer,
      type.startsWith('envoy') ? /Catalyst Transport CA/ : /Catalyst Services CA/,
    );
  }
});

test('lifetimes are cut to what is configured, and have its default', async () => {
  const manager = await newManager({ svidTtlSeconds: 300, maxSvidTtlSeconds: 1200 });
  const lifetime = (pem) => {
    const { validFrom, validTo } = new X509Certificate(pem);
    return (Date.parse(validTo) - Date.parse(validFrom)) / 1000;
  };
  const seconds = async (request) =>
    lifetime((await newSvid(manager, 'node', 'a', request)).certificatePem);
  assert.equal(await seconds({}), 300);
  assert.equal(await seconds({ ttlSeconds: 100_000 }), 1200);
  assert.equal(await seconds({ ttlSeconds: 1 }), 1);
});

test('a CSR without SPIFFE ID is signed only where the caller says so', async () => {
  const manager = await newManager();
  // P-384, CN=a, no SAN: made by `openssl req -new`.
  const csr = `-----BEGIN CERTIFICATE REQUEST-----
MIIBBDCBiwIBADAMMQowCAYDVQQDDAFhMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE
vLZ7OhPKwHm92XApbVGZ5JKyL55hKfovtJrYDVcwHlpxEhv/H53CCr0o+8oYPKNm
w1GaSrIrJpSH9hy7XHvymX8ZuV9qfn7dGtmD9H3M0FsgzoXL6fCPRuUcWYLhpf7x
oAAwCgYIKoZIzj0EAwMDaAAwZQIwHgUIFpuHtP32ee3XHxe3h2nCIInMBo9cTkC6
HfnIX4UzYFyGHxBvbP6q96M9CCakAjEA/AwqswHAYcnMAsV0b3no5JsTncdSzfvh
kgM3EYt0MGHQyEn4GEa6WzRkxYbj6BqC
-----END CERTIFICATE REQUEST-----
`;
  const request = { csr, serviceType: 'node', nodeId: 'a' };
  await failsWith(
    'PKI_CSR_WITHOUT_SPIFFE_ID',
    manager.signCSR(request),
    /CSR has no SPIFFE URI SAN/,
  );
  const signed = await manager.signCSR({ ...request, requireCsrSpiffeId: false });
  assert.match(new X509Certificate(signed.certificatePem).subjectAltName, /URI:spiffe:.*\/node\/a/);
});

test('what is wrong with a request is said', async () => {
  const manager = await newManager();
  const { csrPem } = await generateKeyAndCsr('node', 'a', { trustDomain: TRUST_DOMAIN });
  const sign = (request) =>
    manager.signCSR({ csrPem, serviceType: 'node', nodeId: 'a', ...request });
  await failsWith(
    'PKI_SPIFFE_ID_MISMATCH',
    sign({ nodeId: 'b' }),
    /SPIFFE URI does not match request/,
  );
  await failsWith('PKI_INVALID_CSR', sign({ csrPem: 'rubbish' }), /CSR is not valid PKCS#10/);
  await failsWith(
    'PKI_INVALID_ARGUMENT',
    sign({ serviceType: 'database' }),
    /Invalid service type/,
  );
  await failsWith('PKI_INVALID_ARGUMENT', sign({ csrPem: undefined }), /csr: give the CSR/);
  await failsWith(
    'PKI_INVALID_ARGUMENT',
    sign({ nodeId: undefined }),
    /instanceId: give the instance/,
  );
  await failsWith('PKI_INVALID_ARGUMENT', sign({ csr: 'another' }), /csr: give the CSR/);
  for (const ttlSeconds of [0, -1, NaN, Infinity, 1.5, '60']) {
    await failsWith('PKI_INVALID_ARGUMENT', sign({ ttlSeconds }), /ttlSeconds/);
  }
  await failsWith('PKI_INVALID_SPIFFE_ID', sign({ nodeId: 'a b' }));
});

test('a denied identity gets no certificate until it is allowed again', async () => {
  const manager = await newManager();
  const first = await newSvid(manager, 'node', 'a', { ttlSeconds: 600 });
  const second = await newSvid(manager, 'node', 'a', { ttlSeconds: 300 });
  await newSvid(manager, 'node', 'b');

  const before = Date.now();
  const { expiringCerts } = await manager.denyIdentity(first.spiffeId, 'stolen laptop');
  assert.deepEqual(expiringCerts, [
    { serial: second.serial, expiresAt: second.expiresAt },
    { serial: first.serial, expiresAt: first.expiresAt },
  ]);
  const error = await failsWith(
    'PKI_IDENTITY_DENIED',
    newSvid(manager, 'node', 'a'),
    /^Identity denied: spiffe:\/\/mesh\.example\.com\/node\/a$/,
  );
  assert.equal(error.status, 403);
  await newSvid(manager, 'node', 'b');

  await manager.denyIdentity(`spiffe://${TRUST_DOMAIN}/node/c`, 'x');
  await manager.denyIdentity(first.spiffeId, 'another reason');
  const denied = await manager.listDeniedIdentities();
  assert.deepEqual(denied.map(({ spiffeId, reason }) => [spiffeId, reason]).sort(), [
    [first.spiffeId, 'another reason'],
    [`spiffe://${TRUST_DOMAIN}/node/c`, 'x'],
  ]);
  for (const { deniedAt } of denied) assert.ok(deniedAt >= before && deniedAt <= Date.now());

  assert.equal(await manager.allowIdentity(first.spiffeId), true);
  assert.equal(await manager.allowIdentity(first.spiffeId), false);
  await newSvid(manager, 'node', 'a');

  await failsWith(
    'PKI_INVALID_SPIFFE_ID',
    manager.denyIdentity('node/a', 'x'),
    /must start with spiffe:/,
  );
  await failsWith('PKI_INVALID_ARGUMENT', manager.denyIdentity(first.spiffeId, ''), /reason/);
});

test('bundle: anchors without the root, a version that follows the content', async () => {
  const manager = await newManager();
  const bundle = await manager.getCaBundle();
  assert.deepEqual(Object.keys(bundle).sort(), [
    'expiresAt',
    'sequence',
    'servicesAnchors',
    'servicesBundle',
    'transportAnchors',
    'transportBundle',
    'trustDomain',
    'version',
  ]);
  assert.equal(bundle.trustDomain, TRUST_DOMAIN);
  assert.deepEqual(bundle.servicesBundle.slice(0, -1), bundle.servicesAnchors);
  assert.deepEqual(bundle.transportBundle.slice(0, -1), bundle.transportAnchors);
  assert.equal(bundle.servicesBundle.at(-1), bundle.transportBundle.at(-1));
  assert.match(bundle.version, /^v/);
  assert.match(bundle.expiresAt, ISO);
  assert.deepEqual(await manager.getCaBundle(), bundle);
});

test('status counts and names', async () => {
  const manager = await newManager();
  await newSvid(manager, 'node', 'a');
  await newSvid(manager, 'envoy/app', 'a');
  await newSvid(manager, 'envoy/app', 'b');
  await manager.denyIdentity(`spiffe://${TRUST_DOMAIN}/node/a`, 'x');
  const status = await manager.getStatus();
  assert.equal(status.status, 'healthy');
  assert.equal(status.trustDomain, TRUST_DOMAIN);
  assert.equal(status.activeCertCount, 3);
  assert.equal(status.deniedIdentityCount, 1);
  assert.deepEqual(status.warnings, []);
  const { expiresAt, fingerprint, ...services } = status.servicesCa;
  assert.deepEqual(services, {
    commonName: 'Catalyst Services CA',
    algorithm: 'ECDSA P-384',
    issuedCertCount: 1,
  });
  assert.match(expiresAt, ISO);
  assert.match(fingerprint, FINGERPRINT);
  assert.equal(status.transportCa.issuedCertCount, 2);
  assert.equal(
    (await (await newManager({ trustDomain: undefined })).getStatus()).notices.length,
    1,
  );
});

test('purge answers how many records it deleted', async () => {
  const manager = await newManager();
  await newSvid(manager, 'node', 'a');
  assert.equal(await manager.purgeExpired(), 0);
});

test('after shutdown every call says so', async () => {
  const manager = await newManager();
  assert.equal(await manager.shutdown(), undefined);
  assert.equal(manager.isInitialized(), false);
  await failsWith('PKI_SHUT_DOWN', manager.initialize());
  await failsWith('PKI_SHUT_DOWN', manager.getStatus());
});

test('the getters give what the manager was made with', () => {
  const [store, backend] = [new SqliteCertificateStore(), new NativeSigningBackend()];
  const manager = new CertificateManager(store, backend);
  assert.equal(manager.getStore(), store);
  assert.equal(manager.getBackend(), backend);
  assert.equal(manager.getTrustDomain(), 'catalyst.example.com');
  assert.equal(CertificateManager.ephemeral({ trustDomain: 'a.b' }).getTrustDomain(), 'a.b');
});

test('only stores and backends of this package are taken', async () => {
  const custom = { saveCaCertificate() {}, loadCaCertificate() {} };
  await failsWith(
    'PKI_INVALID_ARGUMENT',
    () => new CertificateManager(custom, new NativeSigningBackend()),
    /store: it must be a SqliteCertificateStore/,
  );
  await failsWith(
    'PKI_INVALID_ARGUMENT',
    () => new CertificateManager(new SqliteCertificateStore(), {}),
    /backend: it must be a NativeSigningBackend/,
  );
});

test('a trust domain that no name constraint can hold is refused', async () => {
  for (const trustDomain of ['localhost', '10.0.0.1', 'a..b']) {
    const manager = CertificateManager.ephemeral({ trustDomain });
    await failsWith('PKI_INVALID_TRUST_DOMAIN', manager.initialize());
  }
  await failsWith('PKI_INVALID_SPIFFE_ID', () =>
    CertificateManager.ephemeral({ trustDomain: 'Mesh' }),
  );
});
