// Checked by tsc, never run: what callers write must compile, and what they must not write must not.
import {
  BunSqliteCertificateStore,
  CertificateManager,
  PkiError,
  SignCSRRequestSchema,
  SqliteCertificateStore,
  WebCryptoSigningBackend,
  generateKeyAndCsr,
  parseSpiffeId,
  verifyPeer,
  verifyPeerSync,
  type CaBundleResponse,
  type DenyListEntry,
  type PkiConfig,
  type PkiErrorCode,
  type PkiServiceType,
  type PkiStatusResponse,
  type SignCSRRequest,
  type SignCSRResult,
  type SpiffeId,
  type Svid,
} from '@catalyst/pki';

const store: SqliteCertificateStore = new BunSqliteCertificateStore();
const manager = new CertificateManager(store, new WebCryptoSigningBackend(), {
  svidTtlSeconds: 60,
});
CertificateManager.fromConfig({ provider: { type: 'local' } });
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

  // @ts-expect-error no such service type
  void manager.signCSR({ csrPem, serviceType: 'database', nodeId: 'a' });
  // @ts-expect-error no such segment
  void verifyPeer('', { ...policy, segment: 'all' });
  // @ts-expect-error a store of JavaScript's
  new CertificateManager({}, new WebCryptoSigningBackend());

  return [signed, status, denied, until, type, peer, same, code];
}
