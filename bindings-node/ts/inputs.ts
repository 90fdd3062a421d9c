import { types } from 'node:util';
import { z } from 'zod';
import { LONG, MOST_DENIED, atMost, copyOf, isObject } from './limits.js';
import { LocalPkiConfigSchema, PkiConfigSchema } from './schemas.js';
import { MANY, lengthOf, snapshotOf, type Shape } from './snapshot.js';
import { listOf, longText, strict, text, unknownFields, type FieldsOf } from './strict.js';
import type { PolicyOptions } from '../native.js';
import type {
  AuthenticateTokenOptions,
  AuthorizeToken,
  BootstrapToken,
  CertificateManagerConfig,
  CertificateRecord,
  CheckTokenOptions,
  DeniedPeers,
  ICertificateStore,
  IPeerVerifier,
  ITokenIssuer,
  KeyUsageFlags,
  MintTokenRequest,
  PeerChain,
  PeerPolicy,
  RotateTokenKeysRequest,
  SignCertificateParams,
  StoreOptions,
  TokenEntity,
  TokenIssuerOptions,
  TokenOptions,
  TokenPublicKey,
  TokenSelector,
  TokenVerifierOptions,
  VerifyTokenOptions,
} from './types.js';
import type { CryptoKey } from './web-crypto.js';
import {
  ALGORITHMS,
  CA_CERTIFICATE_TYPES,
  CERTIFICATE_STATUSES,
  CERTIFICATE_TYPES,
  PRINCIPALS,
  ROLES,
  SEGMENTS,
  SERVICE_TYPES,
} from './words.js';

// What functions take, beside what the schemas that callers get describe. The rules are the core's:
// here it is looked whether everything is of its type.

export * from './schemas.js';

const strings = listOf(text);

/** Of a 32-bit number. */
const MOST_USES = 2 ** 32 - 1;

/** Bytes as they are now: see {@link copyOf}. */
const bytesOf = (most: number, error: string) =>
  z
    .custom<ArrayBuffer | Uint8Array>(
      (given) => types.isUint8Array(given) || types.isArrayBuffer(given),
      { error, abort: true },
    )
    .transform((given, context) => {
      const copy = copyOf(types.isUint8Array(given) ? given : new Uint8Array(given), most);
      if (copy !== undefined) return copy;
      context.addIssue(atMost(most, 'bytes'));
      return z.NEVER;
    });

/** A `Date` of any realm (a test runner's is another than Node's) as milliseconds since the epoch. */
const moment = z
  .custom<Date>(types.isDate, { error: 'it must be a Date', abort: true })
  .transform((date) => Date.prototype.getTime.call(date))
  .pipe(z.number({ error: 'it must be a valid Date: the time of this one is NaN' }));

/** What a manager's constructor takes: {@link PkiConfigSchema} without a provider, nothing filled in. */
export const ManagerConfigSchema = strict({
  trustDomain: longText.min(1).optional(),
  svidTtlSeconds: PkiConfigSchema.shape.svidTtlSeconds.removeDefault().optional(),
  maxSvidTtlSeconds: PkiConfigSchema.shape.maxSvidTtlSeconds.removeDefault().optional(),
  autoRenew: z.boolean().optional(),
  nameConstraints: PkiConfigSchema.shape.nameConstraints,
  cas: PkiConfigSchema.shape.cas,
  allowedDnsSuffixes: PkiConfigSchema.shape.allowedDnsSuffixes,
} satisfies FieldsOf<CertificateManagerConfig>);

export const StoreOptionsSchema = strict({
  passphrase: text.optional(),
  busyTimeoutMs: LocalPkiConfigSchema.shape.busyTimeoutMs,
} satisfies FieldsOf<StoreOptions>).refine(
  (options) => !('passphrase' in options) || options.passphrase !== undefined,
  {
    path: ['passphrase'],
    error: 'it is undefined: leave the field out where the environment is to say it',
  },
);

export const DenialSchema = strict({ spiffeId: text, reason: text });

export const SerialDenialSchema = strict({ serial: text, reason: text, ca: text.optional() });

export const KeyAndCsrOptionsSchema = strict({
  trustDomain: text.optional(),
  dns: strings.default([]),
});

const oneOrMany = z.preprocess((one) => (typeof one === 'string' ? [one] : one), strings);

