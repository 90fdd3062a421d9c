// tests/vectors/cases.json, which Rust and C run too: the same inputs, the same fields and codes in
// every language. What the file holds is said in tests/vectors/README.md.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as pki from '@catalyst/pki';
import { folder, repository, TRUST_DOMAIN } from './helpers.mjs';

const file = JSON.parse(readFileSync(join(repository, 'tests/vectors/cases.json'), 'utf8'));
const csrs = new Map(Object.entries(file.csrs));

/** A value of the file by its name; one that isn't there is a fault of the file. */
function named(map, name) {
  assert.ok(name in map, `${name} is in the file`);
  return map[name];
}

/** The fields of an input; one that isn't listed is a fault of the file, so none is passed over. */
function fields(input, ...known) {
  for (const field of Object.keys(input)) assert.ok(known.includes(field), `field ${field}`);
  return input;
}

const calls = {
  buildSpiffeId(input) {
    const { trustDomain, serviceType, instanceId } = fields(
      input,
      'trustDomain',
      'serviceType',
      'instanceId',
    );
    return { spiffeId: pki.buildSpiffeId(trustDomain, serviceType, instanceId) };
  },
  parseSpiffeId: (input) => pki.parseSpiffeId(fields(input, 'uri').uri),
  isValidSpiffeId: (input) => ({ valid: pki.isValidSpiffeId(fields(input, 'uri').uri) }),
  async generateKeyAndCsr(input) {
    const { serviceType, instanceId, as, ...options } = fields(
      input,
      'serviceType',
      'instanceId',
      'trustDomain',
      'dns',
      'as',
    );
    const made = await pki.generateKeyAndCsr(serviceType, instanceId, options);
    assert.match(made.privateKeyPem, /^-----BEGIN PRIVATE KEY-----\n/);
    assert.match(made.csrPem, /^-----BEGIN CERTIFICATE REQUEST-----\n/);
    const other = await pki.generateKeyAndCsr(serviceType, instanceId, options);
    assert.notEqual(other.privateKeyPem, made.privateKeyPem);
    if (as !== undefined) csrs.set(as, made.csrPem);
    return { spiffeId: made.spiffeId };
  },
  async createCa(input) {
    const manager = pki.CertificateManager.ephemeral(configOf(fields(input, 'config').config));
    await manager.initialize();
    return { trustDomain: (await manager.getCaBundle()).trustDomain };
  },
  async signCsr({ config = {}, ...input }) {
    return sign(await caOf({ trustDomain: TRUST_DOMAIN, ...configOf(config) }), input);
  },
  async verifyPeer(input) {
    const { chain, policy } = fields(input, 'chain', 'policy');
    const { withCrls, meant } = policyOf(policy);
    const verifier = () => new pki.PeerVerifier(meant).withCrls(withCrls);
    const [verify, verifySync] =
      withCrls === undefined
        ? [(given) => pki.verifyPeer(given, meant), (given) => pki.verifyPeerSync(given, meant)]
        : [(given) => verifier().verify(given), (given) => verifier().verifySync(given)];
    const result = await settled(() => verify(pemsOf(chain)));
    // At once it is the same.
    assert.deepEqual(await settled(() => verifySync(pemsOf(chain))), result);
    if (result.error !== undefined) throw result.error;
    return result.value;
  },
  async verifyToken(input) {
    const { token, verifier, how, peer } = fields(input, 'token', 'verifier', 'how', 'peer');
    const { keys, at, ...rest } = fields(
      verifier,
      ...[
        'keys',
        'issuer',
        'trustDomain',
        'at',
        'audience',
        'federated',
        'serviceTypes',
        'revoked',
      ],
    );
    const jwks = named(file.keySets, keys);
    const made = await pki.TokenVerifier.create({ ...rest, jwks, at: new Date(at) });
    const text = named(file.tokens, token);
    assert.ok(['verify', 'authenticate', 'inspect'].includes(how), how);
    if (peer === undefined) return made[how](text);
    const { chain, policy } = fields(peer, 'chain', 'policy');
    const { meant } = policyOf(policy);
    const peerVerifier = new pki.PeerVerifier(meant);
    return made[how](text, { peerCertificate: pemsOf(chain), peerVerifier });
  },
  thumbprint(input) {
    const der = Buffer.from(fields(input, 'der').der, 'base64');
    return { thumbprint: pki.certificateThumbprint(der) };
  },
  async sequence(input) {
    const { config, database, steps } = fields(input, 'config', 'database', 'steps');
    const path = database === true ? 'certs.db' : database;
    const place = path === undefined ? ':memory:' : join(folder(), path);
    let manager = open(place, config);
    for (const [at, step] of steps.entries()) {
      const answer = () => {
        if (step.call === 'open') {
          const { config: next, passphrase } = fields(step.input, 'config', 'passphrase');
          manager = open(place, next, passphrase);
          return {};
        }
        if (step.call === 'generateKeyAndCsr') return calls.generateKeyAndCsr(step.input);
        assert.ok(Object.hasOwn(methods, step.call), `unknown call ${step.call}`);
        return methods[step.call](manager, step.input);
      };
      await holds(step, answer, `step ${at}, ${step.call}: `);
    }
    return {};
  },
};

