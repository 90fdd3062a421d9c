// Checked by tsc, never run: what callers write must compile, and what they must not write must not.
import type { webcrypto } from 'node:crypto';
import type { z } from 'zod';
import {
  AwsKmsPkiConfigSchema,
  BunSqliteCertificateStore,
  CertificateManager,
  GCloudKmsPkiConfigSchema,
  LocalPkiConfigSchema,
  PkiConfigSchema,
  PkiError,
  PkiProviderConfigSchema,
  PeerVerifier,
  SignCSRRequestSchema,
  SqliteCertificateStore,
  TokenIssuer,
  TokenVerifier,
  WebCryptoSigningBackend,
  buildSpiffeId,
  certificateThumbprint,
  explainTlsError,
  generateKeyAndCsr,
  parseSpiffeId,
  verifyPeer,
  verifyPeerSync,
  type AwsKmsPkiConfig,
  type AwsKmsPkiConfigInput,
  type CaBundleResponse,
  type CertificateManagerConfig,
  type CertificateRecord,
  type CertificateStatus,
  type CertificateType,
  type DenyListEntry,
  type ExtKeyUsage,
  type GCloudKmsPkiConfig,
  type GCloudKmsPkiConfigInput,
  type ICertificateStore,
  type ISigningBackend,
  type KeyUsageFlags,
  type LocalPkiConfig,
  type LocalPkiConfigInput,
  type PkiConfig,
  type PkiConfigInput,
  type PkiErrorCode,
  type PkiProviderConfig,
  type PkiProviderConfigInput,
  type PkiServiceType,
  type PkiStatusResponse,
  type SignCSRRequest,
  type SignCertificateParams,
  type SignCSRResult,
  type SpiffeId,
  type Svid,
  type TlsErrorExplanation,
  type TlsErrorKind,
  type TokenClaims,
  type TokenSelector,
  type ValidatedCSR,
} from '@catalyst/pki';

const store: SqliteCertificateStore = new BunSqliteCertificateStore();
const manager = new CertificateManager(store, new WebCryptoSigningBackend(), {
  svidTtlSeconds: 60,
});
CertificateManager.fromConfig({ provider: { type: 'local' } });
const anyStore: ICertificateStore = store;
const anyBackend: ISigningBackend = new WebCryptoSigningBackend();
new CertificateManager(anyStore, anyBackend).getStore().findBySerial('00');
const config: PkiConfig | undefined = undefined;
CertificateManager.fromConfig(config);

/** `true` where two types have the same fields, each optional or not in both, of the same types. */
type Same<A, B> =
  (<T>() => T extends Plain<A> ? 1 : 2) extends <T>() => T extends Plain<B> ? 1 : 2 ? true : false;
/** A type as its fields, whether it was declared as an interface or made by Zod. */
type Plain<A> = A extends object ? { [K in keyof A]: Plain<A[K]> } : A;

// What is written down in config.ts is what the schemas take and give.
type In<S extends z.ZodType> = z.input<S>;
type Out<S extends z.ZodType> = z.output<S>;
export const configurations: true[] = [
  true satisfies Same<PkiConfigInput, In<typeof PkiConfigSchema>>,
  true satisfies Same<PkiConfig, Out<typeof PkiConfigSchema>>,
  true satisfies Same<PkiProviderConfigInput, In<typeof PkiProviderConfigSchema>>,
  true satisfies Same<PkiProviderConfig, Out<typeof PkiProviderConfigSchema>>,
  true satisfies Same<LocalPkiConfigInput, In<typeof LocalPkiConfigSchema>>,
  true satisfies Same<LocalPkiConfig, Out<typeof LocalPkiConfigSchema>>,
  true satisfies Same<GCloudKmsPkiConfigInput, In<typeof GCloudKmsPkiConfigSchema>>,
  true satisfies Same<GCloudKmsPkiConfig, Out<typeof GCloudKmsPkiConfigSchema>>,
  true satisfies Same<AwsKmsPkiConfigInput, In<typeof AwsKmsPkiConfigSchema>>,
  true satisfies Same<AwsKmsPkiConfig, Out<typeof AwsKmsPkiConfigSchema>>,
  true satisfies Same<SignCSRRequest, In<typeof SignCSRRequestSchema>>,
  true satisfies Same<CertificateManagerConfig, Omit<PkiConfigInput, 'provider'>>,
];
// @ts-expect-error a default that is not optional
true satisfies Same<LocalPkiConfig, LocalPkiConfigInput>;
// @ts-expect-error another range of values
true satisfies Same<{ a: 'x' }, { a: 'x' | 'y' }>;
/** And can be given in place of each other. */
export const exchange = (
  given: PkiConfig,
  made: Out<typeof PkiConfigSchema>,
  wanted: PkiConfigInput,
  taken: In<typeof PkiConfigSchema>,
): [Out<typeof PkiConfigSchema>, PkiConfig, In<typeof PkiConfigSchema>, PkiConfigInput] => [
  given,
  made,
  wanted,
  taken,
];

