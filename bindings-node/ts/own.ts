// Objects without what every object inherits. Zod and the addon read a field that an object inherits
// like one of its own: in a program in which somebody has given `Object.prototype` a field named like
// an option, that option would be set in every call.

/** An object with these fields and no others. */
export function bare<T extends object>(fields: T): T {
  return Object.assign(Object.create(null) as object, fields) as T;
}

/** A plain object, and those in its fields, with their own fields alone; anything else as it is. */
export function own(value: unknown): unknown {
  if (!isPlain(value)) return value;
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [name, field] of Object.entries(value)) copy[name] = own(field);
  return copy;
}

/** Whether a value is an object like `{}`, and no `Date`, array, key or instance of some class. */
export function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
