/*
 * pki_log_set while callbacks run: one that is stuck stops nobody but its own thread and the one
 * that replaces it, and one that has been replaced never runs again.
 *
 *   log ROUNDS
 */
#define _POSIX_C_SOURCE 200809L

#include <pki.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 4

static pki_manager *manager;
static int failures;

/* What threads tell each other. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int stuck, released, left, heard, replaced;
static pki_result within;

static void set(int *what, int value) {
  pthread_mutex_lock(&mutex);
  *what = value;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

static int get(const int *what) {
  int value;
  pthread_mutex_lock(&mutex);
  value = *what;
  pthread_mutex_unlock(&mutex);
  return value;
}

static void wait_for(const int *what) {
  pthread_mutex_lock(&mutex);
  while (!*what) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
}

static void check_at(int ok, const char *what, int line) {
  if (ok) return;
  set(&failures, 1);
  printf("line %d: %s\n", line, what);
}
#define CHECK(condition) check_at((condition), #condition, __LINE__)

/* Makes an event. */
static int deny(const char *instance) {
  char id[96];
  snprintf(id, sizeof id, "spiffe://catalyst.example.com/node/%s", instance);
  return pki_manager_deny(manager, id, strlen(id), PKI_LIT("a test"), NULL, NULL) == PKI_OK;
}

/* The first event is stuck in it, later ones are not. */
static void stick(const pki_log_event *event, void *user_data) {
  (void)event;
  (void)user_data;
  if (get(&stuck)) return;
  set(&stuck, 1);
  wait_for(&released);
  /* Somebody else waits for this callback to end by now, and this call must not. */
  within = pki_log_set(NULL, NULL, PKI_LOG_INFO, NULL);
  set(&left, 1);
}

static void hear(const pki_log_event *event, void *user_data) {
  (void)event;
  set((int *)user_data, 1);
}

static void *get_stuck(void *argument) {
  (void)argument;
  CHECK(deny("stuck"));
  return NULL;
}

static void *replace(void *argument) {
  (void)argument;
  CHECK(pki_log_set(hear, &heard, PKI_LOG_INFO, NULL) == PKI_OK);
  CHECK(get(&left));
  set(&replaced, 1);
  return NULL;
}

static void one_is_stuck(void) {
  pthread_t sticky, replacer;
  int at;
  CHECK(pki_log_set(stick, NULL, PKI_LOG_INFO, NULL) == PKI_OK);
  if (pthread_create(&sticky, NULL, get_stuck, NULL) != 0) exit(2);
  wait_for(&stuck);
  if (pthread_create(&replacer, NULL, replace, NULL) != 0) exit(2);
  /* The new callback hears this thread although the old one has not ended yet. */
  while (!get(&heard)) CHECK(deny("other"));
  for (at = 0; at < 20; at++) CHECK(deny("other"));
  CHECK(!get(&replaced));
  set(&released, 1);
  pthread_join(sticky, NULL);
  pthread_join(replacer, NULL);
  CHECK(get(&replaced) && within == PKI_ERR_INVALID_ARGUMENT);
  /* Still set: what was refused has changed nothing. */
  set(&heard, 0);
  CHECK(deny("other") && get(&heard));
}

static int ended;

static void *make_events(void *argument) {
  char instance[16];
  snprintf(instance, sizeof instance, "node-%d", *(int *)argument);
  while (!get(&ended)) CHECK(deny(instance));
  return NULL;
}

/* Whoever sees a user data that was freed, or its mark gone, ran after it was replaced. */
static void count(const pki_log_event *event, void *user_data) {
  (void)event;
  if (*(int *)user_data != 0x5eed) set(&failures, 1);
}

static void many_are_replaced(int rounds) {
  pthread_t threads[THREADS];
  int numbers[THREADS], at;
  int *before = NULL;
  for (at = 0; at < THREADS; at++) {
    numbers[at] = at;
    if (pthread_create(&threads[at], NULL, make_events, &numbers[at]) != 0) exit(2);
  }
  for (at = 0; at < rounds; at++) {
    int *mark = (int *)malloc(sizeof *mark);
    if (mark == NULL) exit(2);
    *mark = 0x5eed;
    CHECK(pki_log_set(count, mark, PKI_LOG_INFO, NULL) == PKI_OK);
    if (before != NULL) *before = 0;
    free(before);
    before = mark;
  }
  CHECK(pki_log_set(NULL, NULL, PKI_LOG_INFO, NULL) == PKI_OK);
  free(before);
  set(&ended, 1);
  for (at = 0; at < THREADS; at++) pthread_join(threads[at], NULL);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  /* Whoever waits for ever is killed. */
  alarm(100);
  CHECK(pki_manager_new_in_memory(NULL, &manager, NULL) == PKI_OK);
  CHECK(pki_manager_initialize(manager, NULL, NULL) == PKI_OK);
  one_is_stuck();
  many_are_replaced(atoi(argv[1]));
  pki_manager_free(manager);
  printf(failures ? "failed\n" : "passed\n");
  return failures != 0;
}
