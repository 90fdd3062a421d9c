import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { verifyPeer, verifyPeerSync } from '@catalyst/pki';
import { failsWith, newManager, newSvid, TRUST_DOMAIN } from './helpers.mjs';

const manager = await newManager();
const bundle = await manager.getCaBundle();
const node = await newSvid(manager, 'node', 'node-a.example.com');
const gateway = await newSvid(manager, 'gateway', 'gateway-a');
const envoy = await newSvid(manager, 'envoy/app', 'node-a.example.com');
const der = new Uint8Array(new X509Certificate(node.certificatePem).raw);
const policy = {
  anchors: bundle.servicesAnchors,
  trustDomain: TRUST_DOMAIN,
  segment: 'services',
  role: 'client',
};

/** Both functions, which must agree. */
async function verified(chain, given) {
  const svid = verifyPeerSync(chain, given);
  assert.deepEqual(await verifyPeer(chain, given), svid);
  return svid;
}

async function refused(code, chain, given, message) {
  const error = await failsWith(code, () => verifyPeerSync(chain, given), message);
  const later = await failsWith(code, verifyPeer(chain, given), message);
  assert.equal(later.message, error.message);
  return error;
}

test('a peer is named, in whatever form its chain comes', async () => {
  const expected = {
    spiffeId: node.spiffeId,
    trustDomain: TRUST_DOMAIN,
    serviceType: 'node',
    instanceId: 'node-a.example.com',
    fingerprint: node.fingerprint,
    serial: node.serial,
    notAfter: node.expiresAt,
    issuer: 'CN=Catalyst Services CA',
  };
  const [issuer] = node.chain;
  for (const chain of [
    node.certificatePem,
    der,
    Buffer.from(der),
    [der],
    [node.certificatePem, issuer],
    node.certificatePem + issuer,
    [der, new X509Certificate(issuer).raw],
    [node.certificatePem, ...node.chain],
  ]) {
    const { notBefore, issuerKeyId, ...svid } = await verified(chain, policy);
    assert.deepEqual(svid, expected);
    assert.ok(Date.parse(notBefore) < Date.now());
    assert.match(issuerKeyId, /^[0-9a-f]{40,}$/);
  }
  assert.equal(
    (await verified(der, { ...policy, anchors: bundle.servicesAnchors[0] })).serial,
    node.serial,
  );
});

test('trust is by segment', async () => {
  const transport = { ...policy, segment: 'transport', anchors: bundle.transportAnchors };
  assert.equal((await verified(envoy.certificatePem, transport)).serviceType, 'envoy/app');
  await refused('PKI_UNTRUSTED_ISSUER', [envoy.certificatePem, ...envoy.chain], policy);
  await refused('PKI_UNTRUSTED_ISSUER', [node.certificatePem, ...node.chain], transport);
});

test('the root is no anchor', async () => {
  await refused(
    'PKI_ANCHOR_REJECTED',
    der,
    { ...policy, anchors: bundle.servicesBundle },
    /root is never/,
  );
  await refused('PKI_INVALID_POLICY', der, { ...policy, anchors: [] }, /no anchors/);
});

test('the extended key usage must fit the role', async () => {
  await verified(gateway.certificatePem, { ...policy, role: 'server' });
  await refused('PKI_USAGE_NOT_ALLOWED', gateway.certificatePem, policy);
});

test('the peer must be the one that is expected', async () => {
  const expecting = (expect) => ({ ...policy, expect });
  for (const expect of [
    node.spiffeId,
    [gateway.spiffeId, node.spiffeId],
    `spiffe://${TRUST_DOMAIN}/node/*`,
    `spiffe://${TRUST_DOMAIN}/**`,
  ]) {
    await verified(der, expecting(expect));
  }
  for (const expect of [gateway.spiffeId, `spiffe://${TRUST_DOMAIN}/auth/*`]) {
    const error = await refused('PKI_UNEXPECTED_PEER', der, expecting(expect));
    assert.equal(error.status, 403);
  }
  await refused('PKI_FOREIGN_TRUST_DOMAIN', der, { ...policy, trustDomain: 'other.example.com' });
});

test('what is denied is refused', async () => {
  const { issuerKeyId } = await verified(der, policy);
  const denied = { identities: [node.spiffeId] };
  await refused('PKI_IDENTITY_DENIED', der, { ...policy, denied });
  const serials = [{ issuerKeyId, serial: node.serial }];
  await refused('PKI_SERIAL_DENIED', der, { ...policy, denied: { serials } });
  await verified(gateway.certificatePem, {
    ...policy,
    role: 'server',
    denied: { ...denied, serials },
  });
});

test('the moment counts', async () => {
  const end = Date.parse(node.expiresAt);
  await verified(der, { ...policy, at: new Date(end) });
  await refused('PKI_CERTIFICATE_EXPIRED', der, { ...policy, at: new Date(end + 1000) });
  await verified(der, { ...policy, at: new Date(end + 1000), skewSeconds: 60 });
  await refused('PKI_CERTIFICATE_NOT_YET_VALID', der, {
    ...policy,
    at: new Date(end - 86_400_000),
  });
});

test('a broken chain is refused', async () => {
  const changed = Uint8Array.from(der);
  changed[changed.length - 1] ^= 1;
  await refused('PKI_SIGNATURE_INVALID', changed, policy);
  await refused('PKI_MALFORMED_CERTIFICATE', der.subarray(0, -1), policy);
  await refused('PKI_MALFORMED_CERTIFICATE', [], policy);
  await refused('PKI_MALFORMED_CERTIFICATE', 'rubbish', policy);
  await refused('PKI_CA_USED_AS_LEAF', node.chain[0], policy);
});

test('a policy is known by its content, not by its object', async () => {
  const mutable = { ...policy, expect: [node.spiffeId] };
  await verified(der, mutable);
  mutable.expect[0] = gateway.spiffeId;
  await refused('PKI_UNEXPECTED_PEER', der, mutable);
  mutable.expect[0] = node.spiffeId;
  mutable.anchors = bundle.transportAnchors;
  await refused('PKI_ANCHOR_REJECTED', der, mutable);
  // More policies than are kept.
  for (let i = 0; i < 200; i++) {
    await verified(der, {
      ...policy,
      expect: [node.spiffeId, `spiffe://${TRUST_DOMAIN}/node/${i}`],
    });
  }
});

test('many verifications at once', async () => {
  const svids = await Promise.all(Array.from({ length: 500 }, () => verifyPeer(der, policy)));
  for (const { serial } of svids) assert.equal(serial, node.serial);
});
