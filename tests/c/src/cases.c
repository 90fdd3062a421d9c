/*
 * Runs tests/vectors/cases.json: the calls that every language makes, and what they answer.
 *
 *   cases cases.json FOLDER
 *
 * What the format means stands in tests/vectors/README.md. Certificates are read by OpenSSL.
 */
#define _POSIX_C_SOURCE 200809L

#include <cjson/cJSON.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pki.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static cJSON *file, *csrs;
static const char *folder;
static int databases;

/* A fault of the file or of this program, not of the library. */
static void die(const char *what, const char *which) {
  fprintf(stderr, "%s: %s\n", what, which == NULL ? "" : which);
  exit(2);
}

static cJSON *get(const cJSON *object, const char *name) {
  return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_of(const cJSON *object, const char *name) {
  const cJSON *item = get(object, name);
  if (!cJSON_IsString(item)) die("no text", name);
  return item->valuestring;
}

static int64_t number_of(const cJSON *object, const char *name) {
  const cJSON *item = get(object, name);
  if (!cJSON_IsNumber(item)) die("no number", name);
  return (int64_t)item->valuedouble;
}

/* An input may have no other fields than these. */
static void known(const cJSON *input, const char *names) {
  const cJSON *field;
  cJSON_ArrayForEach(field, input) {
    char word[64];
    snprintf(word, sizeof word, " %s ", field->string);
    if (strstr(names, word) == NULL) die("unknown field", field->string);
  }
}

static void put(cJSON *answer, const char *name, pki_str text) {
  cJSON_AddStringToObject(answer, name, text.data);
}

/* As ISO 8601 in UTC. */
static void put_time(cJSON *answer, const char *name, int64_t milliseconds) {
  char out[32];
  time_t seconds = (time_t)(milliseconds / 1000);
  strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", gmtime(&seconds));
  cJSON_AddStringToObject(answer, name, out);
}

/* The texts of a list; to be freed. */
static pki_str *strs(const cJSON *list, size_t *len) {
  const cJSON *item;
  pki_str *out = (pki_str *)calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *out);
  if (out == NULL) die("memory", NULL);
  *len = 0;
  cJSON_ArrayForEach(item, list) out[(*len)++] = pki_str_of(item->valuestring);
  return out;
}

/*
 * NUL bytes: cJSON ends its texts at them, so they are read as U+E000, which the file doesn't use,
 * and put back here.
 */
#define NUL_MARK "\xee\x80\x80"
static struct {
  const char *marked;
  char *bytes;
  size_t len;
} with_nul[4];

static pki_str raw(const char *text) {
  pki_str out = pki_str_of(text);
  const char *from;
  int at = 0;
  if (strstr(text, NUL_MARK) == NULL) return out;
  while (at < 4 && with_nul[at].marked != NULL && with_nul[at].marked != text) at++;
  if (at == 4) die("too many texts with NUL bytes", text);
  if (with_nul[at].marked == NULL) {
    char *to = (char *)calloc(1, out.len + 1);
    if (to == NULL) die("memory", NULL);
    with_nul[at].marked = text;
    with_nul[at].bytes = to;
    for (from = text; *from != '\0'; to++) {
      int is_mark = strncmp(from, NUL_MARK, 3) == 0;
      *to = is_mark ? '\0' : *from;
      from += is_mark ? 3 : 1;
    }
    with_nul[at].len = (size_t)(to - with_nul[at].bytes);
  }
  out.data = with_nul[at].bytes;
  out.len = with_nul[at].len;
  return out;
}

#define TEXT(text) PKI_ARG(raw(text))

static pki_result build(const cJSON *input, cJSON *answer, pki_error **error) {
  pki_spiffe_id *id = NULL;
  pki_result result;
  known(input, " trustDomain serviceType instanceId ");
  result =
      pki_spiffe_id_build(TEXT(text_of(input, "trustDomain")), TEXT(text_of(input, "serviceType")),
                          TEXT(text_of(input, "instanceId")), &id, error);
  put(answer, "spiffeId", pki_spiffe_id_uri(id));
  pki_spiffe_id_free(id);
  return result;
}

static pki_result parse(const cJSON *input, cJSON *answer, pki_error **error) {
  pki_spiffe_id *id = NULL;
  pki_result result;
  known(input, " uri ");
  result = pki_spiffe_id_parse(TEXT(text_of(input, "uri")), &id, error);
  put(answer, "uri", pki_spiffe_id_uri(id));
  put(answer, "trustDomain", pki_spiffe_id_trust_domain(id));
  put(answer, "serviceType", pki_spiffe_id_service_type(id));
  put(answer, "instanceId", pki_spiffe_id_instance_id(id));
  pki_spiffe_id_free(id);
  return result;
}

