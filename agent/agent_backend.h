/* A backend (model server) as the agent knows it, and the table of functions by which its kinds
 * differ. The mapping itself is the core's; these functions only choose it. */
#ifndef AGENT_BACKEND_H
#define AGENT_BACKEND_H

#include "agent_config.h"

#include "dgon/chat.h"
#include "dgon/choices.h"
#include "dgon/embed.h"
#include "dgon/ndjson.h"
#include "dgon/ollama.h"
#include "dgon/ollama_front.h"
#include "dgon/op.h"
#include "dgon/openai.h"
#include "dgon/relay.h"
#include "dgon/sse.h"

typedef struct agent_model {
    char name[DGON_WIRE_NAME_MAX + 1];
    uint32_t context, caps;
    bool loaded;
} agent_model;

typedef struct agent_echo {
    char *text; /* the answer's words, owned */
    size_t len, at;
    uint32_t left; /* tokens still to come */
    uint32_t delay_ms;
    bool started;
} agent_echo;

/* The translation of one job: a client's body in, a backend's answer out. */
typedef struct agent_exchange {
    dgon_chat chat;
    dgon_buf out; /* scratch of one chunk; the whole answer after `answer` */
    dgon_op op;
    bool stream, reading, base64; /* base64: of embeddings */
    dgon_chat_emit_fn emit;
    void *user;
    union {
        dgon_sse sse;
        dgon_ndjson ndjson;
        agent_echo echo;
        struct {
            dgon_sse sse;
            dgon_ollama_front lines;
        } front;
    } u;
} agent_exchange;

/* What a job tells the translation about itself. */
typedef struct agent_exchange_job {
    const char *id, *public_model, *body;
    size_t body_len;
    int64_t created;
    dgon_op op;
    bool stream, again; /* again: another exchange of the same answer, the chat goes on */
    const agent_model *model;
    const agent_config_backend *config;
} agent_exchange_job;

typedef struct agent_backend_ops {
    agent_kind kind;
    /* Paths behind the backend's url, from these fixed lists only. ask: NULL, it cannot do that;
     * "": no HTTP, `step` makes the answer. */
    const char *ask[DGON_OP_MAX], *models, *more;
    /* Its API gives one choice to a request, whatever n says. */
    bool one_choice;
    /* Sets up the exchange and appends the request's body. On failure e is filled. DGON_DONE:
     * nothing is asked, the answer was emitted or stands in x->out. */
    dgon_status (*begin)(agent_exchange *x, const agent_exchange_job *job, dgon_buf *request,
                         dgon_error *e);
    /* Next bytes of a streamed answer with status 200; DGON_DONE: the answer said it is over. */
    dgon_status (*feed)(agent_exchange *x, const char *p, size_t n);
    /* The streamed body ended. */
    dgon_status (*finish)(agent_exchange *x);
    /* A whole answer with status 200, into x->out. */
    dgon_status (*answer)(agent_exchange *x, const char *p, size_t n);
    /* An answer with another status. */
    void (*error)(dgon_error *e, int http, const char *p, size_t n);
    /* Frees what begin took beside chat and out. */
    void (*fini)(agent_exchange *x);
    /* Without HTTP: next piece now; DGON_OK and the pause before the next one, DGON_DONE at the
     * end. */
    dgon_status (*step)(agent_exchange *x, uint32_t *wait_ms);
    /* Model lists: of `models`, then of `more` (may be NULL), which may tell the slots as well. */
    dgon_status (*models_in)(const char *p, size_t n, dgon_model_fn fn, void *user);
    dgon_status (*more_in)(const char *p, size_t n, dgon_model_fn fn, void *user, uint32_t *slots);
} agent_backend_ops;

/* Translations for other APIs than the backend's kind has by itself: what is passed on (op.h), and
 * Ollama's own to OpenAI's. */
extern const agent_backend_ops agent_backend_relay;
extern const agent_backend_ops agent_backend_front;
/* The translation for such a job: one of these, or the kind's own. */
const agent_backend_ops *agent_backend_translation(const agent_backend_ops *kind, dgon_op op);
extern const agent_backend_ops agent_backend_openai;
extern const agent_backend_ops agent_backend_ollama;
extern const agent_backend_ops agent_backend_echo;

/* The longest whole answer to such a job, in bytes, backend's and ours. */
size_t agent_backend_answer_max(dgon_op op);

/* NULL for AGENT_KIND_AUTO. */
const agent_backend_ops *agent_backend_ops_get(agent_kind k);

/* Common end of every `begin`: `s` says how the translation of the request went. Sets the exchange
 * up, or e when that or the translation failed. */
DGON_MUST_USE dgon_status agent_exchange_init(agent_exchange *x, const agent_exchange_job *job,
                                              dgon_status s, bool want_usage, dgon_error *e);

#endif
