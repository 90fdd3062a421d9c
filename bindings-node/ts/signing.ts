import { call, callForBytes, theMailbox } from './calls.js';
import { calling, invalidArgument, invalidKey } from './errors.js';
import { clip, isObject } from './limits.js';
import type { DraftOptions } from '../native.js';
import { native } from './native.js';
import { given, type AllOf } from './snapshot.js';
import type { ISigningBackend, SignCertificateParams } from './types.js';
import { parse } from './validate.js';
import { nodeCrypto, subtle, type CryptoKey, type CryptoKeyPair } from './web-crypto.js';

const P384 = { name: 'ECDSA', namedCurve: 'P-384' };

// A private field tells what is ours apart without asking the object, which may be a proxy.
let isBackend: (backend: object) => boolean;

/**
 * CA keys in this process's memory, wiped when they go; encrypted in the store.
 *
 * A {@link CertificateManager} makes and uses its keys natively: they never come into JavaScript.
 * The methods are for programs that make certificates of their own with Web Crypto keys, beside or
 * without a manager: ECDSA on P-384 with SHA-384, nothing else.
 *
 * @example
 * ```ts
 * const backend = new NativeSigningBackend();
 * const { publicKey, privateKey } = await backend.generateKeyPair();
 * const root = await backend.signCertificate({
 *   subjectCN: 'Our root',
 *   subjectPublicKey: publicKey,
 *   signingKey: privateKey,
 *   notBefore: new Date(),
 *   notAfter: new Date(Date.now() + 86_400_000),
 *   isCa: true,
 *   pathLenConstraint: 1,
 *   keyUsage: { keyCertSign: true, crlSign: true },
 * });
 * ```
 */
export class NativeSigningBackend implements ISigningBackend {
  readonly #isOurs = true;

  static {
    isBackend = (backend) => #isOurs in backend && backend.#isOurs;
  }

  /**
   * Makes an extractable P-384 key pair for signing.
   *
   * @example
   * ```ts
   * const { publicKey, privateKey } = await backend.generateKeyPair();
   * ```
   */
  async generateKeyPair(): Promise<CryptoKeyPair> {
    return subtle().generateKey(P384, true, ['sign', 'verify']);
  }

  /**
   * Makes a certificate. The private key stays where it is: Web Crypto signs with it, and the
   * signature is verified before the certificate is handed out.
   *
   * @returns the certificate, PEM
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` that names what can't be meant;
   * `PKI_INVALID_KEY` for a signing key that can't sign or is not the issuer's;
   * `PKI_KEY_ALGORITHM_NOT_ALLOWED` for another curve than P-384; `PKI_MALFORMED_CERTIFICATE` for a
   * `signingCert` that can't be read
   *
   * @example
   * ```ts
   * const pem = await backend.signCertificate({
   *   subjectCN: 'build-7',
   *   sanDns: ['build-7.example.com'],
   *   subjectPublicKey: publicKey,
   *   signingKey: caKey,
   *   signingCert: caPem,
   *   notBefore: new Date(),
   *   notAfter: new Date(Date.now() + 3_600_000),
   *   isCa: false,
   *   keyUsage: { digitalSignature: true },
   *   extKeyUsage: ['serverAuth'],
   * });
   * ```
   */
  async signCertificate(params: SignCertificateParams): Promise<string> {
    const given = parse((schemas) => schemas.SignCertificateParamsSchema, params);
    const publicKey = await exported('spki', given.subjectPublicKey);
    const draft = calling(() => new native.Draft(draftOf(given), publicKey));
    const { bytes: unsigned } = await callForBytes((number) =>
      draft.toBeSigned(theMailbox(), number),
    );
    const signature = await subtle()
      .sign({ name: 'ECDSA', hash: 'SHA-384' }, given.signingKey, unsigned)
      .catch((cause: unknown) => {
        throw invalidKey('the signing key must be one of ECDSA with the usage "sign"', cause);
      });
    return await call((number) => draft.complete(theMailbox(), number, new Uint8Array(signature)));
  }

  /**
   * An extractable private key as PEM: PKCS#8, not encrypted.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`, `PKI_INVALID_KEY` for one that is not extractable
   *
   * @example
   * ```ts
   * await writeFile('key.pem', await backend.exportPrivateKeyPem(privateKey), { mode: 0o600 });
   * ```
   */
  async exportPrivateKeyPem(key: CryptoKey): Promise<string> {
    return pem(
      'PRIVATE KEY',
      await exported(
        'pkcs8',
        parse((all) => all.PrivateKeySchema, key),
      ),
    );
  }

