// Policies as handles: read once, worked out once, beside the event loop where they are long.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CertificateManager,
  NativeSigningBackend,
  PeerVerifier,
  SqliteCertificateStore,
  verifyPeer,
  verifyPeerSync,
} from '@catalyst/pki';
import { failsWith, newManager, newSvid, repository, runModule, TRUST_DOMAIN } from './helpers.mjs';

const manager = await newManager();
const { servicesAnchors, servicesBundle } = await manager.getCaBundle();
const node = await newSvid(manager, 'node', 'a');
const other = await newSvid(manager, 'node', 'b');
const der = new Uint8Array(new X509Certificate(node.certificatePem).raw);
const policy = {
  anchors: servicesAnchors,
  trustDomain: TRUST_DOMAIN,
  segment: 'services',
  role: 'client',
};
const { issuerKeyId } = verifyPeerSync(der, policy);
const ids = (count, kind = 'x') =>
  Array.from(
    { length: count },
    (_, at) => `spiffe://${TRUST_DOMAIN}/node/${kind}-${at}.example.com`,
  );
const long = ids(100_000);

async function takes(verifier, svid = node) {
  assert.equal((await verifier.verify(svid.certificatePem)).serial, svid.serial);
  assert.equal(verifier.verifySync(svid.certificatePem).serial, svid.serial);
}

async function refuses(code, verifier, message) {
  await failsWith(code, () => verifier.verifySync(der), message);
  await failsWith(code, verifier.verify(der), message);
}

/** What is wrong in a policy is the same wherever it is given. */
async function refused(code, change, message) {
  const given = { ...policy, ...change };
  await failsWith(code, () => new PeerVerifier(given), message);
  await failsWith(code, verifyPeer(der, given), message);
  await failsWith(code, () => verifyPeerSync(der, given), message);
}

test('a verifier says what verifyPeer says', async () => {
  const verifier = new PeerVerifier(policy);
  assert.deepEqual(await verifier.verify(der), await verifyPeer(der, policy));
  assert.deepEqual(
    verifier.verifySync([node.certificatePem, ...node.chain]),
    await verifier.verify(der),
  );
  assert.equal(await verifier.ready(), verifier);
  const svids = await Promise.all(Array.from({ length: 200 }, () => verifier.verify(der)));
  for (const { serial } of svids) assert.equal(serial, node.serial);
  await failsWith('PKI_MALFORMED_CERTIFICATE', verifier.verify('rubbish'));
});

test('what the caller changes afterwards changes nothing', async () => {
  const changing = {
    ...policy,
    expect: [node.spiffeId],
    denied: { identities: [other.spiffeId], serials: [{ issuerKeyId, serial: '01' }] },
  };
  const verifier = new PeerVerifier(changing);
  changing.expect[0] = other.spiffeId;
  changing.denied.identities[0] = node.spiffeId;
  changing.denied.serials[0].serial = node.serial;
  changing.role = 'server';
  await takes(verifier);
  // A long one is read at once too, and worked out later.
  const identities = [...long, node.spiffeId];
  const serials = [{ issuerKeyId, serial: node.serial }];
  const denying = new PeerVerifier({ ...policy, denied: { identities: identities.slice(1) } });
  const denyingSerials = new PeerVerifier({
    ...policy,
    denied: { identities: long.slice(0, 5_000), serials },
  });
  identities.length = 0;
  serials[0].serial = '01';
  await failsWith('PKI_IDENTITY_DENIED', denying.verify(der));
  await refuses('PKI_SERIAL_DENIED', denyingSerials);
});

