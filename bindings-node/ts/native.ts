import { readFileSync } from 'node:fs';
import { targetFor } from './platform.js';
import { TARGETS, requireAddon } from './targets.js';

/** The addon, as it describes itself. */
export type Native = typeof import('../native.js');

/** The addon for this machine. Loading it opens nothing and starts no thread. */
export const native: Native = load(targetFor(process.platform, process.arch, mapped()));

function mapped(): string {
  try {
    return process.platform === 'linux' ? readFileSync('/proc/self/maps', 'latin1') : '';
  } catch {
    return '';
  }
}

function load(target: string): Native {
  const fromSource = 'build it from source: npm run build in bindings-node (needs Rust)';
  if (!TARGETS.includes(target)) {
    throw new Error(
      `@catalyst/pki has no native addon for ${target}. It has one for ${TARGETS.join(', ')}. ` +
        `On another platform ${fromSource}.`,
    );
  }
  const failures: unknown[] = [];
  const addon = requireAddon(target, failures);
  if (addon !== undefined) return addon as Native;
  const name = `@catalyst/pki-${target}`;
  // That there is none built here says nothing, unless there is one and it doesn't load.
  const broken = failures.find((failure) => !isMissing(failure));
  const problem =
    broken !== undefined
      ? (whyBroken(broken) ?? `${said(broken)}. Or ${fromSource}`)
      : `the package ${name} is not installed. It is an optional dependency of @catalyst/pki, which ` +
        `a package manager leaves out with --omit=optional (--no-optional), and where the lock file ` +
        `or node_modules was made on another platform. Install without that option; or remove both ` +
        `and install again; or install for this platform by --os, --cpu and --libc. Or ${fromSource}`;
  throw new Error(`@catalyst/pki could not load its native addon ${name}: ${problem}.`, {
    cause: broken ?? failures.at(-1),
  });
}

/** What to do where it isn't the addon's fault. */
function whyBroken(failure: unknown): string | undefined {
  const { code } = failure as { code?: unknown };
  if (code === 'ERR_DLOPEN_DISABLED') {
    return (
      `${said(failure)}. Start the process without --no-addons; one with --permission needs ` +
      `--allow-addons too`
    );
  }
  // The folders, on Unix and Windows, in which a program of `bun build --compile` has what it takes
  // along.
  if (/\$bunfs|~BUN/.test(said(failure))) {
    return (
      `${said(failure)}. This program writes it to its temporary folder and loads it from there, ` +
      `which failed: set TMPDIR to a folder that exists and that it may write to`
    );
  }
  return undefined;
}

function said(failure: unknown): string {
  return String(failure).replace(/\.$/, '');
}

function isMissing(failure: unknown): boolean {
  const { code, message } = failure as { code?: unknown; message?: unknown };
  // The second is what Bun puts in place of a `require` that finds nothing when it bundles.
  return code === 'MODULE_NOT_FOUND' || String(message).startsWith('Cannot require module ');
}
