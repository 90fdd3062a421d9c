// One passphrase, however it comes: by value, by variable, by file. The line ends and the byte order
// mark that `echo` and editors add are no part of it.
//
//   bun passphrase.ts
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CertificateManager,
  NativeSigningBackend,
  PkiError,
  SqliteCertificateStore,
} from '@catalyst/pki';

const folder = await mkdtemp(join(tmpdir(), 'passphrase-'));
const database = join(folder, 'certs.db');
const file = join(folder, 'passphrase');

async function open(how: string, options?: { passphrase: string }) {
  try {
    const store = new SqliteCertificateStore(database, options);
    const ca = new CertificateManager(store, new NativeSigningBackend());
    await ca.initialize();
    await ca.shutdown();
    console.log(`${how}: it opens`);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    console.log(`${how}: ${error.code}`);
  }
}

// #region passphrase
// By value. The first one encrypts the keys of the CA, the others must be the same one.
await open('by value', { passphrase: 'correct horse battery staple' });

// By variable, as `export …="$(cat file)"` of a file from Windows gives it.
process.env.CATALYST_PKI_KEY_PASSPHRASE = 'correct horse battery staple\r\n';
await open('by variable, with a line end');
delete process.env.CATALYST_PKI_KEY_PASSPHRASE;

// By file, as an editor saves it.
process.env.CATALYST_PKI_KEY_PASSPHRASE_FILE = file;
await writeFile(file, '\ufeffcorrect horse battery staple\n', { mode: 0o600 });
await open('by file, with a byte order mark');

// A second line is no part of a passphrase, and is not passed over.
await writeFile(file, 'correct horse battery staple\n# of the CA in Berlin\n');
await open('by file, with a second line');

// Blanks count.
await open('by value, with a blank', { passphrase: 'correct horse battery staple ' });
// #endregion

await rm(folder, { recursive: true });
