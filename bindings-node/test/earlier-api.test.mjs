// What code that was written for the earlier, pure TypeScript package relies on: how it constructs a
// manager, makes its requests with @peculiar/x509, reads certificates, and matches messages.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import * as x509 from '@peculiar/x509';
import {
  BunSqliteCertificateStore,
  CertificateManager,
  PkiConfigSchema,
  SqliteCertificateStore,
  WebCryptoSigningBackend,
} from '@catalyst/pki';
import {
  failsWith,
  folder,
  newManager,
  newSvid,
  run,
  selfSigned,
  TRUST_DOMAIN,
} from './helpers.mjs';

x509.cryptoProvider.set(webcrypto);

const SERVICE_TYPES = ['orchestrator', 'auth', 'node', 'gateway', 'envoy/app', 'envoy/transport'];

/** A request as those callers make it. */
async function csrByPeculiar(spiffeId, { namedCurve = 'P-384', hash = 'SHA-384', dns } = {}) {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve }, true, [
    'sign',
    'verify',
  ]);
  const names = [
    ...(spiffeId === undefined ? [] : [{ type: 'url', value: spiffeId }]),
    ...(dns === undefined ? [] : [{ type: 'dns', value: dns }]),
  ];
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=whatever the caller likes',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash },
    extensions: names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : [],
  });
  return { keys, csrPem: csr.toString('pem') };
}

/** Seconds from the beginning to the end of a certificate, as its text says. */
function lifetime(pem) {
  const { notBefore, notAfter } = new x509.X509Certificate(pem);
  return (notAfter.getTime() - notBefore.getTime()) / 1000;
}

test('every form of construction', async () => {
  const forms = {
    constructor: () =>
      new CertificateManager(new SqliteCertificateStore(), new WebCryptoSigningBackend()),
    'constructor with a path and old names': () =>
      new CertificateManager(
        new BunSqliteCertificateStore(':memory:'),
        new WebCryptoSigningBackend(),
        { trustDomain: 'catalyst.example.com', svidTtlSeconds: 3600, maxSvidTtlSeconds: 86400 },
      ),
    ephemeral: () => CertificateManager.ephemeral(),
    'ephemeral with a part': () => CertificateManager.ephemeral({ svidTtlSeconds: 3600 }),
    fromConfig: () =>
      CertificateManager.fromConfig({ provider: { type: 'local', persistent: false } }),
    'fromConfig with what the schema made': () =>
      CertificateManager.fromConfig(
        PkiConfigSchema.parse({ provider: { type: 'local', persistent: false }, autoRenew: false }),
      ),
    'fromConfig with a file': () =>
      CertificateManager.fromConfig({
        provider: { type: 'local', certsDb: join(folder(), 'certs.db') },
      }),
  };
  for (const [form, construct] of Object.entries(forms)) {
    const manager = construct();
    assert.equal(manager.isInitialized(), false, form);
    assert.equal(manager.getTrustDomain(), 'catalyst.example.com', form);
    assert.ok(manager.getStore() instanceof SqliteCertificateStore, form);
    assert.ok(manager.getBackend() instanceof WebCryptoSigningBackend, form);
    const first = await manager.initialize();
    assert.deepEqual(await manager.initialize(), first, form);
    assert.equal(lifetime((await newSvid(manager, 'node', 'a')).certificatePem), 3600, form);
  }
});

test('requests made by @peculiar/x509 are signed for their own key', async () => {
  const manager = await newManager();
  for (const serviceType of SERVICE_TYPES) {
    const spiffeId = `spiffe://${TRUST_DOMAIN}/${serviceType}/a`;
    const { keys, csrPem } = await csrByPeculiar(spiffeId);
    const signed = await manager.signCSR({ csrPem, serviceType, nodeId: 'a' });
    const certificate = new x509.X509Certificate(signed.certificatePem);
    const spki = await webcrypto.subtle.exportKey('spki', keys.publicKey);
    assert.deepEqual(Buffer.from(certificate.publicKey.rawData), Buffer.from(spki));
  }
});

