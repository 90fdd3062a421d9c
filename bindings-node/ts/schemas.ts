import { z } from 'zod';
import type { PkiConfigInput } from './config.js';
import type { CaChoices, SignCSRRequest } from './requests.js';
import { listOf, longText, strict, text as anyText, type FieldsOf } from './strict.js';
import { SERVICE_TYPES } from './words.js';

const text = anyText.min(1);
const name = longText.min(1);

/** Whether exactly one of two names of a field is given, or both the same. */
const oneOf = (first: string, second: string) => (request: Record<string, unknown>) => {
  // Not what every object inherits: see snapshot.ts.
  const [one, other] = [first, second].map((name) =>
    Object.hasOwn(request, name) ? request[name] : undefined,
  );
  return (
    (one ?? other) !== undefined && (one === undefined || other === undefined || one === other)
  );
};

/** A request for a certificate, as {@link CertificateManager.signCSR} and the HTTP API take it. */
export const SignCSRRequestSchema = strict({
  csr: text.optional(),
  csrPem: text.optional(),
  serviceType: z.enum(SERVICE_TYPES, {
    error: `Invalid service type: known are ${SERVICE_TYPES.join(', ')}`,
  }),
  nodeId: text.optional(),
  instanceId: text.optional(),
  ttlSeconds: z.int().min(1).optional(),
  requireCsrSpiffeId: z.boolean().optional(),
} satisfies FieldsOf<SignCSRRequest>)
  .refine(oneOf('csr', 'csrPem'), { path: ['csr'], error: 'give the CSR as csr or as csrPem' })
  .refine(oneOf('nodeId', 'instanceId'), {
    path: ['instanceId'],
    error: 'give the instance as nodeId or as instanceId',
  });

const spiffeId = anyText.startsWith('spiffe://', { error: 'it must start with spiffe://' });

/** A request to deny an identity. */
export const DenyIdentityRequestSchema = strict({ spiffeId, reason: text });

/** A request to allow an identity again. */
export const AllowIdentityRequestSchema = strict({ spiffeId });

/** Keys in this process, certificates in an SQLite database. */
export const LocalPkiConfigSchema = strict({
  type: z.literal('local'),
  /** Whether the database is a file; in memory otherwise. */
  persistent: z.boolean().default(true),
  /** The file. */
  certsDb: text.default('certs.db'),
  /** How long a call waits for other writers. */
  busyTimeoutMs: z.int().min(0).optional(),
});

/** The database of certificates whose keys are elsewhere. */
const certsDb = text.default('certs.db');

/** Keys in Google Cloud KMS. */
export const GCloudKmsPkiConfigSchema = strict({
  type: z.literal('gcloud-kms'),
  projectId: text,
  locationId: text.default('global'),
  keyRingId: text,
  rootKeyId: text,
  servicesCaKeyId: text,
  transportCaKeyId: text,
  certsDb,
});

/** Keys in AWS KMS. */
export const AwsKmsPkiConfigSchema = strict({
  type: z.literal('aws-kms'),
  region: text,
  rootKeyArn: text,
  servicesCaKeyArn: text,
  transportCaKeyArn: text,
  certsDb,
});

const Pkcs11PkiConfigSchema = z.looseObject({ type: z.literal('pkcs11') });

/** Where the CA keys are. */
export const PkiProviderConfigSchema = z.discriminatedUnion('type', [
  LocalPkiConfigSchema,
  GCloudKmsPkiConfigSchema,
  AwsKmsPkiConfigSchema,
  Pkcs11PkiConfigSchema,
]);

const ttlSeconds = z.int().min(60).max(86_400);

/** How the CAs are called and how long they live. */
const cas = strict({
  rootCommonName: name.optional(),
  servicesCommonName: name.optional(),
  transportCommonName: name.optional(),
  rootLifetimeSeconds: z.int().min(1).optional(),
  intermediateLifetimeSeconds: z.int().min(1).optional(),
} satisfies FieldsOf<CaChoices>);

const nameConstraints = z.union(
  [z.enum(['trust-domain', 'none']), z.templateLiteral(['dns:', name])],
  { error: 'it must be trust-domain, none or dns:a.example,b.example' },
);

/** How a {@link CertificateManager} works and where it keeps its keys and certificates. */
export const PkiConfigSchema = strict({
  provider: PkiProviderConfigSchema.default({
    type: 'local',
    persistent: true,
    certsDb: 'certs.db',
  }),
  trustDomain: name.default('catalyst.example.com'),
  svidTtlSeconds: ttlSeconds.default(3_600),
  maxSvidTtlSeconds: ttlSeconds.default(86_400),
  autoRenew: z.boolean().default(true),
  nameConstraints: nameConstraints.optional(),
  cas: cas.optional(),
  allowedDnsSuffixes: listOf(name).optional(),
} satisfies FieldsOf<PkiConfigInput>);
