/** For a lifetime in seconds: as is configured, or as the library has it. */
#define PKI_TTL_CONFIGURED INT64_MIN

/** The beginning of every `pki_sign_request`. */
#define PKI_SIGN_REQUEST_INIT                                                              \
  {                                                                                        \
    sizeof(pki_sign_request), {NULL, 0}, {NULL, 0}, {NULL, 0}, PKI_TTL_CONFIGURED, 0, 0, { \
      NULL, 0                                                                              \
    }                                                                                      \
  }

/** The beginning of every `pki_token_request`. */
#define PKI_TOKEN_REQUEST_INIT                                                                   \
  {                                                                                              \
    sizeof(pki_token_request), {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, \
        {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0},             \
        PKI_TTL_CONFIGURED, 0, 0                                                                 \
  }

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
