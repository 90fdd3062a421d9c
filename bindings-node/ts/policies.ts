import { types } from 'node:util';
import { calling, invalidArgument, unreadable } from './errors.js';
import { atMost, isObject } from './limits.js';
import { native } from './native.js';
import { bare } from './own.js';
import { deniesTheSame, isSame, snapshotOf, type Snapshot } from './snapshot.js';
import { parse } from './validate.js';

/** A policy that has been found good, and what the addon has made of it. */
export interface Policy {
  readonly native: InstanceType<typeof native.Policy>;
  readonly denied: DeniedList;
  readonly snapshot: Snapshot;
  /** What its texts and bytes take, without those of what is denied. */
  readonly size: number;
  /** How many have a use for it: the list of those that are kept, and calls that have not begun. */
  users: number;
}

/** What is denied, for all policies that deny the same. */
interface DeniedList {
  readonly native: InstanceType<typeof native.DeniedList>;
  readonly identities: readonly string[];
  readonly serials: readonly string[];
  readonly size: number;
  /** How many texts the addon has got: first the identities, then the serials. */
  given: number;
  /** While it gets them over several turns of the event loop. */
  giving: Promise<void> | undefined;
  /** How many policies there are with it. */
  users: number;
}

/** The policies used last, the last one first. */
const kept: Policy[] = [];
const MOST_KEPT = 64;
/** What they take together, in characters and bytes; a single one may take more. */
const MOST_TOGETHER = 8 * 1024 * 1024;

const MOST_DENIED_TEXT = 16 * 1024 * 1024;

/** How many texts are joined into one and handed over at once: some tenths of a millisecond. */
const AT_ONCE = 2_000;

/**
 * The policy that says what `given` says now; it is worked out anew if it isn't one of those used
 * last. What is in it and nothing else decides that.
 *
 * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`
 */
export function policyOf(given: unknown): Policy {
  if (!isObject(given)) return parse((schemas) => schemas.PeerPolicySchema, given) as never;
  let snapshot: Snapshot;
  let denied: DeniedList | undefined;
  let at = -1;
  try {
    snapshot = snapshotOf(given, kept[0]?.snapshot);
    denied = lists().find((list) => deniesTheSame(snapshot, list));
    at = kept.findIndex((known) => known.denied === denied && isSame(snapshot, known.snapshot));
  } catch (cause) {
    throw unreadable(cause);
  }
  const known = kept[at];
  if (known === undefined) {
    const made = policyFrom(snapshot, denied);
    kept.unshift(made);
    forgetOld();
    return made;
  }
  if (at > 0) kept.unshift(...kept.splice(at, 1));
  return known;
}

/** Whether the addon has got all of a policy. */
export function isHandedOver({ denied }: Policy): boolean {
  return denied.given === denied.identities.length + denied.serials.length;
}

/** Hands over the rest of a policy at once. */
export function handOver({ denied }: Policy): void {
  while (!handOverSome(denied));
}

/** The same over several turns of the event loop, `turn` between them. */
export function handOverInTurns({ denied }: Policy, turn: () => Promise<void>): Promise<void> {
  const give = async () => {
    while (!handOverSome(denied)) await turn();
  };
  return (denied.giving ??= give());
}

/** Says that nobody else has a use for a policy: the addon lets go of what is not used any more. */
export function leave(policy: Policy): void {
  if (--policy.users > 0) return;
  calling(() => policy.native.release());
  if (--policy.denied.users === 0) calling(() => policy.denied.native.release());
}

function forgetOld(): void {
  while (kept.length > MOST_KEPT || (kept.length > 1 && together() > MOST_TOGETHER)) {
    const oldest = kept.pop();
    if (oldest !== undefined) leave(oldest);
  }
}

function lists(): DeniedList[] {
  return [...new Set(kept.map(({ denied }) => denied))];
}

function together(): number {
  return [...kept, ...lists()].reduce((sum, { size }) => sum + size, 0);
}

function policyFrom(given: Snapshot, known: DeniedList | undefined): Policy {
  const { identities, serials, crls, noDenied, noCrls, ...rest } = given;
  const { denied: _, ...content } = parse(
    (schemas) => schemas.PeerPolicySchema,
    bare({ ...rest, denied: noDenied, crls: noCrls }),
  );
  const revoked = crls.map((crl, at) => {
    if (types.isUint8Array(crl)) return crl;
    throw invalidArgument(`crls.${at}: it must be a Uint8Array`);
  });
  const denied = known ?? deniedFrom(identities, serials);
  const { anchors, trustDomain, segment, role, expect, federated, skewSeconds } = content;
  const options = bare({
    ...{ anchors, trustDomain, segment, role },
    ...(expect !== undefined && { expect }),
    federated: federated.map((domain) => ({ ...domain, roots: domain.roots.join('\n') })),
    ...(skewSeconds !== undefined && { skewSeconds }),
  });
  const made = calling(() => new native.Policy(options, denied.native, revoked));
  denied.users++;
  const texts = [
    anchors,
    expect ?? [],
    ...federated.map(({ roots, allow }) => [...roots, ...allow]),
  ];
  const size = lengthOfAll(texts.flat()) + revoked.reduce((sum, crl) => sum + crl.byteLength, 0);
  const snapshot = { ...given, identities: denied.identities, serials: denied.serials };
  return { native: made, denied, snapshot, size, users: 1 };
}

function deniedFrom(identities: readonly unknown[], serials: readonly unknown[]): DeniedList {
  mustBeTexts(identities, (at) => `denied.identities.${at}`);
  mustBeTexts(
    serials,
    (at) => `denied.serials.${at >> 1}.${at % 2 === 0 ? 'issuerKeyId' : 'serial'}`,
  );
  const size = lengthOfAll(identities) + lengthOfAll(serials);
  if (size > MOST_DENIED_TEXT) {
    throw invalidArgument(`denied: together ${atMost(MOST_DENIED_TEXT, 'characters')}`);
  }
  const made = calling(() => new native.DeniedList());
  return { native: made, identities, serials, size, given: 0, giving: undefined, users: 0 };
}

/** Zod takes a microsecond for each, so it is asked for its words where one is none. */
function mustBeTexts(
  values: readonly unknown[],
  name: (at: number) => string,
): asserts values is readonly string[] {
  for (let at = 0; at < values.length; at++) {
    if (typeof values[at] !== 'string') parse((all) => all.StringSchema, values[at], name(at));
  }
}

function lengthOfAll(texts: readonly string[]): number {
  let length = 0;
  for (const text of texts) length += text.length;
  return length;
}

/** Hands the next texts over; whether those were the last. */
function handOverSome(denied: DeniedList): boolean {
  const { native: list, identities, serials } = denied;
  const at = denied.given - identities.length;
  const next =
    at < 0
      ? identities.slice(denied.given, denied.given + AT_ONCE)
      : serials.slice(at, at + AT_ONCE);
  if (next.length > 0) {
    const lines = next.join('\n');
    calling(() =>
      at < 0 ? list.addIdentities(lines, next.length) : list.addSerials(lines, next.length),
    );
  }
  denied.given += next.length;
  return denied.given === identities.length + serials.length;
}
