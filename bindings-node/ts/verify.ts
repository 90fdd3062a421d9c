import { call, nextTurn, theMailbox } from './calls.js';
import { partsOf, type Parts } from './chain.js';
import { PkiError, calling, invalidArgument } from './errors.js';
import { isObject } from './limits.js';
import { native } from './native.js';
import { PolicyInputs } from './policy-inputs.js';
import type { DeniedPeers, IPeerVerifier, PeerChain, PeerPolicy, Svid } from './types.js';

type NativeVerifier = InstanceType<typeof native.PeerVerifier>;

// A private field tells what is ours apart without asking the object, which may be a proxy.
let readyOf: (verifier: object) => Promise<NativeVerifier> | undefined;

/** What {@link verifyPeer} takes, which works a policy out at each call. */
const MOST_ENTRIES = 1_000;
const MOST_BYTES = 1024 * 1024;

/** A verifier that comes of another one. */
class Derived {
  // It tells what is ours apart without asking the object, which may be a proxy.
  readonly #isOurs = true;

  constructor(
    readonly base: PeerVerifier,
    readonly native: NativeVerifier,
    readonly inputs: PolicyInputs,
  ) {}

  static is(value: unknown): value is Derived {
    return isObject(value) && #isOurs in value && value.#isOurs;
  }
}

/**
 * Whom to trust, worked out once for many peers. It doesn't change: what is denied or revoked next is
 * a verifier of its own. {@link PeerVerifier.withDenied} shares all that stays the same;
 * {@link PeerVerifier.withCrls} finds the CA of each list, and looks at the anchors under them.
 *
 * What is wrong in a policy is thrown by the constructor. A policy that is long (over 1,000 entries, or
 * 8 KiB of certificates, patterns and revocation lists) would hold the event loop: it is read at once,
 * worked out beside the loop, and what is wrong in it comes out of {@link PeerVerifier.ready} and of
 * each verification. Of the loop's time 100,000 denied identities take less than 2 ms in one turn.
 *
 * @example
 * ```ts
 * const { servicesAnchors } = await manager.getCaBundle();
 * const verifier = new PeerVerifier({
 *   anchors: servicesAnchors,
 *   trustDomain: 'mesh.example.com',
 *   segment: 'services',
 *   role: 'client',
 *   expect: 'spiffe://mesh.example.com/orchestrator/*',
 * });
 * const peer = await verifier.verify(socket.getPeerCertificate(true).raw);
 * ```
 */
export class PeerVerifier implements IPeerVerifier {
  readonly #native: NativeVerifier;
  readonly #inputs: PolicyInputs;
  /** What this one comes of, until it is worked out. */
  #base: PeerVerifier | undefined;
  #making: Promise<void> | undefined;
  #isReady = false;

  static {
    readyOf = (verifier) =>
      #native in verifier ? verifier.ready().then(() => verifier.#native) : undefined;
  }

