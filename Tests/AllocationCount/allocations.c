#include "AllocationCount.h"

#include <stdbool.h>
#include <stdlib.h>

static _Thread_local bool counting;
static _Thread_local long live;
static _Thread_local struct allocation_count count;

void allocation_count_start(void) {
  live = 0;
  count = (struct allocation_count){0};
  counting = true;
}

struct allocation_count allocation_count_stop(void) {
  counting = false;
  return count;
}

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_OTHER_ALLOCATOR
#endif
#endif

// A program's own functions of these names take the place of glibc's, in all libraries that it loads. A sanitizer's do so
// already, and then nothing is counted.
#if defined(__GLIBC__) && !defined(HAS_OTHER_ALLOCATOR)

#include <errno.h>
#include <malloc.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

static void *allocated(void *block, size_t size) {
  if (counting && block != NULL) {
    live += malloc_usable_size(block);
    if (live > count.peak) count.peak = live;
    if (size > count.largest) count.largest = size;
    count.blocks++;
  }
  return block;
}

static void freed(void *block) {
  if (counting && block != NULL) live -= malloc_usable_size(block);
}

void *malloc(size_t size) { return allocated(__libc_malloc(size), size); }

void *calloc(size_t number, size_t size) { return allocated(__libc_calloc(number, size), number * size); }

void *realloc(void *block, size_t size) {
  freed(block);
  void *moved = __libc_realloc(block, size);
  // Where it fails, the old block stays.
  if (moved == NULL && size > 0) return allocated(block, 0), NULL;
  return allocated(moved, size);
}

void *memalign(size_t alignment, size_t size) { return allocated(__libc_memalign(alignment, size), size); }

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
  void *memory = memalign(alignment, size);
  if (memory == NULL) return ENOMEM;
  *block = memory;
  return 0;
}

void free(void *block) {
  freed(block);
  __libc_free(block);
}

#endif
