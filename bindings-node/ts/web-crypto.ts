// Web Crypto as this package uses it.

type Subtle = typeof globalThis.crypto.subtle;

/** The global one: the DOM's, Node's or Bun's, by the types that a program has. */
export type CryptoKey = Parameters<Subtle['exportKey']>[1];
/** The global one. */
export type CryptoKeyPair = Extract<
  Awaited<ReturnType<Subtle['generateKey']>>,
  { publicKey: unknown }
>;

/** Loaded when it is needed: it takes as long as all of this package, and few need it. */
export function nodeCrypto(): typeof import('node:crypto') {
  return require('node:crypto') as typeof import('node:crypto');
}

/** Node's own: jsdom puts a `crypto` in its place that has none. */
export function subtle(): Subtle {
  return nodeCrypto().webcrypto.subtle;
}
