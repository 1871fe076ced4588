#include "json_int.h"

#include "dgon/alloc.h"

#include <setjmp.h>
#include <stdint.h>

/* Head of every block of jansson's. The blocks made by one load form a ring, so that a load that
 * breaks off can free them; after a load that succeeded the ring is one of the tree's blocks alone.
 * A block made outside a load is a ring of its own. A tree belongs to one thread, so its ring does
 * too. */
typedef union block {
    struct {
        union block *next, *prev;
    } ring;
    long long align_integer;
    double align_real;
} block;

typedef struct load {
    block all;
    jmp_buf out;
} load;

static _Thread_local load *current;

static void link_behind(block *at, block *b)
{
    b->ring.next = at->ring.next;
    b->ring.prev = at;
    at->ring.next->ring.prev = b;
    at->ring.next = b;
}

static void unlink_block(block *b)
{
    b->ring.prev->ring.next = b->ring.next;
    b->ring.next->ring.prev = b->ring.prev;
}

static void *block_malloc(size_t n)
{
    block *b = n <= SIZE_MAX - sizeof *b ? dgon_malloc(n + sizeof *b) : NULL;
    if (b == NULL) {
        if (current != NULL)
            longjmp(current->out, 1);
        return NULL;
    }
    b->ring.next = b->ring.prev = b;
    if (current != NULL)
        link_behind(&current->all, b);
    return b + 1;
}

static void block_free(void *p)
{
    if (p == NULL)
        return;
    block *b = (block *)p - 1;
    unlink_block(b);
    dgon_free(b);
}

void dgon_alloc_hook_json(void)
{
    json_set_alloc_funcs(block_malloc, block_free);
}

dgon_status dgon_json_load(json_t **root, const char *p, size_t n, size_t flags, json_error_t *err)
{
    load l;
    l.all.ring.next = l.all.ring.prev = &l.all;
    *root = NULL;
    if (setjmp(l.out) != 0) {
        current = NULL;
        while (l.all.ring.next != &l.all)
            block_free(l.all.ring.next + 1);
        return DGON_ENOMEM;
    }
    current = &l;
    *root = json_loadb(p, n, flags, err);
    current = NULL;
    unlink_block(&l.all);
    if (*root != NULL)
        return DGON_OK;
    /* without the hook: jansson leaves the text empty where a plain malloc failed */
    return json_error_code(err) == json_error_out_of_memory || err->text[0] == '\0' ? DGON_ENOMEM
                                                                                    : DGON_EJSON;
}
