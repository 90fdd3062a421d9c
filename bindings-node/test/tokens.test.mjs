// Certificate-bound tokens (RFC 8705): minted, shown, stolen, revoked, through the package's own functions.
import assert from 'node:assert/strict';
import { X509Certificate, createHash, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CertificateManager,
  NativeSigningBackend,
  PeerVerifier,
  SqliteCertificateStore,
  TokenIssuer,
  TokenVerifier,
  certificateThumbprint,
  generateKeyAndCsr,
} from '@catalyst/pki';
import { TRUST_DOMAIN, failsWith, folder, newManager, newSvid } from './helpers.mjs';

const NODE = 'node-a.example.com';
const PEER = 'node-b.example.com';
const SECONDS = { minute: 60, hour: 3_600, day: 86_400 };

const entity = { id: PEER, name: 'node-b', type: 'service' };
const whose = { issuer: NODE, trustDomain: TRUST_DOMAIN };

const manager = await newManager();
const store = manager.getStore();
const svid = await newSvid(manager, 'orchestrator', PEER);
const thief = await newSvid(manager, 'orchestrator', 'node-c.example.com');
const peerVerifier = await verifierOf(manager);
const shown = { peerCertificate: svid.certificatePem, peerVerifier };
const request = { subject: PEER, entity, principal: 'NODE', certificate: svid.certificatePem };

/** Every service of the trust domain as a client. */
async function verifierOf(ca, policy = {}) {
  const { servicesAnchors, trustDomain } = await ca.getCaBundle();
  const rest = { trustDomain, segment: 'services', role: 'client', ...policy };
  return new PeerVerifier({ anchors: servicesAnchors, ...rest });
}

function der(pem) {
  return new X509Certificate(pem).raw;
}

function digestOf(pem) {
  return createHash('sha256').update(der(pem)).digest('base64url');
}

function part(token, at) {
  return JSON.parse(Buffer.from(token.split('.')[at], 'base64url').toString());
}

/** Who signs tokens as the issuer does, and otherwise. */
class Signer {
  #keys = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  kid;

  constructor(kid = 'ours') {
    this.kid = kid;
  }

  get jwk() {
    const { kty, crv, x, y } = this.#keys.publicKey.export({ format: 'jwk' });
    return { kty, crv, x, y, kid: this.kid, alg: 'ES384', use: 'sig' };
  }

  get publicPem() {
    return this.#keys.publicKey.export({ format: 'pem', type: 'spki' });
  }

  /** A JWS of two texts: what stands in them is the caller's affair. */
  sign(header, claims, key = this.#keys.privateKey) {
    const content = [header, claims].map((text) => Buffer.from(text).toString('base64url'));
    const bytes = Buffer.from(content.join('.'));
    const signature = sign('sha384', bytes, { key, dsaEncoding: 'ieee-p1363' });
    return `${content.join('.')}.${signature.toString('base64url')}`;
  }

  token(header = {}, claims = {}) {
    const now = Math.floor(Date.now() / 1000);
    const whole = {
      sub: PEER,
      iss: NODE,
      aud: 'here',
      iat: now,
      exp: now + SECONDS.hour,
      jti: 'one',
      entity,
      principal: 'CATALYST::NODE',
      cnf: { 'x5t#S256': digestOf(svid.certificatePem) },
      ...claims,
    };
    const head = { alg: 'ES384', typ: 'JWT', kid: this.kid, ...header };
    return this.sign(JSON.stringify(head), JSON.stringify(whole));
  }

  verifier(options = {}) {
    const rest = { audience: 'here', jwks: { keys: [this.jwk] }, ...options };
    return TokenVerifier.create({ ...whose, ...rest });
  }
}

test('a token is good for who holds the certificate, and nobody else', async () => {
  const issuer = await TokenIssuer.open({ store, ...whose });
  const minted = await issuer.mint(request);
  assert.deepEqual(Object.keys(minted).sort(), [
    'certificateFingerprint',
    'expiresAt',
    'jti',
    'outlivesCertificate',
    'token',
  ]);
  assert.equal(minted.certificateFingerprint, svid.fingerprint);
  for (const peerCertificate of [
    svid.certificatePem,
    der(svid.certificatePem),
    [svid.certificatePem, ...svid.chain],
  ]) {
    const claims = await issuer.verify(minted.token, { peerCertificate, peerVerifier });
    assert.equal(claims.jti, minted.jti);
    assert.equal(claims.exp * 1000, Date.parse(minted.expiresAt));
    assert.deepEqual(claims, part(minted.token, 1));
    assert.deepEqual(
      await issuer.authenticate(minted.token, { peerCertificate, peerVerifier }),
      claims,
    );
  }
  const stolen = { peerCertificate: thief.certificatePem, peerVerifier };
  const renewed = await newSvid(manager, 'orchestrator', PEER);
  const other = { peerCertificate: renewed.certificatePem, peerVerifier };
  for (const options of [stolen, other]) {
    for (const method of ['verify', 'authenticate']) {
      const { message, status } = await failsWith('PKI_TOKEN_BINDING_MISMATCH', () =>
        issuer[method](minted.token, options),
      );
      assert.deepEqual([message, status], ['Token not bound to this certificate', 401]);
    }
  }
  // Nothing is cut from a token.
  await failsWith('PKI_INVALID_TOKEN', issuer.verify(`${minted.token} `, shown));
  // Without any certificate too.
  await failsWith('PKI_TOKEN_BINDING_MISMATCH', issuer.authenticate(minted.token));
  await failsWith(
    'PKI_TOKEN_BINDING_MISMATCH',
    issuer.authenticate(minted.token, { peerVerifier }),
  );
});

