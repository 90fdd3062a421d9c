/**
 * @file pki.h
 * libpki: issue and verify SPIFFE X.509-SVIDs. Generated from bindings-c/src by `make header`: do
 * not edit.
 *
 * Handles. What `pki_<noun>_new`, or a function with an `out`, gives is a handle: it belongs to the
 * caller and is freed by `pki_<noun>_free`, once. `_free(NULL)` does nothing. A handle that was
 * freed must not be used again, nor freed: the library does not notice. Valgrind does.
 * AddressSanitizer in the program notices that a handle is freed twice or never, and that the
 * program reads a text whose handle is gone; not that the library is given such a handle, as it is
 * not built with it.
 *
 * Results. A function that can fail returns a `pki_result`: `PKI_OK`, or a `PKI_ERR_…`, whose
 * comment says what is wrong; `out` is written on success only, `error` on failure only. A function
 * that returns something else can't fail; given NULL it answers with nothing: an empty text, 0,
 * false.
 *
 * Texts. A text that is given is a pointer and a length in bytes, UTF-8, and is only read during
 * the call. A text that is returned (`pki_str`) is borrowed from a handle that the comment names.
 *
 * NULL where something is due is `PKI_ERR_NULL_ARGUMENT`, what is not UTF-8 `PKI_ERR_INVALID_UTF8`;
 * every function with texts or handles may return these two, and every one that can fail
 * `PKI_ERR_INTERNAL`.
 *
 * Threads. Every function may be called on any thread. What threads may do with one handle at once
 * stands at its type. Nothing is kept for a thread.
 */
#ifndef PKI_H
#define PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Success. */
#define PKI_OK 0

/** A SPIFFE ID that the standard or our own rules refuse. */
#define PKI_ERR_INVALID_SPIFFE_ID 100

/** A trust domain that can't name this hierarchy. */
#define PKI_ERR_INVALID_TRUST_DOMAIN 101

/** An argument out of range, named in the message. */
#define PKI_ERR_INVALID_ARGUMENT 102

/** A null pointer where a value is due (C only). */
#define PKI_ERR_NULL_ARGUMENT 110

/** Bytes that should be UTF-8 and are not (C only). */
#define PKI_ERR_INVALID_UTF8 111

/** A struct whose size this library doesn't know (C only). */
#define PKI_ERR_STRUCT_SIZE 112

/** The CA has no hierarchy yet. */
#define PKI_ERR_NOT_INITIALIZED 200

/** The identity is on the deny list. */
#define PKI_ERR_IDENTITY_DENIED 201

/** The CA that signs for this service type has no usable key here. */
#define PKI_ERR_SIGNING_CA_UNAVAILABLE 202

/** The CA that signs for this service type has expired. */
#define PKI_ERR_SIGNING_CA_EXPIRED 203

/** The CA that signs for this service type is not valid yet. */
#define PKI_ERR_SIGNING_CA_NOT_YET_VALID 204

/** The CA that signs for this service type has been revoked. */
#define PKI_ERR_SIGNING_CA_REVOKED 205

/** The stored hierarchy is incomplete or contradicts itself. */
#define PKI_ERR_CORRUPT_CA_STATE 206

/** The configured trust domain is not the stored one. */
#define PKI_ERR_TRUST_DOMAIN_MISMATCH 207

/** A certificate that was just made is not what its profile says. */
#define PKI_ERR_ISSUED_CERTIFICATE_REJECTED 208

/** The passphrase doesn't open the stored keys. */
#define PKI_ERR_WRONG_PASSPHRASE 209

/** A private key that can't be read, or is not of the kind that is needed. */
#define PKI_ERR_INVALID_KEY 210

/** The key backend failed to make a key or a signature. */
#define PKI_ERR_KEY_BACKEND_FAILED 211

/** The manager or the issuer of tokens has been shut down. */
#define PKI_ERR_SHUT_DOWN 212

/** A key provider that is configured but not part of this build. */
#define PKI_ERR_PROVIDER_NOT_IMPLEMENTED 213

/** The clock stands where it can't be: before 2020, or so late that a CA made now would outlive the year 9999. */
#define PKI_ERR_CLOCK_IMPLAUSIBLE 214

/** The key file beside the database may have been read, or put there, by somebody else. */
#define PKI_ERR_KEY_FILE_UNSAFE 215

/** Not a PKCS#10 request in PEM, not a strict one, or signed by an algorithm that is not taken. */
#define PKI_ERR_INVALID_CSR 300

/** The request's own signature doesn't verify: no proof of possession. */
#define PKI_ERR_CSR_SIGNATURE_INVALID 301

/** The request's key is not on P-384. */
#define PKI_ERR_KEY_ALGORITHM_NOT_ALLOWED 302

/** The request names another SPIFFE ID than the caller asked for. */
#define PKI_ERR_SPIFFE_ID_MISMATCH 303

/** The request names no SPIFFE ID. */
#define PKI_ERR_CSR_WITHOUT_SPIFFE_ID 304

/** The request asks for a DNS name that neither profile nor policy grants. */
#define PKI_ERR_DNS_NAME_NOT_ALLOWED 305

/** The request asks for what no leaf is granted: to be a CA, an unknown extension. */
#define PKI_ERR_CSR_NOT_ALLOWED 306

/** The request asks for a DNS name that an unexpired certificate of another identity holds. */
#define PKI_ERR_DNS_NAME_TAKEN 307

/** The store can't be read or written: full, read-only, locked, broken. */
#define PKI_ERR_STORE_UNAVAILABLE 400

/** The database was written by a newer program. */
#define PKI_ERR_STORE_TOO_NEW 401

/** A record with this serial or fingerprint exists already. */
#define PKI_ERR_DUPLICATE_RECORD 402

/** Not one certificate, CRL or PEM block, or broken inside. */
#define PKI_ERR_MALFORMED_CERTIFICATE 500

/** The chain doesn't end in an anchor of this segment. */
#define PKI_ERR_UNTRUSTED_ISSUER 501

/** A certificate of the chain has expired. */
#define PKI_ERR_CERTIFICATE_EXPIRED 502

/** A certificate of the chain is not valid yet. */
#define PKI_ERR_CERTIFICATE_NOT_YET_VALID 503

/** A CA certificate where a leaf is due. */
#define PKI_ERR_CA_USED_AS_LEAF 504

/** The extended key usage doesn't allow this role. */
#define PKI_ERR_USAGE_NOT_ALLOWED 505

/** A critical extension that this verifier doesn't know. */
#define PKI_ERR_UNKNOWN_CRITICAL_EXTENSION 506

/** A key or signature algorithm that the policy doesn't allow. */
#define PKI_ERR_ALGORITHM_NOT_ALLOWED 507

/** A signature in the chain doesn't verify. */
#define PKI_ERR_SIGNATURE_INVALID 508

/** A name is outside of an issuer's name constraints. */
#define PKI_ERR_NAME_CONSTRAINT_VIOLATED 509

/** More CAs below one another than a path length allows. */
#define PKI_ERR_PATH_LENGTH_EXCEEDED 510

/** A rule of RFC 5280 is broken, named in the message. */
#define PKI_ERR_PATH_RULE_VIOLATED 511

/** The certificate is not for the expected host. */
#define PKI_ERR_NAME_MISMATCH 512

/** No URI SAN in a certificate that should be an SVID. */
#define PKI_ERR_SPIFFE_ID_MISSING 513

/** More than one URI SAN. */
#define PKI_ERR_SPIFFE_ID_NOT_UNIQUE 514

/** The URI SAN is no SPIFFE ID of a workload. */
#define PKI_ERR_PEER_ID_INVALID 515

/** The peer belongs to a trust domain that is neither ours nor federated. */
#define PKI_ERR_FOREIGN_TRUST_DOMAIN 516

/** The issuing CA may not sign for this service type. */
#define PKI_ERR_SERVICE_TYPE_NOT_ALLOWED 517

/** A valid peer, but not the one that was expected. */
#define PKI_ERR_UNEXPECTED_PEER 518

/** This one certificate is on the deny list. */
#define PKI_ERR_SERIAL_DENIED 519

/** A CRL lists a certificate of the chain. */
#define PKI_ERR_CERTIFICATE_REVOKED 520

/** The CA that issued the certificate has been revoked. */
#define PKI_ERR_ISSUER_REVOKED 521

/** A CRL that is broken, unsigned by its issuer, or out of date. */
#define PKI_ERR_CRL_INVALID 522

/** The anchor intermediate has expired. */
#define PKI_ERR_ISSUER_EXPIRED 523

/** The anchor intermediate is not valid yet. */
#define PKI_ERR_ISSUER_NOT_YET_VALID 524

/** A certificate that may not be an anchor: not signed by a pinned root, a root itself, no CA. */
#define PKI_ERR_ANCHOR_REJECTED 525

/** A verification policy that can't be meant: no anchors, a bad pattern, an empty list of expected IDs, a revocation list of nobody whom it trusts. */
#define PKI_ERR_INVALID_POLICY 526

/** A revocation list is demanded, and none that is current says anything of a certificate. */
#define PKI_ERR_REVOCATION_UNKNOWN 527

/** The key usage doesn't allow what the key is to do. */
#define PKI_ERR_KEY_USAGE_NOT_ALLOWED 528

/** A token that is none, or not for this verifier. Why stands in the event that says so. */
#define PKI_ERR_INVALID_TOKEN 600

/** A token signed by no key of its issuer that is known. */
#define PKI_ERR_TOKEN_KEY_NOT_FOUND 601

/** A token whose time has passed. */
#define PKI_ERR_TOKEN_EXPIRED 602

/** A token that was revoked. */
#define PKI_ERR_TOKEN_REVOKED 603

/** A token without certificate where one that is bound is due. */
#define PKI_ERR_TOKEN_NOT_BOUND 604

/** A token that is bound to another certificate than that of who shows it. */
#define PKI_ERR_TOKEN_BINDING_MISMATCH 605

/** A token that was issued to another identity than that of who shows it. */
#define PKI_ERR_TOKEN_IDENTITY_MISMATCH 606

/** Whoever asks may not do this. */
#define PKI_ERR_PERMISSION_DENIED 607

/** The issuer of tokens has no key yet. */
#define PKI_ERR_TOKEN_ISSUER_NOT_READY 608

/** What should be a certificate in DER is none. */
#define PKI_ERR_INVALID_DER 609

/** A bootstrap token that is for another identity. */
#define PKI_ERR_BOOTSTRAP_TOKEN_MISMATCH 610

/** A bootstrap token that was used for another request. */
#define PKI_ERR_BOOTSTRAP_TOKEN_USED 611

/** A TLS handshake that came to nothing: no TLS, nothing in common, a signature that doesn't verify. */
#define PKI_ERR_TLS_HANDSHAKE_FAILED 640

/** The other side of a TLS connection refused this one: it doesn't take our certificate, or what we offer. */
#define PKI_ERR_TLS_REFUSED_BY_PEER 641

/** A client that shows no certificate where one is due. */
#define PKI_ERR_CLIENT_CERTIFICATE_MISSING 642

/** A TLS connection whose stream failed or ended before its time. */
#define PKI_ERR_TLS_CONNECTION_LOST 643

/** A defect of ours: report it. */
#define PKI_ERR_INTERNAL 900


/**
 * The version of the ABI that this header describes, and the number in the shared library's soname.
 * It grows when a program that was built before could no longer run; 1 is that of the first release.
 */
#define PKI_ABI_VERSION 1

/**
 * The root.
 */
#define PKI_CA_ROOT 1

/**
 * The Services CA.
 */
#define PKI_CA_SERVICES 2

/**
 * The Transport CA.
 */
#define PKI_CA_TRANSPORT 3

/**
 * For `pki_sign_request.flags`: takes a CSR that names no SPIFFE ID. Only for callers that have
 * checked by other means who sent the request.
 */
#define PKI_SIGN_CSR_WITHOUT_SPIFFE_ID 1

/**
 * Control plane and orchestrators: the Services CA.
 */
#define PKI_SEGMENT_SERVICES 1

/**
 * Envoy: the Transport CA.
 */
#define PKI_SEGMENT_TRANSPORT 2

/**
 * No warnings.
 */
#define PKI_HEALTH_HEALTHY 1

/**
 * At least one warning.
 */
#define PKI_HEALTH_DEGRADED 2

/**
 * No hierarchy yet.
 */
#define PKI_HEALTH_UNINITIALIZED 3

/**
 * The peer is the client.
 */
#define PKI_ROLE_CLIENT 1

/**
 * The peer is the server.
 */
#define PKI_ROLE_SERVER 2

/**
 * ECDSA on P-256 with SHA-256.
 */
#define PKI_ALGORITHM_P256 1

/**
 * ECDSA on P-384 with SHA-384: what this PKI issues.
 */
#define PKI_ALGORITHM_P384 2

/**
 * ECDSA on P-521 with SHA-512; for paths only.
 */
#define PKI_ALGORITHM_P521 3

/**
 * Ed25519 (RFC 8410).
 */
#define PKI_ALGORITHM_ED25519 4

/**
 * RSA of 2048 to 8192 bits with SHA-256, SHA-384 or SHA-512; for paths only.
 */
#define PKI_ALGORITHM_RSA 5

/**
 * ML-DSA-44 (FIPS 204, RFC 9881).
 */
#define PKI_ALGORITHM_ML_DSA_44 6

/**
 * ML-DSA-65.
 */
#define PKI_ALGORITHM_ML_DSA_65 7

/**
 * ML-DSA-87.
 */
#define PKI_ALGORITHM_ML_DSA_87 8

/**
 * Whatever it is for: extended key usages are not looked at. The default.
 */
#define PKI_USAGE_ANY 0

/**
 * The peer is the client of a TLS connection.
 */
#define PKI_USAGE_CLIENT 1

/**
 * The peer is its server.
 */
#define PKI_USAGE_SERVER 2

/**
 * None. The default.
 */
#define PKI_PROFILE_RFC5280 0

/**
 * Those of the CA/Browser Forum, which the certificates of public web servers keep.
 */
#define PKI_PROFILE_WEB_PKI 1

/**
 * All; the text is empty.
 */
#define PKI_TOKENS_ALL 0

/**
 * The one of that `jti`.
 */
