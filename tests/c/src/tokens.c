/*
 * Access tokens of pki.h in use: minted, shown, stolen, listed, revoked. Prints a line for what
 * fails, and how many checks there were.
 *
 *   tokens FOLDER
 */
#include "check.h"

#define ISSUER "node-a.example.com"
#define PEER "node-b.example.com"
#define PEER_ID "spiffe://mesh.example.com/orchestrator/" PEER
#define NODE_ID "spiffe://mesh.example.com/node/" PEER
#define FOREIGN_ID "spiffe://other.example.org/orchestrator/" PEER
#define MINUTE INT64_C(60000)

static int64_t now_ms = INT64_C(1800000000000);
static int64_t tell(void *user_data) { return *(int64_t *)user_data; }

static pki_manager *open_ca(const char *folder, const char *domain) {
  char file[1024];
  pki_config *config = NULL;
  pki_manager *manager = NULL;
  snprintf(file, sizeof file, "%s/%s.db", folder, domain);
  CHECK(pki_config_new(&config, NULL) == PKI_OK);
  CHECK(pki_config_set_trust_domain(config, domain, strlen(domain), NULL) == PKI_OK);
  CHECK(pki_config_set_passphrase(config, PKI_LIT("a passphrase"), NULL) == PKI_OK);
  CHECK(pki_config_set_clock(config, tell, &now_ms, NULL) == PKI_OK);
  CHECK(pki_manager_open(file, strlen(file), config, &manager, NULL) == PKI_OK);
  CHECK(pki_manager_initialize(manager, NULL, NULL) == PKI_OK);
  pki_config_free(config);
  return manager;
}

static pki_result sign(const pki_manager *manager, const char *id, pki_str csr, pki_str jti,
                       pki_signed **out) {
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  pki_spiffe_id *parts = NULL;
  pki_result result;
  CHECK(pki_spiffe_id_parse(id, strlen(id), &parts, NULL) == PKI_OK);
  request.csr_pem = csr;
  request.service_type = pki_spiffe_id_service_type(parts);
  request.instance_id = pki_spiffe_id_instance_id(parts);
  request.token_jti = jti;
  result = pki_manager_sign(manager, &request, out, NULL);
  pki_spiffe_id_free(parts);
  return result;
}

/* A certificate of its own, and its bearer as a verified peer. */
static pki_svid *peer_of(const pki_manager *manager, const char *id, pki_signed **issued) {
  pki_key_csr *key = NULL;
  pki_bundle *bundle = NULL;
  pki_policy_builder *builder = NULL;
  pki_policy *policy = NULL;
  pki_chain *chain = NULL;
  pki_svid *svid = NULL;
  CHECK(pki_key_csr_new(id, strlen(id), NULL, 0, &key, NULL) == PKI_OK);
  CHECK(sign(manager, id, pki_key_csr_csr_pem(key), pki_str_of(NULL), issued) == PKI_OK);
  CHECK(pki_manager_bundle(manager, &bundle, NULL) == PKI_OK);
  CHECK(pki_policy_builder_new(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT,
                               PKI_ARG(pki_manager_trust_domain(manager)), &builder,
                               NULL) == PKI_OK);
  CHECK(pki_policy_builder_add_anchors_pem(
            builder, PKI_ARG(pki_bundle_anchors_pem(bundle, PKI_SEGMENT_SERVICES)), NULL) ==
        PKI_OK);
  CHECK(pki_policy_builder_set_at(builder, now_ms, NULL) == PKI_OK);
  CHECK(pki_policy_builder_build(builder, &policy, NULL) == PKI_OK);
  CHECK(pki_chain_new(&chain, NULL) == PKI_OK);
  CHECK(pki_chain_add_pem(chain, PKI_ARG(pki_signed_tls_chain_pem(*issued)), NULL) == PKI_OK);
  CHECK(pki_verify_peer(policy, chain, &svid, NULL) == PKI_OK);
  pki_chain_free(chain);
  pki_policy_free(policy);
  pki_policy_builder_free(builder);
  pki_bundle_free(bundle);
  pki_key_csr_free(key);
  return svid;
}

static pki_token_request request_of(const char *principal) {
  pki_token_request request = PKI_TOKEN_REQUEST_INIT;
  request.subject = pki_str_of(PEER);
  request.entity_id = pki_str_of("id of node-b");
  request.entity_name = pki_str_of("node-b");
  request.entity_type = pki_str_of("service");
  request.principal = pki_str_of(principal);
  return request;
}

static pki_token *mint(const pki_token_issuer *issuer, const pki_token_request *request) {
  pki_token *token = NULL;
  CHECK(pki_token_issuer_mint(issuer, request, &token, NULL) == PKI_OK);
  return token;
}

