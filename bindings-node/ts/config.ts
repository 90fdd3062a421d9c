// What the schemas of configurations take and give, as types that an editor can explain. The tests
// hold them against the schemas.

/**
 * A configuration as callers write it: what {@link CertificateManager.fromConfig} takes. Everything
 * may be left out, which is good for a first try and for tests: the default trust domain is nobody's.
 *
 * A field of another type or out of its range is `PKI_INVALID_ARGUMENT` (in
 * {@link PkiConfigSchema} a `ZodError`).
 */
export interface PkiConfigInput {
  /** Where the CA keeps its keys and certificates (default: `{ type: 'local' }`, a file `certs.db`). */
  provider?: PkiProviderConfigInput | undefined;
  /**
   * The trust domain of every certificate, such as `mesh.example.com` (default
   * `catalyst.example.com`, for development alone: the CA's status says so). Lower case, 1 to 255
   * bytes, else `PKI_INVALID_SPIFFE_ID`; two labels or more, else `initialize` fails with
   * `PKI_INVALID_TRUST_DOMAIN`. A CA keeps the one that it was made with: with another it is
   * `PKI_TRUST_DOMAIN_MISMATCH`.
   */
  trustDomain?: string | undefined;
  /** How long an SVID lives where the request doesn't say, in whole seconds: 60 to 86400 (default 3600). */
  svidTtlSeconds?: number | undefined;
  /**
   * How long an SVID lives at most, in whole seconds: 60 to 86400 (default 86400). What is asked for
   * beyond it is cut, and so is `svidTtlSeconds`.
   */
  maxSvidTtlSeconds?: number | undefined;
  /** Whether agents of this configuration renew by themselves (default true); a manager doesn't look at it. */
  autoRenew?: boolean | undefined;
  /**
   * How new intermediates are constrained: `trust-domain` (default: to URIs on the trust domain's host),
   * `none` (for peers on stock rustls, which takes no URI constraints), or `dns:a.example,b.example`
   * (to DNS names below these domains).
   */
  nameConstraints?: NameConstraints | undefined;
  /** How the CAs are called and how long they live; matters when they are made. */
  cas?: CaChoices | undefined;
  /**
   * DNS suffixes (`svc.example.com`) below which a request may ask for names, at most 1,000 (default:
   * none, only the names of the profile are granted).
   */
  allowedDnsSuffixes?: string[] | undefined;
}

/** How new intermediates are constrained. */
export type NameConstraints = 'trust-domain' | 'none' | `dns:${string}`;

/** How the CAs are called and how long they live. */
export interface CaChoices {
  /** The common name of the root, 1 to 64 characters (default `Catalyst Root CA`); no two may be equal. */
  rootCommonName?: string | undefined;
  /** That of the CA that signs services (default `Catalyst Services CA`). */
  servicesCommonName?: string | undefined;
  /** That of the CA that signs Envoy proxies (default `Catalyst Transport CA`). */
  transportCommonName?: string | undefined;
  /** How long the root lives, in whole seconds: a day to 3650 days (default 3650 days). */
  rootLifetimeSeconds?: number | undefined;
  /** How long the intermediates live, in whole seconds: a day to 730 days (default 730 days). */
  intermediateLifetimeSeconds?: number | undefined;
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
