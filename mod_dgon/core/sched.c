#include "dgon/sched.h"

/* < 0: a goes before b. Both have a free slot, so slots > 0. */
static int compare(const dgon_sched_candidate *a, const dgon_sched_candidate *b)
{
    uint64_t la = (uint64_t)a->busy * b->slots, lb = (uint64_t)b->busy * a->slots;
    if (la != lb)
        return la < lb ? -1 : 1;
    if (a->same_child != b->same_child)
        return a->same_child ? -1 : 1;
    if (a->last != b->last)
        return a->last < b->last ? -1 : 1;
    if (a->link != b->link)
        return a->link < b->link ? -1 : 1;
    return 0;
}

int dgon_sched_choose(const dgon_sched_candidate *c, uint32_t n)
{
    int best = -1;
    for (uint32_t i = 0; i < n && i <= (uint32_t)INT32_MAX; i++) {
        if (c[i].excluded || c[i].busy >= c[i].slots)
            continue;
        if (best < 0 || compare(&c[i], &c[best]) < 0)
            best = (int)i;
    }
    return best;
}

uint32_t dgon_sched_retry_after(uint32_t waiting, uint32_t slots, uint32_t job_ms)
{
    if (slots == 0)
        return 30;
    uint64_t each = job_ms ? job_ms : 1000;
    uint64_t ms = ((uint64_t)waiting * each + slots - 1) / slots;
    uint64_t s = (ms + 999) / 1000;
    return s < 1 ? 1 : s > 30 ? 30 : (uint32_t)s;
}
