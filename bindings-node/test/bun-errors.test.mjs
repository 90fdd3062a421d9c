// The error table of docs/cookbook.md, in real Bun, and in Node where it is alike: each mistake is made, explainTlsError names it,
// its advice is followed, and then it works.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { before, test } from 'node:test';
import tls from 'node:tls';
import { explainTlsError, verifyPeer, verifyPeerSync } from '@catalyst/pki';
import { failsWith, folder, isBun, run, TRUST_DOMAIN } from './helpers.mjs';
import {
  bunServer,
  clients,
  failure,
  handMade,
  handMadeCrl,
  listening,
  newMesh,
  tlsServer,
} from './tls.mjs';

const LONG_AGO = { from: new Date('2020-01-01'), until: new Date('2020-02-01') };
const FAR_AHEAD = { from: new Date('2090-01-01'), until: new Date('2090-02-01') };
const ANY_NAME = { checkServerIdentity: () => undefined };
const skip = !isBun && 'it is about Bun alone';

let mesh;
before(async () => (mesh = await newMesh()));

const as = ({ key, cert }) => ({ ...mesh.trusting, key, cert });

/** Asserts that what went wrong is named so, by code too where one is given. */
function named(error, kind, ...codes) {
  const explained = explainTlsError(error);
  assert.equal(explained.kind, kind, error.message);
  if (codes.length > 0) assert.ok(codes.includes(explained.code), String(explained.code));
  return explained;
}

/** The mistake, as every client of this runtime sees it; then what is right. In Node too. */
function mistake(kind, code, what, prepare) {
  test(`${code}: ${what}`, async (t) => {
    const serve = (options) => (isBun ? bunServer(t, options) : tlsServer(t, options));
    const { server, wrong, right, repair = () => server } = await prepare(serve, t);
    const { url } = await server;
    for (const client of here()) named(await failure(() => client(url, wrong)), kind, code);
    const repaired = await repair();
    for (const client of here()) {
      if (client !== clients.WebSocket) assert.equal(await client(repaired.url, right), 'in');
    }
  });
}

/** The clients that this runtime has. */
function here() {
  return isBun ? Object.values(clients) : [clients['node:tls'], clients['node:https']];
}

mistake(
  'issuer-unknown',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'no ca, so the public roots count',
  (serve) => ({
    server: serve({ key: mesh.auth.key, cert: mesh.auth.cert }),
    wrong: ANY_NAME,
    right: mesh.trusting,
  }),
);

mistake(
  'issuer-unknown',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'the bundle is of another CA',
  async (serve) => ({
    server: serve({ key: mesh.auth.key, cert: mesh.auth.cert }),
    wrong: (await newMesh()).trusting,
    right: mesh.trusting,
  }),
);

mistake(
  'issuer-incomplete',
  'UNABLE_TO_GET_ISSUER_CERT',
  'an intermediate as ca, without allowPartialTrustChain',
  (serve) => ({
    server: serve({ key: mesh.auth.key, cert: mesh.auth.cert }),
    wrong: { ca: mesh.anchors, ...ANY_NAME },
    right: { ca: mesh.anchors, ...ANY_NAME, allowPartialTrustChain: true },
  }),
);

test('it works in curl and not in Bun: a file with the intermediate', { skip }, async (t) => {
  const { port, url } = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert });
  const file = join(folder(), 'services-ca.pem');
  writeFileSync(file, mesh.anchors);
  const resolve = ['--resolve', `auth-a:${port}:127.0.0.1`];
  const args = [
    '--silent',
    '--show-error',
    '--cacert',
    file,
    ...resolve,
    `https://auth-a:${port}/`,
  ];
  const curl = await run(args, { command: 'curl' });
  assert.deepEqual([curl.stdout, curl.stderr], ['in', '']);

  const options = { ca: Bun.file(file), serverName: 'auth-a' };
  const error = await failure(() => clients.fetch(url, options));
  named(error, 'issuer-incomplete', 'UNABLE_TO_GET_ISSUER_CERT');
  const right = { ...options, allowPartialTrustChain: true };
  assert.equal(await clients.fetch(url, right), 'in');
  // It is the name that was checked.
  const elsewhere = await failure(() => clients.fetch(url, { ...right, serverName: 'auth-b' }));
  named(elsewhere, 'name-mismatch');
});

mistake(
  'issuer-not-sent',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'unable to verify the first certificate: the server sends no intermediate, mended there',
  (serve) => {
    const right = { ca: mesh.root, ...ANY_NAME };
    return {
      server: serve({ key: mesh.auth.key, cert: mesh.auth.leaf }),
      wrong: right,
      right,
      repair: () => serve({ key: mesh.auth.key, cert: mesh.auth.leaf + mesh.auth.chain[0] }),
    };
  },
);

