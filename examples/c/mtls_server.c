/*
 * A server that speaks mutual TLS and answers whom it expects.
 *
 *   mtls_server certs.db spiffe://mesh.example.com/auth/auth-a
 * spiffe://mesh.example.com/node/node-a 3
 *
 * Listens on a free port of 127.0.0.1, which it prints, answers so many connections, one after
 * another, and ends.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mtls.h"

static int listen_on_loopback(void) {
  struct sockaddr_in address;
  socklen_t len = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(listener, 16) != 0 || getsockname(listener, (struct sockaddr *)&address, &len) != 0) {
    perror("listening");
    exit(1);
  }
  printf("port %d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

static void answer(SSL *ssl) {
  const pki_svid *peer;
  char text[512];
  int len;
  if (SSL_accept(ssl) != 1) {
    printf("refused\n");
    return;
  }
  peer = mtls_peer(ssl);
  if (peer == NULL) return;
  printf("called by %s\n", pki_svid_spiffe_id(peer).data);
  len = snprintf(text, sizeof text, "Hello, %s\n", pki_svid_instance_id(peer).data);
  SSL_write(ssl, text, len < (int)sizeof text ? len : (int)sizeof text - 1);
  SSL_shutdown(ssl);
}

int main(int argc, char **argv) {
  mtls side;
  int listener, left, status;
  if (argc != 5 && argc != 7) {
    fprintf(stderr,
            "mtls_server DATABASE OWN-ID EXPECT CONNECTIONS [PEERS-DATABASE PEERS-DOMAIN]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  status = mtls_open(&side, PKI_ROLE_CLIENT, argv[1], argv[2], argv[3], argc == 7 ? argv[5] : NULL,
                     argc == 7 ? argv[6] : NULL);
  if (status != 0) return status;

  listener = listen_on_loopback();
  for (left = atoi(argv[4]); left > 0; left--) {
    int connection = accept(listener, NULL, NULL);
    SSL *ssl = SSL_new(side.context);
    if (connection >= 0 && ssl != NULL && SSL_set_fd(ssl, connection) == 1) answer(ssl);
    fflush(stdout);
    SSL_free(ssl);
    if (connection >= 0) close(connection);
  }
  close(listener);
  mtls_close(&side);
  return 0;
}
