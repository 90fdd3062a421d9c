import { call, nextTurn, theMailbox } from './calls.js';
import { calling } from './errors.js';
import { clip } from './limits.js';
import { native } from './native.js';
import { pieceOf } from './policy-inputs.js';
import { authorized, callerOf, peerOf } from './shown-tokens.js';
import { given } from './snapshot.js';
import type {
  AuthenticateTokenOptions,
  CheckTokenOptions,
  TokenClaims,
  TokenVerifierOptions,
} from './types.js';
import { parse } from './validate.js';

type NativeVerifier = InstanceType<typeof native.TokenVerifier>;

/**
 * Checks the tokens of a {@link TokenIssuer} elsewhere, by its public keys and its list of revoked tokens.
 * It doesn't change: newer keys or a newer list are a verifier of their own. It knows of no SPIFFE ID that
 * a token was issued to: the peer's service type must be one of `serviceTypes`, and its instance the
 * token's `sub` or `entity.id`.
 *
 * @example
 * ```ts
 * const answer = await fetch('https://node-a.example.com/.well-known/jwks.json', { tls });
 * const tokenVerifier = await TokenVerifier.create({
 *   issuer: 'node-a.example.com',
 *   audience: 'node-b.example.com',
 *   trustDomain: 'mesh.example.com',
 *   jwks: await answer.text(),
 * });
 * ```
 */
export class TokenVerifier {
  readonly #native: NativeVerifier;

  private constructor(ready: NativeVerifier) {
    this.#native = ready;
  }

  /**
   * A verifier, worked out off the event loop.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`, also for what is no JWK set, for a P-384 key in it that
   * is broken, and for a `kid` that is missing or stands twice; `PKI_INVALID_SPIFFE_ID` for a trust domain
   *
   * @example
   * ```ts
   * const tokenVerifier = await TokenVerifier.create({
   *   issuer: 'node-a.example.com',
   *   jwks: await issuer.jwks(),
   *   revoked: await issuer.revoked(),
   * });
   * ```
   */
  static async create(options: TokenVerifierOptions): Promise<TokenVerifier> {
    const { jwks, revoked, audience, at, ...whose } = parse(
      (schemas) => schemas.TokenVerifierOptionsSchema,
      options,
    );
    const keys = textOf(jwks);
    const made = calling(() => new native.TokenVerifier(given(whose), audience, at, keys));
    return await TokenVerifier.#ready(made, revoked);
  }

  static async #ready(made: NativeVerifier, revoked: readonly string[]): Promise<TokenVerifier> {
    for (let at = 0; at < revoked.length;) {
      const piece = pieceOf(revoked, at);
      const json = JSON.stringify(piece);
      calling(() => made.addRevoked(json));
      at += piece.length;
      if (at < revoked.length) await nextTurn();
    }
    await call((number) => made.prepare(theMailbox(), number));
    return new TokenVerifier(made);
  }

  /**
   * Verifies a token that a peer shows: as {@link TokenIssuer.verify}, by what this verifier knows.
   *
   * @returns its claims
   * @throws {@link PkiError} as there
   *
   * @example
   * ```ts
   * const { sub } = await tokenVerifier.verify(token, {
   *   peerCertificate: socket.getPeerCertificate(true).raw,
   *   peerVerifier: verifier,
   * });
   * ```
   */
  async verify(token: string, options: CheckTokenOptions): Promise<TokenClaims> {
    const text = clip(token);
    const asked = parse((schemas) => schemas.CheckTokenSchema, options);
    const [verifier, chain] = await peerOf(asked);
    const claims = await call<TokenClaims>((number) =>
      this.#native.verify(theMailbox(), number, text, verifier, chain),
    );
    return await authorized(claims, asked.authorize);
  }

  /**
   * Verifies a token of a caller who may have shown no certificate: as {@link TokenIssuer.authenticate}.
   *
   * @returns its claims
   * @throws {@link PkiError} as there
   *
   * @example
   * ```ts
   * const { principal } = await tokenVerifier.authenticate(token);
   * ```
   */
  async authenticate(token: string, options: AuthenticateTokenOptions = {}): Promise<TokenClaims> {
    const text = clip(token);
    const asked = parse((schemas) => schemas.AuthenticateTokenSchema, options);
    const [verifier, chain] = await callerOf(asked);
    const claims = await call<TokenClaims>((number) =>
      this.#native.authenticate(theMailbox(), number, text, verifier, chain),
    );
    return await authorized(claims, asked.authorize);
  }

  /**
   * Looks at a token alone. Whoever shows it may have stolen it, so nothing may be granted for it.
   *
   * @throws {@link PkiError} as {@link TokenIssuer.inspect}
   *
   * @example
   * ```ts
   * const { jti } = await tokenVerifier.inspect(token);
   * ```
   */
  async inspect(token: string): Promise<TokenClaims> {
    const text = clip(token);
    return await call((number) => this.#native.inspect(theMailbox(), number, text));
  }

  /**
   * The same with the keys that the issuer has now. To be fetched again when a token is refused with
   * `PKI_TOKEN_KEY_NOT_FOUND`, not more often than once in five minutes.
   *
   * @param jwks as {@link TokenVerifierOptions.jwks}
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`
   *
   * @example
   * ```ts
   * const next = await tokenVerifier.withKeys(await issuer.jwks());
   * ```
   */
  async withKeys(jwks: string | object): Promise<TokenVerifier> {
    const keys = textOf(jwks);
    return await TokenVerifier.#ready(
      calling(() => this.#native.withKeys(keys)),
      [],
    );
  }

  /**
   * The same with the `jti`s of the tokens that the issuer has revoked by now, in place of those that it
   * has.
   *
   * @param revoked 100,000 at most
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`
   *
   * @example
   * ```ts
   * const next = await tokenVerifier.withRevoked(await issuer.revoked());
   * ```
   */
  async withRevoked(revoked: readonly string[]): Promise<TokenVerifier> {
    const jtis = parse((schemas) => schemas.RevokedSchema, revoked, 'revoked');
    return await TokenVerifier.#ready(
      calling(() => this.#native.withRevoked()),
      jtis,
    );
  }
}

/** A JWK set as a text. */
function textOf(jwks: string | object): string {
  if (typeof jwks === 'string') return parse((schemas) => schemas.TextSchema, jwks, 'jwks');
  return JSON.stringify(parse((schemas) => schemas.TokenKeySetSchema, jwks, 'jwks'));
}
