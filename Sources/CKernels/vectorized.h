/* Kernels are compiled once per SIMD width, and the best version is chosen when the program starts. Multiply-adds are
 * not fused, so all versions give the same bits. */
#pragma once

#pragma STDC FP_CONTRACT OFF

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
/* It instruments the functions that choose a kernel, which run before its runtime is ready, and crashes there. */
#define SANITIZES_THREADS
#endif
#endif

#if defined(__x86_64__) && defined(__linux__) && !defined(SANITIZES_THREADS)
#define VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VECTORIZED
#endif
#define INLINE static inline __attribute__((always_inline))
