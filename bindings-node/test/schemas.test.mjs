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
  SqliteCertificateStore,
} from '@catalyst/pki';
import { failsWith, runModule } from './helpers.mjs';

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
  const mailbox = new native.Mailbox(() => {});
  const store = new native.Store(mailbox, undefined, {}, {});
  const ofCore = (options) => new native.Manager(mailbox, store, options);
  for (const name of ['svidTtlSeconds', 'maxSvidTtlSeconds']) {
    for (const seconds of [60, 61, 86_399, 86_400]) {
      PkiConfigSchema.parse({ [name]: seconds });
      CertificateManager.ephemeral({ [name]: seconds });
      ofCore({ [name]: seconds });
    }
    for (const seconds of [59, 86_401, 60.5, NaN, -1]) {
      assert.throws(() => PkiConfigSchema.parse({ [name]: seconds }), z.ZodError);
      await failsWith(
        'PKI_INVALID_ARGUMENT',
        () => CertificateManager.ephemeral({ [name]: seconds }),
        new RegExp(name),
      );
      assert.throws(() => ofCore({ [name]: seconds }), new RegExp(`PKI_INVALID_ARGUMENT.*${name}`));
    }
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
  const spiffeId = 'spiffe://a.b/node/c';
  DenyIdentityRequestSchema.parse({ spiffeId, reason: 'y' });
  assert.throws(() => DenyIdentityRequestSchema.parse({ spiffeId }), z.ZodError);
  AllowIdentityRequestSchema.parse({ spiffeId });
  for (const schema of [DenyIdentityRequestSchema, AllowIdentityRequestSchema]) {
    const outcome = schema.safeParse({ spiffeId: 'a.b/node/c', reason: 'y' });
    assert.match(outcome.error.message, /must start with spiffe:\/\//);
  }
});

test('fields that are not known are refused, and the one that was meant named', async () => {
  const provider = { type: 'local', persistent: false };
  const kms = {
    type: 'aws-kms',
    region: 'r',
    rootKeyArn: 'r',
    servicesCaKeyArn: 's',
    transportCaKeyArn: 't',
  };
  for (const [schema, value, message] of [
    [
      PkiConfigSchema,
      { svidTTLSeconds: 60 },
      /unknown field "svidTTLSeconds"; did you mean svidTtlSeconds\?/,
    ],
    [
      LocalPkiConfigSchema,
      { ...provider, certsdb: 'x' },
      /unknown field "certsdb"; did you mean certsDb\?/,
    ],
    [AwsKmsPkiConfigSchema, { ...kms, rootKeyARN: 'x' }, /did you mean rootKeyArn\?/],
    [PkiConfigSchema, { cas: { rootName: 'x' } }, /unknown field "rootName"; /],
    [
      SignCSRRequestSchema,
      { csr: 'x', nodeId: 'a', serviceType: 'node', ttl: 60 },
      /unknown field "ttl"; known: /,
    ],
    [
      DenyIdentityRequestSchema,
      { spiffeId: 'spiffe://a.b/node/c', reason: 'x', reasons: 'y' },
      /did you mean reason\?/,
    ],
    [
      AllowIdentityRequestSchema,
      { spiffeId: 'spiffe://a.b/node/c', spiffeid: 'x' },
      /did you mean spiffeId\?/,
    ],
  ]) {
    const [issue] = schema.safeParse(value).error.issues;
    assert.equal(issue.code, 'unrecognized_keys');
    assert.match(issue.message, message);
  }
  const refused = (config, message) =>
    failsWith('PKI_INVALID_ARGUMENT', () => CertificateManager.fromConfig(config), message);
  await refused(
    { provider: { ...provider, certsdb: 'x.db' } },
    /: provider: unknown field "certsdb"; did you mean certsDb\?$/,
  );
  await refused(
    { provider, svidTTLSeconds: 60 },
    /: unknown field "svidTTLSeconds"; did you mean svidTtlSeconds\?$/,
  );
  await failsWith(
    'PKI_INVALID_ARGUMENT',
    () => CertificateManager.ephemeral({ provider }),
    /: unknown field "provider"; /,
  );
});

test('a passphrase that is undefined is refused: the environment is not asked instead', async () => {
  for (const options of [
    { passphrase: undefined },
    { pasphrase: 'x' },
    { passphrase: '' },
    { passphrase: null },
  ]) {
    await failsWith(
      'PKI_INVALID_ARGUMENT',
      () => new SqliteCertificateStore('never-made.db', options),
      /passphrase/,
    );
  }
  new SqliteCertificateStore('never-made.db', {});
});

test('schemas are loaded when somebody looks at one, and are schemas like any other', async () => {
  const source = (then) => `
    const { createRequire } = await import('node:module');
    const require = createRequire(process.cwd() + '/x.cjs');
    const { cache } = require;
    const loaded = () => Object.keys(cache).some((path) => /[\\\\/]zod[\\\\/]/.test(path));
    console.log('before', loaded());
    ${then};
    console.log('after', loaded());`;
  const load = (then) => runModule(source(then));
  for (const then of [
    'pki.LocalPkiConfigSchema.parse({ type: "local" })',
    'pki.CertificateManager.ephemeral()',
    '"type" in pki.LocalPkiConfigSchema.shape',
  ]) {
    const { stdout, stderr } = await load(then);
    assert.equal(stdout, 'before false\nafter true\n', stderr);
  }

  assert.ok(LocalPkiConfigSchema instanceof z.ZodObject);
  const both = z.object({
    config: PkiConfigSchema,
    local: LocalPkiConfigSchema.extend({ a: z.int() }),
  });
  const parsed = both.parse({ config: {}, local: { type: 'local', a: 1 } });
  assert.deepEqual(parsed.local, { type: 'local', persistent: true, certsDb: 'certs.db', a: 1 });
  assert.equal(parsed.config.svidTtlSeconds, 3600);
  const fields = ['type', 'persistent', 'certsDb', 'busyTimeoutMs'];
  assert.deepEqual(Object.keys(LocalPkiConfigSchema.shape), fields);
  assert.equal(z.toJSONSchema(DenyIdentityRequestSchema).required.length, 2);
  assert.ok(Object.keys(LocalPkiConfigSchema).includes('parse'));
  assert.equal(LocalPkiConfigSchema.optional().parse(undefined), undefined);
});

test('providers', async () => {
  const gcloud = {
    type: 'gcloud-kms',
    projectId: 'p',
    keyRingId: 'k',
    rootKeyId: 'r',
    servicesCaKeyId: 's',
    transportCaKeyId: 't',
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
  assert.equal(GCloudKmsPkiConfigSchema.parse(gcloud).certsDb, 'certs.db');
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
