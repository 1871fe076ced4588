/* Whose turn it is: each user of a model has a place in a small table, where the number of his last
 * dispatch stands. Who was served longest ago is next; among his own jobs the oldest. The table is
 * a hint: a number that a killed child did not write costs somebody a turn. */
#include "registry_int.h"

#include <string.h>

uint32_t dgon_registry_user(const dgon_registry *r, bool named, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint32_t h = 2166136261u ^ (uint32_t)r->head->id ^ (uint32_t)(r->head->id >> 32) ^ named;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 16777619u;
    return h != 0 ? h : 1;
}

uint32_t dgon_turn_queue(uint32_t user, uint32_t model)
{
    uint32_t h = (user ^ model * 0x9e3779b9u) * 0x85ebca6bu;
    return (h ^ h >> 15) % DGON_LAYOUT_TURNS << 16 | model;
}

/* What waits of the users that share a place in the table. */
typedef struct crowd {
    uint32_t waiting[DGON_LAYOUT_TURNS];
    uint64_t first[DGON_LAYOUT_TURNS]; /* the oldest, if there is any */
} crowd;

/* Returns how many of the user's own jobs came before `arrival`. */
static uint32_t count(const dgon_registry *r, uint32_t queue, uint64_t arrival, crowd *c)
{
    uint32_t before = 0, high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++) {
        uint64_t w = atomic_load_explicit(&r->job_word[i], memory_order_acquire);
        uint32_t q = dgon_job_queue(r, i), t = dgon_queue_turn(q);
        if ((w >> 33 & 7) != DGON_JOB_QUEUED || dgon_queue_model(q) != dgon_queue_model(queue))
            continue;
        uint64_t a = atomic_load_explicit(&r->arrival[i], memory_order_relaxed);
        if (c->waiting[t]++ == 0 || a < c->first[t])
            c->first[t] = a;
        before += q == queue && a < arrival;
    }
    return before;
}

uint32_t dgon_turn_place(const dgon_registry *r, uint32_t slot)
{
    crowd c;
    memset(c.waiting, 0, sizeof c.waiting);
    uint32_t queue = dgon_job_queue(r, slot), me = dgon_queue_turn(queue);
    uint64_t arrival = atomic_load_explicit(&r->arrival[slot], memory_order_relaxed);
    c.first[me] = arrival;
    uint32_t before = count(r, queue, arrival, &c), place = before + 1;
    uint64_t now = dgon_get(&r->head->dispatches), mine = dgon_turn_last(r, me, now);
    for (uint32_t t = 0; t < DGON_LAYOUT_TURNS; t++) {
        if (c.waiting[t] == 0 || t == me)
            continue;
        uint64_t last = dgon_turn_last(r, t, now);
        uint32_t turns = before + (last < mine || (last == mine && c.first[t] < c.first[me]));
        place += c.waiting[t] < turns ? c.waiting[t] : turns;
    }
    return place;
}
