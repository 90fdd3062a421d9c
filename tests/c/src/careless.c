/* What must not be done with a handle, for valgrind and the sanitizers to see. */
#include <pki.h>

int main(int argc, char **argv) {
  pki_spiffe_id *id = NULL;
  pki_str text;
  size_t len;
  if (argc != 2) return 2;
  if (pki_spiffe_id_parse(PKI_LIT("spiffe://mesh.example.com/node/a"), &id, NULL) != PKI_OK)
    return 1;
  if (strcmp(argv[1], "leaked") == 0) {
    id = NULL;
    return 0;
  }
  text = pki_spiffe_id_uri(id);
  pki_spiffe_id_free(id);
  if (strcmp(argv[1], "read") == 0) return text.data[0] == 's';
  if (strcmp(argv[1], "used") == 0) {
    len = pki_spiffe_id_uri(id).len;
    return len == 0;
  }
  if (strcmp(argv[1], "twice") == 0) pki_spiffe_id_free(id);
  return 0;
}
