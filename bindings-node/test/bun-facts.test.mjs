// What Bun's TLS does, measured. Our recipes and helpers are built on it, so each test that fails
// says which fact has changed and what to think over. Where a fact is of Node, Node runs it too.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { createRequire } from 'node:module';
import net from 'node:net';
import { join } from 'node:path';
import { before, test } from 'node:test';
import tls from 'node:tls';
import { folder, isBun, run, runModule } from './helpers.mjs';
import {
  bunServer,
  clients,
  failure,
  handMade,
  listening,
  newMesh,
  relay,
  tlsCall,
  tlsServer,
} from './tls.mjs';

const NO_TICKETS = 0x4000;
const runtime = isBun ? `Bun ${process.versions.bun}` : `Node ${process.versions.node}`;
/** What a property that shows a client's certificate would be called like. */
const TELLING = /^(?!.*(?:keepalive|referrer)).*(?:peer|cert|tls|authorized|x509)/i;

let mesh;
before(async () => (mesh = await newMesh()));

/**
 * A fact and what it bears on.
 *
 * @param where 'Bun', or 'both' where Node is alike
 */
function fact(where, what, reconsider, body) {
  const skip = where === 'Bun' && !isBun && 'a fact of Bun';
  test(what, { skip }, async (t) => {
    try {
      await body(t);
    } catch (cause) {
      const changed = `${runtime} behaves otherwise: "${what}". Reconsider: ${reconsider}`;
      throw new Error(`${changed}\n${cause.message}`, { cause });
    }
  });
}

/** Asserts that the call is let in, or that it isn't. */
async function letIn(call, answer = 'in') {
  assert.equal(await call, answer);
}
async function keptOut(call) {
  const error = await failure(() => call);
  const codes = /^(?:ECONNRESET|EPROTO|EPIPE|ERR_SSL_\w+_ALERT_\w+)$/;
  assert.match(error.code ?? error.error?.code, codes, error.message);
}
const as = ({ key, cert }) => ({ ...mesh.trusting, key, cert });

fact(
  'Bun',
  'server.reload swaps the handler and keeps the certificate',
  'recipe "rotation": reload may have become the way to rotate Bun.serve',
  async (t) => {
    const next = await mesh.identity('auth', 'auth-a');
    const { bun, url } = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert });
    const serialShown = async () => (await tlsCall(url, mesh.trusting)).serial;
    assert.equal(await serialShown(), mesh.auth.serial);
    bun.reload({ tls: { key: next.key, cert: next.cert }, fetch: () => new Response('swapped') });
    await letIn(clients.fetch(url, mesh.trusting), 'swapped');
    assert.equal(await serialShown(), mesh.auth.serial);
  },
);

fact(
  'Bun',
  'server.reload keeps the trusted CAs',
  'recipe "rotation": reload may have become the way to change the anchors of Bun.serve',
  async (t) => {
    const { bun, url } = bunServer(t, { ...as(mesh.auth), ...mesh.asking });
    const other = await newMesh();
    const options = { ...as(mesh.auth), ...mesh.asking, ca: other.anchors };
    bun.reload({ tls: options, fetch: () => new Response('in') });
    await letIn(clients.fetch(url, as(mesh.node)));
    await keptOut(clients.fetch(url, { ...other.node, ...mesh.trusting }));
  },
);

fact(
  'Bun',
  'nothing that a handler of Bun.serve gets shows the client certificate',
  'recipe "mutual TLS": Bun.serve may be enough where the caller must be known',
  async (t) => {
    const named = (object) => {
      const names = new Set();
      for (let at = object; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
        for (const name of Reflect.ownKeys(at)) names.add(String(name));
      }
      return [...names].filter((name) => TELLING.test(name));
    };
    const options = { ...as(mesh.auth), ...mesh.asking };
    const opened = Promise.withResolvers();
    const bun = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      tls: options,
      fetch: (request, server) =>
        server.upgrade(request) ? undefined : Response.json([named(request), named(server)]),
      websocket: { open: (socket) => opened.resolve(named(socket)), message() {} },
    });
    t.after(() => bun.stop(true));
    const url = `https://127.0.0.1:${bun.port}`;
    await letIn(clients.fetch(url, as(mesh.node)), '[[],[]]');
    await clients.WebSocket(url, as(mesh.node));
    assert.deepEqual(await opened.promise, []);
    // The search finds what there is.
    assert.deepEqual(named({ peerCertificate: 1, keepalive: 1 }), ['peerCertificate']);
  },
);

