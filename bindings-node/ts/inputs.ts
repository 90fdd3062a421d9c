import { types } from 'node:util';
import { z } from 'zod';
import { LONG, MANY, atMost, copyOf, lengthOf } from './limits.js';
import type { Fields } from './own.js';
import { PkiConfigSchema } from './schemas.js';
import type { CryptoKey } from './web-crypto.js';

// What functions take, beside what the schemas that callers get describe. The rules are the core's:
// here it is looked whether everything is of its type.

export * from './schemas.js';

/** An array of at most `MANY` elements, of which Zod gets a copy: see {@link lengthOf}. */
function listOf<S extends z.ZodType>(element: S) {
  return z
    .unknown()
    .transform((list, context) => {
      if (!Array.isArray(list)) return list;
      const given = list as unknown[];
      const length = Number(given.length);
      if (length <= MANY) return Array.from({ length }, (_, at) => given[at]);
      context.addIssue(atMost(MANY, 'elements'));
      return z.NEVER;
    })
    .pipe(z.array(element));
}

/**
 * A text that means the same everywhere: half of a surrogate pair has no encoding outside of
 * JavaScript, which would put another character in its place.
 */
const text = z.string().refine((given) => given.isWellFormed(), {
  error: 'it must be well-formed: there is half of a surrogate pair in it',
});
const longText = text.max(LONG, { error: atMost(LONG, 'characters') });

const strings = listOf(text);
const bytes = z
  .custom<ArrayBuffer | Uint8Array>(
    (given) => types.isUint8Array(given) || types.isArrayBuffer(given),
    { error: 'it must be a Uint8Array or an ArrayBuffer', abort: true },
  )
  .transform((given, context) => {
    const copy = copyOf(types.isUint8Array(given) ? given : new Uint8Array(given), LONG);
    if (copy !== undefined) return copy;
    context.addIssue(atMost(LONG, 'bytes'));
    return z.NEVER;
  });
/** A `Date` of any realm (a test runner's is another than Node's) as milliseconds since the epoch. */
const moment = z
  .custom<Date>(types.isDate, { error: 'it must be a Date', abort: true })
  .transform((date) => Date.prototype.getTime.call(date))
  .pipe(z.number({ error: 'it must be a valid Date' }));

/** What a manager's constructor takes: {@link PkiConfigSchema} without a provider, nothing filled in. */
export const ManagerConfigSchema = z.object({
  trustDomain: text.min(1).optional(),
  svidTtlSeconds: PkiConfigSchema.shape.svidTtlSeconds.removeDefault().optional(),
  maxSvidTtlSeconds: PkiConfigSchema.shape.maxSvidTtlSeconds.removeDefault().optional(),
  autoRenew: z.boolean().optional(),
});

export const StoreOptionsSchema = z.object({ passphrase: z.string().optional() });

export const DenialSchema = z.object({ spiffeId: text, reason: text });

export const KeyAndCsrOptionsSchema = z.object({
  trustDomain: text.optional(),
  dns: strings.default([]),
});

const oneOrMany = z
  .union([z.string(), strings])
  .transform((one) => (typeof one === 'string' ? [one] : one));

/**
 * The lists of what is denied and of CRLs, which may be long, have been taken out where they are
 * lists: see snapshot.ts.
 */
export const PeerPolicySchema = z.object({
  anchors: oneOrMany,
  trustDomain: z.string(),
  segment: z.enum(['services', 'transport']),
  role: z.enum(['client', 'server']),
  expect: oneOrMany.optional(),
  denied: z.object({ identities: strings.default([]), serials: strings.default([]) }).prefault({}),
  crls: strings.default([]),
  federated: listOf(z.object({ trustDomain: z.string(), roots: strings, allow: strings })).default(
    [],
  ),
  skewSeconds: z.number().min(0).optional(),
});

export const MomentSchema = moment;

const caTypes = ['root-ca', 'services-ca', 'transport-ca'] as const;
const milliseconds = z.int();

export const CaTypeSchema = z.enum(caTypes);

export const CertificateRecordSchema = z.object({
  serial: longText.min(1),
  fingerprint: longText.min(1),
  type: z.enum([...caTypes, 'end-entity']),
  commonName: longText,
  spiffeId: longText.nullable(),
  certificatePem: longText,
  privateKeyPem: longText.nullable(),
  issuerSerial: longText.nullable(),
  notBefore: milliseconds,
  notAfter: milliseconds,
  status: z.enum(['pending', 'active', 'superseded', 'expired', 'retired', 'revoked']),
  createdAt: milliseconds,
});

export const MillisecondsSchema = milliseconds;

export const CertificateBytesSchema = bytes;

export const TextSchema = longText;
export const StringSchema = z.string();

const cryptoKey = (type: 'private' | 'public') =>
  z.custom<CryptoKey>((value) => types.isCryptoKey(value) && value.type === type, {
    error: `it must be a ${type} CryptoKey`,
  });

export const PrivateKeySchema = cryptoKey('private');
export const PublicKeySchema = cryptoKey('public');

export const SignCertificateParamsSchema = z.object({
  subjectCN: text,
  sanUri: text.optional(),
  sanDns: strings.default([]),
  signingKey: PrivateKeySchema,
  signingCert: text.optional(),
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
  serialNumber: text.optional(),
});

const known = new WeakMap<z.core.$ZodType, Fields | undefined>();

/** The fields that a schema asks of an object: {@link own}. */
export function fieldsOf(schema: z.core.$ZodType): Fields | undefined {
  if (!known.has(schema)) known.set(schema, readFields(schema));
  return known.get(schema);
}

function readFields(schema: z.core.$ZodType): Fields | undefined {
  if (schema instanceof z.ZodObject) {
    const shape = Object.entries(schema.shape as Record<string, z.core.$ZodType>);
    return new Map(shape.map(([name, field]) => [name, fieldsOf(field)]));
  }
  if (schema instanceof z.ZodUnion) {
    const options = (schema.options as z.core.$ZodType[]).flatMap((one) => [
      ...(fieldsOf(one) ?? []),
    ]);
    return options.length > 0 ? new Map(options) : undefined;
  }
  if (schema instanceof z.ZodPipe) return fieldsOf(schema.in);
  const wrappers = [z.ZodOptional, z.ZodNullable, z.ZodDefault, z.ZodPrefault];
  const wrapper = wrappers.find((one) => schema instanceof one);
  return wrapper && fieldsOf((schema as z.ZodOptional).unwrap());
}
