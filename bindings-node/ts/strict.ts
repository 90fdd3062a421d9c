import { z } from 'zod';
import { LONG, NOT_WELL_FORMED, atMost } from './limits.js';
import { MANY } from './snapshot.js';

/**
 * An object with these fields and no others: a misspelt option that is passed over would be another
 * policy, another file, another key than was meant.
 */
export function strict<S extends z.ZodRawShape>(shape: S) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? unknownFields(issue.keys as string[], known) : undefined,
  });
}

/**
 * A schema for each field of `T` that makes what `T` has there, and no other: a field that Rust gets
 * and no schema knows would be refused, or passed over.
 */
export type FieldsOf<T> = {
  [K in keyof T]-?: z.ZodType<Partial<Pick<T, K>> extends Pick<T, K> ? T[K] | undefined : T[K]>;
};

/** A text that means the same everywhere. */
export const text = z.string().refine((given) => given.isWellFormed(), { error: NOT_WELL_FORMED });
export const longText = text.max(LONG, { error: atMost(LONG, 'characters') });

/** An array, no longer than anybody has a use for. */
export const listOf = <S extends z.ZodType>(element: S) =>
  z.array(element).max(MANY, { error: atMost(MANY, 'elements') });

/** The words for fields that an object may not have. */
export function unknownFields(unknown: string[], known: readonly string[]): string {
  const quoted = unknown.map((name) => `"${name.slice(0, 64)}"`);
  const near = unknown.flatMap((name) => nearest(name, known) ?? []);
  const help =
    near.length > 0
      ? `did you mean ${[...new Set(near)].join(', ')}?`
      : `known: ${known.join(', ')}`;
  return `unknown field ${quoted.join(', ')}; ${help}`;
}

/** The known name that differs least from another one, unless all of it differs. */
function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > 64) return undefined;
  const byDistance = known
    .map((other) => ({ other, edits: edits(name.toLowerCase(), other.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const [best] = byDistance;
  return best !== undefined && best.edits <= Math.max(2, best.other.length / 3)
    ? best.other
    : undefined;
}

/** How many characters must be put in, left out or changed (Levenshtein). */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const changed = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
