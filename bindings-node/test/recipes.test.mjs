// The programs of examples/bun/recipes, as a newcomer runs them.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import tls from 'node:tls';
import typescript from 'typescript';
import { printed } from './cookbook.mjs';
import { folder, isBun, newManager, repository, run } from './helpers.mjs';

const RECIPES = 'examples/bun/recipes';

const skip = !isBun && 'the programs are for Bun';

/** What each prints, line by line, where the cookbook doesn't hold all of it. */
const EXPECTED = {
  'one-way-tls.ts': [],
  'mutual-tls.ts': [],
  'mutual-tls-caller.ts': [],
  'clients.ts': [],
  'passphrase.ts': [],
  'tokens.ts': [],
  'certificates.ts': [
    /^root \S{43}$/,
    /^serial [0-9a-f]{16,40}$/,
    /^until \S+Z, renew from \S+Z$/,
    /^Hello\.$/,
    /^spiffe:\/\/demo\.example\.com\/auth\/auth-a, signed by CN=Catalyst Services CA$/,
  ],
  'rotation.ts': [
    /^20 rotations; 20 times the next caller was shown the new certificate$/,
    /^\d{3,} requests answered, 0 lost, on \d+ connections$/,
  ],
  'errors.ts': [
    /^no ca/,
    /^ {2}issuer-unknown \(UNABLE_TO_GET_ISSUER_CERT_LOCALLY\): /,
    /^ {2}Set `ca`/,
    /^an intermediate/,
    /^ {2}issuer-incomplete \(UNABLE_TO_GET_ISSUER_CERT\): /,
    /^ {2}Add `allowPartial/,
    /^no key and cert/,
    /^ {2}(?:handshake-failed \(EPROTO\)|closed \(ECONNRESET\)): /,
    /^ {2}\S/,
    /^the key of another/,
    /^ {2}options-rejected \(FailedToOpenSocket\): /,
    /^ {2}Call `tls\.create/,
    /^the host name/,
    /^ {2}name-mismatch \(ERR_TLS_CERT_ALTNAME_INVALID\): /,
    /^ {2}In a mesh/,
    /^Without mistakes: Hello\.$/,
  ],
};

async function transcript(file, ...args) {
  const { code, stdout, stderr } = await run([join(repository, file), ...args]);
  assert.deepEqual([code, stderr], [0, ''], stdout);
  assert.doesNotMatch(stdout, /PRIVATE KEY/);
  return stdout;
}

for (const [name, expected] of Object.entries(EXPECTED)) {
  const file = `${RECIPES}/${name}`;
  test(`recipe ${name}`, { skip }, async () => {
    const output = await transcript(file);
    if (expected.length === 0) return assert.equal(output, printed(file));
    const lines = output.trimEnd().split('\n');
    assert.equal(lines.length, expected.length, output);
    expected.forEach((pattern, at) => assert.match(lines[at], pattern));
    if (name !== 'rotation.ts') return;
    // Some connections were kept alive, so there are fewer of them.
    const [requests, connections] = output
      .match(/(\d+) requests.* (\d+) conn/)
      .slice(1)
      .map(Number);
    assert.ok(connections < requests, output);
  });
}

test('recipe passphrase.ts in Node', { skip: isBun && 'it is run in Bun already' }, async () => {
  const file = `${RECIPES}/passphrase.ts`;
  const { ModuleKind, ScriptTarget } = typescript;
  const { outputText } = typescript.transpileModule(readFileSync(join(repository, file), 'utf8'), {
    compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 },
  });
  const cwd = join(repository, RECIPES);
  const ended = await run(['--input-type=module', '-e', outputText], { cwd });
  assert.deepEqual([ended.code, ended.stdout], [0, printed(file)], ended.stderr);
});

test('recipe certificates.ts: a second run finds the CA of the first', { skip }, async () => {
  const database = join(folder(), 'certs.db');
  const [first, second] = [
    await transcript(`${RECIPES}/certificates.ts`, database),
    await transcript(`${RECIPES}/certificates.ts`, database),
  ].map((output) => output.split('\n'));
  assert.equal(first[0], second[0]);
  assert.notEqual(first[1], second[1]);
});

