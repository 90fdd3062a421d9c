// Programs that have changed what every object and array inherits. Each runs in a process of its own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository, runModule } from './helpers.mjs';

/** Loads all that is loaded when it is first needed, Zod above all. */
const USED_BEFORE =
  "pki.CertificateManager.fromConfig({ provider: { type: 'local', persistent: false } });";

/** A program that changes something, then does everything, and ends as programs do. */
function program(pollute, use = '') {
  return runModule(`
    const td = 'mesh.example.com';
    ${pollute}
    const outcome = { done: [], refused: [] };
    const attempt = async (name, action) => {
      try {
        outcome.done.push(name);
        return await action();
      } catch (error) {
        outcome.done.pop();
        if (!(error instanceof pki.PkiError || error instanceof TypeError)) throw error;
        outcome.refused.push(name);
      }
    };
    const config = { trustDomain: td, provider: { type: 'local', persistent: false } };
    const manager = await attempt('construct', () => pki.CertificateManager.fromConfig(config));
    await attempt('initialize', () => manager.initialize());
    const key = await attempt('generate', () => pki.generateKeyAndCsr('node', 'a', { trustDomain: td, dns: [] }));
    const signed = await attempt('sign', () => manager.signCSR({ csrPem: key.csrPem, serviceType: 'node', nodeId: 'a' }));
    const bundle = await attempt('bundle', () => manager.getCaBundle());
    const peer = await attempt('verify', () => pki.verifyPeer([signed.certificatePem], {
      anchors: bundle.servicesAnchors, trustDomain: td, segment: 'services', role: 'client',
    }));
    const issuer = await attempt('open', () => pki.TokenIssuer.open({ issuer: 'a', trustDomain: td, db: ':memory:' }));
    const minted = await attempt('mint', () => issuer.mint({
      subject: 'a', entity: { id: 'a', name: 'a', type: 'service' }, principal: 'NODE',
    }));
    await attempt('authenticate', () => issuer.authenticate(minted.token));
    await attempt('tokens', () => issuer.list());
    await attempt('jwks', async () => pki.TokenVerifier.create({ issuer: 'a', jwks: await issuer.jwks() }));
    await attempt('revoke', () => issuer.revoke({ san: 'a' }));
    await attempt('rotate', () => issuer.rotate());
    await attempt('deny', () => manager.denyIdentity(key.spiffeId, 'x'));
    await attempt('list', () => manager.listDeniedIdentities());
    await attempt('status', () => manager.getStatus());
    await attempt('parse', () => pki.parseSpiffeId(key.spiffeId));
    ${use}
    process.stdout.write(outcome.done.join() + ';' + outcome.refused.join());
  `);
}

const ALL =
  'construct,initialize,generate,sign,bundle,verify,open,mint,authenticate,tokens,jwks,revoke,rotate,deny,list,status,parse;';

const harmless = {
  nothing: '',
  'a field of every object': `Object.prototype.polluted = 'x';`,
  'an enumerable function of every object': `Object.prototype.each = function () { return this; };`,
  'an element of every array': `Array.prototype.each = () => 1;`,
  'an index of every array': `Array.prototype[5] = 'x';`,
  'a symbol of every object': `Object.prototype[Symbol('x')] = 1;`,
  'the words of our answers': `for (const word of ['code', 'status', 'message', 'more', 'ok', 'resolve', 'reject', 'cause']) Object.prototype[word] = 'polluted';`,
  'every function': `Function.prototype.polluted = 1;`,
};

for (const [what, pollute] of Object.entries(harmless)) {
  test(`${what}: all works`, async () => {
    const { code, signal, stdout, stderr } = await program(USED_BEFORE + pollute);
    assert.deepEqual([code, signal, stdout, stderr], [0, null, ALL, '']);
  });
}

test('what Zod does not load with is refused, until it is gone', async () => {
  const { code, signal, stdout, stderr } = await program(
    `Object.prototype.polluted = 'x';`,
    `delete Object.prototype.polluted;
     await pki.CertificateManager.ephemeral().initialize();
     outcome.done.push('again');`,
  );
  assert.deepEqual([code, signal, stderr], [0, null, '']);
  assert.match(stdout, /again/);
});

