#include "dgon/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const dgon_alloc_hooks libc_hooks = {malloc, realloc, free};
static dgon_alloc_hooks hooks = {malloc, realloc, free};

void *dgon_malloc(size_t n)
{
    return hooks.malloc_fn(n > 0 ? n : 1);
}

void *dgon_calloc(size_t n, size_t size)
{
    if (size > 0 && n > SIZE_MAX / size)
        return NULL;
    void *p = dgon_malloc(n * size);
    if (p != NULL)
        memset(p, 0, n * size);
    return p;
}

void *dgon_realloc(void *p, size_t n)
{
    return hooks.realloc_fn(p, n > 0 ? n : 1);
}

char *dgon_strndup(const char *s, size_t n)
{
    const char *end = n > 0 ? memchr(s, '\0', n) : NULL;
    if (end != NULL)
        n = (size_t)(end - s);
    if (n == SIZE_MAX)
        return NULL;
    char *copy = dgon_malloc(n + 1);
    if (copy == NULL)
        return NULL;
    if (n > 0)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

void dgon_free(void *p)
{
    hooks.free_fn(p);
}

void dgon_alloc_hook(const dgon_alloc_hooks *replacement)
{
    hooks = replacement != NULL ? *replacement : libc_hooks;
}