/* The token of a peer, bound by the fingerprint of its certificate. */
static pki_token *bound_to(const pki_token_issuer *issuer, const pki_svid *peer) {
  pki_token_request request = request_of("NODE");
  request.certificate_fingerprint = pki_svid_fingerprint(peer);
  request.spiffe_id = pki_svid_spiffe_id(peer);
  return mint(issuer, &request);
}

static pki_result verify(const pki_token_verifier *verifier, const pki_token *token,
                         const pki_svid *peer) {
  pki_token_claims *claims = NULL;
  pki_result result =
      pki_token_verifier_verify(verifier, PKI_ARG(pki_token_text(token)), peer, &claims, NULL);
  CHECK((claims != NULL) == (result == PKI_OK));
  pki_token_claims_free(claims);
  return result;
}

static pki_result verify_here(const pki_token_issuer *issuer, const pki_token *token,
                              const pki_svid *peer) {
  pki_token_claims *claims = NULL;
  pki_result result =
      pki_token_issuer_verify(issuer, PKI_ARG(pki_token_text(token)), peer, &claims, NULL);
  CHECK((claims != NULL) == (result == PKI_OK));
  pki_token_claims_free(claims);
  return result;
}

static pki_result authenticate(const pki_token_issuer *issuer, const pki_token *token,
                               const pki_svid *peer) {
  pki_token_claims *claims = NULL;
  pki_result result =
      pki_token_issuer_authenticate(issuer, PKI_ARG(pki_token_text(token)), peer, &claims, NULL);
  pki_token_claims_free(claims);
  return result;
}

static void thumbprint(const pki_signed *issued, const pki_svid *peer) {
  pki_chain *chain = NULL;
  pki_text *text = NULL;
  pki_bytes der;
  CHECK(pki_chain_new(&chain, NULL) == PKI_OK);
  CHECK(pki_chain_add_pem(chain, PKI_ARG(pki_signed_certificate_pem(issued)), NULL) == PKI_OK);
  der = pki_chain_der(chain, 0);
  CHECK(pki_certificate_thumbprint(der.data, der.len, &text, NULL) == PKI_OK);
  CHECK(is(pki_text_str(text), pki_svid_fingerprint(peer).data) && pki_text_str(text).len == 43);
  pki_text_free(text);
  text = NULL;
  CHECK(pki_certificate_thumbprint(der.data, der.len - 1, &text, NULL) == PKI_ERR_INVALID_DER);
  CHECK(text == NULL);
  pki_chain_free(chain);
}

