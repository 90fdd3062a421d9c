import { partsOf, type Parts } from './chain.js';
import { permissionDenied } from './errors.js';
import type { native } from './native.js';
import type { AuthorizeToken, TokenClaims, TokenPeer } from './types.js';
import { nativeVerifier } from './verify.js';

type NativeVerifier = InstanceType<typeof native.PeerVerifier>;

/** A peer as the addon takes it: how it is verified, and what it has shown. */
export async function peerOf({
  peerCertificate,
  peerVerifier,
}: TokenPeer): Promise<[NativeVerifier, Parts]> {
  const parts = partsOf(peerCertificate);
  return [await nativeVerifier(peerVerifier), parts];
}

/** The same of a caller who may have shown no certificate. */
export async function callerOf({
  peerCertificate,
  peerVerifier,
}: {
  [K in keyof TokenPeer]?: TokenPeer[K] | undefined;
}): Promise<[NativeVerifier | undefined, Parts]> {
  if (peerCertificate === undefined) return [undefined, []];
  return await peerOf({ peerCertificate, peerVerifier } as TokenPeer);
}

/** The claims of a token whose holder may do what it asks for. */
export async function authorized(
  claims: TokenClaims,
  authorize: AuthorizeToken | undefined,
): Promise<TokenClaims> {
  if (authorize !== undefined && (await authorize(claims)) !== true) throw permissionDenied();
  return claims;
}
