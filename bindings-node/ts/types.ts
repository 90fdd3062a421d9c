import type {
  CertificateCount,
  CertificateRecord,
  DenyListEntry,
  ExpiringCertificate,
  IssuedCrl,
  Svid,
  TokenClaims,
} from './answers.js';
import type { PkiConfigInput } from './config.js';
import type { StoreOptions, TokenOptions, TokenRequest } from './requests.js';
import type { CryptoKey, CryptoKeyPair } from './web-crypto.js';
import type {
  CaCertificateType,
  PeerRole,
  PkiAlgorithm,
  PkiSegment,
  PkiServiceType,
} from './words.js';
export type * from './answers.js';
export type {
  RotateTokenKeysRequest,
  SignCSRRequest,
  StoreOptions,
  TokenOptions,
  TokenRequest,
  TokenSelector,
} from './requests.js';
export type {
  PkiServiceType,
  PkiSegment,
  PeerRole,
  PkiAlgorithm,
  CertificateType,
  CaCertificateType,
  CertificateStatus,
  PrincipalName,
  TokenPrincipal,
} from './words.js';

/** How a {@link CertificateManager} works: a {@link PkiConfigInput} without the provider. */
export type CertificateManagerConfig = Omit<PkiConfigInput, 'provider'>;

/** The revocation list of a CA: {@link CertificateManager.getCrl}. */
export interface CaCrl extends IssuedCrl {
  /** The list, DER: what {@link PeerPolicy.crls} takes. */
  der: Uint8Array;
}

/** What {@link CertificateManager.denyIdentity} answers. */
export interface DenyIdentityResult {
  /** The identity's unexpired certificates, the first to expire first. */
  expiringCerts: ExpiringCertificate[];
}

/**
 * What a store of certificates does: {@link SqliteCertificateStore}.
 *
 * To be named in signatures, not to be implemented: a {@link CertificateManager} refuses any other
 * object, whatever its methods, with `PKI_INVALID_ARGUMENT`. Certificates are signed and recorded in
 * one step off the event loop, where no JavaScript can be called.
 */
export interface ICertificateStore {
  /** Stores a CA certificate; an active one supersedes the active one of its type. */
  saveCaCertificate(record: CertificateRecord): Promise<void>;
  /** The active CA certificate of a type. */
  loadCaCertificate(type: CaCertificateType): Promise<CertificateRecord | null>;
  /** The active and the superseded CA certificates of a type, newest first. */
  loadAllCaCertificates(type: CaCertificateType): Promise<CertificateRecord[]>;
  /** Stores the certificate of a workload. */
  saveEndEntityCertificate(record: CertificateRecord): Promise<void>;
  /** The certificate of a serial number: hex, lower case. */
  findBySerial(serial: string): Promise<CertificateRecord | null>;
  /** The certificate of a fingerprint: SHA-256 of the DER, base64url without padding. */
  findByFingerprint(fingerprint: string): Promise<CertificateRecord | null>;
  /** The active, unexpired certificates of an identity, newest first. */
  findBySpiffeId(spiffeId: string): Promise<CertificateRecord[]>;
  /** The active, unexpired certificates of workloads, newest first. */
  listActiveCertificates(): Promise<CertificateRecord[]>;
  /** Marks an active certificate superseded. */
  markSuperseded(serial: string): Promise<void>;
  /** Denies an identity, and says why in 1 to 1024 bytes. */
  denyIdentity(spiffeId: string, reason: string): Promise<void>;
  /** Takes an identity off the deny list. */
  allowIdentity(spiffeId: string): Promise<void>;
  /** Whether an identity is on the deny list. */
  isDenied(spiffeId: string): Promise<boolean>;
  /** The deny list, newest first. */
  listDeniedIdentities(): Promise<DenyListEntry[]>;
  /**
   * Deletes the end-entity certificates that expired before a moment, in milliseconds since the
   * epoch; answers how many.
   */
  purgeExpired(cutoffMs: number): Promise<number>;
  /** How many certificates there are of each type and status. */
  countCertificates(): Promise<CertificateCount[]>;
}

