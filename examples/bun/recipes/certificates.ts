// From the CA to a running server, step by step: every value is from the library.
//
//   bun certificates.ts [database]
import { CertificateManager, generateKeyAndCsr, verifyPeer } from '@catalyst/pki';

const certsDb = process.argv[2];

// #region ca
// 1. The CA. Its certificates and encrypted keys are in one file; without a file, in memory.
const trustDomain = 'demo.example.com';
const ca = certsDb
  ? CertificateManager.fromConfig({ trustDomain, provider: { type: 'local', certsDb } })
  : CertificateManager.ephemeral({ trustDomain });
const { rootFingerprint } = await ca.initialize();
console.log(`root ${rootFingerprint}`);
// #endregion

// #region csr
// 2. The service makes its key, and a request for a certificate. The key never leaves it.
const { privateKeyPem, csrPem, spiffeId } = await generateKeyAndCsr('auth', 'auth-a', {
  trustDomain,
});

// 3. The CA checks the request and signs.
const svid = await ca.signCSR({ csrPem, serviceType: 'auth', instanceId: 'auth-a' });
console.log(`serial ${svid.serial}`);
console.log(`until ${svid.expiresAt}, renew from ${svid.renewAfter}`);

// 4. What the others trust: the CA certificates of the segment.
const { servicesAnchors } = await ca.getCaBundle();
// #endregion

// #region serve
// 5. The server: its certificate with the one that signed it, and its key.
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  tls: { key: privateKeyPem, cert: svid.certificatePem + svid.chain[0] },
  fetch: () => new Response('Hello.'),
});

// 6. A client that knows the anchors, and calls the server by a name in its certificate.
const tls = { ca: servicesAnchors.join(''), allowPartialTrustChain: true, serverName: 'auth-a' };
const response = await fetch(server.url, { tls });
console.log(await response.text());
// #endregion

// #region verify
// 7. The same by hand, for a certificate that came by any way.
const peer = await verifyPeer([svid.certificatePem, ...svid.chain], {
  anchors: servicesAnchors,
  trustDomain,
  segment: 'services',
  role: 'server',
  expect: spiffeId,
});
console.log(`${peer.spiffeId}, signed by ${peer.issuer}`);
// #endregion

await server.stop();
await ca.shutdown();
