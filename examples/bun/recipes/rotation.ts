// Rotation under load: 20 new certificates while 8 clients call in a loop, and no request is lost.
//
//   bun rotation.ts
import { X509Certificate } from 'node:crypto';
import { Agent, get } from 'node:https';
import { CertificateManager } from '@catalyst/pki';
import { obtainIdentity } from '../first-service/identity.ts';
import { call, clientTls, explain, serve } from '../first-service/mtls.ts';

const ROTATIONS = 20;
const ca = CertificateManager.ephemeral({ trustDomain: 'demo.example.com' });
await ca.initialize();
const connections = new Set<unknown>();

// #region rotate
// `serve` of first-service/mtls.ts is on node:tls, whose `setSecureContext` changes certificate and
// anchors for new connections. Those that are open go on, and no request is lost.
const first = await obtainIdentity(ca, 'auth', 'auth-a');
const server = await serve(
  first,
  'spiffe://demo.example.com/node/*',
  (peer, request) => {
    connections.add(request.socket);
    return `Hello, ${peer.instanceId}.`;
  },
  (reason) => console.log(`refused: ${reason}`),
);

/** A new key and a new certificate; in a service once `renewAfter` has come. Gives its serial number. */
async function rotate(): Promise<string> {
  const next = await obtainIdentity(ca, 'auth', 'auth-a');
  server.rotate(next);
  return new X509Certificate(next.cert).serialNumber.toLowerCase();
}
// #endregion

const node = await obtainIdentity(ca, 'node', 'node-a.example.com');
let [answered, lost, running] = [0, 0, true];

/** With a connection for each request, as `fetch` does where there is a `checkServerIdentity`. */
const anew = () => call(node, server.url, first.spiffeId, () => {});

// #region keep-alive
/**
 * On connections that are kept alive. Without `maxCachedSessions: 0` a new connection would resume an
 * earlier session, for which the server shows no certificate.
 */
const tls = clientTls(node, first.spiffeId);
const agent = new Agent({ keepAlive: true, maxCachedSessions: 0, ...tls });
const keptAlive = () =>
  new Promise<string>((resolve, reject) => {
    get(server.url, { agent, ...tls }, (response) => {
      let text = '';
      response.on('data', (data) => (text += data));
      response.on('end', () => resolve(text));
      response.on('error', reject);
    }).on('error', reject);
  });
// #endregion

async function client(request: () => Promise<string>): Promise<void> {
  while (running) {
    try {
      if ((await request()) !== 'Hello, node-a.example.com.') throw new Error('another answer');
      answered++;
    } catch (error) {
      lost++;
      console.log(`lost: ${explain(error)}`);
    }
  }
}
const clients = [anew, anew, anew, anew, keptAlive, keptAlive, keptAlive, keptAlive].map(client);

let shown = 0;
for (let rotation = 0; rotation < ROTATIONS; rotation++) {
  const serial = await rotate();
  await call(node, server.url, first.spiffeId, (peer) => (shown += Number(peer.serial === serial)));
  for (const enough = answered + 40; answered < enough && lost === 0;) await anew();
}
running = false;
await Promise.all(clients);
agent.destroy();
await server.stop();
await ca.shutdown();

console.log(`${ROTATIONS} rotations; ${shown} times the next caller was shown the new certificate`);
console.log(`${answered} requests answered, ${lost} lost, on ${connections.size} connections`);
if (lost > 0 || shown < ROTATIONS) process.exitCode = 1;
