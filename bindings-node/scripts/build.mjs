// Builds the package: addon, its types, the TypeScript face in both module formats.
//
//   node scripts/build.mjs           build
//   node scripts/build.mjs --check   build nothing that is tracked: fail where it would change
//   node scripts/build.mjs --addon linux-arm64-musl
//                                    the addon alone, for one of the targets; Linux's by cargo-zigbuild
//
// CATALYST_PROFILE names cargo's profile, `release` where it is not set. With CATALYST_BUILT=1 cargo
// has built the addon already, as the Makefile does.
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import prettier from 'prettier';
import { codesSource, typeSources, wordsSource } from './core-types.mjs';
import { nativeTypes } from './native-types.mjs';
import { publicTypes } from './public-types.mjs';
import { addonName, hostTarget, loaderSource, targetOf } from './targets.mjs';

const [option, value] = process.argv.slice(2);
const check = option === '--check';
const profile = process.env.CATALYST_PROFILE ?? 'release';
const here = join(dirname(fileURLToPath(import.meta.url)), '..');
const workspace = join(here, '..');
const require = createRequire(import.meta.url);

if (option === '--addon') {
  const target = targetOf(value);
  buildAddon(target, crossBuild(target));
} else {
  buildAddon(hostTarget(), { command: ['build'], folder: profile });
  generated('native.d.ts', nativeTypes(readFileSync(typeDefinitions(), 'utf8')));
  const native = require(join(here, addonName(hostTarget())));
  generated('ts/codes.ts', await formatted(codesSource(native)));
  generated('ts/words.ts', await formatted(wordsSource(native)));
  const { answers, requests } = typeSources([join(workspace, 'core/src'), join(here, 'src')]);
  generated('ts/answers.ts', await formatted(answers));
  generated('ts/requests.ts', await formatted(requests));
  generated('ts/targets.ts', await formatted(loaderSource()));
  buildFace();
  const { declarations, problems } = publicTypes(here);
  if (problems.length > 0) {
    console.error(`The public types:\n${problems.join('\n')}`);
    if (check) process.exitCode = 1;
  }
  generated('index.d.ts', await formatted(declarations));
}

function buildAddon(target, { command, folder, env }) {
  if (process.env.CATALYST_BUILT !== '1') {
    // Cargo knows nothing of this file, which comes with compiling.
    if (!existsSync(typeDefinitions()))
      utimesSync(join(here, 'src/lib.rs'), new Date(), new Date());
    execFileSync(
      'cargo',
      [...command, '--profile', profile, '--locked', '--package', 'catalyst-pki-node'],
      { cwd: workspace, env: { ...process.env, ...env }, stdio: 'inherit' },
    );
  }
  const built = process.env.CARGO_TARGET_DIR ?? join(workspace, 'target');
  const addon = join(here, addonName(target));
  // Under another name first: a process may have the old one mapped.
  copyFileSync(join(built, folder, target.library), `${addon}.new`);
  renameSync(`${addon}.new`, addon);
}

/** How an addon is built that shall run elsewhere than here. */
function crossBuild({ triple, zig }) {
  return {
    command: [zig === undefined ? 'build' : 'zigbuild', '--target', `${triple}${zig ?? ''}`],
    folder: join(triple, profile),
    // musl is linked statically where nobody says otherwise, and an addon can't be.
    env: triple.endsWith('-musl') && { RUSTFLAGS: '-C target-feature=-crt-static' },
  };
}

/** What napi-derive writes while it compiles, as .cargo/config.toml says: a line of JSON an export. */
function typeDefinitions() {
  return join(workspace, 'target', 'napi-types', 'catalyst-pki-node');
}

function buildFace() {
  const dist = join(here, 'dist');
  rmSync(dist, { recursive: true, force: true });
  const tsc = require.resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', here], { stdio: 'inherit' });
  // One implementation for both formats, so that no process has two `PkiError`s. Where a test runner
  // takes them for sources of the program and not for a package (vitest, in a workspace), it gives the
  // importer what is assigned to `module.exports`, and nothing of what tsc defines on `exports`.
  const names = Object.keys(require(join(dist, 'index.js'))).filter(
    (name) => name !== '__esModule',
  );
  writeFileSync(join(dist, 'index.cjs'), "module.exports = require('./index.js');\n");
  writeFileSync(
    join(dist, 'index.mjs'),
    `import pki from './index.cjs';\nexport const {\n${names.map((name) => `  ${name},\n`).join('')}} = pki;\n`,
  );
  writeFileSync(join(dist, 'index.d.mts'), "export * from '../index.js';\n");
}

async function formatted(source) {
  const style = await prettier.resolveConfig(join(here, 'index.d.ts'));
  return prettier.format(source, { ...style, parser: 'typescript' });
}

function generated(name, content) {
  const path = join(here, name);
  let before;
  try {
    before = readFileSync(path, 'utf8');
  } catch {
    before = undefined;
  }
  if (before === content) return;
  if (check) throw new Error(`${name} is out of date: run npm run build and commit it`);
  writeFileSync(path, content);
}
