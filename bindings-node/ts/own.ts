// Objects without what every object inherits. Zod and the addon read a field that an object inherits
// like one of its own: in a program in which somebody has given `Object.prototype` a field named like
// an option, that option would be set in every call.

/** The fields that are asked of an object, each with those that are asked of its own value. */
export interface Fields extends ReadonlyMap<string, Fields | undefined> {}

/** An object with these fields and no others. */
export function bare<T extends object>(fields: T): T {
  return Object.assign(Object.create(null) as object, fields) as T;
}

/**
 * Of a plain object, and of those in its fields, a copy with the fields that are asked for, as far as
 * they are its own; anything else as it is. What else it has, however much that is, is not looked at.
 */
export function own(value: unknown, fields: Fields | undefined): unknown {
  if (fields === undefined || !isPlain(value)) return value;
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [name, inner] of fields) {
    if (Object.hasOwn(value, name)) copy[name] = own(value[name], inner);
  }
  return copy;
}

/** A field that an object has itself, or from its class: not one that every object has. */
export function fieldOf(object: object, name: string): unknown {
  if (name in Object.prototype) {
    let owner: unknown = object;
    while (typeof owner === 'object' && owner !== null && !Object.hasOwn(owner, name)) {
      owner = Object.getPrototypeOf(owner) as unknown;
    }
    if (owner === null || isObjectPrototype(owner)) return undefined;
  }
  return (object as Record<string, unknown>)[name];
}

/** Whether a value is an object like `{}`, and no `Date`, array, key or instance of some class. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || isObjectPrototype(prototype);
}

/** Whether it is `Object.prototype`, of any realm: a test runner gives each file one of its own. */
function isObjectPrototype(value: unknown): boolean {
  return value === Object.prototype || Object.hasOwn(value as object, 'isPrototypeOf');
}
