// What is published, as those get it who install it: packed, installed into an empty project, run.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { pack } from '../scripts/pack.mjs';
import { TARGETS, addonName, hostTarget, packageName, targetOf } from '../scripts/targets.mjs';
import {
  assertReadmeOutput,
  folder,
  isBun,
  readmeExample,
  readmeExampleInCommonJs,
  repository,
  run,
} from './helpers.mjs';

const only = { skip: isBun && 'drives npm, Node and Bun by itself, from Node' };
const bun = join(repository, 'node_modules/.bin/bun');
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const musl = join(repository, 'target/tools/musl/bun');
const muslAddon = join(repository, 'bindings-node', addonName(targetOf('linux-x64-musl')));
const MEGABYTE = 1_000_000;

const files = {
  'load.mjs': "await import('@catalyst/pki').catch(({ message }) => console.log(message));",
  'example.mjs': readmeExample(),
  'example.cjs': readmeExampleInCommonJs(),
};

const place = folder();
const tarballs = {};
let project;
if (!isBun) {
  for (const { name, tarball } of pack(join(place, 'packed'))) tarballs[name] = tarball;
  tarballs.zod = packed(join(repository, 'node_modules/zod'));
  project = install('project', ['@catalyst/pki', packageName(hostTarget()), 'zod']);
}

/** npm, with nothing but what is here: no network, no cache of somebody else. */
function npm(args, cwd) {
  const options = ['--offline', '--no-audit', '--no-fund', '--silent', `--cache=${place}/cache`];
  return execFileSync('npm', [...args, ...options], { cwd, encoding: 'utf8' });
}

function packed(directory) {
  const [{ filename }] = JSON.parse(
    npm(['pack', '--json', '--ignore-scripts', `--pack-destination=${place}`], directory),
  );
  return join(place, filename);
}

/** An empty project that depends on these packages. */
function install(name, names, options = []) {
  const path = join(place, name);
  const dependencies = Object.fromEntries(names.map((name) => [name, `file:${tarballs[name]}`]));
  mkdirSync(path);
  writeFileSync(join(path, 'package.json'), JSON.stringify({ private: true, dependencies }));
  npm(['install', ...options], path);
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
  return path;
}

/** In a folder of its own, because the example keeps a database in it. */
function runExample(command, args) {
  return run(args, { command, cwd: folder() });
}

