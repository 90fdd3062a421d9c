// Whatever JavaScript hands over: a PkiError or a TypeError, never a crash, never a hang.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import * as pki from '@catalyst/pki';
import { newManager, newSvid, selfSigned, TRUST_DOMAIN } from './helpers.mjs';
import { strange, survives, survivesArguments } from './strange.mjs';

const manager = await newManager();
const svid = await newSvid(manager, 'node', 'a');
const { servicesAnchors } = await manager.getCaBundle();
const request = { csrPem: svid.csrPem, serviceType: 'node', nodeId: 'a' };
const policy = {
  anchors: servicesAnchors,
  trustDomain: TRUST_DOMAIN,
  segment: 'services',
  role: 'client',
};

// And the process goes on as if nothing had been.
after(async () => {
  const { certificatePem } = await manager.signCSR(request);
  assert.equal((await pki.verifyPeer(certificatePem, policy)).spiffeId, svid.spiffeId);
});

test('functions', async () => {
  await survivesArguments('buildSpiffeId', pki.buildSpiffeId, ['a.b', 'node', 'c']);
  await survivesArguments('parseSpiffeId', pki.parseSpiffeId);
  await survivesArguments('isValidSpiffeId', pki.isValidSpiffeId);
  await survivesArguments('generateKeyAndCsr', pki.generateKeyAndCsr, [
    'node',
    'a',
    { dns: ['a.b'] },
  ]);
  for (const field of ['trustDomain', 'dns']) {
    const call = (value) => pki.generateKeyAndCsr('node', 'a', { [field]: value });
    await survivesArguments(field, call);
  }
  await survivesArguments('dns[0]', (value) =>
    pki.generateKeyAndCsr('node', 'a', { dns: [value] }),
  );
});

test('constructors', async () => {
  const store = () => new pki.SqliteCertificateStore();
  // What is no text is no path; the texts among the strange values would be files.
  for (const [what, value] of Object.entries(strange)) {
    if (typeof value === 'string' && value !== '' && !value.includes('\0')) continue;
    await survives(`SqliteCertificateStore: ${what}`, () => new pki.SqliteCertificateStore(value));
  }
  await survivesArguments('NativeSigningBackend', (x) => new pki.NativeSigningBackend(x));
  await survivesArguments('CertificateManager', (...args) => new pki.CertificateManager(...args), [
    store(),
    new pki.NativeSigningBackend(),
    {},
  ]);
  await survivesArguments('ephemeral', (config) => pki.CertificateManager.ephemeral(config));
  await survivesArguments('fromConfig', (config) => pki.CertificateManager.fromConfig(config));
  for (const field of [
    'trustDomain',
    'svidTtlSeconds',
    'maxSvidTtlSeconds',
    'provider',
    'autoRenew',
    'nameConstraints',
    'cas',
    'allowedDnsSuffixes',
  ]) {
    const call = (value) => pki.CertificateManager.fromConfig({ [field]: value });
    await survivesArguments(field, call);
  }
  for (const field of ['type', 'persistent', 'certsDb', 'busyTimeoutMs']) {
    const provider = (value) => ({ type: 'local', [field]: value });
    const call = (value) => pki.CertificateManager.fromConfig({ provider: provider(value) });
    await survivesArguments(`provider.${field}`, call);
  }
});

test('what CAs are called, and how long they live', async () => {
  const ofText = ['rootCommonName', 'servicesCommonName', 'transportCommonName'];
  for (const field of [...ofText, 'rootLifetimeSeconds', 'intermediateLifetimeSeconds']) {
    const call = (value) => pki.CertificateManager.ephemeral({ cas: { [field]: value } });
    await survivesArguments(`cas.${field}`, call);
  }
  const suffixes = (value) => pki.CertificateManager.ephemeral({ allowedDnsSuffixes: [value] });
  await survivesArguments('allowedDnsSuffixes[0]', suffixes);
});

test('methods of a verifier', async () => {
  const verifier = new pki.PeerVerifier(policy);
  await survivesArguments('verify', (value) => verifier.verify(value));
  await survivesArguments('withCrls', (value) => verifier.withCrls(value));
  await survivesArguments('withCrls[0]', (value) => verifier.withCrls([value]));
  await survivesArguments('withDenied', (value) => verifier.withDenied(value));
});

