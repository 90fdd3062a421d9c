// What the tests share. They run in Bun and in Node, on the built package.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CertificateManager, generateKeyAndCsr, PkiError } from '@catalyst/pki';

export const TRUST_DOMAIN = 'mesh.example.com';
export const isBun = process.versions.bun !== undefined;
export const repository = fileURLToPath(new URL('../../', import.meta.url));

/** An initialized CA in memory. */
export async function newManager(config = {}) {
  const manager = CertificateManager.ephemeral({ trustDomain: TRUST_DOMAIN, ...config });
  await manager.initialize();
  return manager;
}

/** A key, and the certificate that `manager` issues for it. */
export async function newSvid(manager, serviceType, instanceId, request = {}) {
  const trustDomain = manager.getTrustDomain();
  const key = await generateKeyAndCsr(serviceType, instanceId, { trustDomain });
  const signed = await manager.signCSR({ csrPem: key.csrPem, serviceType, instanceId, ...request });
  return { ...key, ...signed };
}

/** Asserts that `action` fails, at once or later, with a `PkiError` of this code; gives it back. */
export async function failsWith(code, action, message) {
  let error;
  try {
    await (typeof action === 'function' ? action() : action);
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof PkiError, `a PkiError is thrown, not ${error}`);
  assert.equal(error.code, code);
  if (message !== undefined) assert.match(error.message, message);
  return error;
}

/** A folder that is gone after the tests. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), 'catalyst-pki-'));
  after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Runs a program, in the runtime that runs the tests if no other is named: `{ code, signal, stdout, stderr }`. */
export function run(args, options = {}) {
  const { command = process.execPath, env = {}, cwd = repository, timeout = 60_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, timeout });
    let [stdout, stderr] = ['', ''];
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr += data));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** The programs in the README of the package. */
export function readmeExamples() {
  const readme = readFileSync(join(repository, 'bindings-node/README.md'), 'utf8');
  return [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);
}

/** The first of them, which is a whole one. */
export function readmeExample() {
  return readmeExamples()[0];
}

/** The same for `require`. */
export function readmeExampleInCommonJs() {
  const body = readmeExample().replace(/^import (.*) from (.*);$/m, 'const $1 = require($2);');
  return `(async () => {\n${body}})();\n`;
}

/** Asserts that a run of the README's program has said what it says there. */
export function assertReadmeOutput({ code, stdout, stderr }) {
  assert.deepEqual([code, stderr], [0, '']);
  const [until, verified, denied] = stdout.trim().split('\n');
  assert.match(
    until,
    /^spiffe:\/\/mesh\.example\.com\/auth\/auth-a until .*Z, to be renewed from .*Z$/,
  );
  assert.equal(
    verified,
    'verified: spiffe://mesh.example.com/auth/auth-a, signed by CN=Catalyst Services CA',
  );
  assert.match(denied, /^PKI_IDENTITY_DENIED \(HTTP 403\): Identity denied: spiffe:/);
}

/** Runs the text of an ES module. */
export function runModule(source, options) {
  const imports = "import * as pki from '@catalyst/pki';\n";
  const flags = isBun ? ['-e'] : ['--input-type=module', '-e'];
  return run([...flags, imports + source], { cwd: join(repository, 'bindings-node'), ...options });
}

/** What `signCertificate` takes for a CA that signs itself. */
export function selfSigned(publicKey, privateKey) {
  return {
    subjectCN: 'a',
    subjectPublicKey: publicKey,
    signingKey: privateKey,
    notBefore: new Date(0),
    notAfter: new Date(86_400_000),
    isCa: true,
    keyUsage: { keyCertSign: true },
  };
}

/** Locks a database for writing, in a process of its own, until `unlock` is called. */
export async function locked(path) {
  const program = `
    const database = new (await import('bun:sqlite')).Database(process.argv[1]);
    database.run('BEGIN IMMEDIATE');
    console.log('locked');
    for await (const _ of console) break;
    database.run('COMMIT');
  `;
  const bun = join(repository, 'node_modules/.bin/bun');
  const child = spawn(bun, ['-e', program, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  assert.match(String(await once(child.stdout, 'data')), /locked/);
  return {
    async unlock() {
      child.stdin.end('\n');
      assert.deepEqual(await ended, [0, null]);
    },
  };
}
