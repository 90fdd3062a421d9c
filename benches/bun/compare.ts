// The same operations by the addon and by the baseline in TypeScript, in one process.
//
//   bun benches/bun/compare.ts [rows.json]     prints a table; adds the rows to those in the file
//
// The two take turns in short rounds, so that what else the machine does hits both; a figure is the
// median of a side's rounds. Processor time, of all threads, depends least on the neighbours. Both
// sides keep what they sign in memory.
import {
  CertificateManager,
  PeerVerifier,
  generateKeyAndCsr,
  type PeerPolicy,
  type SignCSRRequest,
} from '@catalyst/pki';
import * as baseline from 'bench-baseline';
import { add, median, perSecond, print, record } from './report.ts';

const TRUST_DOMAIN = 'mesh.example.com';
const ROUNDS = 11;
const ROUND_MS = 120;
const WARM_UP_MS = 800;

type Work = () => Promise<unknown>;

/** Measures both sides and records how many times faster ours is. */
async function compare(name: string, atOnce: number, ours: Work, theirs: Work) {
  const sides = [new Side(ours, atOnce), new Side(theirs, atOnce)] as const;
  for (const side of sides) await side.warmUp();
  for (let round = 0; round < ROUNDS; round++) {
    // Each goes first as often as the other.
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) await side.round();
  }
  const [our, their] = sides.map((side) => side.figures()) as [Figures, Figures];
  const against = `${name}: baseline`;
  record(against, their.rate, '/s');
  const ratio = our.rate / their.rate;
  record(name, our.rate, '/s', { against, ratio });
  const time = `${name}: processor time`;
  record(`${time}, baseline`, their.milliseconds, 'ms');
  const saved = their.milliseconds / our.milliseconds;
  record(time, our.milliseconds, 'ms', { against: `${time}, baseline`, ratio: saved });
}

interface Figures {
  /** Calls a second. */
  rate: number;
  /** Processor time of a call. */
  milliseconds: number;
}

/** One side of a comparison; its rounds are as many calls as take `ROUND_MS`. */
class Side {
  #times = 0;
  readonly #rounds: Figures[] = [];

  constructor(
    readonly work: Work,
    readonly atOnce: number,
  ) {}

  /** Until the compiler has seen enough of it: JavaScript is slow at first. */
  async warmUp() {
    const end = performance.now() + WARM_UP_MS;
    for (let times = this.atOnce; performance.now() < end; times = this.#times) {
      const rate = await perSecond(times, this.atOnce, this.work);
      this.#times = Math.max(this.atOnce, Math.round((rate * ROUND_MS) / 1000));
    }
  }

  async round() {
    const before = process.cpuUsage();
    const rate = await perSecond(this.#times, this.atOnce, this.work);
    const { user, system } = process.cpuUsage(before);
    this.#rounds.push({ rate, milliseconds: (user + system) / 1000 / this.#times });
  }

  figures(): Figures {
    const middle = (figure: keyof Figures) => median(this.#rounds.map((round) => round[figure]));
    return { rate: middle('rate'), milliseconds: middle('milliseconds') };
  }
}

const manager = CertificateManager.ephemeral({ trustDomain: TRUST_DOMAIN });
await manager.initialize();
const ca = await baseline.Ca.create(TRUST_DOMAIN);

const instanceId = 'node-a.example.com';
const { csrPem } = await generateKeyAndCsr('node', instanceId, { trustDomain: TRUST_DOMAIN });
const request: SignCSRRequest = { csrPem, serviceType: 'node', nodeId: instanceId };
const sign = () => manager.signCSR(request);
const baselineSign = () => ca.signCsr(csrPem, 'node', instanceId);
const [signed, baselineSigned] = [await sign(), await baselineSign()];
mustBeAlike(signed.certificatePem, baselineSigned.certificatePem);

const { servicesAnchors } = await manager.getCaBundle();
const policy: PeerPolicy = {
  anchors: servicesAnchors,
  trustDomain: TRUST_DOMAIN,
  segment: 'services',
  role: 'server',
};
const verifier = await baseline.Verifier.create(TRUST_DOMAIN, ca.issuer.certificate);
const rootVerifier = await baseline.Verifier.create(TRUST_DOMAIN, ca.root);
const usage = baseline.serverAuth;
const peers = new PeerVerifier(policy);
const verify = () => peers.verify(signed.certificatePem);
const baselineVerify = () => verifier.verify([baselineSigned.certificatePem], usage);
const [issuerPem] = baselineSigned.chain as [string];
const baselineVerifyToRoot = () =>
  rootVerifier.verify([baselineSigned.certificatePem, issuerPem], usage);

const key = () => generateKeyAndCsr('node', instanceId, { trustDomain: TRUST_DOMAIN });
const baselineKey = () => baseline.generateKeyAndCsr('node', instanceId, TRUST_DOMAIN);

await compare('sign, one after another', 1, sign, baselineSign);
await compare('sign, 64 at a time', 64, sign, baselineSign);
// The intermediate is the anchor on both sides: one signature.
await compare('verify, one after another', 1, verify, baselineVerify);
await compare('verify, 64 at a time', 64, verify, baselineVerify);
// The baseline with the root as its anchor, as is usual: it checks the intermediate's signature too.
await compare('verify, against one to the root', 1, verify, baselineVerifyToRoot);
await compare('key and CSR, one after another', 1, key, baselineKey);
await compare('key and CSR, 64 at a time', 64, key, baselineKey);
print();
add(process.argv[2]);

/** Both sides must do the same work: certificates of the same extensions, as critical and as long. */
function mustBeAlike(ours: string, theirs: string) {
  const [first, second] = [ours, theirs].map((pem) => JSON.stringify(baseline.outline(pem)));
  if (first !== second) throw new Error(`the certificates differ:\n${first}\n${second}`);
}
