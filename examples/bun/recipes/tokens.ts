// Tokens that are of no use to a thief: each is bound to the certificate of its holder (RFC 8705).
//
//   bun tokens.ts
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { CertificateManager, PeerVerifier, PkiError, TokenIssuer } from '@catalyst/pki';
import { obtainIdentity, type Identity } from '../first-service/identity.ts';
import { clientTls, serverTls } from '../first-service/mtls.ts';

const ca = CertificateManager.ephemeral({ trustDomain: 'demo.example.com' });
await ca.initialize();
const auth = await obtainIdentity(ca, 'auth', 'auth-a');
const node = await obtainIdentity(ca, 'node', 'node-a.example.com');
const thief = await obtainIdentity(ca, 'node', 'node-b.example.com');

// #region mint
// On the store of the CA: who is denied loses its tokens too.
const issuer = await TokenIssuer.open({
  store: ca.getStore(),
  issuer: 'auth-a',
  trustDomain: ca.getTrustDomain(),
});
const { token } = await issuer.mint({
  subject: 'node-a.example.com',
  entity: { id: 'node-a.example.com', name: 'node-a', type: 'service' },
  principal: 'NODE',
  certificate: node.cert,
  expiresIn: '30m',
});
// #endregion

// #region verify
const { servicesAnchors, trustDomain } = auth.bundle;
const peerVerifier = new PeerVerifier({
  anchors: servicesAnchors,
  trustDomain,
  segment: 'services',
  role: 'client',
});
const http = createServer(async (request, response) => {
  const [, shown = ''] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? [];
  try {
    // The certificate of the handshake, never one that was sent along: TLS has seen its private key.
    const { sub } = await issuer.verify(shown, {
      peerCertificate: (request.socket as TLSSocket).getPeerCertificate(true).raw,
      peerVerifier,
      authorize: ({ principal }) => principal === 'CATALYST::NODE',
    });
    response.end(`Hello, ${sub}.`);
  } catch (error) {
    const isOurs = error instanceof PkiError;
    response.writeHead(isOurs ? error.status : 500).end(isOurs ? error.message : 'It failed.');
  }
});
const server = createTlsServer(serverTls(auth), (socket) => http.emit('connection', socket));
// #endregion
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function ask(what: string, identity: Identity, shown?: string) {
  const headers: Record<string, string> = { connection: 'close' };
  if (shown !== undefined) headers.authorization = `Bearer ${shown}`;
  const answer = await fetch(url, { tls: clientTls(identity, auth.spiffeId), headers });
  console.log(`${what}: ${answer.status} ${await answer.text()}`);
}

await ask('its holder', node, token);
await ask('a thief', thief, token);
await ask('without one', node);

// #region revoke
await issuer.revoke({ subject: 'node-a.example.com' });
// #endregion
await ask('revoked', node, token);

server.close();
http.close();
await issuer.close();
await ca.shutdown();
