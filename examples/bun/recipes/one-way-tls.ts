// One-way TLS: the server shows who it is, the client shows nothing.
//
//   bun one-way-tls.ts
import { CertificateManager } from '@catalyst/pki';
import { obtainIdentity } from '../first-service/identity.ts';
import { clientTls } from '../first-service/mtls.ts';

const ca = CertificateManager.ephemeral({ trustDomain: 'demo.example.com' });
await ca.initialize();

// #region server
// The server: a key, and a certificate from the CA. `cert` is one PEM text, the certificate and
// then the CA that signed it.
const { key, cert, spiffeId } = await obtainIdentity(ca, 'auth', 'auth-a');
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  tls: { key, cert },
  fetch: () => new Response('Hello, whoever you are.'),
});
// #endregion

// #region client
// The client: it needs the CA's bundle, and the SPIFFE ID of the server that it wants.
const bundle = await ca.getCaBundle();
const response = await fetch(server.url, {
  tls: clientTls({ bundle }, spiffeId, (peer) => console.log(`reached ${peer.spiffeId}`)),
});
console.log(await response.text());
// #endregion

// #region by-name
// An ordinary client knows no SPIFFE IDs. It checks the DNS name in the certificate: here `auth-a`.
const anchors = bundle.servicesAnchors.join('');
const tls = { ca: anchors, allowPartialTrustChain: true, serverName: 'auth-a' };
const ordinary = await fetch(server.url, { tls });
console.log(`by DNS name: ${ordinary.status}`);
// #endregion

await server.stop();
await ca.shutdown();
