// Mutual TLS on the control plane. Both sides hold the peer's certificate against the Services CA,
// and then against the SPIFFE ID that they expect, with the package's own verifier.
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createSecureServer, type Http2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { PeerVerifier, PkiError, type PeerPolicy, type Svid } from '@catalyst/pki';
import type { Identity } from './identity.ts';

/** Whom we trust and, unless we are a client that nobody asks, who we are. */
export type Side = Pick<Identity, 'bundle'> & Partial<Identity>;

// #region tls-options
/** TLS options of either side: who we are, and whom we trust. */
function tlsOptions({ key, cert, bundle }: Side) {
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

/** SSL_OP_NO_TICKET: a resumed session would let a client in without its certificate being looked at. */
const NO_TICKETS = 0x4000;

/** TLS options of a server, for `Bun.serve`, `node:tls` and `node:http2`. */
export function serverTls(identity: Identity) {
  return { ...tlsOptions(identity), requestCert: true, secureOptions: NO_TICKETS };
}
// #endregion

// #region client-tls
/**
 * TLS options of a client, for `fetch`, `WebSocket`, `node:tls`, `node:https` and `node:http2`.
 *
 * @param expect whose answer is wanted: a SPIFFE ID or pattern
 * @param met hears who is at the other end, before anything is sent
 * @param refused hears why the other end was refused; Bun's `WebSocket` says it nowhere else
 */
export function clientTls(
  side: Side,
  expect: string,
  met: (peer: Svid) => void = () => {},
  refused: (error: Error) => void = () => {},
) {
  const verifier = verifierFor(side, 'server', expect);
  return {
    ...tlsOptions(side),
    // In place of the host name, which says nothing here, the SPIFFE ID. It must be synchronous,
    // and must return the error: `undefined`, `null` and `false` approve.
    checkServerIdentity: (_host: string, certificate: { raw: Buffer }) => {
      try {
        met(verifier.verifySync(certificate.raw));
        return undefined;
      } catch (error) {
        refused(error as Error);
        return error as Error;
      }
    },
  };
}

/** Whom a peer is held against, worked out once for all of them. */
function verifierFor({ bundle }: Side, role: PeerPolicy['role'], expect: string): PeerVerifier {
  const { servicesAnchors: anchors, trustDomain } = bundle;
  return new PeerVerifier({ anchors, trustDomain, segment: 'services', role, expect });
}
// #endregion

export interface Server {
  url: string;
  /** From now on new connections get this certificate, and are held against its bundle. */
  rotate(identity: Identity): void;
  stop(): Promise<void>;
}

// #region serve
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
    // A connection may be kept alive for longer than its caller's certificate.
    if (peer === undefined || hasEnded(peer)) {
      response.writeHead(403, { connection: 'close' }).end();
    } else {
      response.end(handle(peer, request));
    }
  });
  let verifier = verifierFor(identity, 'client', expect);
  const tls = createTlsServer(serverTls(identity), async (socket: TLSSocket) => {
    // It may break while it is being verified, when nobody else listens yet.
    socket.on('error', () => socket.destroy());
    try {
      peers.set(socket, await verifier.verify(socket.getPeerCertificate(true).raw));
      http.emit('connection', socket);
    } catch (error) {
      refused(explain(error));
      socket.destroy();
    }
  });
  tls.on('tlsClientError', (error: NodeJS.ErrnoException) => refused(`TLS: ${explain(error)}`));
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(tls.address() as AddressInfo).port}`,
    rotate: (next) => {
      tls.setSecureContext(serverTls(next));
      verifier = verifierFor(next, 'client', expect);
    },
    stop: () => new Promise((resolve) => (tls.close(() => resolve()), http.close())),
  };
}

/** Whether the certificate of a peer, which was good when its connection began, has ended meanwhile. */
function hasEnded({ notAfter }: Svid): boolean {
  return Date.parse(notAfter) < Date.now();
}
// #endregion

// #region serve-http2
/** The same on HTTP/2, of which `node:http2` shows the client's certificate. */
export async function serveHttp2(
  identity: Identity,
  expect: string,
  handle: (peer: Svid) => string,
  refused: (reason: string) => void,
): Promise<Server> {
  const peers = new WeakMap<Http2Session, Svid>();
  let verifier = verifierFor(identity, 'client', expect);
  const http2 = createSecureServer(serverTls(identity));
  // A session is a connection: who calls is verified when it begins, before any request in it.
  http2.on('session', (session) => {
    try {
      const { raw } = (session.socket as TLSSocket).getPeerCertificate(true);
      peers.set(session, verifier.verifySync(raw));
    } catch (error) {
      refused(explain(error));
      session.destroy();
    }
  });
  http2.on('stream', (stream) => {
    // The caller may break it off, and nobody else listens.
    stream.on('error', () => stream.destroy());
    const peer = stream.session && peers.get(stream.session);
    // A session may last for longer than its caller's certificate.
    if (peer === undefined || hasEnded(peer)) {
      stream.respond({ ':status': 403 }, { endStream: true });
      stream.session?.close();
    } else {
      stream.respond({ ':status': 200 });
      stream.end(handle(peer));
    }
  });
  await new Promise<void>((resolve) => http2.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(http2.address() as AddressInfo).port}`,
    rotate: (next) => {
      http2.setSecureContext(serverTls(next));
      verifier = verifierFor(next, 'client', expect);
    },
    stop: () => new Promise((resolve) => http2.close(() => resolve())),
  };
}
// #endregion

/** Calls a service. `met` hears who answered, before anything is sent. */
export async function call(
  identity: Identity,
  url: string,
  expect: string,
  met: (peer: Svid) => void,
): Promise<string> {
  const tls = clientTls(identity, expect, met);
  const response = await fetch(url, { keepalive: false, tls } as RequestInit);
  return response.text();
}

/** What went wrong, in a line: the rule that failed if it was ours, else what TLS says. */
export function explain(error: unknown): string {
  if (error instanceof PkiError) return `${error.code}: ${error.message}`;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ECONNRESET') return 'the other side closed the connection (ECONNRESET)';
  return code === undefined ? message : `${message} (${code})`;
}
