/*
 * Loads a plugin, uses it and closes it, all in a thread that ends afterwards: destructors of what
 * libpki keeps for a thread run then.
 *
 *   unload PLUGIN
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int used;

static void *use(void *path) {
  void *library = dlopen((const char *)path, RTLD_NOW | RTLD_LOCAL);
  void *symbol = library == NULL ? NULL : dlsym(library, "plugin");
  int (*plugin)(void);
  if (symbol == NULL) {
    puts(dlerror());
    return NULL;
  }
  /* ISO C has no cast from one to the other. */
  memcpy(&plugin, &symbol, sizeof plugin);
  used = plugin() && dlclose(library) == 0;
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t thread;
  if (argc != 2 || pthread_create(&thread, NULL, use, argv[1]) != 0) return 2;
  pthread_join(thread, NULL);
  if (used) puts("ended well");
  return !used;
}
