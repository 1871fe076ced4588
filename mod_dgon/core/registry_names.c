#include "registry_int.h"

#include <string.h>

#define TRIES 1000u

static uint64_t pack(uint32_t hash, uint32_t gen, uint32_t state)
{
    return (uint64_t)hash << 32 | (uint64_t)(gen & 0xfffffff) << 4 | state;
}
static uint32_t gen_of(uint64_t w)
{
    return (uint32_t)(w >> 4) & 0xfffffff;
}
static uint32_t state_of(uint64_t w)
{
    return (uint32_t)w & 0xf;
}
static uint32_t hash_of(uint64_t w)
{
    return (uint32_t)(w >> 32);
}

/* FNV-1a; the text decides, the hash only saves reading it. */
static uint32_t hash(const char *s, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

static uint32_t piece(const char *s, size_t n, uint32_t i)
{
    uint32_t v = 0;
    size_t at = (size_t)i * 4;
    if (at < n)
        memcpy(&v, s + at, n - at < 4 ? n - at : 4);
    return v;
}

static bool same_text(const dgon_names *t, uint32_t i, const char *s, size_t n)
{
    for (uint32_t k = 0; k < t->words; k++)
        if ((uint32_t)dgon_get(&t->text[(uint64_t)i * t->words + k]) != piece(s, n, k))
            return false;
    return true;
}

/* Only pieces of an older owner are replaced: a writer that lost the entry and wakes late does no
 * harm. */
static void write_text(dgon_names *t, uint32_t i, const char *s, size_t n, uint32_t gen)
{
    for (uint32_t k = 0; k < t->words; k++) {
        _Atomic uint64_t *p = &t->text[(uint64_t)i * t->words + k];
        uint64_t old = dgon_get(p);
        uint32_t age = (gen - (uint32_t)(old >> 32)) & 0xfffffff;
        if (age != 0 && age < 0x8000000)
            (void)dgon_cas(p, old, (uint64_t)gen << 32 | piece(s, n, k));
    }
}

/* Pieces in a free entry that its next owner would not replace are rubbish, and would keep every
 * later one from writing. The entry is looked at again after the piece: a piece of a true new owner
 * comes after its claim. */
static void scrub(dgon_names *t, uint32_t i, uint64_t word)
{
    for (uint32_t k = 0; k < t->words; k++) {
        _Atomic uint64_t *p = &t->text[(uint64_t)i * t->words + k];
        uint64_t old = dgon_get(p);
        uint32_t tag = (uint32_t)(old >> 32), age = (gen_of(word) + 1 - tag) & 0xfffffff;
        if ((tag > 0xfffffff || age == 0 || age >= 0x8000000) && dgon_get(&t->word[i]) == word)
            (void)dgon_cas(p, old, (uint64_t)gen_of(word) << 32);
    }
}

uint32_t dgon_names_mark(const dgon_names *t)
{
    uint32_t i = 0;
    while (i < t->n && dgon_get(&t->word[i]) != 0)
        i++;
    return i;
}

bool dgon_names_live(const dgon_names *t, uint32_t i)
{
    if (i >= t->n)
        return false;
    uint32_t s = state_of(dgon_get(&t->word[i]));
    return s == DGON_NAME_LIVE || s == DGON_NAME_DYING;
}

static bool usable(dgon_names *t, uint32_t i, uint64_t *w)
{
    if (state_of(*w) == DGON_NAME_DYING) {
        uint64_t live = pack(hash_of(*w), gen_of(*w), DGON_NAME_LIVE);
        if (!dgon_cas(&t->word[i], *w, live) && dgon_get(&t->word[i]) != live)
            return false;
        *w = live;
    }
    return state_of(*w) == DGON_NAME_LIVE;
}

uint32_t dgon_names_find(const dgon_names *t, const char *s, size_t n, uint64_t *word)
{
    uint32_t h = hash(s, n);
    for (uint32_t i = 0; i < t->n; i++) {
        uint64_t w = dgon_get(&t->word[i]);
        if (w == 0)
            break;
        if (hash_of(w) != h || (state_of(w) != DGON_NAME_LIVE && state_of(w) != DGON_NAME_DYING))
            continue;
        if (same_text(t, i, s, n) && dgon_get(&t->word[i]) == w) {
            if (word)
                *word = w;
            return i;
        }
    }
    return DGON_NONE;
}

static uint32_t claim(dgon_names *t, uint32_t h, uint64_t *mine)
{
    for (uint32_t i = 0; i < t->n; i++) {
        uint64_t w = dgon_get(&t->word[i]);
        if (state_of(w) != DGON_NAME_FREE)
            continue;
        *mine = pack(h, gen_of(w) + 1, DGON_NAME_FILLING);
        if (dgon_cas(&t->word[i], w, *mine))
            return i;
    }
    return DGON_NONE;
}

/* Of two that claimed an entry for one name at once, each sees the other here: an entry that is
 * ready wins, one that is not is taken away from its filler (who starts again). So at most one
 * becomes ready. */
static uint32_t rival(dgon_names *t, uint32_t mine, const char *s, size_t n, uint64_t *word)
{
    uint32_t h = hash(s, n);
    for (uint32_t i = 0; i < t->n; i++) {
        uint64_t w = dgon_get(&t->word[i]);
        if (w == 0)
            break;
        if (i == mine || hash_of(w) != h)
            continue;
        if (state_of(w) == DGON_NAME_FILLING) {
            if (dgon_cas(&t->word[i], w, pack(0, gen_of(w), DGON_NAME_FREE)))
                continue;
            w = dgon_get(&t->word[i]);
        }
        if ((state_of(w) == DGON_NAME_LIVE || state_of(w) == DGON_NAME_DYING) &&
            same_text(t, i, s, n) && usable(t, i, &w)) {
            *word = w;
            return i;
        }
    }
    return DGON_NONE;
}

uint32_t dgon_names_put(dgon_names *t, const char *s, size_t n, uint64_t *word, bool *added)
{
    if (added)
        *added = false;
    if (n == 0 || n > (size_t)t->words * 4)
        return DGON_NONE;
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        uint32_t i = dgon_names_find(t, s, n, word);
        if (i != DGON_NONE) {
            if (usable(t, i, word))
                return i;
            continue;
        }
        uint64_t mine = 0;
        i = claim(t, hash(s, n), &mine);
        if (i == DGON_NONE)
            return DGON_NONE;
        write_text(t, i, s, n, gen_of(mine));
        uint32_t other = rival(t, i, s, n, word);
        if (other != DGON_NONE) {
            (void)dgon_cas(&t->word[i], mine, pack(0, gen_of(mine), DGON_NAME_FREE));
            return other;
        }
        *word = pack(hash_of(mine), gen_of(mine), DGON_NAME_LIVE);
        if (dgon_cas(&t->word[i], mine, *word)) {
            if (added)
                *added = true;
            return i;
        }
    }
    return DGON_NONE;
}

