/* The part of dgon_openai_check that looks at requests which are passed on. */
#ifndef DGON_RELAY_CHECK_INT_H
#define DGON_RELAY_CHECK_INT_H

#include "openai_int.h"

/* Types and ranges of the documented members of Responses, Anthropic's messages, reranking and
 * Ollama's API; unknown members are let through. Notes images in r. */
DGON_MUST_USE dgon_status dgon_relay_check(dgon_check *k, dgon_op op, const json_t *root,
                                           dgon_openai_request *r);

#endif
