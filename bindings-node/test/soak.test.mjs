// Memory and handles over many calls: a few thousand here, 200,000 signs and as many verifications
// with CATALYST_SOAK=1 (`make soak`).
import assert from 'node:assert/strict';
import { cpus } from 'node:os';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isBun, run } from './helpers.mjs';

const full = process.env.CATALYST_SOAK === '1';
const calls = full ? 200_000 : 8_000;
const timeout = full ? 3_000_000 : 110_000;

test(
  `${calls} signs and ${calls} verifications: memory flat, no handle kept`,
  { skip: process.platform !== 'linux' && 'it reads /proc', timeout },
  async () => {
    const program = fileURLToPath(new URL('soak.mjs', import.meta.url));
    const flags = isBun ? [] : ['--expose-gc'];
    const { code, stdout, stderr } = await run([...flags, program, String(calls), String(calls)], {
      timeout,
    });
    assert.deepEqual([code, stderr], [0, '']);
    for (const [phase, samples] of Object.entries(JSON.parse(stdout))) {
      const of = (field) => samples.map((sample) => sample[field]);
      const megabytes = of('rss').map((bytes) => Math.round(bytes / 1e5) / 10);
      console.log(`${phase}: ${megabytes.join(' ')} MB`);
      // By then the caches of the database and of the runtime are full.
      const warm = samples.length / 2;
      const [before, most] = [megabytes[warm - 1], Math.max(...megabytes.slice(warm))];
      assert.ok(most <= before * 1.1, `${phase}: ${before} MB, then ${most} MB`);
      const threads = Math.max(...of('threads'));
      assert.ok(threads > 0 && threads <= 32 + cpus().length, `${phase}: ${threads} threads`);
      for (const kind of ['files', 'resources']) {
        const [first, later] = [of(kind).slice(0, warm), of(kind).slice(warm)];
        assert.ok(
          Math.max(...later) <= Math.max(...first),
          `${phase}: ${kind} ${first}, then ${later}`,
        );
      }
    }
  },
);