/** Key usages of a certificate (RFC 5280 4.2.1.3). */
export interface KeyUsageFlags {
  /** To sign anything but certificates and revocation lists: what a leaf has. */
  digitalSignature?: boolean | undefined;
  /** To sign certificates: what a CA has. */
  keyCertSign?: boolean | undefined;
  /** To sign revocation lists: what a CA has. */
  crlSign?: boolean | undefined;
}

/** Extended key usages of a certificate (RFC 5280 4.2.1.12). */
export type ExtKeyUsage = 'serverAuth' | 'clientAuth';

/** A certificate that {@link NativeSigningBackend.signCertificate} is to make. */
export interface SignCertificateParams {
  /** The subject's common name, 1 to 64 characters. */
  subjectCN: string;
  /** The URI in the subject alternative names: a SPIFFE ID. */
  sanUri?: string | undefined;
  /** The DNS names there. */
  sanDns?: string[] | undefined;
  /** The key that signs: ECDSA on P-384, usage `sign`; it need not be extractable. */
  signingKey: CryptoKey;
  /** The certificate of the CA whose key that is, PEM; nothing or `''` for one that signs itself. */
  signingCert?: string | undefined;
  /** The key that is certified: ECDSA on P-384, extractable as public keys are. */
  subjectPublicKey: CryptoKey;
  /** The first moment of its validity; the fraction of a second is dropped. */
  notBefore: Date;
  /** The last moment of its validity; the fraction of a second is dropped. */
  notAfter: Date;
  /** Whether it is the certificate of a CA. */
  isCa: boolean;
  /** How many CAs may follow below it, 0 to 255; -1 or nothing for any number, or no CA. */
  pathLenConstraint?: number | undefined;
  /** What its key may be used for. */
  keyUsage: KeyUsageFlags;
  /** In which roles of TLS it may be used; nothing or `[]` leaves the extension out. */
  extKeyUsage?: ExtKeyUsage[] | undefined;
  /**
   * The URIs that leaves below this CA may have. Of a `spiffe://host/path/` the host alone goes into
   * the certificate: RFC 5280 4.2.1.10 knows no path, and TLS stacks reject a CA that tries one.
   */
  nameConstraints?: { permittedUris: string[] } | undefined;
  /** The serial number, hex, at most 20 bytes; a random one by default. */
  serialNumber?: string | undefined;
}

/**
 * What a signing backend does: {@link NativeSigningBackend}.
 *
 * To be named in signatures, not to be implemented: a {@link CertificateManager} refuses any other
 * object, whatever its methods, with `PKI_INVALID_ARGUMENT`.
 */
export interface ISigningBackend {
  /** Makes an extractable P-384 key pair for signing. */
  generateKeyPair(): Promise<CryptoKeyPair>;
  /** Makes a certificate, PEM. */
  signCertificate(params: SignCertificateParams): Promise<string>;
  /** An extractable private key as PEM: PKCS#8, not encrypted. */
  exportPrivateKeyPem(key: CryptoKey): Promise<string>;
  /** A private key from PEM: PKCS#8, not encrypted. */
  importPrivateKeyPem(pem: string): Promise<CryptoKey>;
  /** A public key as PEM: `SubjectPublicKeyInfo`. */
  exportPublicKeyPem(key: CryptoKey): Promise<string>;
  /** SHA-256 of a certificate's DER, base64url without padding. */
  computeFingerprint(certDer: ArrayBuffer | Uint8Array): Promise<string>;
}

/** A certificate signing request that has been found good. */
export interface ValidatedCSR {
  /** The request, PEM. */
  csrPem: string;
  /** The subject's common name. */
  subjectCN: string;
  /** The SPIFFE ID in its URI SAN. */
  spiffeId: string;
  /** The DNS names in it. */
  dnsSans: string[];
  /** The key that it asks a certificate for. */
  subjectPublicKey: CryptoKey;
  /** `P-384` */
  keyAlgorithm: string;
}

