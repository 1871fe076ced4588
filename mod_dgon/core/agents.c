#include "dgon/agents.h"

#include "agents_int.h"

#include "dgon/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dgon_agents_init(dgon_agents *a)
{
    *a = (dgon_agents){.count = 0};
}

void dgon_agents_fini(dgon_agents *a)
{
    dgon_free(a->entries);
    dgon_free(a->invites);
    dgon_free(a->keys);
    dgon_agents_init(a);
}

/* ---- the table's memory ---- */

static bool grow(void **list, uint32_t *size, uint32_t count, uint32_t max, size_t item)
{
    if (count < *size)
        return true;
    uint32_t more = *size == 0 ? 16 : *size * 2;
    if (more > max)
        more = max;
    void *p = more > count ? dgon_realloc(*list, more * item) : NULL;
    if (p == NULL)
        return false;
    *list = p;
    *size = more;
    return true;
}

dgon_agents_entry *dgon_agents_add_entry(dgon_agents *a)
{
    void *list = a->entries;
    bool ok = grow(&list, &a->entries_size, a->count, DGON_AGENTS_MAX, sizeof *a->entries);
    a->entries = list;
    if (!ok)
        return NULL;
    a->entries[a->count] = (dgon_agents_entry){.created = 0};
    return &a->entries[a->count++];
}

dgon_agents_invite *dgon_agents_add_invite(dgon_agents *a)
{
    void *list = a->invites;
    bool ok =
        grow(&list, &a->invites_size, a->invite_count, DGON_AGENTS_INVITES_MAX, sizeof *a->invites);
    a->invites = list;
    if (!ok)
        return NULL;
    a->invites[a->invite_count] = (dgon_agents_invite){.created = 0};
    return &a->invites[a->invite_count++];
}

static int compare_ids(const void *x, const void *y)
{
    const dgon_agents_entry *a = x, *b = y;
    return strcmp(a->id, b->id);
}

static int compare_keys(const void *x, const void *y)
{
    const dgon_agents_key *a = x, *b = y;
    return memcmp(a->hash, b->hash, sizeof a->hash);
}

static void add_key(dgon_agents *a, const unsigned char *hash, uint32_t entry)
{
    dgon_agents_key *k = &a->keys[a->key_count++];
    memcpy(k->hash, hash, sizeof k->hash);
    k->entry = entry;
}

dgon_status dgon_agents_sort(dgon_agents *a)
{
    dgon_agents_key *keys = dgon_realloc(a->keys, (2 * (size_t)a->count + 1) * sizeof *a->keys);
    if (keys == NULL)
        return DGON_ENOMEM;
    a->keys = keys;
    a->key_count = 0;
    if (a->count > 0)
        qsort(a->entries, a->count, sizeof *a->entries, compare_ids);
    for (uint32_t i = 0; i < a->count; i++) {
        const dgon_agents_entry *e = &a->entries[i];
        if (i > 0 && strcmp(e->id, a->entries[i - 1].id) == 0)
            return DGON_EEXIST;
        add_key(a, e->key, i);
        if (e->has_next)
            add_key(a, e->next, i);
    }
    if (a->key_count > 0)
        qsort(a->keys, a->key_count, sizeof *a->keys, compare_keys);
    for (uint32_t i = 1; i < a->key_count; i++)
        if (compare_keys(&a->keys[i - 1], &a->keys[i]) == 0)
            return DGON_EEXIST;
    return DGON_OK;
}

/* ---- looking up ---- */