  /**
   * @param policy whom to trust; read once
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` for a field of another name, type or length;
   * `PKI_INVALID_POLICY` or `PKI_ANCHOR_REJECTED` for a policy that can't be meant;
   * `PKI_CRL_INVALID` for a revocation list; `PKI_INVALID_SPIFFE_ID` for a trust domain;
   * `PKI_MALFORMED_CERTIFICATE` and `PKI_ALGORITHM_NOT_ALLOWED` for an anchor or a root
   */
  constructor(policy: PeerPolicy) {
    const given: unknown = policy;
    if (Derived.is(given)) {
      [this.#native, this.#inputs, this.#base] = [given.native, given.inputs, given.base];
    } else {
      this.#inputs = PolicyInputs.ofPolicy(policy);
      const { options } = this.#inputs;
      this.#native = calling(() => new native.PeerVerifier(options));
    }
    const waits = this.#base !== undefined && !this.#base.#isReady;
    if (waits || this.#inputs.isLong) this.ready().catch(() => {});
    else this.#makeNow();
  }

  /**
   * Verifies the certificate chain of a peer and says who it is. Works off the event loop.
   *
   * @param chain PEM (one text or several) or DER, the peer's own certificate first, then what it sent
   * along; a text or a certificate of 64 KiB at most
   * @throws {@link PkiError} with the code of the rule that failed, for example
   * `PKI_UNTRUSTED_ISSUER`, `PKI_CERTIFICATE_EXPIRED`, `PKI_USAGE_NOT_ALLOWED`,
   * `PKI_FOREIGN_TRUST_DOMAIN`, `PKI_UNEXPECTED_PEER`, `PKI_IDENTITY_DENIED`
   *
   * @example
   * ```ts
   * const { spiffeId, notAfter } = await verifier.verify(socket.getPeerCertificate(true).raw);
   * ```
   */
  async verify(chain: PeerChain): Promise<Svid> {
    const parts = partsOf(chain);
    if (!this.#isReady) await this.ready();
    return await call((number) => this.#native.verify(theMailbox(), number, parts));
  }

  /**
   * {@link PeerVerifier.verify} at once, for `checkServerIdentity`, which must be synchronous. Takes a
   * fraction of a millisecond. A verifier with a long policy that is not {@link PeerVerifier.ready} yet
   * is worked out on the spot: that holds the event loop for 100 to 200 ms with 100,000 denied
   * identities.
   *
   * @throws {@link PkiError} as `verify`
   *
   * @example
   * ```ts
   * checkServerIdentity: (_host, certificate) => {
   *   try {
   *     verifier.verifySync(certificate.raw);
   *   } catch (error) {
   *     return error as Error; // returned, not thrown: anything but an Error approves
   *   }
   * },
   * ```
   */
  verifySync(chain: PeerChain): Svid {
    const parts = partsOf(chain);
    if (!this.#isReady) this.#makeNow();
    return JSON.parse(calling(() => this.#native.verifySync(parts))) as Svid;
  }

  /**
   * The same with another deny list in place of the one that it has: `{}` denies nobody. Cheap, as the
   * anchors are not looked at again.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`; `PKI_INVALID_POLICY` for what is no SPIFFE ID or no
   * serial number
   *
   * @example
   * ```ts
   * const identities = (await manager.listDeniedIdentities()).map(({ spiffeId }) => spiffeId);
   * const next = await verifier.withDenied({ identities }).ready();
   * ```
   */
  withDenied(denied: DeniedPeers): PeerVerifier {
    return this.#derived(PolicyInputs.ofDenied(denied, this.#inputs), (base) => base.withDenied());
  }

  /**
   * The same with other revocation lists in place of those that it has.
   *
   * @param crls DER: 8 MiB each at most, 16 MiB together
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`; `PKI_CRL_INVALID` for one that can't be read or
   * whose signature is wrong; `PKI_INVALID_POLICY` for one of no CA of the policy
   *
   * @example
   * ```ts
   * const next = await verifier.withCrls([await readFile('services-ca.crl')]).ready();
   * ```
   */
  withCrls(crls: readonly Uint8Array[]): PeerVerifier {
    return this.#derived(PolicyInputs.ofCrls(crls, this.#inputs), (base) => base.withCrls());
  }

  /**
   * Waits until a long policy has been worked out.
   *
   * @returns this verifier
   * @throws {@link PkiError} what the constructor throws of a short one
   *
   * @example
   * ```ts
   * const verifier = await new PeerVerifier(policy).ready();
   * ```
   */
  async ready(): Promise<this> {
    try {
      await (this.#making ??= this.#make());
    } catch (error) {
      // One for each who waits, with a stack of their own.
      throw error instanceof PkiError ? new PkiError(error, { cause: error }) : error;
    }
    return this;
  }

  async #make(): Promise<void> {
    await this.#base?.ready();
    while (!this.#inputs.handOver(this.#native)) await nextTurn();
    await call((number) => this.#native.prepare(theMailbox(), number));
    this.#finished();
  }

  #makeNow(): void {
    if (this.#base !== undefined && !this.#base.#isReady) this.#base.#makeNow();
    while (!this.#inputs.handOver(this.#native));
    calling(() => this.#native.prepareSync());
    this.#finished();
  }

  #finished(): void {
    this.#isReady = true;
    this.#making = Promise.resolve();
    this.#base = undefined;
  }

  #derived(inputs: PolicyInputs, make: (base: NativeVerifier) => NativeVerifier): PeerVerifier {
    const derived = calling(() => make(this.#native));
    return new PeerVerifier(new Derived(this, derived, inputs) as never);
  }
}

/**
 * Verifies the certificate chain of a peer and says who it is, off the event loop: a
 * {@link PeerVerifier} that is used once. The policy is worked out at each call, which takes twice as
 * long and more; so it has 1,000 entries in all and 1 MiB at most.
 *
 * @param chain as {@link PeerVerifier.verify}
 * @param policy whom to trust; read once
 * @throws {@link PkiError} as the constructor of {@link PeerVerifier} and its `verify`
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
export async function verifyPeer(chain: PeerChain, policy: PeerPolicy): Promise<Svid> {
  const [parts, verifier] = prepare(chain, policy);
  return await call((number) => verifier.verify(theMailbox(), number, parts));
}

/**
 * {@link verifyPeer} at once: some milliseconds of the event loop's time where the policy has many
 * anchors or revocation lists. {@link PeerVerifier.verifySync} takes less.
 *
 * @throws {@link PkiError} as `verifyPeer`
 *
 * @example
 * ```ts
 * const { spiffeId } = verifyPeerSync(certificatePem, policy);
 * ```
 */
export function verifyPeerSync(chain: PeerChain, policy: PeerPolicy): Svid {
  const [parts, verifier] = prepare(chain, policy);
  return JSON.parse(calling(() => verifier.verifySync(parts))) as Svid;
}

function prepare(chain: PeerChain, policy: PeerPolicy): [Parts, NativeVerifier] {
  const parts = partsOf(chain);
  const inputs = PolicyInputs.ofPolicy(policy);
  if (inputs.entries > MOST_ENTRIES || inputs.bytes > MOST_BYTES) {
    const most = `${MOST_ENTRIES} entries in all and ${MOST_BYTES} bytes`;
    throw invalidArgument(
      `policy: at most ${most} are taken here; for more make a PeerVerifier once`,
    );
  }
  const verifier = calling(() => new native.PeerVerifier(inputs.options));
  while (!inputs.handOver(verifier));
  return [parts, verifier];
}

/** The addon's half of a verifier that is worked out, for those who verify more than a peer. */
export function nativeVerifier(verifier: unknown): Promise<NativeVerifier> {
  const ours = isObject(verifier) ? readyOf(verifier) : undefined;
  if (ours !== undefined) return ours;
  throw invalidArgument('peerVerifier: it must be a PeerVerifier');
}
