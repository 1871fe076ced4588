#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "dgon/gate.h"

#include "dgon/hash.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <string.h>

/* place   child:10 | number:14 | address:40, never 0; the number tells it from an earlier one
 * failure address:24 | window:24 | count:16 */
struct dgon_gate {
    _Atomic uint64_t number;
    _Atomic uint64_t failed; /* all addresses: window:32 | count:32 */
    _Atomic uint64_t place[DGON_GATE_PLACES];
    _Atomic uint64_t failure[DGON_GATE_FAILURES];
};

#define CHILDREN     1024u
#define CHILD(word)  ((uint32_t)((word) >> 54))
#define ADDRESS_MASK ((UINT64_C(1) << 40) - 1)
#define PROBES       4u
#define WINDOW_MASK  0xffffffu
#define COUNT_MAX    0xffffu

size_t dgon_gate_size(void)
{
    return sizeof(struct dgon_gate);
}

/* What says from where: all of an IPv4 address, half of an IPv6 one. */
static uint64_t hash_of(const char *address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct in6_addr v6;
    struct in_addr v4;
    unsigned char h[DGON_HASH_SIZE];
    uint64_t v = 0;
    dgon_status s;
    if (inet_pton(AF_INET, address, &v4) == 1)
        s = dgon_hash(h, &v4, 4);
    else if (inet_pton(AF_INET6, address, &v6) != 1)
        s = dgon_hash(h, address, strlen(address));
    else if (memcmp(&v6, mapped, sizeof mapped) == 0)
        s = dgon_hash(h, (const unsigned char *)&v6 + sizeof mapped, 4);
    else
        s = dgon_hash(h, &v6, 8);
    for (size_t i = 0; s == DGON_OK && i < sizeof v; i++)
        v = v << 8 | h[i];
    return v; /* without a hash all are one */
}

static void count(dgon_gate *g, uint64_t address, uint32_t *all, uint32_t *same)
{
    *all = *same = 0;
    for (uint32_t i = 0; i < DGON_GATE_PLACES; i++) {
        uint64_t w = atomic_load_explicit(&g->place[i], memory_order_relaxed);
        *all += w != 0;
        *same += w != 0 && (w & ADDRESS_MASK) == address;
    }
}

/* Each child is asked about once: who floods us must not buy a system call for each place. */
static void drop_dead(dgon_gate *g, uint32_t child, bool (*alive)(void *user, uint32_t child),
                      void *user)
{
    bool living[CHILDREN] = {[0] = false};
    if (child < CHILDREN)
        living[child] = true;
    for (uint32_t i = 0; i < DGON_GATE_PLACES; i++) {
        uint64_t w = atomic_load(&g->place[i]);
        if (w == 0 || living[CHILD(w)])
            continue;
        living[CHILD(w)] = alive(user, CHILD(w));
        if (!living[CHILD(w)])
            (void)atomic_compare_exchange_strong(&g->place[i], &w, 0);
    }
}

/* Claims first and counts then: so two who come together never both get the last one. */
static dgon_status claim(dgon_gate *g, uint64_t word, uint32_t total, uint32_t each)
{
    uint32_t all, same, i = 0;
    for (;; i++) {
        uint64_t none = 0;
        if (i == DGON_GATE_PLACES)
            return DGON_EFULL;
        if (atomic_load_explicit(&g->place[i], memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&g->place[i], &none, word))
            break;
    }
    count(g, word & ADDRESS_MASK, &all, &same);
    if (all <= total && same <= each)
        return DGON_OK;
    atomic_store(&g->place[i], 0);
    return all > total ? DGON_EFULL : DGON_EEXIST;
}

dgon_status dgon_gate_enter(dgon_gate *g, uint32_t child, const char *address, uint32_t total,
                            uint32_t each, bool (*alive)(void *user, uint32_t child), void *user,
                            uint64_t *place)
{
    uint64_t number = atomic_fetch_add(&g->number, 1) & 0x3fff;
    uint64_t site_hash = (hash_of(address) & ADDRESS_MASK) | 1; /* so the word is never 0 */
    uint64_t word = (uint64_t)child << 54 | number << 40 | site_hash;
    dgon_status s = claim(g, word, total, each);
    if (s != DGON_OK) {
        drop_dead(g, child, alive, user);
        s = claim(g, word, total, each);
    }
    *place = s == DGON_OK ? word : 0;
    return s;
}

