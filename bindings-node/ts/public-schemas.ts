import type { z } from 'zod';
import { schemas } from './validate.js';

// Stand-ins that load the real schemas when somebody first looks at one. Modules export values, so
// a schema itself would have to be there, and Zod with it, before anybody asks for it.

type Schemas = typeof import('./schemas.js');

function standIn<N extends keyof Schemas>(name: N): Schemas[N] {
  const schema = (): z.ZodType => schemas()[name];
  return new Proxy({} as Schemas[N], {
    get: (_, key) => Reflect.get(schema(), key) as unknown,
    set: (_, key, value) => Reflect.set(schema(), key, value),
    has: (_, key) => Reflect.has(schema(), key),
    ownKeys: () => Reflect.ownKeys(schema()),
    getPrototypeOf: () => Reflect.getPrototypeOf(schema()),
    getOwnPropertyDescriptor: (_, key) => {
      const descriptor = Reflect.getOwnPropertyDescriptor(schema(), key);
      // A proxy may not call a property fixed that its own target doesn't have.
      return descriptor && { ...descriptor, configurable: true };
    },
  });
}

/**
 * A request for a certificate, as {@link CertificateManager.signCSR} and the HTTP API take it: a
 * {@link SignCSRRequest} that has what must be there.
 *
 * @example
 * ```ts
 * const request = SignCSRRequestSchema.parse(await incoming.json()); // or throws a ZodError
 * ```
 */
export const SignCSRRequestSchema = standIn('SignCSRRequestSchema');

/** A request to deny an identity: `{ spiffeId, reason }`, neither of them empty. */
export const DenyIdentityRequestSchema = standIn('DenyIdentityRequestSchema');

/** A request to allow an identity again: `{ spiffeId }`. */
export const AllowIdentityRequestSchema = standIn('AllowIdentityRequestSchema');

/** Keys in this process, certificates in an SQLite database: {@link LocalPkiConfigInput}. */
export const LocalPkiConfigSchema = standIn('LocalPkiConfigSchema');

/** Keys in Google Cloud KMS: {@link GCloudKmsPkiConfigInput}. Not implemented. */
export const GCloudKmsPkiConfigSchema = standIn('GCloudKmsPkiConfigSchema');

/** Keys in AWS KMS: {@link AwsKmsPkiConfigInput}. Not implemented. */
export const AwsKmsPkiConfigSchema = standIn('AwsKmsPkiConfigSchema');

/** Where the CA keys are: {@link PkiProviderConfigInput}. */
export const PkiProviderConfigSchema = standIn('PkiProviderConfigSchema');

/**
 * How a {@link CertificateManager} works and where it keeps its keys and certificates. Takes a
 * {@link PkiConfigInput}, which tells each field's default and range, and makes a {@link PkiConfig}.
 *
 * @example
 * ```ts
 * const config = PkiConfigSchema.parse({ trustDomain: 'mesh.example.com' });
 * // config.svidTtlSeconds is 3600, config.provider.type is 'local'
 * ```
 */
export const PkiConfigSchema = standIn('PkiConfigSchema');
