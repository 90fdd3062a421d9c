import { types } from 'node:util';
import { invalidArgument } from './errors.js';
import { MANY, MOST_DENIED, atMost, copyOf, isObject, lengthOf } from './limits.js';
import { bare, fieldOf } from './own.js';

// What a caller's policy says, read once. A getter or a proxy may say something else each time, and a
// list may be changed after the call: so what is read here is what is compared with the policies that
// are known, what is validated and what is verified with, and the caller's object is never asked again.

/** Some certificates and names. */
const MOST_TEXT = 2 * 1024 * 1024;
/** What a text takes beside its characters: that of many short ones. */
const TEXT_ITSELF = 64;
const LONGEST_CRL = 1024 * 1024;
const MOST_CRLS = 8 * 1024 * 1024;

type List = readonly unknown[];

/** The lists in it are copies. Nothing else is known of its values. */
export interface Snapshot {
  anchors: unknown;
  trustDomain: unknown;
  segment: unknown;
  role: unknown;
  expect: unknown;
  federated: unknown;
  skewSeconds: unknown;
  identities: List;
  /** In turn the issuer's key identifier and the serial of each. */
  serials: List;
  crls: List;
  /** What was given in place of an object or list of what is denied; nothing in a valid policy. */
  noDenied: unknown;
  noCrls: unknown;
}

interface Federated {
  trustDomain: unknown;
  roots: unknown;
  allow: unknown;
}

const NOTHING: object = Object.freeze(Object.create(null) as object);
const NONE: List = Object.freeze([]);

/**
 * What a policy says. A list that says the same as that of `like` is that list, which takes no
 * memory and makes the two quick to compare.
 *
 * @throws {@link PkiError} for what is longer than anybody needs; what the caller's own object throws
 */
export function snapshotOf(policy: object, like: Snapshot | undefined): Snapshot {
  const room = new Room();
  const denied = fieldOf(policy, 'denied');
  const isObjectOfLists = isObject(denied) && !Array.isArray(denied);
  const lists = isObjectOfLists ? denied : NOTHING;
  const [identities, serials] = [fieldOf(lists, 'identities'), fieldOf(lists, 'serials')];
  const crls = fieldOf(policy, 'crls');
  return {
    anchors: texts(fieldOf(policy, 'anchors'), 'anchors', room, like?.anchors),
    trustDomain: room.take(fieldOf(policy, 'trustDomain')),
    segment: fieldOf(policy, 'segment'),
    role: fieldOf(policy, 'role'),
    expect: texts(fieldOf(policy, 'expect'), 'expect', room, like?.expect),
    federated: federated(fieldOf(policy, 'federated'), room),
    skewSeconds: fieldOf(policy, 'skewSeconds'),
    identities: Array.isArray(identities) ? readIdentities(identities, like?.identities) : NONE,
    serials: Array.isArray(serials) ? readSerials(serials, like?.serials) : NONE,
    crls: Array.isArray(crls) ? readCrls(crls, like?.crls) : NONE,
    noDenied: isObjectOfLists ? noLists(identities, serials) : denied,
    noCrls: noList(crls),
  };
}

/** Whether a snapshot says the same as one of a valid policy, leaving out what is denied. */
export function isSame(given: Snapshot, known: Snapshot): boolean {
  return (
    given.trustDomain === known.trustDomain &&
    given.segment === known.segment &&
    given.role === known.role &&
    given.skewSeconds === known.skewSeconds &&
    given.noDenied === known.noDenied &&
    given.noCrls === known.noCrls &&
    sameTexts(given.expect, known.expect) &&
    sameTexts(given.anchors, known.anchors) &&
    sameLists(given.federated, known.federated, sameFederated) &&
    sameLists(given.crls, known.crls, sameBytes)
  );
}

type Denying = Pick<Snapshot, 'identities' | 'serials'>;

/** Whether the same is denied. */
export function deniesTheSame(given: Denying, known: Denying): boolean {
  return (
    sameElements(given.identities, known.identities) && sameElements(given.serials, known.serials)
  );
}

/** What was given in place of a list. */
function noList(value: unknown): unknown {
  return Array.isArray(value) ? undefined : value;
}

function noLists(identities: unknown, serials: unknown): unknown {
  const no = bare({ identities: noList(identities), serials: noList(serials) });
  return no.identities === undefined && no.serials === undefined ? undefined : no;
}

/** Counts what the texts of one policy take. */
class Room {
  #left = MOST_TEXT;