test('a certificate that nobody has verified is no peer', async () => {
  const issuer = await TokenIssuer.open({ store, ...whose });
  const elsewhere = await newSvid(await newManager(), 'orchestrator', PEER);
  const { token } = await issuer.mint({ ...request, certificate: elsewhere.certificatePem });
  const forged = { peerCertificate: elsewhere.certificatePem, peerVerifier };
  // It is the first that is looked at: a token that is none changes nothing.
  for (const shownToken of [token, 'no.token.atall']) {
    await failsWith('PKI_UNTRUSTED_ISSUER', issuer.verify(shownToken, forged));
    await failsWith('PKI_UNTRUSTED_ISSUER', issuer.authenticate(shownToken, forged));
  }
  const denied = { identities: [svid.spiffeId] };
  const withDenied = { ...shown, peerVerifier: peerVerifier.withDenied(denied) };
  const own = await issuer.mint(request);
  await failsWith('PKI_IDENTITY_DENIED', issuer.verify(own.token, withDenied));

  const refused = (options, message) =>
    failsWith('PKI_INVALID_ARGUMENT', () => issuer.verify(own.token, options), message);
  await refused(
    { peerCertificate: svid.certificatePem },
    /peerVerifier: it must be a PeerVerifier/,
  );
  await refused({ ...shown, peerVerifier: {} }, /peerVerifier: it must be a PeerVerifier/);
  await refused({ peerVerifier }, /peerCertificate: .*without one there is no peer/);
  await refused({ peer: await peerVerifier.verify(svid.certificatePem) }, /unknown field "peer"/);
  await refused(undefined, /expected object/);
  const bare = issuer.authenticate(own.token, { peerCertificate: svid.certificatePem });
  await failsWith('PKI_INVALID_ARGUMENT', bare, /peerVerifier/);
});

test('a token says what the specification has it say', async () => {
  const issuer = await TokenIssuer.open({ store, ...whose });
  const { token, jti, expiresAt } = await issuer.mint({
    ...request,
    entity: { ...entity, nodeId: NODE, trustedDomains: ['a.example'], trustedNodes: [] },
    principal: 'CATALYST::NODE',
    expiresIn: '30m',
  });
  const [{ kid }] = (await issuer.jwks()).keys;
  assert.deepEqual(part(token, 0), { typ: 'JWT', alg: 'ES384', kid });
  const claims = part(token, 1);
  assert.equal(claims.exp - claims.iat, 30 * SECONDS.minute);
  assert.deepEqual(claims, {
    sub: PEER,
    iss: NODE,
    iat: claims.iat,
    exp: Date.parse(expiresAt) / 1000,
    jti,
    entity: { ...entity, nodeId: NODE, trustedDomains: ['a.example'], trustedNodes: [] },
    principal: 'CATALYST::NODE',
    cnf: { 'x5t#S256': digestOf(svid.certificatePem) },
    aud: NODE,
  });
});

test('how long a token lives', async () => {
  const issuer = await TokenIssuer.open({ store, ...whose });
  const lives = async (options) => {
    const { token, outlivesCertificate } = await issuer.mint({ ...request, ...options });
    const { iat, exp } = part(token, 1);
    return [exp - iat, outlivesCertificate];
  };
  assert.deepEqual(await lives({ expiresIn: '30s' }), [30, false]);
  assert.deepEqual(await lives({ expiresIn: '30m' }), [30 * SECONDS.minute, false]);
  assert.equal((await lives({}))[0], SECONDS.hour);
  // The certificate lives an hour.
  assert.deepEqual(await lives({ expiresIn: '7d' }), [7 * SECONDS.day, true]);
  assert.deepEqual(await lives({ expiresIn: '52w' }), [30 * SECONDS.day, true]);
  assert.deepEqual(await lives({ expiresIn: '52w', principal: 'ADMIN' }), [SECONDS.day, true]);
  for (const expiresIn of ['', 'h', '0s', '-1h', '1.5h', '1 hour', '99999999999w']) {
    const refused = issuer.mint({ ...request, expiresIn });
    await failsWith(
      'PKI_INVALID_ARGUMENT',
      refused,
      /expiresIn: it must be a number above 0 with s, m/,
    );
  }
});

test('a certificate as PEM, DER and fingerprint', async () => {
  const issuer = await TokenIssuer.open({ store, ...whose });
  const { certificate, ...bare } = request;
  const hex = createHash('sha256').update(der(certificate)).digest('hex');
  for (const how of [
    { certificate },
    { certificate: der(certificate) },
    { certificate: certificate + svid.chain.join('') },
    { certificateFingerprint: svid.fingerprint },
    { certificateFingerprint: hex },
    { certificateFingerprint: hex.toUpperCase().match(/../g).join(':') },
  ]) {
    const { token, certificateFingerprint } = await issuer.mint({ ...bare, ...how });
    assert.equal(certificateFingerprint, svid.fingerprint);
    assert.equal((await issuer.verify(token, shown)).sub, PEER);
  }
  const refused = (code, how, message) =>
    failsWith(code, issuer.mint({ ...bare, ...how }), message);
  const both = { certificate, certificateFingerprint: svid.fingerprint };
  await refused('PKI_INVALID_ARGUMENT', both, /certificate: give the certificate or its/);
  await refused('PKI_INVALID_DER', { certificate: new Uint8Array(9) }, /^Invalid DER encoding$/);
  await refused('PKI_MALFORMED_CERTIFICATE', { certificate: 'no PEM' }, /no PEM block/);
  await refused(
    'PKI_INVALID_ARGUMENT',
    { certificate: 7 },
    /certificate: it must be PEM as a string/,
  );
  await refused('PKI_INVALID_ARGUMENT', { certificateFingerprint: 'AAAA' }, /in base64url without/);
});

