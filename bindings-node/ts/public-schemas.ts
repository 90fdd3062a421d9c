import type { z } from 'zod';
import { schemas } from './validate.js';

// Stand-ins that load the real schemas when somebody first looks at one. Modules export values, so
// a schema itself would have to be there, and Zod with it, before anybody asks for it.

type Schemas = typeof import('./schemas.js');

function standIn<N extends keyof Schemas>(name: N): Schemas[N] {
  const schema = (): object => schemas()[name];
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

/** A request for a certificate, as {@link CertificateManager.signCSR} and the HTTP API take it. */
export const SignCSRRequestSchema = standIn('SignCSRRequestSchema');

/** A request to deny an identity. */
export const DenyIdentityRequestSchema = standIn('DenyIdentityRequestSchema');

/** A request to allow an identity again. */
export const AllowIdentityRequestSchema = standIn('AllowIdentityRequestSchema');

/** Keys in this process, certificates in an SQLite database. */
export const LocalPkiConfigSchema = standIn('LocalPkiConfigSchema');

/** Keys in Google Cloud KMS. */
export const GCloudKmsPkiConfigSchema = standIn('GCloudKmsPkiConfigSchema');

/** Keys in AWS KMS. */
export const AwsKmsPkiConfigSchema = standIn('AwsKmsPkiConfigSchema');

/** Where the CA keys are. */
export const PkiProviderConfigSchema = standIn('PkiProviderConfigSchema');

/** How a {@link CertificateManager} works and where it keeps its keys and certificates. */
export const PkiConfigSchema = standIn('PkiConfigSchema');

/** A configuration with its defaults filled in. */
export type PkiConfig = z.output<typeof PkiConfigSchema>;
/** A configuration as callers write it. */
export type PkiConfigInput = z.input<typeof PkiConfigSchema>;
/** The part of a configuration that says where keys and certificates are. */
export type PkiProviderConfig = z.output<typeof PkiProviderConfigSchema>;
