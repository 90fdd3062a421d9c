import { types } from 'node:util';
import { call, nextTurn, theMailbox } from './calls.js';
import { calling, invalidArgument, unreadable } from './errors.js';
import { LONG, atMost, copyOf, isObject } from './limits.js';
import { fieldOf } from './own.js';
import {
  handOver,
  handOverInTurns,
  isHandedOver,
  leave,
  policyOf,
  type Policy,
} from './policies.js';
import type { PeerPolicy, Svid } from './types.js';
import { parse } from './validate.js';

type Chain = string | Uint8Array | readonly (string | Uint8Array)[];

/** The core takes ten certificates, and says so of more. */
const MOST_PARTS = 16;

/**
 * Verifies the certificate chain of a peer and says who it is. Works off the event loop.
 *
 * The policy is read at the call, and what is worked out from it is kept for the next one that says
 * the same, in whatever object: the 64 used last, and 8 MiB of text and revocation lists together, or
 * a single one that is larger. Policies that deny the same share that list. Of the event loop's time
 * a call takes some 0.05 ms; with 10,000 denied identities 0.2 ms, 2 ms with 100,000, and where the
 * list is another one than before 1.5 ms and 5 to 7 ms. (Measured in Bun and Node on 2 cores.)
 *
 * @param chain PEM (one text or several) or DER, the peer's own certificate first, then what it sent
 * along; a text or a certificate of 64 KiB at most
 * @param policy whom to trust
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
  const [parts, at, prepared] = prepare(chain, policy);
  if (isHandedOver(prepared)) return await start();
  // Others come and go meanwhile.
  prepared.users++;
  try {
    await handOverInTurns(prepared, nextTurn);
    return await start();
  } finally {
    leave(prepared);
  }

  function start(): Promise<Svid> {
    return call((number) => prepared.native.verify(theMailbox(), number, parts, at));
  }
}

/**
 * {@link verifyPeer} at once, for `checkServerIdentity`, which must be synchronous. Takes a fraction
 * of a millisecond, 2 ms with 100,000 denied identities. The first use of a policy takes longer, as it
 * is worked out on the spot: 0.5 ms, 7 ms with 10,000 denied identities that have not been denied by
 * one used before, 100 to 200 ms with 100,000. `verifyPeer` does that off the event loop.
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
  const [parts, at, prepared] = prepare(chain, policy);
  handOver(prepared);
  return JSON.parse(calling(() => prepared.native.verifySync(parts, at))) as Svid;
}

type Parts = (string | Uint8Array)[];

/** What the caller gives, read once; the policy last, because what is read may call us again. */
function prepare(chain: Chain, policy: PeerPolicy): [Parts, number | undefined, Policy] {
  const parts = partsOf(chain);
  const at = momentOf(policy);
  return [parts, at, policyOf(policy)];
}

function momentOf(policy: unknown): number | undefined {
  let at: unknown;
  try {
    at = isObject(policy) ? fieldOf(policy, 'at') : undefined;
  } catch (cause) {
    throw unreadable(cause);
  }
  return at === undefined ? undefined : parse((schemas) => schemas.MomentSchema, at, 'at');
}

/** Makes one array of what may be one part. */
function partsOf(chain: Chain): Parts {
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
  if (typeof part === 'string') {
    if (part.length > LONG)
      throw invalidArgument(`chain: ${atMost(LONG, 'characters')} in one part`);
    return part;
  }
  if (!types.isUint8Array(part)) return undefined;
  const copy = copyOf(part, LONG);
  if (copy === undefined) throw invalidArgument(`chain: ${atMost(LONG, 'bytes')} in one part`);
  return copy;
}