fact(
  'Bun',
  'node:https in Bun does not show the client certificate',
  'recipe "mutual TLS": node:https may be used in place of node:tls with node:http',
  async (t) => {
    const seen = [];
    const options = { ...as(mesh.auth), ...mesh.asking, ca: mesh.withRoot };
    const listener = https.createServer(options, ({ socket }, response) => {
      seen.push(typeof socket.getPeerCertificate);
      response.end('in');
    });
    t.after(() => listener.close());
    await listening(listener);
    await letIn(clients.fetch(`https://127.0.0.1:${listener.address().port}`, as(mesh.node)));
    assert.deepEqual(seen, ['undefined']);
  },
);

fact(
  'Bun',
  'node:tls and node:http2 show the client certificate',
  'recipe "mutual TLS" and examples/bun/first-service: they read it with getPeerCertificate(true).raw',
  async (t) => {
    const { raw } = new X509Certificate(mesh.node.leaf);
    const show = (socket) => String(socket.getPeerCertificate(true).raw.equals(raw));
    const options = { ...as(mesh.auth), ...mesh.asking };
    const { url } = await tlsServer(t, options, show);
    await letIn(clients.fetch(url, as(mesh.node)), 'true');

    const listener = http2.createSecureServer(options);
    t.after(() => listener.close());
    await listening(listener);
    const session = once(listener, 'session');
    const client = http2.connect(`https://127.0.0.1:${listener.address().port}`, as(mesh.node));
    t.after(() => client.destroy());
    assert.equal(show((await session)[0].socket), 'true');
  },
);

fact(
  'both',
  'with intermediates and root as anchors an Envoy is let in on the control plane',
  'nothing; the rule "anchors are intermediates only" may have become one of two',
  async (t) => {
    for (const allowPartialTrustChain of [false, true]) {
      const options = {
        ...as(mesh.auth),
        ...mesh.asking,
        ca: mesh.withRoot,
        allowPartialTrustChain,
      };
      const { url } = await tlsServer(t, options);
      await letIn(clients['node:tls'](url, as(mesh.envoy)));
      if (isBun) await letIn(clients.fetch(bunServer(t, options).url, as(mesh.envoy)));
    }
  },
);

fact(
  'Bun',
  'allowPartialTrustChain works in Bun.serve, node:tls, fetch and WebSocket: by it the segments are kept apart',
  'everything that sets it: without it intermediates are no anchors in Bun, and the root must not be one',
  async (t) => {
    const options = { ...as(mesh.auth), ...mesh.asking };
    const servers = [bunServer(t, options), await tlsServer(t, options)];
    for (const { url } of servers) {
      for (const client of ['fetch', 'node:tls', 'node:https']) {
        await letIn(clients[client](url, as(mesh.node)));
        await keptOut(clients[client](url, as(mesh.envoy)));
        await keptOut(clients[client](url, mesh.trusting));
      }
    }
    await letIn(clients.WebSocket(servers[0].url, as(mesh.node)));
    await keptOut(clients.WebSocket(servers[0].url, as(mesh.envoy)));
    await keptOut(clients.WebSocket(servers[0].url, mesh.trusting));
    for (const client of Object.values(clients)) {
      const without = { ...as(mesh.node), allowPartialTrustChain: false };
      const error = await failure(() => client(servers[0].url, without));
      assert.equal(error.code ?? error.error.code, 'UNABLE_TO_GET_ISSUER_CERT');
    }
  },
);

fact(
  'both',
  'servers of node:https in Bun and all servers in Node ignore allowPartialTrustChain',
  'recipe "mutual TLS": node:https in Bun, and Node, may be as good as node:tls in Bun now',
  async (t) => {
    const options = { ...as(mesh.auth), ...mesh.asking };
    const listener = https.createServer(options, (_, response) => response.end('in'));
    t.after(() => listener.close());
    await listening(listener);
    await keptOut(tlsCall(`https://127.0.0.1:${listener.address().port}`, as(mesh.node)));
    if (isBun) return;

    await keptOut(tlsCall((await tlsServer(t, options)).url, as(mesh.node)));
    const SNICallback = (_, answer) => answer(null, tls.createSecureContext(options));
    const { url } = await tlsServer(t, { ...options, SNICallback });
    const byName = (identity) => tlsCall(url, { ...as(identity), servername: 'auth-a' });
    assert.equal((await byName(mesh.node)).answer, 'in');
    await keptOut(byName(mesh.envoy));
    // It hears of clients only that send a name, which nobody does who calls an address.
    await keptOut(tlsCall(url, as(mesh.node)));
  },
);

