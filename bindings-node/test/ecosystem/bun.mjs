import { afterEach, jest, test } from 'bun:test';
import * as pki from '@catalyst/pki';
import everything from './everything.cjs';

afterEach(() => jest.useRealTimers());

test('in Bun', () => everything(pki));

test('with fake timers', async () => {
  jest.useFakeTimers();
  await everything(pki);
});
