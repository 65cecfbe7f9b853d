/* Make calls that change regular files fail, from the n-th on: for the campaign that breaks recordings (LD_PRELOAD). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long calls_left = -1;
static long failures_left = 0;
static int failure = EIO;

void fail_after(long calls, long failures, int error) {
    calls_left = calls;
    failures_left = failures;
    failure = error;
}

static int fails(void) {
    if (calls_left < 0) return 0;
    if (calls_left-- > 0) return 0;
    calls_left = 0;
    if (failures_left-- > 0) {
        errno = failure;
        return 1;
    }
    calls_left = -1;
    return 0;
}

static int is_regular(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (is_regular(fd) && fails()) return -1;
    return real(fd, data, size);
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    return fails() ? -1 : real(fd);
}

int rename(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real) real = dlsym(RTLD_NEXT, "rename");
    return fails() ? -1 : real(from, to);
}
