/** Longer than anything but a list that the core accepts. */
export const LONG = 64 * 1024;

/** How many entries a list of what is denied may have. */
export const MOST_DENIED = 100_000;

/**
 * A text to be handed to the addon, which copies it on the event loop's thread. Of one that is far
 * longer than what the core accepts it gets as much as it needs to refuse it.
 *
 * @throws TypeError if it is no string
 */
export function clip(text: string): string {
  if (typeof text !== 'string') throw new TypeError(`a string is expected, not ${typeof text}`);
  return text.length > LONG ? text.slice(0, LONG).toWellFormed() : text;
}

/** An object of texts and numbers as the addon reads it, its texts cut as {@link clip} does. */
export function jsonOf(fields: object): string {
  const isLong = (value: unknown) => typeof value === 'string' && value.length > LONG;
  // A function that looks at each field takes as long again as all the rest.
  const cut = (_: string, value: unknown) => (isLong(value) ? clip(value as string) : value);
  return JSON.stringify(fields, Object.values(fields).some(isLong) ? cut : undefined);
}

// What the bytes themselves say, whatever fields somebody has given to the object.
const lengthOfBytes = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  'byteLength',
)?.get as (this: Uint8Array) => number;

/**
 * The bytes as they are now: memory that is shared with a Worker, or a buffer that is resized, must
 * not change under the addon's hands. Nothing for more than `most`.
 */
export function copyOf(bytes: Uint8Array, most: number): Uint8Array | undefined {
  return lengthOfBytes.call(bytes) > most ? undefined : new Uint8Array(bytes);
}

/** The words for what is too long. */
export function atMost(
  most: number,
  what: 'elements' | 'entries' | 'characters' | 'bytes',
): string {
  return `at most ${most} ${what} are taken`;
}

/**
 * The words for a text that would be another one outside of JavaScript: half of a surrogate pair has no
 * encoding there, and another character would be put in its place.
 */
export const NOT_WELL_FORMED = 'it must be well-formed: there is half of a surrogate pair in it';

/** Whether a value is an object; asks it nothing. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
