import { calling } from './errors.js';
import { clip } from './limits.js';
import { native } from './native.js';
import type { PkiServiceType, SpiffeId } from './types.js';

/**
 * Builds the SPIFFE ID of a workload.
 *
 * @param trustDomain lower case, such as `mesh.example.com`
 * @param serviceType what kind of service it is
 * @param instanceId its node or instance ID, one or more path segments
 * @returns `spiffe://<trust domain>/<service type>/<instance id>`
 * @throws {@link PkiError} `PKI_INVALID_SPIFFE_ID`: `Trust domain must not be empty`,
 * `Invalid service type …`, `Instance ID must not be empty`, or what is wrong with a part.
 *
 * @example
 * ```ts
 * buildSpiffeId('mesh.example.com', 'node', 'node-a.example.com');
 * // 'spiffe://mesh.example.com/node/node-a.example.com'
 * ```
 */
export function buildSpiffeId(
  trustDomain: string,
  serviceType: PkiServiceType,
  instanceId: string,
): string {
  return calling(() =>
    native.buildSpiffeId(clip(trustDomain), clip(serviceType), clip(instanceId)),
  );
}

/**
 * Takes the SPIFFE ID of a workload apart. An ID of another layout than ours, valid as it may be, is
 * refused.
 *
 * @throws {@link PkiError} `PKI_INVALID_SPIFFE_ID` that says what is wrong; a `TypeError` for what is
 * no string.
 *
 * @example
 * ```ts
 * const { trustDomain, serviceType, instanceId } = parseSpiffeId(
 *   'spiffe://mesh.example.com/envoy/app/node-a.example.com',
 * );
 * // 'mesh.example.com', 'envoy/app', 'node-a.example.com'
 * ```
 */
export function parseSpiffeId(uri: string): SpiffeId {
  return calling(() => native.parseSpiffeId(clip(uri))) as SpiffeId;
}

/**
 * Whether `uri` is the SPIFFE ID of a workload: whether {@link parseSpiffeId} takes it. Never throws.
 *
 * @example
 * ```ts
 * isValidSpiffeId('spiffe://mesh.example.com/node/node-a.example.com'); // true
 * isValidSpiffeId('spiffe://mesh.example.com/database/a'); // false: no such service type
 * ```
 */
export function isValidSpiffeId(uri: string): boolean {
  return typeof uri === 'string' && calling(() => native.isValidSpiffeId(clip(uri)));
}
