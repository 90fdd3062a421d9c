import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

const { targetFor } = createRequire(import.meta.url)('../dist/platform.js');

/** A line of `/proc/self/maps`. */
const map = (path) => `7f306adcf000-7f306ade4000 r--p 00000000 00:2f 52017\t\t${path}\n`;
const program = map('/usr/bin/node') + map('/app/node_modules/a/lib/musl/libc.so.backup');

for (const [where, maps, libc] of [
  [
    'Debian 12',
    map('/usr/lib/x86_64-linux-gnu/libc.so.6') + map('/usr/lib/ld-linux-x86-64.so.2'),
    'gnu',
  ],
  ['Debian 11', map('/lib/x86_64-linux-gnu/libc-2.31.so') + map('/lib/ld-2.31.so'), 'gnu'],
  ['Alpine', map('/lib/ld-musl-x86_64.so.1'), 'musl'],
  ['Alpine on arm64', map('/lib/ld-musl-aarch64.so.1'), 'musl'],
  ['musl on Debian', map('/usr/lib/x86_64-linux-musl/libc.so'), 'musl'],
  ['a glibc program that has a file of musl in its path', map('/musl/libc.so.6'), 'gnu'],
  ['where nothing can be read', '', 'gnu'],
]) {
  test(`${where}: ${libc}`, () => {
    for (const arch of ['x64', 'arm64', 'riscv64']) {
      assert.equal(targetFor('linux', arch, program + maps), `linux-${arch}-${libc}`);
    }
  });
}

test('other systems have one C library', () => {
  const maps = map('/lib/ld-musl-x86_64.so.1');
  assert.equal(targetFor('darwin', 'arm64', maps), 'darwin-arm64');
  assert.equal(targetFor('win32', 'x64', maps), 'win32-x64-msvc');
  assert.equal(targetFor('sunos', 'x64', maps), 'sunos-x64');
});
