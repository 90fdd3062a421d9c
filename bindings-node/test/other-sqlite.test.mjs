// Another SQLite in the process, a second copy of this package, backups and their way back.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, renameSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertificateManager, NativeSigningBackend, SqliteCertificateStore } from '@catalyst/pki';
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

const env = { CATALYST_PKI_KEY_PASSPHRASE: 'correct horse' };
const here = join(repository, 'bindings-node');

const [major, minor] = process.versions.node.split('.').map(Number);
const hasSqlite = isBun || major > 22 || (major === 22 && minor >= 13);

/** Somebody who looks into the file, in this process: the runtime's own SQLite, else a plain read. */
const LOOK = isBun
  ? `import { Database } from 'bun:sqlite';
     const look = (file) => {
       const db = new Database(file);
       db.query('select count(*) from certificate').get();
       db.close();
     };`
  : hasSqlite
    ? `import { DatabaseSync } from 'node:sqlite';
     const look = (file) => {
       const db = new DatabaseSync(file);
       db.prepare('select count(*) from certificate').get();
       db.close();
     };`
    : `import { readFileSync } from 'node:fs';
     const look = (file) => readFileSync(file);`;

const CA = (certsDb) => `
  const trustDomain = '${TRUST_DOMAIN}';
  const open = ({ CertificateManager }) => CertificateManager.fromConfig({
    trustDomain, provider: { type: 'local', certsDb: ${JSON.stringify(certsDb)} },
  });
  const { csrPem } = await pki.generateKeyAndCsr('auth', 'auth-a', { trustDomain });
  const sign = async (ca) =>
    (await ca.signCSR({ csrPem, serviceType: 'auth', instanceId: 'auth-a' })).serial;
`;

/** Runs a module to its end, which is sudden, and answers what it printed. */
async function told(source) {
  const { code, signal, stdout, stderr } = await runModule(source, { env });
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
  return JSON.parse(stdout);
}

/** What another process finds. */
const found = (certsDb) =>
  told(`${CA(certsDb)}
    const ca = open(pki);
    await ca.initialize();
    const store = ca.getStore();
    console.log(JSON.stringify({
      serials: (await store.listActiveCertificates()).map(({ serial }) => serial).sort(),
      denied: (await ca.listDeniedIdentities()).map(({ spiffeId }) => spiffeId).sort(),
    }));
    await ca.shutdown();`);

test('what is answered beside another SQLite in the process is there', async () => {
  const certsDb = join(folder(), 'certs.db');
  const answered = await told(`${LOOK} ${CA(certsDb)}
    const ca = open(pki);
    await ca.initialize();
    const [serials, denied] = [[], []];
    for (let round = 0; round < 10; round++) {
      look(${JSON.stringify(certsDb)});
      const signing = Promise.all(Array.from({ length: 8 }, () => sign(ca)));
      for (let looks = 0; looks < 5; looks++) {
        look(${JSON.stringify(certsDb)});
        await new Promise((resolve) => setImmediate(resolve));
      }
      serials.push(...(await signing));
      const id = \`spiffe://\${trustDomain}/node/n\${round}\`;
      await ca.denyIdentity(id, 'stolen');
      if (!(await ca.getStore().isDenied(id))) throw new Error(id);
      denied.push(id);
    }
    console.log(JSON.stringify({ serials: serials.sort(), denied: denied.sort() }));
    process.exit(0);`);
  assert.equal(answered.serials.length, 80);
  assert.deepEqual(await found(certsDb), answered);
});

test('two copies of the package in a process lose nothing', async () => {
  const copy = join(folder(), 'copy');
  const parts = readdirSync(here).filter((name) => /^(package\.json|dist|.*\.node)$/.test(name));
  for (const part of parts) cpSync(join(here, part), join(copy, part), { recursive: true });
  symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'));
  const certsDb = join(folder(), 'certs.db');
  const answered = await told(`${CA(certsDb)}
    const other = await import(${JSON.stringify(join(copy, 'dist/index.mjs'))});
    if (other.CertificateManager === pki.CertificateManager) throw new Error('one copy');
    const cas = [open(pki), open(other)];
    const serials = [];
    for (let round = 0; round < 5; round++) {
      await Promise.all(cas.map((ca) => ca.initialize()));
      const signing = cas.flatMap((ca) => Array.from({ length: 8 }, () => sign(ca)));
      serials.push(...(await Promise.all(signing)));
      await cas[1].shutdown();
      serials.push(await sign(cas[0]));
      cas[1] = open(other);
    }
    console.log(JSON.stringify({ serials: serials.sort(), denied: [] }));
    process.exit(0);`);
  assert.equal(answered.serials.length, 85);
  assert.deepEqual(await found(certsDb), answered);
});