const methods = {
  async initialize(manager, input) {
    fields(input);
    const fingerprints = await manager.initialize();
    assert.deepEqual(await manager.initialize(), fingerprints);
    return {};
  },
  isInitialized(manager, input) {
    fields(input);
    return { initialized: manager.isInitialized() };
  },
  signCsr: (manager, input) => sign(manager, input),
  async getCaBundle(manager, input) {
    fields(input);
    const bundle = await manager.getCaBundle();
    const names = (pems) => pems.map((pem) => commonName(new X509Certificate(pem).subject));
    return {
      trustDomain: bundle.trustDomain,
      servicesBundle: names(bundle.servicesBundle),
      servicesAnchors: names(bundle.servicesAnchors),
      transportBundle: names(bundle.transportBundle),
      transportAnchors: names(bundle.transportAnchors),
    };
  },
  async denyIdentity(manager, input) {
    const { spiffeId, reason } = fields(input, 'spiffeId', 'reason');
    const { expiringCerts } = await manager.denyIdentity(spiffeId, reason);
    return { expiring: expiringCerts.length };
  },
  async allowIdentity(manager, input) {
    return { wasDenied: await manager.allowIdentity(fields(input, 'spiffeId').spiffeId) };
  },
  async listDeniedIdentities(manager, input) {
    fields(input);
    const denied = await manager.listDeniedIdentities();
    denied.sort((a, b) => (a.spiffeId < b.spiffeId ? -1 : 1));
    return { denied: denied.map(({ spiffeId, reason }) => ({ spiffeId, reason })) };
  },
  async getStatus(manager, input) {
    fields(input);
    const status = await manager.getStatus();
    return {
      ...status,
      servicesCaCertCount: status.servicesCa?.issuedCertCount ?? 0,
      transportCaCertCount: status.transportCa?.issuedCertCount ?? 0,
      warnings: status.warnings.length,
    };
  },
  async purgeExpired(manager, input) {
    fields(input);
    return { purged: await manager.purgeExpired() };
  },
  async shutdown(manager, input) {
    fields(input);
    await manager.shutdown();
    return {};
  },
};

/** The certificates of these names. */
function pemsOf(names) {
  return names.map((name) => named(file.certificates, name));
}

/** A policy as the package takes it, and the lists that are to take the place of its own. */
function policyOf(policy) {
  const {
    at,
    anchors,
    roots,
    crls = [],
    withCrls,
    federated = [],
    ...rest
  } = fields(
    policy,
    ...['anchors', 'trustDomain', 'segment', 'role', 'at', 'skewSeconds', 'expect', 'denied'],
    ...['crls', 'requireCrl', 'withCrls', 'federated', 'roots', 'anchorServiceTypes'],
    'algorithms',
  );
  const lists = (names) => names.map((name) => Buffer.from(named(file.crls, name), 'base64'));
  const meant = {
    ...rest,
    at: new Date(at),
    anchors: pemsOf(anchors),
    roots: roots && pemsOf(roots),
    crls: lists(crls),
    federated: federated.map((domain) => ({ ...domain, roots: pemsOf(domain.roots) })),
  };
  return { meant, withCrls: withCrls && lists(withCrls) };
}

function configOf(config) {
  return fields(
    config,
    ...['trustDomain', 'svidTtlSeconds', 'maxSvidTtlSeconds'],
    ...['nameConstraints', 'cas', 'allowedDnsSuffixes'],
  );
}

/** A manager of the CA in a database; the passphrase is what the environment says meanwhile. */
function open(place, config, passphrase) {
  const variable = 'CATALYST_PKI_KEY_PASSPHRASE';
  const before = process.env[variable];
  if (passphrase !== undefined) process.env[variable] = passphrase;
  try {
    const store = new pki.SqliteCertificateStore(place);
    return new pki.CertificateManager(store, new pki.NativeSigningBackend(), configOf(config));
  } finally {
    if (before === undefined) delete process.env[variable];
    else process.env[variable] = before;
  }
}

