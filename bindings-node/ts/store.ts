import { call, callForList, callForPage, theMailbox } from './calls.js';
import { calling, invalidArgument } from './errors.js';
import { NOT_WELL_FORMED, clip, isObject, jsonOf } from './limits.js';
import { native } from './native.js';
import { given } from './snapshot.js';
import type {
  BackupResult,
  CaCertificateType,
  CertificateCount,
  CertificateRecord,
  DenyListEntry,
  ICertificateStore,
  StoreOptions,
} from './types.js';
import { parse } from './validate.js';

type NativeStore = InstanceType<typeof native.Store>;

// A private field tells what is ours apart without asking the object, which may be a proxy.
let storeOf: (store: object) => NativeStore | undefined;

/**
 * Certificates in an SQLite database. The file is opened, or made with mode 0600, at the first call
 * that needs it, be it a manager's; so a path that can't be opened shows there.
 *
 * Private keys in a file are encrypted with the passphrase that is given here, else with that of
 * `CATALYST_PKI_KEY_PASSPHRASE` or `CATALYST_PKI_KEY_PASSPHRASE_FILE`, else with one that is made
 * beside it as `<path>.key`, for development.
 *
 * A {@link CertificateManager} keeps its records here by itself. The methods are for programs that
 * look at them, and for those that keep records of their own: what is written reads back equal. All
 * of them work off the event loop and fail with a {@link PkiError}: `PKI_STORE_UNAVAILABLE`,
 * `PKI_WRONG_PASSPHRASE`, `PKI_KEY_FILE_UNSAFE` and `PKI_STORE_TOO_NEW` from any,
 * `PKI_INVALID_ARGUMENT` for a value of another type, a text of over 64 KiB or one that has half of a surrogate pair in it.
 *
 * @example
 * ```ts
 * const store = new SqliteCertificateStore('certs.db');
 * const ca = await store.loadCaCertificate('services-ca');
 * console.log(ca && `${ca.commonName} until ${new Date(ca.notAfter).toISOString()}`);
 * ```
 */
export class SqliteCertificateStore implements ICertificateStore {
  readonly #native: NativeStore;

  static {
    storeOf = (store) => (#native in store ? store.#native : undefined);
  }

  /**
   * @param path the database file; `:memory:` for one that is gone with the process
   * @param options how the file is kept; in memory they do nothing
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT`, also for a passphrase or a variable that is
   * empty, has a second line or a NUL byte, and for a path that is empty, has a NUL byte or half of a
   * surrogate pair
   *
   * @example
   * ```ts
   * const passphrase = await readFile('/run/secrets/pki', 'utf8');
   * const kept = new SqliteCertificateStore('certs.db', { passphrase });
   * ```
   */
  constructor(path: string = ':memory:', options?: StoreOptions) {
    const file = path === ':memory:' ? undefined : pathOf(path, 'the path of a file, or :memory:');
    // What has no options needs no schema.
    const kept = options !== undefined ? parse((all) => all.StoreOptionsSchema, options) : {};
    const variables = file !== undefined && {
      passphrase: process.env.CATALYST_PKI_KEY_PASSPHRASE,
      file: process.env.CATALYST_PKI_KEY_PASSPHRASE_FILE,
    };
    this.#native = calling(
      () => new native.Store(theMailbox(), file, given(kept), given({ ...variables })),
    );
  }