bool dgon_names_confirm(dgon_names *t, uint32_t i, uint64_t word)
{
    uint64_t w = dgon_get(&t->word[i]);
    return gen_of(w) == gen_of(word) && hash_of(w) == hash_of(word) && usable(t, i, &w);
}

void dgon_names_text(const dgon_names *t, uint32_t i, char *out)
{
    for (uint32_t k = 0; k < t->words; k++) {
        uint32_t v = (uint32_t)dgon_get(&t->text[(uint64_t)i * t->words + k]);
        memcpy(out + (size_t)k * 4, &v, 4);
    }
    out[(size_t)t->words * 4] = '\0';
}

void dgon_names_reclaim(dgon_names *t, uint32_t i, bool (*used)(void *user, uint32_t i), void *user)
{
    uint64_t w = dgon_get(&t->word[i]);
    if (state_of(w) == DGON_NAME_LIVE) {
        uint64_t dying = pack(hash_of(w), gen_of(w), DGON_NAME_DYING);
        if (used(user, i) || !dgon_cas(&t->word[i], w, dying))
            return;
        w = dying;
    }
    if (state_of(w) == DGON_NAME_DYING) {
        bool keep = used(user, i);
        (void)dgon_cas(&t->word[i], w,
                       keep ? pack(hash_of(w), gen_of(w), DGON_NAME_LIVE)
                            : pack(0, gen_of(w), DGON_NAME_FREE));
    } else if (state_of(w) == DGON_NAME_FREE) {
        scrub(t, i, w);
    } else {
        /* Filled by somebody dead, or rubbish. A filler that lives starts again: no harm. */
        (void)dgon_cas(&t->word[i], w, pack(0, gen_of(w), DGON_NAME_FREE));
    }
}
