import type { PkiErrorCode } from './codes.js';
import { native } from './native.js';

/**
 * What every function of this package throws or rejects with when it fails.
 *
 * `message` says in words what is wrong and what to do; programs look at `code`.
 *
 * @example
 * ```ts
 * try {
 *   await manager.signCSR(request);
 * } catch (error) {
 *   if (error instanceof PkiError && error.code === 'PKI_IDENTITY_DENIED') return;
 *   throw error;
 * }
 * ```
 */
export class PkiError extends Error {
  /** `PkiError` */
  override readonly name = 'PkiError';
  /** The stable code: `PKI_IDENTITY_DENIED`. */
  readonly code: PkiErrorCode;
  /** The status of an HTTP answer that carries this error: 403. */
  readonly status: number;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(failure.message, options);
    this.code = failure.code;
    this.status = failure.status;
  }
}

/** An error as the addon writes it. */
export interface Failure {
  code: PkiErrorCode;
  status: number;
  message: string;
}

/** Calls the addon; what it throws becomes what this package throws. */
export function calling<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw fromNative(error);
  }
}

/** `PKI_INVALID_ARGUMENT`, for what the addon never gets to see. */
export function invalidArgument(reason: string, cause?: unknown): PkiError {
  return made(() => native.throwInvalidArgument(reason), cause);
}

/** What this module has made. */
const ours = new WeakSet<PkiError>();

/**
 * `PKI_INVALID_ARGUMENT` for a value that throws when it is looked at: a getter, a proxy. An error of
 * ours that was thrown meanwhile is the answer itself.
 */
export function unreadable(cause: unknown): PkiError {
  // It may be anything, and is asked nothing.
  if (ours.has(cause as PkiError)) return cause as PkiError;
  let words = 'it throws';
  try {
    words = String(cause);
  } catch {
    // What it throws can't be read either.
  }
  return invalidArgument(`it can't be read: ${words.slice(0, 200)}`, cause);
}

/** `PKI_INVALID_KEY`, for a Web Crypto key or what should become one. */
export function invalidKey(reason: string, cause?: unknown): PkiError {
  return made(() => native.throwInvalidKey(reason), cause);
}

/** `PKI_PROVIDER_NOT_IMPLEMENTED`. */
export function providerNotImplemented(provider: string): PkiError {
  return made(() => native.throwProviderNotImplemented(provider));
}

/** `PKI_PERMISSION_DENIED`, where a caller's own function refuses. */
export function permissionDenied(): PkiError {
  return made(() => native.throwPermissionDenied());
}

/** What the addon throws on purpose, with the core's words. */
function made(fail: () => void, cause?: unknown): PkiError {
  try {
    fail();
  } catch (error) {
    return asPkiError(error, cause);
  }
  throw new Error('unreachable');
}

function fromNative(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof message !== 'string' || typeof code !== 'string') return error;
  // napi-rs's words for an argument of another type than the function takes. They may repeat the
  // whole value, which may be long or secret.
  if (code === 'InvalidArg' || code.endsWith('Expected')) {
    return new TypeError('an argument is of another type than the function takes');
  }
  return asPkiError(error);
}

function asPkiError(error: unknown, cause?: unknown): PkiError {
  const { message } = error as Error;
  const options = cause === undefined ? undefined : { cause };
  if (message.startsWith('{"code":"PKI_')) {
    const made = new PkiError(JSON.parse(message) as Failure, options);
    ours.add(made);
    return made;
  }
  // A panic in the code around an export, which no failure of ours describes.
  return new PkiError({ code: 'PKI_INTERNAL', status: 500, message }, { cause: error });
}
