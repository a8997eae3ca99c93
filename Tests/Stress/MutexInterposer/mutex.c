/* Takes the place of the slow path of Swift's Mutex on Linux.
 *
 * Swift's library is not built for ThreadSanitizer, which so does not see that a thread that had to wait for a mutex comes
 * after the one that held it. The fast path is part of the program itself. Here the waiter tries until the mutex is free,
 * in code that the sanitizer sees: the mutex holds its owner's number, or 0. */
#include "MutexInterposer.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__linux__)

__attribute__((swiftcall)) void lk_mutex_lock_slow(uint32_t owner, __attribute__((swift_context)) _Atomic uint32_t *mutex)
    __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
__attribute__((swiftcall)) void lk_mutex_unlock_slow(__attribute__((swift_context)) _Atomic uint32_t *mutex)
    __asm__("$s15Synchronization12_MutexHandleV11_unlockSlowyyF");

__attribute__((swiftcall)) void lk_mutex_lock_slow(uint32_t owner, __attribute__((swift_context)) _Atomic uint32_t *mutex) {
  uint32_t expected = 0;
  while (!atomic_compare_exchange_weak_explicit(mutex, &expected, owner, memory_order_acquire, memory_order_relaxed)) {
    expected = 0;
    sched_yield();
  }
}

/* Nobody waits in the system, so the fast path never fails. */
__attribute__((swiftcall)) void lk_mutex_unlock_slow(__attribute__((swift_context)) _Atomic uint32_t *mutex) {
  (void)mutex;
  abort();
}

#endif

void mutex_interposer_is_linked(void) {}
