/* The only way the core gets heap memory, so that a test can fail the n-th allocation. */
#ifndef DGON_ALLOC_H
#define DGON_ALLOC_H

#include <stddef.h>

/* As malloc, realloc, free; size 0 gives a valid pointer. Any thread. Caller owns the result. */
void *dgon_malloc(size_t n);
void *dgon_calloc(size_t n, size_t size);
void *dgon_realloc(void *p, size_t n);
char *dgon_strndup(const char *s, size_t n);
void dgon_free(void *p);

/* Tests only, single-threaded: replaces the three functions (NULL puts libc's back). */
typedef struct dgon_alloc_hooks {
    void *(*malloc_fn)(size_t);
    void *(*realloc_fn)(void *, size_t);
    void (*free_fn)(void *);
} dgon_alloc_hooks;
void dgon_alloc_hook(const dgon_alloc_hooks *hooks);
/* Agent and tests, before any other use of jansson: it takes its memory from the core from then on.
 * Never in httpd: jansson's functions belong to the whole process there, and another module may
 * hold blocks that it got before. The blocks have a head of their own: what jansson gives away
 * (json_dumps) is freed by the free function of json_get_alloc_funcs, not by dgon_free. */
void dgon_alloc_hook_json(void);

#endif