  take(value: unknown): unknown {
    if (typeof value !== 'string') return value;
    this.#left -= value.length + TEXT_ITSELF;
    if (this.#left >= 0) return value;
    throw invalidArgument(`a policy is too long: ${atMost(MOST_TEXT, 'characters')}`);
  }
}

/** A text or a list of them. */
function texts(value: unknown, name: string, room: Room, like?: unknown): unknown {
  if (!Array.isArray(value)) return room.take(value);
  const length = lengthOf(value, MANY, name);
  const known = Array.isArray(like) ? (like as List) : undefined;
  return copied(length, (at) => room.take(value[at]), known);
}

function federated(value: unknown, room: Room): unknown {
  if (!Array.isArray(value)) return value;
  const length = lengthOf(value, MANY, 'federated');
  return copied(length, (at): unknown => {
    const domain: unknown = value[at];
    if (!isObject(domain) || Array.isArray(domain)) return domain;
    const name = `federated.${at}`;
    return {
      trustDomain: room.take(fieldOf(domain, 'trustDomain')),
      roots: texts(fieldOf(domain, 'roots'), `${name}.roots`, room),
      allow: texts(fieldOf(domain, 'allow'), `${name}.allow`, room),
    } satisfies Federated;
  });
}

function readIdentities(list: List, like: List | undefined): List {
  const length = lengthOf(list, MOST_DENIED, 'denied.identities');
  return copied(length, (at) => list[at], like);
}

function readSerials(list: List, like: List | undefined): List {
  const length = lengthOf(list, MOST_DENIED, 'denied.serials');
  // Asking each object whose its fields are takes longer than all the rest.
  const isInherited = 'issuerKeyId' in Object.prototype || 'serial' in Object.prototype;
  let one: { issuerKeyId?: unknown; serial?: unknown };
  const half = (at: number) => {
    if (at % 2 === 1) return isInherited ? fieldOf(one, 'serial') : one.serial;
    const given = list[at / 2];
    one = isObject(given) ? given : NOTHING;
    return isInherited ? fieldOf(one, 'issuerKeyId') : one.issuerKeyId;
  };
  return copied(length * 2, half, like);
}

function readCrls(list: List, like: List | undefined): List {
  const length = lengthOf(list, MANY, 'crls');
  let left = MOST_CRLS;
  return copied(length, (at) => {
    const given = list[at];
    if (!types.isUint8Array(given)) return given;
    const known = like?.[at];
    const crl = sameBytes(given, known) ? (known as Uint8Array) : copyOf(given, LONGEST_CRL);
    if (crl === undefined) throw invalidArgument(`crls.${at}: ${atMost(LONGEST_CRL, 'bytes')}`);
    left -= crl.byteLength;
    if (left >= 0) return crl;
    throw invalidArgument(`crls: together ${atMost(MOST_CRLS, 'bytes')}`);
  });
}

/** A list of `length` elements, each read once and in order; `like` itself if they are the same. */
function copied(length: number, read: (at: number) => unknown, like?: List): List {
  let at = 0;
  let element: unknown;
  if (like !== undefined) {
    const most = Math.min(length, like.length);
    while (at < most && (element = read(at)) === like[at]) at++;
    if (at === length && at === like.length) return like;
  }
  const copy = new Array<unknown>(length);
  for (let same = 0; same < at; same++) copy[same] = like?.[same];
  // Unless `like` was the shorter one its next element has been read, and is another one.
  if (like !== undefined && at < length && at < like.length) copy[at++] = element;
  for (; at < length; at++) copy[at] = read(at);
  return copy;
}

function sameTexts(given: unknown, known: unknown): boolean {
  return sameLists(given, known, (one, other) => one === other);
}

function sameElements(given: List, known: List): boolean {
  if (given === known) return true;
  // Lists often differ at their end alone.
  if (given.length !== known.length || given.at(-1) !== known.at(-1)) return false;
  for (let at = 0; at < given.length; at++) {
    if (given[at] !== known[at]) return false;
  }
  return true;
}

/** Lists whose elements are the same, or one and the same value. */
function sameLists(
  given: unknown,
  known: unknown,
  same: (given: unknown, known: unknown) => boolean,
): boolean {
  if (given === known) return true;
  // Every array in a snapshot is a copy of ours.
  if (!Array.isArray(given) || !Array.isArray(known) || given.length !== known.length) return false;
  return (known as List).every((element, at) => same(given[at], element));
}

/** `known` is of a valid policy, where all are objects of ours; among the others may be anything. */
function sameFederated(given: unknown, known: unknown): boolean {
  if (!isObject(given) || Array.isArray(given)) return false;
  const [one, other] = [given as Federated, known as Federated];
  return (
    one.trustDomain === other.trustDomain &&
    sameTexts(one.roots, other.roots) &&
    sameTexts(one.allow, other.allow)
  );
}

function sameBytes(given: unknown, known: unknown): boolean {
  if (!types.isUint8Array(given) || !types.isUint8Array(known)) return false;
  return given === known || Buffer.compare(given, known) === 0;
}
