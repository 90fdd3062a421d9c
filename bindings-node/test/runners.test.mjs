// The package in its users' test runners and in the oldest Bun: installed, and linked into a workspace, in jsdom, beside
// fake timers, in every realm that a runner makes.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { isBun, repository, run } from './helpers.mjs';
import { install, tools, workspace } from './installed.mjs';

const only = { skip: isBun && 'drives the runners by itself, from Node' };
const fixtures = join(repository, 'bindings-node/test/ecosystem');

/** A program with the package and the runners beside it, and one test. */
function program(place, name, testFile, linked) {
  const path = join(place, name);
  install(path, { linked, with: ['jest', 'jest-environment-jsdom', 'jsdom', 'vitest'] });
  for (const file of ['everything.cjs', testFile])
    copyFileSync(join(fixtures, file), join(path, file));
  writeFileSync(join(path, 'package.json'), '{ "private": true }');
  return path;
}

test('jest, in its environments for Node and jsdom', only, async () => {
  const path = program(workspace(), 'installed', 'jest.cjs', false);
  const projects = ['node', 'jsdom'].map((testEnvironment) => ({
    displayName: testEnvironment,
    rootDir: path,
    testEnvironment,
    testMatch: ['<rootDir>/jest.cjs'],
  }));
  writeFileSync(join(path, 'jest.config.json'), JSON.stringify({ projects }));
  const jest = join(tools, 'jest/bin/jest.js');
  const { code, stderr } = await run(
    [jest, '--runInBand', '--cacheDirectory', join(path, 'cache')],
    { cwd: path },
  );
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^Tests: +8 passed, 8 total$/m);
});

test('a realm of jest leaves the memory with its file', only, async () => {
  const path = program(workspace(), 'installed', 'everything.cjs', false);
  const uses = "test('', () => require('./everything.cjs')(require('@catalyst/pki')));";
  const files = Array.from({ length: 8 }, (_, at) => `${at}.test.js`);
  for (const file of files) writeFileSync(join(path, file), `require('@catalyst/pki'); ${uses}`);
  const { code, stderr } = await run(
    ['--expose-gc', join(tools, 'jest/bin/jest.js'), '--runInBand', '--logHeapUsage'],
    { cwd: path },
  );
  assert.equal(code, 0, stderr);
  const megabytes = Array.from(stderr.matchAll(/(\d+) MB heap size/g), ([, size]) => Number(size));
  assert.equal(megabytes.length, files.length);
  // Each takes 5, most of it what Zod makes.
  assert.ok(megabytes.at(-1) - megabytes[1] < 15, megabytes.join());
});

test('vitest, in all pools, installed in jsdom and linked into a workspace', only, async () => {
  const place = workspace();
  const [installed, linked] = [false, true].map((isLinked) =>
    program(place, isLinked ? 'linked' : 'installed', 'vitest.mjs', isLinked),
  );
  const project = (root, pool, environment) => ({
    root,
    test: { name: `${basename(root)}-${pool}`, pool, environment, include: ['vitest.mjs'] },
  });
  const projects = [
    ...['threads', 'forks', 'vmThreads', 'vmForks'].map((pool) =>
      project(installed, pool, 'jsdom'),
    ),
    ...['threads', 'vmThreads'].map((pool) => project(linked, pool, 'node')),
  ];
  writeFileSync(
    join(place, 'vitest.config.mjs'),
    `export default ${JSON.stringify({ cacheDir: join(place, 'cache'), test: { projects } })};`,
  );
  const { code, stdout, stderr } = await run(
    [join(tools, 'vitest/vitest.mjs'), 'run', '--no-color'],
    { cwd: place },
  );
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /Tests +18 passed \(18\)/);
});

test('the tests of Bun, beside its fake timers', only, async () => {
  const path = program(workspace(), 'installed', 'bun.mjs', false);
  const { code, stderr } = await run(['test', './bun.mjs'], {
    command: join(repository, 'node_modules/.bin/bun'),
    cwd: path,
  });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^ 2 pass$/m);
});

const oldest = join(tools, 'bun-oldest/bin/bun');
const noOldest = !existsSync(oldest) && 'tests/setup.sh installs it, on Linux x64';

test('the oldest Bun that is supported', { skip: only.skip || noOldest }, async () => {
  const path = program(workspace(), 'installed', 'everything.cjs', false);
  const source = `
    const everything = require('./everything.cjs');
    await everything(require('@catalyst/pki'), { hasAsyncStacks: false });
    console.log('done');`;
  const { code, stdout, stderr } = await run(['-e', source], { command: oldest, cwd: path });
  assert.deepEqual([code, stdout], [0, 'done\n'], stderr);
});
