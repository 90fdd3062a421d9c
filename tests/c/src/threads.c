/*
 * Sixteen threads that issue from one manager, verify by one policy, deny and allow.
 *
 *   threads FOLDER CERTIFICATES-EACH
 */
#define _POSIX_C_SOURCE 200809L

#include <pki.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 16

static pki_manager *manager;
static pki_policy *policy;
static int each;

typedef struct worker {
  pthread_t thread;
  char id[64], instance[16];
  pki_signed **issued;
  int count, verified, failures;
} worker;

static int one(worker *self, const pki_key_csr *key) {
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  pki_signed *issued = NULL;
  pki_chain *chain = NULL;
  pki_svid *svid = NULL;
  int ok;
  request.csr_pem = pki_key_csr_csr_pem(key);
  request.service_type = pki_str_of("node");
  request.instance_id = pki_str_of(self->instance);
  if (pki_manager_sign(manager, &request, &issued, NULL) != PKI_OK) return 0;
  self->issued[self->count++] = issued;
  ok = pki_chain_new(&chain, NULL) == PKI_OK &&
       pki_chain_add_pem(chain, PKI_ARG(pki_signed_tls_chain_pem(issued)), NULL) == PKI_OK &&
       pki_verify_peer(policy, chain, &svid, NULL) == PKI_OK &&
       strcmp(pki_svid_spiffe_id(svid).data, self->id) == 0;
  self->verified += ok;
  pki_svid_free(svid);
  pki_chain_free(chain);
  return ok;
}

static void *work(void *argument) {
  worker *self = (worker *)argument;
  pki_key_csr *key = NULL;
  pki_signed *none = NULL;
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  pki_bundle *bundle = NULL;
  pki_status *status = NULL;
  int at;
  if (pki_key_csr_new(self->id, strlen(self->id), NULL, 0, &key, NULL) != PKI_OK) {
    self->failures++;
    return NULL;
  }
  for (at = 0; at < each; at++) self->failures += !one(self, key);

  request.csr_pem = pki_key_csr_csr_pem(key);
  request.service_type = pki_str_of("node");
  request.instance_id = pki_str_of(self->instance);
  self->failures += pki_manager_deny(manager, self->id, strlen(self->id), PKI_LIT("a test"), NULL,
                                     NULL) != PKI_OK;
  self->failures +=
      pki_manager_sign(manager, &request, &none, NULL) != PKI_ERR_IDENTITY_DENIED || none != NULL;
  self->failures += pki_manager_allow(manager, self->id, strlen(self->id), NULL, NULL) != PKI_OK;
  self->failures += pki_manager_bundle(manager, &bundle, NULL) != PKI_OK;
  self->failures += pki_manager_status(manager, &status, NULL) != PKI_OK;
  pki_status_free(status);
  pki_bundle_free(bundle);
  pki_key_csr_free(key);
  return NULL;
}

static int by_serial(const void *one, const void *other) {
  return strcmp(pki_signed_serial(*(pki_signed *const *)one).data,
                pki_signed_serial(*(pki_signed *const *)other).data);
}

static int open_all(const char *folder) {
  char file[1024];
  pki_bundle *bundle = NULL;
  pki_policy_builder *builder = NULL;
  pki_str domain, anchors;
  int ok;
  snprintf(file, sizeof file, "%s/certs.db", folder);
  ok = pki_manager_open(file, strlen(file), NULL, &manager, NULL) == PKI_OK &&
       pki_manager_initialize(manager, NULL, NULL) == PKI_OK &&
       pki_manager_bundle(manager, &bundle, NULL) == PKI_OK;
  domain = pki_bundle_trust_domain(bundle);
  anchors = pki_bundle_anchors_pem(bundle, PKI_SEGMENT_SERVICES);
  ok = ok &&
       pki_policy_builder_new(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT, PKI_ARG(domain), &builder,
                              NULL) == PKI_OK &&
       pki_policy_builder_add_anchors_pem(builder, PKI_ARG(anchors), NULL) == PKI_OK &&
       pki_policy_builder_build(builder, &policy, NULL) == PKI_OK;
  pki_policy_builder_free(builder);
  pki_bundle_free(bundle);
  return ok;
}

int main(int argc, char **argv) {
  static worker workers[THREADS];
  pki_signed **all;
  int at, count = 0, different = 0, verified = 0, failures = 0;
  if (argc != 3 || !open_all(argv[1])) return 2;
  each = atoi(argv[2]);
  all = (pki_signed **)calloc((size_t)(THREADS * each), sizeof *all);
  if (all == NULL) return 2;
  for (at = 0; at < THREADS; at++) {
    worker *self = &workers[at];
    snprintf(self->instance, sizeof self->instance, "node-%d", at);
    snprintf(self->id, sizeof self->id, "spiffe://catalyst.example.com/node/node-%d", at);
    self->issued = all + at * each;
    if (pthread_create(&self->thread, NULL, work, self) != 0) return 2;
  }
  for (at = 0; at < THREADS; at++) {
    pthread_join(workers[at].thread, NULL);
    count += workers[at].count;
    verified += workers[at].verified;
    failures += workers[at].failures;
  }
  if (count == THREADS * each) {
    qsort(all, (size_t)count, sizeof *all, by_serial);
    for (at = 0; at < count; at++) different += at == 0 || by_serial(&all[at - 1], &all[at]) != 0;
  }
  printf("%d issued, %d different, %d verified, %d failed\n", count, different, verified, failures);
  for (at = 0; at < THREADS * each; at++) pki_signed_free(all[at]);
  free(all);
  pki_policy_free(policy);
  pki_manager_free(manager);
  return failures != 0 || different != THREADS * each;
}
