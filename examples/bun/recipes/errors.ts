// The usual mistakes with TLS in Bun: what they look like, what explainTlsError says of them, and
// that its advice works.
//
//   bun errors.ts
import { CertificateManager, explainTlsError } from '@catalyst/pki';
import { obtainIdentity } from '../first-service/identity.ts';
import { clientTls, serverTls } from '../first-service/mtls.ts';

const ca = CertificateManager.ephemeral({ trustDomain: 'demo.example.com' });
await ca.initialize();
const auth = await obtainIdentity(ca, 'auth', 'auth-a');
const node = await obtainIdentity(ca, 'node', 'node-a.example.com');
const other = await obtainIdentity(ca, 'node', 'node-b.example.com');
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  tls: serverTls(auth),
  fetch: () => new Response('Hello.'),
});
const right = clientTls(node, auth.spiffeId);

const mistakes = {
  'no ca: the public roots do not know our CA': { ...right, ca: undefined },
  'an intermediate as ca, which is enough for curl': { ...right, allowPartialTrustChain: false },
  'no key and cert, though the server asks for them': { ...right, key: undefined, cert: undefined },
  'the key of another': { ...right, key: other.key },
  'the host name is checked': { ...right, checkServerIdentity: undefined },
};

// #region explain
for (const [mistake, tls] of Object.entries(mistakes)) {
  try {
    await fetch(server.url, { tls });
  } catch (error) {
    const { kind, code, meaning, fix } = explainTlsError(error);
    console.log(`${mistake}\n  ${kind} (${code}): ${meaning}\n  ${fix}`);
  }
}
// #endregion

const response = await fetch(server.url, { tls: right });
console.log(`Without mistakes: ${await response.text()}`);
await server.stop();
await ca.shutdown();
