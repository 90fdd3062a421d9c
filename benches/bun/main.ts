// What signing and verifying cost a Bun program, and what they leave of its event loop.
//
//   bun benches/bun/main.ts [rows.json]     prints a table; adds the rows to those in the file
//
// Figures of one run belong together: the machine has other things to do at times. Where there is a
// goal the program says whether it was met, and exits 0 all the same.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CertificateManager,
  generateKeyAndCsr,
  PeerVerifier,
  type PeerPolicy,
  type SignCSRRequest,
} from '@catalyst/pki';
import { Floor } from './floor.ts';
import { add, atMost, median, ofFloor, perSecond, print, record, rows } from './report.ts';

/** Gaps between the ticks of a 1 ms timer, in ms: how long the event loop was held, or had to wait. */
class Ticks {
  readonly #gaps: number[] = [];
  #last = performance.now();
  readonly #timer = setInterval(() => this.#tick(), 1);

  #tick() {
    const now = performance.now();
    this.#gaps.push(now - this.#last);
    this.#last = now;
  }

  stop() {
    this.#tick();
    clearInterval(this.#timer);
    const sorted = this.#gaps.toSorted((a, b) => a - b);
    const at = (part: number) =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  }
}

/** The same, with the gaps in the event loop as rows of their own. */
async function withGaps(name: string, times: number, atOnce: number, work: () => Promise<unknown>) {
  const ticks = new Ticks();
  const rate = await perSecond(times, atOnce, work);
  const { p50, p99, max } = ticks.stop();
  record(`${name}: gap between ticks, p50`, p50, 'ms');
  record(`${name}: gap between ticks, p99`, p99, 'ms', atMost(p99, 3, 'ms'));
  record(`${name}: gap between ticks, longest`, max, 'ms');
  return rate;
}

async function signing(where: string, manager: CertificateManager, times: number) {
  await manager.initialize();
  const { csrPem } = await generateKeyAndCsr('node', 'node-a.example.com');
  const request: SignCSRRequest = { csrPem, serviceType: 'node', nodeId: 'node-a.example.com' };
  const sign = () => manager.signCSR(request);
  await perSecond(times / 4, 64, sign);

  const one = await perSecond(times / 4, 1, sign);
  const sequential = `signCSR, ${where}, one after another`;
  record(sequential, one, '/s');
  const many = `signCSR, ${where}, 64 at a time`;
  const rate = await withGaps(many, times, 64, sign);
  record(many, rate, '/s', { against: sequential, ratio: rate / one });
  const burst = `signCSR, ${where}, 1,000 at once`;
  record(burst, await withGaps(burst, 1000, 1000, sign), '/s');
  return { sign, rate: many };
}

/** What signing in memory makes of what its cryptography allows, one core's and that of all. */
async function againstFloor(sign: () => Promise<unknown>) {
  const cores = navigator.hardwareConcurrency;
  const floor = new Floor();
  await inTurns('one after another', 1, { threads: 1, named: 'one core', least: 0.6 });
  await inTurns('64 at a time', 64, { threads: cores, named: `all ${cores} cores`, least: 0.75 });
  floor.close();

  async function inTurns(
    how: string,
    atOnce: number,
    { threads, named, least }: { threads: number; named: string; least: number },
  ) {
    await floor.perSecond(threads);
    const turns: { allowed: number; done: number }[] = [];
    for (let turn = 0; turn < 21; turn++) {
      const allowed = await floor.perSecond(threads);
      turns.push({ allowed, done: await perSecond(300 * threads, atOnce, sign) });
    }
    const against = `verify a request and sign, alone, on ${named}`;
    record(against, median(turns.map(({ allowed }) => allowed)), '/s');
    const ratio = median(turns.map(({ allowed, done }) => done / allowed));
    const rate = median(turns.map(({ done }) => done));
    const name = `signCSR, in memory, ${how}, in turns with that`;
    record(name, rate, '/s', { against, ratio, ...ofFloor(ratio, least) });
  }
}

