// The first service: a certificate authority and two services that trust each other by it.
//
//   bun main.ts [folder]        the CA's database is kept there; demo-data by default
//
// Everything runs in this one process and listens on loopback only. Run it twice: the second run
// finds the CA of the first.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CertificateManager, verifyPeer } from '@catalyst/pki';
import { obtainIdentity } from './identity.ts';
import { call, explain, serve } from './mtls.ts';

const TRUST_DOMAIN = 'demo.example.com';
const folder = process.argv[2] ?? join(import.meta.dir, '../../../demo-data');
const certsDb = join(folder, 'certs.db');

const step = (title: string) => console.log(`\n${title}`);
const say = (text: string) => console.log(`   ${text}`);

step('1. The certificate authority');
mkdirSync(folder, { recursive: true, mode: 0o700 });
const known = existsSync(certsDb);
const ca = CertificateManager.fromConfig({
  trustDomain: TRUST_DOMAIN,
  provider: { type: 'local', certsDb },
});
const { rootFingerprint } = await ca.initialize();
const before = await ca.getStatus();
if (known) {
  say(`The database of an earlier run is used again: ${certsDb}`);
  say(`It has ${before.activeCertCount} certificates that are still valid.`);
} else {
  say(`A new one was made, with its database in ${certsDb}`);
}
say(`Trust domain ${TRUST_DOMAIN}, root ${rootFingerprint}`);
say(`${before.servicesCa?.commonName} signs for the control plane,`);
say(`${before.transportCa?.commonName} for the Envoy proxies. Status: ${before.status}.`);
for (const notice of before.notices) say(`Note: ${notice}.`);

step('2. Two services get their identities');
const orchestrator = await obtainIdentity(ca, 'orchestrator', 'node-a.example.com');
const auth = await obtainIdentity(ca, 'auth', 'auth-a');
for (const { spiffeId, expiresAt } of [orchestrator, auth]) {
  say(`${spiffeId}, valid until ${expiresAt}`);
}
say('Each made its own private key, which no one else has seen.');

step('3. They speak mutual TLS');
const refusals: string[] = [];
const server = await serve(
  auth,
  `spiffe://${TRUST_DOMAIN}/orchestrator/*`,
  (peer) => {
    say(`auth-a was called by     ${peer.spiffeId}`);
    return `Hello, ${peer.instanceId}.`;
  },
  (reason) => refusals.push(reason),
);
const answer = await call(orchestrator, server.url, auth.spiffeId, (peer) =>
  say(`the orchestrator reached ${peer.spiffeId}`),
);
say(`and was answered: ${answer}`);

step('4. Who is not expected is refused');
await expectFailure('the orchestrator, looking for another server,', () =>
  call(orchestrator, server.url, `spiffe://${TRUST_DOMAIN}/auth/auth-b`, () => {}),
);
const node = await obtainIdentity(ca, 'node', 'node-b.example.com');
await expectFailure('a node, which auth-a does not serve,', () =>
  call(node, server.url, auth.spiffeId, () => {}),
);

step('5. An Envoy proxy has no business on the control plane');
const envoy = await obtainIdentity(ca, 'envoy/app', 'node-a.example.com');
say(`${envoy.spiffeId} has a valid certificate, of the other CA.`);
await expectFailure('it calls auth-a and', () => call(envoy, server.url, auth.spiffeId, () => {}));
await expectFailure('its certificate, verified by itself,', () =>
  verifyPeer(envoy.cert, {
    anchors: envoy.bundle.servicesAnchors,
    trustDomain: TRUST_DOMAIN,
    segment: 'services',
    role: 'client',
  }),
);
await server.stop();
say('What auth-a noted of all these refusals:');
for (const reason of refusals) say(`  ${reason}`);

step('6. A denied identity gets no certificate');
const { expiringCerts } = await ca.denyIdentity(node.spiffeId, 'its disk was stolen');
say(`${node.spiffeId} is denied; ${expiringCerts.length} of its certificates have yet to expire.`);
await expectFailure('it asks for a new certificate and', () =>
  obtainIdentity(ca, 'node', 'node-b.example.com'),
);
await ca.allowIdentity(node.spiffeId);
const again = await obtainIdentity(ca, 'node', 'node-b.example.com');
say(`Allowed again, it gets one, valid until ${again.expiresAt}`);

const after = await ca.getStatus();
await ca.shutdown();
step(
  `Done. ${after.activeCertCount} certificates in the database are valid; a second run finds them there.`,
);

/** What must fail here; if it doesn't, the demonstration fails. */
async function expectFailure(who: string, action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    say(`${who} is refused: ${explain(error)}`);
    return;
  }
  throw new Error(`${who} was NOT refused`);
}
