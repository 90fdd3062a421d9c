// Checked by tsc, never run: what callers write must compile, and what they must not write must not.
import type { webcrypto } from 'node:crypto';
import {
  BunSqliteCertificateStore,
  CertificateManager,
  PkiError,
  SignCSRRequestSchema,
  SqliteCertificateStore,
  WebCryptoSigningBackend,
  explainTlsError,
  generateKeyAndCsr,
  parseSpiffeId,
  verifyPeer,
  verifyPeerSync,
  type CaBundleResponse,
  type CertificateRecord,
  type CertificateStatus,
  type CertificateType,
  type DenyListEntry,
  type ExtKeyUsage,
  type ICertificateStore,
  type ISigningBackend,
  type KeyUsageFlags,
  type PkiConfig,
  type PkiErrorCode,
  type PkiServiceType,
  type PkiStatusResponse,
  type SignCSRRequest,
  type SignCertificateParams,
  type SignCSRResult,
  type SpiffeId,
  type Svid,
  type TlsErrorExplanation,
  type TlsErrorKind,
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
