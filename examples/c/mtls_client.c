/*
 * A client that speaks mutual TLS with the server that it expects.
 *
 *   mtls_client certs.db spiffe://mesh.example.com/node/node-a.example.com \
 *       spiffe://mesh.example.com/auth/auth-a 8443
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mtls.h"

static int connect_to_loopback(int port) {
  struct sockaddr_in address;
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) != 0) {
    perror("connecting");
    exit(1);
  }
  return connection;
}

/* Prints what the server says; 0 if it says something. */
static int listen_to(SSL *ssl) {
  char text[1024];
  int len, got = 0;
  if (SSL_connect(ssl) != 1) return 1;
  printf("reached %s\n", pki_svid_spiffe_id(mtls_peer(ssl)).data);
  /* With TLS 1.3 the server looks at our certificate after this: its refusal shows when reading. */
  while ((len = SSL_read(ssl, text, (int)sizeof text)) > 0) {
    fwrite(text, 1, (size_t)len, stdout);
    got = 1;
  }
  return got ? 0 : 1;
}

int main(int argc, char **argv) {
  mtls side;
  SSL *ssl;
  int connection, status;
  if (argc != 5 && argc != 7) {
    fprintf(stderr, "mtls_client DATABASE OWN-ID EXPECT PORT [PEERS-DATABASE PEERS-DOMAIN]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  status = mtls_open(&side, PKI_ROLE_SERVER, argv[1], argv[2], argv[3], argc == 7 ? argv[5] : NULL,
                     argc == 7 ? argv[6] : NULL);
  if (status != 0) return status;

  connection = connect_to_loopback(atoi(argv[4]));
  ssl = SSL_new(side.context);
  status = ssl == NULL || SSL_set_fd(ssl, connection) != 1 || listen_to(ssl) != 0;
  if (status != 0) {
    printf("refused\n");
    ERR_print_errors_fp(stderr);
  }
  SSL_free(ssl);
  close(connection);
  mtls_close(&side);
  return status;
}