test('another deny list is another verifier', async () => {
  const verifier = new PeerVerifier(policy);
  const denying = verifier.withDenied({ identities: [node.spiffeId] });
  await refuses('PKI_IDENTITY_DENIED', denying);
  await takes(denying, other);
  await takes(verifier);
  // In place of the list before, not beside it.
  await takes(denying.withDenied({}));
  const serials = denying.withDenied({ serials: [{ issuerKeyId, serial: node.serial }] });
  await refuses('PKI_SERIAL_DENIED', serials);
  // Of one that is not ready yet, too.
  const first = verifier.withDenied({ identities: long });
  await takes(first.withDenied({ identities: [other.spiffeId] }));
  await refuses('PKI_IDENTITY_DENIED', first.withDenied({ identities: [node.spiffeId] }));
  await takes(await first.ready());
  // What is nobody's identity would deny nobody, such as what is left of a damaged row.
  for (const id of ['node/a', '\ufffd', `${node.spiffeId}\ufffd`, `${node.spiffeId}\n`, '']) {
    await failsWith(
      'PKI_INVALID_POLICY',
      () => verifier.withDenied({ identities: [id] }),
      /denied/,
    );
  }
  await failsWith(
    'PKI_INVALID_ARGUMENT',
    () => verifier.withDenied({ identity: [node.spiffeId] }),
    /: denied: unknown field "identity"; did you mean identities\?$/,
  );
});

test('a long list is worked out beside the event loop', async () => {
  const given = { ...policy, denied: { identities: long.with(77_777, node.spiffeId) } };
  let [turns, isReady] = [0, false];
  const verifier = new PeerVerifier(given);
  const ready = verifier.ready().then(() => (isReady = true));
  for (; !isReady; turns++) await new Promise((resolve) => setImmediate(resolve));
  await ready;
  // The loop has turned at least once for each piece of the list.
  assert.ok(turns >= 25, `${turns} turns`);
  await refuses('PKI_IDENTITY_DENIED', verifier);
});

test('of a verifier that is not ready, verifySync waits for the list', async () => {
  const denied = { identities: [...long.slice(1), node.spiffeId] };
  const verifier = new PeerVerifier({ ...policy, denied });
  await failsWith('PKI_IDENTITY_DENIED', () => verifier.verifySync(der));
  const begun = new PeerVerifier({ ...policy, denied });
  await new Promise((resolve) => setImmediate(resolve));
  await failsWith('PKI_IDENTITY_DENIED', () => begun.verifySync(der));
  await failsWith('PKI_IDENTITY_DENIED', begun.verify(der));
});

test('what is wrong in a long list comes out of every use', async () => {
  const verifier = new PeerVerifier({ ...policy, denied: { identities: [...ids(1_001), 'a/b'] } });
  for (let time = 0; time < 2; time++) {
    await failsWith('PKI_INVALID_POLICY', verifier.ready(), /denied identity/);
    await refuses('PKI_INVALID_POLICY', verifier, /denied identity/);
  }
  await refuses('PKI_INVALID_POLICY', verifier.withDenied({ identities: [] }), /denied identity/);
  // Half of a surrogate pair would be another character elsewhere.
  await refused('PKI_INVALID_POLICY', { denied: { identities: [`${node.spiffeId}\ud800`] } });
});

test('verifyPeer is for small policies, and says what is for others', async () => {
  const expect = [...ids(500), node.spiffeId];
  const small = { ...policy, expect, denied: { identities: ids(490, 'denied') } };
  assert.equal((await verifyPeer(der, small)).serial, node.serial);
  const larger = { ...policy, expect, denied: { identities: ids(500, 'denied') } };
  const message = /policy: at most 1000 entries in all.*PeerVerifier/;
  await failsWith('PKI_INVALID_ARGUMENT', verifyPeer(der, larger), message);
  await failsWith('PKI_INVALID_ARGUMENT', () => verifyPeerSync(der, larger), message);
  await takes(new PeerVerifier(larger));
});

test('a policy is read once, whatever it says the next time', async () => {
  let reads = 0;
  const once = (first, later) => (reads++ === 0 ? first : later);
  const denying = (identities) => ({ ...policy, denied: { identities } });
  // An element that denies at first.
  const element = Object.defineProperty([''], 0, {
    get: () => once(node.spiffeId, other.spiffeId),
  });
  await failsWith('PKI_IDENTITY_DENIED', () => verifyPeerSync(der, denying(element)));
  assert.equal(reads, 1);
  reads = 0;
  const lists = {
    get identities() {
      return once([node.spiffeId], [other.spiffeId]);
    },
  };
  await refuses('PKI_IDENTITY_DENIED', new PeerVerifier({ ...policy, denied: lists }));
  assert.equal(reads, 1);
  // And one that makes other verifiers while it is read.
  const nested = new Proxy([other.spiffeId], {
    get(target, name) {
      for (let at = 0; at < 3; at++) verifyPeerSync(der, { ...policy, skewSeconds: at });
      return Reflect.get(target, name);
    },
  });
  await takes(new PeerVerifier(denying(nested)));
});