mistake(
  'issuer-not-sent',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'unable to verify the first certificate: the client trusts the root alone, mended there',
  (serve) => ({
    server: serve({ key: mesh.auth.key, cert: mesh.auth.leaf }),
    wrong: { ca: mesh.root, ...ANY_NAME },
    right: mesh.trusting,
  }),
);

mistake(
  'self-signed',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'a certificate made by hand, trusted for a test',
  async (serve) => {
    const selfSigned = await handMade({});
    return {
      server: serve({ key: selfSigned.key, cert: selfSigned.cert }),
      wrong: {},
      right: { ca: selfSigned.cert },
    };
  },
);

mistake(
  'self-signed',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'a certificate made by hand, replaced by one of the CA',
  async (serve) => {
    const selfSigned = await handMade({});
    return {
      server: serve({ key: selfSigned.key, cert: selfSigned.cert }),
      wrong: mesh.trusting,
      right: mesh.trusting,
      repair: () => serve({ key: mesh.auth.key, cert: mesh.auth.cert }),
    };
  },
);

mistake(
  'root-unknown',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'the server sends the root too, and the client has no ca',
  (serve) => ({
    server: serve({ key: mesh.auth.key, cert: mesh.auth.cert + mesh.root }),
    wrong: ANY_NAME,
    right: mesh.trusting,
  }),
);

for (const [kind, code, validity] of [
  ['expired', 'CERT_HAS_EXPIRED', LONG_AGO],
  ['not-yet-valid', 'CERT_NOT_YET_VALID', FAR_AHEAD],
]) {
  mistake(kind, code, 'replaced in the running server', async (_, t) => {
    const ca = await handMade({ name: 'CN=a CA', ca: true });
    const old = await handMade({ issuer: ca, ...validity });
    const renewed = await handMade({ issuer: ca });
    const server = await tlsServer(t, { key: old.key, cert: old.cert });
    return {
      server,
      wrong: { ca: ca.cert },
      right: { ca: ca.cert },
      repair: () => {
        server.listener.setSecureContext({ key: renewed.key, cert: renewed.cert });
        return server;
      },
    };
  });
}

mistake(
  'name-mismatch',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'called by an address; the SPIFFE ID checked instead',
  (serve) => ({
    server: serve({ key: mesh.auth.key, cert: mesh.auth.cert }),
    wrong: { ca: mesh.anchors, allowPartialTrustChain: true },
    right: { ...mesh.trusting, checkServerIdentity: expecting(mesh.auth.spiffeId) },
  }),
);

mistake(
  'issuer-not-allowed',
  'PATH_LENGTH_EXCEEDED',
  'a CA below one that may have none below it; issued by that one itself',
  async (serve) => {
    const upper = await handMade({ name: 'CN=upper', ca: true, pathLength: 0 });
    const lower = await handMade({ name: 'CN=lower', ca: true, issuer: upper });
    const [wrong, right] = [await handMade({ issuer: lower }), await handMade({ issuer: upper })];
    return {
      server: serve({ key: wrong.key, cert: wrong.cert + lower.cert }),
      wrong: { ca: upper.cert },
      right: { ca: upper.cert },
      repair: () => serve({ key: right.key, cert: right.cert }),
    };
  },
);

for (const [code, what, given] of [
  ['UNABLE_TO_GET_CRL', 'a revocation list of another CA', (_, other) => handMadeCrl(other)],
  ['CRL_HAS_EXPIRED', 'an old revocation list', (ca) => handMadeCrl(ca, LONG_AGO.until)],
]) {
  mistake('crl-unusable', code, what, async (serve) => {
    const [ca, other] = [
      await handMade({ name: 'CN=a CA', ca: true }),
      await handMade({ name: 'CN=another CA', ca: true }),
    ];
    const { key, cert } = await handMade({ issuer: ca });
    return {
      server: serve({ key, cert }),
      wrong: { ca: ca.cert, crl: await given(ca, other) },
      right: { ca: ca.cert, crl: await handMadeCrl(ca) },
    };
  });
}

test('ERR_TLS_HANDSHAKE_TIMEOUT: a client that connects and sends nothing', async (t) => {
  const { key, cert } = mesh.auth;
  const server = await tlsServer(t, { key, cert, handshakeTimeout: 500 });
  const client = net.connect(server.port, '127.0.0.1').on('error', () => {});
  const [error] = await once(server.listener, 'tlsClientError');
  client.destroy();
  named(error, 'handshake-timeout', 'ERR_TLS_HANDSHAKE_TIMEOUT');
  // Let it speak TLS.
  assert.equal(await clients['node:tls'](server.url, mesh.trusting), 'in');
});