  /**
   * Stores a CA certificate. An active one takes the place of the active one of its type, which
   * becomes `superseded`; one of the same serial is replaced. A manager of this store takes it for a
   * part of its hierarchy, so what would make that unusable is refused: the root comes first, and an
   * active or pending intermediate is one that the active root has signed. A private key is PKCS#8 or
   * SEC1.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` for the record of a leaf, for a certificate that
   * is no CA's on P-384, has ended, is not what the record says of it, or doesn't fit the others;
   * `PKI_INVALID_KEY` for a key that can't be read or isn't the certificate's;
   * `PKI_DUPLICATE_RECORD` when another certificate has its serial or fingerprint
   *
   * @example
   * ```ts
   * await store.saveCaCertificate({ ...record, type: 'services-ca', spiffeId: null });
   * ```
   */
  async saveCaCertificate(record: CertificateRecord): Promise<void> {
    const saved = recordOf(record);
    await call((number) => this.#native.saveCa(number, saved));
  }

  /**
   * The active CA certificate of a type; `null` where there is none.
   *
   * @example
   * ```ts
   * const ca = await store.loadCaCertificate('services-ca');
   * console.log(ca === null ? 'there is no CA yet' : ca.certificatePem);
   * ```
   */
  async loadCaCertificate(type: CaCertificateType): Promise<CertificateRecord | null> {
    const kind = parse((schemas) => schemas.CaTypeSchema, type);
    return await call((number) => this.#native.activeCa(number, kind));
  }

  /**
   * The active and the superseded CA certificates of a type, newest first.
   *
   * @example
   * ```ts
   * const cas = await store.loadAllCaCertificates('services-ca');
   * const ca = cas.map(({ certificatePem }) => certificatePem).join('');
   * ```
   */
  async loadAllCaCertificates(type: CaCertificateType): Promise<CertificateRecord[]> {
    const kind = parse((schemas) => schemas.CaTypeSchema, type);
    return await callForList((number) => this.#native.publishedCas(number, kind));
  }

  /**
   * Stores the certificate of a workload, whatever the deny list says.
   *
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` for the record of a CA; `PKI_DUPLICATE_RECORD`
   * when its serial or fingerprint is there already
   *
   * @example
   * ```ts
   * await store.saveEndEntityCertificate({
   *   serial: '4f2a',
   *   fingerprint,
   *   type: 'end-entity',
   *   commonName: 'node-b.example.com',
   *   spiffeId: 'spiffe://mesh.example.com/node/node-b.example.com',
   *   certificatePem,
   *   privateKeyPem: null,
   *   issuerSerial: null,
   *   notBefore: Date.now(),
   *   notAfter: Date.now() + 3_600_000,
   *   status: 'active',
   *   createdAt: Date.now(),
   * });
   * ```
   */
  async saveEndEntityCertificate(record: CertificateRecord): Promise<void> {
    const saved = recordOf(record);
    await call((number) => this.#native.saveLeaf(number, saved));
  }

  /**
   * The certificate of a serial number, spelt as in its record: hex in lower case. `null` where there is none.
   *
   * @example
   * ```ts
   * const record = await store.findBySerial(svid.serial);
   * ```
   */
  async findBySerial(serial: string): Promise<CertificateRecord | null> {
    const text = textOf(serial);
    return await call((number) => this.#native.findBySerial(number, text));
  }

  /**
   * The certificate of a fingerprint: SHA-256 of the DER, base64url without padding. `null` where there is none.
   *
   * @example
   * ```ts
   * const record = await store.findByFingerprint(svid.fingerprint);
   * ```
   */
  async findByFingerprint(fingerprint: string): Promise<CertificateRecord | null> {
    const text = textOf(fingerprint);
    return await call((number) => this.#native.findByFingerprint(number, text));
  }

  /**
   * The active, unexpired certificates of an identity, newest first.
   *
   * @example
   * ```ts
   * const [newest] = await store.findBySpiffeId(
   *   'spiffe://mesh.example.com/node/node-b.example.com',
   * );
   * ```
   */
  async findBySpiffeId(spiffeId: string): Promise<CertificateRecord[]> {
    const text = textOf(spiffeId);
    return await callForList((number) => this.#native.findBySpiffeId(number, text));
  }

  /**
   * The active, unexpired certificates of workloads, newest first. It reads them a hundred at a
   * time: one that is stored meanwhile is not among them. One that can't be read hides no other: it
   * is named in a process warning (`PkiWarning`).
   *
   * @example
   * ```ts
   * for (const { spiffeId, notAfter } of await store.listActiveCertificates()) {
   *   console.log(`${spiffeId} until ${new Date(notAfter).toISOString()}`);
   * }
   * ```
   */
  async listActiveCertificates(): Promise<CertificateRecord[]> {
    const active: CertificateRecord[] = [];
    let cursor: string | undefined;
    do {
      const page = await callForPage<CertificateRecord, [string | null, string[]]>((number) =>
        this.#native.activeLeaves(number, cursor),
      );
      active.push(...page.list);
      const [next, unreadable] = page.rest;
      for (const warning of unreadable) process.emitWarning(warning, 'PkiWarning');
      cursor = next ?? undefined;
    } while (cursor !== undefined);
    return active;
  }

  /**
   * Marks an active certificate superseded, that of a CA too; nothing where there is none.
   *
   * @example
   * ```ts
   * await store.markSuperseded(svid.serial);
   * ```
   */
  async markSuperseded(serial: string): Promise<void> {
    const text = textOf(serial);
    await call((number) => this.#native.supersede(number, text));
  }

  /**
   * Denies an identity: managers of this store issue nothing for it from now on. Denying again
   * changes the reason. {@link CertificateManager.denyIdentity} also answers which certificates are
   * left, and refuses an ID that could not be issued.
   *
   * @param reason why, 1 to 1024 bytes, none of them NUL
   * @throws {@link PkiError} `PKI_INVALID_SPIFFE_ID`, `PKI_INVALID_ARGUMENT`
   *
   * @example
   * ```ts
   * await store.denyIdentity('spiffe://mesh.example.com/node/node-b.example.com', 'lost');
   * ```
   */
  async denyIdentity(spiffeId: string, reason: string): Promise<void> {
    const [id, why] = [textOf(spiffeId), textOf(reason)];
    await call((number) => this.#native.deny(number, id, why));
  }

  /**
   * Takes an identity off the deny list; nothing where it isn't on it.
   *
   * @example
   * ```ts
   * await store.allowIdentity('spiffe://mesh.example.com/node/node-b.example.com');
   * ```
   */
  async allowIdentity(spiffeId: string): Promise<void> {
    const text = textOf(spiffeId);
    await call((number) => this.#native.allow(number, text));
  }

  /**
   * Whether an identity is on the deny list.
   *
   * @example
   * ```ts
   * const denied = await store.isDenied('spiffe://mesh.example.com/node/node-b.example.com');
   * ```
   */
  async isDenied(spiffeId: string): Promise<boolean> {
    const text = textOf(spiffeId);
    return await call((number) => this.#native.isDenied(number, text));
  }

  /**
   * The deny list, newest first.
   *
   * @example
   * ```ts
   * const denied = (await store.listDeniedIdentities()).map(({ spiffeId }) => spiffeId);
   * ```
   */
  async listDeniedIdentities(): Promise<DenyListEntry[]> {
    return await callForList((number) => this.#native.deniedIdentities(number));
  }

  /**
   * Deletes the end-entity certificates that expired before a moment; CA certificates never.
   *
   * @param cutoffMs that moment, in milliseconds since the epoch
   * @returns how many
   *
   * @example
   * ```ts
   * const purged = await store.purgeExpired(Date.now() - 7 * 86_400_000);
   * ```
   */
  async purgeExpired(cutoffMs: number): Promise<number> {
    const before = parse((schemas) => schemas.MillisecondsSchema, cutoffMs);
    return await call((number) => this.#native.purgeExpired(number, before));
  }

  /**
   * How many certificates there are of each type and status, whether expired or not. It looks at
   * all of them: for people, not for each request.
   *
   * @example
   * ```ts
   * for (const { type, status, count } of await store.countCertificates()) {
   *   console.log(`${count} ${status} of type ${type}`);
   * }
   * ```
   */
  async countCertificates(): Promise<CertificateCount[]> {
    return await call((number) => this.#native.census(number));
  }

  /**
   * Writes a copy of the store as it is now to a new file, while others read and write. Copies of the
   * file made by other means lack what is in its log, and take the store's locks away.
   *
   * @param path the new file, made with mode 0600
   * @returns what it is, and what else is needed to use it
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` where there is something at the path already, or
   * for a store in memory
   *
   * @example
   * ```ts
   * const { bytes, notice } = await store.backup(`certs-${Date.now()}.db`);
   * console.log(`${bytes} bytes. ${notice}`);
   * ```
   */
  async backup(path: string): Promise<BackupResult> {
    const to = pathOf(path);
    return await call((number) => this.#native.backup(number, to));
  }

  /**
   * Puts a backup in the place of all that the store holds; managers of the store go on with it, also
   * in other processes. Denied identities and revoked CAs stay so: no trust comes back that was
   * taken away since the backup.
   *
   * @param path a file that {@link SqliteCertificateStore.backup} has written
   * @throws {@link PkiError} `PKI_INVALID_ARGUMENT` where there is no backup at the path, or for a store
   * in memory; `PKI_WRONG_PASSPHRASE` for a backup with other keys; `PKI_STORE_TOO_NEW` for one of a
   * later release. The store stays as it was then
   *
   * @example
   * ```ts
   * await store.restore('certs-1764000000000.db');
   * ```
   */
  async restore(path: string): Promise<void> {
    const from = pathOf(path);
    await call((number) => this.#native.restore(number, from));
  }

  /**
   * Closes the file as soon as no manager uses it any more, one that has been shut down not
   * counting. A later call opens it again. A store in memory stays as it is.
   *
   * @example
   * ```ts
   * await store.close();
   * ```
   */
  async close(): Promise<void> {
    await call((number) => this.#native.close(number));
  }
}

function pathOf(value: string, expected = 'the path of a file'): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw invalidArgument(`path: it must be ${expected}`);
  }
  if (!value.isWellFormed()) throw invalidArgument(`path: ${NOT_WELL_FORMED}`);
  return value;
}

function textOf(value: string): string {
  return clip(parse((schemas) => schemas.TextSchema, value));
}

function recordOf(record: CertificateRecord): string {
  return jsonOf(parse((schemas) => schemas.CertificateRecordSchema, record));
}

/** The addon's half of a store. */
export function nativeStore(store: unknown): NativeStore {
  const ours = isObject(store) ? storeOf(store) : undefined;
  if (ours !== undefined) return ours;
  throw invalidArgument(
    'store: it must be a SqliteCertificateStore; stores written in JavaScript are not supported, ' +
      'because certificates are signed and recorded in one step off the event loop',
  );
}