dgon_agents_entry *dgon_agents_by_id(const dgon_agents *a, const char *id)
{
    uint32_t lo = 0, hi = a->count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = strcmp(id, a->entries[mid].id);
        if (c == 0)
            return &a->entries[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

dgon_agents_entry *dgon_agents_by_serial(const dgon_agents *a,
                                         const unsigned char serial[DGON_AGENTS_SERIAL])
{
    for (uint32_t i = 0; i < a->count; i++)
        if (memcmp(a->entries[i].serial, serial, DGON_AGENTS_SERIAL) == 0)
            return &a->entries[i];
    return NULL;
}

dgon_agents_entry *dgon_agents_by_key(const dgon_agents *a,
                                      const unsigned char hash[DGON_HASH_SIZE])
{
    dgon_agents_key want = {.entry = 0};
    memcpy(want.hash, hash, sizeof want.hash);
    const dgon_agents_key *k =
        a->key_count > 0 ? bsearch(&want, a->keys, a->key_count, sizeof *a->keys, compare_keys)
                         : NULL;
    return k != NULL ? &a->entries[k->entry] : NULL;
}

dgon_agents_invite *dgon_agents_invite_find(const dgon_agents *a,
                                            const unsigned char code[DGON_HASH_SIZE], int64_t now)
{
    dgon_agents_invite *found = NULL;
    for (uint32_t i = 0; i < a->invite_count; i++) {
        dgon_agents_invite *v = &a->invites[i];
        bool same = dgon_hash_same(v->code, code, DGON_HASH_SIZE);
        if (same && now < v->expires)
            found = v;
    }
    return found;
}

/* ---- changes ---- */

static void drop_invite(dgon_agents *a, uint32_t i)
{
    a->invites[i] = a->invites[--a->invite_count];
}

dgon_status dgon_agents_invite_add(dgon_agents *a, const dgon_agents_invite *i, int64_t now)
{
    if (i->id[0] != '\0' && dgon_agents_by_id(a, i->id) != NULL)
        return DGON_EEXIST;
    for (uint32_t k = a->invite_count; k-- > 0;)
        if (now >= a->invites[k].expires)
            drop_invite(a, k);
    if (a->invite_count == DGON_AGENTS_INVITES_MAX)
        return DGON_EFULL;
    dgon_agents_invite *v = dgon_agents_add_invite(a);
    if (v == NULL)
        return DGON_ENOMEM;
    *v = *i;
    return DGON_OK;
}

/* The wish, or with -2, -3 … behind it what is free. */
static dgon_status choose_id(const dgon_agents *a, const char *wish, char *out)
{
    size_t n = strlen(wish);
    memcpy(out, wish, n + 1);
    for (unsigned i = 2; dgon_agents_by_id(a, out) != NULL; i++) {
        char tail[12];
        int m = snprintf(tail, sizeof tail, "-%u", i);
        size_t keep = n + (size_t)m > DGON_WIRE_ID_MAX ? DGON_WIRE_ID_MAX - (size_t)m : n;
        memcpy(out + keep, tail, (size_t)m + 1);
        if (i > DGON_AGENTS_MAX + 1)
            return DGON_EEXIST;
    }
    return DGON_OK;
}

static void keep_word(char *out, size_t size, const char *word)
{
    char safe[DGON_AGENTS_WHO_MAX + 1] = "";
    if (word[0] != '\0')
        dgon_agents_who(safe, word);
    safe[size - 1] = '\0';
    memcpy(out, safe, size);
}

dgon_status dgon_agents_join(dgon_agents *a, dgon_agents_invite *i,
                             const unsigned char key[DGON_HASH_SIZE], const char *wish,
                             const char *os, const char *version, int64_t now,
                             dgon_agents_entry **out)
{
    dgon_agents_entry e = {.created = now};
    dgon_status s = DGON_OK;
    if (dgon_agents_by_key(a, key) != NULL)
        return DGON_EEXIST;
    if (i->id[0] == '\0')
        s = choose_id(a, wish, e.id);
    else if (dgon_agents_by_id(a, i->id) != NULL)
        s = DGON_EEXIST;
    else
        memcpy(e.id, i->id, sizeof e.id);
    if (s == DGON_OK)
        s = dgon_hash_random(e.serial, sizeof e.serial);
    if (s == DGON_OK && a->count == DGON_AGENTS_MAX)
        s = DGON_EFULL;
    dgon_agents_entry *new = s == DGON_OK ? dgon_agents_add_entry(a) : NULL;
    if (new == NULL)
        return s != DGON_OK ? s : DGON_ENOMEM;
    memcpy(e.key, key, sizeof e.key);
    memcpy(e.by, i->by, sizeof e.by);
    keep_word(e.os, sizeof e.os, os);
    keep_word(e.version, sizeof e.version, version);
    *new = e;
    s = dgon_agents_sort(a);
    if (s != DGON_OK) { /* short of memory before it has sorted: the new one is the last */
        a->count--;
        return s;
    }
    if (--i->uses == 0)
        drop_invite(a, (uint32_t)(i - a->invites));
    *out = dgon_agents_by_id(a, e.id);
    return DGON_OK;
}

dgon_status dgon_agents_rename(dgon_agents *a, const char *id, const char *to)
{
    dgon_agents_entry *e = dgon_agents_by_id(a, id);
    size_t n = strlen(to);
    if (!dgon_wire_is_agent_id(to, n))
        return DGON_EINVAL;
    if (e == NULL)
        return DGON_ENOTFOUND;
    if (dgon_agents_by_id(a, to) != NULL)
        return DGON_EEXIST;
    memcpy(e->id, to, n + 1);
    return dgon_agents_sort(a);
}

dgon_status dgon_agents_remove(dgon_agents *a, const char *id)
{
    dgon_agents_entry *e = dgon_agents_by_id(a, id);
    if (e == NULL)
        return DGON_ENOTFOUND;
    *e = a->entries[--a->count];
    return dgon_agents_sort(a);
}

dgon_status dgon_agents_next(dgon_agents *a, const unsigned char serial[DGON_AGENTS_SERIAL],
                             const unsigned char next[DGON_HASH_SIZE])
{
    dgon_agents_entry *e = dgon_agents_by_serial(a, serial);
    if (e == NULL)
        return DGON_ENOTFOUND;
    const dgon_agents_entry *owner = dgon_agents_by_key(a, next);
    if (owner != NULL && (owner != e || memcmp(e->key, next, sizeof e->key) == 0))
        return DGON_EEXIST;
    memcpy(e->next, next, sizeof e->next);
    e->has_next = true;
    e->rotate = false;
    return dgon_agents_sort(a);
}

dgon_status dgon_agents_promote(dgon_agents *a, const unsigned char serial[DGON_AGENTS_SERIAL],
                                const unsigned char next[DGON_HASH_SIZE])
{
    dgon_agents_entry *e = dgon_agents_by_serial(a, serial);
    if (e == NULL || !e->has_next || memcmp(e->next, next, sizeof e->next) != 0)
        return DGON_ENOTFOUND;
    memcpy(e->key, next, sizeof e->key);
    memset(e->next, 0, sizeof e->next);
    e->has_next = e->rotate = false;
    return dgon_agents_sort(a);
}
