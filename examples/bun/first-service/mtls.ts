// Mutual TLS on the control plane. Both sides hold the peer's certificate against the Services CA,
// and then against the SPIFFE ID that they expect, with the package's own verifier.
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { PkiError, verifyPeer, verifyPeerSync, type PeerPolicy, type Svid } from '@catalyst/pki';
import type { Identity } from './identity.ts';

/** SSL_OP_NO_TICKET: a resumed session would let a client in without its certificate being looked at. */
const NO_TICKETS = 0x4000;

/** TLS options of either side: who we are, and whom we trust. */
function tlsOptions({ key, cert, bundle }: Identity) {
  return {
    key,
    cert,
    // The segment's intermediates and never the root: with the root among them an Envoy would be
    // let in, since it sends its own intermediate along.
    ca: bundle.servicesAnchors.join(''),
    // So that an intermediate can be the end of the chain.
    allowPartialTrustChain: true,
    rejectUnauthorized: true,
  };
}

function policyFor({ bundle }: Identity, role: PeerPolicy['role'], expect: string): PeerPolicy {
  const { servicesAnchors: anchors, trustDomain } = bundle;
  return { anchors, trustDomain, segment: 'services', role, expect };
}

export interface Server {
  url: string;
  stop(): Promise<void>;
}

/**
 * An HTTPS server whose handler knows its caller. On `node:tls`, because `Bun.serve` doesn't show a
 * handler the client's certificate.
 *
 * @param expect whose requests are answered: a SPIFFE ID or pattern
 * @param refused hears why a connection was refused
 */
export async function serve(
  identity: Identity,
  expect: string,
  handle: (peer: Svid, request: IncomingMessage) => string,
  refused: (reason: string) => void,
): Promise<Server> {
  const peers = new WeakMap<object, Svid>();
  const http = createHttpServer((request, response) => {
    const peer = peers.get(request.socket);
    if (peer === undefined) response.writeHead(403).end();
    else response.end(handle(peer, request));
  });
  const policy = policyFor(identity, 'client', expect);
  const tls = createTlsServer(
    { ...tlsOptions(identity), requestCert: true, secureOptions: NO_TICKETS },
    async (socket: TLSSocket) => {
      try {
        peers.set(socket, await verifyPeer(socket.getPeerCertificate(true).raw, policy));
        http.emit('connection', socket);
      } catch (error) {
        refused(explain(error));
        socket.destroy();
      }
    },
  );
  tls.on('tlsClientError', (error: NodeJS.ErrnoException) => refused(`TLS: ${explain(error)}`));
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(tls.address() as AddressInfo).port}`,
    stop: () => new Promise((resolve) => (tls.close(() => resolve()), http.close())),
  };
}

/** Calls a service. `met` hears who answered, before anything is sent. */
export async function call(
  identity: Identity,
  url: string,
  expect: string,
  met: (peer: Svid) => void,
): Promise<string> {
  const policy = policyFor(identity, 'server', expect);
  const response = await fetch(url, {
    keepalive: false,
    tls: {
      ...tlsOptions(identity),
      // In place of the host name, which says nothing here, the SPIFFE ID. It must be synchronous,
      // and must return what is wrong: anything but an Error approves.
      checkServerIdentity: (_host: string, certificate: { raw: Buffer }) => {
        try {
          met(verifyPeerSync(certificate.raw, policy));
          return undefined;
        } catch (error) {
          return error as Error;
        }
      },
    },
  } as RequestInit);
  return response.text();
}

/** What went wrong, in a line: the rule that failed if it was ours, else what TLS says. */
export function explain(error: unknown): string {
  if (error instanceof PkiError) return `${error.code}: ${error.message}`;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ECONNRESET') return 'the other side closed the connection (ECONNRESET)';
  return code === undefined ? message : `${message} (${code})`;
}
