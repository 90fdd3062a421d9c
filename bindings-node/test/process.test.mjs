// How the package lives in a process: threads, Workers, ends.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { CertificateManager, generateKeyAndCsr } from '@catalyst/pki';
import { folder, newManager, runModule, TRUST_DOMAIN } from './helpers.mjs';

const SIGN = `
const manager = pki.CertificateManager.ephemeral();
await manager.initialize();
const { csrPem } = await pki.generateKeyAndCsr('node', 'a');
const sign = () => manager.signCSR({ csrPem, serviceType: 'node', nodeId: 'a' });
`;

test('a process ends by itself when its work is done', async () => {
  const { code, stdout, stderr } = await runModule(`${SIGN}
    const { serial } = await sign();
    console.log(serial.length > 0);
    // Not awaited, and answered all the same: the process waits for it.
    void sign().then(() => console.log('answered'));
  `);
  assert.deepEqual([code, stdout, stderr], [0, 'true\nanswered\n', '']);
});

test(
  'loading the package opens nothing and starts no thread',
  { skip: process.platform !== 'linux' },
  async () => {
    const { code, stdout, stderr } = await runModule(`
    import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
    const threads = () => readdirSync('/proc/self/task')
      .filter((id) => readFileSync('/proc/self/task/' + id + '/comm', 'utf8').startsWith('catalyst-pki'));
    const before = threads().length;
    const manager = pki.CertificateManager.fromConfig({ provider: { type: 'local', certsDb: '/nowhere/x.db' } });
    const constructed = threads().length;
    await pki.generateKeyAndCsr('node', 'a');
    console.log(before, constructed, threads().length);
  `);
    assert.deepEqual([code, stdout, stderr], [0, '0 0 1\n', '']);
  },
);

test('process.exit in the midst of work', async () => {
  for (let i = 0; i < 5; i++) {
    const { code, signal, stderr } = await runModule(`${SIGN}
      const all = Array.from({ length: 300 }, sign);
      await Promise.race(all);
      process.exit(7);
    `);
    assert.deepEqual([code, signal, stderr], [7, null, '']);
  }
});

test('an uncaught error in the midst of work ends the process as usual', async () => {
  const { code, signal, stderr } = await runModule(`${SIGN}
    const all = Array.from({ length: 300 }, sign);
    await Promise.race(all);
    throw new Error('of the program');
  `);
  assert.deepEqual([code, signal], [1, null]);
  assert.match(stderr, /of the program/);
});

test('process.exit with signs pending leaves a sound database with all that was answered', async () => {
  const certsDb = join(folder(), 'certs.db');
  const { code, signal, stdout, stderr } = await runModule(`
    import { writeSync } from 'node:fs';
    const manager = pki.CertificateManager.fromConfig({
      provider: { type: 'local', certsDb: ${JSON.stringify(certsDb)} },
    });
    await manager.initialize();
    const { csrPem } = await pki.generateKeyAndCsr('node', 'a');
    for (let at = 0; at < 500; at++) {
      void manager.signCSR({ csrPem, serviceType: 'node', nodeId: 'a' }).then(({ serial }) => {
        writeSync(1, serial + '\\n');
        if (at >= 40) process.exit(7);
      });
    }
  `);
  assert.deepEqual([code, signal, stderr], [7, null, '']);
  const answered = stdout.trim().split('\n');
  const manager = CertificateManager.fromConfig({ provider: { type: 'local', certsDb } });
  await manager.initialize();
  const { expiringCerts } = await manager.denyIdentity(
    'spiffe://catalyst.example.com/node/a',
    'to list its certificates',
  );
  const stored = new Set(expiringCerts.map(({ serial }) => serial));
  assert.ok(answered.length > 0 && answered.every((serial) => stored.has(serial)));
  assert.ok(stored.size < 500, 'the process ended in the midst of its work');
});

function start(workerData) {
  const worker = new Worker(fileURLToPath(new URL('worker.mjs', import.meta.url)), { workerData });
  const message = new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  return { worker, message, exit };
}

test('Workers sign, end by themselves, and can be ended in the midst of work', async () => {
  for (let round = 0; round < 3; round++) {
    const signing = Array.from({ length: 3 }, () => start('sign'));
    const busy = Array.from({ length: 3 }, () => start('forever'));
    for (const { message, exit } of signing) {
      assert.equal(await message, 20);
      assert.equal(await exit, 0);
    }
    for (const { worker, message, exit } of busy) {
      await message;
      await worker.terminate();
      await exit;
    }
  }
  // And this context has noticed nothing of it.
  assert.ok((await newManager()).isInitialized());
});

