#include "agent_http_multi.h"

#include "dgon/alloc.h"

#include <string.h>

/* --- callbacks of curl and of the loop --- */

/* NULL when memory is short. */
static agent_http_fd *entry(agent_http_multis *all, int fd)
{
    size_t at = (size_t)fd;
    if (at >= all->fds) {
        size_t n = at < 512 ? 1024 : at * 2;
        agent_http_fd *more = dgon_realloc(all->of_fd, n * sizeof *more);
        if (more == NULL) {
            return NULL;
        }
        memset(more + all->fds, 0, (n - all->fds) * sizeof *more);
        all->of_fd = more;
        all->fds = n;
    }
    return &all->of_fd[at];
}

void agent_http_multi_made(agent_http_multis *all, int fd)
{
    agent_http_fd *e = entry(all, fd);
    if (e != NULL) {
        e->made = true;
        e->kept = false;
    }
}

void agent_http_multi_closed(agent_http_multis *all, int fd)
{
    if ((size_t)fd < all->fds) {
        all->of_fd[fd].made = all->of_fd[fd].kept = false;
    }
}

static uint8_t index_of(const agent_http_multi *m)
{
    unsigned i = 0;
    while (m->all->of[i] != m) {
        i++;
    }
    return (uint8_t)i;
}

/* Between two requests curl lets go of a connection, and the next one wants to hear of the same:
 * the loop watches it all the time. */
static void watch(agent_http_multis *all, agent_http_fd *e, int fd, unsigned events, bool known)
{
    if (events == 0 && e->made) {
        e->kept = true;
    } else if (e->kept && events == AGENT_LOOP_IN) {
        e->kept = false;
    } else {
        agent_loop_watch(all->loop, fd, events, known || e->kept);
        e->kept = false;
    }
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    agent_http_multi *m = user;
    (void)easy;
    unsigned events = 0;
    if (what != CURL_POLL_REMOVE) {
        events = ((what & CURL_POLL_IN) != 0 ? (unsigned)AGENT_LOOP_IN : 0u) |
                 ((what & CURL_POLL_OUT) != 0 ? (unsigned)AGENT_LOOP_OUT : 0u);
    }
    agent_http_fd *e = entry(m->all, fd);
    if (e == NULL) {
        return -1; /* curl gives the request up */
    }
    if (known == NULL) {
        e->multi = index_of(m);
    }
    if (!m->all->draining) {
        watch(m->all, e, fd, events, known != NULL);
    }
    (void)curl_multi_assign(m->curl, fd, m); /* known from now on */
    return 0;
}

static int on_timeout(CURLM *curl, long ms, void *user)
{
    agent_http_multi *m = user;
    (void)curl;
    if (m->all->draining || ms < 0) {
        agent_timer_stop(m->timer);
    } else {
        agent_timer_set(m->timer, (uint64_t)ms);
    }
    return 0;
}

/* By the timer, or by hand: then the timer has had its turn too, of which curl does not tell. */
static void on_timer(void *user)
{
    agent_http_multi *m = user;
    int running = 0;
    m->touched = true;
    agent_timer_stop(m->timer);
    (void)curl_multi_socket_action(m->curl, CURL_SOCKET_TIMEOUT, 0, &running);
}

void agent_http_multi_on_fd(agent_http_multis *all, int fd, unsigned events)
{
    int running = 0, bits = ((events & AGENT_LOOP_IN) != 0 ? CURL_CSELECT_IN : 0) |
                            ((events & AGENT_LOOP_OUT) != 0 ? CURL_CSELECT_OUT : 0) |
                            ((events & AGENT_LOOP_ERR) != 0 ? CURL_CSELECT_ERR : 0);
    if (fd < 0 || (size_t)fd >= all->fds || all->of_fd[fd].multi >= all->count) {
        return;
    }
    if (all->of_fd[fd].kept) { /* the backend is done with it: curl looks before it uses it again */
        all->of_fd[fd].kept = false;
        agent_loop_watch(all->loop, fd, 0, true);
        return;
    }
    agent_http_multi *m = all->of[all->of_fd[fd].multi];
    m->touched = true;
    (void)curl_multi_socket_action(m->curl, fd, bits, &running);
}