#define PKI_TOKENS_BY_JTI 1

/**
 * Those of a subject.
 */
#define PKI_TOKENS_BY_SUBJECT 2

/**
 * Those that have this name among their `sans`.
 */
#define PKI_TOKENS_BY_SAN 3

/**
 * Those bound to the certificate of a fingerprint.
 */
#define PKI_TOKENS_BY_FINGERPRINT 4

/**
 * Those of a SPIFFE ID.
 */
#define PKI_TOKENS_BY_SPIFFE_ID 5

/**
 * Something failed that somebody must look at.
 */
#define PKI_LOG_ERROR 1

/**
 * Something that somebody should look at: an identity denied, a request refused.
 */
#define PKI_LOG_WARN 2

/**
 * What was done: a certificate issued.
 */
#define PKI_LOG_INFO 3

/**
 * Details.
 */
#define PKI_LOG_DEBUG 4

/**
 * All details.
 */
#define PKI_LOG_TRACE 5

/**
 * What `pki_manager_backup` has written.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_backup pki_backup;

/**
 * The CA certificates of a trust domain, for those who verify its workloads. All of them PEM.
 *
 * TLS peers use the anchors of their segment. The root is never a peer's anchor: with it in the
 * trust store a verifier accepts the other segment's leaves, because a peer sends its own
 * intermediate along.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_bundle pki_bundle;

/**
 * Certificates, one after another: what a peer presented (its own first), or what a PEM text holds.
 *
 * Threads may share one; certificates are only ever added, so what was borrowed stays.
 */
typedef struct pki_chain pki_chain;

/**
 * How a manager works; what isn't set is as the library has it. The manager copies it: it may be
 * freed, or changed for another manager, at once.
 *
 * Threads may share one; each call is whole by itself.
 */
typedef struct pki_config pki_config;

/**
 * The revocation list of a CA.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_crl pki_crl;

/**
 * What a verifier refuses by name, whatever a certificate says: identities, certificates, CAs.
 *
 * Threads may share one; each call is whole by itself.
 */
typedef struct pki_denied pki_denied;

/**
 * The certificates that a CA has revoked for good, newest first.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_denied_serials pki_denied_serials;

/**
 * The deny list of a CA, newest first.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_deny_list pki_deny_list;

/**
 * What went wrong, in detail.
 *
 * A function that can fail takes a place for one as its last argument: NULL where it isn't wanted,
 * else it is written on failure only, and belongs to the caller from then on: `pki_error_free`.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_error pki_error;

/**
 * The certificates of a denied identity that have not expired yet, the first to expire first.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_expiring pki_expiring;

/**
 * The fingerprints of a hierarchy: SHA-256 of each CA certificate's DER, base64url without padding.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_fingerprints pki_fingerprints;

/**
 * A new private key with the request for its certificate.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_key_csr pki_key_csr;

/**
 * What became of the keys of an issuer.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_key_rotation pki_key_rotation;

/**
 * A certificate authority: a root, a Services CA and a Transport CA in a store.
 *
 * Threads may share one and call it at once, all functions but `pki_manager_free`. Several managers
 * and several processes may work on one database file.
 *
 * Every function that is given one, and can fail, may fail with `PKI_ERR_STORE_UNAVAILABLE`, and
 * with `PKI_ERR_SHUT_DOWN` after `pki_manager_shutdown`. Those that load the hierarchy
 * (`pki_manager_initialize`, `pki_manager_load`; where another process has changed it
 * `pki_manager_sign`, `pki_manager_bundle` and `pki_manager_status`) may also fail with
 * `PKI_ERR_CORRUPT_CA_STATE`, `PKI_ERR_TRUST_DOMAIN_MISMATCH`, `PKI_ERR_WRONG_PASSPHRASE`,
 * `PKI_ERR_INVALID_KEY` and `PKI_ERR_KEY_BACKEND_FAILED`. A function's own comment says what comes
 * on top of these.
 *
 * After `fork()` the child must not use a handle that was made before, of any type, nor free it: a
 * database's locks belong to the process that opened it, and a lock that another thread held stays
 * locked for ever. It makes new ones; on a database that its parent had open only after `exec`, for
 * SQLite would take the parent's locks for the child's.
 *
 * Don't open a database file with another SQLite in a process that has it open, be it your own, and
 * don't open and close it, `-wal` or `-shm` by other means there either, not even to copy them: that
 * is what `pki_manager_backup` is for. Locks of files belong to the process on Unix: this takes ours
 * away, and the other SQLite removes the log of a database that it takes for unused. Look into the
 * database from a process of its own. A call whose commit can't be confirmed fails with
 * `PKI_ERR_STORE_UNAVAILABLE`.
 *
 * Calls block: on a database file until what they store is on the disk, and where others write into
 * it, another process or other threads, for 10 seconds in all or as `pki_config_set_busy_timeout`
 * says; then they fail with `PKI_ERR_STORE_UNAVAILABLE`, which is retryable, and nothing has
 * happened. A purge waits so long for each of its steps. A manager in memory never waits for
 * anything but other threads.
 */
typedef struct pki_manager pki_manager;

/**
 * What a certification path is held against; may be used for many.
 *
 * Threads may share one; each call is whole by itself.
 */
typedef struct pki_path_policy pki_path_policy;

/**
 * Whom a verifier takes for a peer: anchors, names, revocations. Made once and used for many peers.
 *
 * Never changed once made: any number of threads may verify with one.
 */
typedef struct pki_policy pki_policy;

/**
 * Collects what makes a `pki_policy`. What its functions are given is looked at by
 * `pki_policy_builder_build`, which fails with the first thing that is wrong.
 *
 * Threads may share one; each call is whole by itself.
 */
typedef struct pki_policy_builder pki_policy_builder;

/**
 * A certificate that was issued, and is in the store. Texts are PEM where a name says so.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_signed pki_signed;

/**
 * The SPIFFE ID of a workload: `spiffe://<trust-domain>/<service-type>/<instance-id>`. The service
 * types are `orchestrator`, `auth`, `node`, `gateway`, `envoy/app` and `envoy/transport`.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_spiffe_id pki_spiffe_id;

/**
 * The state of a CA at one moment.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_status pki_status;

/**
 * A peer that has been verified.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_svid pki_svid;

/**
 * A text that is the caller's.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_text pki_text;

/**
 * Several texts.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_text_list pki_text_list;

/**
 * An access token that was minted (RFC 8705), and is recorded in the store.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_token pki_token;

/**
 * What a token says that has been verified.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_token_claims pki_token_claims;

/**
 * Mints access tokens that are bound to their holder's certificate (RFC 8705), and says which are good.
 * Its keys are in the store of a manager, apart from the CAs', and never sign anything else.
 *
 * Threads may share one and call it at once, all functions but `pki_token_issuer_free`. Several issuers
 * and several processes may work on one database file. `fork()`, other copies of SQLite and waiting are as
 * with `pki_manager`.
 *
 * Every function that is given one, and can fail, may fail with `PKI_ERR_STORE_UNAVAILABLE`; all but
 * those that revoke and list, before `pki_token_issuer_initialize`, with
 * `PKI_ERR_TOKEN_ISSUER_NOT_READY`, and where another process has rotated the keys with
 * `PKI_ERR_WRONG_PASSPHRASE`, `PKI_ERR_INVALID_KEY` and `PKI_ERR_KEY_BACKEND_FAILED`. A function's own
 * comment says what comes on top of these.
 */
typedef struct pki_token_issuer pki_token_issuer;

/**
 * A page of the tokens that were minted, newest first. There is nothing in it that could be used in the
 * place of a token.
 *
 * Never changed once made: any number of threads may read one.
 */
typedef struct pki_token_list pki_token_list;

/**
 * Checks the tokens of one issuer: by its public keys and its list of revoked tokens.
 *
 * Never changed once made: any number of threads may verify with one. A newer list makes the next one
 * of it; the present one is freed once no thread verifies with it.
 */
typedef struct pki_token_verifier pki_token_verifier;

/**
 * A text: UTF-8, `len` bytes at `data`.
 *
 * One that the library returns is borrowed: it lives as long as the handle that it was taken from,
 * which the function's comment names, and must not be freed or changed. A NUL byte stands behind
 * it and none within (a U+FFFD takes the place of one that another program has stored), so that
 * `data` is a C string too, and `data` is never NULL, an absent text being empty.
 *
 * One that is given to the library in a struct or a list is only read during the call and needs no
 * NUL byte; `data` NULL with `len` 0 means that nothing is given.
 */
typedef struct {
  /**
   * The bytes.
   */
  const char *data;
  /**
   * How many.
   */
  size_t len;
} pki_str;

/**
 * How a call ended: `PKI_OK`, or one of `PKI_ERR_…`. The numbers are stable and never reused; a
 * later library may return ones that this header doesn't know.
 */
typedef uint32_t pki_result;

/**
 * A CA of the hierarchy: one of `PKI_CA_…`.
 */
typedef uint32_t pki_ca_kind;

/**
 * Tells the time: milliseconds since 1970-01-01T00:00:00Z, given the user data. It is called on
 * every thread that uses what was made with it, several at once, and must not unwind or jump out.
 */
typedef int64_t (*pki_clock_callback)(void *user_data);

/**
 * What a certificate is asked for. Begin with `PKI_SIGN_REQUEST_INIT` and set what differs.
 */
typedef struct {
  /**
   * `sizeof(pki_sign_request)`, which `PKI_SIGN_REQUEST_INIT` sets.
   */
  size_t struct_size;
  /**
   * The certificate signing request, PEM. Must be given.
   */
  pki_str csr_pem;
  /**
   * The service type of the workload: `orchestrator`, `auth`, `node`, `gateway`, `envoy/app`,
   * `envoy/transport`. Must be given.
   */
  pki_str service_type;
  /**
   * Its instance ID. Must be given.
   */
  pki_str instance_id;
  /**
   * How long the certificate shall live, in seconds; cut to what is configured.
   * `PKI_TTL_CONFIGURED`, which `PKI_SIGN_REQUEST_INIT` sets: as configured.
   */
  int64_t ttl_seconds;
  /**
   * 0, or `PKI_SIGN_…` together.
   */
  uint32_t flags;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * What `pki_token_issuer_bootstrap` answered: the bootstrap token is used up for this
   * certificate, in one transaction with it. The same request with the same token gets the same
   * certificate again. May be left out.
   */
  pki_str token_jti;
} pki_sign_request;

/**
 * A part of the mesh with a CA of its own: one of `PKI_SEGMENT_…`.
 */
typedef uint32_t pki_segment;

/**
 * Bytes: `len` of them at `data`.
 *
 * Those that the library returns are borrowed as `pki_str` is; NULL where there are none. Those
 * that are given to it in a list are only read during the call, and are not NULL.
 */
typedef struct {
  /**
   * The bytes.
   */
  const uint8_t *data;
  /**
   * How many.
   */
  size_t len;
} pki_bytes;

/**
 * The state of a CA in one word: one of `PKI_HEALTH_…`.
 */
typedef uint32_t pki_health;

/**
 * What the peer is in a TLS connection: one of `PKI_ROLE_…`.
 */
typedef uint32_t pki_role;

/**
 * A kind of key with the signature algorithm that goes with it: one of `PKI_ALGORITHM_…`.
 */
typedef uint32_t pki_algorithm;

/**
 * What a certificate is to be used for: one of `PKI_USAGE_…`.
 */
typedef uint32_t pki_usage;

/**
 * Rules beyond RFC 5280: one of `PKI_PROFILE_…`.
 */
typedef uint32_t pki_profile;

/**
 * Texts that are given to the library in a struct: `len` of them at `data`, none of which is NULL.
 * Only read during the call; `data` NULL with `len` 0 means that nothing is given.
 */
typedef struct {
  /**
   * The texts.
   */
  const pki_str *data;
  /**
   * How many.
   */
  size_t len;
} pki_strs;

/**
 * What a token is asked for. Begin with `PKI_TOKEN_REQUEST_INIT` and set what differs; what doesn't say
 * that it must be given may be left out.
 */
typedef struct {
  /**
   * `sizeof(pki_token_request)`, which `PKI_TOKEN_REQUEST_INIT` sets.
   */
  size_t struct_size;
  /**
   * Whom it is issued to. Must be given.
   */
  pki_str subject;
  /**
   * The identifier of whom it speaks for. Must be given.
   */
  pki_str entity_id;
  /**
   * The name of whom it speaks for. Must be given.
   */
  pki_str entity_name;
  /**
   * `user` or `service`. Must be given.
   */
  pki_str entity_type;
  /**
   * As what its holder acts: `ADMIN`, `NODE`, `NODE_CUSTODIAN`, `DATA_CUSTODIAN`, `USER`,
   * `BOOTSTRAP`, with `CATALYST::` in front or without. Must be given.
   */
  pki_str principal;
  /**
   * The node that the entity belongs to.
   */
  pki_str entity_node_id;
  /**
   * The domains that the entity is trusted in.
   */
  pki_strs entity_trusted_domains;
  /**
   * The nodes that the entity is trusted on.
   */
  pki_strs entity_trusted_nodes;
  /**
   * The certificate that it is bound to, PEM, one. Left out like the fingerprint, it makes a token
   * that whoever holds it may use.
   */
  pki_str certificate_pem;
  /**
   * In its place, the certificate's fingerprint (`pki_svid_fingerprint`): SHA-256 of its DER, base64url
   * without padding or hex.
   */
  pki_str certificate_fingerprint;
  /**
   * The SPIFFE ID of who shows it. A certificate says its own, and one that was issued here is known
   * by its fingerprint. A bootstrap token must have one: it is for the first certificate of that
   * identity.
   */
  pki_str spiffe_id;
  /**
   * Names that it may be revoked by, besides its own identifier.
   */
  pki_strs sans;
  /**
   * For whom it is meant; left out, for the issuer.
   */
  pki_str audience;
  /**
   * How long it shall live, in seconds; cut to 30 days, for `ADMIN` and `BOOTSTRAP` to 24 hours.
   * `PKI_TTL_CONFIGURED`, which `PKI_TOKEN_REQUEST_INIT` sets: an hour.
   */
  int64_t ttl_seconds;
  /**
   * For how many requests a bootstrap token may be used; 0: for one.
   */
  uint32_t uses;
  /**
   * 0.
   */
  uint32_t reserved;
} pki_token_request;

