#ifndef ALLOCATION_COUNT_H
#define ALLOCATION_COUNT_H

#include <stddef.h>

/// What a thread has asked of the allocator since it began to count.
struct allocation_count {
  /// The most bytes that were allocated at once, beyond those at the start.
  long peak;
  /// The largest block.
  size_t largest;
  /// How many blocks were allocated.
  size_t blocks;
};

/// Counts the calling thread's allocations from now on.
void allocation_count_start(void);

/// Ends the count. All zeros where the C library is not glibc, whose functions can be replaced.
struct allocation_count allocation_count_stop(void);

#endif
