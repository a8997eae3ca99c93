#define _GNU_SOURCE
#include "CKernels.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

/* The system frees anonymous memory with its last process, however that ends. The seals forbid shrinking, which would
 * kill readers with SIGBUS. */
int lk_memory_create(size_t size) {
  int descriptor = memfd_create("lockstep", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return -1;
  if (ftruncate(descriptor, (off_t)size) == 0 && fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0) {
    return descriptor;
  }
  int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

/* New mappings are read-only; existing ones stay writable. Has no effect before Linux 5.1. */
void lk_memory_make_read_only(int descriptor) { (void)fcntl(descriptor, F_ADD_SEALS, F_SEAL_FUTURE_WRITE); }

/* A peer's number may name any file of any process, so only sealed memory of this user is opened. */
int lk_memory_open(int process, int descriptor, size_t size, int is_writable) {
  static const char expected[] = "/memfd:lockstep (deleted)";
  char path[64], target[sizeof expected + 1];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", process, descriptor);
  ssize_t length = readlink(path, target, sizeof target);
  if (length < 0) return -1;
  if ((size_t)length != sizeof expected - 1 || memcmp(target, expected, sizeof expected - 1) != 0) {
    errno = ENOENT;
    return -1;
  }
  int opened = open(path, (is_writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (opened < 0) return -1;
  struct stat status;
  int seals = fcntl(opened, F_GET_SEALS);
  if (fstat(opened, &status) == 0 && status.st_uid == geteuid() && status.st_size == (off_t)size && seals >= 0 && (seals & F_SEAL_SHRINK)) {
    return opened;
  }
  close(opened);
  errno = EINVAL;
  return -1;
}

#else

int lk_memory_create(size_t size) {
  (void)size;
  errno = ENOSYS;
  return -1;
}

void lk_memory_make_read_only(int descriptor) { (void)descriptor; }

int lk_memory_open(int process, int descriptor, size_t size, int is_writable) {
  (void)process, (void)descriptor, (void)size, (void)is_writable;
  errno = ENOSYS;
  return -1;
}

#endif
