/* Writes down what a process does to the files below a directory, so that a test can say what a power
 * cut would have left of them. Loaded with LD_PRELOAD; read by trace.rs, which tells the form.
 *
 * POWER_LOSS_ROOT   the directory
 * POWER_LOSS_TRACE  where to write, by appending; without it nothing is written down
 * POWER_LOSS_SPACE  how many bytes the files may grow by before the disk is full; without it, it never is
 *
 * One lock is held over each call and its record, so the order of the records is the order of the
 * calls. A sync is only written down: what it would have done is for the reader to say. A call that
 * changes files and is not understood is written down as such ('!'), and the test fails for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int trace = -1;
static int limited;
static int64_t space;

__attribute__((constructor)) static void begin(void) {
    const char *directory = getenv("POWER_LOSS_ROOT");
    const char *file = getenv("POWER_LOSS_TRACE");
    const char *bytes = getenv("POWER_LOSS_SPACE");
    if (!directory || !realpath(directory, root)) _exit(97);
    root_length = strlen(root);
    if (file) {
        trace = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (trace < 0) _exit(98);
    }
    if (bytes) { limited = 1; space = strtoll(bytes, NULL, 10); }
}

static void put(const void *bytes, size_t length) {
    const char *next = bytes;
    while (length > 0) {
        long wrote = syscall(SYS_write, trace, next, length);
        if (wrote <= 0) _exit(99);
        next += wrote;
        length -= (size_t)wrote;
    }
}

/* kind, file number, place, length of what follows, what follows */
static void record(char kind, uint64_t file, uint64_t place, const void *bytes, size_t length) {
    if (trace < 0) return;
    struct { uint64_t kind, file, place, length; } head = {(uint64_t)kind, file, place, length};
    int before = errno;
    put(&head, sizeof head);
    put(bytes, length);
    errno = before;
}

static const char *below(const char *absolute) {
    if (strncmp(absolute, root, root_length) != 0) return NULL;
    if (absolute[root_length] == 0) return absolute + root_length;
    return absolute[root_length] == '/' ? absolute + root_length + 1 : NULL;
}

/* The path below the root of a name whose last part need not exist; NULL if it lies elsewhere. */
static const char *named(int at, const char *path, char *into) {
    char whole[PATH_MAX], parent[PATH_MAX];
    if (path[0] == '/' || at == AT_FDCWD) {
        snprintf(whole, sizeof whole, "%s", path);
    } else {
        char link[64], directory[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, directory, sizeof directory - 1);
        if (length < 0) return NULL;
        directory[length] = 0;
        snprintf(whole, sizeof whole, "%.2000s/%.2000s", directory, path);
    }
    char *end = whole + strlen(whole);
    while (end > whole + 1 && end[-1] == '/') *--end = 0;
    char *slash = strrchr(whole, '/');
    const char *name = slash ? slash + 1 : whole;
    if (slash == whole) snprintf(parent, sizeof parent, "/");
    else if (slash) { *slash = 0; if (!realpath(whole, parent)) return NULL; }
    else if (!realpath(".", parent)) return NULL;
    snprintf(into, PATH_MAX, "%.2000s/%.2000s", parent, name);
    return below(into);
}

/* The number of an open file below the root, and its path there; 0 if it is none. */
static uint64_t found(int fd, char *into, const char **name) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, into, PATH_MAX - 1);
    if (length < 0) return 0;
    into[length] = 0;
    struct stat about;
    *name = below(into);
    return *name && fstat(fd, &about) == 0 ? about.st_ino : 0;
}

static uint64_t numbered(int fd) {
    char path[PATH_MAX];
    const char *name;
    return found(fd, path, &name);
}

static int64_t size_of(int fd) {
    struct stat about;
    return fstat(fd, &about) == 0 ? about.st_size : 0;
}

/* How much of a write the disk has room for; -1: nothing of it. */
static ssize_t room(int fd, int64_t place, size_t length) {
    if (!limited) return (ssize_t)length;
    int64_t growth = place + (int64_t)length - size_of(fd);
    if (growth <= 0) return (ssize_t)length;
    if (growth <= space) { space -= growth; return (ssize_t)length; }
    int64_t fits = (int64_t)length - (growth - space);
    if (fits <= 0) { errno = ENOSPC; return -1; }
    space = 0;
    return (ssize_t)fits;
}

