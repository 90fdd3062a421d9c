// Publishes the packages that scripts/pack.mjs has made: the platforms' first, because the main one
// names them. What npm has in this version already is left alone, so that a release that broke off
// half-way can be run again.
//
//   node scripts/publish.mjs [FOLDER] [--dry-run]     those in FOLDER, or in target/npm
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packed = fileURLToPath(new URL('../../target/npm', import.meta.url));
const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith('--'));
const folder = args.find((arg) => !options.includes(arg)) ?? packed;

const packages = readdirSync(folder)
  .sort()
  .filter((file) => file.endsWith('.tgz'))
  .map((file) => ({ tarball: join(folder, file), ...manifestIn(join(folder, file)) }));
const isMain = ({ optionalDependencies }) => optionalDependencies !== undefined;
const main = packages.filter(isMain);
if (main.length !== 1) throw new Error(`${folder} holds ${main.length} main packages, not one`);
for (const name of Object.keys(main[0].optionalDependencies)) {
  if (!packages.some((each) => each.name === name)) throw new Error(`${folder} lacks ${name}`);
}

for (const { name, version, tarball } of [...packages.filter((each) => !isMain(each)), ...main]) {
  if (isPublished(name, version)) {
    console.log(`${name}@${version} is there already`);
  } else {
    npm(['publish', tarball, '--provenance', '--access', 'public', ...options], 'inherit');
    console.log(`${name}@${version} published${options.map((option) => ` ${option}`).join('')}`);
  }
}

function manifestIn(tarball) {
  const manifest = execFileSync('tar', ['-xzOf', tarball, 'package/package.json']);
  return JSON.parse(manifest.toString());
}

function isPublished(name, version) {
  let answer;
  try {
    answer = npm(['view', `${name}@${version}`, 'version', '--json']);
  } catch (failure) {
    // Whatever else went wrong says nothing of what is there.
    if (/"code":\s*"E404"/.test(String(failure.stdout))) return false;
    throw failure;
  }
  // An older npm has no error for a version that isn't there, and no answer.
  return answer.trim() !== '' && JSON.parse(answer) === version;
}

function npm(args, stdout = 'pipe') {
  const stdio = ['ignore', stdout, 'inherit'];
  return execFileSync('npm', args, { encoding: 'utf8', stdio });
}
