/*
 * A host that has an SQLite of its own, and looks into the CA's database with it between
 * signatures: what docs/operations.md warns of. Prints the serial number of each certificate that
 * was answered, and ends suddenly.
 *
 *   other_sqlite certs.db ROUNDS
 *   other_sqlite certs.db        prints those that are there
 */
#define _POSIX_C_SOURCE 200809L

#include <pki.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NODE "spiffe://catalyst.example.com/node/node-a"

static int failed(const char *what, pki_error *error) {
  fprintf(stderr, "%s: %s\n", what, pki_error_message(error).data);
  pki_error_free(error);
  return 1;
}

/* Opens and closes the file; from time to time as a mere file, too. */
static int look(const char *path, int round) {
  sqlite3 *database = NULL;
  int ok =
      sqlite3_open(path, &database) == SQLITE_OK &&
      sqlite3_exec(database, "SELECT count(*) FROM certificate", NULL, NULL, NULL) == SQLITE_OK;
  if (!ok) fprintf(stderr, "look: %s\n", sqlite3_errmsg(database));
  sqlite3_close(database);
  if (round % 3 == 0) {
    FILE *plain = fopen(path, "rb");
    ok = ok && plain != NULL && fclose(plain) == 0;
  }
  return ok;
}

static int sign(const pki_manager *manager, const char *path, int rounds) {
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  pki_key_csr *key = NULL;
  pki_error *error = NULL;
  int round;
  if (pki_key_csr_new(PKI_LIT(NODE), NULL, 0, &key, &error) != PKI_OK) return failed("key", error);
  request.csr_pem = pki_key_csr_csr_pem(key);
  request.service_type = pki_str_of("node");
  request.instance_id = pki_str_of("node-a");
  for (round = 0; round < rounds; round++) {
    pki_signed *issued = NULL;
    if (!look(path, round)) return 1;
    if (pki_manager_sign(manager, &request, &issued, &error) != PKI_OK)
      return failed("sign", error);
    puts(pki_signed_serial(issued).data);
    pki_signed_free(issued);
  }
  fflush(stdout);
  _exit(0);
}

static int list(const pki_manager *manager) {
  pki_expiring *all = NULL;
  pki_error *error = NULL;
  size_t at;
  if (pki_manager_deny(manager, PKI_LIT(NODE), PKI_LIT("listed"), &all, &error) != PKI_OK)
    return failed("deny", error);
  for (at = 0; at < pki_expiring_len(all); at++) puts(pki_expiring_serial(all, at).data);
  pki_expiring_free(all);
  return 0;
}

int main(int argc, char **argv) {
  pki_manager *manager = NULL;
  pki_error *error = NULL;
  int status;
  if (argc < 2 || argc > 3) return 2;
  if (pki_manager_open(argv[1], strlen(argv[1]), NULL, &manager, &error) != PKI_OK)
    return failed("open", error);
  if (pki_manager_initialize(manager, NULL, &error) != PKI_OK) return failed("initialize", error);
  status = argc == 3 ? sign(manager, argv[1], atoi(argv[2])) : list(manager);
  pki_manager_free(manager);
  return status;
}
