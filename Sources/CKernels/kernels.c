#include "CKernels.h"

extern const lk_kernels lk_kernels_any;

#if defined(__x86_64__)
extern const lk_kernels lk_kernels_4, lk_kernels_8, lk_kernels_16;

/* Each feature by itself: the run-time library of GCC 11 does not know the levels x86-64-v3 and x86-64-v4. */
#define HAS(feature) (__builtin_cpu_supports(feature) != 0)

int lk_has_fma(void) {
  return HAS("avx2") && HAS("bmi") && HAS("bmi2") && HAS("f16c") && HAS("fma") && HAS("lzcnt") && HAS("movbe");
}

static int has_avx512(void) {
  return lk_has_fma() && HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd") && HAS("avx512dq") && HAS("avx512vl");
}

const lk_kernels *lk_kernels_of_width(int width) {
  switch (width) {
    case 4: return lk_has_fma() ? &lk_kernels_4 : &lk_kernels_any;
    case 8: return lk_has_fma() ? &lk_kernels_8 : 0;
    case 16: return has_avx512() ? &lk_kernels_16 : 0;
    default: return 0;
  }
}
#else
#if defined(__aarch64__)
int lk_has_fma(void) { return 1; }
#else
int lk_has_fma(void) { return 0; }
#endif

const lk_kernels *lk_kernels_of_width(int width) { return width == 4 ? &lk_kernels_any : 0; }
#endif

void lk_prefetch(const void *memory, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)memory + i);
}
