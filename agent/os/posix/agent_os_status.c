/* The status socket: a UNIX socket that only its owner and root may connect to. */
#include "agent_os.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 8

unsigned agent_os_pid(void)
{
    return (unsigned)getpid();
}

const char *agent_os_status_path(void)
{
    return "/run/dgon-agent/status.sock";
}

static bool address(const char *path, struct sockaddr_un *to)
{
    size_t n = strlen(path);
    memset(to, 0, sizeof *to);
    to->sun_family = AF_UNIX;
    if (n == 0 || n >= sizeof to->sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(to->sun_path, path, n);
    return true;
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* A socket that nobody answers was left by an agent that was killed. */
static bool is_left_over(const struct sockaddr_un *to)
{
    struct stat st;
    int fd = lstat(to->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) ? new_socket() : -1;
    if (fd < 0) {
        return false;
    }
    bool refused =
        connect(fd, (const struct sockaddr *)to, sizeof *to) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return refused;
}

int agent_os_status_listen(const char *path)
{
    struct sockaddr_un to;
    if (!address(path, &to)) {
        return -1;
    }
    int fd = new_socket();
    if (fd < 0) {
        return -1;
    }
    if (is_left_over(&to)) {
        (void)unlink(path);
    }
    mode_t old = umask(0177);
    int bad = bind(fd, (const struct sockaddr *)&to, sizeof to);
    (void)umask(old);
    if (bad != 0 || listen(fd, BACKLOG) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

void agent_os_status_close(int fd, const char *path)
{
    if (fd >= 0) {
        (void)unlink(path);
        (void)close(fd);
    }
}

void agent_os_status_answer(int fd, const char *text, size_t n)
{
    int to = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (to >= 0) {
        /* A fresh socket takes all of it at once. */
        if (n != 0) {
            ssize_t sent = send(to, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);
            (void)sent;
        }
        (void)close(to);
    }
}

static dgon_status read_all(int fd, uint32_t wait_ms, dgon_buf *out)
{
    uint64_t until = agent_os_now_ms() + wait_ms;
    for (;;) {
        char piece[4096];
        uint64_t now = agent_os_now_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = now < until ? poll(&p, 1, (int)(until - now)) : 0;
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready == 0) {
            errno = ETIMEDOUT;
            return DGON_ESYS;
        }
        ssize_t n = ready > 0 ? read(fd, piece, sizeof piece) : -1;
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (n <= 0) {
            return n == 0 ? DGON_OK : DGON_ESYS;
        }
        dgon_status s = dgon_buf_add(out, piece, (size_t)n);
        if (s != DGON_OK) {
            return s;
        }
    }
}

dgon_status agent_os_status_ask(const char *path, uint32_t wait_ms, dgon_buf *out, char *why,
                                size_t why_size)
{
    struct sockaddr_un to;
    int fd = -1;
    dgon_status s = DGON_ESYS;
    if (address(path, &to) && (fd = new_socket()) >= 0 &&
        connect(fd, (const struct sockaddr *)&to, sizeof to) == 0) {
        s = read_all(fd, wait_ms, out);
    }
    (void)snprintf(why, why_size, "%s", s == DGON_ESYS ? strerror(errno) : dgon_status_str(s));
    if (s == DGON_ESYS && fd >= 0 && (errno == ENOENT || errno == ECONNREFUSED)) {
        s = DGON_ENOTFOUND;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return s;
}
