import { types } from 'node:util';
import { invalidArgument, unreadable } from './errors.js';
import { LONG, atMost, copyOf } from './limits.js';

/** Certificates as the addon takes them: PEM, or DER that nobody else has in hand. */
export type Parts = (string | Uint8Array)[];

/** The core takes ten certificates, and says so of more. */
const MOST_PARTS = 16;

/** Makes one array of what may be one part. */
export function partsOf(chain: unknown): Parts {
  let parts: (string | Uint8Array | undefined)[];
  try {
    const list = Array.isArray(chain) ? (chain as unknown[]) : [chain];
    const count = Math.min(list.length, MOST_PARTS);
    parts = Array.from({ length: count }, (_, at) => partOf('chain', list[at]));
  } catch (cause) {
    throw unreadable(cause);
  }
  return parts.map((part) => {
    if (part !== undefined) return part;
    throw invalidArgument(
      'chain: it must be PEM as a string, DER as a Uint8Array, or an array of them',
    );
  });
}

/** A certificate: PEM or DER. */
export function certificateOf(certificate: unknown): string | Uint8Array {
  const part = partOf('certificate', certificate);
  if (part !== undefined) return part;
  throw invalidArgument('certificate: it must be PEM as a string, or DER as a Uint8Array');
}

function partOf(name: string, part: unknown): string | Uint8Array | undefined {
  if (typeof part === 'string') {
    if (part.length > LONG)
      throw invalidArgument(`${name}: ${atMost(LONG, 'characters')} in one part`);
    return part;
  }
  if (!types.isUint8Array(part)) return undefined;
  const copy = copyOf(part, LONG);
  if (copy === undefined) throw invalidArgument(`${name}: ${atMost(LONG, 'bytes')} in one part`);
  return copy;
}
