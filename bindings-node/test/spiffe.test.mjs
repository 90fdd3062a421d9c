import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildSpiffeId, isValidSpiffeId, parseSpiffeId } from '@catalyst/pki';
import { failsWith, repository } from './helpers.mjs';

const TYPES = ['orchestrator', 'auth', 'node', 'gateway', 'envoy/app', 'envoy/transport'];

test('an ID is built and taken apart', () => {
  for (const serviceType of TYPES) {
    for (const instanceId of ['a', 'node-a.example.com', 'region/az-1/inst']) {
      const uri = buildSpiffeId('td.example', serviceType, instanceId);
      assert.equal(uri, `spiffe://td.example/${serviceType}/${instanceId}`);
      assert.deepEqual(parseSpiffeId(uri), {
        uri,
        trustDomain: 'td.example',
        serviceType,
        instanceId,
      });
      assert.equal(isValidSpiffeId(uri), true);
    }
  }
});

test('errors hold the words that callers match', async () => {
  for (const [uri, words] of [
    ['', 'must start with spiffe://'],
    ['https://td.example/node/a', 'must start with spiffe://'],
    ['spiffe://td.example', 'missing path component'],
    ['spiffe:///node/a', 'empty trust domain'],
    ['spiffe://td.example/node', 'missing instance ID'],
    ['spiffe://td.example/database/a', 'unknown service type'],
    ['spiffe://td.example/envoy/x/a', 'unknown service type'],
    ['spiffe://td.example/node/', 'empty instance ID'],
  ]) {
    const error = await failsWith('PKI_INVALID_SPIFFE_ID', () => parseSpiffeId(uri));
    assert.ok(error.message.includes(words), `${uri}: ${error.message}`);
    assert.equal(isValidSpiffeId(uri), false);
  }
  for (const [parts, words] of [
    [['', 'node', 'a'], 'Trust domain must not be empty'],
    [['td.example', 'node', ''], 'Instance ID must not be empty'],
    [['td.example', 'database', 'a'], 'Invalid service type'],
  ]) {
    const error = await failsWith('PKI_INVALID_SPIFFE_ID', () => buildSpiffeId(...parts));
    assert.ok(error.message.includes(words), error.message);
  }
});

/** Made from the standard itself; what it calls valid may still be none of our IDs. */
test('the vectors of the standard', () => {
  const vectors = JSON.parse(
    readFileSync(join(repository, 'tests/vectors/spiffe-ids.json'), 'utf8'),
  );
  assert.ok(vectors.length > 90);
  for (const { id, valid, path } of vectors) {
    const ours = valid && TYPES.some((type) => path.startsWith(`/${type}/`));
    assert.equal(isValidSpiffeId(id), ours, id);
  }
});
