// Policies over many verifications: known by what they say, quick where that is long, bounded.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { verifyPeer, verifyPeerSync } from '@catalyst/pki';
import { failsWith, newManager, newSvid, runModule, TRUST_DOMAIN } from './helpers.mjs';

const manager = await newManager();
const { servicesAnchors } = await manager.getCaBundle();
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
const deniedOnes = (count) =>
  Array.from({ length: count }, (_, at) => ({ issuerKeyId, serial: (at + 1).toString(16) }));

/** The middle of how long `action` holds the loop, ms, against noise of the machine. */
async function held(action, times = 15) {
  const took = [];
  for (let time = 0; time < times; time++) {
    const begin = performance.now();
    const answer = action(time);
    took.push(performance.now() - begin);
    await answer;
  }
  return took.sort((a, b) => a - b)[times >> 1];
}

test('a long list of what is denied costs little, known or new', async () => {
  const identities = ids(100_000);
  const long = { ...policy, denied: { identities } };
  await held(() => verifyPeer(der, long));
  // 50 ms and more where each is validated and written down; a few times 0.5 to 2 ms here.
  const known = await held(() => verifyPeer(der, long));
  assert.ok(known < 10, `known: ${known} ms`);
  const copied = await held(() =>
    verifyPeer(der, { ...policy, denied: { identities: identities.slice() } }),
  );
  assert.ok(copied < 10, `copied: ${copied} ms`);
  const another = await held((time) => verifyPeer(der, { ...long, skewSeconds: 1 + time }));
  assert.ok(another < 10, `another policy with the same list: ${another} ms`);
  const [last] = identities.splice(-1, 1, node.spiffeId);
  await failsWith('PKI_IDENTITY_DENIED', verifyPeer(der, long));
  identities.splice(-1, 1, last);
  assert.equal((await verifyPeer(der, long)).serial, node.serial);
});

test('what has been changed in a policy counts, wherever it is in it', async () => {
  const foreign = `spiffe://${TRUST_DOMAIN}/node/foreign`;
  const federated = { trustDomain: 'other.example.com', roots: [], allow: ['spiffe://x.y/**'] };
  const mutable = {
    ...policy,
    expect: [foreign, node.spiffeId],
    denied: { identities: ids(5_000), serials: deniedOnes(5_000) },
  };
  const good = async () => {
    assert.equal((await verifyPeer(der, mutable)).serial, node.serial);
    assert.equal(verifyPeerSync(der, mutable).serial, node.serial);
  };
  const bad = async (code) => {
    await failsWith(code, () => verifyPeerSync(der, mutable));
    await failsWith(code, verifyPeer(der, mutable));
  };
  await good();
  const { identities, serials } = mutable.denied;
  for (const at of [0, 2_345, 4_999]) {
    const before = identities[at];
    identities[at] = node.spiffeId;
    await bad('PKI_IDENTITY_DENIED');
    identities[at] = before;
    await good();
    const serial = serials[at].serial;
    serials[at].serial = node.serial;
    await bad('PKI_SERIAL_DENIED');
    serials[at].serial = serial;
    await good();
  }
  identities.push(node.spiffeId);
  await bad('PKI_IDENTITY_DENIED');
  identities.length -= 1;
  serials.unshift({ issuerKeyId, serial: node.serial });
  await bad('PKI_SERIAL_DENIED');
  serials.shift();
  mutable.expect[1] = other.spiffeId;
  await bad('PKI_UNEXPECTED_PEER');
  mutable.expect = node.spiffeId;
  await good();
  mutable.federated = [federated];
  await bad('PKI_MALFORMED_CERTIFICATE');
  mutable.federated = undefined;
  mutable.crls = [new Uint8Array([1])];
  await bad('PKI_CRL_INVALID');
  mutable.crls = [];
  mutable.role = 'server';
  await good();
  mutable.trustDomain = 'other.example.com';
  await bad('PKI_FOREIGN_TRUST_DOMAIN');
  mutable.trustDomain = TRUST_DOMAIN;
  await good();
});

test('a policy is read once, whatever it says the next time', async () => {
  let reads = 0;
  const once = (first, later) => (reads++ === 0 ? first : later);
  const denying = (identities) => ({ ...policy, denied: { identities } });
  verifyPeerSync(der, denying([other.spiffeId]));
  // An element that denies at first, and is then as in the policy that is known.
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
  await failsWith('PKI_IDENTITY_DENIED', () => verifyPeerSync(der, { ...policy, denied: lists }));
  assert.equal(reads, 1);
  // And one that uses another policy while it is read.
  const nested = denying(
    new Proxy([other.spiffeId], {
      get(target, name) {
        for (let at = 0; at < 70; at++) verifyPeerSync(der, { ...policy, skewSeconds: at });
        return Reflect.get(target, name);
      },
    }),
  );
  assert.equal(verifyPeerSync(der, nested).serial, node.serial);
});

test('a list that says another length each time is read once', async () => {
  const liar = (element, later) => {
    let asked = 0;
    return new Proxy([], {
      get: (target, name) =>
        name === 'length' ? (asked++ === 0 ? 1 : later) : name === '0' ? element : undefined,
      has: () => true,
    });
  };
  const begin = performance.now();
  for (const later of [30_000_000, Infinity, NaN, -1]) {
    const expected = { ...policy, expect: liar(node.spiffeId, later) };
    assert.equal(verifyPeerSync(der, expected).serial, node.serial);
    const denied = { identities: liar(node.spiffeId, later) };
    await failsWith('PKI_IDENTITY_DENIED', verifyPeer(der, { ...policy, denied }));
    const serials = liar({ issuerKeyId, serial: node.serial }, later);
    await failsWith('PKI_SERIAL_DENIED', verifyPeer(der, { ...policy, denied: { serials } }));
    assert.equal(verifyPeerSync(liar(node.certificatePem, later), policy).serial, node.serial);
  }
  assert.ok(performance.now() - begin < 2_000);
});

