import type { z } from 'zod';
import { invalidArgument } from './errors.js';

type Inputs = typeof import('./inputs.js');

/** How many of the things that are wrong are said. */
const MOST_REASONS = 5;

let inputs: Inputs | undefined;

/** The schemas, loaded when the first one is needed: Zod takes longer to load than all of this package. */
export function schemas(): Inputs {
  try {
    inputs ??= require('./inputs.js') as Inputs;
  } catch (cause) {
    throw new Error('@catalyst/pki needs zod 4 beside it: npm install zod', { cause });
  }
  return inputs;
}

/**
 * What the schema that `pick` chooses makes of `value`.
 *
 * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` that says which field is wrong, with the
 * `ZodError` as its `cause`; also when looking at the value throws.
 */
export function parse<S extends z.ZodType>(
  pick: (schemas: Inputs) => S,
  value: unknown,
): z.output<S> {
  const schema = pick(schemas());
  let result: z.ZodSafeParseResult<z.output<S>>;
  try {
    result = schema.safeParse(value);
  } catch (cause) {
    throw invalidArgument(`it can't be read: ${String(cause)}`, cause);
  }
  if (result.success) return result.data;
  const { issues } = result.error;
  const reasons = issues
    .slice(0, MOST_REASONS)
    .map(({ path, message }) =>
      path.length > 0 ? `${path.map(String).join('.')}: ${message}` : message,
    );
  if (issues.length > MOST_REASONS) reasons.push(`and ${issues.length - MOST_REASONS} more`);
  throw invalidArgument(reasons.join('; '), result.error);
}
