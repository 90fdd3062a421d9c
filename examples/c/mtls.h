/* Mutual TLS with OpenSSL by SPIFFE IDs: what server and client share. */
#ifndef MTLS_H
#define MTLS_H

#include <openssl/ssl.h>

#include "common.h"

/* A side of mutual TLS: who it is and whom it trusts. */
typedef struct mtls {
  SSL_CTX *context;
  pki_policy *policy;
} mtls;

/*
 * Issues a certificate for `own_id` from the CA in `database` and makes an OpenSSL context with it
 * that takes peers of that CA whose ID `expect` matches. `peer_role` is PKI_ROLE_CLIENT for a
 * server. `peers_database`, if not NULL, is the CA of the peers, where it is another, of
 * `peers_domain`. Returns 0, or an exit status after it has told what is wrong.
 */
int mtls_open(mtls *side, pki_role peer_role, const char *database, const char *own_id,
              const char *expect, const char *peers_database, const char *peers_domain);

void mtls_close(mtls *side);

/* The peer of a connection whose handshake is done; NULL if there is none. Lives as long as `ssl`.
 */
const pki_svid *mtls_peer(const SSL *ssl);

#endif
