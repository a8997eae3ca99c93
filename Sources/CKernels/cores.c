#define _GNU_SOURCE
#include "CKernels.h"

#ifdef __linux__
#include <sched.h>

int lk_get_cores(uint8_t *bits, size_t bytes) { return sched_getaffinity(0, bytes, (cpu_set_t *)bits); }

int lk_set_cores(const uint8_t *bits, size_t bytes) { return sched_setaffinity(0, bytes, (const cpu_set_t *)bits); }

int lk_current_core(void) { return sched_getcpu(); }
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
#endif