test('a certificate as @peculiar/x509 reads it', async () => {
  const manager = await newManager();
  const svid = await newSvid(manager, 'orchestrator', 'node-a.somebiz.local.io');
  const certificate = new x509.X509Certificate(svid.certificatePem);
  assert.equal(certificate.subject, 'CN=node-a.somebiz.local.io');
  assert.equal(certificate.issuer, 'CN=Catalyst Services CA');
  assert.equal(certificate.serialNumber, svid.serial);
  assert.equal(certificate.publicKey.algorithm.namedCurve, 'P-384');
  assert.deepEqual(certificate.signatureAlgorithm, { name: 'ECDSA', hash: { name: 'SHA-384' } });
  assert.equal(certificate.notAfter.toISOString(), new Date(svid.expiresAt).toISOString());
  const thumbprint = await certificate.getThumbprint('SHA-256');
  assert.equal(Buffer.from(thumbprint).toString('base64url'), svid.fingerprint);

  const extension = (type) => certificate.getExtension(type);
  const { ca, pathLength, critical } = extension(x509.BasicConstraintsExtension);
  assert.deepEqual([ca, pathLength, critical], [false, undefined, true]);
  assert.equal(extension(x509.KeyUsagesExtension).usages, x509.KeyUsageFlags.digitalSignature);
  assert.deepEqual(Array.from(extension(x509.ExtendedKeyUsageExtension).usages), [
    x509.ExtendedKeyUsage.serverAuth,
    x509.ExtendedKeyUsage.clientAuth,
  ]);
  assert.deepEqual(
    extension(x509.SubjectAlternativeNameExtension)
      .names.toJSON()
      .map(({ type, value }) => [type, value]),
    [
      ['url', svid.spiffeId],
      ['dns', 'node-a.somebiz.local.io'],
      ['dns', 'orch-a'],
    ],
  );
});

test('X509ChainBuilder goes from the leaf to the intermediate to the root', async () => {
  const manager = await newManager();
  const bundle = await manager.getCaBundle();
  const cas = [...bundle.servicesBundle, ...bundle.transportBundle];
  const builder = new x509.X509ChainBuilder({
    certificates: cas.map((pem) => new x509.X509Certificate(pem)),
  });
  for (const serviceType of SERVICE_TYPES) {
    const svid = await newSvid(manager, serviceType, 'a');
    const leaf = new x509.X509Certificate(svid.certificatePem);
    const chain = await builder.build(leaf);
    const issuer = serviceType.startsWith('envoy/') ? 'Transport' : 'Services';
    assert.deepEqual(
      Array.from(chain, ({ subject }) => subject),
      [leaf.subject, `CN=Catalyst ${issuer} CA`, 'CN=Catalyst Root CA'],
    );
    for (const [at, pem] of svid.chain.entries()) {
      assert.ok(chain[at + 1].equal(new x509.X509Certificate(pem)));
    }
    assert.ok(await leaf.verify({ publicKey: chain[1].publicKey, signatureOnly: true }));
  }
});

test('a lifetime is the granted one to the second, and half of it is renewAfter', async () => {
  const manager = await newManager();
  for (const [asked, granted] of [
    [undefined, 3600],
    [1, 1],
    [2, 2],
    [59, 59],
    [60, 60],
    [61, 61],
    [300, 300],
    [3599, 3599],
    [86_399, 86_399],
    [86_400, 86_400],
    [86_401, 86_400],
    [Number.MAX_SAFE_INTEGER, 86_400],
  ]) {
    const svid = await newSvid(manager, 'node', 'a', { ttlSeconds: asked });
    assert.equal(lifetime(svid.certificatePem), granted);
    const { notBefore, notAfter } = new x509.X509Certificate(svid.certificatePem);
    const half = new Date(svid.renewAfter).getTime() - notBefore.getTime();
    assert.equal(Math.floor(half / 1000), Math.floor(granted / 2));
    assert.equal(new Date(svid.expiresAt).getTime(), notAfter.getTime());
  }
});