async function verifying(manager: CertificateManager) {
  const { csrPem } = await generateKeyAndCsr('auth', 'auth-a');
  const { certificatePem } = await manager.signCSR({
    csrPem,
    serviceType: 'auth',
    nodeId: 'auth-a',
  });
  const { servicesAnchors, trustDomain } = await manager.getCaBundle();
  const policy: PeerPolicy = {
    anchors: servicesAnchors,
    trustDomain,
    segment: 'services',
    role: 'server',
  };
  const verifier = new PeerVerifier(policy);
  await perSecond(500, 64, () => verifier.verify(certificatePem));
  const name = 'PeerVerifier.verifySync';
  const one = await perSecond(1000, 1, async () => verifier.verifySync(certificatePem));
  record(name, one, '/s');
  record(`${name}: time on the event loop`, 1000 / one, 'ms', atMost(1000 / one, 2, 'ms'));
  const many = 'PeerVerifier.verify, 64 at a time';
  const rate = await withGaps(many, 4000, 64, () => verifier.verify(certificatePem));
  record(many, rate, '/s', { against: name, ratio: rate / one });
  await denying(verifier);
}

/** What a long list of what is denied costs the event loop's thread at once; the rest is in turns. */
async function denying(verifier: PeerVerifier) {
  const identities = Array.from(
    { length: 100_000 },
    (_, at) => `spiffe://catalyst.example.com/node/instance-${at}.example.com`,
  );
  const took: number[] = [];
  for (let at = 0; at < 20; at++) {
    const start = performance.now();
    const next = verifier.withDenied({ identities });
    took.push(performance.now() - start);
    await next.ready();
  }
  const middle = median(took);
  record('PeerVerifier.withDenied: to start with 100,000', middle, 'ms', atMost(middle, 2, 'ms'));
}

/** What a call costs the event loop's thread before it is on its way. */
async function starting(sign: () => Promise<unknown>) {
  const start = performance.now();
  const calls = Array.from({ length: 1000 }, sign);
  const took = performance.now() - start;
  await Promise.all(calls);
  record('signCSR: to start a call', took, 'µs');
}

async function memory(sign: () => Promise<unknown>, times: number) {
  const resident = () => (Bun.gc(true), process.memoryUsage.rss() / 2 ** 20);
  const before = resident();
  await perSecond(times, 64, sign);
  const grown = resident() - before;
  // A store in memory keeps what it has signed: a row with a PEM text, some indexes.
  record(`resident memory after ${times} certificates, kept in memory`, before + grown, 'MiB');
  record(
    'growth by certificate',
    (grown * 1024) / times,
    'KiB',
    atMost((grown * 1024) / times, 8, 'KiB'),
  );
}

async function memoryOfVerifying(manager: CertificateManager, times: number) {
  const { csrPem } = await generateKeyAndCsr('auth', 'auth-b');
  const { certificatePem } = await manager.signCSR({
    csrPem,
    serviceType: 'auth',
    nodeId: 'auth-b',
  });
  const { servicesAnchors: anchors, trustDomain } = await manager.getCaBundle();
  const policy: PeerPolicy = { anchors, trustDomain, segment: 'services', role: 'server' };
  const verifier = new PeerVerifier(policy);
  const verify = () => verifier.verify(certificatePem);
  const resident = () => (Bun.gc(true), process.memoryUsage.rss() / 2 ** 20);
  await perSecond(times / 2, 64, verify);
  const before = resident();
  await perSecond(times, 64, verify);
  const part = (resident() - before) / before;
  record(
    `resident memory after ${times} verifications, growth`,
    part * 100,
    '%',
    atMost(part * 100, 10, '%'),
  );
}

const folder = mkdtempSync(join(tmpdir(), 'catalyst-pki-bench-'));
try {
  const inMemory = CertificateManager.ephemeral();
  const { sign, rate } = await signing('in memory', inMemory, 8000);
  await againstFloor(sign);
  await starting(sign);
  const inFile = CertificateManager.fromConfig({
    provider: { type: 'local', certsDb: join(folder, 'certs.db') },
  });
  const durable = await signing('durable', inFile, 4000);
  const [fast, slow] = [rate, durable.rate].map((name) => rows.find((row) => row.name === name));
  if (fast && slow) Object.assign(slow, { against: fast.name, ratio: slow.value / fast.value });
  await verifying(inMemory);
  const keys = 'generateKeyAndCsr, 64 at a time';
  record(keys, await perSecond(4000, 64, () => generateKeyAndCsr('node', 'a')), '/s');
  await memory(sign, 20_000);
  await memoryOfVerifying(inMemory, 20_000);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

print();
add(process.argv[2]);
