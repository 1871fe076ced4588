#include "fakellm_conn.h"

#include "fakellm_stats.h"
#include "fakellm_timetable.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MAX 16384
#define UNSENT_MAX \
    16384 /* bytes that the kernel holds and has not sent: a token is stamped when it goes */

static struct conn *all, *dead;

void conn_accept(int listener, int epoll)
{
    int fd, one = 1, unsent = UNSENT_MAX;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = calloc(1, sizeof(*c));
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};

        if (!c) {
            die("memory");
        }
        c->fd = fd;
        c->after = all;
        if (all) {
            all->before = c;
        }
        all = c;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e)) {
            die("epoll_ctl");
        }
        stats_opened();
    }
    if (errno == EMFILE || errno == ENFILE) {
        die("accept");
    }
}

void conn_close(struct conn *c)
{
    if (c->dead) {
        return;
    }
    if (c->state != READING) {
        stats_aborted(c->plan.id);
    }
    timetable_remove(c);
    close(c->fd);
    stats.open--;
    c->dead = true;
    c->next_dead = dead;
    dead = c;
}

void conn_bury(void)
{
    while (dead) {
        struct conn *c = dead;

        dead = c->next_dead;
        if (c->after) {
            c->after->before = c->before;
        }
        *(c->before ? &c->before->after : &all) = c->after;
        bytes_free(&c->in);
        bytes_free(&c->out);
        free(c);
    }
}

void conn_fini(void)
{
    while (all) {
        conn_close(all);
        conn_bury();
    }
}

bool conn_flush(struct conn *c)
{
    while (bytes_used(&c->out)) {
        ssize_t n = send(c->fd, bytes_begin(&c->out), bytes_used(&c->out), MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return true;
        }
        if (n < 0) {
            conn_close(c);
            return false;
        }
        c->out.at += (size_t)n;
    }
    c->out.at = c->out.len = 0;
    if (c->close_after && c->state == READING) {
        conn_close(c);
        return false;
    }
    return true;
}

bool conn_read(struct conn *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, bytes_room(&c->in, READ_MAX), READ_MAX, 0);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return true;
        }
        if (n <= 0 || bytes_used(&c->in) > BODY_MAX + HEAD_MAX) {
            conn_close(c);
            return false;
        }
        c->in.len += (size_t)n;
        if (n < READ_MAX) {
            return true; /* whatever comes later is another event */
        }
    }
}

void conn_answer(struct conn *c, const char *status, const char *type, const char *body, size_t n)
{
    bytes_printf(&c->out,
                 "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n",
                 status, type, n, c->close_after ? "close" : "keep-alive");
    bytes_add(&c->out, body, n);
}

void conn_answer_json(struct conn *c, const char *status, const struct bytes *body)
{
    conn_answer(c, status, "application/json", bytes_begin(body), bytes_used(body));
}
