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
 * @param options `trustDomain`: of the CA that will sign; without it the request names the default
 * trust domain, `catalyst.example.com`, and a CA of another one refuses it with
 * `PKI_SPIFFE_ID_MISMATCH`. `dns`: DNS names to ask for beside those that the profile grants by
 * itself (default none), which a CA grants only where its policy allows
 * @throws {@link PkiError} `PKI_INVALID_SPIFFE_ID` for a part of the ID; `PKI_INVALID_ARGUMENT` for
 * options; `PKI_KEY_BACKEND_FAILED` where no key could be made. A `TypeError` for a service type or
 * instance ID that is no string
 *
 * @example
 * ```ts
 * const { privateKeyPem, csrPem } = await generateKeyAndCsr('node', 'node-a.example.com', {
 *   trustDomain: manager.getTrustDomain(),
 * });
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
  return await call((number) =>
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
