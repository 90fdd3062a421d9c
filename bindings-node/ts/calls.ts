import timers from 'node:timers';
import { runInThisContext } from 'node:vm';
import { PkiError, calling, type Failure } from './errors.js';
import { native } from './native.js';

type Mailbox = InstanceType<typeof native.Mailbox>;

/** Whether a call went well, and its result or its failure. */
type Answer = [ok: boolean, value: unknown];

/** What comes beside the result of a call: the elements of a list, bytes. */
interface Beside {
  list?: unknown[];
  bytes?: Uint8Array;
}

interface Caller {
  readonly beside: Beside;
  answer(answer: Answer): void;
}

/**
 * How many answers are handed out in one turn of the event loop, fewer where they are long. What the
 * callers then do runs in the same turn, so few; a turn costs little.
 */
const ANSWERS_PER_TURN = 8;

/**
 * With more calls under way than this the addon doesn't wake the loop for each answer, which costs
 * more of its time than all the rest: the loop looks by itself, every millisecond.
 */
const MANY = 8;
const LOOK_AGAIN_MS = 1;

// Node's own, as they are when this is loaded: what a program's tests put in their place stands still
// (fake timers), or is none of Node's (jsdom).
const { clearInterval, setImmediate, setInterval, setTimeout } = timers;
/** For waiting without a timer. */
const nobodyNotifies = new Int32Array(new SharedArrayBuffer(4));

const callers = new Map<number, Caller>();
let lastCall = 0;
let alive: NodeJS.Timeout | undefined;

/**
 * What the addon calls is held as long as the process lives, and with it the realm that it was made
 * in; a test runner makes one for each file. So the addon gets a function of the process's own realm,
 * which holds ours no longer than others do, and gets it here, at the load, where no request or test
 * is under way whose `AsyncLocalStorage` would be held too.
 */
const weakly = runInThisContext(
  '(wake) => { const ours = new WeakRef(wake); return () => ours.deref()?.(); }',
) as (wake: () => void) => () => void;
const mailbox = calling(() => new native.Mailbox(weakly(handOut)));

/** Lets the event loop turn once. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** This JavaScript context's mailbox in the addon. */
export function theMailbox(): Mailbox {
  return mailbox;
}

/**
 * Starts work off the event loop and promises its result. `start` hands the call's number to the
 * addon, which answers under it.
 *
 * Who calls this must `await` it, also where nothing follows: the error is made when this goes on, and
 * its stack has those who await at that moment.
 */
export function call<T>(start: (call: number) => void): Promise<T> {
  return calls<T>(start, {});
}

/** The same for work whose result is a list. Its elements come over several turns of the loop. */
export async function callForList<T>(start: (call: number) => void): Promise<T[]> {
  return (await callForPage<T>(start)).list;
}

/** The same for one that has something beside its list. */
export async function callForPage<T, R = unknown>(
  start: (call: number) => void,
): Promise<{ list: T[]; rest: R }> {
  const list: T[] = [];
  return { rest: await calls<R>(start, { list }), list };
}

/** The same for one that has bytes beside its result. */
export async function callForBytes<T>(
  start: (call: number) => void,
): Promise<{ value: T; bytes: Uint8Array }> {
  const beside = { bytes: new Uint8Array() };
  return { value: await calls<T>(start, beside), bytes: beside.bytes };
}

async function calls<T>(start: (call: number) => void, beside: Beside): Promise<T> {
  const number = nextCall();
  calling(() => start(number));
  const [ok, value] = await new Promise<Answer>((answer) => {
    callers.set(number, { beside, answer });
    // The process doesn't end while somebody waits for an answer, nor is this context given up.
    alive ??= setInterval(handOut, 0x7fff_ffff);
  });
  if (!ok) throw new PkiError(value as Failure);
  return value as T;
}

function nextCall(): number {
  do {
    lastCall = (lastCall + 1) >>> 0;
  } while (callers.has(lastCall));
  return lastCall;
}

function handOut(): void {
  const busy = callers.size > MANY;
  const [more, ...answers] = JSON.parse(mailbox.take(ANSWERS_PER_TURN, busy)) as [
    boolean,
    ...[number, boolean | null, unknown, true?][],
  ];
  if (more) setImmediate(handOut);
  else if (busy && answers.length > 0) void lookAgain();
  for (const [number, ok, value, hasBytes] of answers) {
    const caller = callers.get(number);
    if (ok === null) {
      caller?.beside.list?.push(...(value as unknown[]));
      continue;
    }
    if (hasBytes && caller) caller.beside.bytes = mailbox.bytes(number);
    callers.delete(number);
    caller?.answer([ok, value]);
  }
  if (callers.size > 0) return;
  clearInterval(alive);
  alive = undefined;
}

async function lookAgain(): Promise<void> {
  // Bun's fake timers hold all of its own, and mark them as other fake ones are marked. Not always
  // so, because in Bun 1.2 what waits in this way waits for ever.
  if ('clock' in setTimeout) await Atomics.waitAsync(nobodyNotifies, 0, 0, LOOK_AGAIN_MS).value;
  else await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  handOut();
}
