// The package as its users have it, beside the tools that they use it with.
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { addonName, hostTarget } from '../scripts/targets.mjs';
import { folder, repository } from './helpers.mjs';

/** Test runners and bundlers; tests/setup.sh installs them. */
export const tools = join(repository, 'bindings-node/test/ecosystem/node_modules');

/** A place for programs, with Zod, as a package manager hoists it. */
export function workspace() {
  const place = folder();
  cpSync(join(repository, 'node_modules/zod'), join(place, 'node_modules/zod'), {
    recursive: true,
  });
  return place;
}

/**
 * Gives a program in a workspace the package.
 *
 * @param {string} program the program's folder
 * @param {object} [options]
 * @param {boolean} [options.linked] as a link to another folder of the workspace
 * @param {string[]} [options.with] the tools that it has too
 */
export function install(program, { linked = false, with: others = [] } = {}) {
  const modules = join(program, 'node_modules');
  const installed = join(modules, '@catalyst/pki');
  const real = linked ? join(dirname(program), 'packages/pki') : installed;
  mkdirSync(dirname(installed), { recursive: true });
  for (const part of ['dist', 'package.json', addonName(hostTarget())]) {
    cpSync(join(repository, 'bindings-node', part), join(real, part), { recursive: true });
  }
  if (linked) symlinkSync(real, installed);
  for (const tool of others) symlinkSync(join(tools, tool), join(modules, tool));
}
