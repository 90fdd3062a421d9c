import { call, callForList, callForPage, theMailbox } from './calls.js';
import { certificateOf } from './chain.js';
import { calling, invalidArgument } from './errors.js';
import { clip, isObject, jsonOf } from './limits.js';
import { native } from './native.js';
import { authorized, callerOf, peerOf } from './shown-tokens.js';
import { given } from './snapshot.js';
import { SqliteCertificateStore, nativeStore } from './store.js';
import type {
  ITokenIssuer,
  AuthenticateTokenOptions,
  MintTokenRequest,
  MintedToken,
  RotateTokenKeysRequest,
  StoreOptions,
  TokenClaims,
  TokenIssuerOptions,
  TokenKeyRotation,
  TokenKeySet,
  TokenRecord,
  TokenSelector,
  VerifyTokenOptions,
} from './types.js';
import { parse } from './validate.js';

type NativeIssuer = InstanceType<typeof native.TokenIssuer>;

// A private field tells what is ours apart without asking the object, which may be a proxy.
let issuerOf: (issuer: object) => NativeIssuer | undefined;

/**
 * Mints access tokens that are bound to the holder's certificate (RFC 8705), and says which are good: a
 * stolen one is of no use without that certificate's private key. Tokens are JWTs signed with ES384; the
 * keys are in a database, encrypted as those of CAs are, and never sign anything else.
 *
 * Its methods work off the event loop and fail with a {@link PkiError}: after `close` with `PKI_SHUT_DOWN`,
 * and those that need the database with `PKI_STORE_UNAVAILABLE` (worth another try),
 * `PKI_WRONG_PASSPHRASE`, `PKI_KEY_FILE_UNSAFE` or `PKI_STORE_TOO_NEW`. Several issuers, also in several
 * processes, may work on one database.
 *
 * @example
 * ```ts
 * const issuer = await TokenIssuer.open({
 *   store, // of the CA, so that who is denied loses its tokens
 *   issuer: 'node-a.example.com',
 *   trustDomain: 'mesh.example.com',
 * });
 * const { token } = await issuer.mint({
 *   subject: 'node-b.example.com',
 *   entity: { id: 'node-b.example.com', name: 'node-b', type: 'service' },
 *   principal: 'NODE',
 *   certificate: svid.certificatePem,
 * });
 * ```
 */
export class TokenIssuer implements ITokenIssuer {
  readonly #native: NativeIssuer;

