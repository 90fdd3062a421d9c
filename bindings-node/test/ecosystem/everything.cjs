// What a user's test does with the package, with values of the realm that the test runs in and of
// another one: test runners give each file a realm of its own, and share some objects with Node's.
const assert = require('node:assert/strict');
const { X509Certificate } = require('node:crypto');
const vm = require('node:vm');

const trustDomain = 'mesh.example.com';

module.exports = async function everything(pki, { hasAsyncStacks = true } = {}) {
  const ca = pki.CertificateManager.ephemeral(elsewhere({ trustDomain }));
  await ca.initialize();
  const { csrPem, spiffeId } = await pki.generateKeyAndCsr('auth', 'auth-a', { trustDomain });
  const request = { csrPem, serviceType: 'auth', instanceId: 'auth-a' };
  // So many that the event loop looks for answers by itself.
  const [svid] = await Promise.all(Array.from({ length: 40 }, () => ca.signCSR(request)));

  const { raw } = new X509Certificate(svid.certificatePem);
  const policy = {
    anchors: (await ca.getCaBundle()).servicesAnchors,
    trustDomain,
    segment: 'services',
    role: 'client',
    expect: [spiffeId],
    denied: { identities: [], serials: [] },
    crls: [],
  };
  const bytes = vm.runInNewContext('Uint8Array.from(raw)', { raw: [...raw] });
  for (const chain of [raw, new Uint8Array(raw), bytes, [bytes], [svid.certificatePem]]) {
    for (const of of [policy, elsewhere(policy)]) {
      assert.equal((await pki.verifyPeer(chain, of)).spiffeId, spiffeId);
      const at = vm.runInNewContext('new Date(now)', { now: Date.now() });
      assert.equal(pki.verifyPeerSync(chain, { ...of, at }).spiffeId, spiffeId);
      const verifier = await new pki.PeerVerifier({ ...of, at }).ready();
      assert.equal((await verifier.verify(chain)).spiffeId, spiffeId);
    }
  }

  const backend = new pki.NativeSigningBackend();
  const { publicKey, privateKey } = await backend.generateKeyPair();
  const pem = await backend.exportPrivateKeyPem(privateKey);
  await backend.signCertificate({
    subjectCN: 'ours',
    subjectPublicKey: publicKey,
    signingKey: await backend.importPrivateKeyPem(pem),
    notBefore: new Date(),
    notAfter: vm.runInNewContext('new Date(end)', { end: Date.now() + 86_400_000 }),
    isCa: true,
    keyUsage: elsewhere({ keyCertSign: true }),
  });
  assert.equal(await backend.computeFingerprint(bytes), svid.fingerprint);

  const whose = elsewhere({ issuer: 'auth-a', trustDomain });
  const issuer = await pki.TokenIssuer.open({ ...whose, store: ca.getStore() });
  const entity = elsewhere({ id: 'auth-a', name: 'auth', type: 'service' });
  const minting = { subject: 'auth-a', entity, principal: 'NODE', certificate: bytes };
  const { token } = await issuer.mint(minting);
  const shown = { peerCertificate: bytes, peerVerifier: new pki.PeerVerifier(policy) };
  const jwks = elsewhere(await issuer.jwks());
  const elsewhereVerified = await pki.TokenVerifier.create({
    ...whose,
    audience: 'auth-a',
    serviceTypes: elsewhere(['auth']),
    jwks,
  });
  for (const verifier of [issuer, elsewhereVerified]) {
    assert.equal((await verifier.verify(token, shown)).sub, 'auth-a');
  }
  assert.equal(pki.certificateThumbprint(bytes), svid.fingerprint);

  await ca.denyIdentity(spiffeId, 'stolen');
  let error;
  try {
    await ca.signCSR(request);
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof pki.PkiError && error instanceof Error);
  assert.equal(error.code, 'PKI_IDENTITY_DENIED');
  if (hasAsyncStacks) assert.match(error.stack, /signCSR[^]*everything/);
  await ca.shutdown();
};

/** The same, of another realm. */
function elsewhere(value) {
  return vm.runInNewContext('JSON.parse(text)', { text: JSON.stringify(value) });
}