test('a kept connection is not answered after the end of its caller', { skip }, async (t) => {
  const { serve, clientTls } = await import('../../examples/bun/first-service/mtls.ts');
  const { obtainIdentity } = await import('../../examples/bun/first-service/identity.ts');
  const ca = await newManager();
  const [auth, node] = [
    await obtainIdentity(ca, 'auth', 'auth-a'),
    await obtainIdentity(ca, 'node', 'node-a'),
  ];
  const server = await serve(auth, node.spiffeId, (peer) => peer.instanceId, assert.fail);
  const { hostname: host, port } = new URL(server.url);
  const socket = tls.connect({ host, port: Number(port), ...clientTls(node, auth.spiffeId) });
  await once(socket, 'secureConnect');
  const ask = async () => {
    const answer = once(socket, 'data');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    return String((await answer)[0]);
  };
  assert.match(await ask(), /^HTTP\/1\.1 200 /);

  const { now } = Date;
  t.after(() => (Date.now = now));
  const closed = once(socket, 'close');
  Date.now = () => Date.parse(auth.expiresAt) + 60_000;
  assert.match(await ask(), /^HTTP\/1\.1 403 /);
  await closed;
  await server.stop();
});

test('nor is an HTTP/2 session', { skip }, async (t) => {
  const { serveHttp2, clientTls } = await import('../../examples/bun/first-service/mtls.ts');
  const { obtainIdentity } = await import('../../examples/bun/first-service/identity.ts');
  const ca = await newManager();
  const [auth, node] = [
    await obtainIdentity(ca, 'auth', 'auth-a'),
    await obtainIdentity(ca, 'node', 'node-a'),
  ];
  const server = await serveHttp2(auth, node.spiffeId, (peer) => peer.instanceId, assert.fail);
  const client = http2.connect(server.url, clientTls(node, auth.spiffeId));
  const ask = async () => {
    const request = client.request({ ':path': '/' });
    request.end();
    const [[headers], text] = await Promise.all([
      once(request, 'response'),
      new Response(Readable.toWeb(request)).text(),
    ]);
    return [headers[':status'], text];
  };
  assert.deepEqual(
    [await ask(), await ask()],
    [
      [200, 'node-a'],
      [200, 'node-a'],
    ],
  );

  const { now } = Date;
  t.after(() => (Date.now = now));
  const closed = once(client, 'close');
  Date.now = () => Date.parse(auth.expiresAt) + 60_000;
  assert.deepEqual(await ask(), [403, '']);
  await closed;
  await server.stop();
});

test('an HTTP/2 server rotates too', { skip }, async (t) => {
  const { serveHttp2, clientTls } = await import('../../examples/bun/first-service/mtls.ts');
  const { obtainIdentity } = await import('../../examples/bun/first-service/identity.ts');
  const ca = await newManager();
  const [first, second, node] = [
    await obtainIdentity(ca, 'auth', 'auth-a'),
    await obtainIdentity(ca, 'auth', 'auth-a'),
    await obtainIdentity(ca, 'node', 'node-a'),
  ];
  const server = await serveHttp2(first, node.spiffeId, (peer) => peer.instanceId, assert.fail);
  t.after(() => void server.stop());
  const shown = async () => {
    let serial;
    const options = clientTls(node, first.spiffeId, (peer) => (serial = peer.serial));
    const client = http2.connect(server.url, options);
    await once(client, 'connect');
    t.after(() => client.destroy());
    return serial;
  };
  const serialOf = ({ cert }) => new X509Certificate(cert).serialNumber.toLowerCase();
  assert.equal(await shown(), serialOf(first));
  server.rotate(second);
  assert.equal(await shown(), serialOf(second));
});

test('every recipe is run', () => {
  const programs = readdirSync(join(repository, RECIPES)).filter((name) => name.endsWith('.ts'));
  assert.deepEqual(programs.sort(), Object.keys(EXPECTED).sort());
});
