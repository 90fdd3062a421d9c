/*
 * Verifies a peer's certificate chain against the intermediates of a segment, and says who it is or
 * which rule failed.
 *
 *   verify chain.pem anchors.pem services|transport client|server mesh.example.com [PATTERN]
 */
#include "common.h"

int main(int argc, char **argv) {
  pki_error *error = NULL;
  pki_policy_builder *builder = NULL;
  pki_policy *policy = NULL;
  pki_chain *chain = NULL;
  pki_svid *svid = NULL;
  pki_segment segment;
  pki_role role;
  char *chain_pem, *anchors_pem;
  size_t chain_len, anchors_len;
  pki_result result;
  int status = 0;

  if (argc != 6 && argc != 7) {
    fprintf(stderr,
            "verify CHAIN ANCHORS services|transport client|server TRUST-DOMAIN [PATTERN]\n");
    return 2;
  }
  segment = strcmp(argv[3], "transport") == 0 ? PKI_SEGMENT_TRANSPORT : PKI_SEGMENT_SERVICES;
  role = strcmp(argv[4], "server") == 0 ? PKI_ROLE_SERVER : PKI_ROLE_CLIENT;
  chain_pem = read_file(argv[1], &chain_len);
  anchors_pem = read_file(argv[2], &anchors_len);
  if (chain_pem == NULL || anchors_pem == NULL) {
    fprintf(stderr, "a file can't be read\n");
    free(chain_pem);
    free(anchors_pem);
    return 2;
  }

  result = pki_policy_builder_new(segment, role, argv[5], strlen(argv[5]), &builder, &error);
  if (result == PKI_OK)
    result = pki_policy_builder_add_anchors_pem(builder, anchors_pem, anchors_len, &error);
  if (result == PKI_OK && argc == 7) {
    const pki_str expected = pki_str_of(argv[6]);
    result = pki_policy_builder_expect(builder, &expected, 1, &error);
  }
  if (result == PKI_OK) result = pki_policy_builder_build(builder, &policy, &error);
  if (result == PKI_OK) result = pki_chain_new(&chain, &error);
  if (result == PKI_OK) result = pki_chain_add_pem(chain, chain_pem, chain_len, &error);
  if (result == PKI_OK) result = pki_verify_peer(policy, chain, &svid, &error);
  if (result == PKI_OK)
    printf("%s\n  certificate %s\n  issued by %s\n", pki_svid_spiffe_id(svid).data,
           pki_svid_fingerprint(svid).data, pki_svid_issuer(svid).data);
  else status = failed("refused", error);

  pki_svid_free(svid);
  pki_chain_free(chain);
  pki_policy_free(policy);
  pki_policy_builder_free(builder);
  free(anchors_pem);
  free(chain_pem);
  return status;
}
