// Mutual TLS with a handler that knows its caller: on `node:tls`, and on `node:http2`.
//
//   bun mutual-tls-caller.ts
import { connect, createSecureServer, type Http2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { CertificateManager, verifyPeerSync, type Svid } from '@catalyst/pki';
import { obtainIdentity } from '../first-service/identity.ts';
import { call, clientTls, explain, policyFor, serve, serverTls } from '../first-service/mtls.ts';

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
// The same for HTTP/2: a session is a connection, so the caller is verified once for all requests in it.
const callers = new WeakMap<Http2Session, Svid>();
const policy = policyFor(auth, 'client', 'spiffe://demo.example.com/node/*');
const http2 = createSecureServer(serverTls(auth));
http2.on('session', (session) => {
  try {
    const { raw } = (session.socket as TLSSocket).getPeerCertificate(true);
    callers.set(session, verifyPeerSync(raw, policy));
  } catch (error) {
    console.log(`HTTP/2 refused: ${explain(error)}`);
    session.destroy();
  }
});
http2.on('stream', (stream) => {
  const peer = stream.session && callers.get(stream.session);
  if (peer === undefined) return stream.close();
  stream.respond({ ':status': 200 });
  stream.end(`Hello, ${peer.instanceId}.`);
});
// #endregion

await new Promise<void>((resolve) => http2.listen(0, '127.0.0.1', resolve));
const url = `https://127.0.0.1:${(http2.address() as AddressInfo).port}`;
for (const identity of [node, orchestrator]) {
  const client = connect(url, clientTls(identity, auth.spiffeId) as object);
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
http2.close();
await ca.shutdown();
