/* Building a request for Ollama: shared by its two files. */
#ifndef DGON_OLLAMA_INT_H
#define DGON_OLLAMA_INT_H

#include "check_int.h"
#include "dgon/ollama.h"

#include <jansson.h>

/* `bad` collects failures of the tree's setters: out of memory, seen once at the end. */
typedef struct dgon_ollama_build {
    const json_t *request;
    json_t *out;
    json_t *names; /* id of each call so far -> name of its function */
    dgon_error *e;
    int bad;
} dgon_ollama_build;

/* Takes v over, also on failure; NULL counts as one. */
static inline void dgon_ollama_set(dgon_ollama_build *b, json_t *o, const char *key, json_t *v)
{
    b->bad |= json_object_set_new(o, key, v);
}

/* v stays the request tree's as well. */
static inline void dgon_ollama_share(dgon_ollama_build *b, json_t *o, const char *key, json_t *v)
{
    b->bad |= json_object_set(o, key, v);
}

/* A member; NULL when absent or null. */
static inline json_t *dgon_ollama_given(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

/* Fills e: 400 unsupported_value; DGON_EINVAL. */
DGON_MUST_USE dgon_status dgon_ollama_unsupported(const dgon_ollama_build *b, const char *param);
/* n, logit_bias and what else no request to Ollama can have. */
DGON_MUST_USE dgon_status dgon_ollama_check_unsupported(const dgon_ollama_build *b);
/* out.options from the members that have a place there. */
void dgon_ollama_put_options(dgon_ollama_build *b);
/* The rest of out for a text completion and for embeddings. */
DGON_MUST_USE dgon_status dgon_ollama_put_prompt(dgon_ollama_build *b);
DGON_MUST_USE dgon_status dgon_ollama_put_inputs(dgon_ollama_build *b);

/* out.messages from request.messages; DGON_EINVAL with e filled, DGON_ENOMEM or b->bad. */
DGON_MUST_USE dgon_status dgon_ollama_put_messages(dgon_ollama_build *b);

#endif