/* --- life --- */

static void destroy(agent_http_multi *m)
{
    if (m->curl != NULL) {
        (void)curl_multi_cleanup(m->curl);
    }
    agent_timer_destroy(m->timer);
    dgon_free(m);
}

static agent_http_multi *create(agent_http_multis *all)
{
    agent_http_multi *m = dgon_calloc(1, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    m->all = all;
    m->curl = curl_multi_init();
    m->timer = agent_timer_create(all->loop, on_timer, m);
    if (m->curl == NULL || m->timer == NULL) {
        destroy(m);
        return NULL;
    }
    (void)curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
    (void)curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_timeout);
    (void)curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
    (void)curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, (long)AGENT_HTTP_MULTI_FULL);
    (void)curl_multi_setopt(m->curl, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return m;
}

void agent_http_multi_tick(agent_http_multis *all)
{
    /* from the end, so that no index changes that a descriptor remembers */
    while (all->count > 1 && all->of[all->count - 1]->requests == 0) {
        destroy(all->of[--all->count]);
    }
}

void agent_http_multi_fini(agent_http_multis *all)
{
    all->draining = true;
    while (all->count > 0) {
        destroy(all->of[--all->count]);
    }
    dgon_free(all->of_fd);
    all->of_fd = NULL;
    all->fds = 0;
}

/* --- requests --- */

/* The first ones are filled first, so that their kept connections are used again. */
static agent_http_multi *with_room(agent_http_multis *all)
{
    agent_http_multi *least = NULL;
    for (unsigned i = 0; i < all->count; i++) {
        if (all->of[i]->requests < AGENT_HTTP_MULTI_FULL) {
            return all->of[i];
        }
        if (least == NULL || all->of[i]->requests < least->requests) {
            least = all->of[i];
        }
    }
    if (all->count < AGENT_HTTP_MULTIS) {
        agent_http_multi *m = create(all);
        if (m != NULL) {
            all->of[all->count++] = m;
            return m;
        }
    }
    return least;
}

agent_http_multi *agent_http_multi_add(agent_http_multis *all, CURL *easy)
{
    agent_http_multi *m = with_room(all);
    if (m == NULL || curl_multi_add_handle(m->curl, easy) != CURLM_OK) {
        return NULL;
    }
    m->requests++;
    m->added = true;
    return m;
}

void agent_http_multi_remove(agent_http_multi *m, CURL *easy)
{
    (void)curl_multi_remove_handle(m->curl, easy);
    m->requests--;
}

bool agent_http_multi_again(agent_http_multi *m, CURL *easy)
{
    (void)curl_multi_remove_handle(m->curl, easy);
    m->added = true;
    return curl_multi_add_handle(m->curl, easy) == CURLM_OK;
}

static CURL *finished_in(agent_http_multi *m, CURLcode *code)
{
    int left = 0;
    if (m->added) {
        m->added = false;
        on_timer(m); /* else curl would begin in the next turn of the loop */
    }
    while (m->touched) {
        CURLMsg *msg = curl_multi_info_read(m->curl, &left);
        if (msg == NULL) {
            m->touched = false;
        } else if (msg->msg == CURLMSG_DONE) {
            *code = msg->data.result; /* the message dies with the handle's removal */
            return msg->easy_handle;
        }
    }
    return NULL;
}

CURL *agent_http_multi_finished(agent_http_multis *all, CURLcode *code)
{
    for (unsigned i = 0; i < all->count; i++) {
        CURL *easy = finished_in(all->of[i], code);
        if (easy != NULL) {
            return easy;
        }
    }
    return NULL;
}
