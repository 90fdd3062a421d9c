import type { webcrypto } from 'node:crypto';
import { types } from 'node:util';
import { z } from 'zod';
import { PkiConfigSchema } from './schemas.js';

// What functions take, beside what the schemas that callers get describe. The rules are the core's:
// here it is looked whether everything is of its type.

export * from './schemas.js';

/** What a manager's constructor takes: {@link PkiConfigSchema} without a provider, nothing filled in. */
export const ManagerConfigSchema = z.object({
  trustDomain: z.string().min(1).optional(),
  svidTtlSeconds: PkiConfigSchema.shape.svidTtlSeconds.removeDefault().optional(),
  maxSvidTtlSeconds: PkiConfigSchema.shape.maxSvidTtlSeconds.removeDefault().optional(),
  autoRenew: z.boolean().optional(),
});

export const DenialSchema = z.object({ spiffeId: z.string(), reason: z.string() });

export const KeyAndCsrOptionsSchema = z.object({
  trustDomain: z.string().optional(),
  dns: z.array(z.string()).max(1_000).default([]),
});

const oneOrMany = z
  .union([z.string(), z.array(z.string())])
  .transform((one) => (typeof one === 'string' ? [one] : one));

export const PeerPolicySchema = z.object({
  anchors: oneOrMany,
  trustDomain: z.string(),
  segment: z.enum(['services', 'transport']),
  role: z.enum(['client', 'server']),
  expect: oneOrMany.default([]),
  denied: z
    .object({
      identities: z.array(z.string()).default([]),
      serials: z.array(z.object({ issuerKeyId: z.string(), serial: z.string() })).default([]),
    })
    .prefault({}),
  crls: z.array(z.instanceof(Uint8Array)).default([]),
  federated: z
    .array(
      z.object({ trustDomain: z.string(), roots: z.array(z.string()), allow: z.array(z.string()) }),
    )
    .default([]),
  skewSeconds: z.number().min(0).optional(),
  at: z.date().optional(),
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
  z.instanceof(Uint8Array),
  z.instanceof(ArrayBuffer).transform((buffer) => new Uint8Array(buffer)),
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
  sanDns: z.array(z.string()).default([]),
  signingKey: PrivateKeySchema,
  signingCert: z.string().optional(),
  subjectPublicKey: PublicKeySchema,
  notBefore: z.date(),
  notAfter: z.date(),
  isCa: z.boolean(),
  pathLenConstraint: z.int().min(-1).max(255).optional(),
  keyUsage: z.object({
    digitalSignature: z.boolean().default(false),
    keyCertSign: z.boolean().default(false),
    crlSign: z.boolean().default(false),
  }),
  extKeyUsage: z.array(z.enum(['serverAuth', 'clientAuth'])).default([]),
  nameConstraints: z.object({ permittedUris: z.array(z.string()) }).optional(),
  serialNumber: z.string().optional(),
});