test('what is wrong in a list is said', async () => {
  const refused = async (denied, message) => {
    await failsWith('PKI_INVALID_ARGUMENT', verifyPeer(der, { ...policy, denied }), message);
    await failsWith(
      'PKI_INVALID_ARGUMENT',
      () => verifyPeerSync(der, { ...policy, denied }),
      message,
    );
  };
  const identities = ids(10);
  await refused(
    { identities: identities.with(3, 7) },
    /: denied\.identities\.3: .*expected string, received number$/,
  );
  await refused({ identities: new Array(2) }, /: denied\.identities\.0: .*received undefined$/);
  await refused({ identities: 'all' }, /: denied\.identities: .*expected array, received string$/);
  await refused({ serials: [{ issuerKeyId }] }, /: denied\.serials\.0\.serial: .*undefined$/);
  await refused({ serials: ['x'] }, /: denied\.serials\.0\.issuerKeyId: /);
  await refused({ serials: {} }, /: denied\.serials: .*expected array, received object$/);
  for (const denied of [null, 'x', [node.spiffeId], 1]) await refused(denied, /: denied: /);
  await refused(
    { identities: new Array(100_001) },
    /: denied\.identities: at most 100000 elements/,
  );
  await refused({ serials: new Array(100_001) }, /: denied\.serials: at most 100000 elements/);
  const long = new Array(100_000).fill(`spiffe://${TRUST_DOMAIN}/node/${'x'.repeat(200)}`);
  await refused({ identities: long }, /: denied: together at most \d+ characters are taken$/);
  for (const [change, message] of [
    [{ crls: 'x' }, /: crls: .*expected array/],
    [{ crls: ['x'] }, /: crls\.0: it must be a Uint8Array$/],
    [{ crls: [new Uint8Array(1_048_577)] }, /: crls\.0: at most 1048576 bytes are taken$/],
    [{ crls: new Array(9).fill(new Uint8Array(1_000_000)) }, /: crls: together at most \d+ bytes/],
    [{ anchors: new Array(1_001).fill('x') }, /: anchors: at most 1000 elements are taken$/],
    [
      { anchors: 'x'.repeat(5_000_000) },
      /: a policy is too long: at most \d+ characters are taken$/,
    ],
    [{ at: 'now' }, /: at: .*must be a Date/],
  ]) {
    await failsWith('PKI_INVALID_ARGUMENT', verifyPeer(der, { ...policy, ...change }), message);
  }
  for (const part of ['x'.repeat(65_537), new Uint8Array(65_537)]) {
    await failsWith('PKI_INVALID_ARGUMENT', verifyPeer(part, policy), /: chain: at most 65536 /);
  }
});

test('an entry with a line break in it is refused, not taken for two', async () => {
  const [one, two] = ids(2);
  for (const denied of [
    { identities: [`${one}\n${two}`] },
    { identities: [one, '', `${two}\n`] },
    { serials: [{ issuerKeyId: `${issuerKeyId}\n01`, serial: '02' }] },
    {
      serials: [
        { issuerKeyId, serial: '01\n02' },
        { issuerKeyId: '\n', serial: '\n' },
      ],
    },
  ]) {
    for (let time = 0; time < 2; time++) {
      await failsWith('PKI_INVALID_POLICY', verifyPeer(der, { ...policy, denied }), /line break/);
      await failsWith('PKI_INVALID_POLICY', () => verifyPeerSync(der, { ...policy, denied }));
    }
  }
});

test('many calls with new long policies at once, of which few are kept', async () => {
  const calls = Array.from({ length: 12 }, async (_, at) => {
    const identities = [...ids(30_000, `l${at}`), ...(at % 2 === 0 ? [node.spiffeId] : [])];
    const calling = verifyPeer(der, { ...policy, denied: { identities } });
    // The caller's list is its own again at once.
    identities.length = 0;
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

test('a list that changes all the time takes no memory of its own each time', async () => {
  // 50,000 IDs are 2.5 MB of text and some 10 MB worked out; 60 lists of them were over 1 GB.
  const { code, stdout, stderr } = await runModule(`
    const manager = pki.CertificateManager.ephemeral({ trustDomain: 'mesh.example.com' });
    await manager.initialize();
    const key = await pki.generateKeyAndCsr('node', 'a', { trustDomain: 'mesh.example.com' });
    const { certificatePem } = await manager.signCSR({ csrPem: key.csrPem, serviceType: 'node', nodeId: 'a' });
    const { servicesAnchors: anchors } = await manager.getCaBundle();
    const id = (name) => 'spiffe://mesh.example.com/node/' + name + '.region-1.example.com';
    const all = Array.from({ length: 50_000 }, (_, at) => id('x-' + at));
    const before = process.memoryUsage().rss;
    for (let time = 0; time < 80; time++) {
      const identities = all.with(time * 500, id('changed-' + time));
      await pki.verifyPeer(certificatePem, {
        anchors, trustDomain: 'mesh.example.com', segment: 'services', role: 'client', denied: { identities },
      });
    }
    console.log((process.memoryUsage().rss - before) / 2 ** 20);
  `);
  assert.deepEqual([code, stderr], [0, '']);
  assert.ok(Number(stdout) < 350, `${stdout} MiB`);
});
