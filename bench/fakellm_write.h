/* Answers in the words of OpenAI's API and of Ollama's. All append to c->out. */
#ifndef BENCH_FAKELLM_WRITE_H
#define BENCH_FAKELLM_WRITE_H

#include "fakellm_conn.h"

#define NAME_MAX_ 128

/* What is the same in all tokens of a model. */
struct model {
    char name[NAME_MAX_];
    char openai[NAME_MAX_ + 160], ollama[NAME_MAX_ + 160]; /* a token's chunk up to its text */
};

/* name: shorter than NAME_MAX_, nothing in it that JSON escapes. */
void write_model(struct model *m, const char *name);
/* Of a streamed answer: its head, a token with the clock's time, its end. */
void write_head(struct conn *c);
void write_token(struct conn *c, uint64_t seq);
void write_end(struct conn *c);
/* An answer that is not streamed. */
void write_whole(struct conn *c);

#endif
