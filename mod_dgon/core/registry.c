#include "registry_int.h"

#include "dgon/alloc.h"
#include "dgon/hash.h"

#include <string.h>

/* ---- the segment ---- */

static bool conf_ok(const dgon_registry_conf *c)
{
    return c->children >= 1 && c->children <= DGON_REGISTRY_CHILDREN_MAX && c->links >= 1 &&
           c->links <= DGON_REGISTRY_LINKS_MAX && c->models >= 1 &&
           c->models <= DGON_REGISTRY_MODELS_MAX && c->jobs >= 1 &&
           c->jobs <= DGON_REGISTRY_JOBS_MAX && c->ring_size >= DGON_RING_MIN &&
           c->ring_size <= DGON_RING_MAX && (c->ring_size & (c->ring_size - 1)) == 0;
}

/* n items of `each` bytes at the next multiple of `align`. With the limits of registry.h nothing
 * here comes near 2^64. */
static uint64_t place(uint64_t *end, uint64_t n, uint64_t each, uint64_t align)
{
    uint64_t at = (*end + align - 1) / align * align;
    *end = at + n * each;
    return at;
}

bool dgon_layout_plan(dgon_layout *l, const dgon_registry_conf *c)
{
    if (!conf_ok(c))
        return false;
    const uint64_t line = DGON_LAYOUT_LINE;
    uint64_t end = sizeof(dgon_layout_head);
    l->used_words = (c->jobs + 63) / 64;
    l->news_summary = (l->used_words + 63) / 64;
    l->news_stride = (l->news_summary + l->used_words + 7) / 8 * line;
    l->offer_words = (c->links + 63) / 64;
    l->children = place(&end, c->children, sizeof(dgon_layout_child), line);
    l->news = place(&end, c->children, l->news_stride, line);
    l->metric_word = place(&end, DGON_METRICS_OTHER, 8, line);
    l->metric_text = place(&end, DGON_METRICS_OTHER, 8 * DGON_LAYOUT_NAME_WORDS, line);
    l->series = place(&end, (uint64_t)DGON_METRICS_MODELS * DGON_METRICS_OPS,
                      sizeof(dgon_layout_series), DGON_LAYOUT_PAGE);
    l->model_word = place(&end, c->models, 8, line);
    l->model_text = place(&end, c->models, 8 * DGON_LAYOUT_NAME_WORDS, line);
    l->model = place(&end, c->models, sizeof(dgon_layout_model), line);
    l->waiting = place(&end, c->models, 8, line);
    l->offers = place(&end, c->models, 8 * l->offer_words, line);
    l->agent_word = place(&end, c->links, 8, line);
    l->agent_text = place(&end, c->links, 8 * DGON_LAYOUT_ID_WORDS, line);
    l->agent = place(&end, c->links, sizeof(dgon_layout_agent), line);
    l->tokens = place(&end, c->links, 8ull * DGON_WIRE_SLOTS_MAX, DGON_LAYOUT_PAGE);
    l->link_word = place(&end, c->links, 8, line);
    l->link = place(&end, c->links, sizeof(dgon_layout_link), line);
    l->turns = place(&end, DGON_LAYOUT_TURNS, 8, line);
    l->job_word = place(&end, c->jobs, 8, line);
    l->arrival = place(&end, c->jobs, 8, line);
    l->job_queue = place(&end, c->jobs, 4, line);
    l->used = place(&end, l->used_words, 8, line);
    l->job = place(&end, c->jobs, sizeof(dgon_layout_job), line);
    l->ring_ctl = place(&end, c->jobs, 2 * sizeof(dgon_ring_ctl), line);
    l->ring_data =
        place(&end, 1, 2ull * c->ring_size * c->jobs + DGON_LAYOUT_PAGE, DGON_LAYOUT_PAGE);
    l->size = (end + DGON_LAYOUT_PAGE - 1) / DGON_LAYOUT_PAGE * DGON_LAYOUT_PAGE;
    return l->size <= SIZE_MAX;
}

size_t dgon_registry_size(const dgon_registry_conf *conf)
{
    dgon_layout l;
    return dgon_layout_plan(&l, conf) ? (size_t)l.size : 0;
}