test('tokens', async () => {
  const issuer = await newIssuer();
  const verifier = await newTokenVerifier();
  const mint = {
    subject: 'a',
    entity: { id: 'a', name: 'a', type: 'service' },
    principal: 'NODE',
    certificate: svid.certificatePem,
  };
  const { token } = await issuer.mint(mint);
  const shown = {
    peerCertificate: svid.certificatePem,
    peerVerifier: new pki.PeerVerifier(policy),
  };
  const inEach = async (what, good, fields, call) => {
    for (const field of [...Object.keys(good), ...fields]) {
      await survivesArguments(`${what}.${field}`, (value) => call({ ...good, [field]: value }));
    }
  };
  const optional = ['certificateFingerprint', 'spiffeId', 'uses', 'sans', 'audience', 'expiresIn'];
  await inEach('mint', mint, optional, (request) => issuer.mint(request));
  const ofEntity = ['nodeId', 'trustedDomains', 'trustedNodes'];
  await inEach('mint.entity', mint.entity, ofEntity, (entity) => issuer.mint({ ...mint, entity }));
  await survivesArguments('mint.sans[0]', (value) => issuer.mint({ ...mint, sans: [value] }));
  for (const one of [issuer, verifier]) {
    await survivesArguments('verify', (...args) => one.verify(...args), [token, shown]);
    await inEach('verify', shown, ['audience'], (options) => one.verify(token, options));
    await survivesArguments('authenticate', (...args) => one.authenticate(...args), [token, shown]);
    await inEach('authenticate', shown, [], (options) => one.authenticate(token, options));
  }
  await inEach('inspect', {}, ['audience'], (options) => issuer.inspect(token, options));
  const by = ['jti', 'subject', 'san', 'certificateFingerprint', 'spiffeId'];
  await inEach('revoke', {}, by, (selected) => issuer.revoke(selected));
  await inEach('list', {}, by, (selected) => issuer.list(selected));
  await inEach('rotate', {}, ['immediate', 'gracePeriodMs'], (how) => issuer.rotate(how));
  const whose = { issuer: 'a' };
  const ofBoth = ['trustDomain', 'federated', 'serviceTypes'];
  const opened = { ...whose, db: ':memory:' };
  // The texts among the strange values would be files.
  await inEach('open', opened, [...ofBoth, 'busyTimeoutMs', 'passphrase'], (options) =>
    options.db === ':memory:' ? pki.TokenIssuer.open(options) : undefined,
  );
  await survivesArguments('store', (store) => pki.TokenIssuer.open({ ...whose, store }));
  const created = { ...whose, jwks: { keys: [] } };
  await inEach('create', created, [...ofBoth, 'audience', 'revoked'], (options) =>
    pki.TokenVerifier.create(options),
  );
  const ofKeys = (value) => pki.TokenVerifier.create({ ...created, jwks: { keys: [value] } });
  await survivesArguments('jwks.keys[0]', ofKeys);
});

test('methods', async () => {
  await survivesArguments('signCSR', (value) => manager.signCSR(value));
  for (const field of [
    ...Object.keys(request),
    'csr',
    'instanceId',
    'ttlSeconds',
    'requireCsrSpiffeId',
  ]) {
    await survivesArguments(field, (value) => manager.signCSR({ ...request, [field]: value }));
  }
  await survivesArguments('denyIdentity', (...args) => manager.denyIdentity(...args), [
    `spiffe://${TRUST_DOMAIN}/node/z`,
    'reason',
  ]);
  await survivesArguments('allowIdentity', (value) => manager.allowIdentity(value));
});

const verifiers = {
  verifyPeer: pki.verifyPeer,
  verifyPeerSync: pki.verifyPeerSync,
  PeerVerifier: (chain, given) => new pki.PeerVerifier(given).verify(chain),
};
for (const [name, verify] of Object.entries(verifiers)) {
  test(name, async () => {
    await survivesArguments(name, verify, [svid.certificatePem, policy]);
    await survivesArguments('chain', (value) => verify([svid.certificatePem, value], policy));
    await survivesArguments('leaf', (value) => verify([value, svid.certificatePem], policy));
    const withPolicy = (name, change) =>
      survivesArguments(name, (value) =>
        verify(svid.certificatePem, { ...policy, ...change(value) }),
      );
    const fields = [
      ...['expect', 'denied', 'crls', 'federated', 'at', 'skewSeconds'],
      ...['roots', 'anchorServiceTypes', 'algorithms'],
    ];
    for (const field of [...Object.keys(policy), ...fields]) {
      await withPolicy(field, (value) => ({ [field]: value }));
    }
    for (const field of ['anchors', 'expect', 'crls', 'federated', 'roots', 'algorithms']) {
      await withPolicy(`${field}[0]`, (value) => ({ [field]: [value] }));
    }
    for (const field of ['identities', 'serials']) {
      await withPolicy(`denied.${field}`, (value) => ({ denied: { [field]: value } }));
      await withPolicy(`denied.${field}[0]`, (value) => ({ denied: { [field]: [value] } }));
    }
    await withPolicy('anchorServiceTypes.x', (value) => ({ anchorServiceTypes: { x: value } }));
    const federated = { trustDomain: 'a.b', roots: servicesAnchors, allow: ['spiffe://a.b/**'] };
    for (const field of Object.keys(federated)) {
      await withPolicy(`federated.${field}`, (value) => ({
        federated: [{ ...federated, [field]: value }],
      }));
    }
  });
}