test('a list that says another length each time is read once', async () => {
  const liar = (element, later, first = 1) => {
    let asked = 0;
    return new Proxy([], {
      get: (target, name) =>
        name === 'length' ? (asked++ === 0 ? first : later) : name === '0' ? element : undefined,
      has: () => true,
    });
  };
  const begin = performance.now();
  for (const later of [30_000_000, Infinity, NaN, -1]) {
    await takes(new PeerVerifier({ ...policy, expect: liar(node.spiffeId, later) }));
    const denying = (denied) => new PeerVerifier({ ...policy, denied });
    await refuses('PKI_IDENTITY_DENIED', denying({ identities: liar(node.spiffeId, later) }));
    const serials = liar({ issuerKeyId, serial: node.serial }, later);
    await refuses('PKI_SERIAL_DENIED', denying({ serials }));
    assert.equal(verifyPeerSync(liar(node.certificatePem, later), policy).serial, node.serial);
    // What is no length is none of a short list.
    const never = { identities: liar(node.spiffeId, 1, later) };
    await failsWith('PKI_INVALID_ARGUMENT', () => denying(never), /at most 100000 elements/);
  }
  assert.ok(performance.now() - begin < 5_000);
});

test('what is wrong in a list is said', async () => {
  const wrong = (denied, message) => refused('PKI_INVALID_ARGUMENT', { denied }, message);
  const identities = ids(10);
  await wrong(
    { identities: identities.with(3, 7) },
    /: denied\.identities\.3: .*expected string, received number$/,
  );
  await wrong({ identities: new Array(2) }, /: denied\.identities\.0: .*received undefined$/);
  await wrong({ identities: 'all' }, /: denied\.identities: .*expected array, received string$/);
  await wrong({ serials: [{ issuerKeyId }] }, /: denied\.serials\.0\.serial: .*undefined$/);
  await wrong({ serials: ['x'] }, /: denied\.serials\.0\.issuerKeyId: /);
  const revoked = { issuerKeyId, serial: '01' };
  for (const [extra, words] of [
    [{ serialNumber: '02' }, /: denied\.serials\.1: unknown field "serialNumber"; known: /],
    [{ issuerKeyID: '02' }, /"issuerKeyID"; did you mean issuerKeyId\?$/],
  ]) {
    await wrong({ serials: [revoked, { ...revoked, ...extra }] }, words);
  }
  await wrong(
    { serials: [{ issuerKeyId, seriel: '01' }] },
    /: unknown field "seriel"; did you mean/,
  );
  await wrong({ serials: {} }, /: denied\.serials: .*expected array, received object$/);
  for (const denied of [null, 'x', [node.spiffeId], 1]) await wrong(denied, /: denied: /);
  await wrong({ identities: new Array(100_001) }, /: denied\.identities: at most 100000 elements/);
  await wrong({ serials: new Array(100_001) }, /: denied\.serials: at most 100000 elements/);
  await wrong({ identities: ['x'.repeat(65_537)] }, /: denied\.identities\.0: at most 65536 char/);
  const longest = new Array(100_000).fill(`spiffe://${TRUST_DOMAIN}/node/${'x'.repeat(200)}`);
  await wrong({ identities: longest }, /: denied: together at most \d+ characters are taken$/);
  for (const [change, message] of [
    [{ crls: 'x' }, /: crls: .*expected array/],
    [{ crls: ['x'] }, /: crls\.0: it must be a Uint8Array: the list in DER$/],
    [{ crls: [new Uint8Array(8_388_609)] }, /: crls\.0: at most 8388608 bytes are taken$/],
    [{ crls: new Array(3).fill(new Uint8Array(6_000_000)) }, /: crls: together at most \d+ bytes/],
    [{ anchors: new Array(1_001).fill('x') }, /: anchors: at most 1000 elements are taken$/],
    [
      { anchors: 'x'.repeat(5_000_000) },
      /: a policy is too long: at most \d+ characters are taken$/,
    ],
    [{ at: 'now' }, /: at: it must be a Date$/],
    [{ at: new Date(NaN) }, /: at: it must be a valid Date: the time of this one is NaN$/],
    [{ at: NaN }, /: at: it must be a Date$/],
    [{ at: new Date(253_402_300_800_000) }, /at: it must lie in the years 0 to 9999/],
    [{ at: new Date(-8.64e15) }, /at: it must lie in the years 0 to 9999/],
    [{ skewSeconds: NaN }, /: skewSeconds: .*received NaN$/],
  ]) {
    await refused('PKI_INVALID_ARGUMENT', change, message);
  }
  for (const part of ['x'.repeat(65_537), new Uint8Array(65_537)]) {
    await failsWith('PKI_INVALID_ARGUMENT', verifyPeer(part, policy), /: chain: at most 65536 /);
  }
});

