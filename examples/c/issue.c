/*
 * Opens a CA's database, makes a service's key and request, and has the CA sign it.
 *
 *   issue certs.db spiffe://mesh.example.com/node/node-a.example.com
 *
 * Prints the certificate with its chain, and on standard error what happens. The passphrase of the
 * CA's keys comes from the environment: CATALYST_PKI_KEY_PASSPHRASE.
 */
#include "common.h"

/* Prints what happens. Called on the thread where it does, so by several at once if they call. */
static void hear(const pki_log_event *event, void *user_data) {
  FILE *out = (FILE *)user_data;
  size_t at;
  fprintf(out, "%s", event->message.data);
  for (at = 0; at < event->fields_len; at++)
    fprintf(out, " %s=%s", event->fields[at].name.data, event->fields[at].value.data);
  fputc('\n', out);
}

/* Opens the CA, and makes its hierarchy if there is none yet. */
static pki_result open_ca(const char *path, pki_str trust_domain, pki_manager **out,
                          pki_error **error) {
  pki_config *config = NULL;
  pki_manager *manager = NULL;
  pki_result result = pki_config_new(&config, error);
  if (result == PKI_OK) result = pki_config_set_trust_domain(config, PKI_ARG(trust_domain), error);
  if (result == PKI_OK) result = pki_manager_open(path, strlen(path), config, &manager, error);
  if (result == PKI_OK) result = pki_manager_initialize(manager, NULL, error);
  if (result == PKI_OK) {
    *out = manager;
    manager = NULL;
  }
  pki_manager_free(manager);
  pki_config_free(config);
  return result;
}

int main(int argc, char **argv) {
  pki_error *error = NULL;
  pki_spiffe_id *id = NULL;
  pki_manager *manager = NULL;
  pki_key_csr *key = NULL;
  pki_signed *issued = NULL;
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  int status = 0;

  if (argc != 3) {
    fprintf(stderr, "issue DATABASE SPIFFE-ID\n");
    return 2;
  }
  if (pki_log_set(hear, stderr, PKI_LOG_INFO, &error) != PKI_OK) return failed("the log", error);
  if (pki_spiffe_id_parse(argv[2], strlen(argv[2]), &id, &error) != PKI_OK)
    return failed("the SPIFFE ID", error);

  if (open_ca(argv[1], pki_spiffe_id_trust_domain(id), &manager, &error) != PKI_OK) {
    status = failed("the CA", error);
  } else if (pki_key_csr_new(argv[2], strlen(argv[2]), NULL, 0, &key, &error) != PKI_OK) {
    /* At the service: the key stays with it, only the request goes to the CA. */
    status = failed("key and request", error);
  } else {
    request.csr_pem = pki_key_csr_csr_pem(key);
    request.service_type = pki_spiffe_id_service_type(id);
    request.instance_id = pki_spiffe_id_instance_id(id);
    if (pki_manager_sign(manager, &request, &issued, &error) != PKI_OK) {
      status = failed("signing", error);
    } else {
      fputs(pki_signed_tls_chain_pem(issued).data, stdout);
    }
  }

  pki_signed_free(issued);
  pki_key_csr_free(key);
  pki_manager_free(manager);
  pki_spiffe_id_free(id);
  return status;
}