void dgon_gate_leave(dgon_gate *g, uint64_t place)
{
    for (uint32_t i = 0; place != 0 && i < DGON_GATE_PLACES; i++) {
        uint64_t w = place;
        if (atomic_compare_exchange_strong(&g->place[i], &w, 0))
            return;
    }
}

void dgon_gate_clear(dgon_gate *g, uint32_t child)
{
    for (uint32_t i = 0; i < DGON_GATE_PLACES; i++) {
        uint64_t w = atomic_load(&g->place[i]);
        if (w != 0 && CHILD(w) == child)
            (void)atomic_compare_exchange_strong(&g->place[i], &w, 0);
    }
}

uint32_t dgon_gate_count(dgon_gate *g)
{
    uint32_t all, same;
    count(g, 0, &all, &same);
    return all;
}

/* ---- failures ---- */

static uint32_t of_address(uint64_t w, uint64_t hash, uint32_t window)
{
    bool is = w >> 40 == hash >> 40 && (w >> 16 & WINDOW_MASK) == window;
    return is ? (uint32_t)(w & COUNT_MAX) : 0;
}

static uint32_t bucket(uint64_t hash, uint32_t probe)
{
    return (uint32_t)(hash + probe) % DGON_GATE_FAILURES;
}

uint32_t dgon_gate_wait(dgon_gate *g, const char *address, uint32_t each, uint32_t total,
                        uint64_t now_s)
{
    uint64_t hash = hash_of(address), all = atomic_load(&g->failed);
    uint32_t window = (uint32_t)(now_s / DGON_GATE_WINDOW_S) & WINDOW_MASK, n = 0;
    uint32_t rest = DGON_GATE_WINDOW_S - (uint32_t)(now_s % DGON_GATE_WINDOW_S);
    for (uint32_t i = 0; i < PROBES; i++)
        n += of_address(atomic_load(&g->failure[bucket(hash, i)]), hash, window);
    bool full = (uint32_t)(all >> 32) == window && (uint32_t)all >= total;
    return full || n >= each ? rest : 0;
}

/* The place of this address, else the one that matters least: of an old window, or the lowest. */
static uint32_t place_of(dgon_gate *g, uint64_t hash, uint32_t window)
{
    uint32_t best = bucket(hash, 0), least = UINT32_MAX;
    for (uint32_t i = 0; i < PROBES; i++) {
        uint64_t w = atomic_load(&g->failure[bucket(hash, i)]);
        bool old = (w >> 16 & WINDOW_MASK) != window;
        uint32_t n = old ? 0 : (uint32_t)(w & COUNT_MAX);
        if (!old && w >> 40 == hash >> 40)
            return bucket(hash, i);
        if (n < least) {
            least = n;
            best = bucket(hash, i);
        }
    }
    return best;
}

void dgon_gate_failed(dgon_gate *g, const char *address, uint64_t now_s)
{
    uint64_t hash = hash_of(address), old = atomic_load(&g->failed), new;
    uint32_t window = (uint32_t)(now_s / DGON_GATE_WINDOW_S) & WINDOW_MASK;
    do {
        uint32_t n = (uint32_t)(old >> 32) == window ? (uint32_t)old : 0;
        new = (uint64_t)window << 32 | (n < UINT32_MAX ? n + 1 : n);
    } while (!atomic_compare_exchange_weak(&g->failed, &old, new));
    _Atomic uint64_t *p = &g->failure[place_of(g, hash, window)];
    old = atomic_load(p);
    do {
        uint32_t n = of_address(old, hash, window);
        new = (hash >> 40) << 40 | (uint64_t)window << 16 | (n < COUNT_MAX ? n + 1 : n);
    } while (!atomic_compare_exchange_weak(p, &old, new));
}
