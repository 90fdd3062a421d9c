// What an operator may choose: looked at when the manager is made, and seen in what it makes.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertificateManager, generateKeyAndCsr, SqliteCertificateStore } from '@catalyst/pki';
import { failsWith, folder, locked, newManager, newSvid, TRUST_DOMAIN } from './helpers.mjs';

/** The DER of a certificate as text, in which names and OIDs can be looked for. */
const bytesOf = (pem) => new X509Certificate(pem).raw.toString('latin1');
/** id-ce-nameConstraints, RFC 5280 4.2.1.10. */
const NAME_CONSTRAINTS = '\x06\x03\x55\x1d\x1e';

test('how new intermediates are constrained', async () => {
  const intermediate = async (config) =>
    bytesOf((await (await newManager(config)).getCaBundle()).servicesAnchors[0]);
  for (const config of [{}, { nameConstraints: 'trust-domain' }, { nameConstraints: undefined }]) {
    const der = await intermediate(config);
    // The host of URIs: context tag 6 of a GeneralName.
    assert.ok(der.includes(NAME_CONSTRAINTS) && der.includes(`\x86\x10${TRUST_DOMAIN}`));
  }
  assert.ok(!(await intermediate({ nameConstraints: 'none' })).includes(NAME_CONSTRAINTS));
  const dns = await intermediate({ nameConstraints: 'dns:a.example,b.example' });
  assert.ok(dns.includes('\x82\x09a.example') && dns.includes('\x82\x09b.example'));
  for (const nameConstraints of ['dns', 'all', '', 'dns:', 'dns:a b', ['none'], null]) {
    const make = () => CertificateManager.ephemeral({ nameConstraints });
    await failsWith('PKI_INVALID_ARGUMENT', make, /nameConstraints|DNS|domain/);
  }
});

test('how CAs are called and how long they live', async () => {
  const manager = await newManager({
    cas: {
      rootCommonName: 'Root of Example',
      servicesCommonName: 'Services of Example',
      transportCommonName: 'Transport of Example',
      rootLifetimeSeconds: 20 * 86_400,
      intermediateLifetimeSeconds: 10 * 86_400,
    },
  });
  const { servicesBundle, transportAnchors } = await manager.getCaBundle();
  const certificates = [...servicesBundle, ...transportAnchors].map(
    (pem) => new X509Certificate(pem),
  );
  assert.deepEqual(
    certificates.map(({ subject }) => subject),
    ['CN=Services of Example', 'CN=Root of Example', 'CN=Transport of Example'],
  );
  const days = ({ validFrom, validTo }) =>
    (Date.parse(validTo) - Date.parse(validFrom)) / 86_400_000;
  assert.deepEqual(
    certificates.map((certificate) => Math.round(days(certificate))),
    [10, 20, 10],
  );
  // What can't be meant is said at once, not when the hierarchy is made.
  for (const [cas, message] of [
    [{ rootCommonName: 'Same', servicesCommonName: 'Same' }, /given to two CAs/],
    [{ rootCommonName: 'x'.repeat(65) }, /1 to 64/],
    [{ rootLifetimeSeconds: 60 }, /1 to 3650 days/],
    [{ intermediateLifetimeSeconds: 731 * 86_400 }, /1 to 730 days/],
    [{ intermediateLifetimeSeconds: 86_400.5 }, /cas\.intermediateLifetimeSeconds/],
    [
      { rootLifeTimeSeconds: 86_400 },
      /unknown field "rootLifeTimeSeconds"; did you mean rootLifetimeSeconds\?/,
    ],
  ]) {
    await failsWith('PKI_INVALID_ARGUMENT', () => CertificateManager.ephemeral({ cas }), message);
  }
});

test('which names requests may ask for', async () => {
  const dns = ['db.svc.example.com'];
  const request = async (manager) => {
    const { csrPem } = await generateKeyAndCsr('node', 'a', { trustDomain: TRUST_DOMAIN, dns });
    return manager.signCSR({ csrPem, serviceType: 'node', nodeId: 'a' });
  };
  const { certificatePem } = await request(
    await newManager({ allowedDnsSuffixes: ['svc.example.com'] }),
  );
  assert.match(new X509Certificate(certificatePem).subjectAltName, /DNS:db\.svc\.example\.com/);
  await failsWith('PKI_DNS_NAME_NOT_ALLOWED', request(await newManager()));
  for (const suffix of ['', '*', 'a b', '-']) {
    const make = () => CertificateManager.ephemeral({ allowedDnsSuffixes: [suffix] });
    await failsWith('PKI_INVALID_ARGUMENT', make);
  }
  const many = new Array(1_001).fill('a.example');
  await failsWith(
    'PKI_INVALID_ARGUMENT',
    () => CertificateManager.ephemeral({ allowedDnsSuffixes: many }),
    /allowedDnsSuffixes: at most 1000 elements/,
  );
});

test('how long a call waits for another program that writes', async () => {
  const certsDb = join(folder(), 'certs.db');
  const provider = { type: 'local', certsDb };
  const patient = CertificateManager.fromConfig({ trustDomain: TRUST_DOMAIN, provider });
  await patient.initialize();
  const hasty = CertificateManager.fromConfig({
    trustDomain: TRUST_DOMAIN,
    provider: { ...provider, busyTimeoutMs: 50 },
  });
  await hasty.initialize();
  const store = new SqliteCertificateStore(certsDb, { busyTimeoutMs: 0 });
  await store.countCertificates();
  const lock = await locked(certsDb);
  let patience = 'waiting';
  const waiting = newSvid(patient, 'node', 'a').then(() => (patience = 'signed'));
  const id = `spiffe://${TRUST_DOMAIN}/node/b`;
  await failsWith('PKI_STORE_UNAVAILABLE', hasty.denyIdentity(id, 'x'));
  await failsWith('PKI_STORE_UNAVAILABLE', store.denyIdentity(id, 'x'));
  assert.equal(patience, 'waiting');
  await lock.unlock();
  await waiting;
  await hasty.denyIdentity(id, 'x');
  for (const busyTimeoutMs of [-1, 0.5, NaN, '1']) {
    const make = () => new SqliteCertificateStore(certsDb, { busyTimeoutMs });
    await failsWith('PKI_INVALID_ARGUMENT', make, /busyTimeoutMs/);
  }
});
