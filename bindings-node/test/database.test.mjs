import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CertificateManager,
  generateKeyAndCsr,
  NativeSigningBackend,
  SqliteCertificateStore,
  verifyPeer,
} from '@catalyst/pki';
import {
  failsWith,
  folder,
  isBun,
  locked,
  newManager,
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

test('a passphrase may be given to the store, whatever the environment says', async () => {
  const path = join(folder(), 'certs.db');
  const managerWith = (options) =>
    new CertificateManager(new SqliteCertificateStore(path, options), new NativeSigningBackend());
  await withPassphrase('battery staple', () =>
    managerWith({ passphrase: 'correct horse' }).initialize(),
  );
  assert.equal(existsSync(`${path}.key`), false);
  await managerWith({ passphrase: 'correct horse' }).initialize();
  await withPassphrase('correct horse', () => managerWith({}).initialize());
  await withPassphrase('battery staple', () =>
    failsWith('PKI_WRONG_PASSPHRASE', managerWith().initialize()),
  );
  const wrong = [
    ...['', 'correct\nhorse', 7, undefined].map((passphrase) => ({ passphrase })),
    ...[-1, 1e300].map((busyTimeoutMs) => ({ busyTimeoutMs })),
    ...['correct horse', null],
  ];
  // In memory nothing is encrypted, and what is wrong is wrong there too.
  for (const location of [path, ':memory:']) {
    for (const options of wrong) {
      const making = () => new SqliteCertificateStore(location, options);
      const error = await failsWith('PKI_INVALID_ARGUMENT', making);
      assert.doesNotMatch(error.message, /horse/);
    }
  }
  const inMemory = new SqliteCertificateStore(':memory:', { passphrase: 'x', busyTimeoutMs: 0 });
  await withPassphrase('', () => new SqliteCertificateStore().countCertificates());
  assert.deepEqual(await inMemory.countCertificates(), []);
});

test('who waits for a database that another program has locked stops nobody else', async () => {
  const certsDb = join(folder(), 'certs.db');
  const manager = managerOf(certsDb);
  await manager.initialize();
  const { certificatePem } = await newSvid(manager, 'node', 'a');
  const { servicesAnchors: anchors } = await manager.getCaBundle();
  const { csrPem } = await generateKeyAndCsr('node', 'b', { trustDomain: TRUST_DOMAIN });

  const lock = await locked(certsDb);
  let answered = 0;
  const waiting = [
    managerOf(certsDb).initialize(),
    ...Array.from({ length: 8 }, (_, i) => manager.denyIdentity(idOf(`denied-${i}`), 'x')),
    ...Array.from({ length: 60 }, () =>
      manager.signCSR({ csrPem, serviceType: 'node', nodeId: 'b' }),
    ),
  ].map((call) => call.finally(() => answered++));
  // Reading waits for nobody: a manager that finds a hierarchy writes nothing.
  await waiting.shift();
  answered = 0;
  for (let at = 0; at < 8; at++) {
    const policy = { anchors, trustDomain: TRUST_DOMAIN, segment: 'services', role: 'client' };
    assert.equal((await verifyPeer(certificatePem, policy)).instanceId, 'a');
    await newSvid(await newManager(), 'node', 'c');
  }
  assert.equal(answered, 0, 'the database is still locked');
  await lock.unlock();
  await Promise.all(waiting);
  assert.equal((await manager.getStatus()).deniedIdentityCount, 8);
});

const idOf = (instance) => `spiffe://${TRUST_DOMAIN}/node/${instance}`;

test('shutdown closes the database, and opens none', async () => {
  const certsDb = join(folder(), 'certs.db');
  const unused = managerOf(certsDb);
  await unused.shutdown();
  await unused.shutdown();
  assert.equal(existsSync(certsDb), false);
  await failsWith('PKI_SHUT_DOWN', unused.initialize());
  await managerOf(join(certsDb, 'no', 'folder')).shutdown();

  const [one, other] = [managerOf(certsDb), managerOf(certsDb)];
  await one.initialize();
  await other.initialize();
  await newSvid(one, 'node', 'a');
  const signing = newSvid(one, 'node', 'b');
  await other.shutdown();
  const [signed, shut] = await Promise.allSettled([signing, one.shutdown()]);
  if (signed.status === 'rejected') assert.equal(signed.reason.code, 'PKI_SHUT_DOWN');
  assert.equal(shut.status, 'fulfilled');
  assert.deepEqual(openFilesOf(certsDb), []);
  // The store itself goes on, and is closed on request.
  const store = one.getStore();
  assert.notEqual((await store.listActiveCertificates()).length, 0);
  if (process.platform === 'linux') assert.notDeepEqual(openFilesOf(certsDb), []);
  await store.close();
  assert.deepEqual(openFilesOf(certsDb), []);
  const inMemory = await newManager();
  await inMemory.getStore().close();
  await newSvid(inMemory, 'node', 'a');
});

test('a shutdown while the database is being opened leaves none of its files open', async () => {
  const certsDb = join(folder(), 'certs.db');
  for (let round = 0; round < 20; round++) {
    const manager = managerOf(certsDb);
    const calls = Array.from({ length: 4 }, () => manager.getStatus());
    const [end, ...outcomes] = await Promise.allSettled([manager.shutdown(), ...calls]);
    assert.equal(end.status, 'fulfilled');
    for (const { status, reason } of outcomes) {
      if (status === 'rejected') assert.equal(reason.code, 'PKI_SHUT_DOWN');
    }
    await failsWith('PKI_SHUT_DOWN', manager.getStatus());
  }
  assert.deepEqual(openFilesOf(certsDb), []);
});

/** The files of a database that this process has open; where /proc says so. */
function openFilesOf(certsDb) {
  if (process.platform !== 'linux') return [];
  const files = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // the one that lists the folder
    }
  });
  return files.filter((file) => file.startsWith(certsDb));
}

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

test('a passphrase is the same by value, by variable and by file', async () => {
  const place = folder();
  const certsDb = join(place, 'certs.db');
  await withPassphrase('correct horse', () => managerOf(certsDb).initialize());
  const byValue = (passphrase) =>
    new CertificateManager(
      new SqliteCertificateStore(certsDb, { passphrase }),
      new NativeSigningBackend(),
      { trustDomain: TRUST_DOMAIN },
    );
  for (const passphrase of ['correct horse\n', '\uFEFFcorrect horse\r\n\r\n']) {
    await byValue(passphrase).initialize();
    await withPassphrase(passphrase, () => managerOf(certsDb).initialize());
  }
  for (const passphrase of ['\r\n', 'correct\nhorse', 'correct\0horse']) {
    const error = await failsWith('PKI_INVALID_ARGUMENT', () => byValue(passphrase));
    assert.match(error.message, /^Invalid passphrase: it (is set but empty|has a )/);
    assert.doesNotMatch(error.message, /horse/);
  }
});

test('a key file that others can read is refused', async () => {
  const certsDb = join(folder(), 'certs.db');
  await managerOf(certsDb).initialize();
  chmodSync(`${certsDb}.key`, 0o644);
  const error = await failsWith('PKI_KEY_FILE_UNSAFE', managerOf(certsDb).initialize());
  assert.match(error.message, /certs\.db\.key can be read or written by others: .*chmod 600/);
  chmodSync(`${certsDb}.key`, 0o600);
  await managerOf(certsDb).initialize();
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