fact(
  'both',
  'ca and rejectUnauthorized without requestCert let anybody in',
  'serverTls in examples/bun/first-service: it sets all three',
  async (t) => {
    const options = { ...as(mesh.auth), ...mesh.asking, requestCert: undefined };
    await letIn(clients['node:tls']((await tlsServer(t, options)).url, mesh.trusting));
    if (isBun) await letIn(clients.fetch(bunServer(t, options).url, mesh.trusting));
  },
);

fact(
  'Bun',
  "ca: [], null and undefined mean the runtime's own roots, for servers and clients",
  'explainTlsError, kind issuer-unknown, which says so; helpers refuse empty anchors because of it',
  async () => {
    const root = join(folder(), 'root.pem');
    writeFileSync(root, mesh.root);
    const { auth, envoy } = mesh;
    const source = (ca) => `
      const { auth, envoy } = JSON.parse(process.env.IDENTITIES);
      const server = Bun.serve({
        port: 0, hostname: '127.0.0.1', fetch: () => new Response('in'),
        tls: { key: auth.key, cert: auth.cert, ca: ${ca}, requestCert: true, rejectUnauthorized: true },
      });
      const tls = { ca: ${ca}, checkServerIdentity() {}, key: envoy.key, cert: envoy.cert };
      console.log(await fetch(server.url, { tls }).then((r) => r.text(), (e) => e.code));
      server.stop(true);
    `;
    for (const ca of ['[]', 'null', 'undefined']) {
      const env = { IDENTITIES: JSON.stringify({ auth, envoy }) };
      // The runtime's own roots, with ours added to them: everybody of the mesh is let in.
      const added = await runModule(source(ca), { env: { ...env, NODE_EXTRA_CA_CERTS: root } });
      assert.deepEqual([added.stdout, added.stderr], ['in\n', ''], ca);
      const alone = await runModule(source(ca), { env });
      assert.equal(alone.stdout, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY\n', ca);
    }
  },
);

fact(
  'both',
  'with session tickets a client comes in again without a certificate, or with one that would be refused',
  'NO_TICKETS in serverTls, examples/bun/first-service: it is there for this',
  async (t) => {
    // Node trusts intermediates only by SNICallback; for this fact the root does as well.
    const options = { ...as(mesh.auth), ...mesh.asking, ca: mesh.withRoot };
    const expired = await handMade({ until: new Date('2020-02-01'), from: new Date('2020-01-01') });
    const known = (socket) =>
      `${socket.isSessionReused()} ${socket.getPeerCertificate().subjectaltname}`;
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
      const { url } = await tlsServer(t, options, known);
      const { answer, session } = await tlsCall(url, { ...as(mesh.node), maxVersion });
      assert.match(answer, /^false URI:/);
      for (const again of [{}, { key: expired.key, cert: expired.cert }]) {
        const resumed = await tlsCall(url, { ...mesh.trusting, ...again, session, maxVersion });
        assert.equal(resumed.answer, answer.replace('false', 'true'));
      }
      // What the server would do with them, without the ticket.
      await keptOut(tlsCall(url, { ...mesh.trusting, maxVersion }));
      await keptOut(tlsCall(url, { ...as(expired), maxVersion }));

      const safe = await tlsServer(t, { ...options, secureOptions: NO_TICKETS }, known);
      const first = await tlsCall(safe.url, { ...as(mesh.node), maxVersion });
      const { session: none } = first;
      await keptOut(tlsCall(safe.url, { ...mesh.trusting, session: none, maxVersion }));
    }
  },
);

