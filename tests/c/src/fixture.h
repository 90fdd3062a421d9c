/* One of everything, for the misuse program that is generated from the header. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <pki.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
  pki_str str;
  pki_bytes bytes;
  pki_sign_request sign_request;
  pki_token_request token_request;
  pki_text *text;
  pki_text_list *text_list;
  pki_error *error;
  pki_spiffe_id *spiffe_id;
  pki_key_csr *key_csr;
  pki_config *config;
  pki_manager *manager;
  pki_backup *backup;
  pki_fingerprints *fingerprints;
  pki_signed *signed_;
  pki_bundle *bundle;
  pki_expiring *expiring;
  pki_deny_list *deny_list;
  pki_denied *denied;
  pki_status *status;
  pki_chain *chain;
  pki_svid *svid;
  pki_policy_builder *policy_builder;
  pki_policy *policy;
  pki_path_policy *path_policy;
  pki_token_issuer *token_issuer;
  pki_token *token;
  pki_token_claims *token_claims;
  pki_token_list *token_list;
  pki_token_verifier *token_verifier;
  pki_key_rotation *key_rotation;
} all;

static pki_error *error;
/* A place for whatever a function makes; written on success only. */
static void *out, *made;
static int failures;

static void must(pki_result result, const char *what) {
  if (result == PKI_OK) return;
  printf("%s: %s\n", what, pki_result_name(result).data);
  exit(1);
}
#define MUST(call) must(call, #call)

static void fail(const char *call, pki_result result) {
  failures++;
  printf("%s: %s\n", call, pki_result_name(result).data);
}

static void fail_unless(int ok, const char *call) {
  if (ok) return;
  failures++;
  printf("%s: not what the header says\n", call);
}

/* A text that is returned is a C string too, whatever was given. */
static void is_c_string(pki_str text, const char *call) {
  fail_unless(text.data != NULL && strlen(text.data) == text.len, call);
}

/* A call that must fail with this code, and have written nothing but the error. */
static inline void refused(pki_result result, pki_result expected, const char *call) {
  if (result != expected || out != NULL) fail(call, result);
  if (pki_error_code(error) != result) fail(call, pki_error_code(error));
  is_c_string(pki_error_message(error), call);
  pki_error_free(error);
  error = NULL;
  out = NULL;
}

/* A call whose NULL is not what it could fail with; what it gives is in `made`. */
static inline void taken(pki_result result, const char *call) {
  if (result == PKI_ERR_NULL_ARGUMENT) fail(call, result);
  is_c_string(pki_error_message(error), call);
  pki_error_free(error);
  error = NULL;
  made = out;
  out = NULL;
}

/* What functions that can't fail answer with nothing: one for each type that they return. */
static inline void empty(pki_str text, const char *call) {
  fail_unless(text.data != NULL && text.len == 0 && text.data[0] == '\0', call);
}
static inline void none(pki_bytes bytes, const char *call) {
  fail_unless(bytes.data == NULL && bytes.len == 0, call);
}
static inline void zero(uint64_t number, const char *call) { fail_unless(number == 0, call); }

#define ID "spiffe://catalyst.example.com/node/node-a"

/* A copy of a database: of those in memory there is none. */
static void back_up(void) {
  pki_manager *manager = NULL;
  (void)remove("fixture.copy");
  MUST(pki_manager_open(PKI_LIT("fixture.db"), NULL, &manager, NULL));
  MUST(pki_manager_backup(manager, PKI_LIT("fixture.copy"), &all.backup, NULL));
  pki_manager_free(manager);
}

static void begin_tokens(void) {
  const pki_token_request empty = PKI_TOKEN_REQUEST_INIT;
  all.token_request = empty;
  all.token_request.subject = pki_str_of("node-a");
  all.token_request.entity_id = pki_str_of("node-a");
  all.token_request.entity_name = pki_str_of("node-a");
  all.token_request.entity_type = pki_str_of("service");
  all.token_request.principal = pki_str_of("NODE");
  MUST(pki_token_issuer_new(all.manager, PKI_LIT("issuer"), NULL, 0, NULL, 0, &all.token_issuer,
                            NULL));
  MUST(pki_token_issuer_initialize(all.token_issuer, NULL));
  MUST(pki_token_issuer_mint(all.token_issuer, &all.token_request, &all.token, NULL));
  MUST(pki_token_issuer_inspect(all.token_issuer, PKI_ARG(pki_token_text(all.token)),
                                &all.token_claims, NULL));
  MUST(pki_token_issuer_list(all.token_issuer, PKI_TOKENS_ALL, PKI_LIT(""), PKI_LIT(""), 0,
                             &all.token_list, NULL));
  MUST(pki_token_issuer_revoke(all.token_issuer, PKI_TOKENS_BY_SUBJECT, PKI_LIT("node-a"), NULL,
                               NULL));
  MUST(pki_token_issuer_revoked(all.token_issuer, &all.text_list, NULL));
  MUST(pki_token_issuer_verifier(all.token_issuer, &all.token_verifier, NULL));
  MUST(pki_token_issuer_jwks(all.token_issuer, &all.text, NULL));
  MUST(pki_token_issuer_rotate_keys(all.token_issuer, 0, &all.key_rotation, NULL));
}