test('50 Workers load the package, make a call and end, and nothing of them stays', async () => {
  const count = (folder) => (process.platform === 'linux' ? readdirSync(folder).length : 0);
  const held = [];
  for (let round = 0; round < 10; round++) {
    const workers = Array.from({ length: 5 }, () => start('once'));
    for (const { message, exit } of workers) {
      assert.equal(await message, true);
      assert.equal(await exit, 0);
    }
    held.push({ files: count('/proc/self/fd'), threads: count('/proc/self/task') });
  }
  // What each round kept would add up; what is on its way out at one moment doesn't.
  for (const kind of ['files', 'threads']) {
    const [first, later] = [held.slice(0, 5), held.slice(5)].map((some) =>
      some.map((one) => one[kind]),
    );
    assert.ok(Math.min(...later) <= Math.max(...first), `${kind}: ${first}, then ${later}`);
  }
});

test('20 Workers are ended while they work, at whatever point', async () => {
  for (let round = 0; round < 5; round++) {
    // Some are loading, some make their CA, some sign.
    const workers = Array.from({ length: 4 }, (_, at) => start(at % 2 === 0 ? 'forever' : 'sign'));
    const [busy] = workers;
    if (round > 0) await busy.message;
    for (const { message } of workers) message.catch(() => {});
    await Promise.all(workers.map(({ worker }) => worker.terminate()));
    await Promise.all(workers.map(({ exit }) => exit));
  }
  assert.ok((await newManager()).isInitialized());
});

test('timers that a test has replaced hold nothing up', async () => {
  const { code, stdout, stderr } = await runModule(`
    for (const name of ['setTimeout', 'setInterval', 'setImmediate']) {
      globalThis[name] = () => ({ ref() {}, unref() {} });
    }
    ${SIGN}
    console.log((await Promise.all(Array.from({ length: 100 }, sign))).length);
  `);
  assert.deepEqual([code, stdout, stderr], [0, '100\n', '']);
});

test('the event loop turns while certificates are signed', async () => {
  const manager = await newManager();
  const { csrPem } = await generateKeyAndCsr('node', 'a', { trustDomain: TRUST_DOMAIN });
  const sign = () => manager.signCSR({ csrPem, serviceType: 'node', nodeId: 'a' });
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const signed = await Promise.all(Array.from({ length: 1000 }, sign));
  clearInterval(timer);
  assert.equal(new Set(signed.map(({ serial }) => serial)).size, 1000);
  // 1,000 certificates take a quarter of a second and more. How long the gaps are is for the bench.
  assert.ok(ticks >= 10, `${ticks} ticks`);
});

test(
  'threads end when they have nothing to do',
  { skip: process.platform !== 'linux' },
  async () => {
    const threads = () =>
      readdirSync('/proc/self/task').filter((id) =>
        readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('catalyst-pki'),
      ).length;
    assert.ok(threads() > 0);
    const end = Date.now() + 30_000;
    while (threads() > 0) {
      assert.ok(Date.now() < end, `${threads()} threads are still there`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.ok((await newManager()).isInitialized());
  },
);

test('a path is the one that was meant when it was given', async () => {
  const place = folder();
  for (const name of ['a', 'b']) mkdirSync(join(place, name));
  writeFileSync(join(place, 'a/passphrase'), 'correct horse battery staple', { mode: 0o600 });
  const { stdout, stderr } = await runModule(
    `process.chdir(${JSON.stringify(join(place, 'a'))});
     process.env.CATALYST_PKI_KEY_PASSPHRASE_FILE = 'passphrase';
     const ca = pki.CertificateManager.fromConfig({
       trustDomain: 'mesh.example.com',
       provider: { type: 'local', certsDb: 'certs.db' },
     });
     process.chdir('../b');
     await ca.initialize();
     await ca.denyIdentity('spiffe://mesh.example.com/auth/auth-z', 'stolen');
     const store = ca.getStore();
     await ca.shutdown();
     process.chdir('..');
     console.log(await store.isDenied('spiffe://mesh.example.com/auth/auth-z'));`,
    { env: { CATALYST_PKI_KEY_PASSPHRASE: undefined } },
  );
  assert.deepEqual([stdout, stderr], ['true\n', '']);
  assert.deepEqual(readdirSync(join(place, 'b')), []);
});
