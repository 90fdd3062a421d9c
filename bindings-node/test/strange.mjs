// Values that no caller should hand over, and what must come of them.
import assert from 'node:assert/strict';
import { PkiError } from '@catalyst/pki';

/** What hostile code throws: a `RangeError`, so that it is told apart from what is allowed. */
export class Thrown extends RangeError {}

function fail() {
  throw new Thrown('by the caller’s own object');
}

/** A proxy of which every operation throws. */
function throwing(target) {
  return new Proxy(target, new Proxy({}, { get: () => fail }));
}

/** A proxy whose handler is gone. */
function revoked(target) {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function detached() {
  const bytes = new Uint8Array(64);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** A view that lies outside of its buffer, which has become smaller. */
function shrunk() {
  const buffer = new ArrayBuffer(64, { maxByteLength: 128 });
  const bytes = new Uint8Array(buffer, 32, 32);
  buffer.resize(8);
  return bytes;
}

function grown() {
  const buffer = new SharedArrayBuffer(64, { maxByteLength: 4096 });
  const bytes = new Uint8Array(buffer);
  buffer.grow(1000);
  return bytes;
}

function cyclic(value) {
  value[0] = value;
  return value;
}

const species = {
  get() {
    throw new Thrown('species');
  },
};
class ArrayOfOthers extends Array {}
Object.defineProperty(ArrayOfOthers, Symbol.species, species);
class BytesOfOthers extends Uint8Array {}
Object.defineProperty(BytesOfOthers, Symbol.species, species);

const fields = ['csr', 'csrPem', 'anchors', 'dns', 'provider', 'trustDomain', 'identities', 'type'];
const getters = (get) =>
  Object.defineProperties(
    {},
    Object.fromEntries(fields.map((f) => [f, { get, enumerable: true }])),
  );

/** By name. Large ones are made once and shared; nobody may change them. */
export const strange = {
  undefined: undefined,
  null: null,
  true: true,
  zero: 0,
  'minus zero': -0,
  NaN: NaN,
  Infinity: Infinity,
  'minus one': -1,
  'a fraction': 0.5,
  'beyond integers': 2 ** 53,
  bigint: 1n,
  'a long bigint': 1n << 4000n,
  'no text': '',
  x: 'x',
  NUL: 'a\0b',
  'a lone surrogate': '\ud800',
  'lone surrogates': 'a\udc00b\ud800'.repeat(100),
  emoji: '💥'.repeat(1000),
  'a byte order mark': '\ufeffx',
  '5 MB': 'x'.repeat(5_000_000),
  '24 MB in two-byte characters': 'ä→'.repeat(6_000_000),
  'a rope': Array.from({ length: 1000 }).reduce((text) => text + 'y'.repeat(1000), ''),
  symbol: Symbol('s'),
  'a well-known symbol': Symbol.iterator,
  function: () => {},
  class: class {},
  'a throwing function': fail,
  'no elements': [],
  nested: [[]],
  'an array with itself in it': cyclic([]),
  sparse: [, 'x', , ,], // eslint-disable-line no-sparse-arrays
  holes: new Array(50),
  'the longest array': new Array(2 ** 32 - 1),
  'a million strings': new Array(1_000_000).fill('x'),
  'a million byte arrays': new Array(1_000_000).fill(new Uint8Array(1)),
  'an array with methods of its own': Object.assign(['x'], {
    slice: fail,
    map: fail,
    [Symbol.iterator]: fail,
    toJSON: fail,
  }),
  'an array of others': ArrayOfOthers.from(['x', 'y']),
  'nearly an array': { length: 3, 0: 'x' },
  object: {},
  'an object without prototype': Object.create(null),
  'an object with itself in it': cyclic({}),
  'an object with __proto__': JSON.parse(
    '{"__proto__": {"csr": "x"}, "constructor": 1, "toString": 2}',
  ),
  'a frozen object': Object.freeze({ csr: 'x' }),
  getters: getters(fail),
  'getters that throw nothing': getters(() => {
    throw undefined;
  }),
  'getters that throw what can’t be read': getters(() => {
    throw { toString: fail, [Symbol.toPrimitive]: fail };
  }),
  'getters that throw a proxy': getters(() => {
    throw throwing({});
  }),
  conversions: { [Symbol.toPrimitive]: fail, toString: fail, valueOf: fail, toJSON: fail },
  'a proxy': throwing({}),
  'a proxy of an array': throwing([]),
  'a proxy of a function': throwing(() => {}),
  'a proxy of bytes': throwing(new Uint8Array(4)),
  'a proxy of a date': throwing(new Date()),
  'an honest proxy of bytes': new Proxy(new Uint8Array(4), {}),
  'a revoked proxy': revoked({}),
  'a revoked proxy of an array': revoked([]),
  'a revoked proxy of a function': revoked(() => {}),
  'no date': new Date(NaN),
  'a date that throws': Object.assign(new Date(), { getTime: fail }),
  'a date that lies': Object.assign(new Date(), { getTime: () => ({}) }),
  'no bytes': new Uint8Array(),
  'a megabyte': new Uint8Array(1_000_000),
  'bytes that throw': Object.assign(new Uint8Array(4), { subarray: fail, slice: fail }),
  'bytes of others': new BytesOfOthers(5),
  'bytes that are none': Object.create(Uint8Array.prototype),
  detached: detached(),
  shrunk: shrunk(),
  'resizable bytes': new Uint8Array(new ArrayBuffer(64, { maxByteLength: 128 })),
  'shared bytes': new Uint8Array(new SharedArrayBuffer(64)),
  'grown bytes': grown(),
  floats: new Float64Array(4),
  'a view': new DataView(new ArrayBuffer(4)),
  'a buffer': new ArrayBuffer(4),
  'a shared buffer': new SharedArrayBuffer(4),
  map: new Map(),
  'a weak map': new WeakMap(),
  regexp: /x/g,
  'a string object': new String('x'),
  'a promise': Promise.resolve(1),
  'a thenable': { then: (resolve) => resolve('x') },
  'the global object': globalThis,
};

/** No call has a reason to take longer, on a slow machine either: it hangs. */
const HANGS_MS = 20_000;

/** Runs `action`; what it throws must be what this package says that it throws, short and no defect. */
export async function survives(name, action) {
  const begin = performance.now();
  try {
    await action();
  } catch (error) {
    assert.ok(
      error instanceof PkiError || error instanceof TypeError,
      `${name}: ${describe(error)}`,
    );
    assert.notEqual(error.code, 'PKI_INTERNAL', `${name}: ${error.message}`);
    assert.ok(error.message.length < 2_000, `${name}: a message of ${error.message.length}`);
  }
  const took = performance.now() - begin;
  assert.ok(took < HANGS_MS, `${name}: ${took} ms`);
}

/** Calls with one strange value in each place of otherwise good arguments. */
export async function survivesArguments(name, call, good = [undefined]) {
  for (let at = 0; at < good.length; at++) {
    for (const [what, value] of Object.entries(strange)) {
      await survives(`${name}, argument ${at}: ${what}`, () => call(...good.with(at, value)));
    }
  }
}

function describe(error) {
  try {
    return error?.stack ?? String(error);
  } catch {
    return 'what can’t be read';
  }
}
