// What a release publishes, in which order, and what it does when it is run again.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { folder, repository, run } from './helpers.mjs';

const PLATFORMS = ['@catalyst/pki-linux-x64-gnu', '@catalyst/pki-win32-x64-msvc'];
const ALL = [...PLATFORMS, '@catalyst/pki'];

/** Stands in for npm: the registry is a file with a line for each version; some names don't go through. */
const NPM = `#!/bin/sh
has() { [ -f "$REGISTRY" ] && grep -qxF "$1" "$REGISTRY"; }
case $1 in
view)
  [ -n "$DOWN" ] && { echo '{"error":{"code":"ECONNRESET"}}'; exit 1; }
  has "$2" || { [ -n "$OLD" ] && exit 0; echo '{"error":{"code":"E404"}}'; exit 1; }
  echo "\\"\${2##*@}\\"" ;;
publish)
  it=$(tar -xzOf "$2" package/package.json | sed 's/.*"name":"\\([^"]*\\)","version":"\\([^"]*\\)".*/\\1@\\2/')
  has "$it" && { echo "E403 $it is there" >&2; exit 1; }
  [ "\${it%@*}" = "$BROKEN" ] && exit 1
  echo "$@" >> "$REGISTRY.calls"
  case " $* " in *' --dry-run '*) ;; *) echo "$it" >> "$REGISTRY" ;; esac ;;
esac
`;

/** A folder with the packages of a version, and what publishes them. */
function release(version = '1.2.3', names = ALL) {
  const place = folder();
  const [bin, packed, registry] = ['bin', 'packed', 'registry'].map((name) => join(place, name));
  for (const path of [bin, packed]) mkdirSync(path);
  writeFileSync(join(bin, 'npm'), NPM, { mode: 0o755 });
  for (const name of names) {
    const optionalDependencies = Object.fromEntries(PLATFORMS.map((each) => [each, version]));
    const manifest = { name, version, ...(name === ALL.at(-1) && { optionalDependencies }) };
    mkdirSync(join(place, 'package'), { recursive: true });
    writeFileSync(join(place, 'package/package.json'), JSON.stringify(manifest));
    // Named as npm names them: the main one is not the last of them.
    const tarball = `${name.slice(1).replace('/', '-')}-${version}.tgz`;
    execFileSync('tar', ['-czf', join(packed, tarball), '-C', place, 'package']);
  }
  return {
    registry,
    publish: (env = {}, ...args) =>
      run([join(repository, 'bindings-node/scripts/publish.mjs'), packed, ...args], {
        env: {
          PATH: `${bin}${delimiter}${process.env.PATH}`,
          REGISTRY: registry,
          ...env,
        },
      }),
    published: () =>
      existsSync(registry) ? readFileSync(registry, 'utf8').trim().split('\n') : [],
    calls: () => readFileSync(`${registry}.calls`, 'utf8'),
  };
}

const at = (version) => (name) => `${name}@${version}`;

for (const [registry, env] of [
  ['a registry that says E404', {}],
  ['an npm that says nothing', { OLD: '1' }],
]) {
  test(`the main package is published last: ${registry}`, async () => {
    const { publish, published, calls } = release();
    const { code, stderr } = await publish(env);
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(published(), ALL.map(at('1.2.3')));
    assert.match(calls(), /^(?:publish .* --provenance --access public\n){3}$/);
  });
}

test('a release that broke off is finished by running it again', async () => {
  const { publish, published } = release();
  assert.notEqual((await publish({ BROKEN: PLATFORMS[1] })).code, 0);
  assert.deepEqual(published(), [`${PLATFORMS[0]}@1.2.3`]);
  const { code, stdout } = await publish();
  assert.equal(code, 0);
  assert.match(stdout, /^@catalyst\/pki-linux-x64-gnu@1\.2\.3 is there already\n/);
  assert.deepEqual(published(), ALL.map(at('1.2.3')));
  // And once more, with nothing left to do.
  assert.equal((await publish()).code, 0);
});

test('an earlier version that is there is no reason to skip', async () => {
  const { publish, published, registry } = release();
  writeFileSync(registry, `${ALL.map(at('1.2.2')).join('\n')}\n`);
  assert.equal((await publish()).code, 0);
  assert.deepEqual(published(), [...ALL.map(at('1.2.2')), ...ALL.map(at('1.2.3'))]);
});

test('a rehearsal publishes nothing', async () => {
  const { publish, published, calls } = release();
  assert.equal((await publish({}, '--dry-run')).code, 0);
  assert.deepEqual(published(), []);
  assert.match(calls(), /^(?:publish .* --dry-run\n){3}$/);
});

test('nothing is published where the registry does not answer, or a package is missing', async () => {
  const unanswered = release();
  assert.notEqual((await unanswered.publish({ DOWN: '1' })).code, 0);
  assert.deepEqual(unanswered.published(), []);
  for (const missing of ALL) {
    const names = ALL.filter((name) => name !== missing);
    const { publish, published } = release('1.2.3', names);
    assert.notEqual((await publish()).code, 0);
    assert.deepEqual(published(), [], missing);
  }
});
