/* Records what a process changes on a disk, in order, for `cut_anywhere.py`, which drops what was not synced.

   Preloaded (LD_PRELOAD). Nothing is recorded until `cut_start`; then every call that writes to a file, changes a folder
   or syncs either is appended to a log: a header of five numbers, then a path or two or bytes. Reads are not recorded.
   One lock orders the calls of all threads as they happen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, TRUNCATE, RENAME, UNLINK, MKDIR, RMDIR, SYNC, SYNC_ALL, CLOSED };

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int logged = -1;
static char watched[4096]; /* descriptors of files that are written */

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void cut_start(const char *path) {
    logged = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void put(const void *bytes, size_t size) {
    const char *left = bytes;
    while (size > 0) {
        ssize_t done = syscall(SYS_write, logged, left, size);
        if (done <= 0) _exit(99);
        left += done;
        size -= done;
    }
}

static void record(int64_t kind, int64_t fd, int64_t at, const void *one, int64_t size, const void *other, int64_t more) {
    int64_t head[5] = {kind, fd, at, size, more};
    int kept = errno;
    put(head, sizeof head);
    put(one, size);
    put(other, more);
    errno = kept;
}

static void full(int folder, const char *path, char *out) {
    char base[PATH_MAX] = "";
    if (path[0] != '/') {
        if (folder == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) base[0] = 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t size = readlink(link, base, sizeof base - 1);
            base[size < 0 ? 0 : size] = 0;
        }
    }
    snprintf(out, PATH_MAX, "%s%s%s", base, base[0] ? "/" : "", path);
}

static void named(int kind, int64_t fd, int64_t at, int folder, const char *path) {
    char whole[PATH_MAX];
    full(folder, path, whole);
    record(kind, fd, at, whole, strlen(whole), "", 0);
}

static int opened(int fd, int flags, int folder, const char *path, int existed) {
    if (fd >= 0 && fd < (int)sizeof watched) {
        int writes = (flags & O_ACCMODE) != O_RDONLY;
        watched[fd] = writes;
        if (logged >= 0 && writes) named(OPEN, fd, (flags & O_TRUNC ? 1 : 0) | (existed ? 0 : 2), folder, path);
    }
    return fd;
}

#define OPENER(name, parameters, arguments, folder)                                              \
    int name parameters {                                                                       \
        mode_t mode = 0;                                                                        \
        struct stat status;                                                                     \
        if (flags & O_CREAT) {                                                                  \
            va_list more;                                                                       \
            va_start(more, flags);                                                              \
            mode = va_arg(more, mode_t);                                                        \
            va_end(more);                                                                       \
        }                                                                                       \
        pthread_mutex_lock(&turn);                                                              \
        int existed = fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0;                 \
        int (*next)() = (int (*)())dlsym(RTLD_NEXT, #name);                                     \
        int fd = opened(next arguments, flags, folder, path, existed);                          \
        pthread_mutex_unlock(&turn);                                                            \
        return fd;                                                                              \
    }
OPENER(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPENER(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPENER(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode), at)
OPENER(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode), at)

static int is_watched(int fd) { return logged >= 0 && fd >= 0 && fd < (int)sizeof watched && watched[fd]; }

ssize_t write(int fd, const void *bytes, size_t size) {
    pthread_mutex_lock(&turn);
    int64_t at = is_watched(fd) ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : -1;
    ssize_t done = NEXT(write)(fd, bytes, size);
    if (at >= 0 && done > 0) record(WRITE, fd, at, bytes, done, "", 0);
    pthread_mutex_unlock(&turn);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) {
    pthread_mutex_lock(&turn);
    ssize_t done = NEXT(pwrite64)(fd, bytes, size, at);
    if (is_watched(fd) && done > 0) record(WRITE, fd, at, bytes, done, "", 0);
    pthread_mutex_unlock(&turn);
    return done;
}

int ftruncate64(int fd, off_t size) {
    pthread_mutex_lock(&turn);
    int done = NEXT(ftruncate64)(fd, size);
    if (is_watched(fd) && done == 0) record(TRUNCATE, fd, size, "", 0, "", 0);
    pthread_mutex_unlock(&turn);
    return done;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

/* Python then copies with read and write, which are recorded. */
ssize_t sendfile(int out, int in, off_t *at, size_t size) { errno = ENOTSOCK; return -1; }
ssize_t sendfile64(int out, int in, off_t *at, size_t size) { errno = ENOTSOCK; return -1; }
ssize_t copy_file_range(int in, off64_t *a, int out, off64_t *b, size_t size, unsigned flags) { errno = EXDEV; return -1; }

static int renamed(int old_folder, const char *old, int new_folder, const char *new) {
    char one[PATH_MAX], other[PATH_MAX];
    pthread_mutex_lock(&turn);
    int done = syscall(SYS_renameat, old_folder, old, new_folder, new);
    if (done == 0 && logged >= 0) {
        full(old_folder, old, one);
        full(new_folder, new, other);
        record(RENAME, 0, 0, one, strlen(one), other, strlen(other));
    }
    pthread_mutex_unlock(&turn);
    return done;
}
int rename(const char *old, const char *new) { return renamed(AT_FDCWD, old, AT_FDCWD, new); }
int renameat(int a, const char *old, int b, const char *new) { return renamed(a, old, b, new); }

static int removed(int folder, const char *path, int flags) {
    pthread_mutex_lock(&turn);
    int done = syscall(SYS_unlinkat, folder, path, flags);
    if (done == 0 && logged >= 0) named(flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0, 0, folder, path);
    pthread_mutex_unlock(&turn);
    return done;
}
int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { return removed(folder, path, flags); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }

static int made(int folder, const char *path, mode_t mode) {
    pthread_mutex_lock(&turn);
    int done = syscall(SYS_mkdirat, folder, path, mode);
    if (done == 0 && logged >= 0) named(MKDIR, 0, 0, folder, path);
    pthread_mutex_unlock(&turn);
    return done;
}
int mkdir(const char *path, mode_t mode) { return made(AT_FDCWD, path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { return made(folder, path, mode); }

/* The disk is not asked: what counts is that the process asked for it. */
static int synced(int fd) {
    char link[64], path[PATH_MAX];
    struct stat status;
    if (fstat(fd, &status) < 0) return -1;
    pthread_mutex_lock(&turn);
    if (logged >= 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(link, path, sizeof path - 1);
        record(SYNC, fd, S_ISDIR(status.st_mode), path, size < 0 ? 0 : size, "", 0);
    }
    pthread_mutex_unlock(&turn);
    return 0;
}
int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }

static void all_synced(void) {
    pthread_mutex_lock(&turn);
    if (logged >= 0) record(SYNC_ALL, 0, 0, "", 0, "", 0);
    pthread_mutex_unlock(&turn);
}
int syncfs(int fd) { all_synced(); return 0; }
void sync(void) { all_synced(); }