/**
 * Whom a {@link PeerVerifier} trusts. It is read once, when the verifier is made; a field with another
 * name is refused. Its lists have 1,000 entries at most and 2 MiB of text together, those of what is
 * denied 100,000 entries each and 16 MiB; more is refused with `PKI_INVALID_ARGUMENT`.
 */
export interface PeerPolicy {
  /**
   * The intermediates of the segment, PEM: `servicesAnchors` or `transportAnchors` of a bundle. A
   * root is refused: with it the other segment's peers would be let in.
   */
  anchors: string | readonly string[];
  /**
   * The service types that an anchor signs for, by its subject key identifier (hex): for those that
   * don't say it themselves, like the intermediates of the earlier package. Where an anchor says it,
   * that counts.
   */
  anchorServiceTypes?: Readonly<Record<string, readonly PkiServiceType[]>> | undefined;
  /**
   * Roots, PEM, of which one must have signed each anchor (default: it isn't looked at). With a root's
   * revocation list among `crls`, an anchor that it has revoked is refused.
   */
  roots?: string | readonly string[] | undefined;
  /** The trust domain of the peers. */
  trustDomain: string;
  /** The segment whose service types the peers may have. */
  segment: PkiSegment;
  /** What the peer is in this connection, hence the extended key usage that it must have. */
  role: PeerRole;
  /**
   * SPIFFE IDs of which one must be the peer's (default: all of the trust domain in this segment). A
   * last path segment `*` matches any one segment, `**` any number. A list without entries would let
   * nobody in, and is refused.
   */
  expect?: string | readonly string[] | undefined;
  /** What is refused whatever its certificate says. */
  denied?: DeniedPeers | undefined;
  /**
   * Certificate revocation lists of the CAs in this policy, DER: 8 MiB each at most, 16 MiB together. One
   * of another CA is refused.
   */
  crls?: readonly Uint8Array[] | undefined;
  /**
   * Whether there must be a current list in `crls` of each CA whose certificates are looked at (default
   * false: a certificate passes for which there is no list); else `PKI_REVOCATION_UNKNOWN`. This is how
   * the loss of a list that never came is noticed.
   */
  requireCrl?: boolean | undefined;
  /** Foreign trust domains whose peers are taken too. */
  federated?:
    | readonly {
        trustDomain: string;
        /** Its roots, PEM. */
        roots: readonly string[];
        /** SPIFFE IDs and patterns of which one must match. */
        allow: readonly string[];
      }[]
    | undefined;
  /** Which kinds of keys are taken beside `P-384`, what this package issues: `P-256`, `Ed25519`, … */
  algorithms?: readonly PkiAlgorithm[] | undefined;
  /** Verifies for this moment instead of that of the call. */
  at?: Date | undefined;
  /** How far clocks may differ, in seconds (default 0). */
  skewSeconds?: number | undefined;
}

/** What is denied by name. */
export interface DeniedPeers {
  /** SPIFFE IDs. */
  identities?: readonly string[] | undefined;
  /** Single certificates: the issuer's subject key identifier and the serial number, hex. */
  serials?: readonly { issuerKeyId: string; serial: string }[] | undefined;
}

/** A peer's certificates, its own first, then what it sent along: PEM or DER, one text or several. */
export type PeerChain = string | Uint8Array | readonly (string | Uint8Array)[];

/**
 * What verifies peers: {@link PeerVerifier}.
 *
 * To be named in signatures, not to be implemented: what takes one refuses any other object, whatever its
 * methods, with `PKI_INVALID_ARGUMENT`.
 */
export interface IPeerVerifier {
  /** Verifies a peer, off the event loop. */
  verify(chain: PeerChain): Promise<Svid>;
  /** Verifies a peer at once, on the event loop. */
  verifySync(chain: PeerChain): Svid;
}

/** What mints tokens: {@link TokenIssuer}. To be named in signatures, not to be implemented. */
export interface ITokenIssuer {
  /** The keys that verify its tokens. */
  jwks(): Promise<TokenKeySet>;
}