test('the words that callers match', async () => {
  const manager = await newManager();
  const own = `spiffe://${TRUST_DOMAIN}/node/a`;
  const { csrPem } = await csrByPeculiar(own);
  const request = { csrPem, serviceType: 'node', nodeId: 'a' };
  const noSan = await csrByPeculiar(undefined);
  const forged = Buffer.from(new x509.Pkcs10CertificateRequest(csrPem).rawData);
  forged[forged.length - 1] ^= 1;
  const foreign = await csrByPeculiar(own, { namedCurve: 'P-256', hash: 'SHA-256' });
  await manager.denyIdentity(`spiffe://${TRUST_DOMAIN}/node/denied`, 'x');
  const denied = await csrByPeculiar(`spiffe://${TRUST_DOMAIN}/node/denied`);
  const pem = (der) => x509.PemConverter.encode(der, 'CERTIFICATE REQUEST');
  const words = {
    'CA not initialized': () => CertificateManager.ephemeral().signCSR(request),
    'Identity denied: spiffe://mesh.example.com/node/denied': () =>
      manager.signCSR({ ...request, csrPem: denied.csrPem, nodeId: 'denied' }),
    'Invalid service type': () => manager.signCSR({ ...request, serviceType: 'database' }),
    'CSR is not valid PKCS#10': () => manager.signCSR({ ...request, csrPem: 'rubbish' }),
    'CSR signature verification failed': () => manager.signCSR({ ...request, csrPem: pem(forged) }),
    'Key algorithm must be P-384, got P-256': () =>
      manager.signCSR({ ...request, csrPem: foreign.csrPem }),
    'SPIFFE URI does not match request': () => manager.signCSR({ ...request, nodeId: 'b' }),
    'CSR has no SPIFFE URI SAN': () => manager.signCSR({ ...request, csrPem: noSan.csrPem }),
    "PKI provider 'aws-kms' is not yet implemented": () =>
      CertificateManager.fromConfig({
        provider: {
          type: 'aws-kms',
          region: 'r',
          rootKeyArn: 'a',
          servicesCaKeyArn: 'b',
          transportCaKeyArn: 'c',
          certsDb: 'x.db',
        },
      }),
  };
  for (const [text, action] of Object.entries(words)) {
    await assert.rejects(
      async () => action(),
      (error) => error instanceof Error && error.message.includes(text),
      text,
    );
  }
  // The same request is fine where nothing is wrong with it.
  await manager.signCSR(request);
});

// What the README says under "Coming from the earlier package", beside what other tests say.

test('a request without a SPIFFE ID is signed where its caller says so', async () => {
  const manager = await newManager();
  const { csrPem } = await csrByPeculiar(undefined);
  const request = { csrPem, serviceType: 'node', nodeId: 'a' };
  await failsWith('PKI_CSR_WITHOUT_SPIFFE_ID', manager.signCSR(request));
  const signed = await manager.signCSR({ ...request, requireCsrSpiffeId: false });
  const { names } = new x509.X509Certificate(signed.certificatePem).getExtension(
    x509.SubjectAlternativeNameExtension,
  );
  assert.equal(names.toJSON()[0].value, `spiffe://${TRUST_DOMAIN}/node/a`);
});

test('a DNS name that is not granted is refused', async () => {
  const manager = await newManager();
  const { csrPem } = await csrByPeculiar(`spiffe://${TRUST_DOMAIN}/node/a`, {
    dns: 'www.example.org',
  });
  const request = { csrPem, serviceType: 'node', nodeId: 'a' };
  await failsWith('PKI_DNS_NAME_NOT_ALLOWED', manager.signCSR(request), /www\.example\.org/);
});

test('name constraints are read back as hosts', async () => {
  const manager = await newManager();
  const backend = new WebCryptoSigningBackend();
  const { publicKey, privateKey } = await backend.generateKeyPair();
  const own = await backend.signCertificate({
    ...selfSigned(publicKey, privateKey),
    nameConstraints: { permittedUris: [`spiffe://${TRUST_DOMAIN}/node/`] },
  });
  const { certificatePem } = await manager.getStore().loadCaCertificate('services-ca');
  for (const pem of [certificatePem, own]) {
    const { value } = new x509.X509Certificate(pem).getExtension('2.5.29.30');
    const uri = Buffer.from([0x86, TRUST_DOMAIN.length, ...Buffer.from(TRUST_DOMAIN)]);
    assert.ok(Buffer.from(value).includes(uri));
    assert.ok(!Buffer.from(value).includes('spiffe://'));
  }
});

