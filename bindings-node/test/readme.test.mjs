import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, repository, run } from './helpers.mjs';

test("the README's example does what it says", async () => {
  const readme = readFileSync(join(repository, 'bindings-node/README.md'), 'utf8');
  const [, example] = readme.match(/```ts\n([\s\S]*?)```/);
  const place = folder();
  const entry = JSON.stringify(join(repository, 'bindings-node/dist/index.mjs'));
  writeFileSync(join(place, 'example.mjs'), example.replace("'@catalyst/pki'", entry));
  const { code, stdout, stderr } = await run([join(place, 'example.mjs')], { cwd: place });
  assert.deepEqual([code, stderr], [0, '']);
  const [until, verified, denied] = stdout.trim().split('\n');
  assert.match(
    until,
    /^spiffe:\/\/mesh\.example\.com\/auth\/auth-a until .*Z, to be renewed from .*Z$/,
  );
  assert.equal(
    verified,
    'verified: spiffe://mesh.example.com/auth/auth-a, signed by CN=Catalyst Services CA',
  );
  assert.match(denied, /^PKI_IDENTITY_DENIED \(HTTP 403\): Identity denied: spiffe:/);
});