/** What {@link TokenIssuer.open} takes. Keys and records of tokens are in a database. */
export interface TokenIssuerOptions extends TokenOptions, StoreOptions {
  /** The database file (default `certs.db`), as {@link SqliteCertificateStore} takes it. */
  db?: string | undefined;
  /**
   * In place of `db`, `passphrase` and `busyTimeoutMs`: the store of a {@link CertificateManager}, which
   * then takes their tokens from identities that it denies.
   */
  store?: ICertificateStore | undefined;
}

/** A token for the first certificate of a service: see {@link CertificateManager.signCSR}. */
export interface BootstrapToken {
  /** The token, as the service has shown it: of principal `BOOTSTRAP`. */
  bootstrapToken: string;
  /** Who minted it, on the manager's store. */
  tokenIssuer: ITokenIssuer;
}

/** A token that {@link TokenIssuer.mint} is to make. */
export interface MintTokenRequest extends TokenRequest {
  /**
   * The certificate that it is bound to, PEM (of several the first) or DER: whoever holds its private
   * key may use the token, and nobody else. Without it and `certificateFingerprint` whoever holds the token
   * may use it.
   */
  certificate?: string | Uint8Array | undefined;
}

/**
 * What a peer has shown beside its token. The certificate is verified here, each time: one that nobody
 * has verified proves nothing. That the peer holds its private key TLS alone can tell, so it must be the
 * one of the handshake, and never one that was sent along in a request.
 */
export interface TokenPeer {
  /** The peer's certificate in the TLS handshake, and what it sent along: as {@link PeerVerifier.verify} takes it. */
  peerCertificate: PeerChain;
  /** Whom to trust. */
  peerVerifier: IPeerVerifier;
}

/** Whether the holder of a token may do what it asks for; anything but `true` is `PKI_PERMISSION_DENIED`. */
export type AuthorizeToken = (claims: TokenClaims) => boolean | Promise<boolean>;

/** What {@link TokenVerifier.verify} takes. */
export interface CheckTokenOptions extends TokenPeer {
  /** Asked last, when all else is right (default: nobody). */
  authorize?: AuthorizeToken | undefined;
}

/** What {@link TokenIssuer.verify} takes. */
export interface VerifyTokenOptions extends CheckTokenOptions {
  /** For whom the token must be meant (default: the issuer). */
  audience?: string | undefined;
}

/** What `authenticate` takes: of a caller without a certificate, no `peerCertificate`. */
export type AuthenticateTokenOptions = {
  [K in keyof CheckTokenOptions]?: CheckTokenOptions[K] | undefined;
};

/** A set of public keys (RFC 7517 5), as {@link TokenIssuer.jwks} answers it. */
export interface TokenKeySet {
  /** The keys: P-384, those that verify tokens now, the one that signs first. */
  keys: TokenPublicKey[];
}

/** A public key that verifies tokens (RFC 7518 6.2.1). */
export interface TokenPublicKey {
  /** `EC` */
  kty: string;
  /** `P-384` */
  crv: string;
  /** The point's first coordinate, base64url without padding. */
  x: string;
  /** Its second one. */
  y: string;
  /** By which tokens name it: its thumbprint (RFC 7638), base64url without padding. */
  kid: string;
  /** `ES384` */
  alg: string;
  /** `sig` */
  use: string;
}

/** What {@link TokenVerifier.create} takes. */
export interface TokenVerifierOptions extends TokenOptions {
  /**
   * The issuer's keys: a JWK set, best as the text that its issuer has sent, in which a name that stands
   * twice shows. Keys that are no signing keys on P-384 are passed over.
   */
  jwks: string | object;
  /** The `jti`s of the tokens that the issuer has revoked, 100,000 at most (default none). */
  revoked?: readonly string[] | undefined;
  /**
   * Who this is: tokens must be meant for it. Without it (the default) a token that says for whom it is
   * meant, as all of a {@link TokenIssuer} do, is refused.
   */
  audience?: string | undefined;
  /** Verifies for this moment instead of that of each call: for tests. */
  at?: Date | undefined;
}