/**
 * Which tokens are meant: one of `PKI_TOKENS_…`, with a text.
 */
typedef uint32_t pki_token_selector;

/**
 * How important an event is: one of `PKI_LOG_…`.
 */
typedef uint32_t pki_log_level;

/**
 * A part of an event: `serial`, `spiffe_id`.
 */
typedef struct {
  /**
   * Its name.
   */
  pki_str name;
  /**
   * Its value.
   */
  pki_str value;
} pki_log_field;

/**
 * Something that happened. It lives during the callback only. No event holds key material, a token
 * or a passphrase.
 */
typedef struct {
  /**
   * Its size in the library: fields that come later stand at the end.
   */
  size_t struct_size;
  /**
   * `PKI_LOG_…`.
   */
  pki_log_level level;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * What happened: `Certificate issued`. A fixed text for each kind of event.
   */
  pki_str message;
  /**
   * With which parts.
   */
  const pki_log_field *fields;
  /**
   * How many.
   */
  size_t fields_len;
} pki_log_event;

/**
 * Hears an event, on the thread where it happens, during the call that it belongs to; several
 * threads at once. It must return soon, and must not unwind or jump out. What it calls of this
 * library makes no events, and `pki_log_set` fails in it; nor may it wait for a thread that calls
 * `pki_log_set`, which waits for it.
 */
