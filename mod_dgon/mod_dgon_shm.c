#include "mod_dgon_shm.h"

#include "mod_dgon_engine.h"

#include "dgon/layout.h"

#include <ap_mpm.h>
#include <http_core.h>
#include <apr_strings.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define RETAINED_KEY    "mod_dgon_shm_gate"
#define CHILD_SLOTS_MIN 8
#define CHILD_SLOTS_MAX 512
#define CARRY_MS        60000

/* Lives in the process pool, so it is found again after the module was unloaded and loaded by a
 * restart. Plain data, no function pointer. */
typedef struct mod_dgon_shm {
    dgon_registry_conf conf;
    void *base;
    size_t size; /* of the registry */
    size_t all;  /* and of the gate behind it */
    dgon_gate *gate;
    int lockfd;  /* one byte a child slot: the owner holds a POSIX lock on it, which dies with the
                    process */
    int *wakefd; /* one eventfd a child slot */
} mod_dgon_shm;

static mod_dgon_shm *shm;

/* What goes over from the registry before this one. Lives as long as this configuration, but counts
 * for its first children only: a later one would bring back what has changed since. */
static struct {
    dgon_registry_conf conf;
    void *copy; /* NULL: there was none */
    uint64_t at_ms;
} before;

/* Code of another release must not share the segment with older children. */
static uint64_t build_id(void)
{
    const char *text = MOD_DGON_VERSION;
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return h;
}

static dgon_registry_conf wanted(const mod_dgon_conf *conf)
{
    int limit = 0;
    (void)ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &limit);
    /* old and new generation at once */
    int children = limit > CHILD_SLOTS_MAX / 2 ? CHILD_SLOTS_MAX : limit * 2;
    if (children < CHILD_SLOTS_MIN)
        children = CHILD_SLOTS_MIN;
    return (dgon_registry_conf){
        .children = (uint32_t)children,
        .links = (uint32_t)conf->max_agents,
        .models = (uint32_t)conf->max_models,
        .jobs = (uint32_t)conf->max_jobs,
        .ring_size = (uint32_t)conf->ring_size,
        .build = build_id(),
    };
}

static int same_conf(const dgon_registry_conf *a, const dgon_registry_conf *b)
{
    return a->children == b->children && a->links == b->links && a->models == b->models &&
           a->jobs == b->jobs && a->ring_size == b->ring_size && a->build == b->build;
}

static void carry(server_rec *s, const mod_dgon_shm *old)
{
    size_t size = dgon_registry_carry_size(&old->conf);
    char *room = size > 0 ? apr_palloc(s->process->pconf, size + DGON_LAYOUT_LINE) : NULL;
    if (room == NULL)
        return;
    room += DGON_LAYOUT_LINE - (uintptr_t)room % DGON_LAYOUT_LINE;
    before.conf = old->conf;
    before.at_ms = mod_dgon_now_ms();
    before.copy = dgon_registry_carry_copy(room, old->base, old->size, &old->conf) ? room : NULL;
}

