/** For `pki_sign_request.ttl_seconds`: as the manager is configured. */
#define PKI_TTL_CONFIGURED INT64_MIN

/** The beginning of every `pki_sign_request`. */
#define PKI_SIGN_REQUEST_INIT \
  { sizeof(pki_sign_request), {NULL, 0}, {NULL, 0}, {NULL, 0}, PKI_TTL_CONFIGURED, 0, 0 }

/** A string literal as the two arguments of a text: `pki_spiffe_id_parse(PKI_LIT("…"), &id, NULL)`.
 */
#define PKI_LIT(literal) ("" literal), (sizeof(literal) - 1)

/** A `pki_str` as the two arguments of a text. */
#define PKI_ARG(text) (text).data, (text).len

/** A C string as a `pki_str`, which lives as long as the string; NULL gives the text that is none.
 */
static inline pki_str pki_str_of(const char *text) {
  pki_str str;
  str.data = text;
  str.len = text == NULL ? 0 : strlen(text);
  return str;
}

#endif /* PKI_H */
