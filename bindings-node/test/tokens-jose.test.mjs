// Tokens against jose, another implementation of JWT, JWK and their thumbprints.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerVerifier, TokenIssuer, TokenVerifier } from '@catalyst/pki';
import * as jose from 'jose';
import { TRUST_DOMAIN, failsWith, newManager, newSvid } from './helpers.mjs';

const NODE = 'node-a.example.com';
const PEER = 'node-b.example.com';

const entity = { id: PEER, name: 'node-b', type: 'service' };
const whose = { issuer: NODE, trustDomain: TRUST_DOMAIN };

const manager = await newManager();
const svid = await newSvid(manager, 'orchestrator', PEER);
const peerVerifier = new PeerVerifier({
  anchors: (await manager.getCaBundle()).servicesAnchors,
  trustDomain: TRUST_DOMAIN,
  segment: 'services',
  role: 'client',
});
const shown = { peerCertificate: svid.certificatePem, peerVerifier };

test('jose verifies our tokens with our keys', async () => {
  const issuer = await TokenIssuer.open({ store: manager.getStore(), ...whose });
  const mint = () =>
    issuer.mint({ subject: PEER, entity, principal: 'NODE', certificate: svid.certificatePem });
  const before = await mint();
  await issuer.rotate();
  const after = await mint();
  const jwks = await issuer.jwks();
  const keys = jose.createLocalJWKSet(jwks);
  const expected = { issuer: NODE, audience: NODE, algorithms: ['ES384'], typ: 'JWT' };
  for (const { token, jti, expiresAt } of [before, after]) {
    const { payload, protectedHeader } = await jose.jwtVerify(token, keys, expected);
    assert.equal(payload.jti, jti);
    assert.equal(payload.exp * 1000, Date.parse(expiresAt));
    assert.deepEqual(payload, await issuer.verify(token, shown));
    assert.ok(jwks.keys.some(({ kid }) => kid === protectedHeader.kid));
  }
  assert.equal(jwks.keys.length, 2);
  for (const jwk of jwks.keys) {
    assert.equal(await jose.calculateJwkThumbprint(jwk, 'sha256'), jwk.kid);
  }
  await issuer.rotate({ immediate: true });
  const newer = jose.createLocalJWKSet(await issuer.jwks());
  await assert.rejects(jose.jwtVerify(after.token, newer, expected), jose.errors.JWKSNoMatchingKey);
});

test('a token that jose signs is taken with the keys that jose exports', async () => {
  const { publicKey, privateKey } = await jose.generateKeyPair('ES384', { extractable: true });
  const jwk = await jose.exportJWK(publicKey);
  const kid = await jose.calculateJwkThumbprint(jwk);
  const rsa = await jose.generateKeyPair('RS256', { extractable: true });
  const others = { ...(await jose.exportJWK(rsa.publicKey)), kid: 'rsa', alg: 'RS256' };
  const verifier = await TokenVerifier.create({
    ...whose,
    audience: 'here',
    jwks: { keys: [others, { ...jwk, kid, alg: 'ES384', use: 'sig' }] },
  });
  const token = (header = {}, claims = {}) =>
    new jose.SignJWT({
      entity,
      principal: 'CATALYST::NODE',
      cnf: { 'x5t#S256': svid.fingerprint },
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES384', typ: 'JWT', kid, ...header })
      .setSubject(PEER)
      .setIssuer(NODE)
      .setAudience(['elsewhere', 'here'])
      .setIssuedAt()
      .setJti('of-jose')
      .setExpirationTime('1h');
  const good = await token().sign(privateKey);
  const claims = await verifier.verify(good, shown);
  assert.deepEqual(claims, jose.decodeJwt(good));
  const accessToken = await token({ typ: 'at+jwt' }).sign(privateKey);
  assert.equal((await verifier.verify(accessToken, shown)).jti, 'of-jose');

  const refused = (code, signed) => failsWith(code, verifier.verify(signed, shown));
  const past = token().setExpirationTime('-31s');
  await refused('PKI_TOKEN_EXPIRED', await past.sign(privateKey));
  await refused('PKI_INVALID_TOKEN', await token().setNotBefore('1m').sign(privateKey));
  const rs256 = token({ alg: 'RS256', kid: 'rsa' });
  await refused('PKI_INVALID_TOKEN', await rs256.sign(rsa.privateKey));
  const asRsa = token({ kid: 'rsa' });
  await refused('PKI_TOKEN_KEY_NOT_FOUND', await asRsa.sign(privateKey));
  const hs256 = token({ alg: 'HS256' });
  await refused(
    'PKI_INVALID_TOKEN',
    await hs256.sign(new TextEncoder().encode(JSON.stringify(jwk).padEnd(64))),
  );
  const critical = token({ crit: ['b64'], b64: true });
  await refused('PKI_INVALID_TOKEN', await critical.sign(privateKey, { crit: { b64: true } }));
  const unsecured = new jose.UnsecuredJWT({ ...jose.decodeJwt(good) }).encode();
  await refused('PKI_INVALID_TOKEN', unsecured);
  const unbound = token({}, { cnf: undefined });
  await refused('PKI_TOKEN_NOT_BOUND', await unbound.sign(privateKey));
});
