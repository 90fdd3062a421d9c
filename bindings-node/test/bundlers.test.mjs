// The lines of the README for each bundler, and what they make.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  assertReadmeOutput,
  folder,
  isBun,
  readmeExample,
  readmeExampleInCommonJs,
  repository,
  run,
} from './helpers.mjs';
import { install, tools, workspace } from './installed.mjs';

const only = { skip: isBun && 'drives the bundlers by itself, from Node' };
const readme = readFileSync(join(repository, 'bindings-node/README.md'), 'utf8');
const require = createRequire(join(tools, 'any'));

/** The one line of the README's table that says what to tell this bundler. */
function lineFor(bundler) {
  const row = readme.split('\n').find((line) => line.startsWith(`| ${bundler} |`));
  assert.ok(row, `the README has a line for ${bundler}`);
  return row.split('`')[1];
}

/** A program that is to be bundled, with the package installed or linked. */
function program(options) {
  const path = join(workspace(), 'program');
  install(path, options);
  writeFileSync(join(path, 'main.mjs'), readmeExample());
  writeFileSync(join(path, 'package.json'), '{ "private": true }');
  mkdirSync(join(path, 'out'));
  return path;
}

async function build(path, args, command) {
  const { code, stdout, stderr } = await run(args, { cwd: path, command });
  assert.equal(code, 0, stdout + stderr);
}

/** Runs the only JavaScript file that came out, in an empty folder: it keeps a database there. */
async function assertRuns(path) {
  const files = readdirSync(join(path, 'out'));
  const [script, ...others] = files.filter((name) => /\.[cm]?js$/.test(name));
  assert.deepEqual(others, []);
  assertReadmeOutput(await run([join(path, 'out', script)], { cwd: folder() }));
}

test('esbuild', only, async () => {
  const path = program();
  const options = ['main.mjs', '--bundle', '--platform=node', '--format=esm'];
  await build(
    path,
    [...options, '--outfile=out/main.mjs', lineFor('esbuild')],
    join(tools, 'esbuild/bin/esbuild'),
  );
  await assertRuns(path);
});

test('esbuild, with the addon beside its output', only, async () => {
  const path = program();
  writeFileSync(join(path, 'main.cjs'), readmeExampleInCommonJs());
  const [, ...copy] = readme.match(/`(esbuild .*--loader:.*)`/)[1].split(' ');
  const options = ['main.cjs', '--bundle', '--outfile=out/main.cjs'];
  await build(path, [...options, ...copy], join(tools, 'esbuild/bin/esbuild'));
  rmSync(join(path, 'node_modules'), { recursive: true });
  await assertRuns(path);
});

test('webpack', only, async () => {
  const path = program();
  writeFileSync(join(path, 'options.mjs'), `export default { ${lineFor('webpack')} };`);
  const { default: options } = await import(join(path, 'options.mjs'));
  const stats = await new Promise((resolve, reject) =>
    require('webpack')(
      {
        mode: 'production',
        target: 'node',
        context: path,
        entry: './main.mjs',
        output: { path: join(path, 'out'), filename: 'main.cjs' },
        ...options,
      },
      (error, made) => (error ? reject(error) : resolve(made)),
    ),
  );
  assert.equal(stats.hasErrors(), false, stats.toString());
  await assertRuns(path);
});

test('vite', only, async () => {
  // It takes what is linked for sources of the program.
  const path = program({ linked: true });
  writeFileSync(
    join(path, 'vite.config.mjs'),
    `export default { ${lineFor('vite')}, logLevel: 'error' };`,
  );
  const options = ['build', '--ssr', 'main.mjs', '--outDir', 'out'];
  await build(path, [join(tools, 'vite/bin/vite.js'), ...options]);
  await assertRuns(path);
});

test('bun build', only, async () => {
  const path = program();
  const options = ['build', 'main.mjs', '--target=node', '--outfile=out/main.mjs'];
  await build(
    path,
    [...options, ...lineFor('bun build').split(' ')],
    join(repository, 'node_modules/.bin/bun'),
  );
  await assertRuns(path);
});
