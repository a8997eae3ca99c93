/* How the kernels are compiled: once for each width of vectors, the best one chosen when the program starts; products and
 * sums never fused, so that all give the same bits. */
#pragma once

#pragma STDC FP_CONTRACT OFF

#if defined(__x86_64__) && defined(__linux__)
#define VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VECTORIZED
#endif
#define INLINE static inline __attribute__((always_inline))
