/* What the examples share: how a failure is told, and how a file is read. */
#ifndef COMMON_H
#define COMMON_H

#include <pki.h>
#include <stdio.h>
#include <stdlib.h>

/* Tells what went wrong, and frees the error; returns the exit status. */
static inline int failed(const char *what, pki_error *error) {
  pki_str name = pki_result_name(pki_error_code(error));
  pki_str message = pki_error_message(error);
  fprintf(stderr, "%s: %s: %s%s\n", what, name.data, message.data,
          pki_error_is_retryable(error) ? " (try again)" : "");
  pki_error_free(error);
  return 1;
}

/* A file's content; NULL if it can't be read. To be freed. */
static inline char *read_file(const char *path, size_t *len) {
  FILE *file = fopen(path, "rb");
  char *text = NULL;
  size_t room = 0;
  *len = 0;
  if (file == NULL) return NULL;
  for (;;) {
    size_t got;
    if (*len == room) {
      char *more = (char *)realloc(text, room = room * 2 + 4096);
      if (more == NULL) break;
      text = more;
    }
    got = fread(text + *len, 1, room - *len, file);
    *len += got;
    if (got == 0) break;
  }
  fclose(file);
  return text;
}

#endif