test('the thumbprint of a certificate', async () => {
  const { certificatePem, chain, fingerprint } = svid;
  assert.equal(certificateThumbprint(certificatePem), digestOf(certificatePem));
  assert.equal(certificateThumbprint(certificatePem + chain[0]), fingerprint);
  assert.equal(certificateThumbprint(der(certificatePem)), fingerprint);
  assert.notEqual(certificateThumbprint(chain[0]), fingerprint);
  await failsWith('PKI_INVALID_DER', () => certificateThumbprint(new Uint8Array([0x30, 0])));
  await failsWith('PKI_MALFORMED_CERTIFICATE', () => certificateThumbprint('text'));
  for (const value of [undefined, 1, {}, new ArrayBuffer(4)]) {
    await failsWith(
      'PKI_INVALID_ARGUMENT',
      () => certificateThumbprint(value),
      /certificate: it must be/,
    );
  }
});

test('what no token can say is refused, by name', async () => {
  const issuer = await TokenIssuer.open({ store, ...whose });
  const before = (await issuer.list()).length;
  const refused = (options, message) =>
    failsWith('PKI_INVALID_ARGUMENT', () => issuer.mint({ ...request, ...options }), message);
  await refused({ subject: ' ' }, /subject: it must not be empty/);
  await refused({ subject: undefined }, /subject: /);
  await refused({ subject: 'x'.repeat(1_025) }, /over 1024 bytes/);
  await refused({ subject: 'a\ud800' }, /subject: it must be well-formed/);
  await refused({ principal: 'ROOT' }, /principal: it must be one of ADMIN, NODE, /);
  await refused({ principal: 'CATALYST::ROOT' }, /principal: it must be one of ADMIN, NODE, /);
  await refused({ entity: { ...entity, type: 'robot' } }, /entity\.type: /);
  await refused({ entity: { id: PEER, name: 'b' } }, /entity\.type: /);
  await refused({ entity: { ...entity, trustedNode: [] } }, /entity: .*did you mean trustedNodes/);
  await refused({ expires: '1h' }, /did you mean expiresIn/);
  await refused({ sans: 'a' }, /sans: /);
  await refused({ sans: Array.from({ length: 101 }, (_, at) => `${at}`) }, /more than 100 entries/);
  await refused({ uses: 1 }, /uses: only a bootstrap token is used up/);
  await refused({ uses: -1 }, /uses: /);
  await refused({ spiffeId: thief.spiffeId }, /spiffeId: the certificate is of another/);
  await failsWith('PKI_INVALID_SPIFFE_ID', issuer.mint({ ...request, spiffeId: 'no ID' }));
  assert.equal((await issuer.list()).length, before);
});

/** A row of the table of checks: its code, its words, and what is wrong with the token. */
const CHECKS = [
  ['PKI_INVALID_TOKEN', 'Invalid token', { header: { typ: 'x' } }],
  ['PKI_TOKEN_KEY_NOT_FOUND', 'Invalid token: Key not found', { header: { kid: 'another' } }],
  ['PKI_TOKEN_EXPIRED', 'Token expired', { claims: { exp: Math.floor(Date.now() / 1000) - 31 } }],
  ['PKI_INVALID_TOKEN', 'Invalid token', { claims: { iss: 'another' } }],
  ['PKI_INVALID_TOKEN', 'Invalid token', { claims: { aud: 'another' } }],
  ['PKI_TOKEN_REVOKED', 'Invalid token: Token is revoked', { claims: { jti: 'revoked' } }],
  ['PKI_TOKEN_NOT_BOUND', 'Token missing certificate binding', { claims: { cnf: undefined } }],
  [
    'PKI_TOKEN_BINDING_MISMATCH',
    'Token not bound to this certificate',
    { claims: { cnf: { 'x5t#S256': thief.fingerprint } } },
  ],
  [
    'PKI_TOKEN_IDENTITY_MISMATCH',
    'Identity mismatch',
    { claims: { sub: 'node-x', entity: { ...entity, id: 'node-y' } } },
  ],
];

test('each check has its code and its words', async () => {
  const signer = new Signer();
  const verifier = await signer.verifier({ revoked: ['revoked'] });
  assert.equal((await verifier.verify(signer.token(), shown)).jti, 'one');
  for (const [code, words, { header, claims }] of CHECKS) {
    const error = await failsWith(code, verifier.verify(signer.token(header, claims), shown));
    assert.deepEqual([error.message, error.status], [words, 401]);
  }
  const denied = { ...shown, authorize: () => false };
  const error = await failsWith('PKI_PERMISSION_DENIED', verifier.verify(signer.token(), denied));
  assert.deepEqual([error.message, error.status], ['Permission denied', 403]);
});

test('the first check that fails is the one that is said', async () => {
  const signer = new Signer();
  const verifier = await signer.verifier({ revoked: ['revoked'] });
  // With each row fails all of what comes after it, as far as a token can have both.
  let asked = 0;
  const options = { ...shown, authorize: () => asked++ };
  let [header, claims] = [{}, {}];
  for (const [code, , fault] of CHECKS.toReversed()) {
    header = { ...header, ...fault.header };
    claims = { ...claims, ...fault.claims };
    await failsWith(code, verifier.verify(signer.token(header, claims), options));
  }
  const unverified = { ...options, peerVerifier: await verifierOf(await newManager()) };
  await failsWith(
    'PKI_UNTRUSTED_ISSUER',
    verifier.verify(signer.token(header, claims), unverified),
  );
  assert.equal(asked, 0);
});