typedef void (*pki_log_callback)(const pki_log_event *event, void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library's ABI: to be compared with `PKI_ABI_VERSION` of the header that a
 * program was built with. Can't fail; any thread.
 */
uint32_t pki_abi_version(void);

/**
 * The version of the library: `0.1.0`. Lives for ever. Can't fail; any thread.
 */
pki_str pki_version(void);

/**
 * The text. Lives as long as `text`.
 *
 * @param text Not NULL.
 */
pki_str pki_text_str(const pki_text *text);

/**
 * Frees a text. NULL is no error.
 *
 * @param text May be NULL. Not to be used any more.
 */
void pki_text_free(pki_text *text);

/**
 * How many there are; 0 for NULL.
 *
 * @param list Not NULL.
 */
size_t pki_text_list_len(const pki_text_list *list);

/**
 * One of them; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_text_list_at(const pki_text_list *list, size_t index);

/**
 * Frees a list, and the texts borrowed from it. NULL is no error.
 *
 * @param list May be NULL. Not to be used any more.
 */
void pki_text_list_free(pki_text_list *list);

/**
 * The code: what the function returned. `PKI_OK` for NULL.
 *
 * @param handle Not NULL.
 */
pki_result pki_error_code(const pki_error *handle);

/**
 * What went wrong, in words; it holds no key material, token or passphrase. Lives as long as
 * `handle`; empty for NULL.
 *
 * @param handle Not NULL.
 */
pki_str pki_error_message(const pki_error *handle);

/**
 * Whether the same call may succeed later without anybody changing it: a store that is locked
 * or full, a key backend that doesn't answer. A store that is set up wrongly, or damaged, waits
 * for somebody to mend it. False for NULL.
 *
 * @param handle Not NULL.
 */
bool pki_error_is_retryable(const pki_error *handle);

/**
 * Frees an error. NULL is no error; an error that was freed must not be used again.
 *
 * @param handle May be NULL. Not to be used any more.
 */
void pki_error_free(pki_error *handle);

/**
 * The name of a code: `PKI_ERR_IDENTITY_DENIED`; `PKI_OK` for 0, empty for a number that is no
 * code. Lives for ever.
 */
pki_str pki_result_name(pki_result code);

/**
 * Builds the ID of a workload from its parts. `PKI_ERR_INVALID_SPIFFE_ID` if they make none.
 *
 * @param trust_domain UTF-8, `trust_domain_len` bytes; not NULL.
 * @param service_type UTF-8, `service_type_len` bytes; not NULL.
 * @param instance_id UTF-8, `instance_id_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_spiffe_id_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_spiffe_id_build(const char *trust_domain,
                               size_t trust_domain_len,
                               const char *service_type,
                               size_t service_type_len,
                               const char *instance_id,
                               size_t instance_id_len,
                               pki_spiffe_id **out,
                               pki_error **error);

/**
 * Takes the ID of a workload apart. `PKI_ERR_INVALID_SPIFFE_ID` if it is none.
 *
 * @param uri UTF-8, `uri_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_spiffe_id_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_spiffe_id_parse(const char *uri,
                               size_t uri_len,
                               pki_spiffe_id **out,
                               pki_error **error);

/**
 * Whether a text is the ID of a workload. False for NULL, and for what is not UTF-8.
 *
 * @param uri UTF-8, `uri_len` bytes; not NULL.
 */
bool pki_spiffe_id_is_valid(const char *uri, size_t uri_len);

/**
 * The whole ID. Lives as long as `id`.
 *
 * @param id Not NULL.
 */
pki_str pki_spiffe_id_uri(const pki_spiffe_id *id);

/**
 * Its trust domain. Lives as long as `id`.
 *
 * @param id Not NULL.
 */
pki_str pki_spiffe_id_trust_domain(const pki_spiffe_id *id);

/**
 * Its service type. Lives as long as `id`.
 *
 * @param id Not NULL.
 */
pki_str pki_spiffe_id_service_type(const pki_spiffe_id *id);

/**
 * Its instance ID: one or more segments. Lives as long as `id`.
 *
 * @param id Not NULL.
 */
pki_str pki_spiffe_id_instance_id(const pki_spiffe_id *id);

/**
 * Frees an ID, and the texts borrowed from it. NULL is no error.
 *
 * @param id May be NULL. Not to be used any more.
 */
void pki_spiffe_id_free(pki_spiffe_id *id);

/**
 * Makes a P-384 key and a request (PKCS#10) for the certificate of `spiffe_id`. `dns` are DNS
 * names to ask for beside those that the profile grants by itself.
 * `PKI_ERR_INVALID_SPIFFE_ID`, `PKI_ERR_INVALID_ARGUMENT` (no DNS name). Any thread.
 *
 * @param spiffe_id UTF-8, `spiffe_id_len` bytes; not NULL.
 * @param dns `dns_len` texts, none of them NULL; may be NULL if there are none.
 * @param out Not NULL. The new handle, to be freed by `pki_key_csr_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_key_csr_new(const char *spiffe_id,
                           size_t spiffe_id_len,
                           const pki_str *dns,
                           size_t dns_len,
                           pki_key_csr **out,
                           pki_error **error);

/**
 * The private key: PKCS#8, PEM, not encrypted. It is for this service alone. Lives as long as
 * `key`, and is wiped from memory with it.
 *
 * @param key Not NULL.
 */
pki_str pki_key_csr_private_key_pem(const pki_key_csr *key);

/**
 * The request, PEM: what a CA is sent. Lives as long as `key`.
 *
 * @param key Not NULL.
 */
pki_str pki_key_csr_csr_pem(const pki_key_csr *key);

/**
 * The SPIFFE ID that it asks for. Lives as long as `key`.
 *
 * @param key Not NULL.
 */
pki_str pki_key_csr_spiffe_id(const pki_key_csr *key);

/**
 * Frees key and request and wipes the key. NULL is no error.
 *
 * @param key May be NULL. Not to be used any more.
 */
void pki_key_csr_free(pki_key_csr *key);

/**
 * A configuration with everything as the library has it.
 *
 * @param out Not NULL. The new handle, to be freed by `pki_config_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_new(pki_config **out,
                          pki_error **error);

/**
 * The trust domain of every certificate: a DNS name of two labels or more. It is set when the
 * hierarchy is made and refused later if it differs. `PKI_ERR_INVALID_TRUST_DOMAIN`,
 * `PKI_ERR_INVALID_SPIFFE_ID`.
 *
 * @param config Not NULL.
 * @param trust_domain UTF-8, `trust_domain_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_set_trust_domain(pki_config *config,
                                       const char *trust_domain,
                                       size_t trust_domain_len,
                                       pki_error **error);

/**
 * How long an SVID lives where the request doesn't say: 60 to 86400 seconds. What is out of
 * range is refused when a manager is made.
 *
 * @param config Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_set_svid_ttl(pki_config *config,
                                   uint64_t seconds,
                                   pki_error **error);

/**
 * How long an SVID lives at most; longer requests are cut to it. 60 to 86400 seconds. What is
 * out of range is refused when a manager is made.
 *
 * @param config Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_set_max_svid_ttl(pki_config *config,
                                       uint64_t seconds,
                                       pki_error **error);

/**
 * How new intermediates are constrained: `trust-domain`, `none` (for peers on stock rustls) or
 * `dns:a.example,b.example`. `PKI_ERR_INVALID_ARGUMENT`.
 *
 * @param config Not NULL.
 * @param mode UTF-8, `mode_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_set_name_constraints(pki_config *config,
                                           const char *mode,
                                           size_t mode_len,
                                           pki_error **error);

/**
 * The common name of a CA, 1 to 64 characters; matters when the hierarchy is made.
 * `PKI_ERR_INVALID_ARGUMENT` for a kind that stands for nothing; a name that can't be meant is
 * refused when a manager is made.
 *
 * @param config Not NULL.
 * @param common_name UTF-8, `common_name_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_set_ca_common_name(pki_config *config,
                                         pki_ca_kind kind,
                                         const char *common_name,
                                         size_t common_name_len,
                                         pki_error **error);

/**
 * How long the root lives, in seconds: a day to 3650 days; matters when the hierarchy is made.
 * What is out of range is refused when a manager is made.
 *
 * @param config Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_set_root_lifetime(pki_config *config,
                                        uint64_t seconds,
                                        pki_error **error);

/**
 * How long the intermediates live, in seconds: a day to 730 days; matters when the hierarchy is
 * made. What is out of range is refused when a manager is made.
 *
 * @param config Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_set_intermediate_lifetime(pki_config *config,
                                                uint64_t seconds,
                                                pki_error **error);

/**
 * Allows requests to ask for DNS names below a suffix (`svc.example.com`). Can be called
 * several times. What is no DNS name is refused when a manager is made.
 *
 * @param config Not NULL.
 * @param suffix UTF-8, `suffix_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_allow_dns_suffix(pki_config *config,
                                       const char *suffix,
                                       size_t suffix_len,
                                       pki_error **error);

/**
 * The passphrase that encrypts the CA keys in the database. It is copied, and the copy wiped
 * when no longer used. It is one line: a byte order mark before it and line ends after it are
 * cut, so that it is the same one from a file. `PKI_ERR_INVALID_ARGUMENT` if it is empty, has a
 * second line or a NUL byte.
 *
 * Without this, `pki_config_set_passphrase_file` or `pki_config_use_development_key_file`, the
 * environment says it: `CATALYST_PKI_KEY_PASSPHRASE`, `CATALYST_PKI_KEY_PASSPHRASE_FILE`, else
 * a development key file.
 *
 * @param config Not NULL.
 * @param passphrase UTF-8, `passphrase_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_set_passphrase(pki_config *config,
                                     const char *passphrase,
                                     size_t passphrase_len,
                                     pki_error **error);

/**
 * Takes the passphrase from a file, when the database is opened; it is what
 * `pki_config_set_passphrase` makes of the file's content. A relative path is that of the
 * present folder, whichever is it then. `PKI_ERR_INVALID_ARGUMENT` if it is empty.
 *
 * @param config Not NULL.
 * @param path UTF-8, `path_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_set_passphrase_file(pki_config *config,
                                          const char *path,
                                          size_t path_len,
                                          pki_error **error);

/**
 * Makes up a passphrase and keeps it beside the database, in `<database>.key`: whoever copies
 * both has the CA. For development. A key file that others can read or write, that belongs to
 * another user or is a link is refused when the database is opened: `PKI_ERR_KEY_FILE_UNSAFE`.
 *
 * @param config Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_use_development_key_file(pki_config *config,
                                               pki_error **error);

/**
 * How long a call waits for others that write into the database, be it other programs or other
 * threads of this one; 10 seconds without this. Then it fails with `PKI_ERR_STORE_UNAVAILABLE`,
 * which is retryable. 0: not at all.
 *
 * @param config Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_set_busy_timeout(pki_config *config,
                                       uint64_t milliseconds,
                                       pki_error **error);

/**
 * Takes the time from a callback, for tests of what time does; NULL for the operating system's
 * clock. `user_data` is given to it and must live as long as every manager made with this
 * configuration, and every `pki_token_issuer` and `pki_token_verifier` that comes from one.
 *
 * @param config Not NULL.
 * @param user_data Given to the callback; may be NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_config_set_clock(pki_config *config,
                                pki_clock_callback callback,
                                void *user_data,
                                pki_error **error);

/**
 * Frees a configuration. NULL is no error.
 *
 * @param config May be NULL. Not to be used any more.
 */
void pki_config_free(pki_config *config);

/**
 * Opens the CA in a database file (SQLite), and makes the file if there is none, for its owner
 * alone (mode 0600). `config` may be NULL. Then comes `pki_manager_initialize` or
 * `pki_manager_load`.
 *
 * `PKI_ERR_WRONG_PASSPHRASE` (nothing is changed then), `PKI_ERR_KEY_FILE_UNSAFE`,
 * `PKI_ERR_STORE_TOO_NEW`,
 * `PKI_ERR_STORE_UNAVAILABLE`, `PKI_ERR_INVALID_ARGUMENT` (a configuration that can't be
 * meant), `PKI_ERR_CORRUPT_CA_STATE`, `PKI_ERR_INVALID_KEY` (a stored key can't be read).
 *
 * @param path UTF-8, `path_len` bytes; not NULL.
 * @param config May be NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_manager_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_open(const char *path,
                            size_t path_len,
                            const pki_config *config,
                            pki_manager **out,
                            pki_error **error);

/**
 * A CA in memory that is gone with its manager: for tests. `config` may be NULL.
 * `PKI_ERR_INVALID_ARGUMENT`.
 *
 * @param config May be NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_manager_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_new_in_memory(const pki_config *config,
                                     pki_manager **out,
                                     pki_error **error);

/**
 * Makes the hierarchy, in one transaction, or loads it where there is one already; calling it
 * again changes nothing. `PKI_ERR_INVALID_TRUST_DOMAIN`, `PKI_ERR_CLOCK_IMPLAUSIBLE`,
 * `PKI_ERR_ISSUED_CERTIFICATE_REJECTED`.
 *
 * @param manager Not NULL.
 * @param out May be NULL. The new handle, to be freed by `pki_fingerprints_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_initialize(const pki_manager *manager,
                                  pki_fingerprints **out,
                                  pki_error **error);

/**
 * Loads the hierarchy where there is one; `*out` is false where there is none.
 *
 * @param manager Not NULL.
 * @param out May be NULL. Written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_load(const pki_manager *manager,
                            bool *out,
                            pki_error **error);

/**
 * Whether this manager has its hierarchy at hand; asks nobody. False for NULL.
 *
 * @param manager Not NULL.
 */
bool pki_manager_is_initialized(const pki_manager *manager);

/**
 * The configured trust domain. Lives as long as `manager`.
 *
 * @param manager Not NULL.
 */
pki_str pki_manager_trust_domain(const pki_manager *manager);

/**
 * Issues a certificate for the key of a request. When it returns, the certificate is durably in
 * the store; where it can't be stored, none is returned.
 *
 * `PKI_ERR_NOT_INITIALIZED`, `PKI_ERR_INVALID_SPIFFE_ID`, `PKI_ERR_INVALID_ARGUMENT`,
 * `PKI_ERR_IDENTITY_DENIED`, `PKI_ERR_INVALID_CSR`, `PKI_ERR_KEY_ALGORITHM_NOT_ALLOWED`,
 * `PKI_ERR_CSR_SIGNATURE_INVALID`, `PKI_ERR_CSR_NOT_ALLOWED`, `PKI_ERR_SPIFFE_ID_MISMATCH`,
 * `PKI_ERR_CSR_WITHOUT_SPIFFE_ID`, `PKI_ERR_DNS_NAME_NOT_ALLOWED`, `PKI_ERR_DNS_NAME_TAKEN`,
 * `PKI_ERR_SIGNING_CA_UNAVAILABLE`, `PKI_ERR_SIGNING_CA_EXPIRED`,
 * `PKI_ERR_SIGNING_CA_NOT_YET_VALID`, `PKI_ERR_SIGNING_CA_REVOKED`,
 * `PKI_ERR_KEY_BACKEND_FAILED`, `PKI_ERR_ISSUED_CERTIFICATE_REJECTED`,
 * `PKI_ERR_DUPLICATE_RECORD`, `PKI_ERR_STRUCT_SIZE`; with a bootstrap token
 * `PKI_ERR_TOKEN_REVOKED`, `PKI_ERR_TOKEN_EXPIRED`, `PKI_ERR_BOOTSTRAP_TOKEN_MISMATCH`,
 * `PKI_ERR_BOOTSTRAP_TOKEN_USED`.
 *
 * @param manager Not NULL.
 * @param request Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_signed_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_sign(const pki_manager *manager,
                            const pki_sign_request *request,
                            pki_signed **out,
                            pki_error **error);

/**
 * The CA certificates, for those who verify. `PKI_ERR_NOT_INITIALIZED`.
 *
 * @param manager Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_bundle_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_bundle(const pki_manager *manager,
                              pki_bundle **out,
                              pki_error **error);

/**
 * Denies an identity: it gets no new certificate from now on. `*out` are its certificates that
 * have not expired yet. Denying again changes the reason, 1 to 1024 bytes, none of them NUL.
 * `PKI_ERR_INVALID_SPIFFE_ID`, `PKI_ERR_INVALID_ARGUMENT`, `PKI_ERR_NOT_INITIALIZED`.
 *
 * @param manager Not NULL.
 * @param spiffe_id UTF-8, `spiffe_id_len` bytes; not NULL.
 * @param reason UTF-8, `reason_len` bytes; not NULL.
 * @param out May be NULL. The new handle, to be freed by `pki_expiring_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_deny(const pki_manager *manager,
                            const char *spiffe_id,
                            size_t spiffe_id_len,
                            const char *reason,
                            size_t reason_len,
                            pki_expiring **out,
                            pki_error **error);

/**
 * Takes an identity off the deny list; `*out` says whether it was on it.
 * `PKI_ERR_INVALID_SPIFFE_ID`, `PKI_ERR_NOT_INITIALIZED`.
 *
 * @param manager Not NULL.
 * @param spiffe_id UTF-8, `spiffe_id_len` bytes; not NULL.
 * @param out May be NULL. Written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_allow(const pki_manager *manager,
                             const char *spiffe_id,
                             size_t spiffe_id_len,
                             bool *out,
                             pki_error **error);

/**
 * The deny list. `PKI_ERR_NOT_INITIALIZED`.
 *
 * @param manager Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_deny_list_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_deny_list(const pki_manager *manager,
                                 pki_deny_list **out,
                                 pki_error **error);

/**
 * Revokes one certificate for good, for a key that somebody else may have: by its serial number in
 * hex, for a reason of 1 to 1024 bytes, none of them NUL. `ca` is who has issued it, as in
 * `pki_manager_crl`; empty where there is a record of it. `PKI_ERR_INVALID_ARGUMENT`, also for a CA's
 * own certificate; `PKI_ERR_NOT_INITIALIZED`.
 *
 * @param manager Not NULL.
 * @param serial UTF-8, `serial_len` bytes; not NULL.
 * @param reason UTF-8, `reason_len` bytes; not NULL.
 * @param ca UTF-8, `ca_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_deny_serial(const pki_manager *manager,
                                   const char *serial,
                                   size_t serial_len,
                                   const char *reason,
                                   size_t reason_len,
                                   const char *ca,
                                   size_t ca_len,
                                   pki_error **error);

/**
 * The certificates that are revoked for good. `PKI_ERR_NOT_INITIALIZED`.
 *
 * @param manager Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_denied_serials_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_denied_serials(const pki_manager *manager,
                                      pki_denied_serials **out,
                                      pki_error **error);

/**
 * The revocation list of a CA as things stand now: its certificates that were revoked for good, and
 * those of denied identities, on hold. `ca` is `root`, `services` or `transport` for the one that is
 * active, or a subject key identifier in hex. `PKI_ERR_INVALID_ARGUMENT` for a CA that is none of the
 * hierarchy; `PKI_ERR_SIGNING_CA_UNAVAILABLE` where its key is not here and its last list has ended;
 * `PKI_ERR_KEY_BACKEND_FAILED`, `PKI_ERR_NOT_INITIALIZED`.
 *
 * @param manager Not NULL.
 * @param ca UTF-8, `ca_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_crl_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_crl(const pki_manager *manager,
                           const char *ca,
                           size_t ca_len,
                           pki_crl **out,
                           pki_error **error);

/**
 * How the CA is; also where there is no hierarchy yet.
 *
 * @param manager Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_status_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_status(const pki_manager *manager,
                              pki_status **out,
                              pki_error **error);

/**
 * Deletes the records of leaves that expired over 24 hours ago; `*out` says how many. It works
 * in batches and lets others issue in between, so with many records it may take minutes; a
 * `pki_manager_shutdown` of another thread ends it early. If it fails, what has been deleted by
 * then stays deleted. `PKI_ERR_NOT_INITIALIZED`, `PKI_ERR_STORE_UNAVAILABLE`.
 *
 * @param manager Not NULL.
 * @param out May be NULL. Written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_purge(const pki_manager *manager,
                             uint64_t *out,
                             pki_error **error);

/**
 * Writes a copy of the database as it is now to a new file, durably, while others go on; there
 * may be none of that name. The passphrase that decrypts its private keys doesn't go along:
 * `pki_backup_has_key` and `pki_backup_notice` of `*out` say what else is needed to use it.
 * `PKI_ERR_INVALID_ARGUMENT`: there is a file already, or the manager is in memory.
 *
 * @param manager Not NULL.
 * @param path UTF-8, `path_len` bytes; not NULL.
 * @param out May be NULL. The new handle, to be freed by `pki_backup_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_backup(const pki_manager *manager,
                              const char *path,
                              size_t path_len,
                              pki_backup **out,
                              pki_error **error);

/**
 * Puts a backup in the place of all that is in the database, in one transaction; all managers
 * of all processes go on with it. Denials and revocations since the backup stay.
 * `PKI_ERR_STORE_UNAVAILABLE` (no backup), `PKI_ERR_INVALID_ARGUMENT` (the manager is in memory),
 * `PKI_ERR_WRONG_PASSPHRASE` (it has other keys), `PKI_ERR_STORE_TOO_NEW`; the database stays as
 * it was then.
 *
 * @param manager Not NULL.
 * @param path UTF-8, `path_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_restore(const pki_manager *manager,
                               const char *path,
                               size_t path_len,
                               pki_error **error);

/**
 * Forgets hierarchy and keys: every later call fails with `PKI_ERR_SHUT_DOWN`, but for
 * `pki_manager_backup` and `pki_manager_restore`, which need neither. Calls of other threads
 * that have begun end as they would have. Never waits for them.
 *
 * @param manager Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_manager_shutdown(const pki_manager *manager,
                                pki_error **error);

/**
 * Frees a manager and closes its database, once no `pki_token_issuer` has it open any more. NULL
 * is no error. No other thread may be in a call with it, or use it afterwards; what it has
 * returned lives on by itself.
 *
 * @param manager May be NULL. Not to be used any more.
 */
void pki_manager_free(pki_manager *manager);

/**
 * The root's: what services pin. Lives as long as `fingerprints`.
 *
 * @param fingerprints Not NULL.
 */
pki_str pki_fingerprints_root(const pki_fingerprints *fingerprints);

/**
 * The Services CA's. Lives as long as `fingerprints`.
 *
 * @param fingerprints Not NULL.
 */
pki_str pki_fingerprints_services_ca(const pki_fingerprints *fingerprints);

/**
 * The Transport CA's. Lives as long as `fingerprints`.
 *
 * @param fingerprints Not NULL.
 */
pki_str pki_fingerprints_transport_ca(const pki_fingerprints *fingerprints);

/**
 * Frees fingerprints. NULL is no error.
 *
 * @param fingerprints May be NULL. Not to be used any more.
 */
void pki_fingerprints_free(pki_fingerprints *fingerprints);

/**
 * The certificate. Lives as long as `certificate`.
 *
 * @param certificate Not NULL.
 */
pki_str pki_signed_certificate_pem(const pki_signed *certificate);

/**
 * The certificate and the CA that signed it: what a TLS peer must be sent. Lives as long as
 * `certificate`.
 *
 * @param certificate Not NULL.
 */
pki_str pki_signed_tls_chain_pem(const pki_signed *certificate);

/**
 * How many certificates stand above it: the CA that signed it, then the root.
 *
 * @param certificate Not NULL.
 */
size_t pki_signed_chain_len(const pki_signed *certificate);

/**
 * A certificate above it; 0 is the CA that signed it. Empty beyond the end. Lives as long as
 * `certificate`.
 *
 * @param certificate Not NULL.
 */
pki_str pki_signed_chain_pem(const pki_signed *certificate, size_t index);

/**
 * SHA-256 of its DER, base64url without padding. Lives as long as `certificate`.
 *
 * @param certificate Not NULL.
 */
pki_str pki_signed_fingerprint(const pki_signed *certificate);

/**
 * Its serial number: hex, lower case. Lives as long as `certificate`.
 *
 * @param certificate Not NULL.
 */
pki_str pki_signed_serial(const pki_signed *certificate);

/**
 * The last moment of its validity, in milliseconds since 1970-01-01T00:00:00Z.
 *
 * @param certificate Not NULL.
 */
int64_t pki_signed_expires_at(const pki_signed *certificate);

/**
 * How many DNS names of its profile had to be left out: another identity's unexpired
 * certificate holds them, or the CA's name constraints don't permit them. What the CSR asks for
 * by name is granted or refused, never left out.
 *
 * @param certificate Not NULL.
 */
size_t pki_signed_omitted_dns_names_len(const pki_signed *certificate);

/**
 * A DNS name that was left out. Empty beyond the end. Lives as long as `certificate`.
 *
 * @param certificate Not NULL.
 */
pki_str pki_signed_omitted_dns_name(const pki_signed *certificate, size_t index);

/**
 * When to renew it, half of its life and never before it was signed: milliseconds since
 * 1970-01-01T00:00:00Z.
 *
 * @param certificate Not NULL.
 */
int64_t pki_signed_renew_after(const pki_signed *certificate);

/**
 * Frees it, and the texts borrowed from it. NULL is no error.
 *
 * @param certificate May be NULL. Not to be used any more.
 */
void pki_signed_free(pki_signed *certificate);

/**
 * The trust domain. Lives as long as `bundle`.
 *
 * @param bundle Not NULL.
 */
pki_str pki_bundle_trust_domain(const pki_bundle *bundle);

/**
 * The intermediates of a segment in one text, newest first: the anchors for its peers. Empty
 * for a segment that there isn't. Lives as long as `bundle`.
 *
 * @param bundle Not NULL.
 */
pki_str pki_bundle_anchors_pem(const pki_bundle *bundle, pki_segment segment);

/**
 * How many intermediates a segment has.
 *
 * @param bundle Not NULL.
 */
size_t pki_bundle_anchors_len(const pki_bundle *bundle, pki_segment segment);

/**
 * One intermediate of a segment, 0 being the newest. Empty beyond the end. Lives as long as
 * `bundle`.
 *
 * @param bundle Not NULL.
 */
pki_str pki_bundle_anchor_pem(const pki_bundle *bundle, pki_segment segment, size_t index);

/**
 * The intermediates of a segment, newest first, then the root, in one text: for tools that want
 * a full chain, never as anchors of peers. Lives as long as `bundle`.
 *
 * @param bundle Not NULL.
 */
pki_str pki_bundle_full_chain_pem(const pki_bundle *bundle, pki_segment segment);

/**
 * The root: what anchors are held against (`pki_policy_builder_pin_roots_pem`). Lives as long as
 * `bundle`.
 *
 * @param bundle Not NULL.
 */
pki_str pki_bundle_root_pem(const pki_bundle *bundle);

/**
 * `v` and a digest of the certificates: the same content has the same version. Lives as long as
 * `bundle`.
 *
 * @param bundle Not NULL.
 */
pki_str pki_bundle_version(const pki_bundle *bundle);

/**
 * Grows at each change of the hierarchy: about the milliseconds since 1970 when its newest CA
 * was made, so that no other hierarchy has the number.
 *
 * @param bundle Not NULL.
 */
uint64_t pki_bundle_sequence(const pki_bundle *bundle);

/**
 * When the first of its certificates expires: milliseconds since 1970-01-01T00:00:00Z.
 *
 * @param bundle Not NULL.
 */
int64_t pki_bundle_expires_at(const pki_bundle *bundle);

/**
 * Frees it, and the texts borrowed from it. NULL is no error.
 *
 * @param bundle May be NULL. Not to be used any more.
 */
void pki_bundle_free(pki_bundle *bundle);

/**
 * How many there are; 0 for NULL.
 *
 * @param expiring Not NULL.
 */
size_t pki_expiring_len(const pki_expiring *expiring);

/**
 * The serial number of one: hex, lower case; empty beyond the end. Lives as long as `expiring`.
 *
 * @param expiring Not NULL.
 */
pki_str pki_expiring_serial(const pki_expiring *expiring, size_t index);

/**
 * When one expires: milliseconds since 1970-01-01T00:00:00Z; 0 beyond the end.
 *
 * @param expiring Not NULL.
 */
int64_t pki_expiring_expires_at(const pki_expiring *expiring, size_t index);

/**
 * Frees it, and the texts borrowed from it. NULL is no error.
 *
 * @param expiring May be NULL. Not to be used any more.
 */
void pki_expiring_free(pki_expiring *expiring);

/**
 * How many identities are denied; 0 for NULL.
 *
 * @param list Not NULL.
 */
size_t pki_deny_list_len(const pki_deny_list *list);

/**
 * A denied identity; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_deny_list_spiffe_id(const pki_deny_list *list, size_t index);

/**
 * Why it is denied; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_deny_list_reason(const pki_deny_list *list, size_t index);

/**
 * Since when: milliseconds since 1970-01-01T00:00:00Z; 0 beyond the end.
 *
 * @param list Not NULL.
 */
int64_t pki_deny_list_denied_at(const pki_deny_list *list, size_t index);

/**
 * Frees it, and the texts borrowed from it. NULL is no error.
 *
 * @param list May be NULL. Not to be used any more.
 */
void pki_deny_list_free(pki_deny_list *list);

/**
 * An empty list.
 *
 * @param out Not NULL. The new handle, to be freed by `pki_denied_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_denied_new(pki_denied **out,
                          pki_error **error);

/**
 * Denies an identity: every certificate that bears it. `PKI_ERR_INVALID_POLICY` if it is no
 * SPIFFE ID.
 *
 * @param denied Not NULL.
 * @param spiffe_id UTF-8, `spiffe_id_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_denied_add_identity(pki_denied *denied,
                                   const char *spiffe_id,
                                   size_t spiffe_id_len,
                                   pki_error **error);

/**
 * Denies one certificate, by its issuer's subject key identifier and its serial number, both in
 * hex, in either case. `PKI_ERR_INVALID_POLICY` if one of them is no hex.
 *
 * @param denied Not NULL.
 * @param issuer_key_id UTF-8, `issuer_key_id_len` bytes; not NULL.
 * @param serial UTF-8, `serial_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_denied_add_serial(pki_denied *denied,
                                 const char *issuer_key_id,
                                 size_t issuer_key_id_len,
                                 const char *serial,
                                 size_t serial_len,
                                 pki_error **error);

/**
 * Denies all that a CA has signed, by the serial number of the CA's own certificate in hex.
 * `PKI_ERR_INVALID_POLICY` if it is no hex.
 *
 * @param denied Not NULL.
 * @param serial UTF-8, `serial_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_denied_add_issuer(pki_denied *denied,
                                 const char *serial,
                                 size_t serial_len,
                                 pki_error **error);

/**
 * Checks a peer that was verified earlier, for connections that are open when a list changes;
 * denied CAs are not looked at. `PKI_ERR_IDENTITY_DENIED`, `PKI_ERR_SERIAL_DENIED`.
 *
 * @param denied Not NULL.
 * @param svid Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_denied_check(const pki_denied *denied,
                            const pki_svid *svid,
                            pki_error **error);

/**
 * Frees a list; policies that were given it have copies. NULL is no error.
 *
 * @param denied May be NULL. Not to be used any more.
 */
void pki_denied_free(pki_denied *denied);

/**
 * The list, DER. Lives as long as `crl`.
 *
 * @param crl Not NULL.
 */
pki_bytes pki_crl_der(const pki_crl *crl);

/**
 * Its CRL number: greater than that of every earlier list of this CA; 0 for NULL.
 *
 * @param crl Not NULL.
 */
uint64_t pki_crl_number(const pki_crl *crl);

/**
 * Since when it says how things stand: milliseconds since 1970-01-01T00:00:00Z; 0 for NULL.
 *
 * @param crl Not NULL.
 */
int64_t pki_crl_this_update(const pki_crl *crl);

/**
 * After which it is no longer taken: milliseconds since 1970-01-01T00:00:00Z; 0 for NULL.
 *
 * @param crl Not NULL.
 */
int64_t pki_crl_next_update(const pki_crl *crl);

/**
 * The subject key identifier of the CA, hex, lower case. Lives as long as `crl`.
 *
 * @param crl Not NULL.
 */
pki_str pki_crl_issuer_key_id(const pki_crl *crl);

/**
 * Frees it, and what is borrowed from it. NULL is no error.
 *
 * @param crl May be NULL. Not to be used any more.
 */
void pki_crl_free(pki_crl *crl);

/**
 * How many there are; 0 for NULL.
 *
 * @param list Not NULL.
 */
size_t pki_denied_serials_len(const pki_denied_serials *list);

/**
 * The serial number of one: hex, lower case; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_denied_serials_serial(const pki_denied_serials *list, size_t index);

/**
 * The subject key identifier of the CA that has issued it, hex, lower case; empty beyond the end, and
 * where that CA's record can't be read. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_denied_serials_issuer_key_id(const pki_denied_serials *list,
                                         size_t index);

/**
 * Why it was revoked; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_denied_serials_reason(const pki_denied_serials *list, size_t index);

/**
 * Since when: milliseconds since 1970-01-01T00:00:00Z; 0 beyond the end.
 *
 * @param list Not NULL.
 */
int64_t pki_denied_serials_denied_at(const pki_denied_serials *list, size_t index);

/**
 * When it ends: milliseconds since 1970-01-01T00:00:00Z; 0 where there is no record of it, and beyond
 * the end.
 *
 * @param list Not NULL.
 */
int64_t pki_denied_serials_expires_at(const pki_denied_serials *list,
                                      size_t index);

/**
 * Frees it, and the texts borrowed from it. NULL is no error.
 *
 * @param list May be NULL. Not to be used any more.
 */
void pki_denied_serials_free(pki_denied_serials *list);

/**
 * In one word: `PKI_HEALTH_…`; 0 for NULL.
 *
 * @param status Not NULL.
 */
pki_health pki_status_health(const pki_status *status);

/**
 * The trust domain. Lives as long as `status`.
 *
 * @param status Not NULL.
 */
pki_str pki_status_trust_domain(const pki_status *status);

/**
 * Whether there is such a CA.
 *
 * @param status Not NULL.
 */
bool pki_status_has_ca(const pki_status *status, pki_ca_kind kind);

/**
 * SHA-256 of a CA certificate's DER, base64url without padding; empty where there is none.
 * Lives as long as `status`.
 *
 * @param status Not NULL.
 */
pki_str pki_status_ca_fingerprint(const pki_status *status, pki_ca_kind kind);

/**
 * A CA's common name; empty where there is none. Lives as long as `status`.
 *
 * @param status Not NULL.
 */
pki_str pki_status_ca_common_name(const pki_status *status, pki_ca_kind kind);

/**
 * A CA's key: `ECDSA P-384`; empty where there is none. Lives as long as `status`.
 *
 * @param status Not NULL.
 */
pki_str pki_status_ca_algorithm(const pki_status *status, pki_ca_kind kind);

/**
 * When a CA expires: milliseconds since 1970-01-01T00:00:00Z; 0 where there is none.
 *
 * @param status Not NULL.
 */
int64_t pki_status_ca_expires_at(const pki_status *status, pki_ca_kind kind);

/**
 * How many active, unexpired leaves a CA has signed.
 *
 * @param status Not NULL.
 */
uint64_t pki_status_ca_issued(const pki_status *status, pki_ca_kind kind);

/**
 * How many active, unexpired leaves the whole hierarchy has.
 *
 * @param status Not NULL.
 */
uint64_t pki_status_active_certificates(const pki_status *status);

/**
 * How many identities are denied.
 *
 * @param status Not NULL.
 */
uint64_t pki_status_denied_identities(const pki_status *status);

/**
 * How many warnings there are: what somebody should do something about.
 *
 * @param status Not NULL.
 */
size_t pki_status_warnings_len(const pki_status *status);

/**
 * What is wrong and what to do; empty beyond the end. Lives as long as `status`.
 *
 * @param status Not NULL.
 */
pki_str pki_status_warning(const pki_status *status, size_t index);

/**
 * Whether a warning is urgent.
 *
 * @param status Not NULL.
 */
bool pki_status_warning_is_critical(const pki_status *status, size_t index);

/**
 * How many notices there are: what somebody should know.
 *
 * @param status Not NULL.
 */
size_t pki_status_notices_len(const pki_status *status);

/**
 * A notice; empty beyond the end. Lives as long as `status`.
 *
 * @param status Not NULL.
 */
pki_str pki_status_notice(const pki_status *status, size_t index);

/**
 * Frees it, and the texts borrowed from it. NULL is no error.
 *
 * @param status May be NULL. Not to be used any more.
 */
void pki_status_free(pki_status *status);

/**
 * Its file. Lives as long as `backup`.
 *
 * @param backup Not NULL.
 */
pki_str pki_backup_path(const pki_backup *backup);

/**
 * The length of its file in bytes; 0 for NULL.
 *
 * @param backup Not NULL.
 */
uint64_t pki_backup_size(const pki_backup *backup);

/**
 * Whether what decrypts its private keys is in it, so that whoever finds it is the CA.
 *
 * @param backup Not NULL.
 */
bool pki_backup_has_key(const pki_backup *backup);

/**
 * The development key file, without which it is lost; empty where a passphrase was configured.
 * Lives as long as `backup`.
 *
 * @param backup Not NULL.
 */
pki_str pki_backup_key_file(const pki_backup *backup);

/**
 * What an operator must know of its keys, in a sentence. Lives as long as `backup`.
 *
 * @param backup Not NULL.
 */
pki_str pki_backup_notice(const pki_backup *backup);

/**
 * Frees it, and the texts borrowed from it; the file stays. NULL is no error.
 *
 * @param backup May be NULL. Not to be used any more.
 */
void pki_backup_free(pki_backup *backup);

/**
 * An empty one.
 *
 * @param out Not NULL. The new handle, to be freed by `pki_chain_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_chain_new(pki_chain **out,
                         pki_error **error);

/**
 * Adds a certificate, DER, as it is: whether it is one shows when it is verified.
 *
 * @param chain Not NULL.
 * @param der `der_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_chain_add_der(pki_chain *chain,
                             const uint8_t *der,
                             size_t der_len,
                             pki_error **error);

/**
 * Adds the certificates of a PEM text, one or more, in their order. Adds none of them on
 * failure. `PKI_ERR_MALFORMED_CERTIFICATE` if there is none in it, or a block that is no
 * certificate.
 *
 * @param chain Not NULL.
 * @param pem UTF-8, `pem_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_chain_add_pem(pki_chain *chain,
                             const char *pem,
                             size_t pem_len,
                             pki_error **error);

/**
 * How many there are; 0 for NULL.
 *
 * @param chain Not NULL.
 */
size_t pki_chain_len(const pki_chain *chain);

/**
 * One of them, DER; none beyond the end. Lives as long as `chain`.
 *
 * @param chain Not NULL.
 */
pki_bytes pki_chain_der(const pki_chain *chain, size_t index);

/**
 * One of them, PEM: lines of 64 characters that end in LF; empty beyond the end. Lives as long
 * as `chain`.
 *
 * @param chain Not NULL.
 */
pki_str pki_chain_pem(const pki_chain *chain, size_t index);

/**
 * The fingerprint of one of them: SHA-256 of its DER, base64url without padding, which is the
 * thumbprint `x5t#S256` of RFC 8705 too. Empty beyond the end. Lives as long as `chain`.
 *
 * @param chain Not NULL.
 */
pki_str pki_chain_fingerprint(const pki_chain *chain, size_t index);

/**
 * Frees it, and what was borrowed from it. NULL is no error.
 *
 * @param chain May be NULL. Not to be used any more.
 */
void pki_chain_free(pki_chain *chain);

/**
 * Begins a policy for peers of `trust_domain` in one segment of the mesh (`PKI_SEGMENT_…`) that
 * are clients or servers (`PKI_ROLE_…`). `PKI_ERR_INVALID_ARGUMENT`,
 * `PKI_ERR_INVALID_SPIFFE_ID`.
 *
 * @param trust_domain UTF-8, `trust_domain_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_policy_builder_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_new(pki_segment segment,
                                  pki_role role,
                                  const char *trust_domain,
                                  size_t trust_domain_len,
                                  pki_policy_builder **out,
                                  pki_error **error);

/**
 * Trusts the intermediates in a PEM text, one or more. Each must have the service types
 * extension, as those of this library do. A root is refused.
 *
 * @param builder Not NULL.
 * @param pem UTF-8, `pem_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_add_anchors_pem(pki_policy_builder *builder,
                                              const char *pem,
                                              size_t pem_len,
                                              pki_error **error);

/**
 * Trusts one intermediate in DER, likewise.
 *
 * @param builder Not NULL.
 * @param der `der_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_add_anchor_der(pki_policy_builder *builder,
                                             const uint8_t *der,
                                             size_t der_len,
                                             pki_error **error);

/**
 * Trusts the intermediates in a PEM text for these service types of the segment: ones of an
 * earlier implementation or of another PKI, without the extension. Where there is one, it
 * counts instead. `PKI_ERR_INVALID_SPIFFE_ID` for what is no service type.
 *
 * @param builder Not NULL.
 * @param pem UTF-8, `pem_len` bytes; not NULL.
 * @param types `types_len` texts, none of them NULL; may be NULL if there are none.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_add_anchors_pem_for(pki_policy_builder *builder,
                                                  const char *pem,
                                                  size_t pem_len,
                                                  const pki_str *types,
                                                  size_t types_len,
                                                  pki_error **error);

/**
 * Demands that one of the roots in this PEM text has signed each anchor. Can be called several
 * times.
 *
 * @param builder Not NULL.
 * @param pem UTF-8, `pem_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_pin_roots_pem(pki_policy_builder *builder,
                                            const char *pem,
                                            size_t pem_len,
                                            pki_error **error);

/**
 * Demands that this root, in DER, or another that is pinned has signed each anchor.
 *
 * @param builder Not NULL.
 * @param der `der_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_pin_root_der(pki_policy_builder *builder,
                                           const uint8_t *der,
                                           size_t der_len,
                                           pki_error **error);

/**
 * Takes peers of a foreign trust domain: whose intermediate, which they send along, one of
 * these roots (PEM) has signed, and whose ID one of these patterns matches.
 * `PKI_ERR_INVALID_SPIFFE_ID` for what is no trust domain.
 *
 * @param builder Not NULL.
 * @param trust_domain UTF-8, `trust_domain_len` bytes; not NULL.
 * @param roots_pem UTF-8, `roots_pem_len` bytes; not NULL.
 * @param allow `allow_len` texts, none of them NULL; may be NULL if there are none.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_federate(pki_policy_builder *builder,
                                       const char *trust_domain,
                                       size_t trust_domain_len,
                                       const char *roots_pem,
                                       size_t roots_pem_len,
                                       const pki_str *allow,
                                       size_t allow_len,
                                       pki_error **error);

/**
 * Expects one of these IDs or patterns: `spiffe://td.example/node/a` (this one),
 * `spiffe://td.example/node/` and a star (one segment more), or two stars (one or more). Those
 * of several calls add up. Never called, every ID of the trust domain in this segment is taken;
 * called with an empty list alone, that would be nobody, and the policy is refused.
 *
 * @param builder Not NULL.
 * @param patterns `patterns_len` texts, none of them NULL; may be NULL if there are none.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_expect(pki_policy_builder *builder,
                                     const pki_str *patterns,
                                     size_t patterns_len,
                                     pki_error **error);

/**
 * Refuses what is denied by name, in place of an earlier list. The list is copied.
 *
 * @param builder Not NULL.
 * @param denied Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_set_denied(pki_policy_builder *builder,
                                         const pki_denied *denied,
                                         pki_error **error);

/**
 * Looks at a revocation list, DER: of an anchor for its leaves, of a pinned root for the
 * anchors, of a federated CA likewise. It belongs to the CA whose key has signed it and whose
 * name it bears, however that is spelled (RFC 5280 7.1). Of several lists of one CA all count
 * that are current; where none is, nobody of that CA is taken. It adds to the lists of another
 * CA of the same name, and never takes the place of one. A list that belongs to no CA of the
 * policy is refused when the policy is made: `PKI_ERR_INVALID_POLICY`, or `PKI_ERR_CRL_INVALID`
 * where it bears the name of one.
 *
 * @param builder Not NULL.
 * @param der `der_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_add_crl_der(pki_policy_builder *builder,
                                          const uint8_t *der,
                                          size_t der_len,
                                          pki_error **error);

/**
 * Demands a revocation list that is current of each CA whose certificates are looked at: of the
 * peer's issuer, and of whoever has issued that, up to the anchor or the root that is pinned.
 * Without, a certificate passes for which there is no list; with it, the peer is refused:
 * `PKI_ERR_REVOCATION_UNKNOWN`. This is how the loss of a list that never came is noticed.
 *
 * @param builder Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_require_crl(pki_policy_builder *builder,
                                          pki_error **error);

/**
 * Verifies for this moment, whatever the time: milliseconds since 1970-01-01T00:00:00Z.
 * `PKI_ERR_INVALID_ARGUMENT` outside of the years 0 to 9999.
 *
 * @param builder Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_set_at(pki_policy_builder *builder,
                                     int64_t at,
                                     pki_error **error);

/**
 * How far this machine's clock and those of the CAs may differ, in milliseconds: the beginning
 * and the end of every validity are off by as much. None by default.
 *
 * @param builder Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_set_skew(pki_policy_builder *builder,
                                       uint64_t milliseconds,
                                       pki_error **error);

/**
 * Takes keys and signatures of another kind too: P-256, Ed25519 or ML-DSA (`PKI_ALGORITHM_…`).
 * P-384 alone is the default. `PKI_ERR_INVALID_ARGUMENT` for a number that stands for nothing.
 *
 * @param builder Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_allow_algorithm(pki_policy_builder *builder,
                                              pki_algorithm algorithm,
                                              pki_error **error);

/**
 * Makes the policy: looks at every anchor, and verifies what can be verified once. A builder
 * makes one policy; afterwards it can only be freed, also when this fails.
 *
 * `PKI_ERR_INVALID_POLICY` (no anchors, a bad pattern, an empty list of expected IDs, a
 * revocation list of a CA that it doesn't know, and the like),
 * `PKI_ERR_ANCHOR_REJECTED` (an anchor that is a root, no CA, of the other segment, or not
 * signed by a pinned root), `PKI_ERR_MALFORMED_CERTIFICATE`, `PKI_ERR_ALGORITHM_NOT_ALLOWED`,
 * `PKI_ERR_CRL_INVALID`, `PKI_ERR_INVALID_ARGUMENT` (built already).
 *
 * @param builder Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_policy_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_builder_build(pki_policy_builder *builder,
                                    pki_policy **out,
                                    pki_error **error);

/**
 * Frees a builder; the policy that it made lives on. NULL is no error.
 *
 * @param builder May be NULL. Not to be used any more.
 */
void pki_policy_builder_free(pki_policy_builder *builder);

/**
 * The same policy with other expected IDs and patterns; none would be nobody, and is refused.
 * Cheap: the anchors are not looked at again. The new policy is freed by itself.
 * `PKI_ERR_INVALID_POLICY`.
 *
 * @param policy Not NULL.
 * @param patterns `patterns_len` texts, none of them NULL; may be NULL if there are none.
 * @param out Not NULL. The new handle, to be freed by `pki_policy_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_with_expected(const pki_policy *policy,
                                    const pki_str *patterns,
                                    size_t patterns_len,
                                    pki_policy **out,
                                    pki_error **error);

/**
 * The same policy with another deny list, which is copied. Cheap, as
 * `pki_policy_with_expected`.
 *
 * @param policy Not NULL.
 * @param denied Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_policy_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_with_denied(const pki_policy *policy,
                                  const pki_denied *denied,
                                  pki_policy **out,
                                  pki_error **error);

/**
 * The same policy with other revocation lists, DER, in place of all that it has; with none it
 * has none. What counts as a list is said at `pki_policy_builder_add_crl_der`. The anchors are
 * not looked at again, but for whom the lists are of. The new policy is freed by itself.
 *
 * `PKI_ERR_INVALID_POLICY` (a list that bears the name of no CA of the policy),
 * `PKI_ERR_CRL_INVALID` (one that can't be read, or that none of the CAs of its issuer's name
 * has signed).
 *
 * @param policy Not NULL.
 * @param crls `crls_len` byte strings, none of them NULL; may be NULL if there are none.
 * @param out Not NULL. The new handle, to be freed by `pki_policy_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_with_crls(const pki_policy *policy,
                                const pki_bytes *crls,
                                size_t crls_len,
                                pki_policy **out,
                                pki_error **error);

/**
 * The same policy for one moment: milliseconds since 1970-01-01T00:00:00Z. Cheap, as
 * `pki_policy_with_expected`. `PKI_ERR_INVALID_ARGUMENT` outside of the years 0 to 9999.
 *
 * @param policy Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_policy_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_policy_with_at(const pki_policy *policy,
                              int64_t at,
                              pki_policy **out,
                              pki_error **error);

/**
 * Frees a policy. No other thread may be verifying with it. NULL is no error.
 *
 * @param policy May be NULL. Not to be used any more.
 */
void pki_policy_free(pki_policy *policy);

/**
 * Verifies the certificate chain of a peer (its own certificate first, then what it sent along)
 * and says who it is. Never blocks: nothing but memory is looked at.
 *
 * `PKI_ERR_MALFORMED_CERTIFICATE`, `PKI_ERR_CA_USED_AS_LEAF`, `PKI_ERR_SPIFFE_ID_MISSING`,
 * `PKI_ERR_SPIFFE_ID_NOT_UNIQUE`, `PKI_ERR_PEER_ID_INVALID`, `PKI_ERR_FOREIGN_TRUST_DOMAIN`,
 * `PKI_ERR_ALGORITHM_NOT_ALLOWED`, `PKI_ERR_UNKNOWN_CRITICAL_EXTENSION`,
 * `PKI_ERR_PATH_RULE_VIOLATED`, `PKI_ERR_KEY_USAGE_NOT_ALLOWED`, `PKI_ERR_USAGE_NOT_ALLOWED`,
 * `PKI_ERR_CERTIFICATE_EXPIRED`,
 * `PKI_ERR_CERTIFICATE_NOT_YET_VALID`, `PKI_ERR_UNTRUSTED_ISSUER`,
 * `PKI_ERR_SIGNATURE_INVALID`, `PKI_ERR_PATH_LENGTH_EXCEEDED`, `PKI_ERR_ISSUER_EXPIRED`,
 * `PKI_ERR_ISSUER_NOT_YET_VALID`, `PKI_ERR_ISSUER_REVOKED`,
 * `PKI_ERR_NAME_CONSTRAINT_VIOLATED`, `PKI_ERR_SERVICE_TYPE_NOT_ALLOWED`,
 * `PKI_ERR_IDENTITY_DENIED`, `PKI_ERR_SERIAL_DENIED`, `PKI_ERR_CERTIFICATE_REVOKED`,
 * `PKI_ERR_REVOCATION_UNKNOWN`, `PKI_ERR_CRL_INVALID`, `PKI_ERR_UNEXPECTED_PEER`.
 *
 * @param policy Not NULL.
 * @param chain Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_svid_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_verify_peer(const pki_policy *policy,
                           const pki_chain *chain,
                           pki_svid **out,
                           pki_error **error);

/**
 * Who it is. Lives as long as `svid`.
 *
 * @param svid Not NULL.
 */
pki_str pki_svid_spiffe_id(const pki_svid *svid);

/**
 * The trust domain that it belongs to. Lives as long as `svid`.
 *
 * @param svid Not NULL.
 */
pki_str pki_svid_trust_domain(const pki_svid *svid);

/**
 * Its service type; empty for an ID of a federated trust domain with another layout. Lives as
 * long as `svid`.
 *
 * @param svid Not NULL.
 */
pki_str pki_svid_service_type(const pki_svid *svid);

/**
 * Its instance ID; empty where there is no service type. Lives as long as `svid`.
 *
 * @param svid Not NULL.
 */
pki_str pki_svid_instance_id(const pki_svid *svid);

/**
 * SHA-256 of its certificate's DER, base64url without padding. Lives as long as `svid`.
 *
 * @param svid Not NULL.
 */
pki_str pki_svid_fingerprint(const pki_svid *svid);

/**
 * Its certificate's serial number: hex, lower case. Lives as long as `svid`.
 *
 * @param svid Not NULL.
 */
pki_str pki_svid_serial(const pki_svid *svid);

/**
 * When its certificate begins: milliseconds since 1970-01-01T00:00:00Z.
 *
 * @param svid Not NULL.
 */
int64_t pki_svid_not_before(const pki_svid *svid);

/**
 * When its certificate ends, which a connection should not outlive: milliseconds since
 * 1970-01-01T00:00:00Z.
 *
 * @param svid Not NULL.
 */
int64_t pki_svid_not_after(const pki_svid *svid);

/**
 * The subject of the CA that signed it: `CN=Catalyst Services CA`. Lives as long as `svid`.
 *
 * @param svid Not NULL.
 */
pki_str pki_svid_issuer(const pki_svid *svid);

/**
 * That CA's subject key identifier, hex, lower case: with the serial number it names the
 * certificate in a deny list. Lives as long as `svid`.
 *
 * @param svid Not NULL.
 */
pki_str pki_svid_issuer_key_id(const pki_svid *svid);

/**
 * Frees it, and the texts borrowed from it. NULL is no error.
 *
 * @param svid May be NULL. Not to be used any more.
 */
void pki_svid_free(pki_svid *svid);

/**
 * A policy without anchors, by which nothing is valid yet: for any usage, P-384 only.
 *
 * @param out Not NULL. The new handle, to be freed by `pki_path_policy_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_new(pki_path_policy **out,
                               pki_error **error);

/**
 * Trusts CA certificates. `PKI_ERR_MALFORMED_CERTIFICATE` for what is none; then none of them
 * is trusted.
 *
 * @param policy Not NULL.
 * @param anchors Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_add_anchors(pki_path_policy *policy,
                                       const pki_chain *anchors,
                                       pki_error **error);

/**
 * Verifies for this moment: milliseconds since 1970-01-01T00:00:00Z. The present by default.
 * `PKI_ERR_INVALID_ARGUMENT` outside of the years 0 to 9999.
 *
 * @param policy Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_set_at(pki_path_policy *policy,
                                  int64_t at,
                                  pki_error **error);

/**
 * How far this machine's clock and those of the CAs may differ, in milliseconds: the beginning
 * and the end of every validity are off by as much. None by default.
 *
 * @param policy Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_set_skew(pki_path_policy *policy,
                                    uint64_t milliseconds,
                                    pki_error **error);

/**
 * What the certificate is for: `PKI_USAGE_…`. `PKI_ERR_INVALID_ARGUMENT` for another number.
 *
 * @param policy Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_set_usage(pki_path_policy *policy,
                                     pki_usage usage,
                                     pki_error **error);

/**
 * What the certificate is for, as the object identifier of a purpose: `1.3.6.1.5.5.7.3.8` for
 * time stamping. `PKI_ERR_INVALID_ARGUMENT` for what is none.
 *
 * @param policy Not NULL.
 * @param oid UTF-8, `oid_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_set_purpose(pki_path_policy *policy,
                                       const char *oid,
                                       size_t oid_len,
                                       pki_error **error);

/**
 * Demands a DNS name. All names that are demanded must be in the certificate.
 *
 * @param policy Not NULL.
 * @param name UTF-8, `name_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_add_dns_name(pki_path_policy *policy,
                                        const char *name,
                                        size_t name_len,
                                        pki_error **error);

/**
 * Demands an IP address: `192.0.2.1`, `2001:db8::1`. `PKI_ERR_INVALID_ARGUMENT` for what is
 * none.
 *
 * @param policy Not NULL.
 * @param address UTF-8, `address_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_add_ip_address(pki_path_policy *policy,
                                          const char *address,
                                          size_t address_len,
                                          pki_error **error);

/**
 * Demands a mail address.
 *
 * @param policy Not NULL.
 * @param address UTF-8, `address_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_add_email(pki_path_policy *policy,
                                     const char *address,
                                     size_t address_len,
                                     pki_error **error);

/**
 * Looks at a revocation list, DER. One that bears the name of a CA of the path, however it is
 * spelled (RFC 5280 7.1), is held against what that name has issued, and refused if no key of
 * the name has signed it. The others are not looked at. What another key of the name has signed
 * adds to the CA's own lists, and never takes the place of one. `PKI_ERR_CRL_INVALID`.
 *
 * @param policy Not NULL.
 * @param der `der_len` bytes; not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_add_crl_der(pki_path_policy *policy,
                                       const uint8_t *der,
                                       size_t der_len,
                                       pki_error **error);

/**
 * Demands for every certificate below the anchor a list that is current and speaks of it.
 * Without, a certificate passes for which there is none; with it, the path fails:
 * `PKI_ERR_REVOCATION_UNKNOWN`. A list whose issuer is damaged is nobody's: this is how its loss
 * is noticed.
 *
 * @param policy Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_require_crl(pki_path_policy *policy,
                                       pki_error **error);

/**
 * Takes keys and signatures of another kind too (`PKI_ALGORITHM_…`).
 * `PKI_ERR_INVALID_ARGUMENT` for a number that stands for nothing.
 *
 * @param policy Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_allow_algorithm(pki_path_policy *policy,
                                           pki_algorithm algorithm,
                                           pki_error **error);

/**
 * The most CAs between leaf and anchor, self-issued ones not counted; over 6 there are never.
 *
 * @param policy Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_set_max_depth(pki_path_policy *policy,
                                         size_t depth,
                                         pki_error **error);

/**
 * Holds paths against rules beyond RFC 5280: `PKI_PROFILE_…`. `PKI_ERR_INVALID_ARGUMENT` for
 * another number.
 *
 * @param policy Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_path_policy_set_profile(pki_path_policy *policy,
                                       pki_profile profile,
                                       pki_error **error);

/**
 * Frees a policy. NULL is no error.
 *
 * @param policy May be NULL. Not to be used any more.
 */
void pki_path_policy_free(pki_path_policy *policy);

/**
 * Validates a certification path (RFC 5280 6) from the first certificate of `chain` by the others,
 * in any order, to an anchor. `*out` is the path: the leaf, the CAs above it, the anchor last.
 * Never blocks: nothing but memory is looked at.
 *
 * Fails with an error of the 500s, by the rule that failed, or `PKI_ERR_INVALID_ARGUMENT` (over
 * 128 certificates).
 *
 * @param policy Not NULL.
 * @param chain Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_chain_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_verify_path(const pki_path_policy *policy,
                           const pki_chain *chain,
                           pki_chain **out,
                           pki_error **error);

/**
 * The thumbprint of a certificate (`x5t#S256`, RFC 8705 3.1), DER: its SHA-256, base64url without
 * padding. `PKI_ERR_INVALID_DER` if it is no certificate. Any thread.
 *
 * @param der `der_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_text_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_certificate_thumbprint(const uint8_t *der,
                                      size_t der_len,
                                      pki_text **out,
                                      pki_error **error);

/**
 * The token itself, a JWT: a secret where it is bound to nothing. Lives as long as `token`, and is
 * wiped from memory with it.
 *
 * @param token Not NULL.
 */
pki_str pki_token_text(const pki_token *token);

/**
 * Its identifier. Lives as long as `token`.
 *
 * @param token Not NULL.
 */
pki_str pki_token_jti(const pki_token *token);

/**
 * When it ends: milliseconds since 1970-01-01T00:00:00Z.
 *
 * @param token Not NULL.
 */
int64_t pki_token_expires_at(const pki_token *token);

/**
 * The thumbprint of the certificate that it is bound to; empty where it is bound to none. Lives as
 * long as `token`.
 *
 * @param token Not NULL.
 */
pki_str pki_token_fingerprint(const pki_token *token);

/**
 * Whether it would live longer than its certificate: from that one's renewal on it is of no use.
 * False where the certificate's end is not known.
 *
 * @param token Not NULL.
 */
bool pki_token_outlives_certificate(const pki_token *token);

/**
 * Frees it, and wipes the token. NULL is no error.
 *
 * @param token May be NULL. Not to be used any more.
 */
void pki_token_free(pki_token *token);

/**
 * An issuer on the store of a manager, with its clock, for peers of its trust domain. `name` is its
 * node's ID: the `iss` of its tokens, and their audience where none is given. Peers of the trust
 * domains in `federated` may show tokens too. `types` are the services that may show a token which
 * names no SPIFFE ID; where none is given, orchestrators.
 *
 * Nothing is read or made before `pki_token_issuer_initialize`. It has the database open by itself
 * and goes on after the manager is shut down or freed. `PKI_ERR_INVALID_ARGUMENT` for a name that is
 * empty, `PKI_ERR_INVALID_SPIFFE_ID` for what is no trust domain or no service type.
 *
 * @param manager Not NULL.
 * @param name UTF-8, `name_len` bytes; not NULL.
 * @param federated `federated_len` texts, none of them NULL; may be NULL if there are none.
 * @param types `types_len` texts, none of them NULL; may be NULL if there are none.
 * @param out Not NULL. The new handle, to be freed by `pki_token_issuer_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_new(const pki_manager *manager,
                                const char *name,
                                size_t name_len,
                                const pki_str *federated,
                                size_t federated_len,
                                const pki_str *types,
                                size_t types_len,
                                pki_token_issuer **out,
                                pki_error **error);

/**
 * Makes the first key where there is none, and loads what there is; calling it again changes
 * nothing. `PKI_ERR_WRONG_PASSPHRASE`, `PKI_ERR_INVALID_KEY`, `PKI_ERR_KEY_BACKEND_FAILED`.
 *
 * @param issuer Not NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_initialize(const pki_token_issuer *issuer,
                                       pki_error **error);

/**
 * Mints a token and records that it exists. `PKI_ERR_INVALID_ARGUMENT`,
 * `PKI_ERR_MALFORMED_CERTIFICATE` and `PKI_ERR_INVALID_DER` (what was given is not one certificate),
 * `PKI_ERR_INVALID_SPIFFE_ID`, `PKI_ERR_IDENTITY_DENIED`, `PKI_ERR_STRUCT_SIZE`.
 *
 * @param issuer Not NULL.
 * @param request Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_mint(const pki_token_issuer *issuer,
                                 const pki_token_request *request,
                                 pki_token **out,
                                 pki_error **error);

/**
 * Verifies a token that a peer shows which `pki_verify_peer` has verified, as
 * `pki_token_verifier_verify` does, and by what is recorded of it: the SPIFFE ID that it was issued
 * to, and whether it is revoked by now. Fails as that function does.
 *
 * @param issuer Not NULL.
 * @param token UTF-8, `token_len` bytes; not NULL.
 * @param peer Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_claims_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_verify(const pki_token_issuer *issuer,
                                   const char *token,
                                   size_t token_len,
                                   const pki_svid *peer,
                                   pki_token_claims **out,
                                   pki_error **error);

/**
 * Verifies a token of a caller who may have no certificate, as `pki_token_verifier_authenticate`
 * does, and by what is recorded of it. Fails as that function does.
 *
 * @param issuer Not NULL.
 * @param token UTF-8, `token_len` bytes; not NULL.
 * @param peer May be NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_claims_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_authenticate(const pki_token_issuer *issuer,
                                         const char *token,
                                         size_t token_len,
                                         const pki_svid *peer,
                                         pki_token_claims **out,
                                         pki_error **error);

/**
 * Looks at a token alone that is meant for this issuer: whoever shows it may have stolen it.
 * `PKI_ERR_INVALID_TOKEN`, `PKI_ERR_TOKEN_KEY_NOT_FOUND`, `PKI_ERR_TOKEN_EXPIRED`,
 * `PKI_ERR_TOKEN_REVOKED`.
 *
 * @param issuer Not NULL.
 * @param token UTF-8, `token_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_claims_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_inspect(const pki_token_issuer *issuer,
                                    const char *token,
                                    size_t token_len,
                                    pki_token_claims **out,
                                    pki_error **error);

/**
 * The same for a token that is meant for somebody else.
 *
 * @param issuer Not NULL.
 * @param token UTF-8, `token_len` bytes; not NULL.
 * @param audience UTF-8, `audience_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_claims_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_inspect_for(const pki_token_issuer *issuer,
                                        const char *token,
                                        size_t token_len,
                                        const char *audience,
                                        size_t audience_len,
                                        pki_token_claims **out,
                                        pki_error **error);

/**
 * Verifies a bootstrap token for the first certificate of an identity; `*out` goes into
 * `pki_sign_request.token_jti`. Fails as `pki_token_issuer_inspect`, with
 * `PKI_ERR_PERMISSION_DENIED` for a token of another principal and with
 * `PKI_ERR_BOOTSTRAP_TOKEN_MISMATCH` for one of another identity.
 *
 * @param issuer Not NULL.
 * @param token UTF-8, `token_len` bytes; not NULL.
 * @param spiffe_id UTF-8, `spiffe_id_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_text_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_bootstrap(const pki_token_issuer *issuer,
                                      const char *token,
                                      size_t token_len,
                                      const char *spiffe_id,
                                      size_t spiffe_id_len,
                                      pki_text **out,
                                      pki_error **error);

/**
 * Makes a new key, which signs from now on. The former one verifies what it has signed for
 * `grace_seconds` more: 0 for not at all, which is for a key that somebody else may have, and
 * `PKI_TTL_CONFIGURED` for 24 hours. `PKI_ERR_INVALID_ARGUMENT` if it is negative.
 *
 * @param issuer Not NULL.
 * @param out May be NULL. The new handle, to be freed by `pki_key_rotation_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_rotate_keys(const pki_token_issuer *issuer,
                                        int64_t grace_seconds,
                                        pki_key_rotation **out,
                                        pki_error **error);

/**
 * The keys that verify tokens now, as a JWK set (RFC 7517): what `/.well-known/jwks.json` serves, and
 * `pki_token_verifier_new` is given.
 *
 * @param issuer Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_text_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_jwks(const pki_token_issuer *issuer,
                                 pki_text **out,
                                 pki_error **error);

/**
 * Revokes the tokens that `by` (`PKI_TOKENS_BY_…`) and `text` select, with all that were rebound from
 * them or to them; `*out` says how many of them were not revoked before.
 * `PKI_ERR_INVALID_ARGUMENT` for a fingerprint that is none.
 *
 * @param issuer Not NULL.
 * @param text UTF-8, `text_len` bytes; not NULL.
 * @param out May be NULL. Written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_revoke(const pki_token_issuer *issuer,
                                   pki_token_selector by,
                                   const char *text,
                                   size_t text_len,
                                   uint64_t *out,
                                   pki_error **error);

/**
 * The `jti`s of the revoked tokens that have not ended: all that another verifier needs, for
 * `pki_token_verifier_with_revoked`.
 *
 * @param issuer Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_text_list_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_revoked(const pki_token_issuer *issuer,
                                    pki_text_list **out,
                                    pki_error **error);

/**
 * A page of the tokens that `by` (`PKI_TOKENS_…`) and `text` select, newest first: `limit` at most,
 * 1000 where it is 0 or more than that. `cursor` is empty for the first page, then
 * `pki_token_list_cursor` of the page before. `PKI_ERR_INVALID_ARGUMENT`.
 *
 * @param issuer Not NULL.
 * @param text UTF-8, `text_len` bytes; not NULL.
 * @param cursor UTF-8, `cursor_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_list_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_list(const pki_token_issuer *issuer,
                                 pki_token_selector by,
                                 const char *text,
                                 size_t text_len,
                                 const char *cursor,
                                 size_t cursor_len,
                                 size_t limit,
                                 pki_token_list **out,
                                 pki_error **error);

/**
 * What somebody else needs to verify this issuer's tokens, as of now.
 *
 * @param issuer Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_verifier_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_issuer_verifier(const pki_token_issuer *issuer,
                                     pki_token_verifier **out,
                                     pki_error **error);

/**
 * Frees an issuer. NULL is no error. No other thread may be in a call with it, or use it
 * afterwards; what it has returned lives on by itself.
 *
 * @param issuer May be NULL. Not to be used any more.
 */
void pki_token_issuer_free(pki_token_issuer *issuer);

/**
 * The identifier (`kid`) of the key that signed until now. Lives as long as `rotation`.
 *
 * @param rotation Not NULL.
 */
pki_str pki_key_rotation_previous_key_id(const pki_key_rotation *rotation);

/**
 * The identifier of the key that signs from now on. Lives as long as `rotation`.
 *
 * @param rotation Not NULL.
 */
pki_str pki_key_rotation_new_key_id(const pki_key_rotation *rotation);

/**
 * Until when the former key verifies: milliseconds since 1970-01-01T00:00:00Z; 0 where it does no
 * more.
 *
 * @param rotation Not NULL.
 */
int64_t pki_key_rotation_grace_period_ends_at(const pki_key_rotation *rotation);

/**
 * Frees it, and the texts borrowed from it. NULL is no error.
 *
 * @param rotation May be NULL. Not to be used any more.
 */
void pki_key_rotation_free(pki_key_rotation *rotation);

/**
 * How many tokens are on this page; 0 for NULL.
 *
 * @param list Not NULL.
 */
size_t pki_token_list_len(const pki_token_list *list);

/**
 * Where the next page begins, for `pki_token_issuer_list`; empty where there is none. Lives as long
 * as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_token_list_cursor(const pki_token_list *list);

/**
 * The identifier of one; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_token_list_jti(const pki_token_list *list, size_t index);

/**
 * The identifier of the first token of those that were rebound, one from the other; empty beyond the
 * end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_token_list_family(const pki_token_list *list,
                              size_t index);

/**
 * Whom one was issued to; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_token_list_subject(const pki_token_list *list, size_t index);

/**
 * The identifier of whom one speaks for; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_token_list_entity_id(const pki_token_list *list, size_t index);

/**
 * The name of whom one speaks for; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_token_list_entity_name(const pki_token_list *list, size_t index);

/**
 * `user` or `service`; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_token_list_entity_type(const pki_token_list *list, size_t index);

/**
 * As what its holder acts: `CATALYST::NODE`; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_token_list_principal(const pki_token_list *list, size_t index);

/**
 * The fingerprint of the certificate that it is bound to; empty where it is bound to none, and beyond
 * the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_token_list_fingerprint(const pki_token_list *list,
                                   size_t index);

/**
 * The SPIFFE ID that it was issued to; empty where none is known, and beyond the end. Lives as long as
 * `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_token_list_spiffe_id(const pki_token_list *list,
                                 size_t index);

/**
 * How many names it may be revoked by, besides its identifier.
 *
 * @param list Not NULL.
 */
size_t pki_token_list_sans_len(const pki_token_list *list, size_t index);

/**
 * A name that it may be revoked by; empty beyond the end. Lives as long as `list`.
 *
 * @param list Not NULL.
 */
pki_str pki_token_list_san(const pki_token_list *list, size_t index, size_t san);

/**
 * When it was issued: milliseconds since 1970-01-01T00:00:00Z; 0 beyond the end.
 *
 * @param list Not NULL.
 */
int64_t pki_token_list_issued_at(const pki_token_list *list, size_t index);

/**
 * When it ends: milliseconds since 1970-01-01T00:00:00Z; 0 beyond the end.
 *
 * @param list Not NULL.
 */
int64_t pki_token_list_expires_at(const pki_token_list *list, size_t index);

/**
 * When it was revoked: milliseconds since 1970-01-01T00:00:00Z; 0 where it was not.
 *
 * @param list Not NULL.
 */
int64_t pki_token_list_revoked_at(const pki_token_list *list, size_t index);

/**
 * How many certificates may be signed for it; 0 for a token that isn't used up.
 *
 * @param list Not NULL.
 */
uint32_t pki_token_list_uses(const pki_token_list *list, size_t index);

/**
 * Frees it, and the texts borrowed from it. NULL is no error.
 *
 * @param list May be NULL. Not to be used any more.
 */
void pki_token_list_free(pki_token_list *list);

/**
 * A verifier of the tokens that `issuer` (its `iss`) signs with the keys of `jwks`, a JWK set as JSON
 * (RFC 7517), shown by peers of `trust_domain`. Until `pki_token_verifier_with_revoked` brings the
 * issuer's list, no token counts as revoked; a token that says for whom it is meant is refused until
 * `pki_token_verifier_with_audience` says that this is it. `PKI_ERR_INVALID_SPIFFE_ID` for what is no
 * trust domain, `PKI_ERR_INVALID_ARGUMENT` for what is no JWK set.
 *
 * @param issuer UTF-8, `issuer_len` bytes; not NULL.
 * @param trust_domain UTF-8, `trust_domain_len` bytes; not NULL.
 * @param jwks UTF-8, `jwks_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_verifier_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_verifier_new(const char *issuer,
                                  size_t issuer_len,
                                  const char *trust_domain,
                                  size_t trust_domain_len,
                                  const char *jwks,
                                  size_t jwks_len,
                                  pki_token_verifier **out,
                                  pki_error **error);

/**
 * The same with an audience: only tokens that are meant for it are taken.
 *
 * @param verifier Not NULL.
 * @param audience UTF-8, `audience_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_verifier_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_verifier_with_audience(const pki_token_verifier *verifier,
                                            const char *audience,
                                            size_t audience_len,
                                            pki_token_verifier **out,
                                            pki_error **error);

/**
 * The same, which takes tokens from peers of these other trust domains too.
 * `PKI_ERR_INVALID_SPIFFE_ID`.
 *
 * @param verifier Not NULL.
 * @param domains `domains_len` texts, none of them NULL; may be NULL if there are none.
 * @param out Not NULL. The new handle, to be freed by `pki_token_verifier_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_verifier_with_federated(const pki_token_verifier *verifier,
                                             const pki_str *domains,
                                             size_t domains_len,
                                             pki_token_verifier **out,
                                             pki_error **error);

/**
 * The same for calls that services of these types may make; without it they are orchestrators, with
 * an empty list nobody. `PKI_ERR_INVALID_SPIFFE_ID` for what is no service type.
 *
 * @param verifier Not NULL.
 * @param types `types_len` texts, none of them NULL; may be NULL if there are none.
 * @param out Not NULL. The new handle, to be freed by `pki_token_verifier_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_verifier_with_service_types(const pki_token_verifier *verifier,
                                                 const pki_str *types,
                                                 size_t types_len,
                                                 pki_token_verifier **out,
                                                 pki_error **error);

/**
 * The same with other keys: those that the issuer has now. `PKI_ERR_INVALID_ARGUMENT`.
 *
 * @param verifier Not NULL.
 * @param jwks UTF-8, `jwks_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_verifier_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_verifier_with_jwks(const pki_token_verifier *verifier,
                                        const char *jwks,
                                        size_t jwks_len,
                                        pki_token_verifier **out,
                                        pki_error **error);

/**
 * The same with the `jti`s of the tokens that the issuer has revoked by now, in place of an earlier
 * list.
 *
 * @param verifier Not NULL.
 * @param jtis `jtis_len` texts, none of them NULL; may be NULL if there are none.
 * @param out Not NULL. The new handle, to be freed by `pki_token_verifier_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_verifier_with_revoked(const pki_token_verifier *verifier,
                                           const pki_str *jtis,
                                           size_t jtis_len,
                                           pki_token_verifier **out,
                                           pki_error **error);

/**
 * The same with the time from a callback, for tests of what time does; NULL for the operating
 * system's clock. `user_data` is given to it and must live as long as this verifier and all that are
 * made of it.
 *
 * @param verifier Not NULL.
 * @param user_data Given to the callback; may be NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_verifier_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_verifier_with_clock(const pki_token_verifier *verifier,
                                         pki_clock_callback callback,
                                         void *user_data,
                                         pki_token_verifier **out,
                                         pki_error **error);

/**
 * Verifies a token that a peer shows which `pki_verify_peer` has verified: by signature and time,
 * issuer and audience, revocation, binding to that very certificate, and identity.
 *
 * In this order: `PKI_ERR_INVALID_TOKEN`, `PKI_ERR_TOKEN_KEY_NOT_FOUND`, `PKI_ERR_TOKEN_EXPIRED`;
 * `PKI_ERR_TOKEN_REVOKED`; `PKI_ERR_TOKEN_NOT_BOUND`, `PKI_ERR_TOKEN_BINDING_MISMATCH`;
 * `PKI_ERR_FOREIGN_TRUST_DOMAIN`, `PKI_ERR_TOKEN_IDENTITY_MISMATCH`.
 *
 * @param verifier Not NULL.
 * @param token UTF-8, `token_len` bytes; not NULL.
 * @param peer Not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_claims_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_verifier_verify(const pki_token_verifier *verifier,
                                     const char *token,
                                     size_t token_len,
                                     const pki_svid *peer,
                                     pki_token_claims **out,
                                     pki_error **error);

/**
 * Verifies a token of a caller who may have no certificate: one that is bound to a certificate is good
 * with that alone. Fails as `pki_token_verifier_verify`, and with `PKI_ERR_PERMISSION_DENIED` for a
 * bootstrap token, which is taken for a certificate's request alone.
 *
 * @param verifier Not NULL.
 * @param token UTF-8, `token_len` bytes; not NULL.
 * @param peer May be NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_claims_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_verifier_authenticate(const pki_token_verifier *verifier,
                                           const char *token,
                                           size_t token_len,
                                           const pki_svid *peer,
                                           pki_token_claims **out,
                                           pki_error **error);

/**
 * Looks at a token alone: signature, time, issuer, audience, revocation. Whoever shows it may have
 * stolen it. `PKI_ERR_INVALID_TOKEN`, `PKI_ERR_TOKEN_KEY_NOT_FOUND`, `PKI_ERR_TOKEN_EXPIRED`,
 * `PKI_ERR_TOKEN_REVOKED`.
 *
 * @param verifier Not NULL.
 * @param token UTF-8, `token_len` bytes; not NULL.
 * @param out Not NULL. The new handle, to be freed by `pki_token_claims_free`; written on success only.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_token_verifier_inspect(const pki_token_verifier *verifier,
                                      const char *token,
                                      size_t token_len,
                                      pki_token_claims **out,
                                      pki_error **error);

/**
 * Frees a verifier; those that were made of it live on. NULL is no error.
 *
 * @param verifier May be NULL. Not to be used any more.
 */
void pki_token_verifier_free(pki_token_verifier *verifier);

/**
 * Whom it was issued to. Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_subject(const pki_token_claims *claims);

/**
 * Who issued it: a node's ID. Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_issuer(const pki_token_claims *claims);

/**
 * Its identifier. Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_jti(const pki_token_claims *claims);

/**
 * When it was issued: milliseconds since 1970-01-01T00:00:00Z.
 *
 * @param claims Not NULL.
 */
int64_t pki_token_claims_issued_at(const pki_token_claims *claims);

/**
 * When it ends: milliseconds since 1970-01-01T00:00:00Z.
 *
 * @param claims Not NULL.
 */
int64_t pki_token_claims_expires_at(const pki_token_claims *claims);

/**
 * The identifier of whom it speaks for. Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_entity_id(const pki_token_claims *claims);

/**
 * The name of whom it speaks for. Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_entity_name(const pki_token_claims *claims);

/**
 * `user` or `service`. Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_entity_type(const pki_token_claims *claims);

/**
 * The node that the entity belongs to; empty where the token doesn't say. Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_entity_node_id(const pki_token_claims *claims);

/**
 * How many domains the entity is trusted in by name.
 *
 * @param claims Not NULL.
 */
size_t pki_token_claims_entity_trusted_domains_len(const pki_token_claims *claims);

/**
 * A domain that the entity is trusted in; empty beyond the end. Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_entity_trusted_domain(const pki_token_claims *claims, size_t index);

/**
 * How many nodes the entity is trusted on by name.
 *
 * @param claims Not NULL.
 */
size_t pki_token_claims_entity_trusted_nodes_len(const pki_token_claims *claims);

/**
 * A node that the entity is trusted on; empty beyond the end. Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_entity_trusted_node(const pki_token_claims *claims, size_t index);

/**
 * As what its holder acts: `CATALYST::NODE`. Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_principal(const pki_token_claims *claims);

/**
 * The thumbprint of the certificate that it is bound to (`x5t#S256`); empty where it is bound to none.
 * Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_thumbprint(const pki_token_claims *claims);

/**
 * How many it is meant for; 0 where it doesn't say.
 *
 * @param claims Not NULL.
 */
size_t pki_token_claims_audience_len(const pki_token_claims *claims);

/**
 * One that it is meant for; empty beyond the end. Lives as long as `claims`.
 *
 * @param claims Not NULL.
 */
pki_str pki_token_claims_audience(const pki_token_claims *claims, size_t index);

/**
 * Frees it, and the texts borrowed from it. NULL is no error.
 *
 * @param claims May be NULL. Not to be used any more.
 */
void pki_token_claims_free(pki_token_claims *claims);

/**
 * Gives events of this level and the more important ones to a callback; NULL for silence, which
 * is how a program begins. When it returns, the callback that was set before is not running and
 * won't run again: what it was given as `user_data` may go. Any thread.
 *
 * It waits for callbacks that are running: hold no lock that the callback takes. Meanwhile other
 * threads go on, and the new callback hears them.
 *
 * `PKI_ERR_INVALID_ARGUMENT`: a level that stands for nothing, or called from within a callback,
 * which would wait for itself. Nothing is changed then.
 *
 * @param user_data Given to the callback; may be NULL.
 * @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.
 * @return `PKI_OK` or a `PKI_ERR_…`.
 */
pki_result pki_log_set(pki_log_callback callback,
                       void *user_data,
                       pki_log_level level,
                       pki_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** For a lifetime in seconds: as is configured, or as the library has it. */
#define PKI_TTL_CONFIGURED INT64_MIN

/** The beginning of every `pki_sign_request`. */
#define PKI_SIGN_REQUEST_INIT                                                              \
  {                                                                                        \
    sizeof(pki_sign_request), {NULL, 0}, {NULL, 0}, {NULL, 0}, PKI_TTL_CONFIGURED, 0, 0, { \
      NULL, 0                                                                              \
    }                                                                                      \
  }

/** The beginning of every `pki_token_request`. */
#define PKI_TOKEN_REQUEST_INIT                                                                   \
  {                                                                                              \
    sizeof(pki_token_request), {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, \
        {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0},             \
        PKI_TTL_CONFIGURED, 0, 0                                                                 \
  }

/** A string literal as the two arguments of a text: `pki_spiffe_id_parse(PKI_LIT("…"), &id, NULL)`.
 */
#define PKI_LIT(literal) ("" literal), (sizeof(literal) - 1)

/** A `pki_str` as the two arguments of a text. */
#define PKI_ARG(text) (text).data, (text).len

/** A C string as a `pki_str`, which lives as long as the string; NULL gives the text that is none.
 */
static inline pki_str pki_str_of(const char *text) {
  pki_str str;
  str.data = text;
  str.len = text == NULL ? 0 : strlen(text);
  return str;
}

#endif /* PKI_H */
