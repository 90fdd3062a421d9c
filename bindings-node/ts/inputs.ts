import type { webcrypto } from 'node:crypto';
import { types } from 'node:util';
import { z } from 'zod';
import { copyOf } from './limits.js';
import { PkiConfigSchema } from './schemas.js';

// What functions take, beside what the schemas that callers get describe. The rules are the core's:
// here it is looked whether everything is of its type.

export * from './schemas.js';

/** Far more than a list has any use for. */
const MANY = 1_000;
const MOST_DENIED = 100_000;

/**
 * An array of at most `most` elements. The length is looked at first: Zod looks at every element,
 * however many there are.
 */
function listOf<S extends z.ZodType>(element: S, most = MANY) {
  return z
    .unknown()
    .refine((list) => !Array.isArray(list) || list.length <= most, {
      error: `at most ${most} elements are taken`,
      abort: true,
    })
    .pipe(z.array(element));
}

const strings = listOf(z.string());
const bytes = z.instanceof(Uint8Array).transform((given) => copyOf(given));
/** A `Date` as milliseconds since the epoch. */
const moment = z.date().transform((date) => date.getTime());

/** What a manager's constructor takes: {@link PkiConfigSchema} without a provider, nothing filled in. */
export const ManagerConfigSchema = z.object({
  trustDomain: z.string().min(1).optional(),
  svidTtlSeconds: PkiConfigSchema.shape.svidTtlSeconds.removeDefault().optional(),
  maxSvidTtlSeconds: PkiConfigSchema.shape.maxSvidTtlSeconds.removeDefault().optional(),
  autoRenew: z.boolean().optional(),
});

export const StoreOptionsSchema = z.object({ passphrase: z.string().min(1).max(4096).optional() });

export const DenialSchema = z.object({ spiffeId: z.string(), reason: z.string() });

export const KeyAndCsrOptionsSchema = z.object({
  trustDomain: z.string().optional(),
  dns: strings.default([]),
});

const oneOrMany = z
  .union([z.string(), strings])
  .transform((one) => (typeof one === 'string' ? [one] : one));

export const PeerPolicySchema = z.object({
  anchors: oneOrMany,
  trustDomain: z.string(),
  segment: z.enum(['services', 'transport']),
  role: z.enum(['client', 'server']),
  expect: oneOrMany.default([]),
  denied: z
    .object({
      identities: listOf(z.string(), MOST_DENIED).default([]),
      serials: listOf(
        z.object({ issuerKeyId: z.string(), serial: z.string() }),
        MOST_DENIED,
      ).default([]),
    })
    .prefault({}),
  crls: listOf(bytes).default([]),
  federated: listOf(z.object({ trustDomain: z.string(), roots: strings, allow: strings })).default(
    [],
  ),
  skewSeconds: z.number().min(0).optional(),
  at: moment.optional(),
});

const caTypes = ['root-ca', 'services-ca', 'transport-ca'] as const;
const milliseconds = z.int();

export const CaTypeSchema = z.enum(caTypes);

export const CertificateRecordSchema = z.object({
  serial: z.string().min(1),
  fingerprint: z.string().min(1),
  type: z.enum([...caTypes, 'end-entity']),
  commonName: z.string(),
  spiffeId: z.string().nullable(),
  certificatePem: z.string(),
  privateKeyPem: z.string().nullable(),
  issuerSerial: z.string().nullable(),
  notBefore: milliseconds,
  notAfter: milliseconds,
  status: z.enum(['pending', 'active', 'superseded', 'expired', 'retired', 'revoked']),
  createdAt: milliseconds,
});

export const MillisecondsSchema = milliseconds;

export const CertificateBytesSchema = z.union([
  bytes,
  z.instanceof(ArrayBuffer).transform((buffer) => copyOf(new Uint8Array(buffer))),
]);

export const TextSchema = z.string();

const cryptoKey = (type: 'private' | 'public') =>
  z.custom<webcrypto.CryptoKey>((value) => types.isCryptoKey(value) && value.type === type, {
    error: `it must be a ${type} CryptoKey`,
  });

export const PrivateKeySchema = cryptoKey('private');
export const PublicKeySchema = cryptoKey('public');

export const SignCertificateParamsSchema = z.object({
  subjectCN: z.string(),
  sanUri: z.string().optional(),
  sanDns: strings.default([]),
  signingKey: PrivateKeySchema,
  signingCert: z.string().optional(),
  subjectPublicKey: PublicKeySchema,
  notBefore: moment,
  notAfter: moment,
  isCa: z.boolean(),
  pathLenConstraint: z.int().min(-1).max(255).optional(),
  keyUsage: z.object({
    digitalSignature: z.boolean().default(false),
    keyCertSign: z.boolean().default(false),
    crlSign: z.boolean().default(false),
  }),
  extKeyUsage: listOf(z.enum(['serverAuth', 'clientAuth'])).default([]),
  nameConstraints: z.object({ permittedUris: strings }).optional(),
  serialNumber: z.string().optional(),
});
