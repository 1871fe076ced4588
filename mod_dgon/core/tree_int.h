/* jansson with the core's buffers and status codes: one place for the flags, for the limits of
 * numbers and for text from backends that is not quite JSON. Trees belong to one thread. */
#ifndef DGON_TREE_INT_H
#define DGON_TREE_INT_H

#include "dgon/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Parses p[0..n) with jansson's flags; integers over 64 bit become reals instead of an error. The
 * caller owns *root. DGON_EJSON (err says where and why) or DGON_ENOMEM: *root is NULL. */
DGON_MUST_USE dgon_status dgon_tree_load(json_t **root, const char *p, size_t n, size_t flags,
                                         json_error_t *err);

/* The same for a backend's text: \u0000 is let in, and when it is no JSON only because of invalid
 * UTF-8 or lone surrogates these become U+FFFD (JavaScript servers cut emoji between two tokens).
 */
DGON_MUST_USE dgon_status dgon_tree_load_backend(json_t **root, const char *p, size_t n);

/* Where in a JSON text the first escape stands that is half of a surrogate pair; n: nowhere. */
size_t dgon_tree_half_surrogate(const char *p, size_t n);

/* Appends t as one line of compact JSON: integers exact, 0.7 as 0.7. On failure nothing was
 * appended. */
DGON_MUST_USE dgon_status dgon_tree_dump(dgon_buf *out, const json_t *t);
/* t dumped into a JSON string (new reference), or NULL. */
json_t *dgon_tree_text(const json_t *t);

/* Member `key` of an object as a text or NULL; valid as long as the tree. */
const char *dgon_tree_str(const json_t *o, const char *key);
/* Member `key` as a whole number clamped to 0..INT64_MAX; `otherwise` if it is none. */
int64_t dgon_tree_int(const json_t *o, const char *key, int64_t otherwise);
/* Any number as an integer: false if it is no number, not whole or over 64 bit. */
bool dgon_tree_whole(const json_t *v, int64_t *out);
/* Removes the member if it is null, "" or []. */
void dgon_tree_drop_empty(json_t *o, const char *key);

#endif
