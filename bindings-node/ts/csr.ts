import { call, theMailbox } from './calls.js';
import { clip } from './limits.js';
import { native } from './native.js';
import type { KeyAndCsr, PkiServiceType } from './types.js';
import { parse } from './validate.js';

/**
 * Makes a P-384 key and a certificate signing request that names the workload.
 *
 * @param serviceType what kind of service it is
 * @param instanceId its node or instance ID
 * @param options `trustDomain`: of the CA that will sign; `dns`: DNS names to ask for beside those
 * that the profile grants by itself, which a CA grants only where its policy allows
 * @throws {@link PkiError} `PKI_INVALID_SPIFFE_ID`, `PKI_INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * const { privateKeyPem, csrPem } = await generateKeyAndCsr('node', 'node-a.example.com');
 * const svid = await manager.signCSR({ csrPem, serviceType: 'node', nodeId: 'node-a.example.com' });
 * ```
 */
export async function generateKeyAndCsr(
  serviceType: PkiServiceType,
  instanceId: string,
  options: { trustDomain?: string | undefined; dns?: string[] | undefined } = {},
): Promise<KeyAndCsr> {
  const [type, instance] = [clip(serviceType), clip(instanceId)];
  const { trustDomain, dns } = parse((schemas) => schemas.KeyAndCsrOptionsSchema, options);
  return call((number) =>
    native.generateKeyAndCsr(
      theMailbox(),
      number,
      type,
      instance,
      trustDomain === undefined ? undefined : clip(trustDomain),
      dns.map(clip),
    ),
  );
}
