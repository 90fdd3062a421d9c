// A service's identity: its private key, which never leaves this process's memory, and the
// certificate that the CA gave for it.
import {
  generateKeyAndCsr,
  type CaBundleResponse,
  type CertificateManager,
  type PkiServiceType,
} from '@catalyst/pki';

export interface Identity {
  spiffeId: string;
  /** The private key, PEM. */
  key: string;
  /** The certificate and the CA that signed it, one PEM text: what a TLS peer must be sent. */
  cert: string;
  expiresAt: string;
  /** The CA certificates, to verify others with. */
  bundle: CaBundleResponse;
}

// #region obtain-identity
/**
 * Makes a key and has `ca` sign a certificate for it. Here the CA is in the same process; a service
 * elsewhere sends it the request, and nothing else: the key stays where it was made.
 */
export async function obtainIdentity(
  ca: CertificateManager,
  serviceType: PkiServiceType,
  instanceId: string,
): Promise<Identity> {
  const trustDomain = ca.getTrustDomain();
  const { privateKeyPem, csrPem, spiffeId } = await generateKeyAndCsr(serviceType, instanceId, {
    trustDomain,
  });
  const svid = await ca.signCSR({ csrPem, serviceType, instanceId });
  return {
    spiffeId,
    key: privateKeyPem,
    cert: svid.certificatePem + svid.chain[0],
    expiresAt: svid.expiresAt,
    bundle: await ca.getCaBundle(),
  };
}
// #endregion
