// Keys in our types are the global ones, whatever types a program has for Web Crypto.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { isBun, repository } from './helpers.mjs';

const only = { skip: isBun && 'the compiler says the same in every runtime' };
const ts = createRequire(import.meta.url)('typescript');
const ecosystem = join(repository, 'bindings-node/test/ecosystem/node_modules');

const PROGRAM = `
  import { NativeSigningBackend, type SignCertificateParams } from '@catalyst/pki';
  const { subtle } = globalThis.crypto;
  type GlobalKey = Parameters<typeof subtle.exportKey>[1];

  export async function give(backend: NativeSigningBackend, rest: SignCertificateParams) {
    const pair = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign']);
    await backend.exportPrivateKeyPem(pair.privateKey);
    await backend.exportPublicKeyPem(pair.publicKey);
    const { publicKey: subjectPublicKey, privateKey: signingKey } = pair;
    await backend.signCertificate({ ...rest, subjectPublicKey, signingKey });
  }

  export async function take(backend: NativeSigningBackend) {
    let pair = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign']);
    pair = await backend.generateKeyPair();
    const key: GlobalKey = await backend.importPrivateKeyPem('');
    await subtle.sign('ECDSA', key, new Uint8Array());
    return subtle.exportKey('spki', pair.publicKey);
  }

  // @ts-expect-error it is no key
  export const wrong = (backend: NativeSigningBackend) => backend.exportPrivateKeyPem('');
`;
/** Where there is a global of that name too. */
const NAMED = `
  import type { NativeSigningBackend } from '@catalyst/pki';
  export const named = async (backend: NativeSigningBackend): Promise<CryptoKey> =>
    (await backend.generateKeyPair()).privateKey;
`;

const sources = new Map();

/** What the compiler says of files with these contents. */
function complaints(files, { nodeTypes, ...options }) {
  const all = {
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    paths: { '@catalyst/pki': [join(repository, 'bindings-node/index.d.ts')] },
    ...options,
  };
  const host = ts.createCompilerHost(all);
  // Libraries refer to it too.
  host.resolveTypeReferenceDirectiveReferences = (references, from, _, how) =>
    references.map((one) => {
      const name = typeof one === 'string' ? one : one.fileName;
      const meant = name === 'node' && nodeTypes !== undefined ? nodeTypes : name;
      return ts.resolveTypeReferenceDirective(meant, from ?? '', how, host);
    });
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => path in files || fileExists(path);
  host.getSourceFile = (path, ...how) => {
    if (path in files) return ts.createSourceFile(path, files[path], all.target);
    // Those of libraries are many and the same each time.
    if (!sources.has(path)) sources.set(path, getSourceFile(path, ...how));
    return sources.get(path);
  };
  const program = ts.createProgram(Object.keys(files), all, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ messageText, file }) =>
        `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
}

const lib = { alone: ['lib.es2023.d.ts'], dom: ['lib.es2023.d.ts', 'lib.dom.d.ts'] };
const ofNode = (version) => ({
  typeRoots: [join(ecosystem, '@types')],
  types: ['node'],
  nodeTypes: join(ecosystem, `@types/node${version}`),
});
const environments = {
  'the DOM': { lib: lib.dom, types: [] },
  Bun: { lib: lib.alone, typeRoots: [join(repository, 'node_modules')], types: ['bun-types'] },
  'Bun and the DOM': {
    lib: lib.dom,
    typeRoots: [join(repository, 'node_modules')],
    types: ['bun-types'],
  },
};
for (const version of [20, 22, 24, 26]) {
  environments[`Node ${version}`] = { lib: lib.alone, ...ofNode(version) };
  environments[`Node ${version} and the DOM`] = { lib: lib.dom, ...ofNode(version) };
}

for (const [name, options] of Object.entries(environments)) {
  test(`with the types of ${name}`, only, () => {
    const files = { [join(repository, 'program.ts')]: PROGRAM };
    const namesKey = !/^Node 2[024]$/.test(name);
    if (namesKey) files[join(repository, 'named.ts')] = NAMED;
    assert.deepEqual(complaints(files, options), []);
  });
}