test('the identity that a token was issued to', async () => {
  const issuer = await TokenIssuer.open({ store, ...whose });
  // A node of the same instance is another service.
  const node = await newSvid(manager, 'node', PEER);
  const signer = new Signer();
  const ofNode = signer.token({}, { cnf: { 'x5t#S256': node.fingerprint } });
  const asNode = { peerCertificate: node.certificatePem, peerVerifier };
  const plain = await signer.verifier();
  await failsWith('PKI_TOKEN_IDENTITY_MISMATCH', plain.verify(ofNode, asNode));
  const forNodes = await signer.verifier({ serviceTypes: ['node'] });
  assert.equal((await forNodes.verify(ofNode, asNode)).sub, PEER);
  // The issuer knows whom it was for, whatever the subject is called.
  const { token } = await issuer.mint({
    ...request,
    subject: 'ada',
    entity: { id: 'ada', name: 'Ada', type: 'user' },
    certificate: node.certificatePem,
  });
  assert.equal((await issuer.verify(token, asNode)).sub, 'ada');
});

test('peers of other trust domains', async () => {
  const foreign = await newManager({ trustDomain: 'other.example.com' });
  const peer = await newSvid(foreign, 'orchestrator', PEER);
  const root = await foreign.getStore().loadCaCertificate('root-ca');
  const federated = [
    { trustDomain: 'other.example.com', roots: [root.certificatePem], allow: [peer.spiffeId] },
  ];
  const options = {
    peerCertificate: [peer.certificatePem, ...peer.chain],
    peerVerifier: await verifierOf(manager, { federated }),
  };
  const alone = await TokenIssuer.open({ store, ...whose });
  const { token } = await alone.mint({ ...request, certificate: peer.certificatePem });
  const error = await failsWith('PKI_FOREIGN_TRUST_DOMAIN', alone.verify(token, options));
  assert.match(error.message, /Foreign trust domain rejected/);
  const together = await TokenIssuer.open({ store, ...whose, federated: ['other.example.com'] });
  assert.equal((await together.verify(token, options)).sub, PEER);
});

test('only what an issuer signed as a token is opened', async () => {
  const signer = new Signer();
  const verifier = await signer.verifier();
  const good = signer.token();
  const [header, claims, signature] = good.split('.');
  const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT', kid: 'ours' })).toString(
    'base64url',
  );
  const { createHmac } = await import('node:crypto');
  const hs256 = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT', kid: 'ours' })).toString(
    'base64url',
  );
  const hmac = createHmac('sha256', signer.publicPem)
    .update(`${hs256}.${claims}`)
    .digest('base64url');
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const whole = Buffer.from(claims, 'base64url').toString();
  const head = (fields) => JSON.stringify({ alg: 'ES384', typ: 'JWT', kid: 'ours', ...fields });
  const other = new Signer();
  for (const [what, token] of Object.entries({
    nothing: '',
    'no token': 'no.token.atall',
    'no signature': `${header}.${claims}.`,
    'two parts': `${header}.${claims}`,
    'a part more': `${good}.x`,
    'alg none': `${none}.${claims}.`,
    'alg none, signed': `${none}.${claims}.${signature}`,
    'HS256 with the public key': `${hs256}.${claims}.${hmac}`,
    'ES256 of another curve': signer.sign(head({ alg: 'ES256' }), whole, p256),
    'a key on another curve': signer.sign(head({}), whole, p256),
    'the key of another issuer': other.token(),
    'a signature of something else': `${header}.${claims}.${other.token().split('.')[2]}`,
    'no kid': signer.token({ kid: undefined }),
    'a key that it brings along': other.token({ jwk: other.jwk }),
    'a key to be fetched': signer.token({ jku: 'https://evil.example/jwks' }),
    x5u: signer.token({ x5u: 'https://evil.example/cert' }),
    x5c: signer.token({ x5c: [der(thief.certificatePem).toString('base64')] }),
    'a critical extension': signer.token({ crit: ['exp'], exp: 1 }),
    'no critical extensions': signer.token({ crit: [] }),
    'another kind of JWT': signer.token({ typ: 'catalyst-revoked-tokens+jwt' }),
    'no kind': signer.token({ typ: undefined }),
    'a name twice in its header': signer.sign(head({}).replace('{', '{"alg":"ES384",'), whole),
    'a name twice in its claims': signer.sign(head({}), whole.replace('{', '{"sub":"admin",')),
    'a name twice deep in its claims': signer.sign(
      head({}),
      whole.replace('"entity":{', '"entity":{"id":"admin",'),
    ),
    'claims that are no object': signer.sign(head({}), '[]'),
    'no end': signer.token({}, { exp: undefined }),
    'a time to come': signer.token({}, { nbf: Math.floor(Date.now() / 1000) + 60 }),
    'no identifier': signer.token({}, { jti: undefined }),
    'another principal': signer.token({}, { principal: 'CATALYST::ROOT' }),
    'too long a token': signer.token({}, { padding: 'x'.repeat(16 * 1024) }),
    'far too long a token': 'x'.repeat(10_000_000),
    'half a surrogate pair': `${good}\ud800`,
    'white space': ` ${good}`,
  })) {
    for (const method of ['verify', 'authenticate', 'inspect']) {
      const args = method === 'inspect' ? [] : [shown];
      const error = await failsWith('PKI_INVALID_TOKEN', verifier[method](token, ...args)).catch(
        (cause) => assert.fail(`${method}, ${what}: ${cause.message}`),
      );
      assert.equal(error.message, 'Invalid token', what);
    }
  }
  for (const token of [undefined, null, 7, {}, [good], Buffer.from(good)]) {
    await assert.rejects(verifier.verify(token, shown), TypeError);
    await assert.rejects(verifier.inspect(token), TypeError);
  }
  assert.equal((await verifier.verify(good, shown)).jti, 'one');
});

