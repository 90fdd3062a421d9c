// The records of a store, as code written for the earlier package uses them.
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  BunSqliteCertificateStore,
  CertificateManager,
  NativeSigningBackend,
  SqliteCertificateStore,
  generateKeyAndCsr,
} from '@catalyst/pki';
import { TRUST_DOMAIN, failsWith, folder, newManager, newSvid } from './helpers.mjs';

const HOUR = 3_600_000;
const SPIFFE_ID = `spiffe://${TRUST_DOMAIN}/node/a`;

let last = 0;

function leaf(changes = {}) {
  const serial = `serial-${++last}`;
  return {
    serial,
    fingerprint: `fingerprint-of-${serial}`,
    type: 'end-entity',
    commonName: 'a',
    spiffeId: SPIFFE_ID,
    certificatePem: '-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----',
    privateKeyPem: null,
    issuerSerial: 'issuer',
    notBefore: Date.now() - 60_000,
    notAfter: Date.now() + HOUR,
    status: 'active',
    createdAt: Date.now(),
    ...changes,
  };
}

const backend = new NativeSigningBackend();

/** A CA certificate, self-signed or signed by `issuer`, as a record; its key in PKCS#8. */
async function ca(type, changes = {}, issuer) {
  const { publicKey, privateKey } = await backend.generateKeyPair();
  const [notBefore, notAfter] = [-60_000, 300 * 24 * HOUR].map((t) => new Date(Date.now() + t));
  const signingKey = issuer ? await backend.importPrivateKeyPem(issuer.privateKeyPem) : privateKey;
  const certificatePem = await backend.signCertificate({
    subjectCN: `A ${type}`,
    subjectPublicKey: publicKey,
    signingKey,
    signingCert: issuer?.certificatePem,
    notBefore,
    notAfter,
    isCa: true,
    pathLenConstraint: issuer ? 0 : 1,
    keyUsage: { keyCertSign: true, crlSign: true },
  });
  const { raw, serialNumber } = new X509Certificate(certificatePem);
  return leaf({
    serial: serialNumber.toLowerCase(),
    fingerprint: await backend.computeFingerprint(raw),
    type,
    commonName: `A ${type}`,
    spiffeId: null,
    certificatePem,
    privateKeyPem: await backend.exportPrivateKeyPem(privateKey),
    issuerSerial: issuer?.serial ?? null,
    notBefore: +notBefore,
    notAfter: +notAfter,
    ...changes,
  });
}
const serials = (records) => records.map(({ serial }) => serial);