test('records', async () => {
  const store = manager.getStore();
  const leaf = await store.findBySerial(svid.serial);
  const ca = await store.loadCaCertificate('services-ca');
  // A store of its own: some of these are taken, and the manager's hierarchy is not to be theirs.
  const other = new pki.SqliteCertificateStore();
  for (const field of Object.keys(leaf)) {
    const [asLeaf, asCa] = [leaf, ca].map((record) => (value) => ({ ...record, [field]: value }));
    await survivesArguments(`leaf.${field}`, (value) =>
      other.saveEndEntityCertificate(asLeaf(value)),
    );
    await survivesArguments(`ca.${field}`, (value) => other.saveCaCertificate(asCa(value)));
  }
});

test('certificates of the caller’s own design', async () => {
  const backend = new pki.NativeSigningBackend();
  const { publicKey, privateKey } = await backend.generateKeyPair();
  const params = selfSigned(publicKey, privateKey);
  await backend.signCertificate(params);
  const optional = [
    ...['sanUri', 'sanDns', 'signingCert', 'pathLenConstraint', 'extKeyUsage'],
    ...['nameConstraints', 'serialNumber'],
  ];
  for (const field of [...Object.keys(params), ...optional]) {
    const call = (value) => backend.signCertificate({ ...params, [field]: value });
    await survivesArguments(field, call);
  }
  const named = (value) => ({ permittedUris: value });
  await survivesArguments('permittedUris', (value) =>
    backend.signCertificate({ ...params, nameConstraints: named(value) }),
  );
});

test('what is exported, found by itself, with up to four strange arguments', async () => {
  const calls = {};
  for (const [name, exported] of Object.entries(pki)) {
    // Fails on purpose; Zod's schemas are Zod's; an error takes what its maker gives it.
    if (name.startsWith('__') || name.endsWith('Schema') || name === 'PkiError') continue;
    // Bun's namespace has it, Node's hasn't.
    if (name === 'default') continue;
    assert.equal(typeof exported, 'function', name);
    if (!isClass(exported)) {
      calls[name] = exported;
      continue;
    }
    for (const method of ownFunctions(exported)) {
      calls[`${name}.${method}`] = (...args) => exported[method](...args);
    }
    const shared = await instanceOf(exported);
    for (const method of ownFunctions(exported.prototype)) {
      if (method === 'constructor') continue;
      const ends = ['shutdown', 'close'].includes(method);
      const one = ends ? await instanceOf(exported) : shared;
      calls[`${name}#${method}`] = (...args) => one[method](...args);
    }
  }
  assert.ok('CertificateManager#signCSR' in calls && 'verifyPeer' in calls);
  const few = ['null', 'x', 'NaN', 'object', 'a proxy', 'a revoked proxy', 'getters', 'detached'];
  for (const [name, call] of Object.entries(calls)) {
    await survives(name, () => call());
    await survivesArguments(name, call);
    for (const what of few) {
      await survives(`${name}: ${what}`, () => call(...new Array(4).fill(strange[what])));
    }
  }
});

function instanceOf(exported) {
  if (exported === pki.CertificateManager) return newManager();
  if (exported === pki.TokenIssuer) return newIssuer();
  if (exported === pki.TokenVerifier) return newTokenVerifier();
  return exported === pki.PeerVerifier ? new exported(policy) : new exported();
}

function newIssuer() {
  return pki.TokenIssuer.open({ db: ':memory:', issuer: 'a', trustDomain: TRUST_DOMAIN });
}

function newTokenVerifier() {
  return pki.TokenVerifier.create({ issuer: 'a', jwks: { keys: [] } });
}

function isClass(value) {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

function ownFunctions(owner) {
  return Object.entries(Object.getOwnPropertyDescriptors(owner))
    .filter(([, { value }]) => typeof value === 'function')
    .map(([name]) => name);
}
