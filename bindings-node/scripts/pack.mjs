// Makes what is published: a package of JavaScript and types, and one package a platform with the
// addon alone, which npm, Bun and others install where `os`, `cpu` and `libc` fit.
//
//   node scripts/pack.mjs          the packages whose addon is here, in target/npm
//   node scripts/pack.mjs --all    fails where the addon of a target is missing
//
// The platform packages are optional dependencies of the main one. They get into its manifest here
// and not in the repository's, because they are in no registry before they are published, and
// `npm ci` demands from a lock file what it names.
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { TARGETS, addonName, packageName } from './targets.mjs';

const here = join(dirname(fileURLToPath(import.meta.url)), '..');
const workspace = join(here, '..');
const LICENCES = ['LICENSE-APACHE', 'LICENSE-MIT'];

/**
 * @param {string} out where folders and tarballs go; emptied
 * @returns {{ name: string, tarball: string }[]} the platforms' packages, then the main one: the
 * order to publish them in
 */
export function pack(out) {
  rmSync(out, { recursive: true, force: true });
  const manifest = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
  const packages = TARGETS.filter((target) => existsSync(join(here, addonName(target)))).map(
    (target) => platformPackage(out, manifest, target),
  );
  return [...packages, mainPackage(out, manifest)];
}

function mainPackage(out, manifest) {
  const { private: _, scripts: __, ...published } = manifest;
  const folder = join(out, 'pki');
  cpSync(join(here, 'dist'), join(folder, 'dist'), {
    recursive: true,
    // The types that are public are those of `index.d.ts`.
    filter: (path) => !path.endsWith('.d.ts'),
  });
  for (const file of ['README.md', 'index.d.ts'])
    copyFileSync(join(here, file), join(folder, file));
  return finish(out, folder, {
    ...published,
    files: ['dist', 'index.d.ts', ...LICENCES],
    optionalDependencies: Object.fromEntries(
      TARGETS.map((target) => [packageName(target), manifest.version]),
    ),
  });
}

function platformPackage(out, manifest, target) {
  const { version, license, engines } = manifest;
  const folder = join(out, `pki-${target.name}`);
  const addon = addonName(target);
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(here, addon), join(folder, addon));
  writeFileSync(
    join(folder, 'README.md'),
    `# ${packageName(target)}\n\nThe native addon of \`@catalyst/pki\` for ${target.name}, ` +
      'which installs it by itself where it fits.\n',
  );
  return finish(out, folder, {
    name: packageName(target),
    version,
    description: `The native addon of @catalyst/pki for ${target.name}`,
    license,
    os: [target.os],
    cpu: [target.cpu],
    ...(target.libc !== undefined && { libc: [target.libc] }),
    main: addon,
    files: [addon, ...LICENCES],
    engines,
  });
}

/** What all have, and the tarball. */
function finish(out, folder, manifest) {
  for (const file of LICENCES) copyFileSync(join(workspace, file), join(folder, file));
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify({ ...manifest, ...repository() }, null, 2)}\n`,
  );
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', out], {
      cwd: folder,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    }),
  );
  return { name: manifest.name, tarball: join(out, filename) };
}

/** Where it is published from; npm holds provenance against it. */
function repository() {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = process.env;
  if (!server || !name) return {};
  return { repository: { type: 'git', url: `git+${server}/${name}.git` } };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const missing = TARGETS.filter((target) => !existsSync(join(here, addonName(target))));
  if (process.argv.includes('--all') && missing.length > 0) {
    throw new Error(`there is no addon for ${missing.map(({ name }) => name).join(', ')}`);
  }
  for (const { tarball } of pack(join(workspace, 'target/npm'))) console.log(tarball);
}