test('authorize is asked last, and only true is a yes', async () => {
  const issuer = await TokenIssuer.open({ store, ...whose });
  const { token, jti } = await issuer.mint(request);
  const verifier = await TokenVerifier.create({
    ...whose,
    audience: NODE,
    jwks: await issuer.jwks(),
  });
  for (const one of [issuer, verifier]) {
    for (const method of ['verify', 'authenticate']) {
      const asked = [];
      const ask = (answer) => (claims) => (asked.push(claims.jti), answer);
      for (const yes of [true, Promise.resolve(true)]) {
        const claims = await one[method](token, { ...shown, authorize: ask(yes) });
        assert.equal(claims.jti, jti);
      }
      for (const no of [false, undefined, null, 1, 'yes', {}, Promise.resolve(1)]) {
        const denied = one[method](token, { ...shown, authorize: ask(no) });
        await failsWith('PKI_PERMISSION_DENIED', denied);
      }
      assert.deepEqual(asked, new Array(9).fill(jti));
      const broken = new Error('the policy is broken');
      const authorize = () => {
        throw broken;
      };
      await assert.rejects(one[method](token, { ...shown, authorize }), broken);
      const wrong = one[method](token, { ...shown, authorize: true });
      await failsWith('PKI_INVALID_ARGUMENT', wrong, /authorize: it must be a function/);
    }
  }
});

test('a token without certificate is whoever’s, and no peer’s', async () => {
  const issuer = await TokenIssuer.open({ store, ...whose });
  const { certificate: _, ...bare } = request;
  const { token, certificateFingerprint } = await issuer.mint({ ...bare, principal: 'ADMIN' });
  assert.equal(certificateFingerprint, null);
  assert.equal((await issuer.authenticate(token)).principal, 'CATALYST::ADMIN');
  assert.equal((await issuer.authenticate(token, shown)).cnf, undefined);
  const error = await failsWith('PKI_TOKEN_NOT_BOUND', issuer.verify(token, shown));
  assert.equal(error.message, 'Token missing certificate binding');
});

test('a token is for its audience', async () => {
  const issuer = await TokenIssuer.open({ store, ...whose });
  const { token } = await issuer.mint({ ...request, audience: 'billing' });
  await failsWith('PKI_INVALID_TOKEN', issuer.verify(token, shown));
  await failsWith('PKI_INVALID_TOKEN', issuer.inspect(token));
  assert.equal((await issuer.verify(token, { ...shown, audience: 'billing' })).aud, 'billing');
  assert.equal((await issuer.inspect(token, { audience: 'billing' })).sub, PEER);
  const stolen = { peerCertificate: thief.certificatePem, peerVerifier, audience: 'billing' };
  await failsWith('PKI_TOKEN_BINDING_MISMATCH', issuer.verify(token, stolen));
  const jwks = await issuer.jwks();
  const nobody = await TokenVerifier.create({ ...whose, jwks });
  await failsWith('PKI_INVALID_TOKEN', nobody.verify(token, shown));
  const billing = await TokenVerifier.create({ ...whose, jwks, audience: 'billing' });
  assert.equal((await billing.verify(token, shown)).sub, PEER);
});

test('tokens are listed, and revoked by what is known of them', async () => {
  const issuer = await TokenIssuer.open({ db: ':memory:', ...whose });
  const mint = (options) => issuer.mint({ ...request, ...options });
  const bySan = await mint({ sans: ['b.example.com', 'node-b'] });
  const bySubject = await mint({ subject: 'ada' });
  const byCertificate = await mint({ certificate: thief.certificatePem });
  const byJti = await mint({});
  const rows = [byJti, byCertificate, bySubject, bySan];
  const jtis = async (filter) => (await issuer.list(filter)).map(({ jti }) => jti);
  assert.deepEqual(
    await jtis(),
    rows.map(({ jti }) => jti),
  );
  const [record] = await issuer.list({ san: 'node-b' });
  assert.deepEqual(record, {
    jti: bySan.jti,
    family: bySan.jti,
    subject: PEER,
    entityId: PEER,
    entityName: 'node-b',
    entityType: 'service',
    principal: 'CATALYST::NODE',
    certificateFingerprint: svid.fingerprint,
    spiffeId: svid.spiffeId,
    sans: ['b.example.com', 'node-b'],
    issuedAt: record.issuedAt,
    expiresAt: bySan.expiresAt,
    revokedAt: null,
    uses: null,
  });
  assert.ok(!JSON.stringify(await issuer.list()).includes(bySan.token.split('.')[2]));
  assert.deepEqual(await jtis({ certificateFingerprint: svid.fingerprint }), [
    byJti.jti,
    bySubject.jti,
    bySan.jti,
  ]);
  const hex = Buffer.from(thief.fingerprint, 'base64url').toString('hex');
  assert.deepEqual(await jtis({ certificateFingerprint: hex }), [byCertificate.jti]);
  assert.deepEqual(await jtis({ spiffeId: thief.spiffeId }), [byCertificate.jti]);
  assert.deepEqual(await jtis({ subject: 'nobody' }), []);

  for (const [by, { jti, token }] of [
    [{ jti: byJti.jti }, byJti],
    [{ san: 'node-b' }, bySan],
    [{ subject: 'ada' }, bySubject],
    [{ certificateFingerprint: thief.fingerprint }, byCertificate],
  ]) {
    assert.equal((await issuer.inspect(token)).jti, jti);
    assert.equal(await issuer.revoke(by), 1);
    assert.equal(await issuer.revoke(by), 0);
    await failsWith('PKI_TOKEN_REVOKED', issuer.inspect(token));
  }
  const afresh = await mint({});
  assert.equal(await issuer.revoke({ spiffeId: svid.spiffeId }), 1);
  const revoked = [...rows.toReversed(), afresh].map(({ jti }) => jti);
  assert.deepEqual((await issuer.revoked()).toSorted(), revoked.toSorted());
  assert.equal((await issuer.list()).filter(({ revokedAt }) => revokedAt !== null).length, 5);

  const refused = (by, message) =>
    failsWith('PKI_INVALID_ARGUMENT', () => issuer.revoke(by), message);
  await refused({}, /give one of jti, subject, san, certificateFingerprint, spiffeId/);
  await refused({ jti: 'a', subject: 'b' }, /give one of jti, /);
  await refused({ fingerprint: 'a' }, /unknown field "fingerprint"/);
  await refused(undefined, /expected object/);
  await refused({ certificateFingerprint: 'a' }, /certificateFingerprint: it must be the SHA-256/);
  await failsWith('PKI_INVALID_ARGUMENT', issuer.list({}), /give one of jti, /);
});

