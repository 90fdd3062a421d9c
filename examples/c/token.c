/*
 * Mints a token that is bound to a service's certificate, verifies it as another service does that
 * the holder calls, and revokes it.
 *
 *   token certs.db chain.pem anchors.pem mesh.example.com
 *
 * The passphrase of the CA's keys comes from the environment: CATALYST_PKI_KEY_PASSPHRASE.
 */
#include "common.h"

#define ISSUER "auth-a.example.com"
#define AUDIENCE "orchestrator-b.example.com"

/* The issuer, in the database of a CA. It has the database open by itself. */
static pki_result open_issuer(const char *path, const char *trust_domain, pki_token_issuer **out,
                              pki_error **error) {
  pki_config *config = NULL;
  pki_manager *manager = NULL;
  pki_token_issuer *issuer = NULL;
  pki_result result = pki_config_new(&config, error);
  if (result == PKI_OK)
    result = pki_config_set_trust_domain(config, trust_domain, strlen(trust_domain), error);
  if (result == PKI_OK) result = pki_manager_open(path, strlen(path), config, &manager, error);
  if (result == PKI_OK)
    result = pki_token_issuer_new(manager, PKI_LIT(ISSUER), NULL, 0, NULL, 0, &issuer, error);
  if (result == PKI_OK) result = pki_token_issuer_initialize(issuer, error);
  if (result == PKI_OK) {
    *out = issuer;
    issuer = NULL;
  }
  pki_token_issuer_free(issuer);
  pki_manager_free(manager);
  pki_config_free(config);
  return result;
}

/* For a quarter of an hour, for calls of one service, and of no use without the peer's key. */
static pki_result mint(const pki_token_issuer *issuer, const pki_svid *peer, pki_token **out,
                       pki_error **error) {
  pki_token_request request = PKI_TOKEN_REQUEST_INIT;
  request.subject = pki_svid_instance_id(peer);
  request.entity_id = pki_svid_instance_id(peer);
  request.entity_name = pki_svid_instance_id(peer);
  request.entity_type = pki_str_of("service");
  request.principal = pki_str_of("NODE");
  request.certificate_fingerprint = pki_svid_fingerprint(peer);
  request.audience = pki_str_of(AUDIENCE);
  request.ttl_seconds = 15 * 60;
  return pki_token_issuer_mint(issuer, &request, out, error);
}

/* Who is called has the issuer's keys, and takes what is meant for it from the services that call
 * it. */
static pki_result make_verifier(const char *trust_domain, pki_str jwks, pki_token_verifier **out,
                                pki_error **error) {
  const pki_str callers[1] = {pki_str_of("node")};
  pki_token_verifier *of_issuer = NULL, *for_us = NULL;
  pki_result result = pki_token_verifier_new(PKI_LIT(ISSUER), trust_domain, strlen(trust_domain),
                                             PKI_ARG(jwks), &of_issuer, error);
  if (result == PKI_OK)
    result = pki_token_verifier_with_audience(of_issuer, PKI_LIT(AUDIENCE), &for_us, error);
  if (result == PKI_OK)
    result = pki_token_verifier_with_service_types(for_us, callers, 1, out, error);
  pki_token_verifier_free(for_us);
  pki_token_verifier_free(of_issuer);
  return result;
}

/* The peer of a connection; mtls.c has it from the TLS library. */
static pki_result peer_of(const char *chain_file, const char *anchors_file,
                          const char *trust_domain, pki_svid **out, pki_error **error) {
  pki_policy_builder *builder = NULL;
  pki_policy *policy = NULL;
  pki_chain *chain = NULL;
  size_t chain_len, anchors_len;
  char *chain_pem = read_file(chain_file, &chain_len);
  char *anchors_pem = read_file(anchors_file, &anchors_len);
  pki_result result = pki_policy_builder_new(PKI_SEGMENT_SERVICES, PKI_ROLE_CLIENT, trust_domain,
                                             strlen(trust_domain), &builder, error);
  if (result == PKI_OK)
    result = pki_policy_builder_add_anchors_pem(builder, anchors_pem, anchors_len, error);
  if (result == PKI_OK) result = pki_policy_builder_build(builder, &policy, error);
  if (result == PKI_OK) result = pki_chain_new(&chain, error);
  if (result == PKI_OK) result = pki_chain_add_pem(chain, chain_pem, chain_len, error);
  if (result == PKI_OK) result = pki_verify_peer(policy, chain, out, error);
  pki_chain_free(chain);
  pki_policy_free(policy);
  pki_policy_builder_free(builder);
  free(anchors_pem);
  free(chain_pem);
  return result;
}

int main(int argc, char **argv) {
  pki_error *error = NULL;
  pki_svid *peer = NULL;
  pki_token_issuer *issuer = NULL;
  pki_token *token = NULL;
  pki_text *jwks = NULL;
  pki_token_verifier *verifier = NULL, *next = NULL;
  pki_token_claims *claims = NULL;
  pki_str jti = pki_str_of(NULL);
  pki_result result;
  int status = 0;

  if (argc != 5) {
    fprintf(stderr, "token DATABASE CHAIN ANCHORS TRUST-DOMAIN\n");
    return 2;
  }
  result = peer_of(argv[2], argv[3], argv[4], &peer, &error);
  if (result == PKI_OK) result = open_issuer(argv[1], argv[4], &issuer, &error);
  if (result == PKI_OK) result = mint(issuer, peer, &token, &error);
  if (result == PKI_OK) result = pki_token_issuer_jwks(issuer, &jwks, &error);
  if (result == PKI_OK) result = make_verifier(argv[4], pki_text_str(jwks), &verifier, &error);
  if (result == PKI_OK)
    result =
        pki_token_verifier_verify(verifier, PKI_ARG(pki_token_text(token)), peer, &claims, &error);
  if (result == PKI_OK) {
    printf("%s acts as %s\n", pki_token_claims_subject(claims).data,
           pki_token_claims_principal(claims).data);
    pki_token_claims_free(claims);
    claims = NULL;
    jti = pki_token_jti(token);
    result = pki_token_issuer_revoke(issuer, PKI_TOKENS_BY_JTI, PKI_ARG(jti), NULL, &error);
  }
  if (result == PKI_OK) result = pki_token_verifier_with_revoked(verifier, &jti, 1, &next, &error);
  if (result == PKI_OK) {
    (void)pki_token_verifier_verify(next, PKI_ARG(pki_token_text(token)), peer, &claims, &error);
    printf("revoked: %s\n", pki_error_message(error).data);
    pki_error_free(error);
  } else {
    status = failed("the token", error);
  }

  pki_token_claims_free(claims);
  pki_token_verifier_free(next);
  pki_token_verifier_free(verifier);
  pki_text_free(jwks);
  pki_token_free(token);
  pki_token_issuer_free(issuer);
  pki_svid_free(peer);
  return status;
}
