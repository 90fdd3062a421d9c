// The examples in the documentation of the types, which editors show: they compile as they are.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import * as pki from '@catalyst/pki';
import { folder, readmeExamples, repository, run } from './helpers.mjs';

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const types = readFileSync(join(repository, 'bindings-node/index.d.ts'), 'utf8');

/** What an example may use without saying where it has it from. */
const GIVEN = `
import { X509Certificate, type webcrypto } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import {
${Object.keys(pki)
  .filter((name) => !name.startsWith('__'))
  .map((name) => `  ${name},`)
  .join('\n')}
  type CertificateRecord, type PeerPolicy, type SignCSRRequest, type SignCSRResult,
  type TokenClaims,
} from '@catalyst/pki';
declare const manager: CertificateManager, store: SqliteCertificateStore, backend: NativeSigningBackend;
declare const request: SignCSRRequest, svid: SignCSRResult, record: CertificateRecord;
declare const policy: PeerPolicy, verifier: PeerVerifier, socket: TLSSocket, incoming: Request;
declare const url: string, tls: object, csrPem: string, caPem: string, certificatePem: string, fingerprint: string;
declare const issuer: TokenIssuer, tokenVerifier: TokenVerifier, token: string, claims: TokenClaims;
declare const publicKey: webcrypto.CryptoKey, privateKey: webcrypto.CryptoKey, caKey: webcrypto.CryptoKey;
`;

/** The examples, each with what it is of. */
function examples() {
  const found = types.matchAll(
    /\/\*\*(?:(?!\*\/)[^])*?@example\n\s*\* ```ts\n((?:(?!\*\/)[^])*?)\s*\* ```\n(?:(?!\*\/)[^])*\*\/\n\s*(?:export |declare |static |class |function |const )*(\w+)/g,
  );
  return [...found].map(([, text, name]) => ({
    name,
    code: text.replaceAll(/^\s*\* ?/gm, ''),
  }));
}

/** A program of one: statements, or properties of the options of a connection. */
function program(code) {
  const body = /^\w+: /.test(code)
    ? `const options: ConnectionOptions = {\n${code}\n};`
    : `export async function example() {\n${code}\n}`;
  return `${GIVEN}\n${body}\nexport {};\n`;
}

test('the examples compile', async () => {
  const place = folder();
  const all = examples();
  assert.equal(all.length, types.match(/@example/g).length);
  assert.ok(all.length >= 40);
  mkdirSync(join(place, 'examples'));
  all.forEach(({ name, code }, at) =>
    writeFileSync(join(place, `examples/${at}-${name}.ts`), program(code)),
  );
  readmeExamples().forEach((code, at) =>
    writeFileSync(join(place, `examples/readme-${at}.ts`), code),
  );
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    noEmit: true,
    target: 'ES2022',
    lib: ['ES2023'],
    module: 'esnext',
    moduleResolution: 'bundler',
    paths: { '@catalyst/pki': [join(repository, 'bindings-node/index.d.ts')] },
    typeRoots: ['node_modules/@types', 'node_modules'].map((path) => join(repository, path)),
    types: ['node', 'bun-types'],
  };
  writeFileSync(
    join(place, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, include: ['examples'] }),
  );
  const { code, stdout } = await run([tsc, '-p', place]);
  assert.deepEqual([code, stdout], [0, '']);
});

test('everything that is called has one', () => {
  const named = new Set(examples().map(({ name }) => name));
  // What needs none: they take nothing, and answer what their name says.
  const plain = ['isInitialized', 'getStore', 'getBackend', 'getTrustDomain', 'constructor'];
  const methods = [
    'CertificateManager',
    'SqliteCertificateStore',
    'NativeSigningBackend',
    'PeerVerifier',
    'TokenIssuer',
    'TokenVerifier',
  ].flatMap((name) => Object.getOwnPropertyNames(pki[name].prototype));
  const statics = ['ephemeral', 'fromConfig', 'open', 'create'];
  const functions = Object.keys(pki).filter((name) => /^[a-z]/.test(name));
  for (const name of [...methods, ...functions, ...statics, 'PkiError']) {
    assert.ok(plain.includes(name) || named.has(name), `${name} has no @example`);
  }
});
