/*
 * Prints the anchors of a segment, from the database of its CA: what those who verify its workloads
 * are given.
 *
 *   bundle certs.db mesh.example.com services|transport > anchors.pem
 */
#include "common.h"

int main(int argc, char **argv) {
  pki_error *error = NULL;
  pki_config *config = NULL;
  pki_manager *manager = NULL;
  pki_bundle *bundle = NULL;
  pki_segment segment;
  pki_result result;
  int status = 0;

  if (argc != 4) {
    fprintf(stderr, "bundle DATABASE TRUST-DOMAIN services|transport\n");
    return 2;
  }
  segment = strcmp(argv[3], "transport") == 0 ? PKI_SEGMENT_TRANSPORT : PKI_SEGMENT_SERVICES;

  result = pki_config_new(&config, &error);
  if (result == PKI_OK)
    result = pki_config_set_trust_domain(config, argv[2], strlen(argv[2]), &error);
  if (result == PKI_OK)
    result = pki_manager_open(argv[1], strlen(argv[1]), config, &manager, &error);
  /* Unlike pki_manager_initialize, this makes nothing: without a hierarchy there is no bundle. */
  if (result == PKI_OK) result = pki_manager_load(manager, NULL, &error);
  if (result == PKI_OK) result = pki_manager_bundle(manager, &bundle, &error);
  if (result == PKI_OK) fputs(pki_bundle_anchors_pem(bundle, segment).data, stdout);
  else status = failed("the bundle", error);

  pki_bundle_free(bundle);
  pki_manager_free(manager);
  pki_config_free(config);
  return status;
}