/**
 * A list of what is denied as the texts that `read` takes out of it. It may be long, and Zod takes a
 * microsecond for each, so it is asked for its words alone.
 */
function denials(
  read: (list: readonly unknown[], length: number, context: z.RefinementCtx) => unknown[],
  pathOf: (at: number) => PropertyKey[],
) {
  return z.unknown().transform((list, context): string[] => {
    if (!Array.isArray(list)) {
      context.addIssue(issueOf(z.array(z.unknown()), list));
      return z.NEVER;
    }
    const length = lengthOf(list as unknown[], MOST_DENIED);
    if (length > MOST_DENIED) {
      context.addIssue(atMost(MOST_DENIED, 'elements'));
      return z.NEVER;
    }
    const texts = read(list as unknown[], length, context);
    for (let at = 0; at < texts.length; at++) {
      const text = texts[at];
      if (typeof text === 'string' && text.length <= LONG) continue;
      context.addIssue(issueOf(entry, text, ...pathOf(at)));
      break;
    }
    return texts as string[];
  });
}

const identities = denials(
  (list, length) => {
    const texts = new Array<unknown>(length);
    for (let at = 0; at < length; at++) texts[at] = list[at];
    return texts;
  },
  (at) => [at],
);

/** In turn the issuer's key identifier and the serial number of each. */
const serials = denials(
  (list, length, context) => {
    // Asking each object whose its fields are takes longer than all the rest.
    const isInherited = 'issuerKeyId' in Object.prototype || 'serial' in Object.prototype;
    const texts = new Array<unknown>(2 * length);
    for (let at = 0; at < length; at++) {
      const one = isInherited ? snapshotOf(list[at], { fields: OF_A_SERIAL }) : list[at];
      if (!isObject(one)) continue;
      for (const name in one) {
        if (OF_A_SERIAL.has(name) || !Object.hasOwn(one, name)) continue;
        context.addIssue({
          code: 'custom',
          message: unknownFields([name], [...OF_A_SERIAL.keys()]),
          path: [at],
        });
        return [];
      }
      texts[2 * at] = (one as { issuerKeyId?: unknown }).issuerKeyId;
      texts[2 * at + 1] = (one as { serial?: unknown }).serial;
    }
    return texts;
  },
  (at) => [at >> 1, at % 2 === 0 ? 'issuerKeyId' : 'serial'],
);
const OF_A_SERIAL = new Map<string, Shape>([
  ['issuerKeyId', {}],
  ['serial', {}],
]);

const entry = z.string().max(LONG, { error: atMost(LONG, 'characters') });

/** What a schema says of a value that it refuses. */
function issueOf(schema: z.ZodType, value: unknown, ...path: PropertyKey[]) {
  const issue = schema.safeParse(value).error?.issues[0];
  return { code: 'custom' as const, message: issue?.message ?? 'it is not valid', path };
}

export const DeniedSchema = strict({
  identities: identities.default([]),
  serials: serials.default([]),
} satisfies Record<keyof DeniedPeers, z.ZodType>);

// Of some 100,000 entries.
const LONGEST_CRL = 8 * 1024 * 1024;
const MOST_CRLS = 16 * 1024 * 1024;

export const CrlsSchema = listOf(
  bytesOf(LONGEST_CRL, 'it must be a Uint8Array: the list in DER'),
).refine((crls) => crls.reduce((sum, crl) => sum + crl.byteLength, 0) <= MOST_CRLS, {
  error: `together ${atMost(MOST_CRLS, 'bytes')}`,
});

/** Of an object with names of the caller's own; Zod looks at all of them. */
const anchorServiceTypes = z
  .custom<object>((given) => isObject(given) && Object.keys(given).length <= MANY, {
    error: `it must be an object: ${atMost(MANY, 'elements')}`,
    abort: true,
  })
  .pipe(z.record(text, listOf(z.enum(SERVICE_TYPES))));

const policyFields = {
  anchors: oneOrMany,
  anchorServiceTypes: anchorServiceTypes.default({}),
  roots: oneOrMany.default([]),
  trustDomain: text,
  segment: z.enum(SEGMENTS),
  role: z.enum(ROLES),
  expect: oneOrMany.optional(),
  denied: DeniedSchema.default({ identities: [], serials: [] }),
  crls: CrlsSchema.default([]),
  requireCrl: z.boolean().default(false),
  federated: listOf(strict({ trustDomain: text, roots: strings, allow: strings })).default([]),
  algorithms: listOf(z.enum(ALGORITHMS)).default([]),
  at: moment.optional(),
  skewSeconds: z.number().min(0).optional(),
} satisfies Record<keyof PeerPolicy, z.ZodType>;

