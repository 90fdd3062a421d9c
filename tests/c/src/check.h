/* Checks that are counted. Each prints a line where it fails. */
#ifndef CHECK_H
#define CHECK_H

#include <pki.h>
#include <stdio.h>
#include <stdlib.h>

static int passed, failures;

static void check_at(int ok, const char *what, int line) {
  if (ok) {
    passed++;
  } else {
    failures++;
    printf("line %d: %s\n", line, what);
  }
}
#define CHECK(condition) check_at((condition), #condition, __LINE__)

static int is(pki_str text, const char *expected) {
  /* A text that is returned is a C string too. */
  return text.data != NULL && text.len == strlen(expected) && strcmp(text.data, expected) == 0;
}

/* How many there were; the exit status. */
static int checked(void) {
  printf("%d passed, %d failed\n", passed, failures);
  return failures != 0;
}

#endif
