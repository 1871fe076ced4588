/* Who answers a request. */
#ifndef BENCH_FAKELLM_ROUTE_H
#define BENCH_FAKELLM_ROUTE_H

#include "fakellm_conn.h"
#include "fakellm_json.h"

#define TOKENS_MAX 100000000ULL

/* Speak Ollama's API instead of OpenAI's. */
extern bool route_ollama;
extern struct plan route_defaults;

/* False: too many, or not a name of a model. */
bool route_add_model(const char *name);
/* head begins with the request line and ends with a CRLF. Answers, or starts a stream. */
void route(struct conn *c, struct text head, struct text body);

#endif
