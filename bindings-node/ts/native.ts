import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The addon, as it describes itself. */
export type Native = typeof import('../native.js');

/** What there is a prebuilt addon for; the names are those of the napi-rs platform packages. */
const TARGETS = [
  'linux-x64-gnu',
  'linux-x64-musl',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
];

/** The addon for this machine. Loading it opens nothing and starts no thread. */
export const native: Native = load(target(process.platform, process.arch));

function target(platform: string, arch: string): string {
  switch (platform) {
    case 'linux':
      return `linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`;
    case 'win32':
      return `win32-${arch}-msvc`;
    default:
      return `${platform}-${arch}`;
  }
}

/** Whether the C library is musl. An addon for the other one loads into no process, or crashes it. */
function isMusl(): boolean {
  try {
    // Which loader this very program was started with; no other sign is right in every container.
    return (
      !readFileSync('/proc/self/maps', 'latin1').includes('/libc.so.6') &&
      existsSync(`/lib/ld-musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`)
    );
  } catch {
    return false;
  }
}

function load(name: string): Native {
  if (!TARGETS.includes(name)) {
    throw new Error(
      `@catalyst/pki has no native addon for ${name}. It has one for ${TARGETS.join(', ')}. ` +
        'On another platform build it from source: npm run build in bindings-node (needs Rust).',
    );
  }
  // Built here, or installed as the package of this platform. Bun loads an addon by `require` only.
  const local = join(__dirname, '..', `catalyst-pki.${name}.node`);
  const installed = `@catalyst/pki-${name}`;
  const source = existsSync(local) ? local : installed;
  try {
    return require(source) as Native;
  } catch (cause) {
    throw new Error(
      `@catalyst/pki could not load its native addon ${source}: ${String(cause)}\n` +
        `Install it with the package (it is an optional dependency: no --omit=optional, and a lock ` +
        `file made on another platform must list ${installed}), or build it: npm run build in ` +
        'bindings-node (needs Rust).',
      { cause },
    );
  }
}
