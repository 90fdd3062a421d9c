// Signs and verifies many times in one process and says what that costs it: `soak.mjs SIGNS VERIFIES`.
//
// The certificates go into a database in a file: in memory their records alone would grow, as they
// must, and hide what leaks.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as pki from '@catalyst/pki';

const AT_ONCE = 64;
/** Samples of one phase. */
const SAMPLES = 20;

const [signs, verifies] = process.argv.slice(2).map(Number);
const trustDomain = 'mesh.example.com';
const place = mkdtempSync(join(tmpdir(), 'catalyst-pki-soak-'));

const manager = pki.CertificateManager.fromConfig({
  provider: { type: 'local', certsDb: join(place, 'certs.db') },
  trustDomain,
});
await manager.initialize();
const key = await pki.generateKeyAndCsr('node', 'a', { trustDomain });
const request = { csrPem: key.csrPem, serviceType: 'node', nodeId: 'a' };
const { certificatePem } = await manager.signCSR({ ...request, ttlSeconds: 86_400 });
const { servicesAnchors } = await manager.getCaBundle();
const der = Buffer.from(certificatePem.replace(/-----.*-----|\s/g, ''), 'base64');

const signing = await phase(signs, async (at) => {
  // One in sixteen is refused: errors cost memory too.
  if (at % 16 !== 0) return (await manager.signCSR(request)).serial;
  return refused(manager.signCSR({ ...request, nodeId: 'b' }), 'PKI_SPIFFE_ID_MISMATCH');
});
await manager.purgeExpired();

const verifying = await phase(verifies, async (at) => {
  const policy = {
    anchors: servicesAnchors,
    trustDomain,
    segment: 'services',
    role: 'client',
    expect: [key.spiffeId, `spiffe://${trustDomain}/node/${Math.floor(at / AT_ONCE) % 100}`],
  };
  if (at % 16 === 0)
    return refused(
      pki.verifyPeer(der, { ...policy, expect: `spiffe://${trustDomain}/auth/*` }),
      'PKI_UNEXPECTED_PEER',
    );
  if (at % 16 === 1) return pki.verifyPeerSync(certificatePem, policy).serial;
  return (await pki.verifyPeer(der, policy)).serial;
});

// A long list of what is denied, of which one is another one every few verifications. Few at once:
// each has its own list, until it has been verified with.
const denied = Array.from({ length: 20_000 }, (_, at) => `spiffe://${trustDomain}/node/d-${at}`);
const denying = await phase(
  verifies / 16,
  async (at) => {
    if (at % 2 === 0) denied[(at * 7) % denied.length] = `spiffe://${trustDomain}/node/anew-${at}`;
    const policy = { anchors: servicesAnchors, trustDomain, segment: 'services', role: 'client' };
    const verifier = new pki.PeerVerifier({ ...policy, denied: { identities: denied } });
    return (await verifier.verify(der)).serial;
  },
  4,
);

await manager.shutdown();
rmSync(place, { recursive: true });
console.log(JSON.stringify({ signing, verifying, denying }));

async function refused(promise, code) {
  const error = await promise.then(
    () => new Error('not refused'),
    (error) => error,
  );
  if (error.code !== code) throw error;
}

/** Does something `count` times, so many at once, and samples what the process holds. */
async function phase(count, action, atOnce = AT_ONCE) {
  const samples = [];
  for (let done = 0; done < count;) {
    const next = Math.min(count, Math.ceil(((samples.length + 1) * count) / SAMPLES));
    while (done < next) {
      const some = Math.min(atOnce, next - done);
      const first = done;
      await Promise.all(Array.from({ length: some }, (_, at) => action(first + at)));
      done += some;
    }
    samples.push(await sample());
  }
  return samples;
}

/** How many of these threads are the addon's; the runtime's come and go as it likes. */
function ours(threads) {
  const names = threads.map((thread) => {
    try {
      return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim();
    } catch {
      return ''; // it has ended
    }
  });
  return names.filter((name) => name === 'catalyst-pki').length;
}

async function sample() {
  // Twice, with a turn between: what a finalizer lets go of is garbage only then.
  for (let round = 0; round < 2; round++) {
    globalThis.gc?.();
    globalThis.Bun?.gc(true);
    await new Promise(setImmediate);
  }
  return {
    rss: process.memoryUsage().rss,
    files: readdirSync('/proc/self/fd').length,
    threads: ours(readdirSync('/proc/self/task')),
    resources: process.getActiveResourcesInfo?.().length ?? 0,
  };
}
