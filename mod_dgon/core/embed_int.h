/* Lists of vectors in an answer, for the agent's mapping and for the gateway's joining of parts. */
#ifndef DGON_EMBED_INT_H
#define DGON_EMBED_INT_H

#include "dgon/status.h"
#include "peek_int.h"

#include <stdbool.h>
#include <stddef.h>

/* Values inside the answer's text, by input. */
typedef struct dgon_embed_list {
    dgon_span *v; /* owned: dgon_free */
    size_t count;
} dgon_embed_list;

/* Reads a list: of vectors or, with `data`, of OpenAI's objects with an embedding and an index. *to
 * is empty before; v is to be freed in any case. DGON_EJSON: it is none, it is empty, or an index
 * comes twice; DGON_ETOOBIG: more than DGON_EMBED_INPUTS_MAX; DGON_ENOMEM. */
DGON_MUST_USE dgon_status dgon_embed_list_read(dgon_embed_list *to, const dgon_span *list,
                                               bool data);

#endif