fact(
  'Bun',
  'Bun.serve resumes sessions too, for two days; not with secureOptions: SSL_OP_NO_TICKET',
  'NO_TICKETS in serverTls, examples/bun/first-service',
  async (t) => {
    const options = { ...as(mesh.auth), ...mesh.asking };
    const { url, port } = bunServer(t, options);
    const { session } = await tlsCall(url, as(mesh.node));
    await letIn(clients['node:tls'](url, { ...mesh.trusting, session }));
    await keptOut(clients['node:tls'](url, mesh.trusting));

    const pem = join(folder(), 'node.pem');
    writeFileSync(pem, mesh.node.cert + mesh.node.key);
    const seconds = () => Math.floor(Date.now() / 1000);
    const before = seconds();
    const { stdout } = await run(
      [
        's_client',
        '-connect',
        `127.0.0.1:${port}`,
        '-tls1_3',
        '-cert',
        pem,
        '-key',
        pem,
        '-ign_eof',
      ],
      { command: 'openssl', input: 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' },
    );
    // BoringSSL counts from the handshake's begin: less by each second that begins before the ticket.
    const passed = seconds() - before;
    const hint = Number(/lifetime hint: (\d+) \(seconds\)/.exec(stdout)?.[1]);
    assert.ok(hint <= 172_800 && hint >= 172_800 - passed, `${hint} s, ${passed} s passed`);

    const safe = bunServer(t, { ...options, secureOptions: NO_TICKETS });
    const first = await tlsCall(safe.url, as(mesh.node));
    assert.equal(first.session, undefined);
    await keptOut(tlsCall(safe.url, { ...mesh.trusting, session }));
  },
);

fact(
  'Bun',
  'fetch resumes to a server whose certificate has expired; with checkServerIdentity it does not',
  'clientTls in examples/bun/first-service: always with checkServerIdentity, because of this',
  async (t) => {
    const ca = await handMade({ name: 'CN=a CA', ca: true });
    const good = await handMade({ issuer: ca });
    const from = new Date('2020-01-01');
    const expired = await handMade({ issuer: ca, from, until: new Date('2020-02-01') });
    const server = await swappingServer(t);
    for (const checkServerIdentity of [undefined, () => undefined]) {
      await server.show(good);
      const options = { ca: ca.cert, checkServerIdentity };
      const resumed = async () => (await clients.fetch(server.url, options)) === 'resumed';
      // Bun keeps one session, and doesn't always have it at hand.
      let seen = false;
      for (let i = 0; i < 20 && !seen; i++) seen = await resumed();
      assert.equal(seen, checkServerIdentity === undefined);
      // The session of a full handshake is taken by the next call.
      while (seen && (await resumed()));
      await server.show(expired);
      if (seen) assert.equal(await resumed(), true);
      const error = await failure(resumed);
      assert.equal(error.code, 'CERT_HAS_EXPIRED');
    }
  },
);

fact(
  'Bun',
  'fetch with checkServerIdentity makes a connection for each request',
  'the cookbook, which says what it costs; and whether a kept connection is checked again for another expected peer',
  async (t) => {
    const connections = new Set();
    const bun = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert }, (request, server) => {
      connections.add(server.requestIP(request).port);
      return new Response('in');
    });
    const get = async (options) => (await fetch(bun.url, { tls: options })).text();
    let checks = 0;
    const checkServerIdentity = () => void checks++;
    for (let i = 0; i < 3; i++) await get({ ...mesh.trusting, checkServerIdentity });
    assert.deepEqual([connections.size, checks], [3, 3]);
    connections.clear();
    const { ca, allowPartialTrustChain } = mesh.trusting;
    for (let i = 0; i < 3; i++) await get({ ca, allowPartialTrustChain, serverName: 'auth-a' });
    assert.equal(connections.size, 1);
  },
);

fact(
  'both',
  'an Agent of node:https resumes sessions, unless maxCachedSessions is 0',
  'recipe "rotation", which sets it: on a resumed connection the server shows no certificate',
  async (t) => {
    const { url } = await tlsServer(t, as(mesh.auth), (socket) => String(socket.isSessionReused()));
    for (const [options, expected] of [
      [{}, ['false', 'true']],
      [{ maxCachedSessions: 0 }, ['false', 'false']],
    ]) {
      const agent = new https.Agent({ ...mesh.trusting, ...options });
      const ask = () => clients['node:https'](url, { ...mesh.trusting, agent });
      assert.deepEqual([await ask(), await ask()], expected);
    }
  },
);