test('a lifetime is a whole number of seconds, and of 60 or more in a configuration', async () => {
  const manager = await newManager();
  const { csrPem } = await csrByPeculiar(`spiffe://${TRUST_DOMAIN}/node/a`);
  const request = { csrPem, serviceType: 'node', nodeId: 'a' };
  for (const ttlSeconds of [0.5, 90.5, 0, -1, NaN]) {
    await failsWith(
      'PKI_INVALID_ARGUMENT',
      manager.signCSR({ ...request, ttlSeconds }),
      /ttlSeconds/,
    );
  }
  for (const svidTtlSeconds of [1, 59, 90.5]) {
    const construct = () => CertificateManager.ephemeral({ svidTtlSeconds });
    await failsWith('PKI_INVALID_ARGUMENT', construct, /svidTtlSeconds/);
  }
});

test('a trust domain of one label has no CA', async () => {
  for (const trustDomain of ['localhost', 'mesh']) {
    const initialize = async () => CertificateManager.ephemeral({ trustDomain }).initialize();
    await failsWith('PKI_INVALID_TRUST_DOMAIN', initialize, /two labels/);
  }
});

test("a CA's key is read back encrypted", async () => {
  const manager = await newManager();
  const { privateKeyPem } = await manager.getStore().loadCaCertificate('services-ca');
  assert.match(privateKeyPem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
});

/** The next millisecond, so that two entries are of different times. */
async function nextMillisecond() {
  const now = Date.now();
  while (Date.now() === now) await new Promise(setImmediate);
}

test('the deny list has the newest first, denied again counts as new', async () => {
  const manager = await newManager();
  const id = (name) => `spiffe://${TRUST_DOMAIN}/node/${name}`;
  for (const name of ['b', 'c', 'a', 'd']) {
    await manager.denyIdentity(id(name), 'x');
    await nextMillisecond();
  }
  const listed = async () =>
    (await manager.listDeniedIdentities()).map(({ spiffeId }) => spiffeId.at(-1)).join('');
  assert.equal(await listed(), 'dacb');
  await manager.denyIdentity(id('c'), 'y');
  assert.equal(await listed(), 'cdab');
  await manager.allowIdentity(id('d'));
  assert.equal(await listed(), 'cab');
});

test('a purge deletes old leaves and never a CA', async () => {
  const certsDb = join(folder(), 'certs.db');
  const manager = CertificateManager.fromConfig({
    provider: { type: 'local', certsDb },
    trustDomain: TRUST_DOMAIN,
  });
  const fingerprints = await manager.initialize();
  const old = await newSvid(manager, 'node', 'old');
  await newSvid(manager, 'node', 'of-yesterday');
  const fresh = await newSvid(manager, 'node', 'fresh');
  const bundle = await manager.getCaBundle();

  // Makes records old, which needs another program; Node 20 has no SQLite of its own.
  const hour = 60 * 60 * 1000;
  const end = (where, hours) =>
    `UPDATE certificate SET not_after = ${Date.now() - hours * hour} WHERE ${where};`;
  const sql = [
    end("type <> 'end-entity'", 1000),
    end(`serial = '${old.serial}'`, 25),
    end("spiffe_id LIKE '%/of-yesterday'", 23),
  ].join('');
  await bySqlite(certsDb, sql);

  assert.equal(await manager.purgeExpired(), 1);
  assert.equal(await manager.purgeExpired(), 0);
  assert.deepEqual(await manager.getCaBundle(), bundle);
  assert.deepEqual(
    JSON.parse(await bySqlite(certsDb, 'SELECT type FROM certificate ORDER BY type')),
    ['end-entity', 'end-entity', 'root-ca', 'services-ca', 'transport-ca'],
  );
  assert.deepEqual(await manager.initialize(), fingerprints);
  const { expiringCerts } = await manager.denyIdentity(fresh.spiffeId, 'x');
  assert.deepEqual(expiringCerts, [{ serial: fresh.serial, expiresAt: fresh.expiresAt }]);
});

/** Runs SQL in Bun, which has SQLite: the first column of what it answers, as JSON. */
async function bySqlite(path, sql) {
  const program = `
    import { Database } from 'bun:sqlite';
    const [path, sql] = process.argv.slice(-2);
    const database = new Database(path);
    const answer = sql.startsWith('SELECT') ? database.query(sql).values() : database.exec(sql);
    console.log(JSON.stringify(Array.isArray(answer) ? answer.map(([first]) => first) : []));
    database.close();`;
  const bun = join(import.meta.dirname, '../../node_modules/.bin/bun');
  const { code, stdout, stderr } = await run(['-e', program, path, sql], { command: bun });
  assert.deepEqual([code, stderr], [0, '']);
  return stdout;
}
