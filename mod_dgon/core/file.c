#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "dgon/file.h"

#include "dgon/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_WAIT_MS 10000
#define LOCK_STEP_MS 20
#define PIECE        4096u

static dgon_status complain(char *why, dgon_status s, const char *path, const char *what)
{
    (void)snprintf(why, DGON_FILE_WHY, "%s: %s", path, what);
    return s;
}

static dgon_status failed(char *why, const char *path)
{
    return complain(why, errno == ENOENT ? DGON_ENOTFOUND : DGON_ESYS, path, strerror(errno));
}

static dgon_file_stamp stamp_of(const struct stat *st)
{
    return (dgon_file_stamp){.written = {st->st_mtim.tv_sec, st->st_mtim.tv_nsec},
                             .changed = {st->st_ctim.tv_sec, st->st_ctim.tv_nsec},
                             .size = (uint64_t)st->st_size,
                             .inode = (uint64_t)st->st_ino,
                             .mode = (uint32_t)st->st_mode,
                             .owner = (uint32_t)st->st_uid,
                             .group = (uint32_t)st->st_gid};
}

static dgon_status read_all(int fd, const char *path, dgon_buf *out, char *why)
{
    char piece[PIECE];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n == 0)
            return DGON_OK;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(why, path);
        dgon_status s = dgon_buf_add(out, piece, (size_t)n);
        if (s != DGON_OK)
            return complain(why, s, path, s == DGON_ETOOBIG ? "is too large" : "no memory");
    }
}

dgon_status dgon_file_read(const char *path, unsigned forbidden, dgon_buf *out,
                           dgon_file_stamp *stamp, char why[DGON_FILE_WHY])
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return failed(why, path);
    dgon_status s;
    if (fstat(fd, &st) != 0)
        s = failed(why, path);
    else if (!S_ISREG(st.st_mode))
        s = complain(why, DGON_EINVAL, path, "is not a file");
    else if ((st.st_mode & forbidden) != 0) {
        char what[96];
        (void)snprintf(what, sizeof what,
                       "may be used by others: its mode is %04o, write chmod %04o",
                       (unsigned)st.st_mode & 07777u, (unsigned)st.st_mode & 07777u & ~forbidden);
        s = complain(why, DGON_EINVAL, path, what);
    } else
        s = read_all(fd, path, out, why);
    (void)close(fd);
    if (s == DGON_OK && stamp != NULL)
        *stamp = stamp_of(&st);
    return s;
}

bool dgon_file_changed(const char *path, const dgon_file_stamp *stamp)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return true;
    dgon_file_stamp now = stamp_of(&st);
    return now.written.seconds != stamp->written.seconds ||
           now.written.nanoseconds != stamp->written.nanoseconds ||
           now.changed.seconds != stamp->changed.seconds ||
           now.changed.nanoseconds != stamp->changed.nanoseconds || now.size != stamp->size ||
           now.inode != stamp->inode || now.mode != stamp->mode || now.owner != stamp->owner ||
           now.group != stamp->group;
}

/* path with something behind it; the caller frees it. NULL: no memory. */
static char *beside(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    char *name = dgon_malloc(n + m + 1);
    if (name != NULL) {
        memcpy(name, path, n);
        memcpy(name + n, suffix, m + 1);
    }
    return name;
}

/* root makes files for whoever the directory belongs to: httpd's children, say. */
static bool own_by_directory(int fd, const char *path)
{
    struct stat dir, st;
    char *name = geteuid() == 0 ? beside(path, "") : NULL;
    if (name == NULL)
        return geteuid() != 0;
    char *slash = strrchr(name, '/');
    if (slash != NULL)
        slash[slash == name ? 1 : 0] = '\0';
    bool ok = stat(slash != NULL ? name : ".", &dir) == 0 && fstat(fd, &st) == 0 &&
              st.st_nlink == 1 && (st.st_uid != 0 || fchown(fd, dir.st_uid, dir.st_gid) == 0);
    dgon_free(name);
    return ok;
}

int dgon_file_lock(const char *path, char why[DGON_FILE_WHY])
{
    char *name = beside(path, ".lock");
    if (name == NULL) {
        (void)complain(why, DGON_ENOMEM, path, "no memory");
        return -1;
    }
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || !own_by_directory(fd, name)) {
        (void)failed(why, name);
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    }
    for (int waited = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; waited += LOCK_STEP_MS) {
        if (errno == EWOULDBLOCK && waited < LOCK_WAIT_MS) {
            const struct timespec step = {0, LOCK_STEP_MS * 1000000L};
            (void)nanosleep(&step, NULL);
            continue;
        }
        if (errno == EWOULDBLOCK)
            (void)complain(why, DGON_ESYS, name, "somebody else holds it for too long");
        else
            (void)failed(why, name);
        (void)close(fd);
        fd = -1;
    }
    dgon_free(name);
    return fd;
}

void dgon_file_unlock(int lock)
{
    (void)close(lock);
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* A rename is on disk once its directory is. */
static bool sync_directory(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        slash[slash == path ? 1 : 0] = '\0';
    int fd = open(slash != NULL ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

dgon_status dgon_file_replace(const char *path, const void *data, size_t n, unsigned mode,
                              char why[DGON_FILE_WHY])
{
    char *name = beside(path, ".new");
    struct stat old;
    if (name == NULL)
        return complain(why, DGON_ENOMEM, path, "no memory");
    bool is_there = stat(path, &old) == 0;
    (void)unlink(name); /* of somebody who was killed: we hold the lock */
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write_all(fd, data, n);
    if (ok && is_there && fchown(fd, old.st_uid, old.st_gid) != 0)
        ok = errno == EPERM; /* not root: it is ours already, or its directory lets us */
    if (ok && !is_there)
        ok = own_by_directory(fd, path);
    ok = ok && fchmod(fd, is_there ? old.st_mode & 07777u : (mode_t)mode) == 0 && fsync(fd) == 0 &&
         rename(name, path) == 0;
    dgon_status s = ok ? DGON_OK : failed(why, name);
    if (!ok && fd >= 0)
        (void)unlink(name);
    if (fd >= 0)
        (void)close(fd);
    if (ok && !sync_directory(name))
        s = failed(why, path);
    dgon_free(name);
    return s;
}
