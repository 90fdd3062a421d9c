import type { z } from 'zod';
import { invalidArgument, unreadable } from './errors.js';
import { isPlain, snapshotOf, withoutPrototype } from './snapshot.js';

type Inputs = typeof import('./inputs.js');

/** How many of the things that are wrong are said. */
const MOST_REASONS = 5;

let inputs: Inputs | undefined;

/** The schemas, loaded when the first one is needed: Zod takes longer to load than all of this package. */
export function schemas(): Inputs {
  try {
    inputs ??= require('./inputs.js') as Inputs;
  } catch (cause) {
    const message = '@catalyst/pki needs zod 4 beside it: npm install zod';
    // Zod 3, or a program that has changed what every object inherits: a value of the wrong type.
    if (cause instanceof TypeError) throw new TypeError(message, { cause });
    throw new Error(message, { cause });
  }
  return inputs;
}

/**
 * What the schema that `pick` chooses makes of `value`.
 *
 * @param name what the value is called, where the schema doesn't say it
 * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` that says which field is wrong, with the
 * `ZodError` as its `cause`; also when looking at the value throws.
 */
export function parse<S extends z.ZodType>(
  pick: (schemas: Inputs) => S,
  value: unknown,
  name?: string,
): z.output<S> {
  const all = schemas();
  const schema = pick(all);
  let result: z.ZodSafeParseResult<z.output<S>>;
  let reasons: string;
  try {
    result = schema.safeParse(snapshotOf(value, all.shapeOf(schema)));
    if (result.success) return isPlain(result.data) ? withoutPrototype(result.data) : result.data;
    // Zod looks at the value once more to say what it is.
    reasons = reasonsOf(result.error, name);
  } catch (cause) {
    throw unreadable(cause);
  }
  throw invalidArgument(reasons, result.error);
}

function reasonsOf({ issues }: z.ZodError, name?: string): string {
  // What is misspelt explains what is missing.
  const isUnknown = ({ code }: z.core.$ZodIssue) => code === 'unrecognized_keys';
  const sorted = [...issues.filter(isUnknown), ...issues.filter((issue) => !isUnknown(issue))];
  const reasons = sorted.slice(0, MOST_REASONS).map(({ path, message }) => {
    const names = [...(name === undefined ? [] : [name]), ...path.map(String)];
    return names.length > 0 ? `${names.join('.')}: ${message}` : message;
  });
  if (issues.length > MOST_REASONS) reasons.push(`and ${issues.length - MOST_REASONS} more`);
  return reasons.join('; ');
}
