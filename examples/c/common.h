/* What the examples share: how a failure is told. */
#ifndef COMMON_H
#define COMMON_H

#include <pki.h>
#include <stdio.h>

/* Tells what went wrong, and frees the error; returns the exit status. */
static inline int failed(const char *what, pki_error *error) {
  pki_str name = pki_result_name(pki_error_code(error));
  pki_str message = pki_error_message(error);
  fprintf(stderr, "%s: %s: %s%s\n", what, name.data, message.data,
          pki_error_is_retryable(error) ? " (try again)" : "");
  pki_error_free(error);
  return 1;
}

#endif