fact(
  'Bun',
  'checkServerIdentity replaces the check of the host name, and gets the certificate as DER',
  'clientTls in examples/bun/first-service: it gives certificate.raw to verifyPeerSync',
  async (t) => {
    const { url } = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert });
    const { raw } = new X509Certificate(mesh.auth.leaf);
    const { ca, allowPartialTrustChain } = mesh.trusting;
    for (const [name, client] of Object.entries(clients)) {
      const error = await failure(() => client(url, { ca, allowPartialTrustChain }));
      assert.equal(error.code ?? error.error.code, 'ERR_TLS_CERT_ALTNAME_INVALID', name);
      const seen = [];
      const checkServerIdentity = (host, certificate) => void seen.push([host, certificate.raw]);
      await letIn(client(url, { ca, allowPartialTrustChain, checkServerIdentity }));
      assert.deepEqual(seen, [['127.0.0.1', raw]], name);
    }
  },
);

fact(
  'Bun',
  'checkServerIdentity approves by undefined, null and false, and must be synchronous',
  'clientTls in examples/bun/first-service, and the example of verifyPeerSync: they return the error',
  async (t) => {
    const { url } = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert });
    const refusal = new Error('refused on purpose');
    for (const [name, client] of Object.entries(clients)) {
      const checking = (checkServerIdentity) =>
        client(url, { ...mesh.trusting, checkServerIdentity });
      for (const approval of [undefined, null, false]) await letIn(checking(() => approval));
      const error = await failure(() => checking(() => refusal));
      if (name !== 'WebSocket') assert.equal(error, refusal);
    }
    for (const client of [clients.fetch, clients.WebSocket]) {
      const checkServerIdentity = async () => undefined;
      await failure(() => client(url, { ...mesh.trusting, checkServerIdentity }));
    }
  },
);

fact(
  'Bun',
  'WebSocket hides what checkServerIdentity returned behind ERR_TLS_CERT_ALTNAME_INVALID',
  'clientTls in examples/bun/first-service and the cookbook, which keep the reason by themselves; explainTlsError, kind name-mismatch',
  async (t) => {
    const { url } = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert });
    const checkServerIdentity = () => new Error('refused on purpose');
    const event = await failure(() =>
      clients.WebSocket(url, { ...mesh.trusting, checkServerIdentity }),
    );
    assert.equal(event.error.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
    assert.doesNotMatch(event.message, /on purpose/);
  },
);

fact(
  'Bun',
  'an error that is thrown in checkServerIdentity, not returned, is uncaught where a WebSocket calls it',
  'the example of verifyPeerSync and clientTls in examples/bun/first-service, which return it',
  async () => {
    const { key, cert } = mesh.auth;
    const { code, stdout, stderr } = await runModule(
      `
      const server = Bun.serve({
        port: 0, hostname: '127.0.0.1', fetch: () => new Response('in'),
        tls: JSON.parse(process.env.IDENTITY),
      });
      const checkServerIdentity = () => { throw new Error('on purpose'); };
      const tls = { ca: process.env.CA, allowPartialTrustChain: true, checkServerIdentity };
      const socket = new WebSocket('wss://127.0.0.1:' + server.port, { tls });
      socket.onopen = () => console.log('open');
      socket.onclose = () => server.stop(true);
      `,
      { env: { IDENTITY: JSON.stringify({ key, cert }), CA: mesh.anchors } },
    );
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /on purpose/);
  },
);

fact(
  'both',
  isBun
    ? 'issuerCertificate is the next certificate that the peer sent, whoever it is'
    : 'issuerCertificate is the one that signed',
  'nothing: it is never read, the issuer is what verified the signature',
  async (t) => {
    const options = { ...as(mesh.auth), ...mesh.asking, ca: mesh.withRoot };
    const issuer = (socket) => socket.getPeerCertificate(true).issuerCertificate.subject.CN;
    const { url } = await tlsServer(t, options, issuer);
    // Its own certificate, and then one that has nothing to do with it.
    const forged = { ...as(mesh.node), cert: mesh.node.leaf + mesh.envoy.chain[0] };
    const { answer } = await tlsCall(url, forged);
    assert.equal(answer, isBun ? 'Catalyst Transport CA' : 'Catalyst Services CA');
  },
);