for (const [what, constraint, code] of [
  [
    'an intermediate of the earlier package',
    `spiffe://${TRUST_DOMAIN}`,
    'UNSUPPORTED_CONSTRAINT_SYNTAX',
  ],
  ['a name of another trust domain', 'other.example.com', 'PERMITTED_VIOLATION'],
]) {
  test(`${code}: ${what}`, { skip }, async (t) => {
    const root = await handMade({ name: 'CN=root', ca: true });
    const extensions = [permittingUris(constraint)];
    const intermediate = await handMade({
      name: 'CN=services',
      ca: true,
      issuer: root,
      extensions,
    });
    const names = [{ type: 'url', value: `spiffe://${TRUST_DOMAIN}/auth/auth-a` }];
    const leaf = await handMade({ issuer: intermediate, names });
    const server = bunServer(t, { key: leaf.key, cert: leaf.cert + intermediate.cert });
    for (const client of Object.values(clients)) {
      const wrong = { ca: root.cert, ...ANY_NAME };
      named(await failure(() => client(server.url, wrong)), 'name-constraint', code, null);
    }
    // An intermediate of today's, with the constraint that it has by default.
    const today = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert });
    assert.equal(await clients.fetch(today.url, { ca: mesh.root, ...ANY_NAME }), 'in');
  });
}

test('ECONNRESET: an Envoy calls the control plane', { skip }, async (t) => {
  const options = { ...as(mesh.auth), ...mesh.asking };
  const { url } = bunServer(t, options);
  for (const [name, client] of Object.entries(clients)) {
    const { fix } = named(await failure(() => client(url, as(mesh.envoy))), 'closed', 'ECONNRESET');
    assert.match(fix, /verifyPeer/, name);
  }
  // Both ways of the advice to learn the reason.
  const policy = verifying('client');
  const reason = await failsWith('PKI_UNTRUSTED_ISSUER', verifyPeer(mesh.envoy.cert, policy));
  named(reason, 'issuer-unknown');
  const telling = await tlsServer(t, options);
  await failure(() => clients.fetch(telling.url, as(mesh.envoy)));
  named(telling.refused[0], 'issuer-unknown');

  await verifyPeer(mesh.node.cert, policy);
  assert.equal(await clients.fetch(url, as(mesh.node)), 'in');
});

test('ECONNRESET: a gateway calls, which is a server only', { skip }, async (t) => {
  const options = { ...as(mesh.auth), ...mesh.asking };
  const { url } = bunServer(t, options);
  named(await failure(() => clients.fetch(url, as(mesh.gateway))), 'closed');
  const policy = verifying('client');
  const reason = await failsWith('PKI_USAGE_NOT_ALLOWED', verifyPeer(mesh.gateway.cert, policy));
  named(reason, 'wrong-usage');
  const telling = await tlsServer(t, options);
  await failure(() => clients.fetch(telling.url, as(mesh.gateway)));
  named(telling.refused[0], 'wrong-usage');
  assert.equal(await clients.fetch(url, as(mesh.node)), 'in');
});

test('EPROTO: the server asks for a certificate, and there is none', { skip }, async (t) => {
  const { url } = bunServer(t, { ...as(mesh.auth), ...mesh.asking });
  // Where the server's alert comes too late, only the end of the connection is seen.
  const vague = explainTlsError(await failure(() => clients.fetch(url, mesh.trusting)));
  assert.ok(['handshake-failed', 'closed'].includes(vague.kind), vague.kind);
  assert.match(vague.causes.join(), /given none|got none/);
  // The advice: node:tls names the alert.
  const precise = await failure(() => clients['node:tls'](url, mesh.trusting));
  named(precise, 'no-client-certificate');
  named(
    await failure(() => clients.WebSocket(url, mesh.trusting)),
    'no-client-certificate',
    'EPROTO',
  );
  assert.equal(await clients.fetch(url, as(mesh.node)), 'in');
});

test('FailedToOpenSocket: key and cert do not belong together', { skip }, async (t) => {
  const { url } = bunServer(t, { ...as(mesh.auth), ...mesh.asking });
  const wrong = { ...as(mesh.node), key: mesh.auth.key };
  for (const client of [clients.fetch, clients.WebSocket]) {
    named(await failure(() => client(url, wrong)), 'options-rejected');
  }
  const precise = await failure(async () => tls.createSecureContext(wrong));
  named(precise, 'key-mismatch', 'ERR_OSSL_X509_KEY_VALUES_MISMATCH');
  named(await failure(async () => bunServer(t, wrong)), 'key-mismatch');
  assert.equal(await clients.fetch(url, as(mesh.node)), 'in');
});

