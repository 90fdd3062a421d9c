// Certificates that no CA of ours would issue, servers and clients of every kind: for the tests of TLS.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import * as x509 from '@peculiar/x509';
import { newManager, newSvid } from './helpers.mjs';

export const LOCALHOST = [{ type: 'ip', value: '127.0.0.1' }];
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const HOUR = 3_600_000;

/**
 * A certificate made by hand: `{ key, cert }`, PEM. With `issuer` signed by that one, else by itself.
 * `from` and `until` are its validity, now ± 1 hour if left out; `pathLength` is how many CAs may follow below it; `extensions` are `{ oid, critical,
 * value }`, the value being DER.
 */
export async function handMade({
  issuer,
  ca = false,
  pathLength,
  names = ca ? [] : LOCALHOST,
  from = new Date(Date.now() - HOUR),
  until = new Date(Date.now() + HOUR),
  extensions = [],
  ...options
}) {
  const { privateKey, publicKey } = await webcrypto.subtle.generateKey(ALGORITHM, true, [
    'sign',
    'verify',
  ]);
  const name = options.name ?? 'CN=made by hand';
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: `01${randomBytes(8).toString('hex')}`,
    subject: name,
    issuer: issuer?.name ?? name,
    notBefore: from,
    notAfter: until,
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: issuer?.privateKey ?? privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(ca, pathLength, true),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      ...extensions.map(({ oid, critical, value }) => new x509.Extension(oid, critical, value)),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', privateKey);
  const key = `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`;
  return { name, privateKey, key, cert: `${certificate.toString('pem')}\n` };
}

/** A revocation list without entries, PEM. Its end may be as that of a certificate. */
export async function handMadeCrl(issuer, until = new Date(Date.now() + HOUR)) {
  const { rawData } = await x509.X509CrlGenerator.create({
    issuer: issuer.name,
    thisUpdate: new Date(Date.now() - 2 * HOUR),
    nextUpdate: until,
    signingAlgorithm: ALGORITHM,
    signingKey: issuer.privateKey,
    entries: [],
  });
  return `${x509.PemConverter.encode(rawData, 'X509 CRL')}\n`;
}

/** A CA of ours with its anchors, and an identity for each kind of peer. */
export async function newMesh() {
  const manager = await newManager();
  const bundle = await manager.getCaBundle();
  const identity = async (serviceType, instanceId) => {
    const svid = await newSvid(manager, serviceType, instanceId);
    const { privateKeyPem: key, certificatePem: leaf, chain, serial, spiffeId } = svid;
    return { key, leaf, chain, cert: leaf + chain[0], serial, spiffeId };
  };
  const [auth, node, envoy, gateway] = await Promise.all([
    identity('auth', 'auth-a'),
    identity('node', 'node-a.example.com'),
    identity('envoy/app', 'node-a.example.com'),
    identity('gateway', 'gateway-a'),
  ]);
  const anchors = bundle.servicesAnchors.join('');
  return {
    identity,
    auth,
    node,
    envoy,
    gateway,
    anchors,
    /** Intermediates and root. */
    withRoot: bundle.servicesBundle.join(''),
    root: bundle.servicesBundle.at(-1),
    /** How a server asks for certificates of the services segment. */
    asking: {
      ca: anchors,
      allowPartialTrustChain: true,
      requestCert: true,
      rejectUnauthorized: true,
    },
    /** How a client trusts that segment, whatever the name. */
    trusting: { ca: anchors, allowPartialTrustChain: true, checkServerIdentity: () => undefined },
  };
}

/** What ends servers when the test has ended, and says where they are. */
function server(t, port, stop) {
  t.after(stop);
  return { port, url: `https://127.0.0.1:${port}`, stop };
}

/** `Bun.serve` on HTTP and WebSocket; answers `in`. */
export function bunServer(t, options, fetch = () => new Response('in')) {
  const bun = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    tls: options,
    fetch: (request, server) => (server.upgrade(request) ? undefined : fetch(request, server)),
    websocket: { message() {} },
  });
  return { ...server(t, bun.port, () => bun.stop(true)), bun };
}

/** `node:tls`; answers one request with what `answer` makes of the connection. */
export async function tlsServer(t, options, answer = () => 'in') {
  const refused = [];
  const listener = tls.createServer(options, (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      const text = answer(socket);
      socket.end(
        `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
      );
    });
  });
  listener.on('tlsClientError', (error) => refused.push(error));
  await listening(listener);
  return { ...server(t, listener.address().port, () => listener.close()), listener, refused };
}

/** Listens on loopback on a port that is free. */
export function listening(listener) {
  return new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
}

/** Each calls a server, and gives its answer or fails with what the runtime says. */
export const clients = {
  fetch: async (url, options) => (await fetch(url, { keepalive: false, tls: options })).text(),

  WebSocket: (url, options) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url.replace('https', 'wss'), { tls: options });
      socket.onopen = () => (resolve('in'), socket.close());
      socket.onerror = reject;
    }),

  'node:tls': async (url, options) => (await tlsCall(url, options)).answer,

  'node:https': (url, options) =>
    new Promise((resolve, reject) => {
      const request = https.get(url, { agent: false, ...options }, (response) => {
        let text = '';
        response.on('data', (data) => (text += data));
        response.on('end', () => resolve(text));
      });
      request.on('error', reject);
    }),
};

/** A request by `node:tls`: `{ answer, session, serial }`, the serial number being the server's. */
export function tlsCall(url, options) {
  return new Promise((resolve, reject) => {
    let [text, session, serial] = [''];
    const socket = tls.connect({ host: '127.0.0.1', port: Number(new URL(url).port), ...options });
    socket.on('secureConnect', () => {
      serial = socket.getPeerCertificate().serialNumber?.toLowerCase();
      socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    });
    socket.on('session', (ticket) => (session = ticket));
    socket.on('data', (data) => (text += data));
    socket.on('error', reject);
    socket.on('close', () => {
      const [head, answer] = text.split('\r\n\r\n');
      if (head.startsWith('HTTP/1.1 200')) resolve({ answer, session, serial });
      else reject(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }));
    });
  });
}

/** What an action fails with. */
export async function failure(action) {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

/** A relay in front of a server, which keeps what the server sent on the last connection. */
export async function relay(t, port) {
  const seen = { bytes: Buffer.alloc(0) };
  const listener = net.createServer((client) => {
    let bytes = (seen.bytes = Buffer.alloc(0));
    const behind = net.connect(port, '127.0.0.1');
    behind.on('data', (data) => {
      bytes = Buffer.concat([bytes, data]);
      seen.bytes = bytes;
      client.write(data);
    });
    client.on('data', (data) => behind.write(data));
    client.on('close', () => behind.destroy()).on('error', () => {});
    behind.on('close', () => client.destroy()).on('error', () => {});
  });
  await listening(listener);
  return { ...server(t, listener.address().port, () => listener.close()), seen };
}
