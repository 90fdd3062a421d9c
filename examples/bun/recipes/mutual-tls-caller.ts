// Mutual TLS with a handler that knows its caller: on `node:tls`, and on `node:http2`.
//
//   bun mutual-tls-caller.ts
import { connect } from 'node:http2';
import { CertificateManager } from '@catalyst/pki';
import { obtainIdentity } from '../first-service/identity.ts';
import { call, clientTls, serve, serveHttp2 } from '../first-service/mtls.ts';

const ca = CertificateManager.ephemeral({ trustDomain: 'demo.example.com' });
await ca.initialize();
const auth = await obtainIdentity(ca, 'auth', 'auth-a');
const node = await obtainIdentity(ca, 'node', 'node-a.example.com');
const orchestrator = await obtainIdentity(ca, 'orchestrator', 'node-a.example.com');

// #region http1
// Only nodes are served. `serve` is in first-service/mtls.ts.
const server = await serve(
  auth,
  'spiffe://demo.example.com/node/*',
  (peer) => `Hello, ${peer.instanceId}.`,
  (reason) => console.log(`HTTP/1.1 refused: ${reason}`),
);
console.log(`HTTP/1.1: ${await call(node, server.url, auth.spiffeId, () => {})}`);
await call(orchestrator, server.url, auth.spiffeId, () => {}).catch(() => {});
await server.stop();
// #endregion

// #region http2
// The same for HTTP/2.
const http2 = await serveHttp2(
  auth,
  'spiffe://demo.example.com/node/*',
  (peer) => `Hello, ${peer.instanceId}.`,
  (reason) => console.log(`HTTP/2 refused: ${reason}`),
);
// #endregion

for (const identity of [node, orchestrator]) {
  const client = connect(http2.url, clientTls(identity, auth.spiffeId) as object);
  const answer = await new Promise<string>((resolve) => {
    client.on('error', () => resolve('no answer'));
    const request = client.request({ ':path': '/' });
    let text = '';
    request.on('data', (data) => (text += data));
    request.on('error', () => resolve('no answer'));
    request.on('end', () => resolve(text || 'no answer'));
    request.end();
  });
  console.log(`HTTP/2: ${answer}`);
  client.destroy();
}
await http2.stop();
await ca.shutdown();
