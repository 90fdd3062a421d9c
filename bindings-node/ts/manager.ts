import { call, theMailbox } from './calls.js';
import { calling, providerNotImplemented } from './errors.js';
import { clip } from './limits.js';
import { native } from './native.js';
import { bare } from './own.js';
import type { PkiConfigInput } from './public-schemas.js';
import { NativeSigningBackend, nativeBackend } from './signing.js';
import { SqliteCertificateStore, nativeStore } from './store.js';
import type {
  CaBundleResponse,
  CaFingerprints,
  CertificateManagerConfig,
  DenyIdentityResult,
  DenyListEntry,
  ICertificateStore,
  ISigningBackend,
  PkiStatusResponse,
  SignCSRRequest,
  SignCSRResult,
} from './types.js';
import { parse } from './validate.js';

/**
 * A certificate authority: a root, a Services CA and a Transport CA in a store.
 *
 * Its methods work off the event loop and fail with a {@link PkiError}. `PKI_NOT_INITIALIZED` comes
 * from all of them but `initialize`, `getStatus` and `shutdown` before the first `initialize`, and
 * `PKI_STORE_UNAVAILABLE` from all that need the database. Several managers, also in several
 * processes, may work on one database.
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
   * @param store a {@link SqliteCertificateStore}
   * @param backend a {@link NativeSigningBackend}
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` for another store or backend than those of this
   * package, or a value out of range; `PKI_INVALID_SPIFFE_ID` for a trust domain that is none.
   */
  constructor(
    store: ICertificateStore,
    backend: ISigningBackend,
    config: CertificateManagerConfig = {},
  ) {
    const { trustDomain, svidTtlSeconds, maxSvidTtlSeconds } = parse(
      (schemas) => schemas.ManagerConfigSchema,
      config,
    );
    const [ofStore, ofBackend] = [nativeStore(store), nativeBackend(backend)];
    this.#native = calling(
      () =>
        new native.Manager(
          theMailbox(),
          ofStore,
          ofBackend,
          bare({
            ...(trustDomain !== undefined && { trustDomain: clip(trustDomain) }),
            ...(svidTtlSeconds !== undefined && { svidTtlSeconds }),
            ...(maxSvidTtlSeconds !== undefined && { maxSvidTtlSeconds }),
          }),
        ),
    );
    this.#store = store as SqliteCertificateStore;
    this.#backend = backend as NativeSigningBackend;
  }

  /** A manager of a CA in memory, which is gone with it: for tests. */
  static ephemeral(config: CertificateManagerConfig = {}): CertificateManager {
    return new CertificateManager(new SqliteCertificateStore(), new NativeSigningBackend(), config);
  }

  /**
   * A manager with the store and the keys that a configuration names.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`; `PKI_PROVIDER_NOT_IMPLEMENTED` for any provider
   * but `local`.
   */
  static fromConfig(config: PkiConfigInput = {}): CertificateManager {
    const { provider, ...rest } = parse((schemas) => schemas.PkiConfigSchema, config);
    if (provider.type !== 'local') throw providerNotImplemented(provider.type);
    const store = new SqliteCertificateStore(provider.persistent ? provider.certsDb : ':memory:');
    return new CertificateManager(store, new NativeSigningBackend(), rest);
  }

  /**
   * Makes the hierarchy, or loads it where the store has one; may be called again.
   *
   * @throws {@link PkiError} `PKI_INVALID_TRUST_DOMAIN`, `PKI_TRUST_DOMAIN_MISMATCH`,
   * `PKI_CORRUPT_CA_STATE`, `PKI_WRONG_PASSPHRASE`
   */
  async initialize(): Promise<CaFingerprints> {
    return call((number) => this.#native.initialize(number));
  }

  /** Whether this manager has its hierarchy at hand; asks no database. */
  isInitialized(): boolean {
    return calling(() => this.#native.isInitialized());
  }

  /**
   * Issues a certificate for the key of a certificate signing request. When it answers, the
   * certificate is durably in the store.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`, `PKI_INVALID_SPIFFE_ID`,
   * `PKI_IDENTITY_DENIED`, `PKI_INVALID_CSR`, `PKI_CSR_SIGNATURE_INVALID`,
   * `PKI_KEY_ALGORITHM_NOT_ALLOWED`, `PKI_SPIFFE_ID_MISMATCH`, `PKI_CSR_WITHOUT_SPIFFE_ID`,
   * `PKI_CSR_NOT_ALLOWED`, `PKI_DNS_NAME_NOT_ALLOWED`, `PKI_SIGNING_CA_UNAVAILABLE`,
   * `PKI_SIGNING_CA_EXPIRED`, `PKI_SIGNING_CA_REVOKED`
   */
  async signCSR(request: SignCSRRequest): Promise<SignCSRResult> {
    const given = parse((schemas) => schemas.SignCSRRequestSchema, request);
    return call((number) =>
      this.#native.signCSR(
        number,
        clip(given.csr ?? given.csrPem ?? ''),
        given.serviceType,
        clip(given.instanceId ?? given.nodeId ?? ''),
        given.ttlSeconds,
        given.requireCsrSpiffeId,
      ),
    );
  }

  /** The CA certificates, for those who verify. */
  async getCaBundle(): Promise<CaBundleResponse> {
    return call((number) => this.#native.getCaBundle(number));
  }

  /**
   * Denies an identity: it gets no new certificate from now on. Denying again changes the reason.
   *
   * @param reason why, 1 to 1024 bytes
   * @returns its certificates that have not expired yet
   * @throws {@link PkiError} `PKI_INVALID_SPIFFE_ID`, `PKI_INVALID_ARGUMENT`
   */
  async denyIdentity(spiffeId: string, reason: string): Promise<DenyIdentityResult> {
    const denial = parse((schemas) => schemas.DenialSchema, { spiffeId, reason });
    return call((number) =>
      this.#native.denyIdentity(number, clip(denial.spiffeId), clip(denial.reason)),
    );
  }

  /**
   * Takes an identity off the deny list.
   *
   * @returns whether it was on it
   * @throws {@link PkiError} `PKI_INVALID_SPIFFE_ID`
   */
  async allowIdentity(spiffeId: string): Promise<boolean> {
    const id = parse((schemas) => schemas.TextSchema, spiffeId);
    return call((number) => this.#native.allowIdentity(number, clip(id)));
  }

  /** The deny list, newest first. */
  async listDeniedIdentities(): Promise<DenyListEntry[]> {
    return call((number) => this.#native.listDeniedIdentities(number));
  }

  /** How the CA is: counts, expiry dates, warnings. */
  async getStatus(): Promise<PkiStatusResponse> {
    return call((number) => this.#native.getStatus(number));
  }

  /**
   * Deletes the records of end-entity certificates that expired over 24 hours ago.
   *
   * @returns how many
   */
  async purgeExpired(): Promise<number> {
    return call((number) => this.#native.purgeExpired(number));
  }

  /**
   * Forgets hierarchy and keys and closes the database, once calls under way have ended and unless
   * another manager uses it; every later call fails with `PKI_SHUT_DOWN`. What was never opened isn't
   * opened for this, and it may be called again.
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