  /**
   * A private key from PEM, not encrypted, as an extractable key with the usage `sign`.
   *
   * @throws {@link PkiError} `PKI_INVALID_KEY` for anything but a P-384 key; also for an encrypted
   * one, like those in a {@link SqliteCertificateStore}: decrypt it first, for example with
   * `openssl pkcs8`
   *
   * @example
   * ```ts
   * const caKey = await backend.importPrivateKeyPem(await readFile('key.pem', 'utf8'));
   * ```
   */
  async importPrivateKeyPem(pem: string): Promise<CryptoKey> {
    const text = clip(parse((schemas) => schemas.TextSchema, pem));
    if (text.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')) {
      throw invalidKey('it is encrypted: decrypt it first, for example with openssl pkcs8');
    }
    try {
      const der = nodeCrypto()
        .createPrivateKey(text.replace(/^\ufeff/, ''))
        .export({ format: 'der', type: 'pkcs8' });
      return await subtle().importKey('pkcs8', new Uint8Array(der), P384, true, ['sign']);
    } catch {
      // Without the cause: what a parser says of a key may repeat a part of it.
      throw invalidKey('it is not a private key on P-384 in PEM');
    }
  }

  /**
   * A public key as PEM: `SubjectPublicKeyInfo`.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` for what is no public key
   *
   * @example
   * ```ts
   * console.log(await backend.exportPublicKeyPem(publicKey)); // -----BEGIN PUBLIC KEY-----…
   * ```
   */
  async exportPublicKeyPem(key: CryptoKey): Promise<string> {
    return pem(
      'PUBLIC KEY',
      await exported(
        'spki',
        parse((all) => all.PublicKeySchema, key),
      ),
    );
  }

  /**
   * The fingerprint of a certificate: SHA-256 of its DER, base64url without padding. It is the
   * `x5t#S256` of RFC 8705 too.
   *
   * @param certDer the certificate, DER; whether it is one is not looked at
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` for what are no bytes, or more than 64 KiB
   *
   * @example
   * ```ts
   * const { raw } = new X509Certificate(svid.certificatePem);
   * console.log((await backend.computeFingerprint(raw)) === svid.fingerprint); // true
   * ```
   */
  async computeFingerprint(certDer: ArrayBuffer | Uint8Array): Promise<string> {
    const der = parse((schemas) => schemas.CertificateBytesSchema, certDer);
    return await call((number) => native.fingerprint(theMailbox(), number, der));
  }
}

/**
 * Refuses a key backend that is none of this package's: a manager makes and uses its keys natively, in
 * the database of its store.
 */
export function requireNativeBackend(backend: unknown): asserts backend is NativeSigningBackend {
  if (isObject(backend) && isBackend(backend)) return;
  throw invalidArgument(
    'backend: it must be a NativeSigningBackend; backends written in JavaScript are not supported',
  );
}

async function exported(format: 'pkcs8' | 'spki', key: CryptoKey): Promise<Uint8Array> {
  try {
    return new Uint8Array(await subtle().exportKey(format, key));
  } catch (cause) {
    throw invalidKey("it can't be exported: it must be an extractable key", cause);
  }
}

function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

type Params = ReturnType<(typeof import('./inputs.js'))['SignCertificateParamsSchema']['parse']>;

/** A certificate as the addon takes it. */
function draftOf(params: Params): DraftOptions {
  const { pathLenConstraint: pathLength = -1, extKeyUsage, keyUsage } = params;
  return given({
    commonName: clip(params.subjectCN),
    sanUri: params.sanUri === undefined ? undefined : clip(params.sanUri),
    sanDns: params.sanDns.map(clip),
    issuerPem: params.signingCert ? clip(params.signingCert) : undefined,
    notBefore: params.notBefore,
    notAfter: params.notAfter,
    isCa: params.isCa,
    pathLength: pathLength >= 0 ? pathLength : undefined,
    ...keyUsage,
    serverAuth: extKeyUsage.includes('serverAuth'),
    clientAuth: extKeyUsage.includes('clientAuth'),
    permittedUris: params.nameConstraints?.permittedUris.map(clip) ?? [],
    serial: params.serialNumber === undefined ? undefined : clip(params.serialNumber),
  } satisfies AllOf<DraftOptions>);
}
