const everything = require('./everything.cjs');
const pki = require('@catalyst/pki');

afterEach(() => jest.useRealTimers());

test('in jest', () => everything(pki));

for (const legacyFakeTimers of [false, true]) {
  test(`with fake timers${legacyFakeTimers ? ', the older ones' : ''}`, async () => {
    jest.useFakeTimers({ legacyFakeTimers });
    await everything(pki);
    expect(jest.getTimerCount()).toBe(0);
  });
}

test('loaded when timers are fake', async () => {
  jest.useFakeTimers();
  jest.resetModules();
  await everything(require('@catalyst/pki'));
});