test('a field that is not known is refused, and the one that was meant named', async () => {
  for (const [change, message] of [
    [{ expects: [node.spiffeId] }, /: unknown field "expects"; did you mean expect\?$/],
    [{ Denied: {} }, /: unknown field "Denied"; did you mean denied\?$/],
    [
      { denied: { identity: [] } },
      /: denied: unknown field "identity"; did you mean identities\?$/,
    ],
    [{ crl: [] }, /: unknown field "crl"; did you mean crls\?$/],
    [{ requireMutualTls: true }, /: unknown field "requireMutualTls"; known: anchors, /],
    [
      { federated: [{ trustDomain: 'a.b', roots: [], allows: [] }] },
      /: federated\.0: unknown field "allows"; did you mean allow\?/,
    ],
  ]) {
    await refused('PKI_INVALID_ARGUMENT', change, message);
  }
});

test('an entry with a line break in it is refused, not taken for two', async () => {
  const [one, two] = ids(2);
  for (const denied of [
    { identities: [`${one}\n${two}`] },
    { identities: [`${one}","${two}`] },
    { serials: [{ issuerKeyId: `${issuerKeyId}\n01`, serial: '02' }] },
    { serials: [{ issuerKeyId, serial: '01\n02' }] },
  ]) {
    await refused('PKI_INVALID_POLICY', { denied });
  }
});

test('nobody is expected by an empty list', async () => {
  await refused('PKI_INVALID_POLICY', { expect: [] }, /expect/);
  await takes(new PeerVerifier({ ...policy, expect: undefined }));
});

test('anchors can be held against pinned roots', async () => {
  const root = servicesBundle.at(-1);
  await takes(new PeerVerifier({ ...policy, roots: root }));
  const foreign = (await (await newManager()).getCaBundle()).servicesBundle.at(-1);
  await takes(new PeerVerifier({ ...policy, roots: [foreign, root] }));
  await refused('PKI_ANCHOR_REJECTED', { roots: [foreign] });
});

const cases = JSON.parse(readFileSync(join(repository, 'tests/vectors/cases.json'), 'utf8'));
const crl = (name) => Buffer.from(cases.crls[name], 'base64');
const ofCases = {
  ...policy,
  anchors: cases.certificates.services,
  at: new Date(cases.cases.find(({ name }) => name === 'verify: revoked').input.policy.at),
};

test('other revocation lists are another verifier', async () => {
  const verifier = new PeerVerifier(ofCases);
  const { spiffeId } = verifier.verifySync(cases.certificates.node);
  const revoking = verifier.withCrls([crl('revokes the node')]);
  const message = { code: 'PKI_CERTIFICATE_REVOKED' };
  assert.throws(() => revoking.verifySync(cases.certificates.node), message);
  await assert.rejects(revoking.verify(cases.certificates.node), message);
  assert.equal(verifier.verifySync(cases.certificates.node).spiffeId, spiffeId);
  // In place of those before; what is denied stays.
  const denying = revoking.withDenied({ identities: [spiffeId] });
  assert.throws(() => denying.verifySync(cases.certificates.node), message);
  const other = denying.withCrls([crl('revokes another')]);
  assert.throws(() => other.verifySync(cases.certificates.node), { code: 'PKI_IDENTITY_DENIED' });
  const good = revoking.withCrls([crl('revokes another')]);
  assert.equal((await good.verify(cases.certificates.node)).spiffeId, spiffeId);
});