export const PeerPolicySchema = strict(
  policyFields satisfies Record<keyof PolicyOptions, z.ZodType>,
);

const tokenFields = {
  issuer: longText,
  trustDomain: text.optional(),
  federated: listOf(longText).optional(),
  serviceTypes: listOf(z.enum(SERVICE_TYPES)).optional(),
} satisfies FieldsOf<TokenOptions>;

/** Whether not both a store and what opens one are given. Not what every object inherits: see snapshot.ts. */
const isStoredOnce = (options: object) => {
  const all = Object.entries(options).filter(([, value]) => value !== undefined);
  const names = new Set(all.map(([name]) => name));
  return !names.has('store') || !['db', 'passphrase', 'busyTimeoutMs'].some((n) => names.has(n));
};

export const TokenIssuerOptionsSchema = strict({
  ...tokenFields,
  ...StoreOptionsSchema.shape,
  db: text.optional(),
  store: z.custom<ICertificateStore>(isObject, { error: 'it must be an object' }).optional(),
} satisfies Record<keyof TokenIssuerOptions, z.ZodType>).refine(isStoredOnce, {
  path: ['store'],
  error: 'give the store, or db and how it is kept',
});

const member = longText.optional();

/** A JWK set as an object: of each key what matters here, as the set may be anybody's. */
export const TokenKeySetSchema = z.object({
  keys: listOf(
    z.object({
      kty: member,
      crv: member,
      x: member,
      y: member,
      kid: member,
      alg: member,
      use: member,
    } satisfies FieldsOf<Partial<TokenPublicKey>>),
  ),
});

export const RevokedSchema = identities;

export const TokenVerifierOptionsSchema = strict({
  ...tokenFields,
  jwks: z.custom<string | object>((given) => typeof given === 'string' || isObject(given), {
    error: 'it must be a JWK set: its text, or the object',
  }),
  revoked: identities.default([]),
  audience: longText.optional(),
  at: moment.optional(),
} satisfies Record<keyof TokenVerifierOptions, z.ZodType>);

const names = listOf(longText);

export const MintTokenRequestSchema = strict({
  subject: longText,
  entity: strict({
    id: longText,
    name: longText,
    type: z.enum(['user', 'service']),
    nodeId: longText.optional(),
    trustedDomains: names.optional(),
    trustedNodes: names.optional(),
  } satisfies FieldsOf<TokenEntity>),
  principal: z.union([z.enum(PRINCIPALS), z.templateLiteral(['CATALYST::', z.enum(PRINCIPALS)])], {
    error: `it must be one of ${PRINCIPALS.join(', ')}`,
  }),
  certificate: z.custom<string | Uint8Array>().optional(),
  certificateFingerprint: longText.optional(),
  spiffeId: longText.optional(),
  uses: z.int().min(0).max(MOST_USES).optional(),
  sans: names.optional(),
  audience: longText.optional(),
  expiresIn: longText.optional(),
} satisfies FieldsOf<MintTokenRequest>);

const selectors = {
  jti: longText.optional(),
  subject: longText.optional(),
  san: longText.optional(),
  certificateFingerprint: longText.optional(),
  spiffeId: longText.optional(),
};