dgon_status dgon_registry_format(void *base, size_t size, const dgon_registry_conf *conf)
{
    dgon_layout l;
    if (!dgon_layout_plan(&l, conf) || size < l.size || (uintptr_t)base % DGON_LAYOUT_LINE)
        return DGON_EINVAL;
    dgon_layout_head *h = base;
    if (dgon_hash_random(&h->id, sizeof h->id) != DGON_OK)
        return DGON_ESYS;
    h->id |= 1;
    h->version = DGON_REGISTRY_VERSION;
    h->children = conf->children;
    h->links = conf->links;
    h->models = conf->models;
    h->jobs = conf->jobs;
    h->ring_size = conf->ring_size;
    h->build = conf->build;
    h->size = l.size;
    h->magic = DGON_REGISTRY_MAGIC;
    return DGON_OK;
}

uint64_t dgon_registry_id(const dgon_registry *r)
{
    return r->head->id;
}

static bool head_ok(const dgon_layout_head *h, const dgon_registry_conf *c, uint64_t size)
{
    return h->magic == DGON_REGISTRY_MAGIC && h->version == DGON_REGISTRY_VERSION &&
           h->children == c->children && h->links == c->links && h->models == c->models &&
           h->jobs == c->jobs && h->ring_size == c->ring_size && h->build == c->build &&
           h->size == size;
}

static void find_sections(dgon_registry *r)
{
    unsigned char *b = r->base;
    const dgon_layout *l = &r->at;
    r->head = (dgon_layout_head *)(void *)b;
    r->model_names = (dgon_names){(_Atomic uint64_t *)(void *)(b + l->model_word),
                                  (_Atomic uint64_t *)(void *)(b + l->model_text), r->conf.models,
                                  DGON_LAYOUT_NAME_WORDS};
    r->agent_names = (dgon_names){(_Atomic uint64_t *)(void *)(b + l->agent_word),
                                  (_Atomic uint64_t *)(void *)(b + l->agent_text), r->conf.links,
                                  DGON_LAYOUT_ID_WORDS};
    r->metric_names = (dgon_names){(_Atomic uint64_t *)(void *)(b + l->metric_word),
                                   (_Atomic uint64_t *)(void *)(b + l->metric_text),
                                   DGON_METRICS_OTHER, DGON_LAYOUT_NAME_WORDS};
    r->link_word = (_Atomic uint64_t *)(void *)(b + l->link_word);
    r->job_word = (_Atomic uint64_t *)(void *)(b + l->job_word);
    r->arrival = (_Atomic uint64_t *)(void *)(b + l->arrival);
    r->waiting = (_Atomic uint64_t *)(void *)(b + l->waiting);
    r->used = (_Atomic uint64_t *)(void *)(b + l->used);
    r->turns = (_Atomic uint64_t *)(void *)(b + l->turns);
    r->job_queue = (_Atomic uint32_t *)(void *)(b + l->job_queue);
}

dgon_registry *dgon_registry_attach(void *base, size_t size, const dgon_registry_conf *conf,
                                    const dgon_registry_host *host)
{
    dgon_layout l;
    if (!dgon_layout_plan(&l, conf) || size < l.size || (uintptr_t)base % DGON_LAYOUT_LINE ||
        !head_ok(base, conf, l.size))
        return NULL;
    dgon_registry *r = dgon_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->base = base;
    r->conf = *conf;
    r->host = *host;
    r->at = l;
    r->surplus = dgon_calloc(conf->models, sizeof *r->surplus);
    r->idle = dgon_calloc(conf->models, sizeof *r->idle);
    if (!r->surplus || !r->idle) {
        dgon_registry_detach(r);
        return NULL;
    }
    find_sections(r);
    return r;
}

void dgon_registry_detach(dgon_registry *r)
{
    if (!r)
        return;
    dgon_free(r->surplus);
    dgon_free(r->idle);
    dgon_free(r);
}

/* ---- children ---- */

dgon_status dgon_registry_join(dgon_registry *r, uint32_t pid, uint32_t child)
{
    if (child >= r->conf.children)
        return DGON_EINVAL;
    dgon_layout_child *c = dgon_child_at(r, child);
    uint64_t w = dgon_get(&c->word);
    if (dgon_childw_state(w) != DGON_CHILD_FREE ||
        !dgon_cas(&c->word, w, dgon_childw(dgon_childw_epoch(w) + 1, DGON_CHILD_ACTIVE, 0, 0)))
        return DGON_EEXIST;
    atomic_store(&c->pid, pid);
    atomic_store(&c->leaving, 0);
    atomic_store(&c->asleep, 0);
    _Atomic uint64_t *news = dgon_news_at(r, child);
    for (uint64_t k = 0; k < r->at.news_summary + r->at.used_words; k++)
        if (dgon_get(&news[k]))
            atomic_store(&news[k], 0);
    return DGON_OK;
}