  static {
    issuerOf = (issuer) => (#native in issuer ? issuer.#native : undefined);
  }

  private constructor(options: TokenIssuerOptions) {
    const { issuer, trustDomain, federated, serviceTypes, db, store, ...kept } = parse(
      (schemas) => schemas.TokenIssuerOptionsSchema,
      options,
    );
    const file = parse((schemas) => schemas.LocalPkiConfigSchema.shape.certsDb, db, 'db');
    const ofStore = nativeStore(store ?? new SqliteCertificateStore(file, kept as StoreOptions));
    const whose = given({ issuer, trustDomain, federated, serviceTypes });
    this.#native = calling(() => new native.TokenIssuer(theMailbox(), ofStore, whose));
  }

  /**
   * An issuer on a database, which is made where it is not there, with a first key where it has none.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`, `PKI_INVALID_SPIFFE_ID` for a trust domain that is
   * none, `PKI_KEY_BACKEND_FAILED` where no key could be made, `PKI_INVALID_KEY` for one that was changed
   *
   * @example
   * ```ts
   * const issuer = await TokenIssuer.open({ db: 'tokens.db', issuer: 'node-a.example.com' });
   * ```
   */
  static async open(options: TokenIssuerOptions): Promise<TokenIssuer> {
    const issuer = new TokenIssuer(options);
    await call((number) => issuer.#native.initialize(number));
    return issuer;
  }

  /**
   * Mints a token and records that it exists, never the token itself.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`; `PKI_INVALID_DER` or `PKI_MALFORMED_CERTIFICATE` for a
   * certificate that is none; `PKI_INVALID_SPIFFE_ID`; `PKI_IDENTITY_DENIED`
   *
   * @example
   * ```ts
   * const { token, outlivesCertificate } = await issuer.mint({
   *   subject: 'ada',
   *   entity: { id: 'ada', name: 'Ada', type: 'user', trustedDomains: ['mesh.example.com'] },
   *   principal: 'NODE_CUSTODIAN',
   *   certificateFingerprint: fingerprint,
   *   expiresIn: '30m',
   * });
   * ```
   */
  async mint(request: MintTokenRequest): Promise<MintedToken> {
    const { certificate, ...rest } = parse((schemas) => schemas.MintTokenRequestSchema, request);
    const of = certificate === undefined ? undefined : certificateOf(certificate);
    const json = jsonOf(rest);
    return await call((number) => this.#native.mint(number, json, of));
  }

  /**
   * Verifies a token that a peer shows, in this order: the peer's certificate, by `peerVerifier`; the
   * token's signature and time, issuer and audience; whether it is revoked; whether it is bound to that
   * very certificate; whether it was issued to this identity; and what `authorize` says.
   *
   * @returns its claims
   * @throws {@link PkiError} what {@link PeerVerifier.verify} throws; `PKI_INVALID_TOKEN`,
   * `PKI_TOKEN_KEY_NOT_FOUND`, `PKI_TOKEN_EXPIRED`; `PKI_TOKEN_REVOKED`; `PKI_TOKEN_NOT_BOUND`,
   * `PKI_TOKEN_BINDING_MISMATCH`; `PKI_FOREIGN_TRUST_DOMAIN`, `PKI_TOKEN_IDENTITY_MISMATCH`;
   * `PKI_PERMISSION_DENIED`
   *
   * @example
   * ```ts
   * const claims = await issuer.verify(token, {
   *   peerCertificate: socket.getPeerCertificate(true).raw,
   *   peerVerifier: verifier,
   *   authorize: ({ principal }) => principal === 'CATALYST::NODE',
   * });
   * ```
   */
  async verify(token: string, options: VerifyTokenOptions): Promise<TokenClaims> {
    const text = clip(token);
    const asked = parse((schemas) => schemas.VerifyTokenSchema, options);
    const [verifier, chain] = await peerOf(asked);
    const claims = await call<TokenClaims>((number) =>
      this.#native.verify(number, text, verifier, chain, asked.audience),
    );
    return await authorized(claims, asked.authorize);
  }

  /**
   * Verifies a token of a caller who may have shown no certificate, as an HTTP API for administrators has
   * them. One that is bound to a certificate is good with that alone; one that is not, with any or none. A
   * bootstrap token is none of these: it is taken for a certificate's request alone.
   *
   * @returns its claims
   * @throws {@link PkiError} as `verify`
   *
   * @example
   * ```ts
   * const { principal } = await issuer.authenticate(token, {
   *   peerCertificate: socket.getPeerCertificate(true)?.raw,
   *   peerVerifier: verifier,
   * });
   * ```
   */
  async authenticate(token: string, options: AuthenticateTokenOptions = {}): Promise<TokenClaims> {
    const text = clip(token);
    const asked = parse((schemas) => schemas.AuthenticateTokenSchema, options);
    const [verifier, chain] = await callerOf(asked);
    const claims = await call<TokenClaims>((number) =>
      this.#native.authenticate(number, text, verifier, chain),
    );
    return await authorized(claims, asked.authorize);
  }

  /**
   * Looks at a token alone: signature, time, issuer, audience, revocation. Whoever shows it may have stolen
   * it, so nothing may be granted for it.
   *
   * @param options `audience`: for whom it must be meant (default: the issuer)
   * @throws {@link PkiError} `PKI_INVALID_TOKEN`, `PKI_TOKEN_KEY_NOT_FOUND`, `PKI_TOKEN_EXPIRED`,
   * `PKI_TOKEN_REVOKED`
   *
   * @example
   * ```ts
   * const { sub, exp } = await issuer.inspect(token);
   * console.log(`${sub} until ${new Date(exp * 1000).toISOString()}`);
   * ```
   */
  async inspect(
    token: string,
    options: { audience?: string | undefined } = {},
  ): Promise<TokenClaims> {
    const text = clip(token);
    const { audience } = parse((schemas) => schemas.InspectTokenSchema, options);
    return await call((number) => this.#native.inspect(number, text, audience));
  }

  /**
   * Revokes tokens, with all that were rebound from them or to them; those that are minted later are not
   * among them.
   *
   * @returns how many that were not revoked before
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`
   *
   * @example
   * ```ts
   * const revoked = await issuer.revoke({ subject: 'node-b.example.com' });
   * ```
   */
  async revoke(by: TokenSelector): Promise<number> {
    const json = jsonOf(parse((schemas) => schemas.TokenSelectorSchema, by));
    return await call((number) => this.#native.revoke(number, json));
  }

  /**
   * What is recorded of the tokens that were minted, newest first; with `filter` of these alone. It reads
   * them page by page: one that is minted meanwhile is not among them.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`
   *
   * @example
   * ```ts
   * const bound = await issuer.list({ certificateFingerprint: fingerprint });
   * for (const { jti, subject, revokedAt } of bound) console.log(jti, subject, revokedAt);
   * ```
   */
  async list(filter?: TokenSelector): Promise<TokenRecord[]> {
    const selected =
      filter === undefined
        ? undefined
        : jsonOf(parse((schemas) => schemas.TokenSelectorSchema, filter));
    const records: TokenRecord[] = [];
    let cursor: string | undefined;
    do {
      const page = await callForPage<TokenRecord, string | null>((number) =>
        this.#native.list(number, selected, cursor),
      );
      for (const record of page.list) records.push(record);
      cursor = page.rest ?? undefined;
    } while (cursor !== undefined);
    return records;
  }

  /**
   * Makes a new key, which signs from now on. What the former one has signed stays good for a while, so
   * that nobody's token dies; with `immediate` it dies at once.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`, `PKI_KEY_BACKEND_FAILED`
   *
   * @example
   * ```ts
   * const { newKeyId, gracePeriodEndsAt } = await issuer.rotate({ gracePeriodMs: 3_600_000 });
   * ```
   */
  async rotate(how: RotateTokenKeysRequest = {}): Promise<TokenKeyRotation> {
    const json = jsonOf(parse((schemas) => schemas.RotateTokenKeysSchema, how));
    return await call((number) => this.#native.rotate(number, json));
  }

  /**
   * The public keys that verify tokens now, the active one first: what `/.well-known/jwks.json` serves.
   *
   * @example
   * ```ts
   * const answer = Response.json(await issuer.jwks(), {
   *   headers: { 'Cache-Control': 'public, max-age=300' },
   * });
   * ```
   */
  async jwks(): Promise<TokenKeySet> {
    return JSON.parse(await call<string>((number) => this.#native.jwks(number))) as TokenKeySet;
  }

  /**
   * The `jti`s of the revoked tokens that have not ended: what a {@link TokenVerifier} elsewhere needs
   * beside the keys.
   *
   * @example
   * ```ts
   * const next = await tokenVerifier.withRevoked(await issuer.revoked());
   * ```
   */
  async revoked(): Promise<string[]> {
    return await callForList((number) => this.#native.revoked(number));
  }

  /**
   * Forgets the keys and closes the database, once calls under way have ended and unless a manager uses
   * it; every later call fails with `PKI_SHUT_DOWN`, but another `close`.
   *
   * @example
   * ```ts
   * process.once('SIGTERM', () => void issuer.close());
   * ```
   */
  async close(): Promise<void> {
    await call((number) => this.#native.close(number));
  }
}

/**
 * The thumbprint of a certificate, by which tokens name it (`x5t#S256`, RFC 8705 3.1): SHA-256 of its DER,
 * base64url without padding. The same as its fingerprint in this package.
 *
 * @param certificate PEM (of several the first) or DER
 * @throws {@link PkiError} `PKI_INVALID_DER` or `PKI_MALFORMED_CERTIFICATE` for what is no certificate;
 * `PKI_INVALID_ARGUMENT` for a value of another type
 *
 * @example
 * ```ts
 * const isMine = claims.cnf?.['x5t#S256'] === certificateThumbprint(certificatePem);
 * ```
 */
export function certificateThumbprint(certificate: string | Uint8Array): string {
  const of = certificateOf(certificate);
  return calling(() => native.certificateThumbprint(of));
}

/** The addon's half of an issuer. */
export function nativeIssuer(issuer: unknown): NativeIssuer {
  const ours = isObject(issuer) ? issuerOf(issuer) : undefined;
  if (ours !== undefined) return ours;
  throw invalidArgument('tokenIssuer: it must be a TokenIssuer');
}