test('how often lists have been replaced changes nothing', () => {
  let verifier = new PeerVerifier(ofCases);
  for (let rotation = 0; rotation < 60; rotation++) {
    verifier = verifier.withCrls([crl('revokes another')]).withDenied({});
  }
  // Short as before: it is worked out at once.
  assert.throws(() => verifier.withCrls([crl('forged')]), { code: 'PKI_CRL_INVALID' });
});

test('a list can be demanded', async () => {
  const demanding = new PeerVerifier({ ...ofCases, requireCrl: true });
  assert.throws(() => demanding.verifySync(cases.certificates.node), {
    code: 'PKI_REVOCATION_UNKNOWN',
  });
  demanding.withCrls([crl('revokes another')]).verifySync(cases.certificates.node);
  await refused('PKI_INVALID_ARGUMENT', { requireCrl: 'yes' }, /: requireCrl: .*boolean/);
});

test('a list that can have no effect is refused when the verifier is made, and why is said', async () => {
  const list = crl('revokes the node');
  const pem = `-----BEGIN X509 CRL-----\n${list.toString('base64')}\n-----END X509 CRL-----\n`;
  // Without the second time in it (RFC 5280 5.1.2.5): a tag, a length and 13 characters.
  const at = list.indexOf(Buffer.from([0x17, 13]), list.indexOf(Buffer.from([0x17, 13])) + 1);
  const endless = Buffer.concat([list.subarray(0, at), list.subarray(at + 15)]);
  assert.deepEqual([endless[1], endless[5]], [0x82, 0x81]);
  endless.writeUInt16BE(endless.readUInt16BE(2) - 15, 2);
  endless[6] -= 15;
  for (const [code, der, words] of [
    ['PKI_INVALID_POLICY', crl('of the transport CA'), /belongs to no anchor/],
    ['PKI_CRL_INVALID', crl('forged'), /./],
    ['PKI_CRL_INVALID', Buffer.from(pem), /it is PEM: give DER/],
    ['PKI_CRL_INVALID', endless, /no nextUpdate/],
  ]) {
    await failsWith(code, () => new PeerVerifier({ ...ofCases, crls: [der] }), words);
    await failsWith(code, () => new PeerVerifier(ofCases).withCrls([der]), words);
    await failsWith(code, verifyPeer(cases.certificates.node, { ...ofCases, crls: [der] }), words);
  }
});

test('the service types of anchors that do not say them are named by key identifier', async () => {
  // A hierarchy of the earlier package: intermediates without the extension.
  const backend = new NativeSigningBackend();
  const store = new SqliteCertificateStore();
  let root;
  for (const [type, subjectCN] of [
    ['root-ca', 'Root'],
    ['services-ca', 'Services'],
    ['transport-ca', 'Transport'],
  ]) {
    const { publicKey, privateKey } = await backend.generateKeyPair();
    const [notBefore, notAfter] = [Date.now() - 60_000, Date.now() + 300 * 86_400_000];
    const certificatePem = await backend.signCertificate({
      subjectCN,
      subjectPublicKey: publicKey,
      signingKey: root?.privateKey ?? privateKey,
      signingCert: root?.certificatePem,
      notBefore: new Date(notBefore),
      notAfter: new Date(notAfter),
      isCa: true,
      pathLenConstraint: root ? 0 : 1,
      keyUsage: { keyCertSign: true, crlSign: true },
    });
    const { serialNumber, raw } = new X509Certificate(certificatePem);
    const serial = serialNumber.toLowerCase();
    await store.saveCaCertificate({
      ...{ serial, type, commonName: subjectCN, certificatePem, notBefore, notAfter },
      fingerprint: await backend.computeFingerprint(raw),
      ...{ spiffeId: null, issuerSerial: root?.serial ?? null, status: 'active', createdAt: 0 },
      privateKeyPem: await backend.exportPrivateKeyPem(privateKey),
    });
    root ??= { privateKey, certificatePem, serial };
  }
  const legacy = new CertificateManager(store, backend, { trustDomain: TRUST_DOMAIN });
  await legacy.initialize();
  const leaf = await newSvid(legacy, 'node', 'a');
  const { servicesAnchors: anchors } = await legacy.getCaBundle();
  await refused('PKI_ANCHOR_REJECTED', { anchors }, /no service types/);
  // RFC 7093 or RFC 5280 4.2.1.2: whatever the CA has written there.
  const { raw } = new X509Certificate(anchors[0]);
  const at = raw.indexOf(Buffer.from([0x06, 3, 0x55, 0x1d, 0x0e]));
  const keyId = raw.subarray(at + 9, at + 9 + raw[at + 8]).toString('hex');
  for (const id of [keyId, keyId.toUpperCase()]) {
    const anchorServiceTypes = { [id]: ['node', 'auth'] };
    await takes(new PeerVerifier({ ...policy, anchors, anchorServiceTypes }), leaf);
  }
  const only = new PeerVerifier({ ...policy, anchors, anchorServiceTypes: { [keyId]: ['auth'] } });
  const { certificatePem } = leaf;
  await failsWith('PKI_SERVICE_TYPE_NOT_ALLOWED', only.verify(certificatePem));
  await refused('PKI_INVALID_POLICY', { anchors, anchorServiceTypes: { abcd: ['node'] } }, /abcd/);
  await refused('PKI_INVALID_POLICY', { anchors, anchorServiceTypes: { [keyId]: [] } });
  await refused(
    'PKI_INVALID_ARGUMENT',
    { anchors, anchorServiceTypes: { [keyId]: ['database'] } },
    /: anchorServiceTypes\./,
  );
});

