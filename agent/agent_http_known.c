#include "agent_http_known.h"

#include "agent_os.h"

#include "dgon/alloc.h"

#include <string.h>

typedef struct entry {
    struct entry *next; /* the last learned first */
    uint64_t until;     /* ms */
    agent_os_peer peer;
    char origin[];
} entry;

struct agent_http_known {
    entry *first;
};

agent_http_known *agent_http_known_create(void)
{
    return dgon_calloc(1, sizeof(agent_http_known));
}

static entry **find(agent_http_known *k, const char *origin)
{
    entry **at = &k->first;
    while (*at != NULL && strcmp((*at)->origin, origin) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static void drop(entry **at)
{
    entry *e = *at;
    if (e != NULL) {
        *at = e->next;
        dgon_free(e);
    }
}

void agent_http_known_destroy(agent_http_known *k)
{
    while (k != NULL && k->first != NULL) {
        drop(&k->first);
    }
    dgon_free(k);
}

void agent_http_known_forget(agent_http_known *k, const char *origin)
{
    drop(find(k, origin));
}

void agent_http_known_learn(agent_http_known *k, const char *origin, int fd)
{
    size_t n = strlen(origin) + 1;
    agent_http_known_forget(k, origin);
    entry *e = dgon_malloc(sizeof *e + n);
    if (e == NULL || !agent_os_peer_of(fd, &e->peer)) {
        dgon_free(e);
        return;
    }
    memcpy(e->origin, origin, n);
    e->until = agent_os_now_ms() + AGENT_HTTP_KNOWN_MS;
    e->next = k->first;
    k->first = e;
    unsigned count = 1;
    for (entry **at = &e->next; *at != NULL; at = &(*at)->next) {
        if (++count > AGENT_HTTP_KNOWN_MAX) {
            drop(at);
            return;
        }
    }
}

int agent_http_known_connect(agent_http_known *k, const char *origin, bool *made)
{
    entry **at = find(k, origin);
    if (*at == NULL) {
        return -1;
    }
    int fd = agent_os_now_ms() < (*at)->until ? agent_os_connect_backend(&(*at)->peer, made) : -1;
    if (fd < 0) {
        drop(at);
    }
    return fd;
}
