// The same operations in TypeScript alone: `@peculiar/x509` on Web Crypto, the way a team writes a CA
// that has no native code. What the bench holds ours against.
//
// Nothing is slow on purpose. What is the same at each call is worked out once: the issuer's key
// identifier, the keys of the anchors. Answers have the shape of ours, certificates the extensions.
import 'reflect-metadata';
import type { KeyAndCsr, SignCSRResult } from '@catalyst/pki';
import * as x509 from '@peculiar/x509';

const CURVE = { name: 'ECDSA', namedCurve: 'P-384' };
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-384' };
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
const YEAR = 365 * 24 * 3_600_000;

interface StoredCertificate extends SignCSRResult {
  spiffeId: string;
  commonName: string;
  issuerSerial: string;
  /** Milliseconds since the epoch, as the next two. */
  notBefore: number;
  notAfter: number;
  createdAt: number;
  status: 'active';
}

interface Issuer {
  certificate: x509.X509Certificate;
  privateKey: CryptoKey;
  keyId: x509.AuthorityKeyIdentifierExtension;
}

/** A root and an intermediate, with what they have issued in memory. */
export class Ca {
  readonly certificates = new Map<string, StoredCertificate>();
  readonly denied = new Set<string>();
  readonly #chain: string[];

  private constructor(
    readonly trustDomain: string,
    readonly root: x509.X509Certificate,
    readonly issuer: Issuer,
  ) {
    this.#chain = [issuer.certificate.toString('pem'), root.toString('pem')];
  }

  static async create(trustDomain: string): Promise<Ca> {
    const rootKeys = await newKeys();
    const root = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: newSerial(),
      name: 'CN=Root CA',
      keys: rootKeys,
      signingAlgorithm: SIGNATURE,
      notAfter: new Date(Date.now() + 10 * YEAR),
      extensions: [
        new x509.BasicConstraintsExtension(true, 1, true),
        new x509.KeyUsagesExtension(CA_USAGE, true),
        await x509.SubjectKeyIdentifierExtension.create(rootKeys.publicKey),
      ],
    });
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: newSerial(),
      subject: 'CN=Services CA',
      issuer: root.subjectName,
      publicKey: keys.publicKey,
      signingKey: rootKeys.privateKey,
      signingAlgorithm: SIGNATURE,
      notAfter: new Date(Date.now() + 5 * YEAR),
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(CA_USAGE, true),
        await x509.AuthorityKeyIdentifierExtension.create(root.publicKey),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const keyId = await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey);
    return new Ca(trustDomain, root, { certificate, privateKey: keys.privateKey, keyId });
  }

  async signCsr(csrPem: string, serviceType: string, instanceId: string): Promise<SignCSRResult> {
    const spiffeId = `spiffe://${this.trustDomain}/${serviceType}/${instanceId}`;
    if (this.denied.has(spiffeId)) throw new Error(`Identity denied: ${spiffeId}`);
    const csr = new x509.Pkcs10CertificateRequest(csrPem);
    if (!(await csr.verify())) throw new Error('CSR signature verification failed');
    const { namedCurve } = csr.publicKey.algorithm as typeof CURVE;
    if (namedCurve !== CURVE.namedCurve) throw new Error(`Key must be P-384, got ${namedCurve}`);
    const [named, ...others] = urisOf(csr.getExtension(SUBJECT_ALTERNATIVE_NAME));
    if (named !== spiffeId || others.length > 0) throw new Error('SPIFFE URI does not match');

    const now = Date.now();
    const notBefore = new Date(now - (now % 1000));
    const notAfter = new Date(notBefore.getTime() + 3_600_000);
    const serial = newSerial();
    const { certificate: issuer, privateKey, keyId } = this.issuer;
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: [{ CN: [instanceId] }],
      issuer: issuer.subjectName,
      publicKey: csr.publicKey,
      signingKey: privateKey,
      signingAlgorithm: SIGNATURE,
      notBefore,
      notAfter,
      extensions: [
        keyId,
        new x509.SubjectAlternativeNameExtension([
          { type: 'url', value: spiffeId },
          { type: 'dns', value: instanceId },
        ]),
        LEAF_USAGE,
        LEAF_EXTENDED_USAGE,
        await x509.SubjectKeyIdentifierExtension.create(csr.publicKey),
        NO_CA,
      ],
    });
    const digest = await crypto.subtle.digest('SHA-256', certificate.rawData);
    const signed = {
      certificatePem: certificate.toString('pem'),
      chain: this.#chain,
      expiresAt: notAfter.toISOString(),
      renewAfter: new Date((notBefore.getTime() + notAfter.getTime()) / 2).toISOString(),
      fingerprint: Buffer.from(digest).toString('base64url'),
      serial,
      omittedDnsNames: [],
    };
    this.certificates.set(serial, {
      ...signed,
      spiffeId,
      commonName: instanceId,
      issuerSerial: issuer.serialNumber,
      notBefore: notBefore.getTime(),
      notAfter: notAfter.getTime(),
      createdAt: now,
      status: 'active',
    });
    return signed;
  }
}

