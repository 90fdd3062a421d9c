// Requests that other producers make, and what is said of those that are not taken.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { generateKeyAndCsr } from '@catalyst/pki';
import { failsWith, newManager, TRUST_DOMAIN } from './helpers.mjs';

const ID = `spiffe://${TRUST_DOMAIN}/node/n1`;
const manager = await newManager();
const sign = (csrPem, request = {}) =>
  manager.signCSR({ csrPem, serviceType: 'node', instanceId: 'n1', ...request });

const { subtle } = globalThis.crypto;
const algorithm = { name: 'ECDSA', namedCurve: 'P-384' };
const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);

/** By `@peculiar/x509`, which leaves sets in the order in which they were given. */
async function peculiar(options = {}, hash = 'SHA-384') {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=n1',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash },
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'url', value: ID }])],
    ...options,
  });
  return request.toString('pem');
}

test('requests whose sets are in another order than that of DER are taken', async () => {
  for (const options of [
    {},
    { attributes: [new x509.ChallengePasswordAttribute('x'.repeat(160))] },
    { name: 'CN=n1+O=Z+C=DE' },
  ]) {
    const signed = await sign(await peculiar(options));
    assert.deepEqual(signed.omittedDnsNames, []);
  }
});

test('a byte order mark and text around a request are taken as around a certificate', async () => {
  const { csrPem } = await generateKeyAndCsr('node', 'n1', { trustDomain: TRUST_DOMAIN });
  await sign(`\ufeff${csrPem}`);
  await sign(`Certificate Request:\n${csrPem}\nmade by hand`);
  await failsWith('PKI_INVALID_CSR', sign(csrPem + csrPem), /more than one PEM block/);
  await failsWith('PKI_INVALID_CSR', sign(csrPem.slice(0, -3)), /cut off/);
});

test('an algorithm that proves nothing is named', async () => {
  const error = await failsWith('PKI_INVALID_CSR', sign(await peculiar({}, 'SHA-1')));
  assert.equal(
    error.message,
    'CSR is not valid PKCS#10: its signature algorithm is ECDSA with SHA-1; ' +
      'taken are ECDSA with SHA-256, SHA-384 and SHA-512',
  );
});

test('a DNS name that a request asks for and another identity holds is refused by name', async () => {
  const ask = async (instanceId, dns) => {
    const options = { trustDomain: TRUST_DOMAIN, dns };
    const { csrPem } = await generateKeyAndCsr('envoy/app', instanceId, options);
    return manager.signCSR({ csrPem, serviceType: 'envoy/app', instanceId });
  };
  const name = 'envoy-proxy-a';
  assert.deepEqual((await ask('node-a.one.example', [name])).omittedDnsNames, []);
  const error = await failsWith('PKI_DNS_NAME_TAKEN', ask('node-a.two.example', [name]), /proxy-a/);
  assert.equal(error.status, 409);
  assert.deepEqual((await ask('node-a.two.example', [])).omittedDnsNames, [name]);
});
