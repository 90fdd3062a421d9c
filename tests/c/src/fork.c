/*
 * After fork() the child leaves its parent's handles alone and makes new ones; the parent goes on.
 *
 *   fork FOLDER
 */
#define _POSIX_C_SOURCE 200809L

#include <pki.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The serial number of a new certificate; empty if there is none. */
static void issue(const pki_manager *manager, char *serial, size_t size) {
  const char *id = "spiffe://catalyst.example.com/node/node-a";
  pki_sign_request request = PKI_SIGN_REQUEST_INIT;
  pki_key_csr *key = NULL;
  pki_signed *issued = NULL;
  (void)pki_key_csr_new(id, strlen(id), NULL, 0, &key, NULL);
  request.csr_pem = pki_key_csr_csr_pem(key);
  request.service_type = pki_str_of("node");
  request.instance_id = pki_str_of("node-a");
  (void)pki_manager_sign(manager, &request, &issued, NULL);
  snprintf(serial, size, "%s", pki_signed_serial(issued).data);
  pki_signed_free(issued);
  pki_key_csr_free(key);
}

static pki_manager *opened(const char *folder, const char *name) {
  char file[1024];
  pki_manager *manager = NULL;
  snprintf(file, sizeof file, "%s/%s", folder, name);
  if (pki_manager_open(file, strlen(file), NULL, &manager, NULL) != PKI_OK) return NULL;
  (void)pki_manager_initialize(manager, NULL, NULL);
  return manager;
}

int main(int argc, char **argv) {
  char before[64] = "", of_child[64] = "", after[64] = "";
  int pipe_to[2], status = 1;
  pki_manager *manager;
  pid_t child;
  if (argc != 2 || pipe(pipe_to) != 0) return 2;
  /* Whoever waits for ever is killed, the child too. */
  alarm(100);
  manager = opened(argv[1], "parent.db");
  issue(manager, before, sizeof before);
  child = fork();
  if (child < 0) return 2;
  if (child == 0) {
    alarm(100);
    manager = opened(argv[1], "child.db");
    issue(manager, of_child, sizeof of_child);
    pki_manager_free(manager);
    _exit(write(pipe_to[1], of_child, sizeof of_child) != (ssize_t)sizeof of_child);
  }
  issue(manager, after, sizeof after);
  if (read(pipe_to[0], of_child, sizeof of_child) != (ssize_t)sizeof of_child) return 2;
  if (waitpid(child, &status, 0) != child) return 2;
  pki_manager_free(manager);
  printf("%s\n%s\n%s\n", before, of_child, after);
  return status;
}
