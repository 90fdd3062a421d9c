export type { PkiErrorCode } from './codes.js';
export type * from './config.js';
export { generateKeyAndCsr } from './csr.js';
export { PkiError } from './errors.js';
export { CertificateManager } from './manager.js';
export {
  AllowIdentityRequestSchema,
  AwsKmsPkiConfigSchema,
  DenyIdentityRequestSchema,
  GCloudKmsPkiConfigSchema,
  LocalPkiConfigSchema,
  PkiConfigSchema,
  PkiProviderConfigSchema,
  SignCSRRequestSchema,
} from './public-schemas.js';
export {
  NativeSigningBackend,
  NativeSigningBackend as WebCryptoSigningBackend,
} from './signing.js';
export { buildSpiffeId, isValidSpiffeId, parseSpiffeId } from './spiffe.js';
export {
  SqliteCertificateStore,
  SqliteCertificateStore as BunSqliteCertificateStore,
} from './store.js';
export { explainTlsError, type TlsErrorExplanation, type TlsErrorKind } from './tls-errors.js';
export { certificateThumbprint, TokenIssuer } from './token-issuer.js';
export { TokenVerifier } from './token-verifier.js';
export type * from './types.js';
export { PeerVerifier, verifyPeer, verifyPeerSync } from './verify.js';
