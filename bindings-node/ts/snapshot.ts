// What callers give, read once. A getter or a proxy may say something else each time, and a list may be
// changed after the call: so what is read here is what is validated and used, and the caller's object
// is never asked again.
//
// And without what every object inherits. Zod and the addon read a field that an object inherits like
// one of its own: in a program in which somebody has given `Object.prototype` a field named like an
// option, that option would be set in every call.

import { isObject } from './limits.js';

/** What is read of a value: the fields of an object, the elements of an array. */
export interface Shape {
  readonly fields?: ReadonlyMap<string, Shape> | undefined;
  /** That of each element of an array. */
  readonly element?: Shape | undefined;
}

/** How many elements a list may have: far more than one has any use for. */
export const MANY = 1_000;
/** Of the fields that nobody asks for so many are kept, to be named in an error. */
const MOST_UNKNOWN = 3;

/** An object with these fields and no others; the plain objects in them likewise. */
export function withoutPrototype<T extends object>(fields: T): T {
  const record = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of Object.entries(fields)) {
    record[name] = isPlain(value) ? withoutPrototype(value) : (value as unknown);
  }
  return record as T;
}

/** Every field of `T`, also one that need not be given: none is forgotten. */
export type AllOf<T> = { [K in keyof T]-?: T[K] | undefined };

/** The same without the fields that are undefined, as the addon takes options. */
export function given<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const all = Object.entries(fields).filter(([, value]) => value !== undefined);
  return withoutPrototype(Object.fromEntries(all)) as never;
}

/**
 * A copy of an object or an array, and of those in it, as far as `shape` goes; anything else as it is.
 * Of an object it has the fields that are asked for, as far as they are its own or its class's, and some
 * of the others by name; of a list one element more than it may have: a schema refuses either.
 */
export function snapshotOf(value: unknown, { fields, element }: Shape): unknown {
  if (Array.isArray(value)) {
    if (element === undefined) return value;
    const list = value as unknown[];
    return Array.from({ length: lengthOf(list, MANY) }, (_, at) => snapshotOf(list[at], element));
  }
  if (fields === undefined || !isObject(value)) return value;
  // Those of bytes are numbers, and many.
  return ArrayBuffer.isView(value) ? [] : fieldsOf(value, fields);
}

/** How many elements of a list are to be read: all, or one more than `most`. It is asked once. */
export function lengthOf(list: readonly unknown[], most: number): number {
  const length = Number(list.length);
  return length >= 0 && length <= most ? length : most + 1;
}

/** Whether a value is an object like `{}`, and no `Date`, array, key or instance of some class. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Its `Object.prototype` may be that of another realm: a test runner gives each file one of its own.
  return (
    prototype === null ||
    prototype === Object.prototype ||
    Object.hasOwn(prototype as object, 'isPrototypeOf')
  );
}

function fieldsOf(value: object, fields: ReadonlyMap<string, Shape>): unknown {
  const copy = Object.create(null) as Record<string, unknown>;
  const given = value as Record<string, unknown>;
  for (const [name, shape] of fields) {
    const isItsOwn = Object.hasOwn(value, name) || (!isPlain(value) && !(name in Object.prototype));
    if (isItsOwn && name in value) copy[name] = snapshotOf(given[name], shape);
  }
  let unknown = 0;
  for (const name of Object.keys(value)) {
    if (fields.has(name)) continue;
    copy[name] = undefined;
    if (++unknown === MOST_UNKNOWN) break;
  }
  return copy;
}
