#define _GNU_SOURCE
#include "CKernels.h"

#ifdef __linux__
#include <sched.h>
#include <sys/resource.h>

int lk_get_cores(uint8_t *bits, size_t bytes) { return sched_getaffinity(0, bytes, (cpu_set_t *)bits); }

int lk_set_cores(const uint8_t *bits, size_t bytes) { return sched_setaffinity(0, bytes, (const cpu_set_t *)bits); }

int lk_current_core(void) { return sched_getcpu(); }

// On Linux a thread has a priority of its own; 0 stands for the calling one. At 5 it gets a quarter of a core that it
// shares with an ordinary thread.
void lk_yield_to_others(void) { setpriority(PRIO_PROCESS, 0, 5); }
#else
int lk_get_cores(uint8_t *bits, size_t bytes) {
  (void)bits;
  (void)bytes;
  return -1;
}

int lk_set_cores(const uint8_t *bits, size_t bytes) {
  (void)bits;
  (void)bytes;
  return -1;
}

int lk_current_core(void) { return -1; }

void lk_yield_to_others(void) {}
#endif