test('algorithms beside P-384 are named, and what is none for a peer is refused', async () => {
  await takes(new PeerVerifier({ ...policy, algorithms: ['P-256', 'Ed25519'] }));
  await refused('PKI_INVALID_POLICY', { algorithms: ['RSA'] }, /RSA is no algorithm for an SVID/);
  await refused('PKI_INVALID_ARGUMENT', { algorithms: ['P256'] }, /: algorithms\.0: /);
});

test('a verifier keeps to the moment and the skew of its policy', async () => {
  const end = Date.parse(node.expiresAt);
  const later = { ...policy, at: new Date(end + 1_000) };
  await refuses('PKI_CERTIFICATE_EXPIRED', new PeerVerifier(later));
  await takes(new PeerVerifier({ ...later, skewSeconds: 60 }));
  await takes(new PeerVerifier({ ...later, skewSeconds: 60 }).withDenied({}));
});

test('many long lists at once', async () => {
  const calls = Array.from({ length: 12 }, async (_, at) => {
    const identities = [...ids(30_000, `l${at}`), ...(at % 2 === 0 ? [node.spiffeId] : [])];
    const calling = new PeerVerifier({ ...policy, denied: { identities } }).verify(der);
    return calling.then(
      () => 'taken',
      ({ code }) => code,
    );
  });
  assert.deepEqual(
    await Promise.all(calls),
    Array.from({ length: 12 }, (_, at) => (at % 2 === 0 ? 'PKI_IDENTITY_DENIED' : 'taken')),
  );
});

test('lists that nobody holds any more take no memory', async () => {
  // 50,000 IDs are 2.5 MB of text and some 10 MB worked out; 80 lists of them are 1 GB.
  const { code, stdout, stderr } = await runModule(`
    const manager = pki.CertificateManager.ephemeral({ trustDomain: 'mesh.example.com' });
    await manager.initialize();
    const key = await pki.generateKeyAndCsr('node', 'a', { trustDomain: 'mesh.example.com' });
    const { certificatePem } = await manager.signCSR({ csrPem: key.csrPem, serviceType: 'node', nodeId: 'a' });
    const { servicesAnchors: anchors } = await manager.getCaBundle();
    const id = (name) => 'spiffe://mesh.example.com/node/' + name + '.region-1.example.com';
    const all = Array.from({ length: 50_000 }, (_, at) => id('x-' + at));
    let verifier = new pki.PeerVerifier({
      anchors, trustDomain: 'mesh.example.com', segment: 'services', role: 'client',
    });
    const before = process.memoryUsage().rss;
    for (let time = 0; time < 80; time++) {
      const identities = all.with(time * 500, id('changed-' + time));
      verifier = await verifier.withDenied({ identities }).ready();
      await verifier.verify(certificatePem);
    }
    console.log((process.memoryUsage().rss - before) / 2 ** 20);
  `);
  assert.deepEqual([code, stderr], [0, '']);
  assert.ok(Number(stdout) < 350, `${stdout} MiB`);
});
