import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertificateManager } from '@catalyst/pki';
import {
  failsWith,
  folder,
  isBun,
  newSvid,
  repository,
  run,
  runModule,
  TRUST_DOMAIN,
} from './helpers.mjs';

const PASSPHRASE = 'CATALYST_PKI_KEY_PASSPHRASE';

function managerOf(certsDb) {
  return CertificateManager.fromConfig({
    provider: { type: 'local', certsDb },
    trustDomain: TRUST_DOMAIN,
  });
}

/** With `value` in this process's own environment, as JavaScript sees it. */
async function withPassphrase(value, action) {
  const before = process.env[PASSPHRASE];
  process.env[PASSPHRASE] = value;
  try {
    return await action();
  } finally {
    if (before === undefined) delete process.env[PASSPHRASE];
    else process.env[PASSPHRASE] = before;
  }
}

test('a database outlives its process, for its owner alone', async () => {
  const certsDb = join(folder(), 'certs.db');
  const manager = managerOf(certsDb);
  assert.equal(existsSync(certsDb), false, 'nothing is opened by constructing');
  const fingerprints = await manager.initialize();
  const { spiffeId } = await newSvid(manager, 'node', 'a');
  await manager.denyIdentity(spiffeId, 'x');
  assert.equal(statSync(certsDb).mode & 0o777, 0o600);
  assert.equal(statSync(`${certsDb}.key`).mode & 0o777, 0o600);
  assert.equal(readFileSync(certsDb).includes('BEGIN PRIVATE KEY'), false);

  const { code, stdout, stderr } = await runModule(`
    const manager = pki.CertificateManager.fromConfig({
      provider: { type: 'local', certsDb: ${JSON.stringify(certsDb)} },
      trustDomain: '${TRUST_DOMAIN}',
    });
    const fingerprints = await manager.initialize();
    const { activeCertCount } = await manager.getStatus();
    console.log(JSON.stringify({ fingerprints, activeCertCount, denied: (await manager.listDeniedIdentities()).length }));
  `);
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual(JSON.parse(stdout), { fingerprints, activeCertCount: 1, denied: 1 });
});

test('many at once share commits and all are stored', async () => {
  const manager = managerOf(join(folder(), 'certs.db'));
  await manager.initialize();
  await Promise.all(Array.from({ length: 64 }, (_, i) => newSvid(manager, 'node', `node-${i}`)));
  assert.equal((await manager.getStatus()).activeCertCount, 64);
});

test('the passphrase of the environment opens the keys, another one does not', async () => {
  const certsDb = join(folder(), 'certs.db');
  await withPassphrase('correct horse', () => managerOf(certsDb).initialize());
  assert.equal(existsSync(`${certsDb}.key`), false);
  await withPassphrase('correct horse', () => managerOf(certsDb).initialize());
  const error = await withPassphrase('battery staple', () =>
    failsWith('PKI_WRONG_PASSPHRASE', managerOf(certsDb).initialize()),
  );
  assert.doesNotMatch(error.message, /horse|battery/);
  await withPassphrase('', () => failsWith('PKI_INVALID_ARGUMENT', () => managerOf(certsDb)));
});

test('the passphrase may be in a file', async () => {
  const place = folder();
  const certsDb = join(place, 'certs.db');
  const file = join(place, 'passphrase');
  writeFileSync(file, 'correct horse\n');
  const before = process.env.CATALYST_PKI_KEY_PASSPHRASE_FILE;
  process.env.CATALYST_PKI_KEY_PASSPHRASE_FILE = file;
  try {
    await managerOf(certsDb).initialize();
  } finally {
    if (before === undefined) delete process.env.CATALYST_PKI_KEY_PASSPHRASE_FILE;
    else process.env.CATALYST_PKI_KEY_PASSPHRASE_FILE = before;
  }
  await withPassphrase('correct horse', () => managerOf(certsDb).initialize());
});

/** Bun reads `.env` into `process.env`, and not into the environment that native code sees. */
test('a passphrase in a .env file counts in Bun', { skip: !isBun }, async () => {
  const place = folder();
  writeFileSync(join(place, '.env'), `${PASSPHRASE}=correct horse\n`);
  writeFileSync(
    join(place, 'main.mjs'),
    `import { CertificateManager } from ${JSON.stringify(join(repository, 'bindings-node/dist/index.mjs'))};
     await CertificateManager.fromConfig({ trustDomain: '${TRUST_DOMAIN}' }).initialize();`,
  );
  const { code, stderr } = await run([join(place, 'main.mjs')], { cwd: place });
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(existsSync(join(place, 'certs.db.key')), false);
  const certsDb = join(place, 'certs.db');
  await withPassphrase('correct horse', () => managerOf(certsDb).initialize());
});

test('a path that can not be opened is an error of the first call', async () => {
  const place = folder();
  mkdirSync(join(place, 'folder.db'));
  writeFileSync(join(place, 'text.db'), 'not a database '.repeat(100));
  for (const name of ['missing/certs.db', 'folder.db', 'text.db']) {
    const manager = managerOf(join(place, name));
    const error = await failsWith('PKI_STORE_UNAVAILABLE', manager.initialize());
    assert.equal(error.status, 503);
    assert.equal(manager.isInitialized(), false);
  }
});

test('a call that could not open the database can be made again', async () => {
  const place = folder();
  const manager = managerOf(join(place, 'later', 'certs.db'));
  await failsWith('PKI_STORE_UNAVAILABLE', manager.initialize());
  mkdirSync(join(place, 'later'));
  await manager.initialize();
});