/** Verifies the peers of one intermediate, which is the anchor, or those of a root. */
export class Verifier {
  private constructor(
    readonly trustDomain: string,
    readonly anchor: x509.X509Certificate,
    readonly anchorKey: CryptoKey,
  ) {}

  static async create(trustDomain: string, anchor: x509.X509Certificate): Promise<Verifier> {
    return new Verifier(trustDomain, anchor, await anchor.publicKey.export());
  }

  /** The SPIFFE ID of the peer whose chain this is: its certificate, then any intermediates; PEM. */
  async verify(chainPem: string[], usage: x509.ExtendedKeyUsage): Promise<string> {
    const [leaf, ...intermediates] = chainPem.map((pem) => new x509.X509Certificate(pem));
    if (leaf === undefined) throw new Error('no certificate');
    const now = new Date();
    let below = leaf;
    for (const issuer of intermediates) {
      await verifyLink(below, issuer, await issuer.publicKey.export(), now);
      below = issuer;
    }
    await verifyLink(below, this.anchor, this.anchorKey, now);
    mustBeValid(this.anchor, now);

    if (leaf.getExtension(x509.BasicConstraintsExtension)?.ca) throw new Error('a CA as a peer');
    const usages = leaf.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [];
    if (!usages.includes(usage)) throw new Error('extended key usage does not fit');
    const uris = urisOf(leaf.getExtension(x509.SubjectAlternativeNameExtension));
    const [spiffeId] = uris;
    if (spiffeId === undefined || uris.length > 1) throw new Error('one URI is needed');
    if (!spiffeId.startsWith(`spiffe://${this.trustDomain}/`)) throw new Error('foreign');
    return spiffeId;
  }
}

/** A key, and the request for its certificate. */
export async function generateKeyAndCsr(
  serviceType: string,
  instanceId: string,
  trustDomain: string,
): Promise<KeyAndCsr> {
  const keys = await newKeys();
  const spiffeId = `spiffe://${trustDomain}/${serviceType}/${instanceId}`;
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [instanceId] }],
    keys,
    signingAlgorithm: SIGNATURE,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'url', value: spiffeId }])],
  });
  const key = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  const privateKeyPem = x509.PemConverter.encode(key, 'PRIVATE KEY');
  return { privateKeyPem, csrPem: csr.toString('pem'), spiffeId };
}

/** What a TLS server's certificate is for. */
export const { serverAuth } = x509.ExtendedKeyUsage;

/** What a certificate has, without what is different each time. */
export function outline(pem: string): unknown {
  const certificate = new x509.X509Certificate(pem);
  return {
    subject: certificate.subject,
    signature: certificate.signatureAlgorithm,
    key: certificate.publicKey.algorithm,
    seconds: (certificate.notAfter.getTime() - certificate.notBefore.getTime()) / 1000,
    extensions: certificate.extensions.map(({ type, critical, value }) => ({
      type,
      critical,
      size: value.byteLength,
    })),
  };
}

const CA_USAGE = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;
const LEAF_USAGE = new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true);
const LEAF_EXTENDED_USAGE = new x509.ExtendedKeyUsageExtension([
  x509.ExtendedKeyUsage.serverAuth,
  x509.ExtendedKeyUsage.clientAuth,
]);
const NO_CA = new x509.BasicConstraintsExtension(false, undefined, true);

async function verifyLink(
  certificate: x509.X509Certificate,
  issuer: x509.X509Certificate,
  publicKey: CryptoKey,
  date: Date,
): Promise<void> {
  mustBeValid(certificate, date);
  if (certificate.issuer !== issuer.subject) throw new Error('the issuer is another one');
  if (!issuer.getExtension(x509.BasicConstraintsExtension)?.ca) throw new Error('issued by no CA');
  if (!(await certificate.verify({ publicKey, signatureOnly: true }))) {
    throw new Error('the signature is wrong');
  }
}

function mustBeValid({ notBefore, notAfter }: x509.X509Certificate, date: Date): void {
  if (date < notBefore || date > notAfter) throw new Error('outside its validity');
}

function urisOf(extension: x509.Extension | null): string[] {
  if (!(extension instanceof x509.SubjectAlternativeNameExtension)) return [];
  return extension.names.items.filter(({ type }) => type === 'url').map(({ value }) => value);
}

function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
}

/** 20 bytes, positive. */
function newSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}