void dgon_registry_leave(dgon_registry *r, uint32_t child)
{
    if (child >= r->conf.children)
        return;
    _Atomic uint64_t *p = &dgon_child_at(r, child)->word;
    if (dgon_childw_state(dgon_get(p)) != DGON_CHILD_ACTIVE)
        return;
    /* While it still counts as alive: what it reserves below is respected by the others. */
    dgon_child_let_go(r, child);
    dgon_dispatch_all(r, child);
    uint64_t w = dgon_get(p);
    uint32_t epoch = dgon_childw_epoch(w);
    if (dgon_cas(p, w, dgon_childw(epoch, DGON_CHILD_SWEEPING, child, epoch)))
        dgon_child_finish(r, child);
}

uint32_t dgon_registry_children_alive(dgon_registry *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->conf.children; i++)
        n += dgon_childw_state(dgon_get(&dgon_child_at(r, i)->word)) == DGON_CHILD_ACTIVE;
    return n;
}

void dgon_registry_leaving(dgon_registry *r, uint32_t child)
{
    if (child < r->conf.children)
        atomic_store(&dgon_child_at(r, child)->leaving, 1);
}

uint32_t dgon_registry_children_staying(dgon_registry *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->conf.children; i++)
        n += dgon_childw_state(dgon_get(&dgon_child_at(r, i)->word)) == DGON_CHILD_ACTIVE &&
             atomic_load(&dgon_child_at(r, i)->leaving) == 0;
    return n;
}

/* ---- news ---- */

void dgon_registry_notify(dgon_registry *r, uint32_t child, uint32_t slot)
{
    if (child >= r->conf.children || slot >= r->conf.jobs)
        return;
    _Atomic uint64_t *summary = dgon_news_at(r, child);
    dgon_bit_set(summary + r->at.news_summary, slot);
    dgon_bit_set(summary, slot / 64);
    _Atomic uint32_t *asleep = &dgon_child_at(r, child)->asleep;
    if (!atomic_load(asleep) || !atomic_exchange(asleep, 0))
        return;
    DGON_KILL_POINT();
    if (r->host.wake)
        r->host.wake(r->host.user, child);
}

uint32_t dgon_registry_collect(dgon_registry *r, uint32_t me, void (*fn)(void *user, uint32_t slot),
                               void *user)
{
    if (me >= r->conf.children)
        return 0;
    uint32_t n = 0;
    _Atomic uint64_t *summary = dgon_news_at(r, me), *bits = summary + r->at.news_summary;
    for (uint64_t s = 0; s < r->at.news_summary; s++) {
        uint64_t words = dgon_get(&summary[s]) ? atomic_exchange(&summary[s], 0) : 0;
        for (; words; words &= words - 1) {
            uint64_t i = s * 64 + (uint64_t)__builtin_ctzll(words);
            if (i >= r->at.used_words)
                break;
            for (uint64_t w = atomic_exchange(&bits[i], 0); w; w &= w - 1) {
                uint64_t slot = i * 64 + (uint64_t)__builtin_ctzll(w);
                if (slot >= r->conf.jobs)
                    break;
                fn(user, (uint32_t)slot);
                n++;
            }
        }
    }
    return n;
}

bool dgon_registry_sleep(dgon_registry *r, uint32_t me)
{
    if (me >= r->conf.children)
        return true;
    _Atomic uint32_t *asleep = &dgon_child_at(r, me)->asleep;
    atomic_store(asleep, 1);
    _Atomic uint64_t *summary = dgon_news_at(r, me);
    for (uint64_t s = 0; s < r->at.news_summary; s++)
        if (dgon_get(&summary[s])) {
            atomic_store(asleep, 0);
            return false;
        }
    return true;
}

void dgon_registry_awake(dgon_registry *r, uint32_t me)
{
    if (me < r->conf.children)
        atomic_store(&dgon_child_at(r, me)->asleep, 0);
}

/* ---- counts ---- */

void dgon_registry_count(dgon_registry *r, uint32_t child, dgon_count what, uint64_t add)
{
    if (child < r->conf.children && (unsigned)what < DGON_COUNT_MAX)
        atomic_fetch_add_explicit(&dgon_child_at(r, child)->counts[what], add,
                                  memory_order_relaxed);
}

uint64_t dgon_registry_total(dgon_registry *r, dgon_count what)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; (unsigned)what < DGON_COUNT_MAX && i < r->conf.children; i++)
        sum += atomic_load_explicit(&dgon_child_at(r, i)->counts[what], memory_order_relaxed);
    return sum;
}
