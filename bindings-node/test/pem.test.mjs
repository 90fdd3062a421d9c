// PEM as it comes out of files: after a byte order mark, with text around it, with other line ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NativeSigningBackend, generateKeyAndCsr, verifyPeer, verifyPeerSync } from '@catalyst/pki';
import { newManager, selfSigned, TRUST_DOMAIN } from './helpers.mjs';

const manager = await newManager();
const { csrPem } = await generateKeyAndCsr('node', 'a', { trustDomain: TRUST_DOMAIN });
const { certificatePem, chain } = await manager.signCSR({
  csrPem,
  serviceType: 'node',
  nodeId: 'a',
});
const backend = new NativeSigningBackend();
const { publicKey, privateKey } = await backend.generateKeyPair();
const keyPem = await backend.exportPrivateKeyPem(privateKey);
const caPem = await backend.signCertificate(selfSigned(publicKey, privateKey));

for (const [what, within] of Object.entries({
  'as it is': (pem) => pem,
  'after a byte order mark': (pem) => `\ufeff${pem}`,
  'with text around it': (pem) => `Bag Attributes\n    friendlyName: a\n${pem}\nthe end\n`,
  'with line ends of DOS': (pem) => pem.replaceAll('\n', '\r\n'),
})) {
  test(`PEM ${what}`, async () => {
    await manager.signCSR({ csrPem: within(csrPem), serviceType: 'node', nodeId: 'a' });
    const policy = {
      anchors: within(chain[0]),
      trustDomain: TRUST_DOMAIN,
      segment: 'services',
      role: 'client',
    };
    const { spiffeId } = await verifyPeer(within(certificatePem), policy);
    assert.equal(spiffeId, `spiffe://${TRUST_DOMAIN}/node/a`);
    verifyPeerSync([within(certificatePem), within(chain[0])], policy);

    const signingKey = await backend.importPrivateKeyPem(within(keyPem));
    await backend.signCertificate({
      ...selfSigned(publicKey, signingKey),
      subjectCN: 'below',
      signingCert: within(caPem),
      isCa: false,
      keyUsage: { digitalSignature: true },
    });
  });
}
