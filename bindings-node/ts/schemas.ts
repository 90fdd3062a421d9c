import { z } from 'zod';
import { invalidArgument } from './errors.js';

const text = z.string().min(1);

const serviceTypes = [
  'orchestrator',
  'auth',
  'node',
  'gateway',
  'envoy/app',
  'envoy/transport',
] as const;

const oneOf = (first: string, second: string) => (request: Record<string, unknown>) =>
  (request[first] ?? request[second]) !== undefined &&
  (request[first] === undefined ||
    request[second] === undefined ||
    request[first] === request[second]);

/** A request for a certificate, as {@link CertificateManager.signCSR} and the HTTP API take it. */
export const SignCSRRequestSchema = z
  .object({
    csr: text.optional(),
    csrPem: text.optional(),
    serviceType: z.enum(serviceTypes, {
      error: `Invalid service type: known are ${serviceTypes.join(', ')}`,
    }),
    nodeId: text.optional(),
    instanceId: text.optional(),
    ttlSeconds: z.int().min(1).optional(),
    requireCsrSpiffeId: z.boolean().optional(),
  })
  .refine(oneOf('csr', 'csrPem'), { path: ['csr'], error: 'give the CSR as csr or as csrPem' })
  .refine(oneOf('nodeId', 'instanceId'), {
    path: ['instanceId'],
    error: 'give the instance as nodeId or as instanceId',
  });

/** A request to deny an identity. */
export const DenyIdentityRequestSchema = z.object({ spiffeId: text, reason: text });

/** A request to allow an identity again. */
export const AllowIdentityRequestSchema = z.object({ spiffeId: text });

/** Keys in this process, certificates in an SQLite database. */
export const LocalPkiConfigSchema = z.object({
  type: z.literal('local'),
  /** Whether the database is a file; in memory otherwise. */
  persistent: z.boolean().default(true),
  /** The file. */
  certsDb: text.default('certs.db'),
});

/** Keys in Google Cloud KMS. */
export const GCloudKmsPkiConfigSchema = z.object({
  type: z.literal('gcloud-kms'),
  projectId: text,
  locationId: text.default('global'),
  keyRingId: text,
  rootKeyId: text,
  servicesCaKeyId: text,
  transportCaKeyId: text,
  certsDb: text,
});

/** Keys in AWS KMS. */
export const AwsKmsPkiConfigSchema = z.object({
  type: z.literal('aws-kms'),
  region: text,
  rootKeyArn: text,
  servicesCaKeyArn: text,
  transportCaKeyArn: text,
  certsDb: text,
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

/** How a {@link CertificateManager} works and where it keeps its keys and certificates. */
export const PkiConfigSchema = z.object({
  provider: PkiProviderConfigSchema.default({
    type: 'local',
    persistent: true,
    certsDb: 'certs.db',
  }),
  trustDomain: text.default('catalyst.example.com'),
  svidTtlSeconds: ttlSeconds.default(3_600),
  maxSvidTtlSeconds: ttlSeconds.default(86_400),
  autoRenew: z.boolean().default(true),
});

/** A configuration with its defaults filled in. */
export type PkiConfig = z.output<typeof PkiConfigSchema>;
/** A configuration as callers write it. */
export type PkiConfigInput = z.input<typeof PkiConfigSchema>;
/** The part of a configuration that says where keys and certificates are. */
export type PkiProviderConfig = z.output<typeof PkiProviderConfigSchema>;

/** What a manager's constructor takes: {@link PkiConfigSchema} without a provider, nothing filled in. */
export const ManagerConfigSchema = z.object({
  trustDomain: text.optional(),
  svidTtlSeconds: ttlSeconds.optional(),
  maxSvidTtlSeconds: ttlSeconds.optional(),
  autoRenew: z.boolean().optional(),
});

/** How many of the things that are wrong are said. */
const MOST_REASONS = 5;

/**
 * What `schema` makes of `value`.
 *
 * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` that says which field is wrong, with the
 * `ZodError` as its `cause`; also when looking at the value throws.
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  let result: z.ZodSafeParseResult<z.output<S>>;
  try {
    result = schema.safeParse(value);
  } catch (cause) {
    throw invalidArgument(`it can't be read: ${String(cause)}`, cause);
  }
  if (result.success) return result.data;
  const { issues } = result.error;
  const reasons = issues
    .slice(0, MOST_REASONS)
    .map(({ path, message }) =>
      path.length > 0 ? `${path.map(String).join('.')}: ${message}` : message,
    );
  if (issues.length > MOST_REASONS) reasons.push(`and ${issues.length - MOST_REASONS} more`);
  throw invalidArgument(reasons.join('; '), result.error);
}
