// Long answers: whole, in order, and never much of them read at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SqliteCertificateStore } from '@catalyst/pki';
import { failsWith, newManager, newSvid, TRUST_DOMAIN } from './helpers.mjs';

const SPIFFE_ID = `spiffe://${TRUST_DOMAIN}/node/a`;
const MANY = 1_500;

const manager = await newManager();
const store = manager.getStore();
const { certificatePem } = await newSvid(manager, 'node', 'b');
const records = Array.from({ length: MANY }, (_, age) => ({
  serial: `serial-${age}`,
  fingerprint: `fingerprint-${age}`,
  type: 'end-entity',
  commonName: 'a',
  spiffeId: SPIFFE_ID,
  certificatePem,
  privateKeyPem: null,
  issuerSerial: 'issuer',
  notBefore: 0,
  notAfter: Date.now() + 3_600_000 + age,
  status: 'active',
  createdAt: 1_000_000 - age,
}));
await Promise.all(records.map((record) => store.saveEndEntityCertificate(record)));
const names = Array.from({ length: MANY }, (_, at) => `spiffe://${TRUST_DOMAIN}/node/d-${at}`);
await Promise.all(names.map((name) => store.denyIdentity(name, `because of ${name}`)));

/** The answer of a call, and how long the longest text is that has been read for it. */
async function reading(call) {
  const { parse } = JSON;
  let longest = 0;
  JSON.parse = (text, ...others) => {
    longest = Math.max(longest, text.length);
    return parse(text, ...others);
  };
  try {
    return { answer: await call(), longest };
  } finally {
    JSON.parse = parse;
  }
}

/** A piece is 32 KiB and an element; two of them, or one that is longer. */
const LONGEST = 80 * 1024;

test('the certificates of an identity', async () => {
  const { answer, longest } = await reading(() => store.findBySpiffeId(SPIFFE_ID));
  assert.deepEqual(answer, records);
  assert.ok(longest < LONGEST, `${longest} at once`);
});

test('all active certificates', async () => {
  const { answer, longest } = await reading(() => store.listActiveCertificates());
  assert.deepEqual(
    answer.filter(({ spiffeId }) => spiffeId === SPIFFE_ID),
    records,
  );
  assert.ok(longest < LONGEST, `${longest} at once`);
});

for (const [whose, of] of [
  ['a store', store],
  ['a manager', manager],
]) {
  test(`the deny list of ${whose}`, async () => {
    const { answer, longest } = await reading(() => of.listDeniedIdentities());
    assert.deepEqual(answer.map(({ spiffeId }) => spiffeId).sort(), names.toSorted());
    for (const { spiffeId, reason } of answer) assert.equal(reason, `because of ${spiffeId}`);
    const times = answer.map(({ deniedAt }) => deniedAt);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => b - a),
    );
    assert.ok(longest < LONGEST, `${longest} at once`);
  });
}

test('many long answers at once, and short ones among them', async () => {
  const { answer, longest } = await reading(() =>
    Promise.all(
      Array.from({ length: 24 }, (_, at) =>
        [
          () => store.findBySpiffeId(SPIFFE_ID),
          () => store.isDenied(names[at]),
          () => store.listDeniedIdentities(),
          () => failsWith('PKI_INVALID_SPIFFE_ID', store.denyIdentity('x', 'y')),
        ][at % 4](),
      ),
    ),
  );
  assert.ok(longest < LONGEST, `${longest} at once`);
  for (const [at, one] of answer.entries()) {
    if (at % 4 === 0) assert.deepEqual(one, records);
    if (at % 4 === 1) assert.equal(one, true);
    if (at % 4 === 2) assert.equal(one.length, MANY);
  }
});

test('the certificates of one who is denied', async () => {
  const { answer, longest } = await reading(() => manager.denyIdentity(SPIFFE_ID, 'stolen'));
  assert.deepEqual(Object.keys(answer), ['expiringCerts']);
  assert.deepEqual(
    answer.expiringCerts.map(({ serial }) => serial),
    records.map(({ serial }) => serial),
  );
  assert.ok(longest < LONGEST, `${longest} at once`);
  await manager.allowIdentity(SPIFFE_ID);
});

test('empty lists are lists', async () => {
  const empty = new SqliteCertificateStore();
  assert.deepEqual(await empty.findBySpiffeId(SPIFFE_ID), []);
  assert.deepEqual(await empty.listDeniedIdentities(), []);
  assert.deepEqual(await empty.loadAllCaCertificates('root-ca'), []);
  const other = await newManager();
  assert.deepEqual(await other.denyIdentity(SPIFFE_ID, 'x'), { expiringCerts: [] });
});
