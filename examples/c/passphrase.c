/*
 * One passphrase, however it comes: by value, by variable, by file. The line ends and the byte
 * order mark that `echo` and editors add are no part of it.
 *
 *   passphrase certs.db passphrase.txt
 *
 * Makes both files; they must not be there.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>

#include "common.h"

#define VARIABLE "CATALYST_PKI_KEY_PASSPHRASE"

/* Says whether the CA opens; by value where one is given, else as the environment says. */
static void open_ca(const char *path, const char *passphrase, const char *how) {
  pki_config *config = NULL;
  pki_manager *manager = NULL;
  pki_error *error = NULL;
  pki_result result = pki_config_new(&config, &error);
  if (result == PKI_OK && passphrase != NULL)
    result = pki_config_set_passphrase(config, passphrase, strlen(passphrase), &error);
  if (result == PKI_OK) result = pki_manager_open(path, strlen(path), config, &manager, &error);
  if (result == PKI_OK) result = pki_manager_initialize(manager, NULL, &error);
  printf("%s: %s\n", how, result == PKI_OK ? "it opens" : pki_result_name(result).data);
  pki_error_free(error);
  pki_manager_free(manager);
  pki_config_free(config);
}

static int write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  int ok = file != NULL && fputs(text, file) >= 0;
  return file != NULL && fclose(file) == 0 && ok;
}

int main(int argc, char **argv) {
  const char *path, *file;
  if (argc != 3) {
    fprintf(stderr, "passphrase DATABASE FILE\n");
    return 2;
  }
  path = argv[1];
  file = argv[2];
  unsetenv(VARIABLE);
  unsetenv(VARIABLE "_FILE");

  /* By value. The first one encrypts the keys of the CA, the others must be the same one. */
  open_ca(path, "correct horse battery staple", "by value");

  /* By variable, as `export …="$(cat file)"` of a file from Windows gives it. */
  setenv(VARIABLE, "correct horse battery staple\r\n", 1);
  open_ca(path, NULL, "by variable, with a line end");
  unsetenv(VARIABLE);

  /* By file, as an editor saves it; pki_config_set_passphrase_file is the same. */
  setenv(VARIABLE "_FILE", file, 1);
  if (!write_file(file,
                  "\xef\xbb\xbf"
                  "correct horse battery staple\n"))
    return 1;
  open_ca(path, NULL, "by file, with a byte order mark");

  /* A second line is no part of a passphrase, and is not passed over. */
  if (!write_file(file, "correct horse battery staple\n# of the CA in Berlin\n")) return 1;
  open_ca(path, NULL, "by file, with a second line");

  /* Blanks count. */
  open_ca(path, "correct horse battery staple ", "by value, with a blank");
  return 0;
}
