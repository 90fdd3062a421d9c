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
