// The CA's own revocation lists, and single certificates that are revoked by their serial number.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CertificateManager,
  SqliteCertificateStore,
  NativeSigningBackend,
  verifyPeer,
} from '@catalyst/pki';
import { failsWith, folder, newSvid, TRUST_DOMAIN } from './helpers.mjs';

function managerOf(certsDb) {
  const store = new SqliteCertificateStore(certsDb, { passphrase: 'correct horse' });
  return new CertificateManager(store, new NativeSigningBackend(), { trustDomain: TRUST_DOMAIN });
}

async function verdict(manager, svid, crl) {
  const { servicesAnchors: anchors } = await manager.getCaBundle();
  const policy = {
    anchors,
    trustDomain: TRUST_DOMAIN,
    segment: 'services',
    role: 'client',
    crls: [crl.der],
    requireCrl: true,
  };
  return await verifyPeer(svid.certificatePem, policy).then(
    () => 'taken',
    ({ code }) => code,
  );
}

test('what is revoked is in the list, and refused by whoever has it', async () => {
  const certsDb = join(folder(), 'certs.db');
  const manager = managerOf(certsDb);
  await failsWith('PKI_NOT_INITIALIZED', manager.getCrl('services'));
  await manager.initialize();
  const [good, held, stolen] = [
    await newSvid(manager, 'node', 'good'),
    await newSvid(manager, 'node', 'held'),
    await newSvid(manager, 'node', 'stolen'),
  ];
  const before = await manager.getCrl('services');
  assert.ok(before.der instanceof Uint8Array && before.der.length > 100);
  assert.equal(await verdict(manager, held, before), 'taken');
  assert.ok(Date.parse(before.nextUpdate) - Date.parse(before.thisUpdate) >= 86_400_000);
  assert.deepEqual(await manager.getCrl(before.issuerKeyId), before);

  await manager.denyIdentity(`spiffe://${TRUST_DOMAIN}/node/held`, 'lost');
  const denied = await manager.denySerial(stolen.serial.toUpperCase(), 'its key leaked');
  assert.deepEqual(denied, {
    serial: stolen.serial,
    issuerKeyId: before.issuerKeyId,
    reason: 'its key leaked',
    deniedAt: denied.deniedAt,
    expiresAt: stolen.expiresAt,
  });
  assert.ok(Math.abs(denied.deniedAt - Date.now()) < 60_000);
  assert.deepEqual(await manager.listDeniedSerials(), [denied]);

  const after = await manager.getCrl('services');
  assert.ok(after.number > before.number);
  assert.equal(await verdict(manager, good, after), 'taken');
  assert.equal(await verdict(manager, held, after), 'PKI_CERTIFICATE_REVOKED');
  assert.equal(await verdict(manager, stolen, after), 'PKI_CERTIFICATE_REVOKED');
  await manager.allowIdentity(`spiffe://${TRUST_DOMAIN}/node/held`);
  assert.equal(await verdict(manager, held, await manager.getCrl('services')), 'taken');

  // Another process has the same list, to the byte.
  const last = await manager.getCrl('services');
  await manager.shutdown();
  const other = managerOf(certsDb);
  await other.initialize();
  assert.deepEqual(await other.getCrl('services'), last);
  const root = await other.getCrl('root');
  assert.notEqual(root.issuerKeyId, last.issuerKeyId);
  await other.shutdown();
});

test('what can not be meant is refused in words', async () => {
  const manager = CertificateManager.ephemeral({ trustDomain: TRUST_DOMAIN });
  await manager.initialize();
  const svid = await newSvid(manager, 'node', 'a');
  const invalid = (call, words) => failsWith('PKI_INVALID_ARGUMENT', call, words);
  await invalid(manager.getCrl('envoy'), /must be root, services, transport/);
  await invalid(manager.getCrl('00ff'), /no CA here has the subject key identifier 00ff/);
  await invalid(manager.getCrl(undefined));
  await invalid(manager.denySerial('0x12', 'why'), /no hex/);
  await invalid(manager.denySerial(svid.serial, ''), /1 to 1024 bytes/);
  await invalid(manager.denySerial('0badcafe', 'seen'), /name the CA that has issued it too/);
  const unknown = await manager.denySerial('0badcafe', 'seen', 'services');
  assert.equal(unknown.expiresAt, null);
  await invalid(manager.denySerial('0badcafe', 'seen', 'nobody'), /must be root, services/);
});