export const TokenSelectorSchema = strict(selectors).transform((given, context) => {
  const chosen = Object.entries(given).filter(([, value]) => value !== undefined);
  if (chosen.length === 1) return Object.fromEntries(chosen) as TokenSelector;
  const message = `give one of ${Object.keys(selectors).join(', ')}`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

export const RotateTokenKeysSchema = strict({
  immediate: z.boolean().optional(),
  gracePeriodMs: z.number().min(0).optional(),
} satisfies FieldsOf<RotateTokenKeysRequest>);

const authorize = z
  .custom<AuthorizeToken>((given) => typeof given === 'function', {
    error: 'it must be a function',
  })
  .optional();
const peerVerifier = z.custom<IPeerVerifier>(isObject, { error: 'it must be a PeerVerifier' });
const peerCertificate = z.custom<PeerChain>((given) => given !== undefined, {
  error: 'it must be the certificate that the peer has shown: without one there is no peer',
});

const checkFields = { peerCertificate, peerVerifier, authorize };

export const CheckTokenSchema = strict(
  checkFields satisfies Record<keyof CheckTokenOptions, z.ZodType>,
);

export const VerifyTokenSchema = strict({
  ...checkFields,
  audience: longText.optional(),
} satisfies Record<keyof VerifyTokenOptions, z.ZodType>);

export const AuthenticateTokenSchema = strict({
  peerCertificate: z.custom<PeerChain>().optional(),
  peerVerifier: peerVerifier.optional(),
  authorize,
} satisfies Record<keyof AuthenticateTokenOptions, z.ZodType>);

export const BootstrapTokenSchema = strict({
  bootstrapToken: z.string(),
  tokenIssuer: z.custom<ITokenIssuer>(isObject, { error: 'it must be a TokenIssuer' }),
} satisfies FieldsOf<BootstrapToken>);

export const InspectTokenSchema = strict({ audience: longText.optional() });

const milliseconds = z.int();

export const CaTypeSchema = z.enum(CA_CERTIFICATE_TYPES);

export const CertificateRecordSchema = strict({
  serial: longText.min(1),
  fingerprint: longText.min(1),
  type: z.enum(CERTIFICATE_TYPES),
  commonName: longText,
  spiffeId: longText.nullable(),
  certificatePem: longText,
  privateKeyPem: longText.nullable(),
  issuerSerial: longText.nullable(),
  notBefore: milliseconds,
  notAfter: milliseconds,
  status: z.enum(CERTIFICATE_STATUSES),
  createdAt: milliseconds,
} satisfies FieldsOf<CertificateRecord>);

export const MillisecondsSchema = milliseconds;

export const CertificateBytesSchema = bytesOf(LONG, 'it must be a Uint8Array or an ArrayBuffer');

export const TextSchema = longText;

const cryptoKey = (type: 'private' | 'public') =>
  z.custom<CryptoKey>((value) => types.isCryptoKey(value) && value.type === type, {
    error: `it must be a ${type} CryptoKey`,
  });

export const PrivateKeySchema = cryptoKey('private');
export const PublicKeySchema = cryptoKey('public');

export const SignCertificateParamsSchema = strict({
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
  keyUsage: strict({
    digitalSignature: z.boolean().default(false),
    keyCertSign: z.boolean().default(false),
    crlSign: z.boolean().default(false),
  } satisfies FieldsOf<KeyUsageFlags>),
  extKeyUsage: listOf(z.enum(['serverAuth', 'clientAuth'])).default([]),
  nameConstraints: strict({ permittedUris: strings }).optional(),
  serialNumber: text.optional(),
} satisfies Record<keyof SignCertificateParams, z.ZodType>);

const shapes = new WeakMap<z.core.$ZodType, Shape>();

/** What a schema asks of a value: {@link snapshotOf}. */
export function shapeOf(schema: z.core.$ZodType): Shape {
  let shape = shapes.get(schema);
  if (shape === undefined) shapes.set(schema, (shape = readShape(schema)));
  return shape;
}

function readShape(schema: z.core.$ZodType): Shape {
  if (schema instanceof z.ZodObject) {
    const fields = Object.entries(schema.shape as Record<string, z.core.$ZodType>);
    return { fields: new Map(fields.map(([name, field]) => [name, shapeOf(field)])) };
  }
  if (schema instanceof z.ZodArray) return { element: shapeOf(schema.element) };
  if (schema instanceof z.ZodUnion) {
    const options = (schema.options as z.core.$ZodType[]).map(shapeOf);
    const fields = options.flatMap((option) => [...(option.fields ?? [])]);
    return {
      fields: fields.length > 0 ? new Map(fields) : undefined,
      element: options.find(({ element }) => element !== undefined)?.element,
    };
  }
  // What `z.preprocess` makes takes what it is followed by, and one of something.
  if (schema instanceof z.ZodPipe) {
    return shapeOf(schema.in instanceof z.ZodTransform ? schema.out : schema.in);
  }
  const wrappers = [z.ZodOptional, z.ZodNullable, z.ZodDefault];
  const wrapper = wrappers.find((one) => schema instanceof one);
  return wrapper ? shapeOf((schema as z.ZodOptional).unwrap()) : {};
}
