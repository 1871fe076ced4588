/* What the files of JSON share: space between tokens, and loading a jansson tree when memory may be
 * short. */
#ifndef DGON_JSON_INT_H
#define DGON_JSON_INT_H

#include "dgon/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

static inline bool dgon_json_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline size_t dgon_json_skip_space(const char *p, size_t i, size_t n)
{
    while (i < n && dgon_json_is_space(p[i]))
        i++;
    return i;
}

/* As json_loadb; the caller owns *root, NULL on failure. DGON_EJSON (err says why), DGON_ENOMEM.
 * jansson 2.14 writes behind its buffer or drops a character when an allocation fails inside a
 * string; once dgon_alloc_hook_json was called, the load ends at the first failure and all it had
 * allocated is freed. */
DGON_MUST_USE dgon_status dgon_json_load(json_t **root, const char *p, size_t n, size_t flags,
                                         json_error_t *err);

#endif
