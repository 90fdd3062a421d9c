// Clients with mutual TLS: `fetch` and `WebSocket`, each sure of whom it speaks to.
//
//   bun clients.ts
import { CertificateManager, explainTlsError } from '@catalyst/pki';
import { obtainIdentity } from '../first-service/identity.ts';
import { clientTls, serverTls } from '../first-service/mtls.ts';

const ca = CertificateManager.ephemeral({ trustDomain: 'demo.example.com' });
await ca.initialize();
const auth = await obtainIdentity(ca, 'auth', 'auth-a');
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  tls: serverTls(auth),
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('Hello.')),
  websocket: { message: (socket, text) => void socket.send(`You said: ${text}`) },
});

// #region fetch
const node = await obtainIdentity(ca, 'node', 'node-a.example.com');
const response = await fetch(server.url, { tls: clientTls(node, auth.spiffeId) });
console.log(`fetch: ${await response.text()}`);

// Another server than the expected one: the request is never sent.
try {
  await fetch(server.url, { tls: clientTls(node, 'spiffe://demo.example.com/auth/auth-b') });
} catch (error) {
  console.log(`fetch: ${explainTlsError(error).kind}: ${(error as Error).message}`);
}
// #endregion

// #region websocket
/** An open WebSocket to `expect`, or the reason why there is none. */
function open(expect: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    // Bun's WebSocket says only that the host name doesn't fit, whatever checkServerIdentity
    // returned. So the reason is kept here.
    let reason: Error | undefined;
    const refused = (error: Error) => (reason = error);
    const tls = clientTls(node, expect, undefined, refused);
    const socket = new WebSocket(server.url.href.replace('https', 'wss'), { tls });
    socket.onopen = () => resolve(socket);
    socket.onerror = (event) => reject(reason ?? event);
  });
}

const socket = await open(auth.spiffeId);
const answer = new Promise<string>(
  (resolve) => (socket.onmessage = (event) => resolve(event.data)),
);
socket.send('hello');
console.log(`WebSocket: ${await answer}`);
socket.close();

try {
  await open('spiffe://demo.example.com/auth/auth-b');
} catch (error) {
  console.log(`WebSocket: ${explainTlsError(error).kind}: ${(error as Error).message}`);
}
// #endregion

await server.stop(true);
await ca.shutdown();
