/* What any processor of this kind has: NEON on arm64, SSE2 on x86-64. */
#define WIDTH 4
#define KERNELS lk_kernels_any
#include "kernels.h"
