/*
 * Gives paths that are relative, and goes elsewhere before they are used.
 *
 *   relative HOME DATA ELSEWHERE
 *
 * `passphrase` is a file in HOME, `certs.db` is made in DATA, and nothing in ELSEWHERE.
 */
#define _POSIX_C_SOURCE 200809L

#include <pki.h>
#include <stdio.h>
#include <unistd.h>

#define NODE "spiffe://catalyst.example.com/node/node-a"

static int failed(const char *what, pki_error *error) {
  fprintf(stderr, "%s: %s\n", what, pki_error_message(error).data);
  pki_error_free(error);
  return 1;
}

int main(int argc, char **argv) {
  pki_config *config = NULL;
  pki_manager *manager = NULL, *again = NULL;
  pki_deny_list *denied = NULL;
  pki_error *error = NULL;
  if (argc != 4 || chdir(argv[1]) != 0 || pki_config_new(&config, NULL) != PKI_OK) return 2;
  if (pki_config_set_passphrase_file(config, PKI_LIT("passphrase"), &error) != PKI_OK)
    return failed("passphrase", error);
  if (chdir(argv[2]) != 0) return 2;
  if (pki_manager_open(PKI_LIT("certs.db"), config, &manager, &error) != PKI_OK)
    return failed("open", error);
  if (chdir(argv[3]) != 0) return 2;
  if (pki_manager_initialize(manager, NULL, &error) != PKI_OK) return failed("initialize", error);
  if (pki_manager_deny(manager, PKI_LIT(NODE), PKI_LIT("stolen"), NULL, &error) != PKI_OK)
    return failed("deny", error);
  pki_manager_free(manager);
  /* It is where it was when its path was given. */
  if (chdir(argv[2]) != 0) return 2;
  if (pki_manager_open(PKI_LIT("certs.db"), config, &again, &error) != PKI_OK)
    return failed("open again", error);
  if (pki_manager_load(again, NULL, &error) != PKI_OK) return failed("load", error);
  if (pki_manager_deny_list(again, &denied, &error) != PKI_OK) return failed("list", error);
  printf("%s\n", pki_deny_list_spiffe_id(denied, 0).data);
  pki_deny_list_free(denied);
  pki_manager_free(again);
  pki_config_free(config);
  return 0;
}
