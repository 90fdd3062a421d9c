/*
 * Every noun of pki.h in use. Prints a line for what fails, and how many checks there were.
 *
 *   suite FOLDER
 */
#include "check.h"

#define NODE "spiffe://mesh.example.com/node/node-a.example.com"
#define ENVOY "spiffe://mesh.example.com/envoy/app/node-a.example.com"

static int64_t now_ms;
static int64_t tell(void *user_data) { return *(int64_t *)user_data; }

static void spiffe(void) {
  pki_spiffe_id *id = NULL, *untouched = NULL;
  pki_error *error = NULL;
  CHECK(pki_spiffe_id_build(PKI_LIT("mesh.example.com"), PKI_LIT("envoy/app"),
                            PKI_LIT("region/az-1/a"), &id, &error) == PKI_OK);
  CHECK(is(pki_spiffe_id_uri(id), "spiffe://mesh.example.com/envoy/app/region/az-1/a"));
  CHECK(is(pki_spiffe_id_trust_domain(id), "mesh.example.com"));
  CHECK(is(pki_spiffe_id_service_type(id), "envoy/app"));
  CHECK(is(pki_spiffe_id_instance_id(id), "region/az-1/a"));
  CHECK(error == NULL);
  CHECK(pki_spiffe_id_parse(PKI_LIT("http://x"), &untouched, &error) == PKI_ERR_INVALID_SPIFFE_ID);
  CHECK(untouched == NULL && pki_error_code(error) == PKI_ERR_INVALID_SPIFFE_ID);
  CHECK(strstr(pki_error_message(error).data, "must start with spiffe://") != NULL);
  CHECK(!pki_error_is_retryable(error));
  pki_error_free(error);
  error = NULL;
  CHECK(pki_spiffe_id_is_valid(PKI_LIT(NODE)));
  CHECK(!pki_spiffe_id_is_valid(PKI_LIT("\xff\xfe")) && !pki_spiffe_id_is_valid(NULL, 0));
  /* Lengths are what counts, not NUL bytes. */
  CHECK(!pki_spiffe_id_is_valid(NODE, sizeof NODE));
  CHECK(pki_spiffe_id_is_valid("spiffe://td.example/node/abc", 26));
  CHECK(pki_spiffe_id_parse("x", SIZE_MAX, &untouched, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_spiffe_id_parse(PKI_LIT("\xc3("), &untouched, NULL) == PKI_ERR_INVALID_UTF8);
  CHECK(untouched == NULL);
  pki_spiffe_id_free(id);
}

static void names(void) {
  CHECK(is(pki_result_name(PKI_OK), "PKI_OK"));
  CHECK(is(pki_result_name(PKI_ERR_NULL_ARGUMENT), "PKI_ERR_NULL_ARGUMENT"));
  CHECK(is(pki_result_name(7), "") && is(pki_result_name(UINT32_MAX), ""));
  CHECK(pki_abi_version() == PKI_ABI_VERSION && pki_version().len >= 5);
  CHECK(pki_error_code(NULL) == PKI_OK && is(pki_error_message(NULL), ""));
}

static pki_config *configuration(void) {
  pki_config *config = NULL;
  CHECK(pki_config_new(&config, NULL) == PKI_OK);
  CHECK(pki_config_set_trust_domain(config, PKI_LIT("mesh.example.com"), NULL) == PKI_OK);
  CHECK(pki_config_set_trust_domain(config, PKI_LIT("UPPER"), NULL) == PKI_ERR_INVALID_SPIFFE_ID);
  CHECK(pki_config_set_svid_ttl(config, 600, NULL) == PKI_OK);
  CHECK(pki_config_set_max_svid_ttl(config, 7200, NULL) == PKI_OK);
  CHECK(pki_config_set_name_constraints(config, PKI_LIT("none"), NULL) == PKI_OK);
  CHECK(pki_config_set_name_constraints(config, PKI_LIT("x"), NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_config_set_ca_common_name(config, PKI_CA_ROOT, PKI_LIT("My Root"), NULL) == PKI_OK);
  CHECK(pki_config_set_ca_common_name(config, 9, PKI_LIT("x"), NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_config_set_root_lifetime(config, 86400 * 3000, NULL) == PKI_OK);
  CHECK(pki_config_set_intermediate_lifetime(config, 86400 * 700, NULL) == PKI_OK);
  CHECK(pki_config_allow_dns_suffix(config, PKI_LIT("svc.example.com"), NULL) == PKI_OK);
  CHECK(pki_config_set_passphrase(config, PKI_LIT(""), NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_config_set_passphrase(config, PKI_LIT("a passphrase"), NULL) == PKI_OK);
  CHECK(pki_config_set_clock(config, tell, &now_ms, NULL) == PKI_OK);
  return config;
}

static pki_signed *issue(const pki_manager *manager, const char *id, const char *type,
                         int64_t ttl) {
  const pki_str dns[1] = {pki_str_of("db.svc.example.com")};
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  pki_key_csr *key = NULL;
  pki_signed *issued = NULL;
  pki_error *error = NULL;
  CHECK(pki_key_csr_new(id, strlen(id), dns, 1, &key, NULL) == PKI_OK);
  CHECK(strstr(pki_key_csr_private_key_pem(key).data, "PRIVATE KEY") != NULL);
  CHECK(is(pki_key_csr_spiffe_id(key), id));
  request.csr_pem = pki_key_csr_csr_pem(key);
  request.service_type = pki_str_of(type);
  request.instance_id = pki_str_of("node-a.example.com");
  request.ttl_seconds = ttl;
  CHECK(pki_manager_sign(manager, &request, &issued, NULL) == PKI_OK);
  request.flags = 2;
  CHECK(pki_manager_sign(manager, &request, &issued, &error) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(strstr(pki_error_message(error).data, "request.flags: 2") != NULL);
  pki_error_free(error);
  request.flags = 0;
  request.reserved = 7;
  CHECK(pki_manager_sign(manager, &request, &issued, &error) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(strstr(pki_error_message(error).data, "request.reserved: 7") != NULL);
  pki_error_free(error);
  request.reserved = 0;
  request.struct_size = 8;
  CHECK(pki_manager_sign(manager, &request, &issued, NULL) == PKI_ERR_STRUCT_SIZE);
  request.struct_size = sizeof request;
  request.csr_pem = pki_str_of(NULL);
  CHECK(pki_manager_sign(manager, &request, &issued, NULL) == PKI_ERR_NULL_ARGUMENT);
  pki_key_csr_free(key);
  return issued;
}

static pki_policy *policy_of(const pki_bundle *bundle, pki_segment segment, const char *expect) {
  const pki_str expected = pki_str_of(expect);
  pki_policy_builder *builder = NULL;
  pki_policy *policy = NULL;
  CHECK(pki_policy_builder_new(segment, PKI_ROLE_CLIENT, PKI_ARG(pki_bundle_trust_domain(bundle)),
                               &builder, NULL) == PKI_OK);
  CHECK(pki_policy_builder_add_anchors_pem(
            builder, PKI_ARG(pki_bundle_anchors_pem(bundle, segment)), NULL) == PKI_OK);
  CHECK(pki_policy_builder_pin_roots_pem(builder, PKI_ARG(pki_bundle_root_pem(bundle)), NULL) ==
        PKI_OK);
  CHECK(pki_policy_builder_expect(builder, &expected, 1, NULL) == PKI_OK);
  CHECK(pki_policy_builder_set_at(builder, INT64_MAX, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_policy_builder_set_at(builder, now_ms, NULL) == PKI_OK);
  CHECK(pki_policy_builder_set_skew(builder, 1500, NULL) == PKI_OK);
  CHECK(pki_policy_builder_allow_algorithm(builder, PKI_ALGORITHM_P256, NULL) == PKI_OK);
  CHECK(pki_policy_builder_build(builder, &policy, NULL) == PKI_OK);
  CHECK(pki_policy_builder_build(builder, &policy, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_policy_builder_expect(builder, &expected, 1, NULL) == PKI_ERR_INVALID_ARGUMENT);
  pki_policy_builder_free(builder);
  return policy;
}

/* A list that is given and empty is nobody, whatever was meant by it. */
static void nobody(const pki_bundle *bundle) {
  const pki_segment segment = PKI_SEGMENT_SERVICES;
  const pki_str domain = pki_bundle_trust_domain(bundle), some = pki_str_of(NODE);
  pki_policy_builder *builder = NULL;
  pki_policy *policy = NULL, *other = NULL;
  pki_error *error = NULL;
  CHECK(pki_policy_builder_new(segment, PKI_ROLE_CLIENT, PKI_ARG(domain), &builder, NULL) ==
        PKI_OK);
  CHECK(pki_policy_builder_add_anchors_pem(
            builder, PKI_ARG(pki_bundle_anchors_pem(bundle, segment)), NULL) == PKI_OK);
  CHECK(pki_policy_builder_expect(builder, &some, 0, NULL) == PKI_OK);
  CHECK(pki_policy_builder_build(builder, &policy, &error) == PKI_ERR_INVALID_POLICY);
  CHECK(policy == NULL && strstr(pki_error_message(error).data, "nobody") != NULL);
  pki_error_free(error);
  pki_policy_builder_free(builder);
  policy = policy_of(bundle, segment, NODE);
  CHECK(pki_policy_with_expected(policy, NULL, 0, &other, NULL) == PKI_ERR_INVALID_POLICY);
  CHECK(other == NULL);
  pki_policy_free(policy);
}

/* Without a list at hand nobody is taken where one is demanded. */
static void demand_lists(const pki_bundle *bundle, const pki_signed *node) {
  const pki_segment segment = PKI_SEGMENT_SERVICES;
  pki_policy_builder *builder = NULL;
  pki_policy *policy = NULL;
  pki_path_policy *path = NULL;
  pki_chain *chain = NULL, *roots = NULL, *found = NULL;
  pki_svid *svid = NULL;
  CHECK(pki_policy_builder_new(segment, PKI_ROLE_CLIENT, PKI_ARG(pki_bundle_trust_domain(bundle)),
                               &builder, NULL) == PKI_OK);
  CHECK(pki_policy_builder_add_anchors_pem(
            builder, PKI_ARG(pki_bundle_anchors_pem(bundle, segment)), NULL) == PKI_OK);
  CHECK(pki_policy_builder_set_at(builder, now_ms, NULL) == PKI_OK);
  CHECK(pki_policy_builder_require_crl(builder, NULL) == PKI_OK);
  CHECK(pki_policy_builder_build(builder, &policy, NULL) == PKI_OK);
  CHECK(pki_chain_new(&chain, NULL) == PKI_OK && pki_chain_new(&roots, NULL) == PKI_OK);
  CHECK(pki_chain_add_pem(chain, PKI_ARG(pki_signed_tls_chain_pem(node)), NULL) == PKI_OK);
  CHECK(pki_verify_peer(policy, chain, &svid, NULL) == PKI_ERR_REVOCATION_UNKNOWN);

  CHECK(pki_path_policy_new(&path, NULL) == PKI_OK);
  CHECK(pki_chain_add_pem(roots, PKI_ARG(pki_bundle_root_pem(bundle)), NULL) == PKI_OK);
  CHECK(pki_path_policy_add_anchors(path, roots, NULL) == PKI_OK);
  CHECK(pki_path_policy_set_at(path, now_ms, NULL) == PKI_OK);
  CHECK(pki_path_policy_require_crl(path, NULL) == PKI_OK);
  CHECK(pki_verify_path(path, chain, &found, NULL) == PKI_ERR_REVOCATION_UNKNOWN);
  CHECK(svid == NULL && found == NULL);
  pki_path_policy_free(path);
  pki_chain_free(roots);
  pki_chain_free(chain);
  pki_policy_free(policy);
  pki_policy_builder_free(builder);
}

static pki_result verified(const pki_policy *policy, pki_str pem, pki_svid **svid) {
  pki_chain *chain = NULL;
  pki_result result;
  CHECK(pki_chain_new(&chain, NULL) == PKI_OK);
  CHECK(pki_chain_add_pem(chain, PKI_ARG(pem), NULL) == PKI_OK);
  result = pki_verify_peer(policy, chain, svid, NULL);
  pki_chain_free(chain);
  return result;
}

/* Lists that revoke somebody are among the cases of every language. */
static void other_lists(const pki_policy *policy, const pki_signed *node) {
  const pki_bytes crls[2] = {{(const uint8_t *)"no list", 7}, {NULL, 0}};
  pki_policy *other = NULL;
  pki_svid *svid = NULL;
  CHECK(pki_policy_with_crls(policy, crls, 1, &other, NULL) == PKI_ERR_CRL_INVALID);
  CHECK(pki_policy_with_crls(policy, crls + 1, 1, &other, NULL) == PKI_ERR_NULL_ARGUMENT);
  CHECK(pki_policy_with_crls(policy, NULL, 1, &other, NULL) == PKI_ERR_NULL_ARGUMENT);
  CHECK(other == NULL);
  CHECK(pki_policy_with_crls(policy, NULL, 0, &other, NULL) == PKI_OK);
  CHECK(verified(other, pki_signed_certificate_pem(node), &svid) == PKI_OK);
  pki_svid_free(svid);
  pki_policy_free(other);
}

static void verify(const pki_bundle *bundle, const pki_signed *node, const pki_signed *envoy) {
  pki_policy *policy = policy_of(bundle, PKI_SEGMENT_SERVICES, NODE);
  pki_policy *other = NULL;
  pki_svid *svid = NULL, *none = NULL;
  pki_denied *denied = NULL;
  const pki_str pattern[1] = {pki_str_of("spiffe://mesh.example.com/auth/**")};

  CHECK(verified(policy, pki_signed_tls_chain_pem(node), &svid) == PKI_OK);
  CHECK(is(pki_svid_spiffe_id(svid), NODE) && is(pki_svid_service_type(svid), "node"));
  CHECK(is(pki_svid_trust_domain(svid), "mesh.example.com"));
  CHECK(is(pki_svid_instance_id(svid), "node-a.example.com"));
  CHECK(is(pki_svid_serial(svid), pki_signed_serial(node).data));
  CHECK(is(pki_svid_fingerprint(svid), pki_signed_fingerprint(node).data));
  CHECK(pki_svid_not_after(svid) == pki_signed_expires_at(node));
  CHECK(pki_svid_not_before(svid) < now_ms && pki_svid_issuer(svid).len > 3);
  CHECK(verified(policy, pki_signed_tls_chain_pem(envoy), &none) == PKI_ERR_UNTRUSTED_ISSUER);

  CHECK(pki_policy_with_at(policy, INT64_MAX, &other, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_policy_with_at(policy, pki_signed_expires_at(node) + 3000, &other, NULL) == PKI_OK);
  CHECK(verified(other, pki_signed_certificate_pem(node), &none) == PKI_ERR_CERTIFICATE_EXPIRED);
  pki_policy_free(other);
  CHECK(pki_policy_with_expected(policy, pattern, 1, &other, NULL) == PKI_OK);
  CHECK(verified(other, pki_signed_certificate_pem(node), &none) == PKI_ERR_UNEXPECTED_PEER);
  pki_policy_free(other);

  CHECK(pki_denied_new(&denied, NULL) == PKI_OK);
  CHECK(pki_denied_add_identity(denied, PKI_LIT("nobody"), NULL) == PKI_ERR_INVALID_POLICY);
  CHECK(pki_denied_add_issuer(denied, PKI_LIT("00ff"), NULL) == PKI_OK);
  /* What no serial number is written like would deny nothing. */
  CHECK(pki_denied_add_issuer(denied, PKI_LIT("0x00ff"), NULL) == PKI_ERR_INVALID_POLICY);
  CHECK(pki_denied_add_serial(denied, PKI_ARG(pki_svid_issuer_key_id(svid)), PKI_LIT("01:02"),
                              NULL) == PKI_ERR_INVALID_POLICY);
  CHECK(pki_denied_check(denied, svid, NULL) == PKI_OK);
  CHECK(pki_denied_add_serial(denied, PKI_ARG(pki_svid_issuer_key_id(svid)),
                              PKI_ARG(pki_svid_serial(svid)), NULL) == PKI_OK);
  CHECK(pki_denied_check(denied, svid, NULL) == PKI_ERR_SERIAL_DENIED);
  CHECK(pki_policy_with_denied(policy, denied, &other, NULL) == PKI_OK);
  CHECK(verified(other, pki_signed_certificate_pem(node), &none) == PKI_ERR_SERIAL_DENIED);
  CHECK(pki_denied_add_identity(denied, PKI_LIT(NODE), NULL) == PKI_OK);
  CHECK(pki_denied_check(denied, svid, NULL) == PKI_ERR_IDENTITY_DENIED);
  CHECK(none == NULL);
  pki_policy_free(other);
  other_lists(policy, node);
  pki_denied_free(denied);
  pki_svid_free(svid);
  pki_policy_free(policy);
}

static void path(const pki_bundle *bundle, const pki_signed *node) {
  pki_path_policy *policy = NULL;
  pki_chain *roots = NULL, *chain = NULL, *found = NULL, *copy = NULL;
  pki_bytes der;
  CHECK(pki_chain_new(&roots, NULL) == PKI_OK && pki_chain_new(&chain, NULL) == PKI_OK);
  CHECK(pki_chain_add_pem(roots, PKI_ARG(pki_bundle_root_pem(bundle)), NULL) == PKI_OK);
  CHECK(pki_chain_add_pem(chain, PKI_ARG(pki_signed_tls_chain_pem(node)), NULL) == PKI_OK);
  CHECK(pki_chain_add_pem(chain, PKI_LIT("text"), NULL) == PKI_ERR_MALFORMED_CERTIFICATE);
  CHECK(pki_chain_len(chain) == 2 && pki_chain_len(NULL) == 0);
  CHECK(is(pki_chain_fingerprint(chain, 0), pki_signed_fingerprint(node).data));
  CHECK(is(pki_chain_pem(chain, 0), pki_signed_certificate_pem(node).data));
  CHECK(is(pki_chain_pem(chain, 2), "") && pki_chain_der(chain, 9).data == NULL);
  der = pki_chain_der(chain, 0);
  CHECK(pki_chain_new(&copy, NULL) == PKI_OK);
  CHECK(pki_chain_add_der(copy, der.data, der.len, NULL) == PKI_OK);
  CHECK(is(pki_chain_pem(copy, 0), pki_signed_certificate_pem(node).data));

  CHECK(pki_path_policy_new(&policy, NULL) == PKI_OK);
  CHECK(pki_path_policy_set_at(policy, INT64_MIN, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_path_policy_set_at(policy, now_ms, NULL) == PKI_OK);
  CHECK(pki_path_policy_set_skew(policy, 1500, NULL) == PKI_OK);
  CHECK(pki_verify_path(policy, chain, &found, NULL) == PKI_ERR_UNTRUSTED_ISSUER);
  CHECK(pki_path_policy_add_anchors(policy, roots, NULL) == PKI_OK);
  CHECK(pki_path_policy_set_usage(policy, PKI_USAGE_SERVER, NULL) == PKI_OK);
  CHECK(pki_path_policy_set_usage(policy, 9, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_path_policy_add_dns_name(policy, PKI_LIT("db.svc.example.com"), NULL) == PKI_OK);
  CHECK(pki_path_policy_allow_algorithm(policy, PKI_ALGORITHM_RSA, NULL) == PKI_OK);
  CHECK(pki_path_policy_set_profile(policy, PKI_PROFILE_RFC5280, NULL) == PKI_OK);
  CHECK(pki_path_policy_set_max_depth(policy, 1, NULL) == PKI_OK);
  CHECK(pki_verify_path(policy, chain, &found, NULL) == PKI_OK);
  CHECK(pki_chain_len(found) == 3);
  CHECK(is(pki_chain_pem(found, 2), pki_bundle_root_pem(bundle).data));
  pki_chain_free(found);
  found = NULL;
  CHECK(pki_path_policy_add_ip_address(policy, PKI_LIT("x"), NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_path_policy_add_ip_address(policy, PKI_LIT("192.0.2.1"), NULL) == PKI_OK);
  CHECK(pki_verify_path(policy, chain, &found, NULL) == PKI_ERR_NAME_MISMATCH);
  CHECK(pki_path_policy_set_purpose(policy, PKI_LIT("1.3.6.1.5.5.7.3.8"), NULL) == PKI_OK);
  CHECK(pki_verify_path(policy, chain, &found, NULL) == PKI_ERR_USAGE_NOT_ALLOWED);
  CHECK(pki_path_policy_add_crl_der(policy, der.data, der.len, NULL) == PKI_ERR_CRL_INVALID);
  CHECK(found == NULL);
  pki_path_policy_free(policy);
  pki_chain_free(copy);
  pki_chain_free(chain);
  pki_chain_free(roots);
}

static void deny(const pki_manager *manager) {
  pki_expiring *expiring = NULL;
  pki_deny_list *list = NULL;
  pki_error *error = NULL;
  bool was_denied = false;
  /* Who reads it as a C string would see another reason. */
  CHECK(pki_manager_deny(manager, PKI_LIT(NODE), "lost\0found", 10, &expiring, &error) ==
        PKI_ERR_INVALID_ARGUMENT);
  CHECK(strstr(pki_error_message(error).data, "reason: it has a NUL byte") != NULL);
  pki_error_free(error);
  CHECK(pki_manager_deny(manager, PKI_LIT(NODE), PKI_LIT("stolen"), &expiring, NULL) == PKI_OK);
  CHECK(pki_expiring_len(expiring) == 1 && pki_expiring_serial(expiring, 0).len > 30);
  CHECK(pki_expiring_expires_at(expiring, 0) > now_ms);
  CHECK(is(pki_expiring_serial(expiring, 1), "") && pki_expiring_expires_at(expiring, 1) == 0);
  CHECK(pki_manager_deny_list(manager, &list, NULL) == PKI_OK);
  CHECK(pki_deny_list_len(list) == 1 && is(pki_deny_list_spiffe_id(list, 0), NODE));
  CHECK(is(pki_deny_list_reason(list, 0), "stolen"));
  CHECK(pki_deny_list_denied_at(list, 0) == now_ms && is(pki_deny_list_reason(list, 5), ""));
  CHECK(pki_manager_allow(manager, PKI_LIT(NODE), &was_denied, NULL) == PKI_OK && was_denied);
  CHECK(pki_manager_allow(manager, PKI_LIT(NODE), &was_denied, NULL) == PKI_OK && !was_denied);
  CHECK(pki_manager_allow(manager, PKI_LIT(NODE), NULL, NULL) == PKI_OK);
  pki_deny_list_free(list);
  pki_expiring_free(expiring);
}

/** Revokes a certificate by its serial: refused from then on by whoever has the list. */
static void revoke(const pki_manager *manager, const pki_bundle *bundle, const pki_signed *node) {
  pki_crl *before = NULL, *after = NULL;
  pki_denied_serials *list = NULL;
  pki_policy *policy = policy_of(bundle, PKI_SEGMENT_SERVICES, NODE), *checked = NULL;
  pki_chain *chain = NULL;
  pki_svid *svid = NULL;
  pki_error *error = NULL;
  pki_bytes der;
  const pki_str serial = pki_signed_serial(node);
  CHECK(pki_manager_crl(manager, PKI_LIT("services"), &before, NULL) == PKI_OK);
  CHECK(pki_manager_crl(manager, PKI_LIT("envoy"), &after, &error) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(strstr(pki_error_message(error).data, "root, services, transport") != NULL);
  pki_error_free(error);
  CHECK(pki_manager_deny_serial(manager, PKI_LIT("0x12"), PKI_LIT("why"), PKI_LIT(""), NULL) ==
        PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_manager_deny_serial(manager, PKI_LIT("0badcafe"), PKI_LIT("why"), PKI_LIT(""), NULL) ==
        PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_manager_deny_serial(manager, PKI_ARG(serial), PKI_LIT("its key leaked"), PKI_LIT(""),
                                NULL) == PKI_OK);
  CHECK(pki_manager_denied_serials(manager, &list, NULL) == PKI_OK);
  CHECK(pki_denied_serials_len(list) == 1 && is(pki_denied_serials_serial(list, 0), serial.data));
  CHECK(is(pki_denied_serials_reason(list, 0), "its key leaked"));
  CHECK(pki_denied_serials_denied_at(list, 0) == now_ms);
  CHECK(pki_denied_serials_expires_at(list, 0) / 1000 == pki_signed_expires_at(node) / 1000);
  CHECK(is(pki_denied_serials_serial(list, 1), "") && pki_denied_serials_len(NULL) == 0);
  CHECK(pki_manager_crl(manager, PKI_ARG(pki_crl_issuer_key_id(before)), &after, NULL) == PKI_OK);
  CHECK(is(pki_denied_serials_issuer_key_id(list, 0), pki_crl_issuer_key_id(after).data));
  CHECK(pki_crl_number(after) > pki_crl_number(before) && pki_crl_this_update(after) < now_ms);
  CHECK(pki_crl_next_update(after) > now_ms + INT64_C(23) * 3600 * 1000);

  CHECK(pki_chain_new(&chain, NULL) == PKI_OK);
  CHECK(pki_chain_add_pem(chain, PKI_ARG(pki_signed_tls_chain_pem(node)), NULL) == PKI_OK);
  CHECK(pki_verify_peer(policy, chain, &svid, NULL) == PKI_OK);
  pki_svid_free(svid);
  der = pki_crl_der(after);
  CHECK(pki_policy_with_crls(policy, &der, 1, &checked, NULL) == PKI_OK);
  CHECK(pki_verify_peer(checked, chain, &svid, NULL) == PKI_ERR_CERTIFICATE_REVOKED);
  pki_policy_free(checked);
  pki_policy_free(policy);
  pki_chain_free(chain);
  pki_denied_serials_free(list);
  pki_crl_free(after);
  pki_crl_free(before);
}

static void status_of(const pki_manager *manager) {
  pki_status *status = NULL;
  CHECK(pki_manager_status(manager, &status, NULL) == PKI_OK);
  CHECK(pki_status_health(status) == PKI_HEALTH_HEALTHY);
  CHECK(is(pki_status_trust_domain(status), "mesh.example.com"));
  CHECK(pki_status_has_ca(status, PKI_CA_ROOT) && !pki_status_has_ca(status, 7));
  CHECK(is(pki_status_ca_common_name(status, PKI_CA_ROOT), "My Root"));
  CHECK(is(pki_status_ca_algorithm(status, PKI_CA_TRANSPORT), "ECDSA P-384"));
  CHECK(pki_status_ca_fingerprint(status, PKI_CA_SERVICES).len == 43);
  CHECK(pki_status_ca_expires_at(status, PKI_CA_SERVICES) > now_ms);
  CHECK(pki_status_ca_issued(status, PKI_CA_SERVICES) == 1);
  CHECK(pki_status_active_certificates(status) == 2 && pki_status_denied_identities(status) == 0);
  CHECK(pki_status_warnings_len(status) == 0 && is(pki_status_warning(status, 0), ""));
  CHECK(!pki_status_warning_is_critical(status, 0) && pki_status_notices_len(status) == 0);
  CHECK(is(pki_status_notice(status, 0), ""));
  pki_status_free(status);
}

/* What was issued since a backup is forgotten when it is restored, what was denied is not. */
static void back_up(const pki_manager *manager, const char *folder) {
  char file[1024];
  pki_backup *backup = NULL;
  pki_bundle *before = NULL, *after = NULL;
  pki_deny_list *list = NULL;
  snprintf(file, sizeof file, "%s/copy.db", folder);
  CHECK(pki_manager_backup(manager, file, strlen(file), &backup, NULL) == PKI_OK);
  CHECK(is(pki_backup_path(backup), file) && pki_backup_size(backup) > 4096);
  CHECK(!pki_backup_has_key(backup) && is(pki_backup_key_file(backup), ""));
  CHECK(strstr(pki_backup_notice(backup).data, "passphrase") != NULL);
  pki_backup_free(backup);
  backup = NULL;
  CHECK(pki_manager_backup(manager, file, strlen(file), &backup, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(backup == NULL);
  CHECK(pki_manager_bundle(manager, &before, NULL) == PKI_OK);
  CHECK(pki_manager_deny(manager, PKI_LIT(ENVOY), PKI_LIT("lost"), NULL, NULL) == PKI_OK);
  CHECK(pki_manager_restore(manager, file, strlen(file), NULL) == PKI_OK);
  CHECK(pki_manager_restore(manager, PKI_LIT("/nowhere/at/all.db"), NULL) != PKI_OK);
  CHECK(pki_manager_bundle(manager, &after, NULL) == PKI_OK);
  CHECK(is(pki_bundle_root_pem(after), pki_bundle_root_pem(before).data));
  CHECK(pki_manager_deny_list(manager, &list, NULL) == PKI_OK && pki_deny_list_len(list) == 1);
  CHECK(pki_manager_allow(manager, PKI_LIT(ENVOY), NULL, NULL) == PKI_OK);
  pki_deny_list_free(list);
  pki_bundle_free(after);
  pki_bundle_free(before);
}

static void shut_down(const pki_manager *manager) {
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  pki_signed *issued = NULL;
  pki_bundle *bundle = NULL;
  pki_deny_list *list = NULL;
  pki_status *status = NULL;
  request.csr_pem = pki_str_of("any");
  request.service_type = pki_str_of("node");
  request.instance_id = pki_str_of("node-a.example.com");
  CHECK(pki_manager_shutdown(manager, NULL) == PKI_OK);
  CHECK(pki_manager_shutdown(manager, NULL) == PKI_OK);
  CHECK(pki_manager_initialize(manager, NULL, NULL) == PKI_ERR_SHUT_DOWN);
  CHECK(pki_manager_load(manager, NULL, NULL) == PKI_ERR_SHUT_DOWN);
  CHECK(pki_manager_sign(manager, &request, &issued, NULL) == PKI_ERR_SHUT_DOWN);
  CHECK(pki_manager_bundle(manager, &bundle, NULL) == PKI_ERR_SHUT_DOWN);
  CHECK(pki_manager_deny(manager, PKI_LIT(NODE), PKI_LIT("x"), NULL, NULL) == PKI_ERR_SHUT_DOWN);
  CHECK(pki_manager_allow(manager, PKI_LIT(NODE), NULL, NULL) == PKI_ERR_SHUT_DOWN);
  CHECK(pki_manager_deny_list(manager, &list, NULL) == PKI_ERR_SHUT_DOWN);
  CHECK(pki_manager_status(manager, &status, NULL) == PKI_ERR_SHUT_DOWN);
  CHECK(pki_manager_purge(manager, NULL, NULL) == PKI_ERR_SHUT_DOWN);
  CHECK(!pki_manager_is_initialized(manager));
  CHECK(is(pki_manager_trust_domain(manager), "mesh.example.com"));
  CHECK(issued == NULL && bundle == NULL && list == NULL && status == NULL);
}

typedef struct heard {
  unsigned events, issued, refused_to_change;
} heard;

static void hear(const pki_log_event *event, void *user_data) {
  heard *all = (heard *)user_data;
  size_t at;
  all->events++;
  if (strcmp(event->message.data, "Certificate issued") == 0)
    for (at = 0; at < event->fields_len; at++)
      if (is(event->fields[at].name, "spiffe_id") && is(event->fields[at].value, NODE))
        all->issued++;
  if (pki_log_set(NULL, NULL, PKI_LOG_INFO, NULL) == PKI_ERR_INVALID_ARGUMENT)
    all->refused_to_change++;
}

static void manager(const char *folder) {
  char file[1024];
  pki_config *config = configuration();
  pki_manager *manager = NULL, *second = NULL;
  pki_fingerprints *fingerprints = NULL, *again = NULL;
  pki_bundle *bundle = NULL;
  pki_signed *node, *envoy;
  pki_error *error = NULL;
  bool there = true;
  uint64_t purged = 1;
  heard all = {0, 0, 0};
  snprintf(file, sizeof file, "%s/certs.db", folder);

  CHECK(pki_log_set(hear, &all, 9, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(pki_log_set(hear, &all, PKI_LOG_INFO, NULL) == PKI_OK);
  CHECK(pki_manager_open(file, strlen(file), config, &manager, NULL) == PKI_OK);
  CHECK(pki_manager_load(manager, &there, NULL) == PKI_OK && !there);
  CHECK(!pki_manager_is_initialized(manager) && !pki_manager_is_initialized(NULL));
  CHECK(pki_manager_bundle(manager, &bundle, NULL) == PKI_ERR_NOT_INITIALIZED);
  CHECK(pki_manager_initialize(manager, &fingerprints, NULL) == PKI_OK);
  CHECK(pki_manager_initialize(manager, &again, NULL) == PKI_OK);
  CHECK(pki_fingerprints_root(fingerprints).len == 43);
  CHECK(is(pki_fingerprints_root(again), pki_fingerprints_root(fingerprints).data));
  CHECK(pki_fingerprints_services_ca(again).len == 43 &&
        pki_fingerprints_transport_ca(again).len == 43);
  CHECK(pki_manager_is_initialized(manager));
  CHECK(is(pki_manager_trust_domain(manager), "mesh.example.com"));

  node = issue(manager, NODE, "node", PKI_TTL_CONFIGURED);
  envoy = issue(manager, ENVOY, "envoy/app", 3600);
  CHECK(all.events >= 2 && all.issued == 1 && all.refused_to_change == all.events);
  CHECK(pki_log_set(NULL, NULL, PKI_LOG_INFO, NULL) == PKI_OK);
  CHECK(pki_signed_chain_len(node) == 2 && pki_signed_chain_pem(node, 0).len > 100);
  CHECK(is(pki_signed_chain_pem(node, 2), ""));
  CHECK(pki_signed_omitted_dns_names_len(node) == 0 &&
        is(pki_signed_omitted_dns_name(node, 0), ""));
  CHECK(pki_signed_expires_at(node) <= now_ms + 600000);
  CHECK(pki_signed_renew_after(node) < pki_signed_expires_at(node));

  CHECK(pki_manager_bundle(manager, &bundle, NULL) == PKI_OK);
  CHECK(pki_bundle_anchors_len(bundle, PKI_SEGMENT_SERVICES) == 1);
  CHECK(pki_bundle_anchors_len(bundle, 5) == 0 && is(pki_bundle_anchors_pem(bundle, 5), ""));
  CHECK(is(pki_bundle_anchor_pem(bundle, PKI_SEGMENT_SERVICES, 0),
           pki_bundle_anchors_pem(bundle, PKI_SEGMENT_SERVICES).data));
  CHECK(is(pki_bundle_anchor_pem(bundle, PKI_SEGMENT_TRANSPORT, 1), ""));
  CHECK(pki_bundle_full_chain_pem(bundle, PKI_SEGMENT_TRANSPORT).len >
        pki_bundle_anchors_pem(bundle, PKI_SEGMENT_TRANSPORT).len);
  CHECK(pki_bundle_version(bundle).data[0] == 'v' && pki_bundle_sequence(bundle) >= 1);
  CHECK(pki_bundle_expires_at(bundle) > now_ms);

  verify(bundle, node, envoy);
  nobody(bundle);
  demand_lists(bundle, node);
  back_up(manager, folder);
  path(bundle, node);
  deny(manager);
  status_of(manager);
  revoke(manager, bundle, node);
  now_ms += INT64_C(3) * 24 * 3600 * 1000;
  CHECK(pki_manager_purge(manager, &purged, NULL) == PKI_OK && purged == 2);

  /* Another manager on the same file, and one with the wrong passphrase. */
  CHECK(pki_manager_open(file, strlen(file), config, &second, NULL) == PKI_OK);
  CHECK(pki_manager_load(second, &there, NULL) == PKI_OK && there);
  pki_manager_free(second);
  second = NULL;
  CHECK(pki_config_set_passphrase(config, PKI_LIT("another"), NULL) == PKI_OK);
  CHECK(pki_manager_open(file, strlen(file), config, &second, &error) == PKI_ERR_WRONG_PASSPHRASE);
  CHECK(second == NULL && strstr(pki_error_message(error).data, "another") == NULL);
  pki_error_free(error);
  error = NULL;
  CHECK(pki_manager_open(PKI_LIT("/nowhere/at/all.db"), NULL, &second, &error) ==
        PKI_ERR_STORE_UNAVAILABLE);
  CHECK(!pki_error_is_retryable(error));
  pki_error_free(error);
  error = NULL;
  memset(file, 'd', sizeof file - 1);
  file[0] = '/';
  CHECK(pki_manager_open(file, sizeof file - 1, config, &second, &error) ==
        PKI_ERR_STORE_UNAVAILABLE);
  CHECK(strstr(pki_error_message(error).data, "SQLite takes 504 at most") != NULL);
  pki_error_free(error);

  shut_down(manager);
  pki_manager_free(manager);
  /* What came from a manager outlives it. */
  CHECK(pki_bundle_root_pem(bundle).len > 100 && pki_signed_serial(node).len > 30);

  CHECK(pki_manager_new_in_memory(config, &manager, NULL) == PKI_OK);
  /* A board without a clock, before it is told the time. */
  now_ms = 5000;
  CHECK(pki_manager_initialize(manager, NULL, NULL) == PKI_ERR_CLOCK_IMPLAUSIBLE);
  now_ms = INT64_C(1800000000000);
  CHECK(pki_manager_initialize(manager, NULL, NULL) == PKI_OK);
  pki_manager_free(manager);
  manager = NULL;
  CHECK(pki_config_set_svid_ttl(config, 1, NULL) == PKI_OK);
  CHECK(pki_manager_new_in_memory(config, &manager, NULL) == PKI_ERR_INVALID_ARGUMENT);
  CHECK(manager == NULL);

  pki_signed_free(envoy);
  pki_signed_free(node);
  pki_bundle_free(bundle);
  pki_fingerprints_free(again);
  pki_fingerprints_free(fingerprints);
  pki_config_free(config);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  now_ms = INT64_C(1800000000000);
  names();
  spiffe();
  manager(argv[1]);
  return checked();
}