static pki_result generate(const cJSON *input, cJSON *answer, pki_error **error) {
  const cJSON *domain = get(input, "trustDomain"), *as = get(input, "as");
  pki_spiffe_id *id = NULL;
  pki_key_csr *key = NULL, *other = NULL;
  size_t dns_len;
  pki_str *dns = strs(get(input, "dns"), &dns_len);
  const char *trust_domain = domain == NULL ? "catalyst.example.com" : domain->valuestring;
  pki_result result;
  known(input, " serviceType instanceId trustDomain dns as ");
  result = pki_spiffe_id_build(TEXT(trust_domain), TEXT(text_of(input, "serviceType")),
                               TEXT(text_of(input, "instanceId")), &id, error);
  if (result == PKI_OK)
    result = pki_key_csr_new(PKI_ARG(pki_spiffe_id_uri(id)), dns, dns_len, &key, error);
  if (result == PKI_OK) {
    pki_str secret = pki_key_csr_private_key_pem(key), csr = pki_key_csr_csr_pem(key);
    if (strncmp(secret.data, "-----BEGIN PRIVATE KEY-----\n", 28) != 0) die("key", NULL);
    if (strncmp(csr.data, "-----BEGIN CERTIFICATE REQUEST-----\n", 36) != 0) die("csr", NULL);
    result = pki_key_csr_new(PKI_ARG(pki_spiffe_id_uri(id)), dns, dns_len, &other, error);
    if (strcmp(pki_key_csr_private_key_pem(other).data, secret.data) == 0) die("same key", NULL);
    if (as != NULL) {
      cJSON_DeleteItemFromObjectCaseSensitive(csrs, as->valuestring);
      put(csrs, as->valuestring, csr);
    }
    put(answer, "spiffeId", pki_key_csr_spiffe_id(key));
  }
  pki_key_csr_free(other);
  pki_key_csr_free(key);
  pki_spiffe_id_free(id);
  free(dns);
  return result;
}

static pki_result choose_cas(const cJSON *given, pki_config *config, pki_error **error) {
  static const struct {
    const char *field;
    pki_ca_kind kind;
  } NAMES[] = {{"rootCommonName", PKI_CA_ROOT},
               {"servicesCommonName", PKI_CA_SERVICES},
               {"transportCommonName", PKI_CA_TRANSPORT}};
  pki_result result = PKI_OK;
  int at;
  known(given,
        " rootCommonName servicesCommonName transportCommonName rootLifetimeSeconds "
        "intermediateLifetimeSeconds ");
  for (at = 0; at < 3; at++)
    if (result == PKI_OK && get(given, NAMES[at].field) != NULL)
      result = pki_config_set_ca_common_name(config, NAMES[at].kind,
                                             TEXT(text_of(given, NAMES[at].field)), error);
  if (result == PKI_OK && get(given, "rootLifetimeSeconds") != NULL)
    result = pki_config_set_root_lifetime(config, (uint64_t)number_of(given, "rootLifetimeSeconds"),
                                          error);
  if (result == PKI_OK && get(given, "intermediateLifetimeSeconds") != NULL)
    result = pki_config_set_intermediate_lifetime(
        config, (uint64_t)number_of(given, "intermediateLifetimeSeconds"), error);
  return result;
}

/* A manager by a case's configuration, in memory, or in `database`. */
static pki_result open_manager(const cJSON *given, const char *default_domain, const char *database,
                               const char *passphrase, pki_manager **out, pki_error **error) {
  pki_config *config = NULL;
  const cJSON *domain = get(given, "trustDomain"), *suffix;
  const char *trust_domain = domain == NULL ? default_domain : domain->valuestring;
  pki_result result = pki_config_new(&config, error);
  known(given,
        " trustDomain svidTtlSeconds maxSvidTtlSeconds nameConstraints cas allowedDnsSuffixes ");
  if (result == PKI_OK && trust_domain != NULL)
    result = pki_config_set_trust_domain(config, TEXT(trust_domain), error);
  if (result == PKI_OK && get(given, "svidTtlSeconds") != NULL)
    result = pki_config_set_svid_ttl(config, (uint64_t)number_of(given, "svidTtlSeconds"), error);
  if (result == PKI_OK && get(given, "maxSvidTtlSeconds") != NULL)
    result =
        pki_config_set_max_svid_ttl(config, (uint64_t)number_of(given, "maxSvidTtlSeconds"), error);
  if (result == PKI_OK && get(given, "nameConstraints") != NULL)
    result =
        pki_config_set_name_constraints(config, TEXT(text_of(given, "nameConstraints")), error);
  if (result == PKI_OK) result = choose_cas(get(given, "cas"), config, error);
  cJSON_ArrayForEach(suffix, get(given, "allowedDnsSuffixes")) {
    if (result == PKI_OK)
      result = pki_config_allow_dns_suffix(config, TEXT(suffix->valuestring), error);
  }
  if (result == PKI_OK && passphrase != NULL)
    result = pki_config_set_passphrase(config, TEXT(passphrase), error);
  if (result == PKI_OK && passphrase == NULL)
    result = pki_config_use_development_key_file(config, error);
  if (result == PKI_OK)
    result = database == NULL ? pki_manager_new_in_memory(config, out, error)
                              : pki_manager_open(TEXT(database), config, out, error);
  pki_config_free(config);
  return result;
}

static pki_result create(const cJSON *input, cJSON *answer, pki_error **error) {
  pki_manager *manager = NULL;
  pki_bundle *bundle = NULL;
  pki_result result;
  known(input, " config ");
  result = open_manager(get(input, "config"), NULL, NULL, NULL, &manager, error);
  if (result == PKI_OK) result = pki_manager_initialize(manager, NULL, error);
  if (result == PKI_OK) result = pki_manager_bundle(manager, &bundle, error);
  put(answer, "trustDomain", pki_bundle_trust_domain(bundle));
  pki_bundle_free(bundle);
  pki_manager_free(manager);
  return result;
}

static X509 *x509_of(const char *pem) {
  BIO *bio = BIO_new_mem_buf(pem, -1);
  X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  BIO_free(bio);
  if (certificate == NULL) die("no certificate", pem);
  return certificate;
}

/* The subject's common name, or null. */
static cJSON *common_name(X509 *certificate) {
  char name[256];
  int len = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                      (int)sizeof name);
  return len < 0 ? cJSON_CreateNull() : cJSON_CreateString(name);
}

static int64_t seconds_between(const ASN1_TIME *from, const ASN1_TIME *to) {
  int days = 0, seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, from, to) != 1) die("a time", NULL);
  return (int64_t)days * 86400 + seconds;
}

