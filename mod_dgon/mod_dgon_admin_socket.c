/* The administrators' UNIX socket: a line of JSON in, the answer out, closed. One question at a
 * time in each child, in a thread of its own, so that a slow asker holds up nobody but askers. */
#include "mod_dgon_admin.h"

#include <apr_strings.h>
#include <apr_time.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ASK_MS  2000  /* for the whole question */
#define TAKE_MS 10000 /* for each piece of the answer */
#define WAITING 16    /* askers */

static int listenfd = -1; /* of the parent, inherited */

typedef struct asker_thread {
    mod_dgon_engine *engine;
    pthread_t thread;
    int stopfd;
} asker_thread;

static apr_status_t close_listener(void *data)
{
    (void)data;
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

/* A socket that was left behind goes; anything else stays, and is a mistake. */
static bool make_way(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return false;
    }
    return unlink(path) == 0;
}

int mod_dgon_admin_listen(apr_pool_t *p, server_rec *s)
{
    const char *path = mod_dgon_config_get(s)->admin_socket;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (path == NULL)
        return OK;
    if (strlen(path) >= sizeof(at.sun_path)) {
        errno = ENAMETOOLONG;
        return failed(s, path, "path");
    }
    apr_cpystrn(at.sun_path, path, sizeof(at.sun_path));
    if (!make_way(path))
        return failed(s, path, "something is there");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(s, path, "socket");
    mode_t before = umask(0177);
    int bound = bind(fd, (const struct sockaddr *)&at, sizeof(at));
    umask(before);
    if (bound != 0 || listen(fd, WAITING) != 0) {
        int rc = failed(s, path, "bind");
        close(fd);
        return rc;
    }
    listenfd = fd;
    apr_pool_cleanup_register(p, NULL, close_listener, apr_pool_cleanup_null);
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

static void write_answer(int fd, int stopfd, const dgon_buf *out)
{
    for (size_t at = 0; at < out->len;) {
        if (!ready(fd, POLLOUT, stopfd, TAKE_MS))
            return;
        ssize_t n = send(fd, out->data + at, out->len - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return;
        at += n > 0 ? (size_t)n : 0;
    }
}

static void serve(asker_thread *t, int fd)
{
    char line[MOD_DGON_ADMIN_BODY], who[32] = "somebody at the socket";
    struct ucred peer;
    socklen_t len = sizeof(peer);
    size_t n;
    dgon_buf out;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        apr_snprintf(who, sizeof(who), "uid %u", (unsigned)peer.uid);
    if (!read_question(fd, t->stopfd, line, sizeof(line), &n))
        return;
    dgon_buf_init(&out, MOD_DGON_ADMIN_MAX);
    (void)mod_dgon_admin_do(t->engine, line, n, who, &out);
    if (dgon_buf_adds(&out, "\n") == DGON_OK)
        write_answer(fd, t->stopfd, &out);
    dgon_buf_fini(&out);
}

static void *run(void *arg)
{
    asker_thread *t = arg;
    pthread_setname_np(pthread_self(), "dgon-admin");
    while (!atomic_load(&t->engine->stopping)) {
        if (!ready(listenfd, POLLIN, t->stopfd, -1))
            break;
        int fd = accept4(listenfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) { /* another child was faster; or no descriptors are left */
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                apr_sleep(apr_time_from_msec(MOD_DGON_TICK_MS));
            continue;
        }
        serve(t, fd);
        close(fd);
    }
    return NULL;
}

static apr_status_t stop(void *data)
{
    asker_thread *t = data;
    uint64_t one = 1;
    ssize_t n = write(t->stopfd, &one, sizeof(one));
    (void)n;
    pthread_join(t->thread, NULL);
    close(t->stopfd);
    return APR_SUCCESS;
}

void mod_dgon_admin_start(apr_pool_t *pchild, mod_dgon_engine *e)
{
    asker_thread *t = apr_pcalloc(pchild, sizeof(*t));
    if (listenfd < 0 || e == NULL)
        return;
    t->engine = e;
    t->stopfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->stopfd < 0 || pthread_create(&t->thread, NULL, run, t) != 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, APR_FROM_OS_ERROR(errno), e->server,
                     "DGON0073: this child does not answer at DgonAdminSocket");
        return;
    }
    apr_pool_pre_cleanup_register(pchild, t, stop);
}
