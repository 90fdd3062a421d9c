/** Longer than anything but a list that the core accepts. */
const LONG = 64 * 1024;

/**
 * A text to be handed to the addon, which copies it on the event loop's thread. Of one that is far
 * longer than what the core accepts it gets as much as it needs to refuse it.
 *
 * @throws TypeError if it is no string
 */
export function clip(text: string): string {
  if (typeof text !== 'string') throw new TypeError(`a string is expected, not ${typeof text}`);
  return text.length > LONG ? text.slice(0, LONG) : text;
}

/**
 * The bytes as they are now, `most` at most: memory that is shared with a Worker, or a buffer that is
 * resized, must not change under the addon's hands.
 */
export function copyOf(bytes: Uint8Array, most = Infinity): Uint8Array {
  const length = Math.min(bytes.byteLength, most);
  return new Uint8Array(new Uint8Array(bytes.buffer, bytes.byteOffset, length));
}

/** Whether a value is an object; asks it nothing. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
