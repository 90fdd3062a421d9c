import { calling, invalidArgument } from './errors.js';
import { native } from './native.js';

type NativeStore = InstanceType<typeof native.StoreHandle>;
type NativeKeyBackend = InstanceType<typeof native.KeyBackendHandle>;

let storeOf: (store: SqliteCertificateStore) => NativeStore;
let backendOf: (backend: NativeSigningBackend) => NativeKeyBackend;

/**
 * Certificates in an SQLite database. The file is opened, or made with mode 0600, when a manager
 * first works on it; so a path that can't be opened shows at that call.
 *
 * CA keys in a file are encrypted with the passphrase of `CATALYST_PKI_KEY_PASSPHRASE` or
 * `CATALYST_PKI_KEY_PASSPHRASE_FILE`, else with one that is made beside it as `<path>.key`, for
 * development.
 */
export class SqliteCertificateStore {
  readonly #native: NativeStore;

  static {
    storeOf = (store) => store.#native;
  }

  /** @param path the database file; `:memory:` for one that is gone with the process */
  constructor(path: string = ':memory:') {
    if (typeof path !== 'string' || path === '' || path.includes('\0')) {
      throw invalidArgument('path: it must be the path of a file, or :memory:');
    }
    const { CATALYST_PKI_KEY_PASSPHRASE: passphrase, CATALYST_PKI_KEY_PASSPHRASE_FILE: file } =
      process.env;
    this.#native = calling(() =>
      path === ':memory:'
        ? new native.StoreHandle()
        : new native.StoreHandle(path, passphrase, file),
    );
  }
}

/** CA keys in this process's memory, wiped when they go; encrypted in the store. */
export class NativeSigningBackend {
  readonly #native: NativeKeyBackend = calling(() => new native.KeyBackendHandle());

  static {
    backendOf = (backend) => backend.#native;
  }
}

/** The addon's half of a store. */
export function nativeStore(store: unknown): NativeStore {
  if (store instanceof SqliteCertificateStore) return storeOf(store);
  throw invalidArgument(
    'store: it must be a SqliteCertificateStore; stores written in JavaScript are not supported, ' +
      'because certificates are signed and recorded in one step off the event loop',
  );
}

/** The addon's half of a key backend. */
export function nativeBackend(backend: unknown): NativeKeyBackend {
  if (backend instanceof NativeSigningBackend) return backendOf(backend);
  throw invalidArgument(
    'backend: it must be a NativeSigningBackend; backends written in JavaScript are not supported',
  );
}