static int opened(int at, const char *path, int flags, mode_t mode) {
    char buffer[PATH_MAX];
    const char *name = (flags & (O_CREAT | O_TRUNC)) || !(flags & O_DIRECTORY) ? named(at, path, buffer) : NULL;
    if (!name) return (int)syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat about;
    int was = fstatat(at, path, &about, 0) == 0;
    int fd;
    if (!was && (flags & O_CREAT) && limited && space <= 0) { errno = ENOSPC; fd = -1; }
    else fd = (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
        record(was ? 'O' : 'N', about.st_ino, 0, name, strlen(name));
        if (was && (flags & O_TRUNC)) record('T', about.st_ino, 0, "", 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(last) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return opened(at, path, flags, mode); }

static ssize_t written(int fd, const void *bytes, size_t length, int64_t place) {
    uint64_t file = numbered(fd);
    int64_t from = place;
    if (!file && fd != STDOUT_FILENO)
        return place < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, place);
    pthread_mutex_lock(&lock);
    ssize_t wrote = (ssize_t)length;
    if (file) {
        if (place < 0) from = fcntl(fd, F_GETFL) & O_APPEND ? size_of(fd) : lseek(fd, 0, SEEK_CUR);
        wrote = room(fd, from, length);
    }
    if (wrote > 0)
        wrote = place < 0 ? syscall(SYS_write, fd, bytes, wrote) : syscall(SYS_pwrite64, fd, bytes, wrote, place);
    if (wrote > 0) record(file ? 'W' : 'A', file, file ? (uint64_t)from : 0, bytes, (size_t)wrote);
    pthread_mutex_unlock(&lock);
    return wrote;
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t place) { return written(fd, bytes, length, place); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t place) { return written(fd, bytes, length, place); }

/* The first piece only: whoever writes pieces goes on with the rest, as after any short write. */
ssize_t writev(int fd, const struct iovec *pieces, int count) {
    for (int piece = 0; piece < count; piece++)
        if (pieces[piece].iov_len) return written(fd, pieces[piece].iov_base, pieces[piece].iov_len, -1);
    return 0;
}

static int synced(int fd) {
    char path[PATH_MAX];
    const char *name;
    uint64_t file = found(fd, path, &name);
    if (!file) return (int)syscall(SYS_fdatasync, fd);
    pthread_mutex_lock(&lock);
    record('S', file, 0, name, strlen(name));
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }

static int cut(int fd, int64_t length) {
    uint64_t file = numbered(fd);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_ftruncate, fd, length);
    if (done == 0 && file) record('T', file, (uint64_t)length, "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

static int renamed(int from_at, const char *from, int to_at, const char *to) {
    char from_buffer[PATH_MAX], to_buffer[PATH_MAX], both[2 * PATH_MAX];
    const char *old = named(from_at, from, from_buffer), *new = named(to_at, to, to_buffer);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_renameat, from_at, from, to_at, to);
    if (done == 0 && (old || new)) {
        int length = old && new ? snprintf(both, sizeof both, "%s\n%s", old, new) : 0;
        record(length ? 'R' : '!', 0, 0, length ? both : "rename", length ? (size_t)length : 6);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int a, const char *from, int b, const char *to) { return renamed(a, from, b, to); }

static int removed(int at, const char *path, int flags) {
    char buffer[PATH_MAX];
    const char *name = named(at, path, buffer);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_unlinkat, at, path, flags);
    if (done == 0 && name) record('U', 0, 0, name, strlen(name));
    pthread_mutex_unlock(&lock);
    return done;
}

int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int at, const char *path, int flags) { return removed(at, path, flags); }

static int made(int at, const char *path, mode_t mode) {
    char buffer[PATH_MAX];
    struct stat about;
    const char *name = named(at, path, buffer);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_mkdirat, at, path, mode);
    if (done == 0 && name && fstatat(at, path, &about, 0) == 0) record('D', about.st_ino, 0, name, strlen(name));
    pthread_mutex_unlock(&lock);
    return done;
}

int mkdir(const char *path, mode_t mode) { return made(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return made(at, path, mode); }

/* It promises nothing that lasts: neither the file's length nor the disk's cache. */
int sync_file_range(int fd, off64_t from, off64_t length, unsigned flags) {
    (void)fd; (void)from; (void)length; (void)flags;
    return 0;
}

/* What is not understood. */
#define UNKNOWN(fd, name) \
    if (numbered(fd)) { pthread_mutex_lock(&lock); record('!', 0, 0, name, sizeof name - 1); pthread_mutex_unlock(&lock); }

int fallocate(int fd, int mode, off_t from, off_t length) {
    UNKNOWN(fd, "fallocate")
    return (int)syscall(SYS_fallocate, fd, mode, from, length);
}

int fallocate64(int fd, int mode, off64_t from, off64_t length) {
    UNKNOWN(fd, "fallocate64")
    return (int)syscall(SYS_fallocate, fd, mode, from, length);
}

ssize_t copy_file_range(int a, off64_t *from, int b, off64_t *to, size_t length, unsigned flags) {
    UNKNOWN(b, "copy_file_range")
    return syscall(SYS_copy_file_range, a, from, b, to, length, flags);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t place) {
    UNKNOWN(fd, "pwritev")
    return syscall(SYS_pwritev, fd, pieces, count, place, 0);
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t place) { return pwritev(fd, pieces, count, place); }

static void *mapped(void *at, size_t length, int protection, int flags, int fd, off64_t place) {
    if (fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE)) { UNKNOWN(fd, "mmap") }
    return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, place);
}

void *mmap(void *at, size_t length, int p, int flags, int fd, off_t place) { return mapped(at, length, p, flags, fd, place); }
void *mmap64(void *at, size_t length, int p, int flags, int fd, off64_t place) { return mapped(at, length, p, flags, fd, place); }
