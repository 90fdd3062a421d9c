import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { z } from 'zod';
import {
  AllowIdentityRequestSchema,
  AwsKmsPkiConfigSchema,
  buildSpiffeId,
  CertificateManager,
  DenyIdentityRequestSchema,
  GCloudKmsPkiConfigSchema,
  LocalPkiConfigSchema,
  PkiConfigSchema,
  PkiProviderConfigSchema,
  SignCSRRequestSchema,
} from '@catalyst/pki';
import { failsWith } from './helpers.mjs';

const { native } = createRequire(import.meta.url)('../dist/native.js');

test('the defaults are those of the core', () => {
  const { provider, autoRenew, ...rest } = PkiConfigSchema.parse({});
  assert.deepEqual(rest, native.defaultConfig());
  assert.deepEqual(rest, {
    trustDomain: 'catalyst.example.com',
    svidTtlSeconds: 3600,
    maxSvidTtlSeconds: 86400,
  });
  assert.deepEqual(provider, { type: 'local', persistent: true, certsDb: 'certs.db' });
  assert.equal(autoRenew, true);
  assert.deepEqual(LocalPkiConfigSchema.parse({ type: 'local' }), provider);
});

test('the ranges are those of the core', async () => {
  const newManager = (options) =>
    new native.Manager(
      new native.Mailbox(() => {}),
      new native.StoreHandle(),
      new native.KeyBackendHandle(),
      options,
    );
  for (const name of ['svidTtlSeconds', 'maxSvidTtlSeconds']) {
    for (const seconds of [60, 61, 86_399, 86_400]) {
      PkiConfigSchema.parse({ [name]: seconds });
      const manager = CertificateManager.ephemeral({ [name]: seconds });
      await manager.initialize();
    }
    for (const seconds of [59, 86_401, 60.5, NaN, '60']) {
      assert.throws(() => PkiConfigSchema.parse({ [name]: seconds }), z.ZodError);
      await failsWith(
        'PKI_INVALID_ARGUMENT',
        () => CertificateManager.ephemeral({ [name]: seconds }),
        new RegExp(name),
      );
    }
    newManager({ [name]: 60 });
    assert.throws(() => newManager({ [name]: -1 }), /PKI_INVALID_ARGUMENT/);
  }
});

test('the service types are those of the core', () => {
  for (const type of SignCSRRequestSchema.shape.serviceType.options) {
    buildSpiffeId('a.b', type, 'c');
  }
  const request = { csr: 'x', nodeId: 'a', serviceType: 'database' };
  assert.throws(() => SignCSRRequestSchema.parse(request), /Invalid service type/);
});

test('requests', () => {
  const request = { csrPem: 'x', serviceType: 'node', instanceId: 'a' };
  assert.deepEqual(SignCSRRequestSchema.parse(request), request);
  for (const wrong of [
    { csrPem: '' },
    { csrPem: undefined },
    { ttlSeconds: 0 },
    { instanceId: 1 },
  ]) {
    assert.throws(() => SignCSRRequestSchema.parse({ ...request, ...wrong }), z.ZodError);
  }
  DenyIdentityRequestSchema.parse({ spiffeId: 'x', reason: 'y' });
  assert.throws(() => DenyIdentityRequestSchema.parse({ spiffeId: 'x' }), z.ZodError);
  AllowIdentityRequestSchema.parse({ spiffeId: 'x' });
});

test('providers', async () => {
  const gcloud = {
    type: 'gcloud-kms',
    projectId: 'p',
    keyRingId: 'k',
    rootKeyId: 'r',
    servicesCaKeyId: 's',
    transportCaKeyId: 't',
    certsDb: 'x.db',
  };
  const aws = {
    type: 'aws-kms',
    region: 'eu-central-1',
    rootKeyArn: 'r',
    servicesCaKeyArn: 's',
    transportCaKeyArn: 't',
    certsDb: 'x.db',
  };
  assert.equal(GCloudKmsPkiConfigSchema.parse(gcloud).locationId, 'global');
  assert.deepEqual(AwsKmsPkiConfigSchema.parse(aws), aws);
  for (const provider of [gcloud, aws, { type: 'pkcs11', module: '/usr/lib/x.so' }]) {
    assert.equal(PkiProviderConfigSchema.parse(provider).type, provider.type);
    const error = await failsWith('PKI_PROVIDER_NOT_IMPLEMENTED', () =>
      CertificateManager.fromConfig({ provider }),
    );
    assert.equal(error.message, `PKI provider '${provider.type}' is not yet implemented`);
  }
  await failsWith('PKI_INVALID_ARGUMENT', () =>
    CertificateManager.fromConfig({ provider: { type: 'vault' } }),
  );
});