fact(
  'Bun',
  'cert as an array of leaf and intermediate throws; one PEM text works',
  'obtainIdentity in examples/bun/first-service, and explainTlsError, kind chain-as-list',
  async (t) => {
    const { key, leaf, chain, cert } = mesh.auth;
    const asArray = { key, cert: [leaf, chain[0]] };
    for (const open of [() => bunServer(t, asArray), () => tls.createSecureContext(asArray)]) {
      assert.throws(open, { code: 'ERR_SSL_KEY_USAGE_BIT_INCORRECT' });
    }
    const { url } = bunServer(t, { key, cert });
    const whole = { ca: mesh.root, checkServerIdentity: () => undefined };
    await letIn(clients.fetch(url, whole));
  },
);

fact(
  'Bun',
  'a Bun.serve that refuses a client logs nothing, and the client hears no reason',
  'explainTlsError, kinds closed, handshake-failed and options-rejected, which say so',
  async () => {
    const { auth, node, envoy, asking, trusting } = mesh;
    const { stdout, stderr, code } = await runModule(
      `
      const { auth, node, envoy, asking, trusting } = JSON.parse(process.env.MESH);
      const server = Bun.serve({
        port: 0, hostname: '127.0.0.1', fetch: () => new Response('in'),
        tls: { ...asking, key: auth.key, cert: auth.cert },
      });
      const codes = [];
      for (const tls of [{}, envoy, { key: node.key, cert: envoy.cert }]) {
        const options = { ...trusting, checkServerIdentity() {}, key: tls.key, cert: tls.cert };
        codes.push(await fetch(server.url, { tls: options }).then(() => 'in', (e) => e.code));
      }
      server.stop(true);
      process.on('exit', () => console.log(codes.join()));
      `,
      { env: { MESH: JSON.stringify({ auth, node, envoy, asking, trusting }) } },
    );
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^(?:EPROTO|ECONNRESET),ECONNRESET,FailedToOpenSocket\n$/);
  },
);

fact(
  'Bun',
  'a changed key and certificate are used by the next fetch',
  'recipe "clients": options are made for each call, and nothing else is needed at a rotation',
  async (t) => {
    const serial = (socket) => socket.getPeerCertificate().serialNumber.toLowerCase();
    const { url } = await tlsServer(t, { ...as(mesh.auth), ...mesh.asking }, serial);
    const next = await mesh.identity('node', 'node-a.example.com');
    const options = as(mesh.node);
    for (const { key, cert, serial } of [mesh.node, next, mesh.node]) {
      Object.assign(options, { key, cert });
      await letIn(clients.fetch(url, options), serial);
    }
  },
);

fact(
  'Bun',
  'Bun.file works for key, cert and ca',
  'explainTlsError, kind unreadable-pem, which advises it',
  async (t) => {
    const place = folder();
    const file = (name, text) => {
      writeFileSync(join(place, name), text);
      return Bun.file(join(place, name));
    };
    const [key, cert] = [file('key.pem', mesh.auth.key), file('cert.pem', mesh.auth.cert)];
    const ca = file('ca.pem', mesh.anchors);
    const { url } = bunServer(t, { ...mesh.asking, key, cert, ca });
    await letIn(clients.fetch(url, { ...as(mesh.node), ca }));
    await keptOut(clients.fetch(url, { ...as(mesh.envoy), ca }));
  },
);

fact(
  'Bun',
  'Bun speaks X25519MLKEM768 with Bun',
  'what we say of post-quantum key agreement',
  async (t) => {
    const { port } = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert });
    for (const client of ['fetch', 'node:tls', 'WebSocket']) {
      const between = await relay(t, port);
      await clients[client](between.url, mesh.trusting);
      assert.equal(keyShareGroup(between.seen.bytes), 0x11ec, client);
    }
  },
);

fact(
  'Bun',
  'import of a .node file is refused; require loads it',
  'bindings-node/ts/native.ts, which requires it',
  async () => {
    const require = createRequire(import.meta.url);
    const addon = Object.keys(require.cache).find((path) => path.endsWith('.node'));
    assert.ok(addon, 'the addon was loaded by require');
    const error = await failure(() => import(addon));
    assert.match(error.message, /use require\(\)/);
  },
);

