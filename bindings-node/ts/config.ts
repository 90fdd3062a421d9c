// What the schemas of configurations take and give, as types that an editor can explain. The tests
// hold them against the schemas.

import type { ManagerOptions } from './requests.js';
export type { CaChoices } from './requests.js';
export type { NameConstraints } from './words.js';

/**
 * A configuration as callers write it: what {@link CertificateManager.fromConfig} takes. Everything
 * may be left out, which is good for a first try and for tests: the default trust domain is nobody's.
 *
 * A field of another type or out of its range is `PKI_INVALID_ARGUMENT` (in
 * {@link PkiConfigSchema} a `ZodError`).
 */
export interface PkiConfigInput extends ManagerOptions {
  /** Where the CA keeps its keys and certificates (default: `{ type: 'local' }`, a file `certs.db`). */
  provider?: PkiProviderConfigInput | undefined;
  /** Whether agents of this configuration renew by themselves (default true); a manager doesn't look at it. */
  autoRenew?: boolean | undefined;
}

/** A configuration with its defaults filled in: what {@link PkiConfigSchema} makes of a {@link PkiConfigInput}. */
export interface PkiConfig extends PkiConfigInput {
  /** As given; `{ type: 'local', persistent: true, certsDb: 'certs.db' }` if nothing was. */
  provider: PkiProviderConfig;
  /** As given; `catalyst.example.com` if nothing was. */
  trustDomain: string;
  /** As given; 3600 if nothing was. */
  svidTtlSeconds: number;
  /** As given; 86400 if nothing was. */
  maxSvidTtlSeconds: number;
  /** As given; true if nothing was. */
  autoRenew: boolean;
}

/**
 * Where keys and certificates are, as callers write it. `local` alone is there: with another
 * {@link CertificateManager.fromConfig} fails with `PKI_PROVIDER_NOT_IMPLEMENTED`.
 */
export type PkiProviderConfigInput =
  LocalPkiConfigInput | GCloudKmsPkiConfigInput | AwsKmsPkiConfigInput | Pkcs11PkiConfig;

/** The part of a configuration that says where keys and certificates are, with its defaults filled in. */
export type PkiProviderConfig =
  LocalPkiConfig | GCloudKmsPkiConfig | AwsKmsPkiConfig | Pkcs11PkiConfig;

/** Keys in this process, certificates in an SQLite database. */
export interface LocalPkiConfigInput {
  /** That it is this. */
  type: 'local';
  /** Whether the database is a file (default true); with false it is in memory, and gone with the manager. */
  persistent?: boolean | undefined;
  /**
   * The path of the file, not empty (default `certs.db` in the working folder). It is made where it
   * is not there; its folder must be, else calls fail with `PKI_STORE_UNAVAILABLE`.
   */
  certsDb?: string | undefined;
  /**
   * How long a call waits for others that write into the database, in whole milliseconds (default
   * 10000; 0: not at all). Then it fails with `PKI_STORE_UNAVAILABLE`, which is worth another try.
   */
  busyTimeoutMs?: number | undefined;
}

/** {@link LocalPkiConfigInput} with its defaults filled in. */
export interface LocalPkiConfig extends LocalPkiConfigInput {
  /** As given; true if nothing was. */
  persistent: boolean;
  /** As given; `certs.db` if nothing was. */
  certsDb: string;
}

/** Keys in Google Cloud KMS, certificates in an SQLite database. Not implemented. */
export interface GCloudKmsPkiConfigInput {
  /** That it is this. */
  type: 'gcloud-kms';
  /** The project. */
  projectId: string;
  /** Where the key ring is (default `global`). */
  locationId?: string | undefined;
  /** The key ring of the three keys. */
  keyRingId: string;
  /** The key of the root. */
  rootKeyId: string;
  /** The key of the Services CA. */
  servicesCaKeyId: string;
  /** The key of the Transport CA. */
  transportCaKeyId: string;
  /** The path of the database (default `certs.db`). */
  certsDb?: string | undefined;
}

/** {@link GCloudKmsPkiConfigInput} with its defaults filled in. */
export interface GCloudKmsPkiConfig extends GCloudKmsPkiConfigInput {
  /** As given; `global` if nothing was. */
  locationId: string;
  /** As given; `certs.db` if nothing was. */
  certsDb: string;
}

/** Keys in AWS KMS, certificates in an SQLite database. Not implemented. */
export interface AwsKmsPkiConfigInput {
  /** That it is this. */
  type: 'aws-kms';
  /** The region of the three keys. */
  region: string;
  /** The key of the root. */
  rootKeyArn: string;
  /** The key of the Services CA. */
  servicesCaKeyArn: string;
  /** The key of the Transport CA. */
  transportCaKeyArn: string;
  /** The path of the database (default `certs.db`). */
  certsDb?: string | undefined;
}

/** {@link AwsKmsPkiConfigInput} with its defaults filled in. */
export interface AwsKmsPkiConfig extends AwsKmsPkiConfigInput {
  /** As given; `certs.db` if nothing was. */
  certsDb: string;
}

/** Keys in a PKCS#11 token. Not implemented, so its options are not fixed. */
export interface Pkcs11PkiConfig {
  /** That it is this. */
  type: 'pkcs11';
  /** Whatever else. */
  [option: string]: unknown;
}
