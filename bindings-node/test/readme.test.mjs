import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertReadmeOutput, folder, readmeExample, repository, run } from './helpers.mjs';

test("the README's example does what it says", async () => {
  const place = folder();
  const entry = JSON.stringify(join(repository, 'bindings-node/dist/index.mjs'));
  writeFileSync(join(place, 'example.mjs'), readmeExample().replace("'@catalyst/pki'", entry));
  assertReadmeOutput(await run([join(place, 'example.mjs')], { cwd: place }));
});