fact(
  'Bun',
  'server.stop loses requests on connections that are kept alive or still in their handshake',
  'recipe "rotation": a new Bun.serve on the same port (reusePort) may have become lossless',
  async (t) => {
    const serve = (port) =>
      Bun.serve({
        port,
        hostname: '127.0.0.1',
        reusePort: true,
        tls: { key: mesh.auth.key, cert: mesh.auth.cert },
        fetch: () => new Response('in'),
      });
    const old = serve(0);
    const url = `https://127.0.0.1:${old.port}`;

    const kept = tls.connect({ host: '127.0.0.1', port: old.port, ...mesh.trusting });
    kept.on('error', () => {});
    const ask = () => kept.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(kept, 'secureConnect');
    ask();
    await once(kept, 'data');

    const early = net.connect(old.port, '127.0.0.1');
    early.on('error', () => {});
    await once(early, 'connect');
    // Connections are accepted in their order: once this one is answered, the one before it is too.
    await letIn(clients.fetch(url, mesh.trusting));

    // The new server is there before the old one ends, and still:
    const next = serve(old.port);
    t.after(() => next.stop(true));
    const answers = [];
    kept.on('data', (data) => answers.push(data));
    const ends = [once(kept, 'close'), once(early, 'close')];
    const stopped = old.stop();
    ask();
    const late = tls.connect({ socket: early, ...mesh.trusting });
    late.on('error', () => {}).on('secureConnect', () => answers.push('a handshake'));
    await Promise.all([stopped, ...ends]);
    assert.deepEqual(answers, []);
    await letIn(clients.fetch(url, mesh.trusting));
  },
);

fact(
  'Bun',
  'setSecureContext of node:tls swaps certificate and CAs, and leaves requestCert and open connections as they are',
  'serve in examples/bun/first-service and recipe "rotation", which rotate by it',
  async (t) => {
    const other = await newMesh();
    const options = { ...as(mesh.auth), ...mesh.asking, secureOptions: NO_TICKETS };
    const { url, port, listener } = await tlsServer(t, options);
    const open = tls.connect({ host: '127.0.0.1', port, ...as(mesh.node) });
    await once(open, 'secureConnect');
    const [key, cert] = [other.auth.key, other.auth.cert];
    listener.setSecureContext({ ...options, key, cert, ca: other.anchors });

    const trusting = { ...other.trusting };
    const { serial, session } = await tlsCall(url, {
      ...other.node,
      ...trusting,
      cert: other.node.cert,
    });
    assert.deepEqual([serial, session], [other.auth.serial, undefined]);
    await keptOut(tlsCall(url, { ...trusting, key: mesh.node.key, cert: mesh.node.cert }));
    await keptOut(tlsCall(url, trusting));

    const answer = once(open, 'data');
    open.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.match(String((await answer)[0]), /^HTTP\/1\.1 200/);
  },
);

/** The group of the key share in a ServerHello (RFC 8446 4.1.3), the first record that a server sends. */
function keyShareGroup(bytes) {
  // Record and handshake headers, version, random; then session ID, cipher suite, compression.
  let at = 5 + 4 + 2 + 32;
  at += 1 + bytes[at] + 2 + 1;
  const end = at + 2 + bytes.readUInt16BE(at);
  for (at += 2; at < end; at += 4 + bytes.readUInt16BE(at + 2)) {
    const KEY_SHARE = 51;
    if (bytes.readUInt16BE(at) === KEY_SHARE) return bytes.readUInt16BE(at + 4);
  }
  return undefined;
}

/** A server in Node that changes its certificate and goes on taking its own tickets. */
async function swappingServer(t) {
  const program = `
    const { createServer } = require('node:https');
    const ticketKeys = Buffer.from('${randomBytes(48).toString('hex')}', 'hex');
    const server = createServer({ ticketKeys }, (request, response) => {
      response.setHeader('Connection', 'close');
      response.end(request.socket.isSessionReused() ? 'resumed' : 'anew');
    });
    server.listen(0, '127.0.0.1', () => process.send(server.address().port));
    process.on('message', (options) => {
      server.setSecureContext({ ...options, ticketKeys });
      process.send('shown');
    });`;
  const child = spawn('node', ['-e', program], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  t.after(() => child.kill());
  const [port] = await once(child, 'message');
  const show = async ({ key, cert }) => {
    const shown = once(child, 'message');
    child.send({ key, cert });
    await shown;
  };
  return { url: `https://127.0.0.1:${port}`, show };
}