static void describe_names(X509 *certificate, cJSON *answer) {
  GENERAL_NAMES *names =
      (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  EXTENDED_KEY_USAGE *purposes =
      (EXTENDED_KEY_USAGE *)X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
  cJSON *dns = cJSON_AddArrayToObject(answer, "dnsNames");
  cJSON *usages = cJSON_AddArrayToObject(answer, "usages");
  int at, uris = 0;
  for (at = 0; at < sk_GENERAL_NAME_num(names); at++) {
    GENERAL_NAME *name = sk_GENERAL_NAME_value(names, at);
    const char *value = (const char *)ASN1_STRING_get0_data(name->d.ia5);
    if (name->type == GEN_DNS) cJSON_AddItemToArray(dns, cJSON_CreateString(value));
    else if (name->type == GEN_URI && uris++ == 0)
      cJSON_AddStringToObject(answer, "spiffeId", value);
    else die("an unexpected name", value);
  }
  for (at = 0; at < sk_ASN1_OBJECT_num(purposes); at++) {
    const char *name = OBJ_nid2sn(OBJ_obj2nid(sk_ASN1_OBJECT_value(purposes, at)));
    cJSON_AddItemToArray(usages, cJSON_CreateString(name));
  }
  GENERAL_NAMES_free(names);
  EXTENDED_KEY_USAGE_free(purposes);
}

/* What a case may say of an issued certificate, which must fit what came along with it. */
static void describe(const pki_signed *issued, cJSON *answer) {
  X509 *leaf = x509_of(pki_signed_certificate_pem(issued).data);
  X509 *issuer = x509_of(pki_signed_chain_pem(issued, 0).data);
  cJSON *issuers, *lifetimes, *omitted;
  BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
  BIGNUM *given = NULL;
  unsigned char digest[32];
  char fingerprint[64];
  ASN1_TIME *at = ASN1_TIME_new();
  size_t index;
  int64_t renew_after = pki_signed_renew_after(issued) / 1000;

  describe_names(leaf, answer);
  cJSON_AddItemToObject(answer, "commonName", common_name(leaf));
  cJSON_AddBoolToObject(answer, "isCa", X509_check_ca(leaf) != 0);
  cJSON_AddBoolToObject(answer, "isIssuerConstrained",
                        X509_get_ext_by_NID(issuer, NID_name_constraints, -1) >= 0);
  issuers = cJSON_AddArrayToObject(answer, "issuers");
  lifetimes = cJSON_AddArrayToObject(answer, "issuerLifetimesSeconds");
  for (index = 0; index < pki_signed_chain_len(issued); index++) {
    X509 *above = x509_of(pki_signed_chain_pem(issued, index).data);
    int64_t lifetime = seconds_between(X509_get0_notBefore(above), X509_get0_notAfter(above));
    cJSON_AddItemToArray(issuers, common_name(above));
    cJSON_AddItemToArray(lifetimes, cJSON_CreateNumber((double)lifetime));
    X509_free(above);
  }
  omitted = cJSON_AddArrayToObject(answer, "omittedDnsNames");
  for (index = 0; index < pki_signed_omitted_dns_names_len(issued); index++)
    cJSON_AddItemToArray(omitted,
                         cJSON_CreateString(pki_signed_omitted_dns_name(issued, index).data));
  cJSON_AddNumberToObject(
      answer, "lifetimeSeconds",
      (double)seconds_between(X509_get0_notBefore(leaf), X509_get0_notAfter(leaf)));
  ASN1_TIME_set(at, (time_t)renew_after);
  cJSON_AddNumberToObject(answer, "renewAfterSeconds",
                          (double)seconds_between(X509_get0_notBefore(leaf), at));

  ASN1_TIME_set(at, (time_t)(pki_signed_expires_at(issued) / 1000));
  if (seconds_between(at, X509_get0_notAfter(leaf)) != 0) die("expires_at", NULL);
  BN_hex2bn(&given, pki_signed_serial(issued).data);
  if (BN_cmp(serial, given) != 0) die("serial", NULL);
  if (X509_NAME_cmp(X509_get_issuer_name(leaf), X509_get_subject_name(issuer)) != 0)
    die("issuer", NULL);
  X509_digest(leaf, EVP_sha256(), digest, NULL);
  EVP_EncodeBlock((unsigned char *)fingerprint, digest, 32);
  for (index = 0; fingerprint[index] != '='; index++) {
    if (fingerprint[index] == '+') fingerprint[index] = '-';
    if (fingerprint[index] == '/') fingerprint[index] = '_';
  }
  fingerprint[index] = '\0';
  if (strcmp(fingerprint, pki_signed_fingerprint(issued).data) != 0) die("fingerprint", NULL);
  ASN1_TIME_free(at);
  BN_free(given);
  BN_free(serial);
  X509_free(issuer);
  X509_free(leaf);
}

static pki_result sign(const pki_manager *manager, const cJSON *input, cJSON *answer,
                       pki_error **error) {
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  pki_signed *issued = NULL;
  pki_result result;
  known(input, " csr serviceType instanceId ttlSeconds requireCsrSpiffeId config ");
  request.csr_pem = raw(text_of(csrs, text_of(input, "csr")));
  request.service_type = raw(text_of(input, "serviceType"));
  request.instance_id = raw(text_of(input, "instanceId"));
  if (get(input, "ttlSeconds") != NULL) request.ttl_seconds = number_of(input, "ttlSeconds");
  if (cJSON_IsFalse(get(input, "requireCsrSpiffeId")))
    request.flags = PKI_SIGN_CSR_WITHOUT_SPIFFE_ID;
  result = pki_manager_sign(manager, &request, &issued, error);
  if (result == PKI_OK) describe(issued, answer);
  pki_signed_free(issued);
  return result;
}

/* Managers of single requests, one for each configuration, because making its keys takes a while.
 */
static struct {
  char *config;
  pki_manager *manager;
} shared[16];

static pki_result sign_alone(const cJSON *input, cJSON *answer, pki_error **error) {
  const cJSON *config = get(input, "config");
  char *words = config == NULL ? strdup("") : cJSON_PrintUnformatted(config);
  int at = 0;
  pki_result result = PKI_OK;
  while (at < 16 && shared[at].config != NULL && strcmp(shared[at].config, words) != 0) at++;
  if (at == 16) die("too many configurations", words);
  if (shared[at].config == NULL) {
    shared[at].config = words;
    result = open_manager(config, "mesh.example.com", NULL, NULL, &shared[at].manager, error);
    if (result == PKI_OK) result = pki_manager_initialize(shared[at].manager, NULL, error);
  } else {
    free(words);
  }
  return result == PKI_OK ? sign(shared[at].manager, input, answer, error) : result;
}

static unsigned char *decoded(const char *base64, size_t *len) {
  size_t in = strlen(base64);
  unsigned char *out = (unsigned char *)malloc(in + 1);
  int got = out == NULL ? -1 : EVP_DecodeBlock(out, (const unsigned char *)base64, (int)in);
  if (got < 0) die("base64", base64);
  while (in > 0 && base64[in - 1] == '=') in--, got--;
  *len = (size_t)got;
  return out;
}

static pki_result deny_all(pki_policy_builder *builder, const cJSON *given, pki_error **error) {
  const cJSON *one;
  pki_denied *denied = NULL;
  pki_result result = pki_denied_new(&denied, error);
  known(given, " identities serials ");
  cJSON_ArrayForEach(one, get(given, "identities")) {
    if (result == PKI_OK) result = pki_denied_add_identity(denied, TEXT(one->valuestring), error);
  }
  cJSON_ArrayForEach(one, get(given, "serials")) {
    if (result == PKI_OK)
      result = pki_denied_add_serial(denied, TEXT(text_of(one, "issuerKeyId")),
                                     TEXT(text_of(one, "serial")), error);
  }
  if (result == PKI_OK) result = pki_policy_builder_set_denied(builder, denied, error);
  pki_denied_free(denied);
  return result;
}

static pki_result federate(pki_policy_builder *builder, const cJSON *domain, pki_error **error) {
  const cJSON *root, *certificates = get(file, "certificates");
  size_t allow_len, len = 0;
  pki_str *allow = strs(get(domain, "allow"), &allow_len);
  char *roots = (char *)calloc(1, 1);
  pki_result result;
  known(domain, " trustDomain roots allow ");
  cJSON_ArrayForEach(root, get(domain, "roots")) {
    const char *pem = text_of(certificates, root->valuestring);
    char *more = (char *)realloc(roots, len + strlen(pem) + 1);
    if (more == NULL) die("memory", NULL);
    roots = more;
    strcpy(roots + len, pem);
    len += strlen(pem);
  }
  result = pki_policy_builder_federate(builder, TEXT(text_of(domain, "trustDomain")), roots, len,
                                       allow, allow_len, error);
  free(roots);
  free(allow);
  return result;
}

static pki_algorithm algorithm_of(const char *name) {
  static const char *const NAMES[] = {"P-256", "P-384",     "P-521",     "Ed25519",
                                      "RSA",   "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"};
  pki_algorithm at;
  for (at = 0; at < 8; at++)
    if (strcmp(NAMES[at], name) == 0) return at + 1;
  /* Which stands for nothing. */
  return 0;
}

/* An anchor, for service types that are granted to it by its key identifier, if any are. */
static pki_result add_anchor(pki_policy_builder *builder, const char *pem, const cJSON *granted,
                             pki_error **error) {
  pki_result result;
  pki_str *types;
  size_t len;
  const cJSON *types_given = NULL;
  if (granted != NULL) {
    X509 *anchor = x509_of(pem);
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(anchor);
    char hex[65] = "";
    int at;
    for (at = 0; at < ASN1_STRING_length(id) && at < 32; at++)
      snprintf(hex + 2 * at, 3, "%02x", ASN1_STRING_get0_data(id)[at]);
    types_given = get(granted, hex);
    X509_free(anchor);
  }
  if (types_given == NULL) return pki_policy_builder_add_anchors_pem(builder, TEXT(pem), error);
  types = strs(types_given, &len);
  result = pki_policy_builder_add_anchors_pem_for(builder, TEXT(pem), types, len, error);
  free(types);
  return result;
}

/* The same policy with the lists of these names in place of its own. */
static pki_result exchange_crls(pki_policy **policy, const cJSON *names, pki_error **error) {
  pki_bytes crls[8];
  size_t len = 0, at;
  pki_policy *other = NULL;
  pki_result result;
  const cJSON *name;
  cJSON_ArrayForEach(name, names) {
    if (len == 8) die("too many lists", NULL);
    crls[len].data = decoded(text_of(get(file, "crls"), name->valuestring), &crls[len].len);
    len++;
  }
  result = pki_policy_with_crls(*policy, crls, len, &other, error);
  for (at = 0; at < len; at++) free((void *)crls[at].data);
  pki_policy_free(*policy);
  *policy = other;
  return result;
}

static pki_result policy_of(const cJSON *given, pki_policy **out, pki_error **error) {
  const cJSON *item, *certificates = get(file, "certificates");
  const char *of = text_of(given, "segment"), *as = text_of(given, "role");
  /* 0 stands for nothing. */
  pki_segment segment = strcmp(of, "services") == 0    ? PKI_SEGMENT_SERVICES
                        : strcmp(of, "transport") == 0 ? PKI_SEGMENT_TRANSPORT
                                                       : 0;
  pki_role role = strcmp(as, "client") == 0   ? PKI_ROLE_CLIENT
                  : strcmp(as, "server") == 0 ? PKI_ROLE_SERVER
                                              : 0;
  pki_policy_builder *builder = NULL;
  pki_result result =
      pki_policy_builder_new(segment, role, TEXT(text_of(given, "trustDomain")), &builder, error);
  known(given,
        " anchors anchorServiceTypes roots trustDomain segment role at skewSeconds expect denied "
        "crls requireCrl withCrls federated algorithms ");
  if (result == PKI_OK && get(given, "denied") != NULL)
    result = deny_all(builder, get(given, "denied"), error);
  if (result == PKI_OK) result = pki_policy_builder_set_at(builder, number_of(given, "at"), error);
  if (result == PKI_OK && get(given, "skewSeconds") != NULL)
    result = pki_policy_builder_set_skew(builder, (uint64_t)number_of(given, "skewSeconds") * 1000,
                                         error);
  cJSON_ArrayForEach(item, get(given, "anchors")) {
    const char *pem = text_of(certificates, item->valuestring);
    if (result == PKI_OK)
      result = add_anchor(builder, pem, get(given, "anchorServiceTypes"), error);
  }
  cJSON_ArrayForEach(item, get(given, "roots")) {
    const char *pem = text_of(certificates, item->valuestring);
    if (result == PKI_OK) result = pki_policy_builder_pin_roots_pem(builder, TEXT(pem), error);
  }
  cJSON_ArrayForEach(item, get(given, "algorithms")) {
    if (result == PKI_OK)
      result = pki_policy_builder_allow_algorithm(builder, algorithm_of(item->valuestring), error);
  }
  if (result == PKI_OK && cJSON_IsTrue(get(given, "requireCrl")))
    result = pki_policy_builder_require_crl(builder, error);
  if (result == PKI_OK && get(given, "expect") != NULL) {
    size_t len;
    pki_str *expected = strs(get(given, "expect"), &len);
    result = pki_policy_builder_expect(builder, expected, len, error);
    free(expected);
  }
  cJSON_ArrayForEach(item, get(given, "federated")) {
    if (result == PKI_OK) result = federate(builder, item, error);
  }
  cJSON_ArrayForEach(item, get(given, "crls")) {
    size_t len;
    unsigned char *der = decoded(text_of(get(file, "crls"), item->valuestring), &len);
    if (result == PKI_OK) result = pki_policy_builder_add_crl_der(builder, der, len, error);
    free(der);
  }
  if (result == PKI_OK) result = pki_policy_builder_build(builder, out, error);
  pki_policy_builder_free(builder);
  if (result == PKI_OK && get(given, "withCrls") != NULL)
    result = exchange_crls(out, get(given, "withCrls"), error);
  return result;
}

/* The peer of a chain and a policy. */
static pki_result peer_of(const cJSON *input, pki_svid **out, pki_error **error) {
  const cJSON *item, *certificates = get(file, "certificates");
  pki_policy *policy = NULL;
  pki_chain *chain = NULL;
  pki_result result = policy_of(get(input, "policy"), &policy, error);
  known(input, " chain policy ");
  if (result == PKI_OK) result = pki_chain_new(&chain, error);
  cJSON_ArrayForEach(item, get(input, "chain")) {
    const char *pem = text_of(certificates, item->valuestring);
    if (result == PKI_OK) result = pki_chain_add_pem(chain, TEXT(pem), error);
  }
  if (result == PKI_OK) result = pki_verify_peer(policy, chain, out, error);
  pki_chain_free(chain);
  pki_policy_free(policy);
  return result;
}

static pki_result verify(const cJSON *input, cJSON *answer, pki_error **error) {
  pki_svid *svid = NULL;
  pki_result result = peer_of(input, &svid, error);
  if (result == PKI_OK) {
    pki_str type = pki_svid_service_type(svid), instance = pki_svid_instance_id(svid);
    put(answer, "spiffeId", pki_svid_spiffe_id(svid));
    put(answer, "trustDomain", pki_svid_trust_domain(svid));
    if (type.len == 0) cJSON_AddNullToObject(answer, "serviceType");
    else put(answer, "serviceType", type);
    if (instance.len == 0) cJSON_AddNullToObject(answer, "instanceId");
    else put(answer, "instanceId", instance);
    put(answer, "fingerprint", pki_svid_fingerprint(svid));
    put(answer, "serial", pki_svid_serial(svid));
    put(answer, "issuer", pki_svid_issuer(svid));
    put(answer, "issuerKeyId", pki_svid_issuer_key_id(svid));
    put_time(answer, "notBefore", pki_svid_not_before(svid));
    put_time(answer, "notAfter", pki_svid_not_after(svid));
  }
  pki_svid_free(svid);
  return result;
}

static int64_t token_clock_ms;
static int64_t token_clock(void *user_data) { return *(int64_t *)user_data; }

/* A verifier takes the place of the one that it was made of. */
static void next(pki_token_verifier **place, pki_token_verifier *made) {
  pki_token_verifier_free(*place);
  *place = made;
}

static pki_result token_verifier(const cJSON *given, pki_token_verifier **out, pki_error **error) {
  static const struct {
    const char *field;
    pki_result (*with)(const pki_token_verifier *, const pki_str *, size_t, pki_token_verifier **,
                       pki_error **);
  } LISTS[] = {{"federated", pki_token_verifier_with_federated},
               {"serviceTypes", pki_token_verifier_with_service_types},
               {"revoked", pki_token_verifier_with_revoked}};
  const char *keys = text_of(get(file, "keySets"), text_of(given, "keys"));
  pki_token_verifier *made = NULL;
  pki_result result = pki_token_verifier_new(
      TEXT(text_of(given, "issuer")), TEXT(text_of(given, "trustDomain")), TEXT(keys), out, error);
  size_t at, len;
  known(given, " keys issuer trustDomain audience federated serviceTypes revoked at ");
  token_clock_ms = number_of(given, "at");
  if (result == PKI_OK)
    result = pki_token_verifier_with_clock(*out, token_clock, &token_clock_ms, &made, error);
  if (result == PKI_OK) next(out, made);
  if (result == PKI_OK && get(given, "audience") != NULL) {
    result = pki_token_verifier_with_audience(*out, TEXT(text_of(given, "audience")), &made, error);
    if (result == PKI_OK) next(out, made);
  }
  for (at = 0; at < 3; at++) {
    const cJSON *list = get(given, LISTS[at].field);
    pki_str *texts = strs(list, &len);
    if (result == PKI_OK && list != NULL) {
      result = LISTS[at].with(*out, texts, len, &made, error);
      if (result == PKI_OK) next(out, made);
    }
    free(texts);
  }
  return result;
}

/* As the claims stand in the token. */
static void put_claims(cJSON *answer, const pki_token_claims *claims) {
  cJSON *entity = cJSON_AddObjectToObject(answer, "entity"), *audience;
  pki_str bound = pki_token_claims_thumbprint(claims);
  size_t at, len = pki_token_claims_audience_len(claims);
  put(answer, "sub", pki_token_claims_subject(claims));
  put(answer, "iss", pki_token_claims_issuer(claims));
  put(answer, "jti", pki_token_claims_jti(claims));
  put(answer, "principal", pki_token_claims_principal(claims));
  cJSON_AddNumberToObject(answer, "iat", (double)(pki_token_claims_issued_at(claims) / 1000));
  cJSON_AddNumberToObject(answer, "exp", (double)(pki_token_claims_expires_at(claims) / 1000));
  put(entity, "id", pki_token_claims_entity_id(claims));
  put(entity, "name", pki_token_claims_entity_name(claims));
  put(entity, "type", pki_token_claims_entity_type(claims));
  if (bound.len > 0) put(cJSON_AddObjectToObject(answer, "cnf"), "x5t#S256", bound);
  if (len == 1) {
    put(answer, "aud", pki_token_claims_audience(claims, 0));
  } else {
    audience = cJSON_AddArrayToObject(answer, "aud");
    for (at = 0; at < len; at++)
      cJSON_AddItemToArray(audience,
                           cJSON_CreateString(pki_token_claims_audience(claims, at).data));
  }
}

static pki_result verify_token(const cJSON *input, cJSON *answer, pki_error **error) {
  const char *token = text_of(get(file, "tokens"), text_of(input, "token"));
  const char *how = text_of(input, "how");
  const cJSON *shown = get(input, "peer");
  pki_token_verifier *verifier = NULL;
  pki_svid *peer = NULL;
  pki_token_claims *claims = NULL;
  pki_result result = token_verifier(get(input, "verifier"), &verifier, error);
  known(input, " token verifier how peer ");
  if (result == PKI_OK && shown != NULL) result = peer_of(shown, &peer, error);
  if (result == PKI_OK) {
    if (strcmp(how, "verify") == 0)
      result = pki_token_verifier_verify(verifier, TEXT(token), peer, &claims, error);
    else if (strcmp(how, "authenticate") == 0)
      result = pki_token_verifier_authenticate(verifier, TEXT(token), peer, &claims, error);
    else if (strcmp(how, "inspect") == 0 && peer == NULL)
      result = pki_token_verifier_inspect(verifier, TEXT(token), &claims, error);
    else die("unknown, or with a peer too many", how);
  }
  if (result == PKI_OK) put_claims(answer, claims);
  pki_token_claims_free(claims);
  pki_svid_free(peer);
  pki_token_verifier_free(verifier);
  return result;
}

static pki_result thumbprint(const cJSON *input, cJSON *answer, pki_error **error) {
  pki_text *text = NULL;
  size_t len;
  unsigned char *der = decoded(text_of(input, "der"), &len);
  pki_result result = pki_certificate_thumbprint(der, len, &text, error);
  known(input, " der ");
  put(answer, "thumbprint", pki_text_str(text));
  pki_text_free(text);
  free(der);
  return result;
}

static void put_names(cJSON *answer, const char *name, pki_str pems) {
  cJSON *list = cJSON_AddArrayToObject(answer, name);
  pki_chain *chain = NULL;
  size_t at;
  if (pki_chain_new(&chain, NULL) != PKI_OK ||
      pki_chain_add_pem(chain, PKI_ARG(pems), NULL) != PKI_OK)
    die("bundle", name);
  for (at = 0; at < pki_chain_len(chain); at++) {
    X509 *certificate = x509_of(pki_chain_pem(chain, at).data);
    cJSON_AddItemToArray(list, common_name(certificate));
    X509_free(certificate);
  }
  pki_chain_free(chain);
}

static pki_result bundle_of(const pki_manager *manager, cJSON *answer, pki_error **error) {
  pki_bundle *bundle = NULL;
  pki_result result = pki_manager_bundle(manager, &bundle, error);
  if (result == PKI_OK) {
    put(answer, "trustDomain", pki_bundle_trust_domain(bundle));
    put_names(answer, "servicesBundle", pki_bundle_full_chain_pem(bundle, PKI_SEGMENT_SERVICES));
    put_names(answer, "servicesAnchors", pki_bundle_anchors_pem(bundle, PKI_SEGMENT_SERVICES));
    put_names(answer, "transportBundle", pki_bundle_full_chain_pem(bundle, PKI_SEGMENT_TRANSPORT));
    put_names(answer, "transportAnchors", pki_bundle_anchors_pem(bundle, PKI_SEGMENT_TRANSPORT));
  }
  pki_bundle_free(bundle);
  return result;
}

static pki_result status_of(const pki_manager *manager, cJSON *answer, pki_error **error) {
  static const char *const HEALTH[] = {"", "healthy", "degraded", "uninitialized"};
  pki_status *status = NULL;
  pki_result result = pki_manager_status(manager, &status, error);
  cJSON_AddStringToObject(answer, "status", HEALTH[pki_status_health(status)]);
  put(answer, "trustDomain", pki_status_trust_domain(status));
  cJSON_AddNumberToObject(answer, "activeCertCount",
                          (double)pki_status_active_certificates(status));
  cJSON_AddNumberToObject(answer, "servicesCaCertCount",
                          (double)pki_status_ca_issued(status, PKI_CA_SERVICES));
  cJSON_AddNumberToObject(answer, "transportCaCertCount",
                          (double)pki_status_ca_issued(status, PKI_CA_TRANSPORT));
  cJSON_AddNumberToObject(answer, "deniedIdentityCount",
                          (double)pki_status_denied_identities(status));
  cJSON_AddNumberToObject(answer, "warnings", (double)pki_status_warnings_len(status));
  pki_status_free(status);
  return result;
}

static int by_text(const void *one, const void *other) {
  return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static pki_result denied_of(const pki_manager *manager, cJSON *answer, pki_error **error) {
  pki_deny_list *list = NULL;
  pki_result result = pki_manager_deny_list(manager, &list, error);
  cJSON *denied = cJSON_AddArrayToObject(answer, "denied");
  size_t len = pki_deny_list_len(list), at, from;
  const char **ids = (const char **)calloc(len + 1, sizeof *ids);
  if (ids == NULL) die("memory", NULL);
  for (at = 0; at < len; at++) ids[at] = pki_deny_list_spiffe_id(list, at).data;
  qsort(ids, len, sizeof *ids, by_text);
  for (at = 0; at < len; at++) {
    cJSON *entry = cJSON_CreateObject();
    for (from = 0; strcmp(pki_deny_list_spiffe_id(list, from).data, ids[at]) != 0;) from++;
    put(entry, "spiffeId", pki_deny_list_spiffe_id(list, from));
    put(entry, "reason", pki_deny_list_reason(list, from));
    cJSON_AddItemToArray(denied, entry);
  }
  free(ids);
  pki_deny_list_free(list);
  return result;
}

static pki_result initialize(const pki_manager *manager, pki_error **error) {
  pki_fingerprints *first = NULL, *again = NULL;
  pki_result result = pki_manager_initialize(manager, &first, error);
  if (result == PKI_OK) result = pki_manager_initialize(manager, &again, error);
  if (result == PKI_OK &&
      strcmp(pki_fingerprints_root(first).data, pki_fingerprints_root(again).data) != 0)
    die("another root", NULL);
  pki_fingerprints_free(again);
  pki_fingerprints_free(first);
  return result;
}

/* A method of a manager. */
static pki_result managed(const pki_manager *manager, const char *call, const cJSON *input,
                          cJSON *answer, pki_error **error) {
  pki_result result;
  if (strcmp(call, "signCsr") == 0) return sign(manager, input, answer, error);
  if (strcmp(call, "denyIdentity") == 0) {
    pki_expiring *expiring = NULL;
    known(input, " spiffeId reason ");
    result = pki_manager_deny(manager, TEXT(text_of(input, "spiffeId")),
                              TEXT(text_of(input, "reason")), &expiring, error);
    cJSON_AddNumberToObject(answer, "expiring", (double)pki_expiring_len(expiring));
    pki_expiring_free(expiring);
    return result;
  }
  if (strcmp(call, "allowIdentity") == 0) {
    bool was_denied = false;
    known(input, " spiffeId ");
    result = pki_manager_allow(manager, TEXT(text_of(input, "spiffeId")), &was_denied, error);
    cJSON_AddBoolToObject(answer, "wasDenied", was_denied);
    return result;
  }
  known(input, " ");
  if (strcmp(call, "initialize") == 0) return initialize(manager, error);
  if (strcmp(call, "isInitialized") == 0) {
    cJSON_AddBoolToObject(answer, "initialized", pki_manager_is_initialized(manager));
    return PKI_OK;
  }
  if (strcmp(call, "getCaBundle") == 0) return bundle_of(manager, answer, error);
  if (strcmp(call, "getStatus") == 0) return status_of(manager, answer, error);
  if (strcmp(call, "listDeniedIdentities") == 0) return denied_of(manager, answer, error);
  if (strcmp(call, "purgeExpired") == 0) {
    uint64_t purged = 0;
    result = pki_manager_purge(manager, &purged, error);
    cJSON_AddNumberToObject(answer, "purged", (double)purged);
    return result;
  }
  if (strcmp(call, "shutdown") == 0) return pki_manager_shutdown(manager, error);
  die("unknown call", call);
  return PKI_OK;
}

/* Whether an answer is the expected one; tells where not. Frees both. */
static int check(const char *what, const cJSON *step, pki_result result, cJSON *answer,
                 pki_error *error) {
  const cJSON *except = get(get(step, "except"), "c"), *field;
  const cJSON *expect = except != NULL ? except : get(step, "expect");
  const cJSON *code = get(expect, "error"), *message = get(expect, "message");
  const char *name = pki_result_name(result).data, *said = pki_error_message(error).data;
  int ok = 1;
  if (code != NULL) {
    /* PKI_X is PKI_ERR_X in C. */
    ok = result != PKI_OK && strcmp(name + 8, code->valuestring + 4) == 0 &&
         (message == NULL || strstr(said, message->valuestring) != NULL);
  } else if (result != PKI_OK) {
    ok = 0;
  } else {
    cJSON_ArrayForEach(field, expect) {
      if (strcmp(field->string, "why") == 0) continue;
      ok = ok && cJSON_Compare(field, get(answer, field->string), 1);
    }
  }
  if (!ok) {
    char *got = cJSON_PrintUnformatted(answer), *wanted = cJSON_PrintUnformatted(expect);
    printf("%s: %s %s %s, not %s\n", what, name, said, got, wanted);
    free(wanted);
    free(got);
  }
  pki_error_free(error);
  cJSON_Delete(answer);
  return ok;
}

static int sequence(const char *what, const cJSON *input) {
  const cJSON *step, *database = get(input, "database");
  char path[1024], *place = NULL;
  pki_manager *manager = NULL;
  pki_error *failure = NULL;
  pki_result opened = PKI_OK;
  int ok = 1;
  known(input, " config database steps ");
  if (database != NULL) {
    const char *name = cJSON_IsString(database) ? database->valuestring : "certs.db";
    place = path;
    snprintf(path, sizeof path, "%s/%d-%s", folder, databases++, name);
  }
  /* The first opening decides on the passphrase of a database. */
  if (strcmp(text_of(get(input, "steps")->child, "call"), "open") != 0)
    opened = open_manager(get(input, "config"), NULL, place, NULL, &manager, &failure);
  cJSON_ArrayForEach(step, get(input, "steps")) {
    const char *call = text_of(step, "call");
    const cJSON *with = get(step, "input");
    cJSON *answer = cJSON_CreateObject();
    pki_error *error = NULL;
    pki_result result = PKI_OK;
    if (strcmp(call, "open") == 0) {
      known(with, " config passphrase ");
      pki_manager_free(manager);
      pki_error_free(failure);
      manager = NULL;
      failure = NULL;
      opened = open_manager(get(with, "config"), NULL, place, text_of(with, "passphrase"), &manager,
                            &failure);
    } else if (strcmp(call, "generateKeyAndCsr") == 0) {
      result = generate(with, answer, &error);
    } else if (manager == NULL) {
      /* A database that can't be opened shows where it is opened. */
      result = opened;
      error = failure;
      failure = NULL;
    } else {
      result = managed(manager, call, with, answer, &error);
    }
    ok = check(what, step, result, answer, error) && ok;
  }
  pki_error_free(failure);
  pki_manager_free(manager);
  return ok;
}

static int run(const cJSON *one) {
  const char *name = text_of(one, "name"), *call = text_of(one, "call");
  const cJSON *input = get(one, "input");
  cJSON *answer;
  pki_error *error = NULL;
  pki_result result = PKI_OK;
  known(one, " name call input expect except ");
  if (strcmp(call, "sequence") == 0) return sequence(name, input);
  answer = cJSON_CreateObject();
  if (strcmp(call, "buildSpiffeId") == 0) result = build(input, answer, &error);
  else if (strcmp(call, "parseSpiffeId") == 0) result = parse(input, answer, &error);
  else if (strcmp(call, "isValidSpiffeId") == 0)
    cJSON_AddBoolToObject(answer, "valid", pki_spiffe_id_is_valid(TEXT(text_of(input, "uri"))));
  else if (strcmp(call, "generateKeyAndCsr") == 0) result = generate(input, answer, &error);
  else if (strcmp(call, "createCa") == 0) result = create(input, answer, &error);
  else if (strcmp(call, "signCsr") == 0) result = sign_alone(input, answer, &error);
  else if (strcmp(call, "verifyPeer") == 0) result = verify(input, answer, &error);
  else if (strcmp(call, "verifyToken") == 0) result = verify_token(input, answer, &error);
  else if (strcmp(call, "thumbprint") == 0) result = thumbprint(input, answer, &error);
  else die("unknown call", call);
  return check(name, one, result, answer, error);
}

int main(int argc, char **argv) {
  FILE *in = NULL;
  char *text;
  long size;
  const cJSON *one;
  int passed = 0, failures = 0;
  long at;
  if (argc != 3 || (in = fopen(argv[1], "rb")) == NULL) die("cases FILE FOLDER", NULL);
  folder = argv[2];
  fseek(in, 0, SEEK_END);
  size = ftell(in);
  rewind(in);
  text = (char *)malloc((size_t)size);
  if (text == NULL || fread(text, 1, (size_t)size, in) != (size_t)size) die("can't read", argv[1]);
  fclose(in);
  for (at = 0; at + 6 <= size; at++)
    if (strncmp(text + at, "\\u0000", 6) == 0) memcpy(text + at, "\\ue000", 6);
  file = cJSON_ParseWithLength(text, (size_t)size);
  free(text);
  if (file == NULL || number_of(file, "format") != 1) die("not the format", argv[1]);
  csrs = get(file, "csrs");
  cJSON_ArrayForEach(one, get(file, "cases")) {
    if (run(one)) passed++;
    else failures++;
  }
  for (at = 0; at < 16; at++) {
    free(shared[at].config);
    pki_manager_free(shared[at].manager);
  }
  for (at = 0; at < 4; at++) free(with_nul[at].bytes);
  cJSON_Delete(file);
  printf("%d passed, %d failed\n", passed, failures);
  return failures != 0;
}
