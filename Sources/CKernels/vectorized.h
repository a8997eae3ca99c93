/* How the kernels are compiled: once for each width of vectors, the best one chosen when the program starts; products and
 * sums never fused, so that all give the same bits. */
#pragma once

#pragma STDC FP_CONTRACT OFF

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
/* It counts calls before it is there itself, and so ends the program where a kernel is chosen. */
#define SANITIZES_THREADS
#endif
#endif

#if defined(__x86_64__) && defined(__linux__) && !defined(SANITIZES_THREADS)
#define VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VECTORIZED
#endif
#define INLINE static inline __attribute__((always_inline))
