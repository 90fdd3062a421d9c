import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as pki from '@catalyst/pki';
import { failsWith, newManager, repository, run, runModule } from './helpers.mjs';

const require = createRequire(import.meta.url);
// What fails on purpose is no export of the package.
const { native } = require('../dist/native.js');
const { call, theMailbox } = require('../dist/calls.js');
const { calling } = require('../dist/errors.js');

test('an error has a code, an HTTP status, a message and a stack', async () => {
  const error = await failsWith('PKI_INVALID_SPIFFE_ID', () => pki.parseSpiffeId(''));
  assert.ok(error instanceof Error);
  assert.equal(error.name, 'PkiError');
  assert.equal(error.status, 400);
  assert.match(error.stack, /PkiError/);
  assert.match(String(error), /^PkiError: Invalid SPIFFE ID/);
});

test('errors that are thrown and errors that are rejected carry the same', async () => {
  const manager = await newManager();
  const rejected = await failsWith('PKI_INVALID_SPIFFE_ID', manager.allowIdentity('x'));
  const thrown = await failsWith('PKI_INVALID_SPIFFE_ID', () => pki.parseSpiffeId('x'));
  const carried = ({ name, code, status, message }) => ({ name, code, status, message });
  assert.deepEqual(carried(rejected), carried(thrown));
});

test('the type of the codes names every code of the core', () => {
  const codes = native.errorCodes();
  const typed = readFileSync(join(repository, 'bindings-node/ts/codes.ts'), 'utf8').match(
    /'PKI_\w+'/g,
  );
  assert.deepEqual(
    codes.map(({ code }) => `'${code}'`),
    typed,
  );
  assert.equal(new Set(typed).size, typed.length);
  for (const { code, status } of codes) assert.ok(status >= 400 && status <= 599, code);
});

test('a panic in a synchronous call is an error', async () => {
  const panic = () => calling(() => native.panicForTest());
  const error = await failsWith('PKI_INTERNAL', panic, /panic: on purpose/);
  assert.equal(error.status, 500);
});

test('a panic on a worker is an error, and the workers go on', async () => {
  const panic = () => call((number) => native.panicOnWorkerForTest(theMailbox(), number));
  const panics = Array.from({ length: 100 }, () =>
    failsWith('PKI_INTERNAL', panic(), /panic: on purpose/),
  );
  await Promise.all(panics);
  assert.equal((await newManager()).isInitialized(), true);
});

test('one package, whichever way it is loaded', () => {
  const required = require('@catalyst/pki');
  assert.equal(required.PkiError, pki.PkiError);
  assert.deepEqual(
    Object.keys(required).sort(),
    Object.keys(pki)
      .filter((k) => k !== 'default')
      .sort(),
  );
  assert.equal(pki.BunSqliteCertificateStore, pki.SqliteCertificateStore);
  assert.equal(pki.WebCryptoSigningBackend, pki.NativeSigningBackend);
});

test('an unsupported platform is told what to do', async () => {
  const loader = join(repository, 'bindings-node/dist/native.js');
  const { code, stderr } = await run([
    '-e',
    `Object.defineProperty(process, 'platform', { value: 'sunos' }); require(${JSON.stringify(loader)})`,
  ]);
  assert.notEqual(code, 0);
  assert.match(stderr, /has no native addon for sunos-/);
  assert.match(stderr, /build it from source/);
});

test('a missing addon says how to get it', async () => {
  const loader = join(repository, 'bindings-node/dist/native.js');
  const { code, stderr } = await run([
    '-e',
    `Object.defineProperty(process, 'arch', { value: process.arch === 'x64' ? 'arm64' : 'x64' }); require(${JSON.stringify(loader)})`,
  ]);
  assert.notEqual(code, 0);
  assert.match(stderr, /could not load its native addon @catalyst\/pki-/);
  assert.match(stderr, /optional/);
});

test('the tests of this package can run modules', async () => {
  const { code, stdout } = await runModule(
    `console.log(pki.isValidSpiffeId('spiffe://a.b/node/c'))`,
  );
  assert.deepEqual([code, stdout.trim()], [0, 'true']);
});
