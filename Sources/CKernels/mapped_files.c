#define _GNU_SOURCE
#include "CKernels.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A mapping, kept after its end for the next one, because the handler may be reading it. */
typedef struct mapping {
  _Atomic uintptr_t start, end; /* an end of 0 for none */
  char message[4400];
  struct mapping *next; /* constant once the mapping is in the list */
} mapping;

static _Atomic(mapping *) mappings;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards changes of the list */
static struct sigaction former;
static int is_installed; /* guarded by the lock */

/* Reading a page behind the end of a file raises SIGBUS. Everything here is allowed in a signal handler. */
static void handle(int signal, siginfo_t *info, void *context) {
  uintptr_t address = (uintptr_t)info->si_addr;
  for (mapping *each = atomic_load(&mappings); each != NULL; each = each->next) {
    if (address < atomic_load(&each->start) || address >= atomic_load(&each->end)) continue;
    size_t length = strlen(each->message);
    for (size_t written = 0; written < length;) {
      ssize_t count = write(STDERR_FILENO, each->message + written, length - written);
      if (count <= 0) break;
      written += (size_t)count;
    }
    _exit(1);
  }
  if (former.sa_flags & SA_SIGINFO) {
    former.sa_sigaction(signal, info, context);
  } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) {
    former.sa_handler(signal);
  } else if (info->si_code > 0) {
    /* The access is repeated, and has the usual effect then. */
    sigaction(SIGBUS, &former, NULL);
  } else if (former.sa_handler == SIG_DFL) {
    /* Another process has sent it. It arrives again after this one. */
    sigaction(SIGBUS, &former, NULL);
    raise(signal);
  }
}

static int install(void) {
  if (is_installed) return 0;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, &action, &former) != 0) return -1;
  is_installed = 1;
  return 0;
}

static mapping *free_mapping(void) {
  for (mapping *each = atomic_load(&mappings); each != NULL; each = each->next) {
    if (atomic_load(&each->end) == 0) return each;
  }
  mapping *added = calloc(1, sizeof *added);
  if (added == NULL) return NULL;
  added->next = atomic_load(&mappings);
  atomic_store(&mappings, added);
  return added;
}

const void *lk_map_file(int descriptor, size_t size, const char *message) {
  void *start = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (start == MAP_FAILED) return NULL;
  pthread_mutex_lock(&lock);
  mapping *added = install() == 0 ? free_mapping() : NULL;
  if (added != NULL) {
    strncpy(added->message, message, sizeof added->message - 1);
    atomic_store(&added->start, (uintptr_t)start);
    atomic_store(&added->end, (uintptr_t)start + size);
  }
  pthread_mutex_unlock(&lock);
  if (added != NULL) return start;
  munmap(start, size);
  errno = ENOMEM;
  return NULL;
}

void lk_unmap_file(const void *start, size_t size) {
  pthread_mutex_lock(&lock);
  for (mapping *each = atomic_load(&mappings); each != NULL; each = each->next) {
    if (atomic_load(&each->start) != (uintptr_t)start) continue;
    atomic_store(&each->end, 0);
    atomic_store(&each->start, 0);
    break;
  }
  pthread_mutex_unlock(&lock);
  munmap((void *)start, size);
}
