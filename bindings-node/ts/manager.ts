import { call, callForBytes, callForList, theMailbox } from './calls.js';
import type { PkiConfigInput } from './config.js';
import { calling, providerNotImplemented } from './errors.js';
import { clip, jsonOf } from './limits.js';
import { native } from './native.js';
import { given } from './snapshot.js';
import { NativeSigningBackend, requireNativeBackend } from './signing.js';
import { SqliteCertificateStore, nativeStore } from './store.js';
import { nativeIssuer } from './token-issuer.js';
import type {
  BootstrapToken,
  CaBundleResponse,
  CaCrl,
  CaFingerprints,
  CertificateManagerConfig,
  DeniedCertificate,
  DenyIdentityResult,
  DenyListEntry,
  ICertificateStore,
  ISigningBackend,
  IssuedCrl,
  PkiStatusResponse,
  SignCSRRequest,
  SignCSRResult,
} from './types.js';
import { parse } from './validate.js';

/**
 * A certificate authority: a root, a Services CA and a Transport CA in a store.
 *
 * Its methods work off the event loop and fail with a {@link PkiError}. Beside what each says:
 * before the first `initialize` all but `getStatus` and `shutdown` fail with `PKI_NOT_INITIALIZED`,
 * after `shutdown` all with `PKI_SHUT_DOWN`; those that need the database with
 * `PKI_STORE_UNAVAILABLE` (worth another try) or `PKI_STORE_TOO_NEW`; those that find the hierarchy
 * changed by another process, and read it again, with `PKI_CORRUPT_CA_STATE`, `PKI_WRONG_PASSPHRASE`
 * or `PKI_TRUST_DOMAIN_MISMATCH`; any with `PKI_INTERNAL` for a fault of this package. Several
 * managers, also in several processes, may work on one database.
 *
 * @example
 * ```ts
 * const manager = CertificateManager.fromConfig({ trustDomain: 'mesh.example.com' });
 * await manager.initialize();
 * const { privateKeyPem, csrPem } = await generateKeyAndCsr('node', 'node-a.example.com', {
 *   trustDomain: 'mesh.example.com',
 * });
 * const svid = await manager.signCSR({ csrPem, serviceType: 'node', nodeId: 'node-a.example.com' });
 * ```
 */
export class CertificateManager {
  readonly #native: InstanceType<typeof native.Manager>;
  readonly #store: SqliteCertificateStore;
  readonly #backend: NativeSigningBackend;

  /**
   * A manager of the CA in `store`. Nothing is opened before the first call.
   *
   * @param store a {@link SqliteCertificateStore}; an object of another class is refused, though it
   * has all methods of {@link ICertificateStore}
   * @param backend a {@link NativeSigningBackend}; an object of another class is refused too
   * @param config what differs from the defaults
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` for another store or backend than those of this
   * package, or a value out of range; `PKI_INVALID_SPIFFE_ID` for a trust domain that is none.
   *
   * @example
   * ```ts
   * const manager = new CertificateManager(
   *   new SqliteCertificateStore('certs.db'),
   *   new NativeSigningBackend(),
   *   { trustDomain: 'mesh.example.com' },
   * );
   * ```
   */
  constructor(
    store: ICertificateStore,
    backend: ISigningBackend,
    config: CertificateManagerConfig = {},
  ) {
    const { autoRenew: _, cas, ...rest } = parse((schemas) => schemas.ManagerConfigSchema, config);
    const ofStore = nativeStore(store);
    requireNativeBackend(backend);
    const options = given({ ...rest, cas: cas && given(cas) });
    this.#native = calling(() => new native.Manager(theMailbox(), ofStore, options));
    this.#store = store as SqliteCertificateStore;
    this.#backend = backend;
  }

  /**
   * A manager of a CA in memory, which is gone with it: for tests.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`, `PKI_INVALID_SPIFFE_ID`, as the constructor
   *
   * @example
   * ```ts
   * const manager = CertificateManager.ephemeral({ trustDomain: 'test.example.com' });
   * await manager.initialize();
   * ```
   */
  static ephemeral(config: CertificateManagerConfig = {}): CertificateManager {
    return new CertificateManager(new SqliteCertificateStore(), new NativeSigningBackend(), config);
  }