test('ERR_OSSL_PEM_NO_START_LINE: a path in place of PEM', { skip }, async (t) => {
  const file = join(folder(), 'cert.pem');
  writeFileSync(file, mesh.auth.cert);
  const wrong = { key: mesh.auth.key, cert: file };
  named(await failure(async () => bunServer(t, wrong)), 'unreadable-pem');
  named(await failure(async () => tls.createSecureContext(wrong)), 'unreadable-pem');
  named(await failure(() => clients.fetch('https://127.0.0.1:1', wrong)), 'options-rejected');
  const { url } = bunServer(t, { key: mesh.auth.key, cert: Bun.file(file) });
  assert.equal(await clients.fetch(url, mesh.trusting), 'in');
});

test('ERR_BORINGSSL: a ca that is no PEM', { skip }, async (t) => {
  const ca = 'no PEM';
  named(await failure(async () => tls.createSecureContext({ ca })), 'unreadable-pem');
  const { key, cert } = mesh.auth;
  named(await failure(async () => bunServer(t, { key, cert, ca })), 'options-rejected', null);
});

test('ERR_SSL_KEY_USAGE_BIT_INCORRECT: leaf and intermediate in an array', { skip }, async (t) => {
  const { key, leaf, chain } = mesh.auth;
  const wrong = { key, cert: [leaf, chain[0]] };
  named(await failure(async () => bunServer(t, wrong)), 'chain-as-list');
  const { url } = bunServer(t, { key, cert: leaf + chain[0] });
  assert.equal(await clients.fetch(url, { ca: mesh.root, ...ANY_NAME }), 'in');
});

test(
  'ERR_SSL_WRONG_VERSION_NUMBER: https where http is spoken, and the other way round',
  { skip },
  async (t) => {
    const plain = http.createServer((_, response) => response.end('in'));
    t.after(() => plain.close());
    await listening(plain);
    const address = `127.0.0.1:${plain.address().port}`;
    for (const name of ['WebSocket', 'node:tls', 'node:https']) {
      const error = await failure(() => clients[name](`https://${address}`, mesh.trusting));
      named(error, 'not-tls', 'ERR_SSL_WRONG_VERSION_NUMBER', 'EPROTO');
    }
    named(
      await failure(() => clients.fetch(`https://${address}`, {})),
      'handshake-failed',
      'EPROTO',
    );
    assert.equal(await (await fetch(`http://${address}`, { keepalive: false })).text(), 'in');

    const { url } = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert });
    named(await failure(() => fetch(url.replace('https', 'http'))), 'closed', 'ECONNRESET');
    assert.equal(await clients.fetch(url, mesh.trusting), 'in');
  },
);

test('ECONNREFUSED: nobody listens', { skip }, async (t) => {
  const gone = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert });
  await gone.stop();
  for (const client of Object.values(clients)) {
    named(await failure(() => client(gone.url, mesh.trusting)), 'unreachable', 'ECONNREFUSED');
  }
  const { url } = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert });
  assert.equal(await clients.fetch(url, mesh.trusting), 'in');
});

test('PKI_UNEXPECTED_PEER: another server than the expected one', { skip }, async (t) => {
  const { url } = bunServer(t, { key: mesh.auth.key, cert: mesh.auth.cert });
  const expect = `spiffe://${TRUST_DOMAIN}/auth/auth-b`;
  const wrong = { ...mesh.trusting, checkServerIdentity: expecting(expect) };
  for (const name of ['fetch', 'node:tls', 'node:https']) {
    const error = await failure(() => clients[name](url, wrong));
    named(error, 'unexpected-peer', 'PKI_UNEXPECTED_PEER');
  }
  // Bun's WebSocket keeps the reason for itself; the causes of this kind say so.
  const { causes } = named(await failure(() => clients.WebSocket(url, wrong)), 'name-mismatch');
  assert.match(causes.join(), /checkServerIdentity/);
  const right = { ...mesh.trusting, checkServerIdentity: expecting(mesh.auth.spiffeId) };
  assert.equal(await clients.fetch(url, right), 'in');
});

function verifying(role, expect) {
  return { anchors: mesh.anchors, trustDomain: TRUST_DOMAIN, segment: 'services', role, expect };
}

function expecting(spiffeId) {
  return (_host, { raw }) => {
    try {
      verifyPeerSync(raw, verifying('server', spiffeId));
      return undefined;
    } catch (error) {
      return error;
    }
  };
}

/** A name constraint on URIs (RFC 5280 4.2.1.10); the standard wants a host here. */
function permittingUris(uri) {
  const der = (tag, content) => Buffer.concat([Buffer.from([tag, content.length]), content]);
  // NameConstraints { [0] permittedSubtrees { GeneralSubtree { [6] uniformResourceIdentifier } } }
  const value = der(0x30, der(0xa0, der(0x30, der(0x86, Buffer.from(uri)))));
  return { oid: '2.5.29.30', critical: true, value };
}
