/* Preloaded into a process: the nth call that changes a file below a folder fails, and every one after it.
   Counted are write, pwrite, fsync, rename, mkdir, and open for writing. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[4096];
static long fail_at = 0, calls = 0;
static int once = 0, code = ENOSPC;

void arm(const char *below, long nth, int error, int only_once) {
  strncpy(folder, below, sizeof folder - 1);
  calls = 0;
  code = error;
  once = only_once;
  __atomic_store_n(&fail_at, nth, __ATOMIC_SEQ_CST);
}

long disarm(void) {
  folder[0] = 0;
  return __atomic_load_n(&calls, __ATOMIC_SEQ_CST);
}

static int fails(const char *path) {
  if (!folder[0] || strncmp(path, folder, strlen(folder)) != 0) return 0;
  long n = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
  if (fail_at && (once ? n == fail_at : n >= fail_at)) {
    errno = code;
    return 1;
  }
  return 0;
}

static int fd_fails(int fd) {
  char link[64], path[4096];
  if (!folder[0]) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return fails(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) { return fd_fails(fd) ? -1 : REAL(write)(fd, data, size); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  return fd_fails(fd) ? -1 : REAL(pwrite)(fd, data, size, at);
}
int fsync(int fd) { return fd_fails(fd) ? -1 : REAL(fsync)(fd); }
int rename(const char *from, const char *to) { return fails(to) ? -1 : REAL(rename)(from, to); }
int mkdir(const char *path, mode_t mode) { return fails(path) ? -1 : REAL(mkdir)(path, mode); }

#define OPEN(name)                                                            \
  int name(const char *path, int flags, ...) {                                \
    va_list rest;                                                             \
    va_start(rest, flags);                                                    \
    mode_t mode = va_arg(rest, mode_t);                                       \
    va_end(rest);                                                             \
    if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) && fails(path)) return -1;    \
    return REAL(name)(path, flags, mode);                                     \
  }
OPEN(open)
OPEN(open64)
