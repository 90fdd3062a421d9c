/* Mutual TLS with OpenSSL by SPIFFE IDs: what server and client share. */
#include "mtls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static int peer_index = -1;

static void free_peer(void *parent, void *svid, CRYPTO_EX_DATA *data, int index, long argl,
                      void *argp) {
  (void)parent, (void)data, (void)index, (void)argl, (void)argp;
  pki_svid_free((pki_svid *)svid);
}

const pki_svid *mtls_peer(const SSL *ssl) {
  return (const pki_svid *)SSL_get_ex_data(ssl, peer_index);
}

/* Adds an OpenSSL certificate to a chain. */
static pki_result add(pki_chain *chain, X509 *certificate, pki_error **error) {
  unsigned char *der = NULL;
  int len = i2d_X509(certificate, &der);
  pki_result result = pki_chain_add_der(chain, der, len < 0 ? 0 : (size_t)len, error);
  OPENSSL_free(der);
  return result;
}

/*
 * OpenSSL calls this in place of its own verification of the peer's chain. That the peer holds the
 * key of its certificate is still OpenSSL's part. Called in every handshake, for there is none that
 * resumes an earlier session: see mtls_open.
 */
static int verify(X509_STORE_CTX *store, void *policy) {
  SSL *ssl = (SSL *)X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  X509 *leaf = X509_STORE_CTX_get0_cert(store);
  STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
  pki_error *error = NULL;
  pki_chain *chain = NULL;
  pki_svid *svid = NULL;
  int at;
  pki_result result = pki_chain_new(&chain, &error);
  if (result == PKI_OK) result = add(chain, leaf, &error);
  for (at = 0; result == PKI_OK && at < sk_X509_num(sent); at++)
    if (sk_X509_value(sent, at) != leaf) result = add(chain, sk_X509_value(sent, at), &error);
  if (result == PKI_OK) result = pki_verify_peer((const pki_policy *)policy, chain, &svid, &error);
  pki_chain_free(chain);

  if (result == PKI_OK) {
    pki_svid_free((pki_svid *)SSL_get_ex_data(ssl, peer_index));
    if (SSL_set_ex_data(ssl, peer_index, svid) == 1) {
      X509_STORE_CTX_set_error(store, X509_V_OK);
      return 1;
    }
    pki_svid_free(svid);
  } else {
    failed("peer refused", error);
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

/* Gives the context a certificate with its chain, and a private key, from memory. */
static int use_identity(SSL_CTX *context, const pki_signed *issued, const pki_key_csr *key) {
  pki_str chain = pki_signed_tls_chain_pem(issued), secret = pki_key_csr_private_key_pem(key);
  BIO *certificates = BIO_new_mem_buf(chain.data, (int)chain.len);
  BIO *keys = BIO_new_mem_buf(secret.data, (int)secret.len);
  X509 *leaf = PEM_read_bio_X509(certificates, NULL, NULL, NULL);
  X509 *issuer = PEM_read_bio_X509(certificates, NULL, NULL, NULL);
  EVP_PKEY *own = PEM_read_bio_PrivateKey(keys, NULL, NULL, NULL);
  int ok = leaf != NULL && issuer != NULL && own != NULL &&
           SSL_CTX_use_cert_and_key(context, leaf, own, NULL, 1) == 1 &&
           SSL_CTX_add1_chain_cert(context, issuer) == 1;
  EVP_PKEY_free(own);
  X509_free(issuer);
  X509_free(leaf);
  BIO_free(keys);
  BIO_free(certificates);
  return ok;
}

/* Opens the CA in a database, and makes its hierarchy if there is none yet. */
static pki_result open_ca(const char *path, const char *domain, size_t domain_len,
                          pki_manager **out, pki_error **error) {
  pki_config *config = NULL;
  pki_manager *manager = NULL;
  pki_result result = pki_config_new(&config, error);
  if (result == PKI_OK) result = pki_config_set_trust_domain(config, domain, domain_len, error);
  if (result == PKI_OK) result = pki_manager_open(path, strlen(path), config, &manager, error);
  if (result == PKI_OK) result = pki_manager_initialize(manager, NULL, error);
  if (result == PKI_OK) *out = manager;
  else pki_manager_free(manager);
  pki_config_free(config);
  return result;
}

/* Whom to take: of the control plane, held against its intermediates and the pinned root. */
static pki_result make_policy(const pki_manager *peers, pki_role role, const char *expect,
                              pki_policy **out, pki_error **error) {
  pki_bundle *bundle = NULL;
  pki_policy_builder *builder = NULL;
  pki_result result = pki_manager_bundle(peers, &bundle, error);
  pki_str domain = pki_bundle_trust_domain(bundle);
  pki_str anchors = pki_bundle_anchors_pem(bundle, PKI_SEGMENT_SERVICES);
  pki_str root = pki_bundle_root_pem(bundle);
  const pki_str expected = pki_str_of(expect);
  if (result == PKI_OK)
    result = pki_policy_builder_new(PKI_SEGMENT_SERVICES, role, PKI_ARG(domain), &builder, error);
  if (result == PKI_OK)
    result = pki_policy_builder_add_anchors_pem(builder, PKI_ARG(anchors), error);
  if (result == PKI_OK) result = pki_policy_builder_pin_roots_pem(builder, PKI_ARG(root), error);
  if (result == PKI_OK) result = pki_policy_builder_expect(builder, &expected, 1, error);
  if (result == PKI_OK) result = pki_policy_builder_build(builder, out, error);
  pki_policy_builder_free(builder);
  pki_bundle_free(bundle);
  return result;
}

int mtls_open(mtls *side, pki_role peer_role, const char *database, const char *own_id,
              const char *expect, const char *peers_database, const char *peers_domain) {
  pki_error *error = NULL;
  pki_spiffe_id *id = NULL;
  pki_manager *ca = NULL, *peers_ca = NULL;
  pki_key_csr *key = NULL;
  pki_signed *issued = NULL;
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  pki_str domain;
  pki_result result = pki_spiffe_id_parse(own_id, strlen(own_id), &id, &error);
  int status = 0;

  side->context = NULL;
  side->policy = NULL;
  domain = pki_spiffe_id_trust_domain(id);
  if (result == PKI_OK) result = open_ca(database, PKI_ARG(domain), &ca, &error);
  if (result == PKI_OK && peers_database != NULL)
    result = open_ca(peers_database, peers_domain, strlen(peers_domain), &peers_ca, &error);
  if (result == PKI_OK)
    result =
        make_policy(peers_ca == NULL ? ca : peers_ca, peer_role, expect, &side->policy, &error);
  if (result == PKI_OK) result = pki_key_csr_new(own_id, strlen(own_id), NULL, 0, &key, &error);
  if (result == PKI_OK) {
    request.csr_pem = pki_key_csr_csr_pem(key);
    request.service_type = pki_spiffe_id_service_type(id);
    request.instance_id = pki_spiffe_id_instance_id(id);
    result = pki_manager_sign(ca, &request, &issued, &error);
  }
  if (result != PKI_OK) {
    status = failed("identity", error);
  } else {
    if (peer_index < 0) peer_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_peer);
    side->context = SSL_CTX_new(TLS_method());
    if (side->context == NULL || !use_identity(side->context, issued, key)) {
      ERR_print_errors_fp(stderr);
      status = 1;
    } else {
      SSL_CTX_set_min_proto_version(side->context, TLS1_3_VERSION);
      /* A session that is resumed would skip the verification: no tickets, and no cache. */
      SSL_CTX_set_options(side->context, SSL_OP_NO_TICKET);
      SSL_CTX_set_num_tickets(side->context, 0);
      SSL_CTX_set_session_cache_mode(side->context, SSL_SESS_CACHE_OFF);
      SSL_CTX_set_verify(side->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
      SSL_CTX_set_cert_verify_callback(side->context, verify, side->policy);
    }
  }

  pki_signed_free(issued);
  pki_key_csr_free(key);
  pki_manager_free(peers_ca);
  pki_manager_free(ca);
  pki_spiffe_id_free(id);
  if (status != 0) mtls_close(side);
  return status;
}

void mtls_close(mtls *side) {
  SSL_CTX_free(side->context);
  pki_policy_free(side->policy);
  side->context = NULL;
  side->policy = NULL;
}