// An option that every object inherits is nobody's choice: everything works as if it weren't there.
const options = {
  'of a request': ['csr', 'instanceId', 'ttlSeconds', 'requireCsrSpiffeId'],
  'of a policy': [
    ...['expect', 'denied', 'crls', 'federated', 'at', 'skewSeconds', 'issuerKeyId'],
    ...['roots', 'anchorServiceTypes', 'algorithms', 'identities', 'serials'],
  ],
  'of tokens': [
    ...[
      'certificate',
      'certificateFingerprint',
      'spiffeId',
      'uses',
      'sans',
      'audience',
      'expiresIn',
    ],
    ...['nodeId', 'trustedDomains', 'trustedNodes', 'peerCertificate', 'peerVerifier', 'authorize'],
    ...['db', 'store', 'serviceTypes', 'jti', 'subject', 'immediate', 'gracePeriodMs', 'revoked'],
  ],
  'of a configuration': [
    ...['svidTtlSeconds', 'maxSvidTtlSeconds', 'autoRenew', 'provider'],
    ...['nameConstraints', 'cas', 'allowedDnsSuffixes', 'busyTimeoutMs', 'passphrase'],
  ],
};
for (const [what, names] of Object.entries(options)) {
  for (const value of [`'polluted'`, '{}', 'NaN', 'false', '() => {}']) {
    test(`options ${what} inherited by every object, as ${value}`, async () => {
      const pollute = names.map((name) => `Object.prototype.${name} = ${value};`);
      const { code, signal, stdout, stderr } = await program(USED_BEFORE + pollute.join(''));
      assert.deepEqual([code, signal, stdout, stderr], [0, null, ALL, '']);
    });
  }
}

test('no inherited option opens what is shut', async () => {
  const { csrs } = JSON.parse(readFileSync(join(repository, 'tests/vectors/cases.json'), 'utf8'));
  const { stdout, stderr } = await runModule(`
    const manager = pki.CertificateManager.ephemeral({ trustDomain: 'mesh.example.com' });
    await manager.initialize();
    const request = { csrPem: ${JSON.stringify(csrs['no SAN'])}, serviceType: 'node', nodeId: 'a' };
    const signed = await manager.signCSR({ ...request, requireCsrSpiffeId: false });
    Object.prototype.requireCsrSpiffeId = false;
    const refused = await manager.signCSR(request).catch(({ code }) => code);
    delete Object.prototype.requireCsrSpiffeId;

    const { servicesAnchors } = await manager.getCaBundle();
    const policy = {
      anchors: servicesAnchors,
      trustDomain: 'mesh.example.com',
      segment: 'services',
      role: 'client',
      at: new Date(Date.parse(signed.expiresAt) + 1000),
    };
    Object.prototype.skewSeconds = 3600;
    const expired = await pki.verifyPeer(signed.certificatePem, policy).catch(({ code }) => code);

    const issuer = await pki.TokenIssuer.open({ issuer: 'a', trustDomain: policy.trustDomain, db: ':memory:' });
    const { token } = await issuer.mint({
      subject: 'a', entity: { id: 'a', name: 'a', type: 'service' }, principal: 'NODE',
      certificate: signed.certificatePem,
    });
    Object.prototype.peerCertificate = signed.certificatePem;
    Object.prototype.peerVerifier = new pki.PeerVerifier({ ...policy, at: undefined });
    const unbound = await issuer.authenticate(token).catch(({ code }) => code);
    process.stdout.write([refused, expired, unbound].join());
  `);
  assert.equal(
    stdout,
    'PKI_CSR_WITHOUT_SPIFFE_ID,PKI_CERTIFICATE_EXPIRED,PKI_TOKEN_BINDING_MISMATCH',
    stderr,
  );
});

// Of options that the caller doesn't give. One of a name that it does give keeps Zod from setting the
// field of its result, so that the getter's own error comes out: the program's, not ours.
test('a getter that throws, inherited by every object', async () => {
  for (const name of ['csr', 'ttlSeconds', 'denied', 'crls', 'provider']) {
    const { code, signal, stdout, stderr } = await program(
      `${USED_BEFORE}
      Object.defineProperty(Object.prototype, '${name}', {
        get() { throw new RangeError('from afar'); }, configurable: true,
      });`,
      `delete Object.prototype.${name};
       const again = pki.CertificateManager.ephemeral();
       await again.initialize();
       outcome.done.push('again');`,
    );
    assert.deepEqual([code, signal, stderr], [0, null, '']);
    assert.match(stdout, /again/);
  }
});