test('a list that is longer than a page is whole', async () => {
  const issuer = await TokenIssuer.open({ db: ':memory:', ...whose });
  const some = Array.from({ length: 1_101 }, () => issuer.mint(request));
  const jtis = new Set((await Promise.all(some)).map(({ jti }) => jti));
  assert.equal(jtis.size, 1_101);
  const listed = await issuer.list({ subject: PEER });
  assert.deepEqual(new Set(listed.map(({ jti }) => jti)), jtis);
});

test('who is denied loses its tokens and gets none', async () => {
  const ca = await newManager();
  const issuer = await TokenIssuer.open({ store: ca.getStore(), ...whose });
  const peer = await newSvid(ca, 'orchestrator', PEER);
  const verifier = await verifierOf(ca);
  const of = { ...request, certificate: peer.certificatePem };
  const { token } = await issuer.mint(of);
  const shownByPeer = { peerCertificate: peer.certificatePem, peerVerifier: verifier };
  assert.equal((await issuer.verify(token, shownByPeer)).sub, PEER);
  await ca.denyIdentity(peer.spiffeId, 'its disk was stolen');
  await failsWith('PKI_TOKEN_REVOKED', issuer.verify(token, shownByPeer));
  await failsWith('PKI_IDENTITY_DENIED', issuer.mint(of));
});

test('a bootstrap token is good for the first certificate of one identity', async () => {
  const issuer = await TokenIssuer.open({ store, ...whose });
  const make = (instanceId) => generateKeyAndCsr('node', instanceId, { trustDomain: TRUST_DOMAIN });
  const key = await make('node-d.example.com');
  const bootstrap = (options) => ({
    subject: 'bootstrap',
    entity: { id: 'bootstrap', name: 'bootstrap', type: 'service' },
    principal: 'BOOTSTRAP',
    spiffeId: key.spiffeId,
    ...options,
  });
  const { token } = await issuer.mint(bootstrap());
  const by = { bootstrapToken: token, tokenIssuer: issuer };
  const csr = (made, instanceId) => ({ csrPem: made.csrPem, serviceType: 'node', instanceId });
  const first = csr(key, 'node-d.example.com');

  // It opens nothing else.
  await failsWith('PKI_PERMISSION_DENIED', issuer.authenticate(token));
  await failsWith('PKI_TOKEN_NOT_BOUND', issuer.verify(token, shown));
  const another = csr(await make('node-e.example.com'), 'node-e.example.com');
  const mismatch = await failsWith('PKI_BOOTSTRAP_TOKEN_MISMATCH', manager.signCSR(another, by));
  assert.equal(mismatch.message, `Bootstrap token is for ${key.spiffeId}`);

  const signed = await manager.signCSR(first, by);
  const again = await manager.signCSR(first, by);
  assert.equal(again.certificatePem, signed.certificatePem);
  const second = csr(await make('node-d.example.com'), 'node-d.example.com');
  await failsWith('PKI_BOOTSTRAP_TOKEN_USED', manager.signCSR(second, by));
  const [record] = await issuer.list({ spiffeId: key.spiffeId });
  assert.deepEqual([record.uses, record.principal], [1, 'CATALYST::BOOTSTRAP']);

  const twice = await issuer.mint(bootstrap({ uses: 2 }));
  const byTwice = { bootstrapToken: twice.token, tokenIssuer: issuer };
  await Promise.all([first, second].map((request) => manager.signCSR(request, byTwice)));
  const third = csr(await make('node-d.example.com'), 'node-d.example.com');
  await failsWith('PKI_BOOTSTRAP_TOKEN_USED', manager.signCSR(third, byTwice));

  const revoked = await issuer.mint(bootstrap());
  await issuer.revoke({ jti: revoked.jti });
  const refused = (code, bootstrapToken, tokenIssuer = issuer) =>
    failsWith(code, manager.signCSR(third, { bootstrapToken, tokenIssuer }));
  await refused('PKI_TOKEN_REVOKED', revoked.token);
  await refused('PKI_INVALID_TOKEN', '');
  await refused('PKI_PERMISSION_DENIED', (await issuer.mint(request)).token);
  const elsewhere = await TokenIssuer.open({ db: ':memory:', ...whose });
  await refused('PKI_TOKEN_KEY_NOT_FOUND', (await issuer.mint(bootstrap())).token, elsewhere);
  await refused('PKI_TOKEN_REVOKED', (await elsewhere.mint(bootstrap())).token, elsewhere);
  await refused('PKI_INVALID_ARGUMENT', token, {});
  await refused('PKI_INVALID_ARGUMENT', undefined);
  await failsWith('PKI_INVALID_ARGUMENT', manager.signCSR(third, { token }), /bootstrapToken/);
  const lacking = issuer.mint(bootstrap({ spiffeId: undefined }));
  await failsWith('PKI_INVALID_ARGUMENT', lacking, /spiffeId: /);
});

