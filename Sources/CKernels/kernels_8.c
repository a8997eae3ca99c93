/* AVX2 and FMA. */
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("arch=x86-64-v3"))), apply_to = function)
#define WIDTH 8
#define KERNELS lk_kernels_8
#include "kernels.h"
#pragma clang attribute pop
#endif