/** One for each configuration, because making its keys takes a while. */
const cas = new Map();

async function caOf(config) {
  const key = JSON.stringify(config);
  if (!cas.has(key)) {
    const manager = pki.CertificateManager.ephemeral(config);
    await manager.initialize();
    cas.set(key, manager);
  }
  return cas.get(key);
}

/** The fields of an issued certificate, which fit what came along with it. */
async function sign(manager, input) {
  const { csr, ...rest } = fields(
    input,
    ...['csr', 'serviceType', 'instanceId', 'ttlSeconds', 'requireCsrSpiffeId'],
  );
  assert.ok(csrs.has(csr), `${csr} is in the file`);
  const signed = await manager.signCSR({ csr: csrs.get(csr), ...rest });

  const certificate = new X509Certificate(signed.certificatePem);
  const [begin, end] = validity(certificate);
  const digest = createHash('sha256').update(certificate.raw).digest('base64url');
  assert.equal(signed.fingerprint, digest);
  assert.equal(signed.serial, certificate.serialNumber.toLowerCase());
  assert.equal(Date.parse(signed.expiresAt), end);
  const issuers = signed.chain.map((pem) => new X509Certificate(pem));
  assert.ok(certificate.verify(issuers[0].publicKey) && issuers[0].verify(issuers[1].publicKey));

  const names = certificate.subjectAltName.split(', ').map((name) => name.split(/:(.*)/s));
  const ofKind = (wanted) => names.filter(([kind]) => kind === wanted).map(([, name]) => name);
  assert.equal(ofKind('URI').length, 1);
  const purposes = { '1.3.6.1.5.5.7.3.1': 'serverAuth', '1.3.6.1.5.5.7.3.2': 'clientAuth' };
  return {
    commonName: commonName(certificate.subject),
    spiffeId: ofKind('URI')[0],
    dnsNames: ofKind('DNS'),
    omittedDnsNames: signed.omittedDnsNames,
    usages: certificate.keyUsage.map((oid) => purposes[oid] ?? oid),
    isCa: certificate.ca,
    issuers: issuers.map(({ subject }) => commonName(subject)),
    issuerLifetimesSeconds: issuers.map((ca) => {
      const [from, to] = validity(ca);
      return (to - from) / 1000;
    }),
    isIssuerConstrained: issuers[0].raw.includes(NAME_CONSTRAINTS),
    lifetimeSeconds: (end - begin) / 1000,
    renewAfterSeconds: Math.floor((Date.parse(signed.renewAfter) - begin) / 1000),
  };
}

/** Their OID, 2.5.29.30, in DER. */
const NAME_CONSTRAINTS = Buffer.from('0603551d1e', 'hex');

const validity = ({ validFrom, validTo }) => [validFrom, validTo].map((at) => Date.parse(at));

const commonName = (subject) => /^CN=(.*)$/m.exec(subject ?? '')?.[1] ?? null;

async function settled(action) {
  try {
    return { value: await action() };
  } catch (error) {
    return { error };
  }
}

/** Whether a call answers every expected field, or fails with the expected code and words. */
async function holds({ expect, except }, action, where = '') {
  const { value, error } = await settled(action);
  const code = except?.javascript?.error ?? expect.error;
  if (code !== undefined) {
    assert.ok(error instanceof pki.PkiError, `${where}${code} is thrown, not ${error?.stack}`);
    assert.equal(error.code, code, `${where}${error.message}`);
    assert.ok(
      error.message.includes(expect.message ?? ''),
      `${where}${error.message}, not ${expect.message}`,
    );
    return;
  }
  if (error !== undefined) throw new Error(where + String(error), { cause: error });
  for (const [field, wanted] of Object.entries(expect)) {
    assert.deepEqual(value[field], wanted, `${where}${field}`);
  }
}

test('the format is one that this runner knows', () => {
  assert.equal(file.format, 1);
  const maps = ['csrs', 'certificates', 'crls', 'keySets', 'tokens', 'codesWithoutCase'];
  assert.deepEqual(Object.keys(file), ['format', ...maps, 'cases']);
  for (const { call } of file.cases) {
    assert.ok(Object.hasOwn(calls, call), `unknown call ${call}`);
  }
});

for (const one of file.cases) {
  test(one.name, () => holds(one, () => calls[one.call](one.input)));
}