  /**
   * A manager with the store and the keys that a configuration names. Nothing is opened before the
   * first call.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`; `PKI_INVALID_SPIFFE_ID` for a trust domain that
   * is none; `PKI_PROVIDER_NOT_IMPLEMENTED` for any provider but `local`.
   *
   * @example
   * ```ts
   * const manager = CertificateManager.fromConfig({
   *   trustDomain: 'mesh.example.com',
   *   provider: { type: 'local', certsDb: '/var/lib/pki/certs.db' },
   * });
   * ```
   */
  static fromConfig(config: PkiConfigInput = {}): CertificateManager {
    const { provider, ...rest } = parse((schemas) => schemas.PkiConfigSchema, config);
    if (provider.type !== 'local') throw providerNotImplemented(provider.type);
    const { persistent, certsDb, busyTimeoutMs } = provider;
    const store = new SqliteCertificateStore(persistent ? certsDb : ':memory:', { busyTimeoutMs });
    return new CertificateManager(store, new NativeSigningBackend(), rest);
  }

  /**
   * Makes the hierarchy, or loads it where the store has one; may be called again.
   *
   * @throws {@link PkiError} `PKI_INVALID_TRUST_DOMAIN` for one of a single label;
   * `PKI_CLOCK_IMPLAUSIBLE` where the hierarchy would be made by a clock that can't be right;
   * `PKI_TRUST_DOMAIN_MISMATCH` where the store's CA has another; `PKI_CORRUPT_CA_STATE`;
   * `PKI_WRONG_PASSPHRASE`; `PKI_KEY_BACKEND_FAILED` where no key could be made;
   * `PKI_ISSUED_CERTIFICATE_REJECTED` where a CA certificate is not what it should be
   *
   * @example
   * ```ts
   * const { rootFingerprint } = await manager.initialize();
   * console.log(`services pin the root ${rootFingerprint}`);
   * ```
   */
  async initialize(): Promise<CaFingerprints> {
    return await call((number) => this.#native.initialize(number));
  }

  /** Whether this manager has its hierarchy at hand; asks no database. */
  isInitialized(): boolean {
    return calling(() => this.#native.isInitialized());
  }

  /**
   * Issues a certificate for the key of a certificate signing request. When it answers, the
   * certificate is durably in the store; where it fails, none was issued.
   *
   * @param by the bootstrap token that a service without certificate has shown: it must be for the
   * request's identity, and is used up. The same request with the same token gets the same certificate
   * again. Without it, by other means than this, it is known who sent the request
   * @throws {@link PkiError}
   *
   * - for the request: `PKI_INVALID_ARGUMENT`, `PKI_INVALID_SPIFFE_ID`, `PKI_IDENTITY_DENIED`,
   *   `PKI_INVALID_CSR`, `PKI_CSR_SIGNATURE_INVALID`, `PKI_KEY_ALGORITHM_NOT_ALLOWED`,
   *   `PKI_SPIFFE_ID_MISMATCH`, `PKI_CSR_WITHOUT_SPIFFE_ID`, `PKI_CSR_NOT_ALLOWED`,
   *   `PKI_DNS_NAME_NOT_ALLOWED`, `PKI_DNS_NAME_TAKEN` for one that another identity holds
   *
   * - for the bootstrap token: `PKI_INVALID_TOKEN`, `PKI_TOKEN_KEY_NOT_FOUND`, `PKI_TOKEN_EXPIRED`,
   *   `PKI_TOKEN_REVOKED` (also where the issuer has another store than this manager),
   *   `PKI_PERMISSION_DENIED` for a token of another principal, `PKI_BOOTSTRAP_TOKEN_MISMATCH` for one of
   *   another identity, `PKI_BOOTSTRAP_TOKEN_USED`
   *
   * - for the state of the CA: `PKI_NOT_INITIALIZED`, `PKI_SHUT_DOWN`, `PKI_SIGNING_CA_UNAVAILABLE`,
   *   `PKI_SIGNING_CA_EXPIRED`, `PKI_SIGNING_CA_NOT_YET_VALID`, `PKI_SIGNING_CA_REVOKED`,
   *   `PKI_CORRUPT_CA_STATE`, `PKI_WRONG_PASSPHRASE`, `PKI_TRUST_DOMAIN_MISMATCH`
   *
   * - for what failed meanwhile: `PKI_STORE_UNAVAILABLE`, `PKI_STORE_TOO_NEW`,
   *   `PKI_KEY_BACKEND_FAILED`, `PKI_ISSUED_CERTIFICATE_REJECTED`, `PKI_DUPLICATE_RECORD`,
   *   `PKI_INTERNAL`
   *
   * @example
   * ```ts
   * const svid = await manager.signCSR({
   *   csrPem,
   *   serviceType: 'node',
   *   nodeId: 'node-a.example.com',
   *   ttlSeconds: 600,
   * });
   * const cert = svid.certificatePem + svid.chain[0]; // what a TLS server sends
   * ```
   */
  async signCSR(request: SignCSRRequest, by?: BootstrapToken): Promise<SignCSRResult> {
    const json = jsonOf(parse((schemas) => schemas.SignCSRRequestSchema, request));
    if (by === undefined) {
      return await call((number) => this.#native.signCSR(number, json, undefined, ''));
    }
    const { bootstrapToken, tokenIssuer } = parse((schemas) => schemas.BootstrapTokenSchema, by);
    const [token, issuer] = [clip(bootstrapToken), nativeIssuer(tokenIssuer)];
    return await call((number) => this.#native.signCSR(number, json, issuer, token));
  }

  /**
   * The CA certificates, for those who verify.
   *
   * @example
   * ```ts
   * const { servicesAnchors, version } = await manager.getCaBundle();
   * const tls = { ca: servicesAnchors.join(''), allowPartialTrustChain: true };
   * ```
   */
  async getCaBundle(): Promise<CaBundleResponse> {
    return await call((number) => this.#native.getCaBundle(number));
  }

  /**
   * Denies an identity: it gets no new certificate from now on. Denying again changes the reason.
   * The certificates that it has are good until they expire: tell those who verify, by `denied` in a
   * {@link PeerPolicy}.
   *
   * @param spiffeId the identity; one of this trust domain must be one that could be issued
   * @param reason why, 1 to 1024 bytes, none of them NUL
   * @returns its certificates that have not expired yet
   * @throws {@link PkiError} `PKI_INVALID_SPIFFE_ID`, `PKI_INVALID_ARGUMENT` for the reason
   *
   * @example
   * ```ts
   * const { expiringCerts } = await manager.denyIdentity(
   *   'spiffe://mesh.example.com/node/node-b.example.com',
   *   'its disk was stolen',
   * );
   * for (const { serial, expiresAt } of expiringCerts) console.log(`${serial} is good until ${expiresAt}`);
   * ```
   */
  async denyIdentity(spiffeId: string, reason: string): Promise<DenyIdentityResult> {
    const denial = parse((schemas) => schemas.DenialSchema, { spiffeId, reason });
    const expiringCerts = await callForList<DenyIdentityResult['expiringCerts'][number]>((number) =>
      this.#native.denyIdentity(number, clip(denial.spiffeId), clip(denial.reason)),
    );
    return { expiringCerts };
  }

  /**
   * Takes an identity off the deny list.
   *
   * @returns whether it was on it
   * @throws {@link PkiError} `PKI_INVALID_SPIFFE_ID`
   *
   * @example
   * ```ts
   * const wasDenied = await manager.allowIdentity('spiffe://mesh.example.com/node/node-b.example.com');
   * ```
   */
  async allowIdentity(spiffeId: string): Promise<boolean> {
    const id = parse((schemas) => schemas.TextSchema, spiffeId);
    return await call((number) => this.#native.allowIdentity(number, clip(id)));
  }

  /**
   * The deny list, newest first.
   *
   * @example
   * ```ts
   * for (const { spiffeId, reason, deniedAt } of await manager.listDeniedIdentities()) {
   *   console.log(`${spiffeId} since ${new Date(deniedAt).toISOString()}: ${reason}`);
   * }
   * ```
   */
  async listDeniedIdentities(): Promise<DenyListEntry[]> {
    return await callForList((number) => this.#native.listDeniedIdentities(number));
  }

  /**
   * Revokes one certificate for good, for a key that somebody else may have: from now on it is in its
   * CA's revocation list, with the reason keyCompromise.
   *
   * @param serial its serial number, hex
   * @param reason why, 1 to 1024 bytes, none of them NUL
   * @param ca who has issued it, as in {@link CertificateManager.getCrl}: needed where the store has no
   * record of it
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`, also for a CA's own certificate
   *
   * @example
   * ```ts
   * const { expiresAt } = await manager.denySerial(svid.serial, 'its key was in a log');
   * ```
   */
  async denySerial(serial: string, reason: string, ca?: string): Promise<DeniedCertificate> {
    const given = parse((schemas) => schemas.SerialDenialSchema, { serial, reason, ca });
    return await call((number) =>
      this.#native.denySerial(number, clip(given.serial), clip(given.reason), given.ca),
    );
  }

  /**
   * The certificates that are revoked for good, newest first.
   *
   * @example
   * ```ts
   * const serials = (await manager.listDeniedSerials()).map(({ issuerKeyId, serial }) => ({
   *   issuerKeyId,
   *   serial,
   * }));
   * ```
   */
  async listDeniedSerials(): Promise<DeniedCertificate[]> {
    return await callForList((number) => this.#native.listDeniedSerials(number));
  }

  /**
   * The revocation list of a CA as things stand now (RFC 5280): its certificates that were revoked for
   * good, and those of denied identities, on hold. An intermediate's is good for a day or more and made
   * anew after 12 hours or when something changes; give it to those who verify before it ends.
   *
   * @param ca `root`, `services`, `transport` for the one that is active, or a subject key identifier in
   * hex for that of any generation
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` for a CA that is none of the hierarchy;
   * `PKI_SIGNING_CA_UNAVAILABLE` where its key is not here and its last list has ended
   *
   * @example
   * ```ts
   * const { der, nextUpdate } = await manager.getCrl('services');
   * const checked = new PeerVerifier({ ...policy, crls: [der], requireCrl: true });
   * console.log(`with revocations until ${nextUpdate}`);
   * ```
   */
  async getCrl(ca: string): Promise<CaCrl> {
    const name = parse((schemas) => schemas.TextSchema, ca);
    const { value, bytes } = await callForBytes<IssuedCrl>((number) =>
      this.#native.getCrl(number, clip(name)),
    );
    return { der: bytes, ...value };
  }

  /**
   * How the CA is: counts, expiry dates, warnings. Works before `initialize` too, and takes the same
   * time for a thousand certificates and for a million: fit for a health check.
   *
   * @example
   * ```ts
   * const { status, warnings } = await manager.getStatus();
   * if (status !== 'healthy') console.error(status, warnings);
   * ```
   */
  async getStatus(): Promise<PkiStatusResponse> {
    return await call((number) => this.#native.getStatus(number));
  }

  /**
   * Deletes the records of end-entity certificates that expired over 24 hours ago. Nobody else does
   * it: call it once a day.
   *
   * @returns how many
   *
   * @example
   * ```ts
   * setInterval(() => void manager.purgeExpired().catch(console.error), 86_400_000).unref();
   * ```
   */
  async purgeExpired(): Promise<number> {
    return await call((number) => this.#native.purgeExpired(number));
  }

  /**
   * Forgets hierarchy and keys and closes the database, once calls under way have ended and unless
   * another manager uses it; every later call fails with `PKI_SHUT_DOWN`, but another `shutdown`.
   * What was never opened isn't opened for this. The store can still be used, and opens the database
   * again.
   *
   * @example
   * ```ts
   * process.once('SIGTERM', () => void manager.shutdown());
   * ```
   */
  async shutdown(): Promise<void> {
    await call((number) => this.#native.shutdown(number));
  }

  /** The store that this manager was made with. */
  getStore(): SqliteCertificateStore {
    return this.#store;
  }

  /** The key backend that this manager was made with. */
  getBackend(): NativeSigningBackend {
    return this.#backend;
  }

  /** The configured trust domain. */
  getTrustDomain(): string {
    return calling(() => this.#native.trustDomain());
  }
}
