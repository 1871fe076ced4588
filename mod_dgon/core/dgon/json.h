/* JSON without a tree: find the top-level members of an object by their bytes, so that three values
 * can be replaced and everything else stays as it was, to the last digit. Trees are jansson's job.
 */
#ifndef DGON_JSON_H
#define DGON_JSON_H

#include "dgon/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define DGON_JSON_DEPTH_MAX 64 /* nesting allowed in a request */

/* A member of the top-level object. Offsets into the scanned text; key without its quotes and not
 * unescaped (a key with an escape never matches by name: such input is left to jansson). */
typedef struct dgon_json_member {
    size_t key, key_len;
    size_t value, value_len; /* value with quotes or brackets */
} dgon_json_member;

typedef struct dgon_json_scan {
    const char *p;
    size_t n;
    size_t at;
    int state;
} dgon_json_scan;

/* Iterates over the members of the object in p[0..n): skips strings and nested values, any key
 * order, any white space. The grammar is checked on the way (RFC 8259, nesting up to
 * DGON_JSON_DEPTH_MAX); UTF-8 is not, and surrogates may be alone. */
void dgon_json_scan_init(dgon_json_scan *s, const char *p, size_t n);
/* DGON_OK: *m is the next member. DGON_DONE: the object ended (s->at behind its brace).
 * DGON_EJSON: not an object, or cut; the caller falls back to jansson or refuses. */
DGON_MUST_USE dgon_status dgon_json_scan_next(dgon_json_scan *s, dgon_json_member *m);

/* Iterates over the array in p[0..n): *at is 0 before the first call. DGON_OK: *item and *len are
 * the next value's. DGON_DONE: the array ended (*at behind its bracket). DGON_EJSON as above. */
DGON_MUST_USE dgon_status dgon_json_item(const char *p, size_t n, size_t *at, size_t *item,
                                         size_t *len);

/* Before a tree is built: refuses nesting over `depth` (DGON_EDEPTH), raw NUL (DGON_EJSON) and
 * invalid UTF-8 (DGON_EUTF8) in one pass with constant stack; *offset says where. Not a full check
 * of the grammar. */
DGON_MUST_USE dgon_status dgon_json_precheck(const char *p, size_t n, unsigned depth,
                                             size_t *offset);

/* Rewrites one chunk or answer: the top-level values of "id", "created" and "model" are replaced
 * (each added at the front when it is missing); all else is copied as it stands. 0.1 us a chunk; no
 * allocation but out's growth. `id` and `model` are given as quoted JSON strings, ready to copy.
 * DGON_EJSON: out is unchanged. */
typedef struct dgon_json_identity {
    const char *id_json;
    size_t id_len;
    const char *model_json;
    size_t model_len;
    const char *created; /* decimal digits */
    size_t created_len;
} dgon_json_identity;
DGON_MUST_USE dgon_status dgon_json_reidentify(dgon_buf *out, const char *p, size_t n,
                                               const dgon_json_identity *ident);

#endif
