/* A plugin with libpki inside, or linked with it: makes a key and a request. */
#include <pki.h>

int plugin(void);

int plugin(void) {
  pki_key_csr *key = NULL;
  pki_result result =
      pki_key_csr_new(PKI_LIT("spiffe://mesh.example.com/auth/auth-a"), NULL, 0, &key, NULL);
  pki_key_csr_free(key);
  return result == PKI_OK;
}
