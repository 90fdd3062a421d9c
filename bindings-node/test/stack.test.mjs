// A rejection's stack says where the call was made, in whatever place of ours it went wrong.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CertificateManager,
  PeerVerifier,
  SqliteCertificateStore,
  TokenIssuer,
  TokenVerifier,
  generateKeyAndCsr,
  verifyPeer,
} from '@catalyst/pki';
import { folder, newManager, newSvid, TRUST_DOMAIN } from './helpers.mjs';

const manager = await newManager();
const svid = await newSvid(manager, 'node', 'a');
const { servicesAnchors } = await manager.getCaBundle();
const whose = { issuer: 'a', trustDomain: TRUST_DOMAIN };
const issuer = await TokenIssuer.open({ ...whose, store: manager.getStore() });
const tokenVerifier = await TokenVerifier.create({ ...whose, jwks: await issuer.jwks() });
await issuer.close();
const record = await manager.getStore().findBySerial(svid.serial);
const ca = await manager.getStore().loadCaCertificate('services-ca');
await manager.shutdown();
const noFolder = join(folder(), 'none/certs.db');

const policy = { anchors: servicesAnchors, segment: 'services', role: 'client' };

/** Arguments that are well-formed, so that the call gets to the addon's threads and fails there. */
const ARGUMENTS = {
  signCSR: [{ csrPem: svid.csrPem, serviceType: 'node', instanceId: 'a' }],
  denyIdentity: [svid.spiffeId, 'stolen'],
  allowIdentity: [svid.spiffeId],
  isDenied: [svid.spiffeId],
  saveCaCertificate: [ca],
  loadCaCertificate: ['services-ca'],
  loadAllCaCertificates: ['services-ca'],
  saveEndEntityCertificate: [record],
  findBySerial: [svid.serial],
  findByFingerprint: [svid.fingerprint],
  findBySpiffeId: [svid.spiffeId],
  markSuperseded: [svid.serial],
  purgeExpired: [0],
  mint: [{ subject: 'a', entity: { id: 'a', name: 'a', type: 'service' }, principal: 'NODE' }],
  verify: [
    'no.token.atall',
    {
      peerCertificate: svid.certificatePem,
      peerVerifier: new PeerVerifier({ ...policy, trustDomain: TRUST_DOMAIN }),
    },
  ],
  authenticate: ['no.token.atall'],
  inspect: ['no.token.atall'],
  revoke: [{ jti: 'a' }],
  withKeys: ['no keys'],
};

/** The asynchronous methods of an object's class that fail in it. */
function methodsOf(object, but) {
  const { prototype } = object.constructor;
  return Object.getOwnPropertyNames(prototype)
    .filter((name) => prototype[name].constructor.name === 'AsyncFunction' && !but.includes(name))
    .map((name) => [name, () => object[name](...(ARGUMENTS[name] ?? []))]);
}

const longAndWrong = {
  ...policy,
  trustDomain: TRUST_DOMAIN,
  anchors: svid.certificatePem,
  denied: { identities: Array.from({ length: 2_000 }, (_, at) => `${svid.spiffeId}-${at}`) },
};
const calls = [
  ...methodsOf(manager, ['shutdown']),
  ...methodsOf(new SqliteCertificateStore(noFolder), ['close']),
  ...methodsOf(issuer, ['close']),
  ...methodsOf(tokenVerifier, ['withRevoked']),
  ['open', () => TokenIssuer.open({ ...whose, db: noFolder })],
  ['create', () => TokenVerifier.create({ ...whose, jwks: 'no keys' })],
  [
    'initialize',
    () =>
      CertificateManager.fromConfig({
        provider: { type: 'local', certsDb: noFolder },
      }).initialize(),
  ],
  ['generateKeyAndCsr', () => generateKeyAndCsr('database', 'a')],
  [
    'verifyPeer',
    () => verifyPeer(svid.certificatePem, { ...policy, trustDomain: 'other.example.com' }),
  ],
  [
    'verifyPeer',
    () =>
      verifyPeer(svid.certificatePem, {
        ...policy,
        trustDomain: TRUST_DOMAIN,
        expect: `spiffe://${TRUST_DOMAIN}/node/b`,
      }),
  ],
  [
    'verify',
    () =>
      new PeerVerifier({ ...policy, trustDomain: 'other.example.com' }).verify(svid.certificatePem),
  ],
  // So long that it is worked out off the event loop, from the constructor on.
  ['ready', () => new PeerVerifier(longAndWrong).ready()],
  ['verify', () => new PeerVerifier(longAndWrong).verify(svid.certificatePem)],
];

for (const [name, call] of calls) {
  test(`the stack of ${name}`, async () => {
    async function issueForTenant() {
      await call();
    }
    await assert.rejects(issueForTenant, ({ code, stack }) => {
      assert.match(code, /^PKI_/);
      // The call of ours first, then the caller's.
      assert.match(stack, new RegExp(`\\b${name}\\b[^]*\\bissueForTenant\\b`));
      return true;
    });
  });
}

test('the calls are all there are', () => {
  assert.ok(calls.length > 40, `${calls.length}`);
});
