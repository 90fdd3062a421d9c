/**
 * Which target's addon a process takes.
 *
 * @param platform `process.platform`
 * @param arch `process.arch`
 * @param maps what is mapped into the process, as `/proc/self/maps` of Linux writes it
 */
export function targetFor(platform: string, arch: string, maps: string): string {
  switch (platform) {
    case 'linux':
      return `linux-${arch}-${isMusl(maps) ? 'musl' : 'gnu'}`;
    case 'win32':
      return `win32-${arch}-msvc`;
    default:
      return `${platform}-${arch}`;
  }
}

/**
 * Whether the C library is musl. An addon for the other one loads into no process, or crashes it.
 *
 * What this very process was started with is the only sign that is right everywhere: a machine may
 * have both, and programs for both. musl's loader and library are one file, `libc.so`, which some
 * distributions name after the loader, `ld-musl-x86_64.so.1`. That of glibc is `libc.so.6`, before
 * glibc 2.34 `libc-2.31.so`.
 */
function isMusl(maps: string): boolean {
  return /\/(?:ld-musl-[^/\n]+|libc)\.so(?:\.1)?$/m.test(maps);
}