static int failed(server_rec *s, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_EMERG, APR_FROM_OS_ERROR(errno), s,
                 "DGON0020: shared memory for the jobs cannot be made (%s): lower DgonMaxJobs or "
                 "DgonRingSize, "
                 "or raise the limits of memory and open files",
                 what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

static void unmake(mod_dgon_shm *m)
{
    if (m->base != NULL && m->base != MAP_FAILED)
        munmap(m->base, m->all);
    if (m->lockfd >= 0)
        close(m->lockfd);
    for (uint32_t i = 0; m->wakefd != NULL && i < m->conf.children; i++)
        if (m->wakefd[i] >= 0)
            close(m->wakefd[i]);
    free(m->wakefd);
    memset(m, 0, sizeof(*m));
}

static int make(mod_dgon_shm *m, const dgon_registry_conf *conf, server_rec *s)
{
    memset(m, 0, sizeof(*m));
    m->conf = *conf;
    m->lockfd = -1;
    m->size = dgon_registry_size(conf);
    if (m->size == 0) {
        errno = EINVAL;
        return failed(s, "sizes out of range");
    }
    m->wakefd = malloc(conf->children * sizeof(int));
    if (m->wakefd == NULL)
        return failed(s, "malloc");
    for (uint32_t i = 0; i < conf->children; i++)
        m->wakefd[i] = -1;
    /* only what is touched becomes real memory */
    size_t page = (size_t)sysconf(_SC_PAGESIZE), registry = (m->size + page - 1) / page * page;
    m->all = registry + dgon_gate_size();
    m->base = mmap(NULL, m->all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (m->base == MAP_FAILED)
        return failed(s, "mmap");
    m->gate = (dgon_gate *)(void *)((char *)m->base + registry);
    m->lockfd = memfd_create("dgon-life", MFD_CLOEXEC);
    if (m->lockfd < 0)
        return failed(s, "memfd_create");
    for (uint32_t i = 0; i < conf->children; i++) {
        m->wakefd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (m->wakefd[i] < 0)
            return failed(s, "eventfd");
    }
    if (dgon_registry_format(m->base, m->size, conf) != DGON_OK) {
        errno = EINVAL;
        return failed(s, "format");
    }
    return OK;
}

int mod_dgon_shm_create(server_rec *s, const mod_dgon_conf *conf)
{
    dgon_registry_conf want = wanted(conf);
    before.copy = NULL;
    shm = ap_retained_data_get(RETAINED_KEY);
    if (shm == NULL)
        shm = ap_retained_data_create(RETAINED_KEY, sizeof(*shm));
    if (shm->base != NULL) {
        if (same_conf(&shm->conf, &want))
            return OK;
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     "DGON0021: sizes or version changed: a new registry is made, running jobs end "
                     "on the old one");
        carry(s, shm);
        unmake(shm);
    }
    int rc = make(shm, &want, s);
    if (rc != OK)
        unmake(shm);
    return rc;
}

static struct flock life_byte(uint32_t child, short type)
{
    return (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)child, .l_len = 1};
}

/* The lock is taken before the slot shows as joined, so nobody can find a living child without it.
 */
static bool join_any(dgon_registry *r, uint32_t *child)
{
    for (uint32_t i = 0; i < shm->conf.children; i++) {
        struct flock l = life_byte(i, F_WRLCK);
        if (fcntl(shm->lockfd, F_SETLK, &l) != 0)
            continue;
        if (dgon_registry_join(r, (uint32_t)getpid(), i) == DGON_OK) {
            *child = i;
            return true;
        }
        /* a dead child's, not yet swept: leave it to the sweeper */
        l.l_type = F_UNLCK;
        (void)fcntl(shm->lockfd, F_SETLK, &l);
    }
    return false;
}

bool mod_dgon_shm_alive(void *user, uint32_t child)
{
    (void)user;
    struct flock l = life_byte(child, F_WRLCK);
    if (fcntl(shm->lockfd, F_GETLK, &l) != 0)
        return true; /* not certain, so not dead */
    return l.l_type != F_UNLCK;
}

dgon_gate *mod_dgon_shm_gate(void)
{
    return shm->gate;
}

bool mod_dgon_shm_is_first(uint32_t child)
{
    for (uint32_t i = 0; i < child; i++)
        if (mod_dgon_shm_alive(NULL, i))
            return false;
    return true;
}

void mod_dgon_shm_wake(void *user, uint32_t child)
{
    (void)user;
    uint64_t one = 1;
    if (child < shm->conf.children)
        while (write(shm->wakefd[child], &one, sizeof(one)) < 0 && errno == EINTR)
            ;
}

dgon_registry *mod_dgon_shm_join(server_rec *s, uint32_t *child, int *wakefd)
{
    static const dgon_registry_host host = {
        .wake = mod_dgon_shm_wake, .alive = mod_dgon_shm_alive, .user = NULL};
    if (shm == NULL || shm->base == NULL)
        return NULL;
    dgon_registry *r = dgon_registry_attach(shm->base, shm->size, &shm->conf, &host);
    if (r == NULL) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, "DGON0022: the registry cannot be attached");
        return NULL;
    }
    if (!join_any(r, child)) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s,
                     "DGON0023: no free place for this child in the registry (%u): too many old "
                     "children still end",
                     shm->conf.children);
        dgon_registry_detach(r);
        return NULL;
    }
    *wakefd = shm->wakefd[*child];
    if (before.copy != NULL && mod_dgon_now_ms() - before.at_ms < CARRY_MS)
        dgon_registry_carry_take(r, before.copy, &before.conf);
    dgon_gate_clear(shm->gate, *child);
    return r;
}

void mod_dgon_shm_leave(dgon_registry *r, uint32_t child)
{
    dgon_registry_leave(r, child);
    struct flock l = life_byte(child, F_UNLCK);
    (void)fcntl(shm->lockfd, F_SETLK, &l);
}
