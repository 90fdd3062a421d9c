// A database of the earlier package: two tables, keys in plain text, intermediates that don't say for
// which service types they are.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertificateManager, NativeSigningBackend, verifyPeer } from '@catalyst/pki';
import { failsWith, folder, newSvid, repository, run, TRUST_DOMAIN } from './helpers.mjs';

const DAY = 86_400_000;
const TABLES = [
  'CREATE TABLE certificate (serial TEXT PRIMARY KEY, fingerprint TEXT, type TEXT, common_name TEXT, spiffe_id TEXT, certificate_pem TEXT, private_key_pem TEXT, issuer_serial TEXT, not_before INTEGER, not_after INTEGER, status TEXT, created_at INTEGER)',
  'CREATE TABLE denied_identity (spiffe_id TEXT PRIMARY KEY, reason TEXT, denied_at INTEGER)',
];

/** A manager of such a database whose intermediates still live for `left` milliseconds. */
async function legacyManager(left) {
  const certsDb = join(folder(), 'certs.db');
  const statements = [...TABLES.map((sql) => [sql]), ...(await records(left))];
  // Bun has SQLite; Node 20 has none.
  const program = `
    import { Database } from 'bun:sqlite';
    const [path, statements] = process.argv.slice(-2);
    const database = new Database(path);
    for (const [sql, ...values] of JSON.parse(statements)) database.run(sql, values);
    database.close();`;
  const bun = join(repository, 'node_modules/.bin/bun');
  const { code, stderr } = await run(['-e', program, certsDb, JSON.stringify(statements)], {
    command: bun,
  });
  assert.deepEqual([code, stderr], [0, '']);
  const manager = CertificateManager.fromConfig({
    trustDomain: TRUST_DOMAIN,
    provider: { type: 'local', certsDb },
  });
  await manager.initialize();
  return manager;
}

async function records(left) {
  const backend = new NativeSigningBackend();
  const notBefore = Date.now() - 60_000;
  const insert = `INSERT INTO certificate VALUES (${Array(12).fill('?').join()})`;
  let root;
  const made = [];
  for (const [type, name] of [
    ['root-ca', 'Root'],
    ['services-ca', 'Services'],
    ['transport-ca', 'Transport'],
  ]) {
    const { publicKey, privateKey } = await backend.generateKeyPair();
    const notAfter = Date.now() + (root ? left : 3650 * DAY);
    const pem = await backend.signCertificate({
      subjectCN: `Catalyst ${name} CA`,
      subjectPublicKey: publicKey,
      signingKey: root?.privateKey ?? privateKey,
      ...(root && { signingCert: root.pem }),
      notBefore: new Date(notBefore),
      notAfter: new Date(notAfter),
      isCa: true,
      pathLenConstraint: root ? 0 : 1,
      keyUsage: { keyCertSign: true, crlSign: true },
    });
    const { serialNumber, raw } = new X509Certificate(pem);
    const [serial, key] = [
      serialNumber.toLowerCase(),
      await backend.exportPrivateKeyPem(privateKey),
    ];
    const fingerprint = await backend.computeFingerprint(raw);
    const names = [serial, fingerprint, type, `Catalyst ${name} CA`, null, pem, key];
    made.push([insert, ...names, root?.serial ?? null, notBefore, notAfter, 'active', notBefore]);
    root ??= { privateKey, pem, serial };
  }
  return made;
}

test('the status says what its intermediates lack, and a policy may say it for them', async () => {
  const manager = await legacyManager(300 * DAY);
  const { certificatePem } = await newSvid(manager, 'node', 'n1');
  const { status, warnings } = await manager.getStatus();
  assert.equal(status, 'degraded');
  assert.match(warnings.join('\n'), /service types/);

  const { servicesAnchors: anchors } = await manager.getCaBundle();
  const policy = { anchors, trustDomain: TRUST_DOMAIN, segment: 'services', role: 'server' };
  await assert.rejects(verifyPeer(certificatePem, policy), { name: 'PkiError' });
  const anchorServiceTypes = { [keyIdOf(anchors[0])]: ['node'] };
  const peer = await verifyPeer(certificatePem, { ...policy, anchorServiceTypes });
  assert.equal(peer.spiffeId, `spiffe://${TRUST_DOMAIN}/node/n1`);
  const other = { [keyIdOf(anchors[0])]: ['auth'] };
  const given = { ...policy, anchorServiceTypes: other };
  await assert.rejects(verifyPeer(certificatePem, given), { name: 'PkiError' });
  await manager.shutdown();
});

test('what is signed near the end of an issuer is renewed from now on, not from the past', async () => {
  const manager = await legacyManager(600_000);
  const before = Date.now();
  const { expiresAt, renewAfter } = await newSvid(manager, 'node', 'n1');
  assert.ok(Date.parse(expiresAt) <= before + 600_000);
  assert.ok(Date.parse(renewAfter) >= before - 1_000, renewAfter);
  await manager.shutdown();
});

test('nothing is signed in the last minute of an issuer', async () => {
  const manager = await legacyManager(50_000);
  await failsWith('PKI_SIGNING_CA_EXPIRED', newSvid(manager, 'node', 'n1'));
  await manager.shutdown();
});

/** The subject key identifier of a certificate: the extension's value, hex. */
function keyIdOf(pem) {
  const der = new X509Certificate(pem).raw.toString('hex');
  const [, length, rest] = der.match(/0603551d0e04(..)04..(.*)/);
  return rest.slice(0, (parseInt(length, 16) - 2) * 2);
}
