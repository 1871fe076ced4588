/* The administrators' UNIX socket: a line of JSON in, the answer out, closed. A few threads in each
 * child, so that a slow asker holds up nobody but askers: one more than models may be loaded at
 * once, which takes minutes. */
#include "mod_dgon_admin.h"

#include "mod_dgon_load.h"

#include <apr_strings.h>
#include <apr_time.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ASK_MS  2000 /* for the whole question */
#define WAITING 16   /* askers */
#define THREADS (MOD_DGON_LOADS_MAX + 1)

static int listenfd = -1; /* of the parent, inherited */
static struct stat bound; /* what the parent made at the socket's path */

typedef struct door {
    mod_dgon_engine *engine;
    pthread_t thread[THREADS];
    unsigned threads;
    int stopfd; /* readable from when on nothing new is taken */
    atomic_bool closed;
} door;

/* In the parent, when its configuration goes. Another httpd may have its own socket at the path by
 * now: one that stops gracefully is there for a while after its successor. */
static apr_status_t close_listener(void *data)
{
    const char *path = data;
    struct stat st;
    if (listenfd >= 0 && lstat(path, &st) == 0 && st.st_dev == bound.st_dev &&
        st.st_ino == bound.st_ino)
        (void)unlink(path);
    if (listenfd >= 0)
        close(listenfd);
    listenfd = -1;
    return APR_SUCCESS;
}

static int failed(server_rec *s, const char *path, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_EMERG, APR_FROM_OS_ERROR(errno), s,
                 "DGON0072: DgonAdminSocket %s cannot be made (%s): its directory must be there, "
                 "and be root's",
                 path, what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

/* A socket that was left behind may go; anything else stays, and is a mistake. */
static bool is_socket_or_free(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT;
    if (S_ISSOCK(st.st_mode))
        return true;
    errno = EEXIST;
    return false;
}

int mod_dgon_admin_listen(apr_pool_t *p, server_rec *s)
{
    const char *path = mod_dgon_config_get(s)->admin_socket;
    if (path == NULL)
        return OK;
    /* It gets its name when it listens: who finds it never finds it closed. */
    const char *making = apr_pstrcat(p, path, ".new", NULL);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(making) >= sizeof(at.sun_path)) {
        errno = ENAMETOOLONG;
        return failed(s, path, "path");
    }
    apr_cpystrn(at.sun_path, making, sizeof(at.sun_path));
    if (!is_socket_or_free(path) || !is_socket_or_free(making) ||
        (unlink(making) != 0 && errno != ENOENT))
        return failed(s, path, "something is there");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(s, path, "socket");
    mode_t before = umask(0177);
    int rv = bind(fd, (const struct sockaddr *)&at, sizeof(at));
    umask(before);
    if (rv != 0 || lstat(making, &bound) != 0 || listen(fd, WAITING) != 0 ||
        rename(making, path) != 0) {
        int rc = failed(s, path, "bind");
        close(fd);
        if (rv == 0)
            (void)unlink(making);
        return rc;
    }
    listenfd = fd;
    apr_pool_cleanup_register(p, apr_pstrdup(p, path), close_listener, apr_pool_cleanup_null);
    return OK;
}

static bool ready(int fd, short what, int stopfd, int ms)
{
    struct pollfd p[2] = {{.fd = fd, .events = what}, {.fd = stopfd, .events = POLLIN}};
    int n;
    do {
        n = poll(p, 2, ms);
    } while (n < 0 && errno == EINTR);
    return n > 0 && p[1].revents == 0 && p[0].revents != 0;
}

/* Up to the end of the line; false: too long, too late, or cut. */
static bool read_question(int fd, int stopfd, char *line, size_t size, size_t *n)
{
    uint64_t until = mod_dgon_now_ms() + ASK_MS;
    *n = 0;
    for (;;) {
        uint64_t now = mod_dgon_now_ms();
        if (now >= until || !ready(fd, POLLIN, stopfd, (int)(until - now)))
            return false;
        ssize_t got = read(fd, line + *n, size - *n);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0)
            return false;
        const char *end = memchr(line + *n, '\n', (size_t)got);
        *n += (size_t)got;
        if (end != NULL) {
            *n = (size_t)(end - line);
            return true;
        }
        if (*n == size)
            return false;
    }
}

