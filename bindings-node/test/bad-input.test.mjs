// Whatever JavaScript hands over: a PkiError or a TypeError, never a crash, never a hang.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as pki from '@catalyst/pki';
import { newManager, newSvid, TRUST_DOMAIN } from './helpers.mjs';

const hostileGetter = {
  get csr() {
    throw new RangeError('from a getter');
  },
  get anchors() {
    throw new RangeError('from a getter');
  },
  serviceType: 'node',
  nodeId: 'a',
};
const proxy = new Proxy(
  {},
  {
    get() {
      throw new RangeError('from a proxy');
    },
    has() {
      throw new RangeError('from a proxy');
    },
    ownKeys() {
      throw new RangeError('from a proxy');
    },
  },
);
const cyclic = {};
cyclic.self = cyclic;
const polluted = JSON.parse('{"__proto__": {"csr": "x"}, "constructor": 1, "toString": 2}');

const strange = [
  undefined,
  null,
  true,
  0,
  NaN,
  Infinity,
  -1,
  1n,
  '',
  'x',
  '\0',
  '\ud800',
  '💥'.repeat(1000),
  'x'.repeat(5_000_000),
  Symbol('s'),
  () => {},
  [],
  [[]],
  new Array(10_000).fill('x'),
  {},
  Object.create(null),
  cyclic,
  polluted,
  hostileGetter,
  proxy,
  new Date(NaN),
  new Uint8Array(),
  new Uint8Array(1_000_000),
  new Float64Array(4),
  new DataView(new ArrayBuffer(4)),
  new ArrayBuffer(4),
  new SharedArrayBuffer(4),
  detached(),
  new Map(),
  Promise.resolve(1),
];

function detached() {
  const bytes = new Uint8Array(64);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** Calls with one strange value in each place of otherwise good arguments, and in none. */
async function survives(name, call, good = [undefined]) {
  for (let at = 0; at < good.length; at++) {
    for (const value of strange) {
      const args = good.with(at, value);
      try {
        await call(...args);
      } catch (error) {
        const fine = error instanceof pki.PkiError || error instanceof TypeError;
        assert.ok(fine, `${name}: argument ${at}, ${typeof value}: ${error?.stack ?? error}`);
        assert.notEqual(error.code, 'PKI_INTERNAL', `${name}: ${error.message}`);
        assert.ok(error.message.length < 2_000, `${name}: a message of ${error.message.length}`);
      }
    }
  }
}

test('functions', async () => {
  await survives('buildSpiffeId', pki.buildSpiffeId, ['a.b', 'node', 'c']);
  await survives('parseSpiffeId', pki.parseSpiffeId);
  await survives('isValidSpiffeId', pki.isValidSpiffeId);
  await survives('generateKeyAndCsr', pki.generateKeyAndCsr, ['node', 'a', { dns: ['a.b'] }]);
  for (const field of ['trustDomain', 'dns']) {
    await survives(field, (value) => pki.generateKeyAndCsr('node', 'a', { [field]: value }));
  }
});

test('constructors', async () => {
  const store = () => new pki.SqliteCertificateStore();
  await survives('SqliteCertificateStore', (path) => new pki.SqliteCertificateStore(path));
  await survives('NativeSigningBackend', (x) => new pki.NativeSigningBackend(x));
  await survives('CertificateManager', (...args) => new pki.CertificateManager(...args), [
    store(),
    new pki.NativeSigningBackend(),
    {},
  ]);
  await survives('ephemeral', pki.CertificateManager.ephemeral);
  await survives('fromConfig', (config) => pki.CertificateManager.fromConfig(config));
  for (const field of [
    'trustDomain',
    'svidTtlSeconds',
    'maxSvidTtlSeconds',
    'provider',
    'autoRenew',
  ]) {
    await survives(field, (value) => pki.CertificateManager.fromConfig({ [field]: value }));
  }
});

test('methods', async () => {
  const manager = await newManager();
  const { csrPem } = await pki.generateKeyAndCsr('node', 'a', { trustDomain: TRUST_DOMAIN });
  const request = { csrPem, serviceType: 'node', nodeId: 'a' };
  await survives('signCSR', (value) => manager.signCSR(value));
  for (const field of [
    ...Object.keys(request),
    'csr',
    'instanceId',
    'ttlSeconds',
    'requireCsrSpiffeId',
  ]) {
    await survives(field, (value) => manager.signCSR({ ...request, [field]: value }));
  }
  await survives('denyIdentity', (...args) => manager.denyIdentity(...args), [
    `spiffe://${TRUST_DOMAIN}/node/z`,
    'reason',
  ]);
  await survives('allowIdentity', (value) => manager.allowIdentity(value));
  for (const method of [
    'initialize',
    'getCaBundle',
    'getStatus',
    'listDeniedIdentities',
    'purgeExpired',
  ]) {
    await survives(method, (value) => manager[method](value));
  }
});

test('verifying', async () => {
  const manager = await newManager();
  const svid = await newSvid(manager, 'node', 'a');
  const { servicesAnchors } = await manager.getCaBundle();
  const policy = {
    anchors: servicesAnchors,
    trustDomain: TRUST_DOMAIN,
    segment: 'services',
    role: 'client',
  };
  for (const verify of [pki.verifyPeer, pki.verifyPeerSync]) {
    await survives(verify.name, verify, [svid.certificatePem, policy]);
    await survives('chain', (value) => verify([svid.certificatePem, value], policy));
    const fields = ['expect', 'denied', 'crls', 'federated', 'at', 'skewSeconds'];
    for (const field of [...Object.keys(policy), ...fields]) {
      await survives(field, (value) => verify(svid.certificatePem, { ...policy, [field]: value }));
    }
  }
  assert.equal((await pki.verifyPeer(svid.certificatePem, policy)).instanceId, 'a');
});

test('methods torn off their objects', async () => {
  const { signCSR, isInitialized } = await newManager();
  await assert.rejects(async () => signCSR({}));
  assert.throws(() => isInitialized(), TypeError);
});
