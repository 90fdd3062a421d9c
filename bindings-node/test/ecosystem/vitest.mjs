import { createRequire } from 'node:module';
import { afterEach, expect, test, vi } from 'vitest';
import * as pki from '@catalyst/pki';
import everything from './everything.cjs';

afterEach(() => vi.useRealTimers());

test('in vitest', () => everything(pki));

test('with fake timers', async () => {
  vi.useFakeTimers();
  await everything(pki);
  expect(vi.getTimerCount()).toBe(0);
});

test('one package, whichever way it is loaded', () => {
  expect(createRequire(import.meta.url)('@catalyst/pki').PkiError).toBe(pki.PkiError);
});