static void begin(void) {
  pki_str anchors;
  all.str = pki_str_of("x");
  all.bytes.data = (const uint8_t *)"x";
  all.bytes.len = 1;
  (void)pki_spiffe_id_parse(PKI_LIT(""), &all.spiffe_id, &all.error);
  MUST(pki_spiffe_id_parse(PKI_LIT(ID), &all.spiffe_id, NULL));
  MUST(pki_key_csr_new(PKI_LIT(ID), NULL, 0, &all.key_csr, NULL));
  MUST(pki_config_new(&all.config, NULL));
  MUST(pki_manager_new_in_memory(NULL, &all.manager, NULL));
  MUST(pki_manager_initialize(all.manager, &all.fingerprints, NULL));
  all.sign_request.struct_size = sizeof all.sign_request;
  all.sign_request.ttl_seconds = PKI_TTL_CONFIGURED;
  all.sign_request.csr_pem = pki_key_csr_csr_pem(all.key_csr);
  all.sign_request.service_type = pki_str_of("node");
  all.sign_request.instance_id = pki_str_of("node-a");
  MUST(pki_manager_sign(all.manager, &all.sign_request, &all.signed_, NULL));
  MUST(pki_manager_bundle(all.manager, &all.bundle, NULL));
  MUST(pki_manager_deny(all.manager, PKI_LIT(ID), PKI_LIT("x"), &all.expiring, NULL));
  MUST(pki_manager_deny_list(all.manager, &all.deny_list, NULL));
  MUST(pki_manager_status(all.manager, &all.status, NULL));
  MUST(pki_denied_new(&all.denied, NULL));
  MUST(pki_chain_new(&all.chain, NULL));
  MUST(pki_chain_add_pem(all.chain, PKI_ARG(pki_signed_tls_chain_pem(all.signed_)), NULL));
  MUST(pki_policy_builder_new(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT,
                              PKI_LIT("catalyst.example.com"), &all.policy_builder, NULL));
  anchors = pki_bundle_anchors_pem(all.bundle, PKI_SEGMENT_SERVICES);
  MUST(pki_policy_builder_add_anchors_pem(all.policy_builder, PKI_ARG(anchors), NULL));
  MUST(pki_policy_builder_build(all.policy_builder, &all.policy, NULL));
  pki_policy_builder_free(all.policy_builder);
  MUST(pki_policy_builder_new(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT,
                              PKI_LIT("catalyst.example.com"), &all.policy_builder, NULL));
  MUST(pki_verify_peer(all.policy, all.chain, &all.svid, NULL));
  MUST(pki_path_policy_new(&all.path_policy, NULL));
  begin_tokens();
  back_up();
}

static int end(int calls) {
  pki_key_rotation_free(all.key_rotation);
  pki_token_verifier_free(all.token_verifier);
  pki_token_list_free(all.token_list);
  pki_token_claims_free(all.token_claims);
  pki_token_free(all.token);
  pki_token_issuer_free(all.token_issuer);
  pki_text_list_free(all.text_list);
  pki_text_free(all.text);
  pki_backup_free(all.backup);
  pki_path_policy_free(all.path_policy);
  pki_svid_free(all.svid);
  pki_policy_free(all.policy);
  pki_policy_builder_free(all.policy_builder);
  pki_chain_free(all.chain);
  pki_denied_free(all.denied);
  pki_status_free(all.status);
  pki_deny_list_free(all.deny_list);
  pki_expiring_free(all.expiring);
  pki_bundle_free(all.bundle);
  pki_signed_free(all.signed_);
  pki_fingerprints_free(all.fingerprints);
  pki_manager_free(all.manager);
  pki_config_free(all.config);
  pki_key_csr_free(all.key_csr);
  pki_spiffe_id_free(all.spiffe_id);
  pki_error_free(all.error);
  printf("%d calls, %d failed\n", calls, failures);
  return failures != 0;
}

#endif