function contentOf(tarball) {
  const list = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' });
  return list
    .trim()
    .split('\n')
    .map((path) => path.replace(/^package\//, ''))
    .sort();
}

test('the packages contain what is needed and nothing else', only, () => {
  const compiled = readdirSync(join(repository, 'bindings-node/ts')).map(
    (name) => `dist/${name.replace(/\.ts$/, '.js')}`,
  );
  const both = ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json'];
  assert.deepEqual(
    contentOf(tarballs['@catalyst/pki']),
    [
      ...both,
      ...compiled,
      'dist/index.cjs',
      'dist/index.mjs',
      'dist/index.d.mts',
      'index.d.ts',
    ].sort(),
  );
  const addon = addonName(hostTarget());
  assert.deepEqual(contentOf(tarballs[packageName(hostTarget())]), [...both, addon].sort());
});

test('the main package names the package of every platform, in its own version', only, () => {
  const manifest = manifestOf('@catalyst/pki');
  assert.deepEqual(
    manifest.optionalDependencies,
    Object.fromEntries(TARGETS.map((target) => [packageName(target), manifest.version])),
  );
  assert.equal(manifest.private, undefined);
  const { name, os, cpu, libc } = hostTarget();
  const { os: ofOs, cpu: ofCpu, libc: ofLibc, ...platform } = manifestOf(`@catalyst/pki-${name}`);
  assert.deepEqual([ofOs, ofCpu, ofLibc], [[os], [cpu], libc && [libc]]);
  assert.equal(platform.version, manifest.version);
});

function manifestOf(name) {
  return JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8'));
}

test('the versions of the crate, the package and those who use it here are one', () => {
  const read = (path) => readFileSync(join(repository, path), 'utf8');
  const [, version] = read('Cargo.toml').match(/\[workspace\.package\]\nversion = "(.*)"/);
  assert.equal(JSON.parse(read('bindings-node/package.json')).version, version);
  assert.equal(JSON.parse(read('package-lock.json')).packages['bindings-node'].version, version);
  for (const user of [
    'benches/baseline',
    'benches/bun',
    'examples/bun/first-service',
    'examples/bun/recipes',
  ]) {
    const { dependencies } = JSON.parse(read(`${user}/package.json`));
    assert.equal(dependencies['@catalyst/pki'], version, user);
  }
});

test('the addon is smaller than 12 MB', () => {
  const { size } = statSync(join(repository, 'bindings-node', addonName(hostTarget())));
  assert.ok(size > MEGABYTE && size < 12 * MEGABYTE, `${size} bytes`);
});

for (const file of ['example.mjs', 'example.cjs']) {
  test(`installed, the README's example runs in Node: ${file}`, only, async () => {
    assertReadmeOutput(await runExample(process.execPath, [join(project, file)]));
  });
  test(`installed, the README's example runs in Bun: ${file}`, only, async () => {
    assertReadmeOutput(await runExample(bun, [join(project, file)]));
  });
}

test('without the package of the platform it is said how to get it', only, async () => {
  const bare = install('bare', ['@catalyst/pki', 'zod']);
  assert.deepEqual(readdirSync(join(bare, 'node_modules/@catalyst')), ['pki']);
  for (const command of [process.execPath, bun]) {
    const { stdout } = await run([join(bare, 'load.mjs')], { command });
    assert.match(stdout, new RegExp(`the package ${packageName(hostTarget())} is not installed`));
    assert.match(stdout, /--omit=optional/);
    assert.match(stdout, /made on another platform/);
  }
});

test('an addon that does not load says why', only, async () => {
  const broken = install('broken', ['@catalyst/pki', packageName(hostTarget()), 'zod']);
  const addon = join(broken, 'node_modules', packageName(hostTarget()), addonName(hostTarget()));
  writeFileSync(addon, 'no shared library');
  for (const command of [process.execPath, bun]) {
    const { stdout } = await run([join(broken, 'load.mjs')], { command });
    assert.match(stdout, /could not load its native addon @catalyst\/pki-.*: file too short/);
    assert.doesNotMatch(stdout, /is not installed/);
  }
});

test('a process that loads no addons says so', only, async () => {
  for (const command of [process.execPath, bun]) {
    const { stdout } = await run(['--no-addons', join(project, 'load.mjs')], { command });
    assert.match(stdout, /loading addons is disabled\. Start the process without --no-addons/);
    assert.doesNotMatch(stdout, /is not installed|from source/);
  }
});

const noMusl = !existsSync(musl) && 'tests/setup.sh installs a Bun with musl, on Linux x64';

test('a Bun with musl looks for the addon for musl', { skip: only.skip || noMusl }, async () => {
  // What is installed for this machine would crash it.
  const { stdout } = await run([join(project, 'load.mjs')], { command: musl });
  assert.match(stdout, /the package @catalyst\/pki-linux-x64-musl is not installed/);
});

test(
  'installed with the addon for musl, the example runs in a Bun with musl',
  {
    skip:
      only.skip ||
      noMusl ||
      (!existsSync(muslAddon) && 'scripts/build.mjs --addon linux-x64-musl builds it'),
  },
  async () => {
    const names = ['@catalyst/pki', '@catalyst/pki-linux-x64-musl', 'zod'];
    // Which is for another machine than this.
    const alpine = install('alpine', names, ['--force']);
    assertReadmeOutput(await runExample(musl, [join(alpine, 'example.mjs')]));
  },
);

for (const moduleResolution of ['node16', 'bundler']) {
  test(`installed, its types hold: moduleResolution ${moduleResolution}`, only, async () => {
    const types = `${project}/types-${moduleResolution}`;
    mkdirSync(types);
    const wrong = `
      // @ts-expect-error the CA needs a request
      void ca.signCSR();
    `;
    writeFileSync(join(types, 'imports.mts'), readmeExample() + wrong);
    writeFileSync(
      join(types, 'requires.cts'),
      `import pki = require('@catalyst/pki');
       const manager: pki.CertificateManager = pki.CertificateManager.ephemeral();
       export const initialized: boolean = manager.isInitialized();
       // @ts-expect-error it is no string
       export const text: string = manager.isInitialized();
      `,
    );
    // `import = require` is not for bundlers.
    const include = moduleResolution === 'node16' ? ['*.mts', '*.cts'] : ['*.mts'];
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
      target: 'ES2022',
      lib: ['ES2023'],
      module: { node16: 'node16', bundler: 'esnext' }[moduleResolution],
      moduleResolution,
      typeRoots: [join(repository, 'node_modules/@types')],
      types: ['node'],
    };
    writeFileSync(join(types, 'tsconfig.json'), JSON.stringify({ compilerOptions, include }));
    const { code, stdout } = await run([tsc, '-p', types]);
    assert.deepEqual([code, stdout], [0, '']);
  });
}

test('bun build --compile takes the addon along', only, async () => {
  const binary = join(place, 'compiled', 'example');
  await build(['--compile', join(project, 'example.mjs'), '--outfile', binary]);
  const elsewhere = join(folder(), basename(binary));
  copyFileSync(binary, elsewhere);
  assertReadmeOutput(await runExample(elsewhere, []));

  const none = join(folder(), 'none');
  const { stderr } = await run([], { command: elsewhere, cwd: folder(), env: { TMPDIR: none } });
  assert.match(stderr, /temporary folder .* set TMPDIR to a folder that exists/);
  assert.doesNotMatch(stderr, /from source/);
});

for (const [target, command] of [
  ['bun', bun],
  ['node', process.execPath],
]) {
  test(`bun build --target=${target} puts the addon beside its output`, only, async () => {
    const out = join(folder(), 'bundled');
    await build([`--target=${target}`, join(project, 'example.mjs'), '--outdir', out]);
    writeFileSync(join(out, 'package.json'), '{"type":"module"}');
    assert.equal(readdirSync(out).filter((name) => name.endsWith('.node')).length, 1);
    assertReadmeOutput(await runExample(command, [join(out, 'example.js')]));
  });
}

async function build(args) {
  const { code, stderr } = await run(['build', ...args], { command: bun, cwd: project });
  assert.equal(code, 0, stderr);
}