bool mod_dgon_admin_write(mod_dgon_engine *e, int fd, const char *p, size_t n)
{
    uint64_t until = mod_dgon_now_ms() + MOD_DGON_ADMIN_TAKE_MS;
    for (size_t at = 0; at < n;) {
        struct pollfd to = {.fd = fd, .events = POLLOUT};
        bool now = atomic_load(&e->stopping); /* or never */
        if (poll(&to, 1, now ? 0 : MOD_DGON_TICK_MS) <= 0) {
            if (now || mod_dgon_now_ms() >= until)
                return false;
            continue;
        }
        ssize_t k = send(fd, p + at, n - at, MSG_NOSIGNAL);
        if (k < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (k > 0) {
            at += (size_t)k;
            until = mod_dgon_now_ms() + MOD_DGON_ADMIN_TAKE_MS;
        }
    }
    return true;
}

static void answer(mod_dgon_engine *e, int fd, const char *line, size_t n, const char *who)
{
    dgon_buf out;
    dgon_buf_init(&out, MOD_DGON_ADMIN_MAX);
    (void)mod_dgon_admin_do(e, line, n, who, &out);
    if (dgon_buf_adds(&out, "\n") == DGON_OK)
        (void)mod_dgon_admin_write(e, fd, out.data, out.len);
    dgon_buf_fini(&out);
}

static void serve(door *d, int fd)
{
    char line[MOD_DGON_ADMIN_BODY], who[32] = "somebody at the socket";
    struct ucred peer;
    socklen_t len = sizeof(peer);
    size_t n;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        apr_snprintf(who, sizeof(who), "uid %u", (unsigned)peer.uid);
    if (!read_question(fd, d->stopfd, line, sizeof(line), &n))
        return;
    if (mod_dgon_admin_is_load(line, n))
        mod_dgon_admin_load(d->engine, fd, line, n, who);
    else
        answer(d->engine, fd, line, n, who);
}

static void take(door *d)
{
    int fd = accept4(listenfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        serve(d, fd);
        close(fd);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        apr_sleep(apr_time_from_msec(MOD_DGON_TICK_MS)); /* no descriptors are left */
    }                                                    /* else somebody else was faster */
}

static void *run(void *arg)
{
    door *d = arg;
    mod_dgon_engine *e = d->engine;
    pthread_setname_np(pthread_self(), "dgon-admin");
    while (!atomic_load(&e->stopping) && ready(listenfd, POLLIN, d->stopfd, -1)) {
        /* counted before it looks: whoever closes finds it counted, or it finds the door closed */
        atomic_fetch_add(&e->askers, 1);
        if (!atomic_load(&d->closed))
            take(d);
        atomic_fetch_sub(&e->askers, 1);
    }
    return NULL;
}

/* Before the engine ends, which waits for who is inside. */
static apr_status_t close_door(void *data)
{
    door *d = data;
    uint64_t one = 1;
    atomic_store(&d->closed, true);
    ssize_t n = write(d->stopfd, &one, sizeof(one));
    (void)n;
    return APR_SUCCESS;
}

static apr_status_t end(void *data)
{
    door *d = data;
    for (unsigned i = 0; i < d->threads; i++)
        pthread_join(d->thread[i], NULL);
    close(d->stopfd);
    return APR_SUCCESS;
}

void mod_dgon_admin_start(apr_pool_t *pchild, mod_dgon_engine *e)
{
    door *d = apr_pcalloc(pchild, sizeof(*d));
    if (listenfd < 0 || e == NULL)
        return;
    d->engine = e;
    d->stopfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = d->stopfd < 0 ? errno : 0;
    while (rc == 0 && d->threads < THREADS) {
        rc = pthread_create(&d->thread[d->threads], NULL, run, d);
        d->threads += rc == 0;
    }
    if (rc != 0)
        ap_log_error(APLOG_MARK, APLOG_WARNING, APR_FROM_OS_ERROR(rc), e->server,
                     "DGON0073: this child answers at DgonAdminSocket with %u of %u threads",
                     d->threads, THREADS);
    if (d->stopfd < 0)
        return;
    apr_pool_pre_cleanup_register(pchild, d, close_door);
    apr_pool_cleanup_register(pchild, d, end, apr_pool_cleanup_null);
}