export async function callers(): Promise<unknown[]> {
  const { csrPem } = await generateKeyAndCsr('envoy/app', 'a', { dns: ['a.example.com'] });
  const request: SignCSRRequest = { csrPem, serviceType: 'node', nodeId: 'a' };
  const parsed: SignCSRRequest = SignCSRRequestSchema.parse(request);
  const signed: SignCSRResult = await manager.signCSR(parsed);
  const bundle: CaBundleResponse = await manager.getCaBundle();
  const status: PkiStatusResponse = await manager.getStatus();
  const denied: DenyListEntry[] = await manager.listDeniedIdentities();
  const { expiringCerts } = await manager.denyIdentity('spiffe://a.b/node/c', 'reason');
  const until: string | undefined = expiringCerts[0]?.expiresAt;
  const id: SpiffeId = parseSpiffeId('spiffe://a.b/node/c');
  const type: PkiServiceType = id.serviceType;
  const policy = {
    anchors: bundle.servicesAnchors,
    trustDomain: 'a.b',
    segment: 'services',
    role: 'client',
  } as const;
  const peer: Svid = await verifyPeer([new Uint8Array(), 'pem'], { ...policy, at: new Date() });
  const same: Svid = verifyPeerSync(Buffer.from(''), policy);
  const code: PkiErrorCode = new PkiError({ code: 'PKI_INTERNAL', status: 500, message: '' }).code;

  const explained: TlsErrorExplanation = explainTlsError(undefined);
  const kind: TlsErrorKind = explained.kind;

  // @ts-expect-error no such service type
  void manager.signCSR({ csrPem, serviceType: 'database', nodeId: 'a' });
  // @ts-expect-error no such service type
  buildSpiffeId('mesh.example.com', 'database', 'a');
  // @ts-expect-error no such segment
  void verifyPeer('', { ...policy, segment: 'all' });
  // @ts-expect-error a store of JavaScript's
  new CertificateManager({}, new WebCryptoSigningBackend());

  const record: CertificateRecord | null = await anyStore.loadCaCertificate('root-ca');
  const recordType: CertificateType | undefined = record?.type;
  const state: CertificateStatus | undefined = record?.status;
  const key: webcrypto.CryptoKeyPair = await anyBackend.generateKeyPair();
  const keyUsage: KeyUsageFlags = { digitalSignature: true };
  const extKeyUsage: ExtKeyUsage[] = ['serverAuth'];
  const params: SignCertificateParams = {
    subjectCN: 'a',
    subjectPublicKey: key.publicKey,
    signingKey: key.privateKey,
    notBefore: new Date(),
    notAfter: new Date(),
    isCa: false,
    keyUsage,
    extKeyUsage,
  };
  const made: string = await anyBackend.signCertificate(params);
  const validated: ValidatedCSR | undefined = undefined;
  const purged: number = await manager.purgeExpired();

  return [
    recordType,
    kind,
    state,
    made,
    validated,
    purged,
    signed,
    status,
    denied,
    until,
    type,
    peer,
    same,
    code,
  ];
}

export async function tokens(peerVerifier: PeerVerifier, raw: Uint8Array): Promise<string> {
  const issuer = await TokenIssuer.open({ store, issuer: 'a' });
  await TokenIssuer.open({ db: ':memory:', issuer: 'a', passphrase: 'x', serviceTypes: ['node'] });
  // @ts-expect-error a constructor would open nothing
  new TokenIssuer({ issuer: 'a' });
  // @ts-expect-error whose tokens?
  await TokenIssuer.open({ db: ':memory:' });
  const entity = { id: 'a', name: 'a', type: 'service' } as const;
  const { token, expiresAt } = await issuer.mint({ subject: 'a', entity, principal: 'NODE' });
  await issuer.mint({ subject: 'a', entity, principal: 'CATALYST::NODE', certificate: raw });
  // @ts-expect-error no principal
  await issuer.mint({ subject: 'a', entity, principal: 'ROOT' });
  const shown = { peerCertificate: raw, peerVerifier };
  const claims: TokenClaims = await issuer.verify(token, { ...shown, audience: 'b' });
  // @ts-expect-error a certificate that nobody verifies
  await issuer.verify(token, { peerCertificate: raw });
  await issuer.authenticate(token, {
    authorize: async ({ principal }) => principal === 'CATALYST::ADMIN',
  });
  const by: TokenSelector = { jti: claims.jti };
  // @ts-expect-error no way to tell tokens
  const no: TokenSelector = { fingerprint: 'x' };
  const revoked: number = await issuer.revoke(by);
  const { gracePeriodEndsAt } = await issuer.rotate({ immediate: true });
  const verifier = await TokenVerifier.create({ issuer: 'a', jwks: await issuer.jwks() });
  await (await verifier.withRevoked(await issuer.revoked())).verify(token, shown);
  // @ts-expect-error the audience is the verifier's own
  await verifier.verify(token, { ...shown, audience: 'b' });
  await manager.signCSR(
    { csr: 'x', serviceType: 'node', nodeId: 'a' },
    { bootstrapToken: token, tokenIssuer: issuer },
  );
  return [certificateThumbprint(raw), expiresAt, gracePeriodEndsAt ?? '', revoked, no].join();
}
