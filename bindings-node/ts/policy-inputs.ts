import { calling, invalidArgument } from './errors.js';
import { atMost } from './limits.js';
import { native } from './native.js';
import { given } from './snapshot.js';
import type { DeniedPeers, PeerPolicy } from './types.js';
import { parse } from './validate.js';

type NativeVerifier = InstanceType<typeof native.PeerVerifier>;
type Options = ConstructorParameters<typeof native.PeerVerifier>[0];
type Denied = ReturnType<(typeof import('./inputs.js'))['DeniedSchema']['parse']>;

/** Some certificates and names. */
const MOST_TEXT = 2 * 1024 * 1024;
const MOST_DENIED_TEXT = 16 * 1024 * 1024;
/** What a text takes beside its characters: that of many short ones. */
const TEXT_ITSELF = 64;

/** What is worked out on the event loop's thread: two milliseconds at most. */
const SHORT_ENTRIES = 1_000;
const SHORT_BYTES = 8 * 1024;

/** How many texts of what is denied are handed over at once, and of how many characters together. */
const TEXTS_AT_ONCE = 2_000;
const CHARACTERS_AT_ONCE = 128 * 1024;

/**
 * What a policy says, read and found to be of its types: what is short as the addon's options, what may
 * be long to be handed over in pieces.
 */
export class PolicyInputs {
  /** How many texts, certificates and lists there are. */
  readonly entries: number;
  /** Of its certificates and names, or of those of the policy that it comes of. */
  readonly trustBytes: number;
  /** Of these and its revocation lists. */
  readonly bytes: number;
  /** Until the addon has got them. */
  #identities: readonly string[];
  #serials: readonly string[];
  #crls: readonly Uint8Array[];
  /** How many of all three the addon has got. */
  #given = 0;

  private constructor(
    readonly options: Options,
    texts: readonly string[],
    { identities, serials }: Denied,
    crls: readonly Uint8Array[],
    /** The policy that this one comes of. */
    base?: PolicyInputs,
    /** Whether the certificates have been looked at already. */
    readonly keepsTrust = false,
  ) {
    const textBytes = lengthOf(texts) + texts.length * TEXT_ITSELF;
    if (textBytes > MOST_TEXT) {
      throw invalidArgument(`a policy is too long: ${atMost(MOST_TEXT, 'characters')}`);
    }
    if (lengthOf(identities) + lengthOf(serials) > MOST_DENIED_TEXT) {
      throw invalidArgument(`denied: together ${atMost(MOST_DENIED_TEXT, 'characters')}`);
    }
    [this.#identities, this.#serials, this.#crls] = [identities, serials, crls];
    this.entries = texts.length + identities.length + serials.length / 2 + crls.length;
    this.trustBytes = base?.trustBytes ?? textBytes;
    this.bytes = crls.reduce((sum, crl) => sum + crl.byteLength, this.trustBytes);
  }

  static ofPolicy(policy: PeerPolicy): PolicyInputs {
    const content = parse((schemas) => schemas.PeerPolicySchema, policy);
    const { anchors, roots, expect = [], federated } = content;
    const { denied, crls, anchorServiceTypes, ...rest } = content;
    const granted = Object.entries(anchorServiceTypes);
    const options = given({
      ...rest,
      anchorServiceTypes: granted.map(([keyId, serviceTypes]) => ({ keyId, serviceTypes })),
    });
    const texts = [
      ...[rest.trustDomain, ...anchors, ...roots, ...expect, ...Object.keys(anchorServiceTypes)],
      ...federated.flatMap(({ trustDomain, roots, allow }) => [trustDomain, ...roots, ...allow]),
    ];
    return new PolicyInputs(options, texts, denied, crls);
  }

  /** Another deny list for a policy. */
  static ofDenied(denied: DeniedPeers, base: PolicyInputs): PolicyInputs {
    const lists = parse((schemas) => schemas.DeniedSchema, denied, 'denied');
    return new PolicyInputs(NO_OPTIONS, [], lists, [], base, true);
  }

  /** Other revocation lists for a policy. */
  static ofCrls(crls: readonly Uint8Array[], base: PolicyInputs): PolicyInputs {
    const lists = parse((schemas) => schemas.CrlsSchema, crls, 'crls');
    return new PolicyInputs(NO_OPTIONS, [], NOTHING_DENIED, lists, base);
  }

  /** Whether working it out would hold the event loop. */
  get isLong(): boolean {
    return this.entries > SHORT_ENTRIES || (!this.keepsTrust && this.bytes > SHORT_BYTES);
  }

  /** Hands the next piece over; whether that was the last. */
  handOver(verifier: NativeVerifier): boolean {
    const [identities, serials, crls] = [this.#identities, this.#serials, this.#crls];
    const ofSerials = this.#given - identities.length;
    const ofCrls = ofSerials - serials.length;
    if (ofSerials < 0) {
      this.#handOverTexts(identities, this.#given, (json) => verifier.denyIdentities(json));
    } else if (ofCrls < 0) {
      this.#handOverTexts(serials, ofSerials, (json) => verifier.denySerials(json));
    } else {
      const crl = crls[ofCrls];
      if (crl !== undefined) calling(() => verifier.addCrl(crl));
      this.#given += 1;
    }
    if (this.#given < identities.length + serials.length + crls.length) return false;
    this.#identities = this.#serials = this.#crls = [];
    return true;
  }

  #handOverTexts(texts: readonly string[], from: number, give: (json: string) => void): void {
    const piece = pieceOf(texts, from);
    const json = JSON.stringify(piece);
    calling(() => give(json));
    this.#given += piece.length;
  }
}

/** As many of a long list's texts as are handed over in one turn of the event loop. */
export function pieceOf(texts: readonly string[], from: number): string[] {
  let [to, characters] = [from, 0];
  // Serial numbers go with their issuers.
  while (to < texts.length && to < from + TEXTS_AT_ONCE && characters < CHARACTERS_AT_ONCE) {
    characters += (texts[to]?.length ?? 0) + (texts[to + 1]?.length ?? 0);
    to += 2;
  }
  return texts.slice(from, to);
}

const NOTHING_DENIED: Denied = { identities: [], serials: [] };
/** Those of the verifier that this one comes of. */
const NO_OPTIONS = {} as Options;

function lengthOf(texts: readonly string[]): number {
  let length = 0;
  for (const text of texts) length += text.length;
  return length;
}
