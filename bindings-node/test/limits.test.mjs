// What is longer than anybody needs, says something else each time, or can't be kept as it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CertificateManager,
  NativeSigningBackend,
  SqliteCertificateStore,
  generateKeyAndCsr,
} from '@catalyst/pki';
import { failsWith, newManager, selfSigned, TRUST_DOMAIN } from './helpers.mjs';

const HALVES = ['\ud800', 'a\udc00', 'node \ud83d!'];
const record = {
  serial: 'serial',
  fingerprint: 'fingerprint',
  type: 'end-entity',
  commonName: 'a',
  spiffeId: `spiffe://${TRUST_DOMAIN}/node/a`,
  certificatePem: 'no certificate',
  privateKeyPem: 'no key',
  issuerSerial: 'issuer',
  notBefore: 0,
  notAfter: Date.now() + 3_600_000,
  status: 'active',
  createdAt: 0,
};

test('half of a surrogate pair is refused where it would read back as something else', async () => {
  const store = new SqliteCertificateStore();
  const refused = (action, message) => failsWith('PKI_INVALID_ARGUMENT', action, message);
  for (const half of HALVES) {
    for (const [field, value] of Object.entries(record)) {
      if (typeof value !== 'string' || field === 'type' || field === 'status') continue;
      const [leaf, ca] = ['end-entity', 'root-ca'].map((type) => ({
        ...record,
        type,
        [field]: half,
      }));
      const message = new RegExp(`${field}: it must be well-formed`);
      await refused(store.saveEndEntityCertificate(leaf), message);
      await refused(store.saveCaCertificate(ca), message);
    }
    await refused(store.findBySerial(half), /well-formed/);
    await refused(store.findBySpiffeId(half), /well-formed/);
    await refused(store.denyIdentity(record.spiffeId, half), /well-formed/);
    const manager = await newManager();
    await refused(manager.denyIdentity(record.spiffeId, half), /reason: it must be well-formed/);
    assert.deepEqual(await manager.listDeniedIdentities(), []);
  }
  assert.deepEqual(await store.countCertificates(), []);
  const whole = { ...record, commonName: 'node \u{1f4a5}', privateKeyPem: 'ключ' };
  await store.saveEndEntityCertificate(whole);
  assert.deepEqual(await store.findBySerial(record.serial), whole);
});

test('a name in a certificate is what was asked for', async () => {
  const backend = new NativeSigningBackend();
  const { publicKey, privateKey } = await backend.generateKeyPair();
  const params = selfSigned(publicKey, privateKey);
  const signing = backend.signCertificate({ ...params, subjectCN: '\ud800' });
  await failsWith('PKI_INVALID_ARGUMENT', signing, /subjectCN: it must be well-formed/);
});

test('a name, a path and a passphrase are what was given', async () => {
  const refused = (action, message) => failsWith('PKI_INVALID_ARGUMENT', action, message);
  const manager = await newManager();
  const request = { serviceType: 'node' };
  for (const half of HALVES) {
    for (const name of ['rootCommonName', 'servicesCommonName', 'transportCommonName']) {
      const message = new RegExp(`: cas\\.${name}: it must be well-formed`);
      await refused(() => CertificateManager.ephemeral({ cas: { [name]: half } }), message);
    }
    for (const [config, message] of [
      [{ trustDomain: half }, /: trustDomain: it must be well-formed/],
      [{ allowedDnsSuffixes: [half] }, /: allowedDnsSuffixes\.0: it must be well-formed/],
      [{ nameConstraints: `dns:${half}` }, /nameConstraints: /],
      [{ provider: { type: 'local', certsDb: half } }, /: provider\.certsDb: it must be well-/],
    ]) {
      await refused(() => CertificateManager.fromConfig(config), message);
    }
    for (const field of ['csr', 'csrPem', 'nodeId', 'instanceId']) {
      const message = new RegExp(`${field}: it must be well-formed`);
      await refused(manager.signCSR({ ...request, [field]: half }), message);
    }
    await refused(() => new SqliteCertificateStore(half), /: path: it must be well-formed/);
    const store = new SqliteCertificateStore();
    await refused(store.backup(half), /: path: it must be well-formed/);
    await refused(store.restore(half), /: path: it must be well-formed/);
    const options = { passphrase: half };
    await refused(
      () => new SqliteCertificateStore('x.db', options),
      /passphrase: it must be well-/,
    );
  }
});

test('texts of a record that are too long are refused, not cut', async () => {
  const store = new SqliteCertificateStore();
  const longest = 'x'.repeat(65_536);
  for (const field of ['certificatePem', 'privateKeyPem', 'commonName', 'serial']) {
    const saving = store.saveEndEntityCertificate({ ...record, [field]: `${longest}x` });
    const message = new RegExp(`${field}: at most 65536 characters are taken`);
    await failsWith('PKI_INVALID_ARGUMENT', saving, message);
  }
  const longer = { ...record, certificatePem: longest, privateKeyPem: longest };
  await store.saveEndEntityCertificate(longer);
  assert.deepEqual(await store.findBySerial(record.serial), longer);
  await failsWith('PKI_INVALID_ARGUMENT', store.findBySerial(`${longest}x`), /at most 65536/);
});

test('bytes of a certificate that are too long are refused, not cut', async () => {
  const backend = new NativeSigningBackend();
  const longest = new Uint8Array(65_536);
  assert.match(await backend.computeFingerprint(longest), /^[\w-]{43}$/);
  assert.equal(
    await backend.computeFingerprint(longest.buffer),
    await backend.computeFingerprint(longest),
  );
  for (const long of [new Uint8Array(65_537), new ArrayBuffer(65_537), Buffer.alloc(30_000_000)]) {
    const message = /at most 65536 bytes are taken/;
    await failsWith('PKI_INVALID_ARGUMENT', backend.computeFingerprint(long), message);
  }
  // The length that counts is that of the bytes, whatever the object says.
  const liar = Object.defineProperty(new Uint8Array(100_000), 'byteLength', { value: 1 });
  await failsWith('PKI_INVALID_ARGUMENT', backend.computeFingerprint(liar));
});

test('a list that says another length each time is read once', async () => {
  let asked = 0;
  const dns = new Proxy(['a.example.com'], {
    get: (target, name) => (name === 'length' && asked++ > 0 ? 30_000_000 : target[name]),
  });
  const begin = performance.now();
  await generateKeyAndCsr('node', 'a', { dns });
  assert.ok(performance.now() - begin < 2_000);
  assert.equal(asked, 1);
});

test('of an object with many fields not all are named', async () => {
  const many = Object.fromEntries(Array.from({ length: 300_000 }, (_, at) => [`field${at}`, at]));
  for (const config of [many, { provider: { type: 'local', persistent: false, ...many } }]) {
    const error = await failsWith(
      'PKI_INVALID_ARGUMENT',
      () => CertificateManager.fromConfig(config),
      /unknown field "field0", "field1", "field2"; known: /,
    );
    assert.ok(error.message.length < 500);
  }
});
