/* Shared by the files of the OpenAI mapping and, where said, by the Ollama mapping. */
#ifndef DGON_OPENAI_INT_H
#define DGON_OPENAI_INT_H

#include "chat_int.h"
#include "check_int.h"
#include "dgon/openai.h"
#include "peek_int.h"

#include <jansson.h>

/* A backend's error, already taken apart (any text may be NULL), as ours: see
 * dgon_openai_backend_error. Also for Ollama, whose errors are a text alone. */
void dgon_backend_error_map(dgon_error *e, int http, const char *message, const char *code,
                            const char *param);

/* The error in a parsed body or stream payload: {"error":{…}}, {"error":"text"},
 * {"object":"error","message":…}, {"detail":…}. False: there is none, e is unchanged. http 0: taken
 * from the object's code, else 502. */
bool dgon_openai_error_in(dgon_error *e, int http, const json_t *root);

#define DGON_OPENAI_FIELDS 25u

/* A documented scalar member of a request. */
typedef struct dgon_openai_field {
    const char *name;
    dgon_kind what;
    double min, max; /* both 0: any */
} dgon_openai_field;

extern const dgon_openai_field dgon_openai_fields[DGON_OPENAI_FIELDS]; /* of a chat request */

/* Parts of dgon_openai_check: members of the kinds told, `stop`, `stream` and its options. */
DGON_MUST_USE dgon_status dgon_openai_check_fields(dgon_check *k, const json_t *root,
                                                   const dgon_openai_field *fields, size_t n);
DGON_MUST_USE dgon_status dgon_openai_check_stop(dgon_check *k, const json_t *root);
DGON_MUST_USE dgon_status dgon_openai_check_stream(dgon_check *k, const json_t *root,
                                                   dgon_openai_request *r);
/* What is left of it for a text completion and for embeddings. */
DGON_MUST_USE dgon_status dgon_openai_check_completion(dgon_check *k, const json_t *root,
                                                       dgon_openai_request *r);
DGON_MUST_USE dgon_status dgon_openai_check_embed(dgon_check *k, const json_t *root);

/* The same check without a tree, for requests of texts alone. True: it is good, and r is filled.
 * False: the tree has to look, at least to say what is wrong. */
bool dgon_openai_check_quick(dgon_openai_request *r, const char *body, size_t n);

/* The messages of a request: the part of dgon_openai_check that looks into them. */
DGON_MUST_USE dgon_status dgon_openai_check_messages(dgon_check *k, const json_t *root,
                                                     dgon_openai_request *r);

/* data:…, in any case: nobody has to fetch it. */
bool dgon_openai_is_data_url(const char *s);

/* Usage and llama.cpp's timings of a chunk or an answer, as far as it has any. */
void dgon_openai_take_usage(dgon_chat *c, const json_t *root);

/* A chunk that needs no tree: one choice with text, a role or its end, or the usage. */
typedef struct dgon_openai_quick {
    uint64_t index;
    dgon_span content, reasoning;
    const char *finish; /* NULL: none yet */
    dgon_chat_usage usage;
    bool is_text;                      /* set by the caller: a text completion's */
    bool has_choice, has_delta, empty; /* empty: no choice, as beside usage */
} dgon_openai_quick;

/* False: there is more to look at; the tree does it. */
bool dgon_openai_quick_read(dgon_openai_quick *q, const char *p, size_t n);
DGON_MUST_USE dgon_status dgon_openai_quick_emit(dgon_chat *c, const dgon_openai_quick *q,
                                                 const dgon_chat_sink *to);
/* A chunk with a text and nothing else in it is what the next one will look like. */
void dgon_openai_quick_keep(dgon_chat *c, const dgon_openai_quick *q, const char *p, size_t n);

/* Keeps what stands around the text (with its quotes, inside p) of a chunk that was understood. */
void dgon_openai_like_keep(dgon_chat_like *like, const char *p, size_t n, const dgon_span *text,
                           unsigned index, bool reasoning);
/* True: the chunk is the kept one with another text, now in *text. */
bool dgon_openai_like_read(const dgon_chat_like *like, const char *p, size_t n, dgon_span *text);

#endif
