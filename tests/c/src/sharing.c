/*
 * Threads that share one of every handle that says they may, and change those that can be changed
 * while others read them. What was borrowed before must still be there afterwards.
 *
 *   sharing ROUNDS
 */
#define _POSIX_C_SOURCE 200809L

#include <pki.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 8

static pki_config *config;
static pki_manager *manager;
static pki_signed *issued;
static pki_bundle *bundle;
static pki_chain *chain, *roots;
static pki_svid *svid;
static pki_denied *denied;
static pki_policy_builder *builder;
static pki_policy *policy;
static pki_path_policy *path_policy;
static pki_token_issuer *issuer;
static pki_token_verifier *verifier;
static pki_token *token;
static int rounds;

typedef struct worker {
  pthread_t thread;
  int number, failures;
  pki_policy *built;
} worker;

#define CHECK(condition)                             \
  do {                                               \
    if (!(condition)) {                              \
      self->failures++;                              \
      printf("line %d: %s\n", __LINE__, #condition); \
    }                                                \
  } while (0)

/* Adds to the chain; what was borrowed from it stays where it is. */
static void grow(worker *self) {
  pki_str leaf = pki_signed_certificate_pem(issued), first = pki_chain_pem(chain, 0);
  size_t before = pki_chain_len(chain), last;
  CHECK(pki_chain_add_pem(chain, PKI_ARG(leaf), NULL) == PKI_OK);
  last = pki_chain_len(chain) - 1;
  CHECK(last >= before);
  CHECK(pki_chain_der(chain, last).len > 100 && pki_chain_fingerprint(chain, last).len == 43);
  CHECK(strcmp(pki_chain_pem(chain, last).data, leaf.data) == 0);
  CHECK(pki_chain_pem(chain, 0).data == first.data && strcmp(first.data, leaf.data) == 0);
}

/* Denies ever more names, none of which is the peer's. */
static void deny(worker *self, int round) {
  char id[80], serial[24];
  snprintf(id, sizeof id, "spiffe://catalyst.example.com/node/other-%d-%d", self->number, round);
  snprintf(serial, sizeof serial, "%04x%04x", self->number + 1, round);
  CHECK(pki_denied_add_identity(denied, id, strlen(id), NULL) == PKI_OK);
  CHECK(pki_denied_add_issuer(denied, serial, strlen(serial), NULL) == PKI_OK);
  CHECK(pki_denied_add_serial(denied, PKI_ARG(pki_svid_issuer_key_id(svid)), serial, strlen(serial),
                              NULL) == PKI_OK);
  CHECK(pki_denied_check(denied, svid, NULL) == PKI_OK);
}

static void verify(worker *self) {
  const pki_str expected[1] = {pki_svid_spiffe_id(svid)};
  pki_policy *one = NULL, *other = NULL;
  pki_chain *peer = NULL, *found = NULL;
  pki_svid *again = NULL;
  CHECK(pki_chain_new(&peer, NULL) == PKI_OK);
  CHECK(pki_chain_add_pem(peer, PKI_ARG(pki_signed_tls_chain_pem(issued)), NULL) == PKI_OK);
  CHECK(pki_policy_with_expected(policy, expected, 1, &one, NULL) == PKI_OK);
  CHECK(pki_policy_with_denied(one, denied, &other, NULL) == PKI_OK);
  CHECK(pki_verify_peer(other, peer, &again, NULL) == PKI_OK);
  CHECK(strcmp(pki_svid_serial(again).data, pki_signed_serial(issued).data) == 0);
  CHECK(pki_path_policy_set_usage(path_policy, PKI_USAGE_CLIENT, NULL) == PKI_OK);
  CHECK(pki_path_policy_set_max_depth(path_policy, (size_t)(1 + self->number), NULL) == PKI_OK);
  CHECK(pki_path_policy_allow_algorithm(path_policy, PKI_ALGORITHM_P256, NULL) == PKI_OK);
  CHECK(pki_verify_path(path_policy, peer, &found, NULL) == PKI_OK);
  CHECK(pki_chain_len(found) == 3);
  pki_svid_free(again);
  pki_policy_free(other);
  pki_policy_free(one);
  pki_chain_free(found);
  pki_chain_free(peer);
}

/* Refused once a faster thread has built the policy. */
static void collect(worker *self) {
  const pki_str expected = pki_svid_spiffe_id(svid);
  pki_result added = pki_policy_builder_expect(builder, &expected, 1, NULL);
  CHECK(added == PKI_OK || added == PKI_ERR_INVALID_ARGUMENT);
  added = pki_policy_builder_set_denied(builder, denied, NULL);
  CHECK(added == PKI_OK || added == PKI_ERR_INVALID_ARGUMENT);
}

static void configure(worker *self, int round) {
  pki_manager *own = NULL;
  CHECK(pki_config_set_svid_ttl(config, (uint64_t)(60 + round), NULL) == PKI_OK);
  CHECK(pki_config_allow_dns_suffix(config, PKI_LIT("svc.example.com"), NULL) == PKI_OK);
  CHECK(pki_config_set_ca_common_name(config, PKI_CA_ROOT, PKI_LIT("Root"), NULL) == PKI_OK);
  if (round % 10 != 0) return;
  CHECK(pki_manager_new_in_memory(config, &own, NULL) == PKI_OK);
  CHECK(strcmp(pki_manager_trust_domain(own).data, "catalyst.example.com") == 0);
  pki_manager_free(own);
}

static void read_bundle(worker *self) {
  CHECK(strcmp(pki_bundle_root_pem(bundle).data, pki_signed_chain_pem(issued, 1).data) == 0);
  CHECK(pki_bundle_version(bundle).data[0] == 'v');
}

static pki_token_request token_request(void) {
  pki_token_request request = PKI_TOKEN_REQUEST_INIT;
  request.subject = request.entity_id = request.entity_name = pki_svid_instance_id(svid);
  request.entity_type = pki_str_of("service");
  request.principal = pki_str_of("NODE");
  request.certificate_fingerprint = pki_svid_fingerprint(svid);
  return request;
}

/* Mints while others verify, revoke and rotate the keys; what was minted before is still good. */
static void tokens(worker *self, int round) {
  pki_token_request request = token_request();
  pki_token *own = NULL;
  pki_token_claims *claims = NULL, *others = NULL;
  pki_token_verifier *told = NULL;
  const pki_str shared = pki_token_text(token), jti = pki_token_jti(token);
  uint64_t revoked = 0;
  CHECK(pki_token_issuer_mint(issuer, &request, &own, NULL) == PKI_OK);
  CHECK(pki_token_issuer_verify(issuer, PKI_ARG(pki_token_text(own)), svid, &claims, NULL) ==
        PKI_OK);
  CHECK(strcmp(pki_token_claims_jti(claims).data, pki_token_jti(own).data) == 0);
  pki_token_claims_free(claims);
  claims = NULL;
  CHECK(pki_token_verifier_verify(verifier, PKI_ARG(shared), svid, &claims, NULL) == PKI_OK);
  CHECK(pki_token_verifier_with_revoked(verifier, &jti, 1, &told, NULL) == PKI_OK);
  CHECK(pki_token_verifier_verify(told, PKI_ARG(shared), svid, &others, NULL) ==
        PKI_ERR_TOKEN_REVOKED);
  CHECK(pki_token_issuer_revoke(issuer, PKI_TOKENS_BY_JTI, PKI_ARG(pki_token_jti(own)), &revoked,
                                NULL) == PKI_OK);
  CHECK(revoked == 1);
  if (round % 50 == 0)
    CHECK(pki_token_issuer_rotate_keys(issuer, PKI_TTL_CONFIGURED, NULL, NULL) == PKI_OK);
  pki_token_verifier_free(told);
  pki_token_claims_free(claims);
  pki_token_free(own);
}

/* How many tokens there are, by pages. */
static size_t tokens_listed(void) {
  pki_token_list *page = NULL, *next = NULL;
  size_t count = 0;
  for (;;) {
    pki_str cursor = page == NULL ? pki_str_of("") : pki_token_list_cursor(page);
    if (page != NULL && cursor.len == 0) break;
    if (pki_token_issuer_list(issuer, PKI_TOKENS_ALL, PKI_LIT(""), PKI_ARG(cursor), 100, &next,
                              NULL) != PKI_OK)
      break;
    pki_token_list_free(page);
    page = next;
    count += pki_token_list_len(page);
  }
  pki_token_list_free(page);
  return count;
}

static void *work(void *argument) {
  worker *self = (worker *)argument;
  int round;
  for (round = 0; round < rounds; round++) {
    grow(self);
    deny(self, round);
    verify(self);
    collect(self);
    configure(self, round);
    read_bundle(self);
    tokens(self, round);
  }
  /* A builder makes one policy: one of the threads gets it. */
  if (pki_policy_builder_build(builder, &self->built, NULL) != PKI_OK) CHECK(self->built == NULL);
  return NULL;
}

static pki_policy_builder *new_builder(void) {
  pki_policy_builder *made = NULL;
  pki_str anchors = pki_bundle_anchors_pem(bundle, PKI_SEGMENT_SERVICES);
  int ok = pki_policy_builder_new(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT,
                                  PKI_LIT("catalyst.example.com"), &made, NULL) == PKI_OK &&
           pki_policy_builder_add_anchors_pem(made, PKI_ARG(anchors), NULL) == PKI_OK;
  return ok ? made : NULL;
}

static int make_tokens(void) {
  const pki_str types[1] = {pki_str_of("node")};
  pki_token_request request = token_request();
  return pki_token_issuer_new(manager, PKI_LIT("issuer"), NULL, 0, types, 1, &issuer, NULL) ==
             PKI_OK &&
         pki_token_issuer_initialize(issuer, NULL) == PKI_OK &&
         pki_token_issuer_mint(issuer, &request, &token, NULL) == PKI_OK &&
         pki_token_issuer_verifier(issuer, &verifier, NULL) == PKI_OK;
}

static int make_all(void) {
  const char *id = "spiffe://catalyst.example.com/node/node-a";
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  pki_key_csr *key = NULL;
  int ok = pki_config_new(&config, NULL) == PKI_OK &&
           pki_manager_new_in_memory(config, &manager, NULL) == PKI_OK &&
           pki_manager_initialize(manager, NULL, NULL) == PKI_OK &&
           pki_manager_bundle(manager, &bundle, NULL) == PKI_OK &&
           pki_key_csr_new(id, strlen(id), NULL, 0, &key, NULL) == PKI_OK;
  request.csr_pem = pki_key_csr_csr_pem(key);
  request.service_type = pki_str_of("node");
  request.instance_id = pki_str_of("node-a");
  ok = ok && pki_manager_sign(manager, &request, &issued, NULL) == PKI_OK &&
       pki_chain_new(&chain, NULL) == PKI_OK && pki_chain_new(&roots, NULL) == PKI_OK &&
       pki_chain_add_pem(chain, PKI_ARG(pki_signed_tls_chain_pem(issued)), NULL) == PKI_OK &&
       pki_chain_add_pem(roots, PKI_ARG(pki_bundle_root_pem(bundle)), NULL) == PKI_OK &&
       pki_denied_new(&denied, NULL) == PKI_OK &&
       pki_path_policy_new(&path_policy, NULL) == PKI_OK &&
       pki_path_policy_add_anchors(path_policy, roots, NULL) == PKI_OK;
  builder = new_builder();
  ok = ok && pki_policy_builder_build(builder, &policy, NULL) == PKI_OK &&
       pki_verify_peer(policy, chain, &svid, NULL) == PKI_OK;
  pki_policy_builder_free(builder);
  builder = new_builder();
  pki_key_csr_free(key);
  return ok && builder != NULL && make_tokens();
}

static void free_all(void) {
  pki_token_verifier_free(verifier);
  pki_token_free(token);
  pki_token_issuer_free(issuer);
  pki_policy_builder_free(builder);
  pki_policy_free(policy);
  pki_path_policy_free(path_policy);
  pki_denied_free(denied);
  pki_svid_free(svid);
  pki_chain_free(roots);
  pki_chain_free(chain);
  pki_signed_free(issued);
  pki_bundle_free(bundle);
  pki_manager_free(manager);
  pki_config_free(config);
}

int main(int argc, char **argv) {
  static worker workers[THREADS];
  int at, built = 0, failures = 0;
  if (argc != 2 || !make_all()) return 2;
  rounds = atoi(argv[1]);
  for (at = 0; at < THREADS; at++) {
    workers[at].number = at;
    if (pthread_create(&workers[at].thread, NULL, work, &workers[at]) != 0) return 2;
  }
  for (at = 0; at < THREADS; at++) {
    pthread_join(workers[at].thread, NULL);
    failures += workers[at].failures;
    built += workers[at].built != NULL;
    pki_policy_free(workers[at].built);
  }
  /* All that was added is there. */
  failures += built != 1 || pki_chain_len(chain) != (size_t)(2 + THREADS * rounds);
  failures += tokens_listed() != (size_t)(1 + THREADS * rounds);
  free_all();
  printf(failures ? "failed\n" : "passed\n");
  return failures != 0;
}