static void refused_requests(const pki_token_issuer *issuer, const pki_signed *issued) {
  const pki_token_request fine = request_of("NODE");
  pki_token_request request = fine;
  const pki_str domains[2] = {pki_str_of("mesh.example.com"), {NULL, 0}};
  pki_token *token = NULL;
  pki_error *error = NULL;
#define REFUSED(field, value, code)                                         \
  do {                                                                      \
    request.field = value;                                                  \
    CHECK(pki_token_issuer_mint(issuer, &request, &token, NULL) == (code)); \
    request = fine;                                                         \
  } while (0)
  REFUSED(struct_size, 8, PKI_ERR_STRUCT_SIZE);
  REFUSED(reserved, 1, PKI_ERR_INVALID_ARGUMENT);
  REFUSED(subject, pki_str_of(NULL), PKI_ERR_NULL_ARGUMENT);
  REFUSED(entity_id, pki_str_of(NULL), PKI_ERR_NULL_ARGUMENT);
  REFUSED(entity_name, pki_str_of(NULL), PKI_ERR_NULL_ARGUMENT);
  REFUSED(entity_type, pki_str_of(NULL), PKI_ERR_NULL_ARGUMENT);
  REFUSED(entity_type, pki_str_of("person"), PKI_ERR_INVALID_ARGUMENT);
  REFUSED(principal, pki_str_of(NULL), PKI_ERR_NULL_ARGUMENT);
  REFUSED(principal, pki_str_of("ROOT"), PKI_ERR_INVALID_ARGUMENT);
  REFUSED(audience, pki_str_of("\xff"), PKI_ERR_INVALID_UTF8);
  REFUSED(entity_node_id.len, 1, PKI_ERR_NULL_ARGUMENT);
  REFUSED(spiffe_id, pki_str_of("node-b"), PKI_ERR_INVALID_SPIFFE_ID);
  /* Whom a token names that is bound to nothing says nothing of who shows it. */
  REFUSED(spiffe_id, pki_str_of(PEER_ID), PKI_ERR_INVALID_ARGUMENT);
  REFUSED(certificate_pem, pki_str_of("text"), PKI_ERR_MALFORMED_CERTIFICATE);
  REFUSED(certificate_pem, pki_signed_tls_chain_pem(issued), PKI_ERR_MALFORMED_CERTIFICATE);
  REFUSED(certificate_fingerprint, pki_str_of("abc"), PKI_ERR_INVALID_ARGUMENT);
  REFUSED(ttl_seconds, 0, PKI_ERR_INVALID_ARGUMENT);
  REFUSED(ttl_seconds, -1, PKI_ERR_INVALID_ARGUMENT);
  REFUSED(uses, 1, PKI_ERR_INVALID_ARGUMENT);
  REFUSED(sans.len, 1, PKI_ERR_NULL_ARGUMENT);
#undef REFUSED
  request.entity_trusted_domains.data = domains;
  request.entity_trusted_domains.len = 2;
  CHECK(pki_token_issuer_mint(issuer, &request, &token, &error) == PKI_ERR_NULL_ARGUMENT);
  CHECK(strstr(pki_error_message(error).data, "request.entity_trusted_domains") != NULL);
  pki_error_free(error);
  request = fine;
  request.certificate_pem = pki_signed_certificate_pem(issued);
  request.certificate_fingerprint = pki_signed_fingerprint(issued);
  CHECK(pki_token_issuer_mint(issuer, &request, &token, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(token == NULL);
}

/* What was asked for is in the token, in what is said of it, and in the record. */
static void minted(const pki_token_issuer *issuer, const pki_signed *issued, const pki_svid *peer) {
  const pki_str domains[1] = {pki_str_of("mesh.example.com")},
                nodes[2] = {pki_str_of("node-a"), pki_str_of("node-c")};
  const pki_str sans[1] = {pki_str_of("node-b.svc.example.com")};
  pki_token_request request = request_of("CATALYST::NODE");
  pki_token *token;
  pki_token_claims *claims = NULL;
  pki_token_list *list = NULL;
  request.entity_node_id = pki_str_of(PEER);
  request.entity_trusted_domains.data = domains;
  request.entity_trusted_domains.len = 1;
  request.entity_trusted_nodes.data = nodes;
  request.entity_trusted_nodes.len = 2;
  request.sans.data = sans;
  request.sans.len = 1;
  request.certificate_pem = pki_signed_certificate_pem(issued);
  request.ttl_seconds = 3 * 3600;
  token = mint(issuer, &request);
  CHECK(pki_token_text(token).len > 300 && pki_token_jti(token).len == 22);
  CHECK(pki_token_expires_at(token) == now_ms + 180 * MINUTE);
  CHECK(is(pki_token_fingerprint(token), pki_signed_fingerprint(issued).data));
  CHECK(pki_token_outlives_certificate(token) && !pki_token_outlives_certificate(NULL));

  CHECK(pki_token_issuer_verify(issuer, PKI_ARG(pki_token_text(token)), peer, &claims, NULL) ==
        PKI_OK);
  CHECK(is(pki_token_claims_subject(claims), PEER));
  CHECK(is(pki_token_claims_issuer(claims), ISSUER));
  CHECK(is(pki_token_claims_jti(claims), pki_token_jti(token).data));
  CHECK(pki_token_claims_issued_at(claims) == now_ms);
  CHECK(pki_token_claims_expires_at(claims) == pki_token_expires_at(token));
  CHECK(is(pki_token_claims_entity_id(claims), "id of node-b"));
  CHECK(is(pki_token_claims_entity_name(claims), "node-b"));
  CHECK(is(pki_token_claims_entity_type(claims), "service"));
  CHECK(is(pki_token_claims_entity_node_id(claims), PEER));
  CHECK(pki_token_claims_entity_trusted_domains_len(claims) == 1);
  CHECK(is(pki_token_claims_entity_trusted_domain(claims, 0), "mesh.example.com"));
  CHECK(is(pki_token_claims_entity_trusted_domain(claims, 1), ""));
  CHECK(pki_token_claims_entity_trusted_nodes_len(claims) == 2);
  CHECK(is(pki_token_claims_entity_trusted_node(claims, 1), "node-c"));
  CHECK(is(pki_token_claims_principal(claims), "CATALYST::NODE"));
  CHECK(is(pki_token_claims_thumbprint(claims), pki_svid_fingerprint(peer).data));
  CHECK(pki_token_claims_audience_len(claims) == 1);
  CHECK(is(pki_token_claims_audience(claims, 0), ISSUER));
  CHECK(is(pki_token_claims_audience(claims, 1), ""));

  CHECK(pki_token_issuer_list(issuer, PKI_TOKENS_BY_FINGERPRINT,
                              PKI_ARG(pki_svid_fingerprint(peer)), PKI_LIT(""), 0, &list,
                              NULL) == PKI_OK);
  CHECK(pki_token_list_len(list) == 1 && is(pki_token_list_cursor(list), ""));
  CHECK(is(pki_token_list_jti(list, 0), pki_token_jti(token).data));
  CHECK(is(pki_token_list_family(list, 0), pki_token_jti(token).data));
  CHECK(is(pki_token_list_subject(list, 0), PEER));
  CHECK(is(pki_token_list_entity_id(list, 0), "id of node-b"));
  CHECK(is(pki_token_list_entity_name(list, 0), "node-b"));
  CHECK(is(pki_token_list_entity_type(list, 0), "service"));
  CHECK(is(pki_token_list_principal(list, 0), "CATALYST::NODE"));
  CHECK(is(pki_token_list_fingerprint(list, 0), pki_svid_fingerprint(peer).data));
  CHECK(is(pki_token_list_spiffe_id(list, 0), PEER_ID));
  CHECK(pki_token_list_sans_len(list, 0) == 1 && pki_token_list_sans_len(list, 1) == 0);
  CHECK(is(pki_token_list_san(list, 0, 0), "node-b.svc.example.com"));
  CHECK(is(pki_token_list_san(list, 0, 1), "") && is(pki_token_list_san(list, 1, 0), ""));
  CHECK(pki_token_list_issued_at(list, 0) == now_ms && pki_token_list_issued_at(list, 1) == 0);
  CHECK(pki_token_list_expires_at(list, 0) == pki_token_expires_at(token));
  CHECK(pki_token_list_revoked_at(list, 0) == 0 && pki_token_list_uses(list, 0) == 0);
  pki_token_list_free(list);
  pki_token_claims_free(claims);
  pki_token_free(token);
}

static void shown(const pki_token_issuer *issuer, const pki_svid *peer, const pki_svid *thief) {
  pki_token_request request = request_of("USER");
  pki_token *bound = bound_to(issuer, peer), *bare = mint(issuer, &request), *meant;
  pki_token_claims *claims = NULL;
  pki_str text = pki_token_text(bound);
  request.audience = pki_str_of(PEER);
  meant = mint(issuer, &request);
  CHECK(verify_here(issuer, bound, peer) == PKI_OK);
  CHECK(verify_here(issuer, bound, thief) == PKI_ERR_TOKEN_BINDING_MISMATCH);
  CHECK(authenticate(issuer, bound, peer) == PKI_OK);
  CHECK(authenticate(issuer, bound, NULL) == PKI_ERR_TOKEN_BINDING_MISMATCH);
  CHECK(verify_here(issuer, bare, peer) == PKI_ERR_TOKEN_NOT_BOUND);
  CHECK(authenticate(issuer, bare, NULL) == PKI_OK && is(pki_token_fingerprint(bare), ""));
  CHECK(authenticate(issuer, meant, NULL) == PKI_ERR_INVALID_TOKEN);
  CHECK(pki_token_issuer_inspect(issuer, PKI_ARG(text), &claims, NULL) == PKI_OK);
  pki_token_claims_free(claims);
  claims = NULL;
  text = pki_token_text(meant);
  CHECK(pki_token_issuer_inspect_for(issuer, PKI_ARG(text), PKI_LIT(PEER), &claims, NULL) ==
        PKI_OK);
  CHECK(is(pki_token_claims_thumbprint(claims), "") &&
        is(pki_token_claims_entity_node_id(claims), "") &&
        pki_token_claims_entity_trusted_nodes_len(claims) == 0);
  pki_token_claims_free(claims);
  claims = NULL;
  CHECK(pki_token_issuer_inspect(issuer, text.data, text.len - 1, &claims, NULL) ==
        PKI_ERR_INVALID_TOKEN);
  CHECK(claims == NULL);
  pki_token_free(meant);
  pki_token_free(bare);
  pki_token_free(bound);
}

/* By each selector; what is revoked once is not again. */
static void revoked(const pki_token_issuer *issuer, const pki_svid *peer) {
  const pki_str sans[1] = {pki_str_of("by-this.example.com")};
  pki_token_request request = request_of("USER");
  pki_token *named, *bound = bound_to(issuer, peer), *last;
  pki_token_list *page = NULL, *next = NULL, *none = NULL;
  pki_text_list *jtis = NULL;
  uint64_t count = 9;
  size_t at;
  request.subject = pki_str_of("somebody");
  request.sans.data = sans;
  request.sans.len = 1;
  named = mint(issuer, &request);
  CHECK(pki_token_issuer_revoke(issuer, PKI_TOKENS_BY_SAN, PKI_LIT("by-this.example.com"), &count,
                                NULL) == PKI_OK);
  CHECK(count == 1 && authenticate(issuer, named, NULL) == PKI_ERR_TOKEN_REVOKED);
  CHECK(pki_token_issuer_revoke(issuer, PKI_TOKENS_BY_JTI, PKI_ARG(pki_token_jti(named)), &count,
                                NULL) == PKI_OK);
  CHECK(count == 0);
  CHECK(pki_token_issuer_revoke(issuer, PKI_TOKENS_BY_FINGERPRINT,
                                PKI_ARG(pki_svid_fingerprint(peer)), &count, NULL) == PKI_OK);
  CHECK(count >= 1 && verify_here(issuer, bound, peer) == PKI_ERR_TOKEN_REVOKED);
  last = bound_to(issuer, peer);
  CHECK(verify_here(issuer, last, peer) == PKI_OK);
  CHECK(pki_token_issuer_revoke(issuer, PKI_TOKENS_BY_SPIFFE_ID, PKI_LIT(PEER_ID), &count, NULL) ==
        PKI_OK);
  CHECK(count == 1 && verify_here(issuer, last, peer) == PKI_ERR_TOKEN_REVOKED);
  pki_token_free(last);
  last = mint(issuer, &request);
  CHECK(pki_token_issuer_revoke(issuer, PKI_TOKENS_BY_SUBJECT, PKI_LIT("somebody"), &count, NULL) ==
        PKI_OK);
  CHECK(count == 1);
  CHECK(pki_token_issuer_revoke(issuer, PKI_TOKENS_ALL, PKI_LIT(""), NULL, NULL) ==
        PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_token_issuer_revoke(issuer, 9, PKI_LIT("x"), NULL, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_token_issuer_revoke(issuer, PKI_TOKENS_BY_FINGERPRINT, PKI_LIT("x"), NULL, NULL) ==
        PKI_ERR_INVALID_ARGUMENT);

  CHECK(pki_token_issuer_revoked(issuer, &jtis, NULL) == PKI_OK);
  for (at = 0; at < pki_text_list_len(jtis); at++)
    if (is(pki_text_list_at(jtis, at), pki_token_jti(last).data)) break;
  CHECK(at < pki_text_list_len(jtis) && pki_text_list_len(jtis) >= 4);
  CHECK(is(pki_text_list_at(jtis, pki_text_list_len(jtis)), "") && pki_text_list_len(NULL) == 0);

  CHECK(pki_token_issuer_list(issuer, PKI_TOKENS_BY_SUBJECT, PKI_LIT("somebody"), PKI_LIT(""), 1,
                              &page, NULL) == PKI_OK);
  CHECK(pki_token_list_len(page) == 1 && pki_token_list_cursor(page).len > 0);
  CHECK(is(pki_token_list_jti(page, 0), pki_token_jti(last).data));
  CHECK(pki_token_list_revoked_at(page, 0) == now_ms);
  CHECK(pki_token_issuer_list(issuer, PKI_TOKENS_BY_SUBJECT, PKI_LIT("somebody"),
                              PKI_ARG(pki_token_list_cursor(page)), 1, &next, NULL) == PKI_OK);
  CHECK(is(pki_token_list_jti(next, 0), pki_token_jti(named).data));
  CHECK(is(pki_token_list_cursor(next), "") && is(pki_token_list_jti(next, 1), ""));
  CHECK(pki_token_issuer_list(issuer, PKI_TOKENS_ALL, PKI_LIT(""), PKI_LIT("x"), 0, &none, NULL) ==
        PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_token_issuer_list(issuer, PKI_TOKENS_ALL, PKI_LIT("x"), PKI_LIT(""), 0, &none, NULL) ==
        PKI_ERR_INVALID_ARGUMENT);
  CHECK(none == NULL);
  CHECK(pki_token_issuer_list(issuer, PKI_TOKENS_ALL, PKI_LIT(""), PKI_LIT(""), 0, &none, NULL) ==
        PKI_OK);
  CHECK(pki_token_list_len(none) > 2);
  pki_token_list_free(none);
  pki_token_list_free(next);
  pki_token_list_free(page);
  pki_text_list_free(jtis);
  pki_token_free(last);
  pki_token_free(bound);
  pki_token_free(named);
}

/* Somebody who has the issuer's keys and its list, and takes tokens that are meant for it. */
static void elsewhere(const pki_token_issuer *issuer, const pki_svid *peer, const pki_svid *node) {
  const pki_str types[2] = {pki_str_of("orchestrator"), pki_str_of("node")};
  pki_text *jwks = NULL;
  pki_token_verifier *first = NULL, *second = NULL, *third = NULL, *none = NULL;
  pki_token *token = bound_to(issuer, peer), *of_node = bound_to(issuer, node);
  pki_token_claims *claims = NULL;
  const pki_str text = pki_token_text(token), jti = pki_token_jti(token);
  CHECK(pki_token_issuer_jwks(issuer, &jwks, NULL) == PKI_OK);
  CHECK(strstr(pki_text_str(jwks).data, "\"crv\":\"P-384\"") != NULL);
  CHECK(pki_token_verifier_new(PKI_LIT(ISSUER), PKI_LIT("mesh.example.com"), PKI_LIT("{}"), &none,
                               NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_token_verifier_new(PKI_LIT(ISSUER), PKI_LIT("UPPER"), PKI_ARG(pki_text_str(jwks)),
                               &none, NULL) == PKI_ERR_INVALID_SPIFFE_ID);
  CHECK(pki_token_verifier_new(PKI_LIT(ISSUER), PKI_LIT("mesh.example.com"),
                               PKI_ARG(pki_text_str(jwks)), &first, NULL) == PKI_OK);
  CHECK(pki_token_verifier_with_clock(first, tell, &now_ms, &second, NULL) == PKI_OK);
  pki_token_verifier_free(first);
  /* It says for whom it is meant. */
  CHECK(verify(second, token, peer) == PKI_ERR_INVALID_TOKEN);
  CHECK(pki_token_verifier_with_audience(second, PKI_LIT(ISSUER), &first, NULL) == PKI_OK);
  pki_token_verifier_free(second);
  CHECK(verify(first, token, peer) == PKI_OK);
  CHECK(verify(first, token, node) == PKI_ERR_TOKEN_BINDING_MISMATCH);
  CHECK(pki_token_verifier_authenticate(first, PKI_ARG(text), peer, &claims, NULL) == PKI_OK);
  CHECK(is(pki_token_claims_subject(claims), PEER));
  pki_token_claims_free(claims);
  claims = NULL;
  CHECK(pki_token_verifier_authenticate(first, PKI_ARG(text), NULL, &claims, NULL) ==
        PKI_ERR_TOKEN_BINDING_MISMATCH);
  CHECK(pki_token_verifier_inspect(first, PKI_ARG(text), &claims, NULL) == PKI_OK);
  pki_token_claims_free(claims);

  CHECK(verify(first, of_node, node) == PKI_ERR_TOKEN_IDENTITY_MISMATCH);
  CHECK(pki_token_verifier_with_service_types(first, types, 2, &second, NULL) == PKI_OK);
  CHECK(verify(second, of_node, node) == PKI_OK && verify(second, token, peer) == PKI_OK);
  pki_token_verifier_free(second);
  CHECK(pki_token_verifier_with_service_types(first, NULL, 0, &second, NULL) == PKI_OK);
  CHECK(verify(second, token, peer) == PKI_ERR_TOKEN_IDENTITY_MISMATCH);
  pki_token_verifier_free(second);
  CHECK(pki_token_verifier_with_service_types(first, &text, 1, &none, NULL) ==
        PKI_ERR_INVALID_SPIFFE_ID);

  CHECK(pki_token_verifier_with_revoked(first, &jti, 1, &second, NULL) == PKI_OK);
  CHECK(verify(second, token, peer) == PKI_ERR_TOKEN_REVOKED);
  CHECK(verify(first, token, peer) == PKI_OK);
  CHECK(pki_token_verifier_with_revoked(second, NULL, 0, &third, NULL) == PKI_OK);
  CHECK(verify(third, token, peer) == PKI_OK);
  pki_token_verifier_free(third);
  pki_token_verifier_free(second);
  CHECK(pki_token_verifier_with_jwks(first, PKI_LIT("{\"keys\":[]}"), &second, NULL) == PKI_OK);
  CHECK(verify(second, token, peer) == PKI_ERR_TOKEN_KEY_NOT_FOUND);
  pki_token_verifier_free(second);
  CHECK(pki_token_verifier_with_jwks(first, PKI_LIT("x"), &none, NULL) == PKI_ERR_INVALID_ARGUMENT);

  now_ms += 61 * MINUTE;
  CHECK(verify(first, token, peer) == PKI_ERR_TOKEN_EXPIRED);
  now_ms -= 61 * MINUTE;
  /* By the operating system's clock it was never issued but will be, and has not ended. */
  CHECK(pki_token_verifier_with_clock(first, NULL, NULL, &second, NULL) == PKI_OK);
  CHECK(verify(second, token, peer) != PKI_ERR_INVALID_TOKEN);
  pki_token_verifier_free(second);
  CHECK(none == NULL);
  pki_token_verifier_free(first);

  CHECK(pki_token_issuer_revoke(issuer, PKI_TOKENS_BY_JTI, PKI_ARG(jti), NULL, NULL) == PKI_OK);
  CHECK(pki_token_issuer_verifier(issuer, &first, NULL) == PKI_OK);
  CHECK(verify(first, token, peer) == PKI_ERR_TOKEN_REVOKED);
  pki_token_verifier_free(first);
  pki_text_free(jwks);
  pki_token_free(of_node);
  pki_token_free(token);
}

static void federated(const pki_manager *manager, const pki_token_issuer *issuer,
                      const pki_svid *foreign) {
  const pki_str domains[1] = {pki_str_of("other.example.org")}, types[1] = {pki_str_of("auth")};
  const pki_str wrong[1] = {pki_str_of("UPPER")};
  pki_token *token = bound_to(issuer, foreign);
  pki_token_issuer *open = NULL;
  pki_token_verifier *here = NULL, *there = NULL, *strict = NULL;
  CHECK(verify_here(issuer, token, foreign) == PKI_ERR_FOREIGN_TRUST_DOMAIN);
  CHECK(pki_token_issuer_verifier(issuer, &here, NULL) == PKI_OK);
  CHECK(verify(here, token, foreign) == PKI_ERR_FOREIGN_TRUST_DOMAIN);
  CHECK(pki_token_verifier_with_federated(here, domains, 1, &there, NULL) == PKI_OK);
  CHECK(verify(there, token, foreign) == PKI_OK);
  pki_token_verifier_free(there);
  there = NULL;
  CHECK(pki_token_verifier_with_federated(here, wrong, 1, &there, NULL) ==
        PKI_ERR_INVALID_SPIFFE_ID);
  CHECK(there == NULL);

  CHECK(pki_token_issuer_new(manager, PKI_LIT(ISSUER), wrong, 1, NULL, 0, &open, NULL) ==
        PKI_ERR_INVALID_SPIFFE_ID);
  CHECK(pki_token_issuer_new(manager, PKI_LIT(ISSUER), NULL, 0, wrong, 1, &open, NULL) ==
        PKI_ERR_INVALID_SPIFFE_ID);
  CHECK(pki_token_issuer_new(manager, PKI_LIT(" "), NULL, 0, NULL, 0, &open, NULL) ==
        PKI_ERR_INVALID_ARGUMENT);
  CHECK(open == NULL);
  CHECK(pki_token_issuer_new(manager, PKI_LIT(ISSUER), domains, 1, types, 1, &open, NULL) ==
        PKI_OK);
  CHECK(pki_token_issuer_initialize(open, NULL) == PKI_OK);
  CHECK(verify_here(open, token, foreign) == PKI_OK);
  /* The services that may show a token whose SPIFFE ID is not known are others. */
  CHECK(pki_token_issuer_verifier(open, &strict, NULL) == PKI_OK);
  CHECK(verify(strict, token, foreign) == PKI_ERR_TOKEN_IDENTITY_MISMATCH);
  pki_token_verifier_free(strict);
  pki_token_issuer_free(open);
  pki_token_verifier_free(here);
  pki_token_free(token);
}

static void rotated(const pki_token_issuer *issuer, const pki_svid *peer) {
  pki_key_rotation *first = NULL, *second = NULL;
  pki_token *token = bound_to(issuer, peer), *later;
  CHECK(pki_token_issuer_rotate_keys(issuer, -1, &first, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(first == NULL);
  CHECK(pki_token_issuer_rotate_keys(issuer, PKI_TTL_CONFIGURED, &first, NULL) == PKI_OK);
  CHECK(pki_key_rotation_grace_period_ends_at(first) == now_ms + 24 * 60 * MINUTE);
  CHECK(verify_here(issuer, token, peer) == PKI_OK);
  later = bound_to(issuer, peer);
  CHECK(pki_token_issuer_rotate_keys(issuer, 0, &second, NULL) == PKI_OK);
  CHECK(is(pki_key_rotation_previous_key_id(second), pki_key_rotation_new_key_id(first).data));
  CHECK(pki_key_rotation_new_key_id(second).len == 43);
  CHECK(pki_key_rotation_grace_period_ends_at(second) == 0);
  CHECK(verify_here(issuer, later, peer) == PKI_ERR_TOKEN_KEY_NOT_FOUND);
  CHECK(pki_token_issuer_rotate_keys(issuer, 60, NULL, NULL) == PKI_OK);
  pki_token_free(later);
  pki_token_free(token);
  pki_key_rotation_free(second);
  pki_key_rotation_free(first);
}

/* The first certificate of a service, for a token that is used up with it. */
static void bootstrap(const pki_manager *manager, const pki_token_issuer *issuer) {
  pki_token_request request = request_of("BOOTSTRAP");
  pki_token *token, *other, *several;
  pki_text *jti = NULL, *none = NULL;
  pki_key_csr *key = NULL, *second = NULL;
  pki_signed *first = NULL, *again = NULL, *refused = NULL;
  pki_token_list *list = NULL;
  request.spiffe_id = pki_str_of(NODE_ID);
  token = mint(issuer, &request);
  request = request_of("USER");
  other = mint(issuer, &request);
  CHECK(pki_key_csr_new(PKI_LIT(NODE_ID), NULL, 0, &key, NULL) == PKI_OK);
  CHECK(pki_key_csr_new(PKI_LIT(NODE_ID), NULL, 0, &second, NULL) == PKI_OK);
  CHECK(authenticate(issuer, token, NULL) == PKI_ERR_PERMISSION_DENIED);
  CHECK(pki_token_issuer_bootstrap(issuer, PKI_ARG(pki_token_text(other)), PKI_LIT(NODE_ID), &none,
                                   NULL) == PKI_ERR_PERMISSION_DENIED);
  CHECK(pki_token_issuer_bootstrap(issuer, PKI_ARG(pki_token_text(token)), PKI_LIT(PEER_ID), &none,
                                   NULL) == PKI_ERR_BOOTSTRAP_TOKEN_MISMATCH);
  CHECK(pki_token_issuer_bootstrap(issuer, PKI_ARG(pki_token_text(token)), PKI_LIT(NODE_ID), &jti,
                                   NULL) == PKI_OK);
  CHECK(is(pki_text_str(jti), pki_token_jti(token).data));
  CHECK(sign(manager, NODE_ID, pki_key_csr_csr_pem(key), pki_str_of("unknown"), &refused) ==
        PKI_ERR_TOKEN_REVOKED);
  CHECK(sign(manager, NODE_ID, pki_key_csr_csr_pem(key), pki_text_str(jti), &first) == PKI_OK);
  CHECK(sign(manager, NODE_ID, pki_key_csr_csr_pem(key), pki_text_str(jti), &again) == PKI_OK);
  CHECK(is(pki_signed_serial(again), pki_signed_serial(first).data));
  CHECK(sign(manager, NODE_ID, pki_key_csr_csr_pem(second), pki_text_str(jti), &refused) ==
        PKI_ERR_BOOTSTRAP_TOKEN_USED);
  CHECK(refused == NULL && none == NULL);
  CHECK(pki_token_issuer_list(issuer, PKI_TOKENS_BY_JTI, PKI_ARG(pki_token_jti(token)), PKI_LIT(""),
                              1, &list, NULL) == PKI_OK);
  CHECK(pki_token_list_uses(list, 0) == 1);
  pki_token_list_free(list);
  list = NULL;
  request = request_of("BOOTSTRAP");
  request.spiffe_id = pki_str_of(NODE_ID);
  request.uses = 3;
  several = mint(issuer, &request);
  CHECK(pki_token_issuer_list(issuer, PKI_TOKENS_BY_JTI, PKI_ARG(pki_token_jti(several)),
                              PKI_LIT(""), 1, &list, NULL) == PKI_OK);
  CHECK(pki_token_list_uses(list, 0) == 3 && is(pki_token_list_spiffe_id(list, 0), NODE_ID));
  pki_token_list_free(list);
  pki_token_free(several);
  pki_signed_free(again);
  pki_signed_free(first);
  pki_key_csr_free(second);
  pki_key_csr_free(key);
  pki_text_free(jti);
  pki_token_free(other);
  pki_token_free(token);
}

/* A program that was built before a request could have a token gives a shorter one. */
static void earlier_request(const pki_manager *manager) {
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  pki_key_csr *key = NULL;
  pki_signed *issued = NULL;
  CHECK(pki_key_csr_new(PKI_LIT(NODE_ID), NULL, 0, &key, NULL) == PKI_OK);
  request.struct_size = offsetof(pki_sign_request, token_jti);
  request.csr_pem = pki_key_csr_csr_pem(key);
  request.service_type = pki_str_of("node");
  request.instance_id = pki_str_of(PEER);
  request.token_jti = pki_str_of("not read");
  CHECK(pki_manager_sign(manager, &request, &issued, NULL) == PKI_OK);
  pki_signed_free(issued);
  pki_key_csr_free(key);
}

int main(int argc, char **argv) {
  pki_manager *manager, *other;
  pki_token_issuer *issuer = NULL;
  pki_token_request request = request_of("USER");
  pki_signed *of_peer = NULL, *of_node = NULL, *of_foreign = NULL;
  pki_svid *peer, *node, *foreign;
  pki_token *token = NULL;
  if (argc != 2) return 2;
  manager = open_ca(argv[1], "mesh.example.com");
  other = open_ca(argv[1], "other.example.org");
  peer = peer_of(manager, PEER_ID, &of_peer);
  node = peer_of(manager, NODE_ID, &of_node);
  foreign = peer_of(other, FOREIGN_ID, &of_foreign);
  CHECK(pki_token_issuer_new(manager, PKI_LIT(ISSUER), NULL, 0, NULL, 0, &issuer, NULL) == PKI_OK);
  CHECK(pki_token_issuer_mint(issuer, &request, &token, NULL) == PKI_ERR_TOKEN_ISSUER_NOT_READY);
  CHECK(token == NULL);
  CHECK(pki_token_issuer_initialize(issuer, NULL) == PKI_OK);
  CHECK(pki_token_issuer_initialize(issuer, NULL) == PKI_OK);
  thumbprint(of_peer, peer);
  minted(issuer, of_peer, peer);
  refused_requests(issuer, of_peer);
  shown(issuer, peer, node);
  revoked(issuer, peer);
  elsewhere(issuer, peer, node);
  federated(manager, issuer, foreign);
  rotated(issuer, peer);
  bootstrap(manager, issuer);
  earlier_request(manager);
  /* It has the database open by itself. */
  CHECK(pki_manager_shutdown(manager, NULL) == PKI_OK);
  pki_manager_free(manager);
  token = mint(issuer, &request);
  CHECK(authenticate(issuer, token, NULL) == PKI_OK);
  pki_token_free(token);
  pki_token_issuer_free(issuer);
  pki_svid_free(foreign);
  pki_svid_free(node);
  pki_svid_free(peer);
  pki_signed_free(of_foreign);
  pki_signed_free(of_node);
  pki_signed_free(of_peer);
  pki_manager_free(other);
  return checked();
}