for (const kind of ['memory', 'file']) {
  const newStore = () =>
    new BunSqliteCertificateStore(kind === 'memory' ? ':memory:' : join(folder(), 'certs.db'));

  describe(`in ${kind}`, () => {
    test('a record reads back equal', async () => {
      const store = newStore();
      const { privateKeyPem } = await generateKeyAndCsr('node', 'a');
      for (const key of [null, privateKeyPem, 'no key', '']) {
        const record = leaf({ privateKeyPem: key });
        await store.saveEndEntityCertificate(record);
        assert.deepEqual(await store.findBySerial(record.serial), record);
        assert.deepEqual(await store.findByFingerprint(record.fingerprint), record);
      }
      for (const changes of [{}, { privateKeyPem: null }]) {
        const root = await ca('root-ca', changes);
        await store.saveCaCertificate(root);
        assert.deepEqual(await store.loadCaCertificate('root-ca'), root);
      }
    });

    test('what is not there is null', async () => {
      const store = newStore();
      assert.equal(await store.loadCaCertificate('root-ca'), null);
      assert.deepEqual(await store.loadAllCaCertificates('services-ca'), []);
      assert.equal(await store.findBySerial('none'), null);
      assert.equal(await store.findByFingerprint('none'), null);
      assert.deepEqual(await store.findBySpiffeId(SPIFFE_ID), []);
      assert.deepEqual(await store.listActiveCertificates(), []);
      assert.deepEqual(await store.countCertificates(), []);
      assert.equal(await store.purgeExpired(Date.now()), 0);
      await store.markSuperseded('none');
      await store.allowIdentity(SPIFFE_ID);
    });

    test('a CA supersedes the active one of its type and no other', async () => {
      const store = newStore();
      const root = await ca('root-ca');
      const first = await ca('services-ca', { createdAt: 1 }, root);
      const second = await ca('services-ca', {}, root);
      for (const record of [root, first, second]) await store.saveCaCertificate(record);
      assert.deepEqual(await store.loadCaCertificate('services-ca'), second);
      assert.deepEqual(await store.loadAllCaCertificates('services-ca'), [
        second,
        { ...first, status: 'superseded' },
      ]);
      assert.deepEqual(await store.loadCaCertificate('root-ca'), root);
    });

    test('an identity has its active, unexpired certificates', async () => {
      const store = newStore();
      const active = leaf();
      for (const record of [
        active,
        leaf({ notAfter: Date.now() - 1 }),
        leaf({ status: 'superseded' }),
        leaf({ spiffeId: `${SPIFFE_ID}/other` }),
      ]) {
        await store.saveEndEntityCertificate(record);
      }
      assert.deepEqual(await store.findBySpiffeId(SPIFFE_ID), [active]);
      await store.markSuperseded(active.serial);
      assert.deepEqual(await store.findBySpiffeId(SPIFFE_ID), []);
      assert.equal((await store.findBySerial(active.serial)).status, 'superseded');
    });

    test('all active, unexpired leaves are listed, newest first, however many', async () => {
      const store = newStore();
      const active = Array.from({ length: 250 }, (_, age) => leaf({ createdAt: 1_000_000 - age }));
      await Promise.all(active.map((record) => store.saveEndEntityCertificate(record)));
      await store.saveEndEntityCertificate(leaf({ notAfter: Date.now() - 1 }));
      await store.saveEndEntityCertificate(leaf({ status: 'superseded' }));
      await store.saveCaCertificate(await ca('root-ca'));
      assert.deepEqual(await store.listActiveCertificates(), active);
    });

    test('the deny list is newest first and keeps one entry of an identity', async () => {
      const store = newStore();
      const [first, second] = [SPIFFE_ID, `${SPIFFE_ID}-2`];
      await store.denyIdentity(first, 'one');
      await passed(1);
      await store.denyIdentity(second, 'two');
      assert.equal(await store.isDenied(first), true);
      assert.deepEqual(
        (await store.listDeniedIdentities()).map(({ spiffeId }) => spiffeId),
        [second, first],
      );
      await passed(1);
      await store.denyIdentity(first, 'changed');
      const [newest] = await store.listDeniedIdentities();
      assert.deepEqual([newest.spiffeId, newest.reason], [first, 'changed']);
      await store.allowIdentity(first);
      assert.equal(await store.isDenied(first), false);
      assert.equal((await store.listDeniedIdentities()).length, 1);
      await failsWith('PKI_INVALID_SPIFFE_ID', store.denyIdentity('a', 'why'));
      await failsWith('PKI_INVALID_ARGUMENT', store.denyIdentity(first, ''));
    });

    test('purge deletes expired leaves and never a CA', async () => {
      const store = newStore();
      const now = Date.now();
      const old = leaf({ notAfter: now - 1000 });
      const live = leaf();
      for (const record of [old, live]) await store.saveEndEntityCertificate(record);
      const status = 'superseded';
      await store.saveCaCertificate(await ca('root-ca', { status, createdAt: 0 }));
      assert.equal(await store.purgeExpired(now - 1000), 0, 'the cutoff itself is not before it');
      assert.equal(await store.purgeExpired(now), 1);
      assert.equal(await store.findBySerial(old.serial), null);
      assert.deepEqual(await store.findBySerial(live.serial), live);
      assert.equal((await store.loadAllCaCertificates('root-ca')).length, 1);
    });

    test('counts are grouped by type and status', async () => {
      const store = newStore();
      await store.saveCaCertificate(await ca('root-ca'));
      await store.saveCaCertificate(await ca('root-ca'));
      for (const status of ['active', 'superseded', 'superseded']) {
        await store.saveEndEntityCertificate(leaf({ status }));
      }
      const counts = await store.countCertificates();
      const text = counts.map(({ type, status, count }) => `${type} ${status} ${count}`);
      assert.deepEqual(text.sort(), [
        'end-entity active 1',
        'end-entity superseded 2',
        'root-ca active 1',
        'root-ca superseded 1',
      ]);
    });

    test('what is there already, or in the wrong place, is refused', async () => {
      const store = newStore();
      const record = leaf();
      await store.saveEndEntityCertificate(record);
      await failsWith('PKI_DUPLICATE_RECORD', store.saveEndEntityCertificate(record));
      await failsWith('PKI_INVALID_ARGUMENT', store.saveEndEntityCertificate(await ca('root-ca')));
      await failsWith('PKI_INVALID_ARGUMENT', store.saveCaCertificate(leaf()));
      await failsWith('PKI_INVALID_ARGUMENT', store.loadCaCertificate('end-entity'), /root-ca/);
      for (const broken of [
        { status: 'lost' },
        { type: 'ca' },
        { notAfter: 1.5 },
        { notAfter: NaN },
        { createdAt: '1' },
        { spiffeId: undefined },
        { serial: '' },
      ]) {
        const [field] = Object.keys(broken);
        const saving = store.saveEndEntityCertificate(leaf(broken));
        await failsWith('PKI_INVALID_ARGUMENT', saving, new RegExp(field));
      }
    });

    test("a manager's records are there, its keys encrypted", async () => {
      const store = newStore();
      const manager = new CertificateManager(store, new NativeSigningBackend(), {
        trustDomain: TRUST_DOMAIN,
      });
      const { servicesCaFingerprint } = await manager.initialize();
      const svid = await newSvid(manager, 'node', 'a');
      const services = await manager.getStore().loadCaCertificate('services-ca');
      assert.equal(services.fingerprint, servicesCaFingerprint);
      assert.match(services.privateKeyPem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
      const issued = await store.findBySerial(svid.serial);
      assert.equal(issued.certificatePem, svid.certificatePem);
      assert.equal(issued.notAfter, Date.parse(svid.expiresAt));
      assert.equal(issued.notAfter - issued.notBefore, HOUR);
      assert.equal(issued.issuerSerial, services.serial);
      assert.equal(issued.privateKeyPem, null);
      assert.deepEqual(serials(await store.findBySpiffeId(SPIFFE_ID)), [svid.serial]);

      await store.denyIdentity(SPIFFE_ID, 'stolen');
      await failsWith('PKI_IDENTITY_DENIED', newSvid(manager, 'node', 'a'), /^Identity denied/);
    });
  });
}

test('a plain key never reaches the disk, and reads back after a restart', async () => {
  const place = folder();
  const path = join(place, 'certs.db');
  const { privateKeyPem } = await generateKeyAndCsr('node', 'a');
  const record = leaf({ privateKeyPem });
  await new SqliteCertificateStore(path).saveEndEntityCertificate(record);
  const [, secret] = privateKeyPem.split('\n');
  for (const file of readdirSync(place)) {
    assert.ok(!readFileSync(join(place, file), 'latin1').includes(secret), file);
  }
  assert.deepEqual(await new SqliteCertificateStore(path).findBySerial(record.serial), record);
});

test('a hierarchy of the earlier package moves over record by record', async () => {
  const source = (await newManager()).getStore();
  const store = new SqliteCertificateStore(join(folder(), 'certs.db'));
  for (const type of ['root-ca', 'services-ca', 'transport-ca']) {
    await store.saveCaCertificate({
      ...(await source.loadCaCertificate(type)),
      privateKeyPem: null,
    });
  }
  const manager = new CertificateManager(store, new NativeSigningBackend(), {
    trustDomain: TRUST_DOMAIN,
  });
  await manager.initialize();
  const error = await failsWith('PKI_SIGNING_CA_UNAVAILABLE', newSvid(manager, 'node', 'a'));
  assert.equal(error.message, 'Signing CA not available: services-ca', 'its key stayed behind');
});

for (const kind of ['PKCS#8', 'SEC1', 'SEC1 after its curve', 'another key', 'no key']) {
  test(`a Services CA whose key is ${kind} is taken or refused, and there is one that signs`, async () => {
    const path = join(folder(), 'certs.db');
    const open = () =>
      new CertificateManager(new SqliteCertificateStore(path), backend, {
        trustDomain: TRUST_DOMAIN,
      });
    const manager = open();
    const store = manager.getStore();
    const root = await ca('root-ca');
    const services = await ca('services-ca', {}, root);
    for (const record of [root, services, await ca('transport-ca', {}, root)]) {
      await store.saveCaCertificate(record);
    }
    await manager.initialize();
    const next = await ca('services-ca', {}, root);
    const pem = (key, type) => key.export({ type, format: 'pem' });
    const given = createPrivateKey(next.privateKeyPem);
    // secp384r1, as `openssl ecparam -genkey` writes it before the key.
    const curve = '-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n';
    const other = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
    const privateKeyPem = {
      'PKCS#8': pem(given, 'pkcs8'),
      SEC1: pem(given, 'sec1'),
      'SEC1 after its curve': curve + pem(given, 'sec1'),
      'another key': pem(other, 'pkcs8'),
      'no key': 'no key',
    }[kind];
    const saving = store.saveCaCertificate({ ...next, privateKeyPem });
    if (kind.endsWith(' key')) {
      const error = await failsWith('PKI_INVALID_KEY', saving);
      assert.equal(error.status, 400);
    } else {
      await saving;
      assert.equal((await store.loadCaCertificate('services-ca')).privateKeyPem, privateKeyPem);
    }
    await newSvid(manager, 'node', 'a');
    await manager.shutdown();
    const again = open();
    await again.initialize();
    const { certificatePem } = await newSvid(again, 'node', 'a');
    const signer = await store.loadCaCertificate('services-ca');
    assert.equal(signer.serial, kind.endsWith(' key') ? services.serial : next.serial);
    const { publicKey } = new X509Certificate(signer.certificatePem);
    assert.ok(new X509Certificate(certificatePem).verify(publicKey));
    assert.equal((await again.getCaBundle()).servicesAnchors[0], signer.certificatePem);
    await again.shutdown();
  });
}

test('making a store opens nothing', () => {
  const path = join(folder(), 'certs.db');
  new SqliteCertificateStore(path);
  assert.ok(!existsSync(path));
});

/** Waits until the clock shows `ms` more. */
async function passed(ms) {
  const until = Date.now() + ms;
  while (Date.now() < until) await new Promise(setImmediate);
}
