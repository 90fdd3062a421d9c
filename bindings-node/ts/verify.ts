import type { z } from 'zod';
import { call, theMailbox } from './calls.js';
import { calling, invalidArgument, unreadable } from './errors.js';
import { copyOf } from './limits.js';
import { native } from './native.js';
import { bare } from './own.js';
import type { PeerPolicy, Svid } from './types.js';
import { parse } from './validate.js';

type Chain = string | Uint8Array | readonly (string | Uint8Array)[];
type NativePolicy = InstanceType<typeof native.Policy>;

/** A certificate is some hundred bytes long, and the core takes ten of them. */
const MOST_PARTS = 16;
const LONGEST_PART = 64 * 1024;

/**
 * The policies used last, worked out, by their content: a verification with a known one costs one
 * signature check. The first in here was used longest ago.
 */
const policies = new Map<string, NativePolicy>();
const MOST_POLICIES = 64;
/** So that what is kept stays small. */
const LONGEST_KEY = 4 * 1024 * 1024;

/**
 * Verifies the certificate chain of a peer and says who it is. Works off the event loop.
 *
 * @param chain PEM (one text or several) or DER, the peer's own certificate first, then what it sent
 * along
 * @param policy whom to trust; what is worked out from it is kept, so the same content costs nothing again
 * @throws {@link PkiError} with the code of the rule that failed, for example
 * `PKI_UNTRUSTED_ISSUER`, `PKI_CERTIFICATE_EXPIRED`, `PKI_USAGE_NOT_ALLOWED`,
 * `PKI_FOREIGN_TRUST_DOMAIN`, `PKI_UNEXPECTED_PEER`, `PKI_IDENTITY_DENIED`; `PKI_INVALID_POLICY` or
 * `PKI_ANCHOR_REJECTED` for a policy that can't be meant
 *
 * @example
 * ```ts
 * const { servicesAnchors } = await manager.getCaBundle();
 * const peer = await verifyPeer(socket.getPeerCertificate(true).raw, {
 *   anchors: servicesAnchors,
 *   trustDomain: 'mesh.example.com',
 *   segment: 'services',
 *   role: 'client',
 *   expect: 'spiffe://mesh.example.com/orchestrator/*',
 * });
 * ```
 */
export async function verifyPeer(chain: Chain, policy: PeerPolicy): Promise<Svid> {
  const [prepared, parts, at] = prepare(chain, policy);
  return call((number) => prepared.verify(theMailbox(), number, parts, at));
}

/**
 * {@link verifyPeer} at once, for `checkServerIdentity`, which must be synchronous. Takes a fraction
 * of a millisecond.
 *
 * @throws {@link PkiError} as `verifyPeer`
 *
 * @example
 * ```ts
 * checkServerIdentity: (_host, certificate) => {
 *   try {
 *     verifyPeerSync(certificate.raw, { ...policy, role: 'server', expect: serverId });
 *   } catch (error) {
 *     return error as Error; // returned, not thrown: anything but an Error approves
 *   }
 * },
 * ```
 */
export function verifyPeerSync(chain: Chain, policy: PeerPolicy): Svid {
  const [prepared, parts, at] = prepare(chain, policy);
  return JSON.parse(calling(() => prepared.verifySync(parts, at))) as Svid;
}

function prepare(
  chain: Chain,
  policy: PeerPolicy,
): [NativePolicy, (string | Uint8Array)[], number | undefined] {
  const parts = partsOf(chain);
  const { at, crls, ...rest } = parse((schemas) => schemas.PeerPolicySchema, policy);
  return [prepared(bare(rest), crls), parts, at];
}

/** Makes one array of what may be one part; the addon copies them, so what is far too long is cut. */
function partsOf(chain: Chain): (string | Uint8Array)[] {
  let parts: (string | Uint8Array | undefined)[];
  try {
    const list = Array.isArray(chain) ? (chain as unknown[]) : [chain];
    const count = Math.min(list.length, MOST_PARTS);
    parts = Array.from({ length: count }, (_, at) => partOf(list[at]));
  } catch (cause) {
    throw unreadable(cause);
  }
  return parts.map((part) => {
    if (part !== undefined) return part;
    throw invalidArgument(
      'chain: it must be PEM as a string, DER as a Uint8Array, or an array of them',
    );
  });
}

function partOf(part: unknown): string | Uint8Array | undefined {
  if (typeof part === 'string') return part.slice(0, LONGEST_PART);
  return part instanceof Uint8Array ? copyOf(part, LONGEST_PART) : undefined;
}

type PolicySchema = (typeof import('./inputs.js'))['PeerPolicySchema'];
type Content = Omit<z.output<PolicySchema>, 'at' | 'crls'>;

/** The policy of this content: what is in it, and nothing else, decides whether it is known. */
function prepared(content: Content, crls: Uint8Array[]): NativePolicy {
  const lists = crls.map((crl) => Buffer.from(crl).toString('base64'));
  const key = JSON.stringify([content, lists]);
  const known = policies.get(key);
  if (known !== undefined) {
    policies.delete(key);
    policies.set(key, known);
    return known;
  }
  const { denied, federated, skewSeconds, ...rest } = content;
  const options = bare({
    ...rest,
    deniedIdentities: denied.identities,
    deniedSerials: denied.serials,
    federated: federated.map((domain) => ({ ...domain, roots: domain.roots.join('\n') })),
    ...(skewSeconds !== undefined && { skewSeconds }),
  });
  const made = calling(() => new native.Policy(options, crls));
  if (key.length > LONGEST_KEY) return made;
  policies.set(key, made);
  const [oldest] = policies.keys();
  if (policies.size > MOST_POLICIES && oldest !== undefined) policies.delete(oldest);
  return made;
}