test('keys are rotated', async () => {
  const issuer = await TokenIssuer.open({ db: ':memory:', ...whose });
  const before = await issuer.mint(request);
  const kids = async () => (await issuer.jwks()).keys.map(({ kid }) => kid);
  const [first] = await kids();
  const rotation = await issuer.rotate();
  assert.equal(rotation.previousKeyId, first);
  const day = Date.parse(rotation.gracePeriodEndsAt) - Date.now();
  assert.ok(Math.abs(day - SECONDS.day * 1000) < SECONDS.minute * 1000, `${day} ms`);
  assert.deepEqual(await kids(), [rotation.newKeyId, first]);
  assert.equal((await issuer.verify(before.token, shown)).jti, before.jti);
  const after = await issuer.mint(request);
  assert.equal(part(after.token, 0).kid, rotation.newKeyId);

  const hour = await issuer.rotate({ gracePeriodMs: SECONDS.hour * 1000 });
  assert.ok(Date.parse(hour.gracePeriodEndsAt) < Date.now() + SECONDS.hour * 1000 + 1);
  const leaked = await issuer.rotate({ immediate: true });
  assert.equal(leaked.gracePeriodEndsAt, null);
  const last = await issuer.mint(request);
  await issuer.rotate({ gracePeriodMs: 0 });
  const error = await failsWith('PKI_TOKEN_KEY_NOT_FOUND', issuer.verify(last.token, shown));
  assert.equal(error.message, 'Invalid token: Key not found');
  assert.equal((await issuer.verify(before.token, shown)).jti, before.jti);

  const refused = (how, message) =>
    failsWith('PKI_INVALID_ARGUMENT', () => issuer.rotate(how), message);
  await refused(
    { immediate: true, gracePeriodMs: 1 },
    /gracePeriodMs: with immediate there is none/,
  );
  await refused({ gracePeriodMs: -1 }, /gracePeriodMs: /);
  await refused({ gracePeriodMs: Infinity }, /gracePeriodMs: /);
  await refused({ grace: 1 }, /unknown field "grace"/);
});

test('another verifier follows keys and revocations', async () => {
  const issuer = await TokenIssuer.open({ db: ':memory:', ...whose });
  const one = await issuer.mint(request);
  const text = JSON.stringify(await issuer.jwks());
  const verifier = await TokenVerifier.create({ ...whose, audience: NODE, jwks: text });
  assert.equal((await verifier.verify(one.token, shown)).jti, one.jti);
  await failsWith('PKI_TOKEN_BINDING_MISMATCH', verifier.authenticate(one.token));

  await issuer.rotate();
  const two = await issuer.mint(request);
  await failsWith('PKI_TOKEN_KEY_NOT_FOUND', verifier.verify(two.token, shown));
  const newer = await verifier.withKeys(await issuer.jwks());
  assert.equal((await newer.verify(two.token, shown)).jti, two.jti);

  await issuer.revoke({ jti: one.jti });
  const newest = await newer.withRevoked(await issuer.revoked());
  await failsWith('PKI_TOKEN_REVOKED', newest.verify(one.token, shown));
  assert.equal((await newest.verify(two.token, shown)).jti, two.jti);
  // Those before stay as they were.
  assert.equal((await newer.verify(one.token, shown)).jti, one.jti);
  await failsWith('PKI_TOKEN_REVOKED', (await newest.withKeys(text)).verify(one.token, shown));
  assert.equal((await (await newest.withRevoked([])).inspect(one.token)).jti, one.jti);
});

test('a verifier with a long list of revoked tokens', async () => {
  const signer = new Signer();
  const revoked = Array.from({ length: 100_000 }, (_, at) => `jti-${at}`);
  const verifier = await signer.verifier({ revoked });
  for (const jti of [revoked[0], revoked[1_999], revoked[2_000], revoked.at(-1)]) {
    await failsWith('PKI_TOKEN_REVOKED', verifier.inspect(signer.token({}, { jti })));
  }
  assert.equal((await verifier.inspect(signer.token())).jti, 'one');
  const tooMany = signer.verifier({ revoked: [...revoked, 'one'] });
  await failsWith('PKI_INVALID_ARGUMENT', tooMany, /revoked: at most 100000 elements/);
  await failsWith('PKI_INVALID_ARGUMENT', verifier.withRevoked('one'), /revoked: /);
  await failsWith('PKI_INVALID_ARGUMENT', verifier.withRevoked([7]), /revoked\.0: /);
});

test('keys that can’t be meant are refused', async () => {
  const { jwk } = new Signer();
  const refused = (jwks, message) =>
    failsWith('PKI_INVALID_ARGUMENT', TokenVerifier.create({ ...whose, jwks }), message);
  await refused('nothing', /jwks: it is no JWK set/);
  await refused('{}', /jwks: it is no JWK set/);
  await refused({}, /jwks\.keys: /);
  await refused({ keys: [{ ...jwk, x: 7 }] }, /jwks\.keys\.0\.x: /);
  await refused({ keys: new Array(101).fill({ kty: 'RSA' }) }, /jwks: it has more than 100 keys/);
  await refused({ keys: [jwk, jwk] }, /jwks: two keys in it have the same kid/);
  await refused({ keys: [{ ...jwk, kid: undefined }] }, /jwks: a key in it has no kid/);
  await refused({ keys: [{ ...jwk, y: jwk.x }] }, /jwks: a key in it is no point on P-384/);
  await refused('{"keys": [], "keys": []}', /a name stands twice/);
  await refused('x'.repeat(70_000), /jwks: at most 65536 characters/);
  await refused(undefined, /jwks: it must be a JWK set/);
  await refused(() => {}, /jwks: /);
  const create = (options) => TokenVerifier.create({ ...whose, jwks: { keys: [] }, ...options });
  await failsWith('PKI_INVALID_ARGUMENT', create({ issuer: '' }), /issuer: it must be 1 to 1024/);
  await failsWith('PKI_INVALID_ARGUMENT', create({ audiences: ['a'] }), /did you mean audience/);
  await failsWith('PKI_INVALID_ARGUMENT', create({ serviceTypes: ['x'] }), /serviceTypes\.0: /);
  await failsWith('PKI_INVALID_SPIFFE_ID', create({ trustDomain: 'no domain' }));
});

