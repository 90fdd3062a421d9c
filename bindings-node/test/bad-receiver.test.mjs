// Methods on what isn't theirs, classes called as functions, subclasses, and objects that only look
// like a store: a PkiError or a TypeError, never a crash.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as pki from '@catalyst/pki';
import { failsWith, newManager, newSvid, TRUST_DOMAIN } from './helpers.mjs';
import { strange } from './strange.mjs';

const classes = [
  pki.CertificateManager,
  pki.SqliteCertificateStore,
  pki.NativeSigningBackend,
  pki.PeerVerifier,
  pki.TokenIssuer,
  pki.TokenVerifier,
];

test('methods on another object', async () => {
  const manager = await newManager();
  const receivers = {
    nothing: undefined,
    'a plain object': {},
    'the prototype': pki.CertificateManager.prototype,
    'an object of the prototype': Object.create(pki.CertificateManager.prototype),
    'a child of a manager': Object.create(manager),
    'a proxy of a manager': new Proxy(manager, {}),
    'a throwing proxy': strange['a proxy'],
    'a revoked proxy': strange['a revoked proxy'],
    'a store': new pki.SqliteCertificateStore(),
    'a backend': new pki.NativeSigningBackend(),
    'the class': pki.CertificateManager,
  };
  const good = {
    signCSR: [{ csrPem: 'x', serviceType: 'node', nodeId: 'a' }],
    denyIdentity: [`spiffe://${TRUST_DOMAIN}/node/a`, 'x'],
    denySerial: ['0a', 'x'],
    getCrl: ['services'],
    allowIdentity: [`spiffe://${TRUST_DOMAIN}/node/a`],
  };
  for (const [what, receiver] of Object.entries(receivers)) {
    for (const method of Object.getOwnPropertyNames(pki.CertificateManager.prototype)) {
      if (method === 'constructor') continue;
      const call = async () =>
        pki.CertificateManager.prototype[method].apply(receiver, good[method] ?? []);
      await assert.rejects(call, TypeError, `${method} on ${what}`);
    }
  }
  assert.equal(manager.isInitialized(), true);
});

test('methods torn off their objects', async () => {
  const { signCSR, isInitialized } = await newManager();
  await failsWith('PKI_INVALID_ARGUMENT', () => signCSR({}));
  assert.throws(() => isInitialized(), TypeError);
});

test('classes called as functions', () => {
  for (const one of classes) {
    assert.throws(() => one(), TypeError, one.name);
    assert.throws(() => one.call({}), TypeError, one.name);
    assert.throws(() => one.apply(Object.create(one.prototype)), TypeError, one.name);
  }
});

test('subclasses are what they extend', async () => {
  class Store extends pki.SqliteCertificateStore {}
  class Backend extends pki.NativeSigningBackend {}
  class Manager extends pki.CertificateManager {
    async signCSR(request) {
      return { ...(await super.signCSR(request)), mine: true };
    }
  }
  const manager = new Manager(new Store(), new Backend(), { trustDomain: TRUST_DOMAIN });
  await manager.initialize();
  assert.equal((await newSvid(manager, 'node', 'a')).mine, true);
  assert.ok(manager.getStore() instanceof Store);

  class NoSuper extends pki.CertificateManager {
    constructor() {} // eslint-disable-line constructor-super
  }
  assert.throws(() => new NoSuper(), ReferenceError);
  // Made with another prototype: the object's own fields count.
  const odd = Reflect.construct(pki.CertificateManager, [new Store(), new Backend()], Map);
  assert.ok(odd instanceof Map);
  assert.equal(pki.CertificateManager.prototype.isInitialized.call(odd), false);
  assert.throws(() => Map.prototype.get.call(odd, 1), TypeError);
});

test('a store that is written in JavaScript is refused, and why is said', async () => {
  const methods = ['saveCaCertificate', 'loadCaCertificate', 'isDenied', 'purgeExpired'];
  const custom = Object.fromEntries(methods.map((name) => [name, async () => null]));
  class Custom {
    saveCaCertificate() {}
  }
  const stores = {
    'an object': custom,
    'a class': new Custom(),
    'an object of the prototype': Object.create(pki.SqliteCertificateStore.prototype),
    'a proxy of a store': new Proxy(new pki.SqliteCertificateStore(), {}),
    'a throwing proxy': strange['a proxy'],
    'a revoked proxy': strange['a revoked proxy'],
    'a backend': new pki.NativeSigningBackend(),
    nothing: undefined,
    'a path': 'certs.db',
  };
  for (const store of Object.values(stores)) {
    await failsWith(
      'PKI_INVALID_ARGUMENT',
      () => new pki.CertificateManager(store, new pki.NativeSigningBackend()),
      /store: it must be a SqliteCertificateStore; stores written in JavaScript are not supported/,
    );
  }
  for (const backend of [{}, new pki.SqliteCertificateStore(), strange['a proxy'], null]) {
    await failsWith(
      'PKI_INVALID_ARGUMENT',
      () => new pki.CertificateManager(new pki.SqliteCertificateStore(), backend),
      /backend: it must be a NativeSigningBackend/,
    );
  }
});

test('bytes that a Worker could change are read once', async () => {
  const manager = await newManager();
  const svid = await newSvid(manager, 'node', 'a');
  const body = svid.certificatePem.replace(/-----.*-----|\s/g, '');
  const der = Buffer.from(body, 'base64');
  const { servicesAnchors } = await manager.getCaBundle();
  const policy = {
    anchors: servicesAnchors,
    trustDomain: TRUST_DOMAIN,
    segment: 'services',
    role: 'client',
  };
  for (const buffer of [
    new SharedArrayBuffer(der.length),
    new ArrayBuffer(der.length, { maxByteLength: 4096 }),
    new ArrayBuffer(der.length),
  ]) {
    const bytes = new Uint8Array(buffer);
    bytes.set(der);
    const verified = pki.verifyPeer(bytes, policy);
    bytes.fill(0);
    assert.equal((await verified).spiffeId, svid.spiffeId);
    await failsWith('PKI_MALFORMED_CERTIFICATE', pki.verifyPeer(bytes, policy));
  }
});
