// Mutual TLS with `Bun.serve`: only services of the mesh get in, but the handler doesn't see which.
//
//   bun mutual-tls.ts
import { CertificateManager } from '@catalyst/pki';
import { obtainIdentity } from '../first-service/identity.ts';
import { clientTls, serverTls } from '../first-service/mtls.ts';

const ca = CertificateManager.ephemeral({ trustDomain: 'demo.example.com' });
await ca.initialize();

// #region server
const auth = await obtainIdentity(ca, 'auth', 'auth-a');
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  tls: serverTls(auth),
  // Whoever gets here has a certificate of the Services CA. Bun doesn't say whose: neither
  // `request` nor `server` knows. Let the caller say who it is by a token, or use `node:tls`.
  fetch: () => new Response('Hello, service of the mesh.'),
});
// #endregion

// #region calls
const node = await obtainIdentity(ca, 'node', 'node-a.example.com');
const envoy = await obtainIdentity(ca, 'envoy/app', 'node-a.example.com');
for (const [who, side] of [
  ['a node', node],
  ['an Envoy', envoy],
  ['a client without certificate', { bundle: node.bundle }],
] as const) {
  try {
    const response = await fetch(server.url, { tls: clientTls(side, auth.spiffeId) });
    console.log(`${who}: ${await response.text()}`);
  } catch {
    console.log(`${who}: refused`);
  }
}
// #endregion

await server.stop();
await ca.shutdown();