test('an issuer opens again with its keys and records', async () => {
  const db = join(folder(), 'tokens.db');
  const passphrase = 'correct horse battery staple';
  const open = (options = {}) => TokenIssuer.open({ db, passphrase, ...whose, ...options });
  const first = await open();
  const { token, jti } = await first.mint(request);
  const gone = await first.mint({ ...request, subject: 'gone' });
  await first.revoke({ subject: 'gone' });
  const jwks = await first.jwks();
  await first.close();
  await first.close();
  const closed = await failsWith('PKI_SHUT_DOWN', first.mint(request));
  assert.equal(closed.message, 'The manager or issuer has been shut down');

  const again = await open();
  assert.deepEqual(await again.jwks(), jwks);
  assert.equal((await again.verify(token, shown)).jti, jti);
  await failsWith('PKI_TOKEN_REVOKED', again.verify(gone.token, shown));
  assert.equal((await again.list()).length, 2);
  await again.close();

  await failsWith('PKI_WRONG_PASSPHRASE', open({ passphrase: 'another' }));
  // Neither keys nor tokens can be read from the file.
  const file = readFileSync(db, 'latin1');
  assert.ok(file.includes(jti), 'the record is there');
  assert.ok(file.includes('BEGIN ENCRYPTED PRIVATE KEY'), 'and the key');
  assert.doesNotMatch(file, /BEGIN (EC )?PRIVATE KEY/);
  assert.ok(!file.includes(token.split('.')[2]));
});

test('two issuers on one file share keys and revocations', async () => {
  const db = join(folder(), 'tokens.db');
  const [one, two] = await Promise.all([1, 2].map(() => TokenIssuer.open({ db, ...whose })));
  assert.deepEqual(await one.jwks(), await two.jwks());
  const { token } = await one.mint(request);
  assert.equal((await two.verify(token, shown)).sub, PEER);
  await two.rotate();
  const next = await one.mint(request);
  assert.equal(part(next.token, 0).kid, (await two.jwks()).keys[0].kid);
  assert.equal(await two.revoke({ subject: PEER }), 2);
  await failsWith('PKI_TOKEN_REVOKED', one.verify(token, shown));
  await Promise.all([one.close(), two.close()]);
});

test('many mints at once, on a file that a CA uses too', async () => {
  const kept = new SqliteCertificateStore(join(folder(), 'certs.db'));
  const ca = new CertificateManager(kept, new NativeSigningBackend(), {
    trustDomain: TRUST_DOMAIN,
  });
  await ca.initialize();
  const issuer = await TokenIssuer.open({ store: kept, ...whose });
  const peer = await newSvid(ca, 'orchestrator', PEER);
  const verifier = await verifierOf(ca);
  const of = { ...request, certificate: peer.certificatePem };
  const minted = await Promise.all(
    Array.from({ length: 300 }, async (_, at) => {
      const { token, jti } = await issuer.mint({ ...of, subject: `s${at}` });
      const options = { peerCertificate: peer.certificatePem, peerVerifier: verifier };
      const claims = await issuer.verify(token, options);
      assert.deepEqual([claims.jti, claims.sub], [jti, `s${at}`]);
      return jti;
    }),
  );
  assert.equal(new Set(minted).size, 300);
  assert.equal((await issuer.list()).length, 300);
  await issuer.close();
  // The manager goes on.
  assert.equal((await newSvid(ca, 'orchestrator', PEER)).spiffeId, peer.spiffeId);
  await ca.shutdown();
});

test('what an issuer is opened with', async () => {
  const refused = (options, message) =>
    failsWith('PKI_INVALID_ARGUMENT', () => TokenIssuer.open(options), message);
  await refused({}, /issuer: /);
  await refused({ db: ':memory:', issuer: ' ' }, /issuer: it must be 1 to 1024 bytes long/);
  await refused({ db: ':memory:', issuer: 'x'.repeat(1_025) }, /issuer: it must be 1 to 1024/);
  await refused({ ...whose, database: 'x' }, /unknown field "database"/);
  await refused({ ...whose, db: '' }, /db: /);
  await refused({ ...whose, store: {} }, /store: it must be a SqliteCertificateStore/);
  await refused({ ...whose, store, db: 'x' }, /store: give the store, or db/);
  await refused({ ...whose, store, passphrase: 'x' }, /store: give the store, or db/);
  await refused({ ...whose, db: ':memory:', passphrase: undefined }, /passphrase: it is undefined/);
  await refused({ ...whose, store, serviceTypes: ['x'] }, /serviceTypes\.0: /);
  const elsewhere = TokenIssuer.open({ ...whose, store, trustDomain: 'no domain' });
  await failsWith('PKI_INVALID_SPIFFE_ID', elsewhere);
  const nowhere = TokenIssuer.open({ ...whose, db: join(folder(), 'no', 'folder.db') });
  await failsWith('PKI_STORE_UNAVAILABLE', nowhere);
  // Made by other means than `open`, it has no key.
  const raw = new TokenIssuer({ ...whose, db: ':memory:' });
  const error = await failsWith('PKI_TOKEN_ISSUER_NOT_READY', raw.mint(request));
  assert.equal(error.message, 'Token factory not initialized');
});
