// How long `require('@catalyst/pki')` takes in a new process, and how large the addon is.
//
//   node scripts/load-time.mjs     prints both; the goals are under 20 ms and under 12 MB
//
// The first loads of a machine read the disk; of the rest the median counts. Processor time is said
// beside it because the machine may have other things to do. Zod and the schemas are loaded at the
// first call that needs them, which is timed by itself.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RUNS = 21;
const here = fileURLToPath(new URL('..', import.meta.url));
const program = `
  const now = () => {
    const { user, system } = process.cpuUsage();
    return [performance.now(), (user + system) / 1000];
  };
  const begin = now();
  const { CertificateManager } = require('@catalyst/pki');
  const loaded = now();
  CertificateManager.ephemeral();
  const used = now();
  const took = (from, to) => from.map((start, at) => to[at] - start);
  console.log(JSON.stringify([...took(begin, loaded), ...took(loaded, used)]));`;

const runtimes = { node: process.execPath, bun: join(here, '../node_modules/.bin/bun') };
for (const [name, runtime] of Object.entries(runtimes)) {
  const runs = Array.from({ length: RUNS }, () =>
    JSON.parse(execFileSync(runtime, ['-e', program], { cwd: here, encoding: 'utf8' })),
  );
  const [load, loadBusy, use, useBusy] = [0, 1, 2, 3].map((at) =>
    spread(runs.map((run) => run[at])),
  );
  console.log(`${name}: ${load} ms, ${loadBusy} ms of a processor`);
  console.log(`${name}, the first manager: ${use} ms, ${useBusy} ms of a processor`);
}
for (const file of readdirSync(here).filter((file) => file.endsWith('.node'))) {
  console.log(`${file}: ${(statSync(join(here, file)).size / 1e6).toFixed(1)} MB`);
}

/** The median, and from where to where nine of ten lie. */
function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.round((sorted.length - 1) * part)].toFixed(1);
  return `${at(0.5)} (${at(0.05)} to ${at(0.95)})`;
}