function managerOf(certsDb) {
  const store = new SqliteCertificateStore(certsDb, { passphrase: 'correct horse' });
  const manager = new CertificateManager(store, new NativeSigningBackend(), {
    trustDomain: TRUST_DOMAIN,
  });
  return { store, manager };
}

test('a backup is made and restored while the CA goes on', async () => {
  const where = folder();
  const [certsDb, copy] = [join(where, 'certs.db'), join(where, 'backup.db')];
  const { store, manager } = managerOf(certsDb);
  const { rootFingerprint } = await manager.initialize();
  const { serial } = await newSvid(manager, 'node', 'a');
  const backup = await store.backup(copy);
  assert.equal(statSync(copy).mode & 0o777, 0o600);
  assert.deepEqual(backup, {
    path: copy,
    bytes: statSync(copy).size,
    keyIncluded: false,
    keyFile: null,
    notice:
      'The backup holds the CA keys encrypted, and not the passphrase: without that it is lost',
  });
  await failsWith('PKI_INVALID_ARGUMENT', store.backup(copy), /is there already: name a new file/);
  await failsWith('PKI_INVALID_ARGUMENT', store.backup(''), /path of a file/);
  await failsWith('PKI_STORE_UNAVAILABLE', store.backup(join(where, 'missing/b.db')));
  const inMemory = new SqliteCertificateStore();
  await failsWith('PKI_INVALID_ARGUMENT', inMemory.backup(join(where, 'm.db')), /in memory/);

  const later = await newSvid(manager, 'node', 'a');
  const denied = `spiffe://${TRUST_DOMAIN}/node/b`;
  await manager.denyIdentity(denied, 'stolen');
  await store.restore(copy);
  assert.notEqual(await store.findBySerial(serial), null);
  assert.equal(await store.findBySerial(later.serial), null);
  assert.equal(await store.isDenied(denied), true, 'no trust comes back');
  const again = await newSvid(manager, 'node', 'a');
  assert.notEqual(await store.findBySerial(again.serial), null);
  assert.equal((await manager.getStatus()).status, 'healthy');
  await failsWith('PKI_STORE_UNAVAILABLE', store.restore(join(where, 'missing.db')));

  // Put in place by hand, under the manager.
  renameSync(copy, certsDb);
  await newSvid(manager, 'node', 'a');
  assert.equal((await store.listActiveCertificates()).length, 2);
  await manager.shutdown();
  const other = managerOf(certsDb);
  assert.equal((await other.manager.initialize()).rootFingerprint, rootFingerprint);
  await other.manager.shutdown();
});

test('a path that is too long for SQLite is said to be that', async () => {
  const long = join(folder(), ...Array.from({ length: 5 }, () => 'd'.repeat(100)));
  mkdirSync(long, { recursive: true });
  const { manager } = managerOf(join(long, 'certs.db'));
  await failsWith(
    'PKI_STORE_UNAVAILABLE',
    manager.initialize(),
    /bytes, and SQLite takes 504 at most/,
  );
  assert.deepEqual(readdirSync(long), [], 'nothing is left behind');
});

test('a record that cannot be read is named, and hides no other', async () => {
  const certsDb = join(folder(), 'certs.db');
  const { store, manager } = managerOf(certsDb);
  await manager.initialize();
  const [first, broken, last] = [
    await newSvid(manager, 'node', 'a'),
    await newSvid(manager, 'node', 'b'),
    await newSvid(manager, 'node', 'c'),
  ];
  const program = `
    const database = new (await import('bun:sqlite')).Database(process.argv[1]);
    database.run("UPDATE certificate SET not_after = 'soon' WHERE serial = ?", [process.argv[2]]);`;
  const { code } = await run(['-e', program, certsDb, broken.serial], {
    command: join(repository, 'node_modules/.bin/bun'),
  });
  assert.equal(code, 0);
  const warned = new Promise((resolve) => process.once('warning', resolve));
  const serials = (await store.listActiveCertificates()).map(({ serial }) => serial);
  assert.deepEqual(serials.sort(), [first.serial, last.serial].sort());
  const warning = await warned;
  assert.equal(warning.name, 'PkiWarning');
  assert.ok(warning.message.includes(broken.serial), warning.message);
  await manager.shutdown();
});

test('times that no certificate can name are refused, not cut', async () => {
  const store = new SqliteCertificateStore();
  const manager = new CertificateManager(store, new NativeSigningBackend());
  await manager.initialize();
  const { serial } = await newSvid(manager, 'node', 'a');
  const record = await store.findBySerial(serial);
  const other = { ...record, serial: '01', fingerprint: 'x' };
  for (const field of ['notBefore', 'notAfter', 'createdAt']) {
    const late = { ...other, [field]: 253_402_300_800_000 };
    await failsWith(
      'PKI_INVALID_ARGUMENT',
      store.saveEndEntityCertificate(late),
      new RegExp(field),
    );
  }
  assert.equal(await store.findBySerial('01'), null);
});
