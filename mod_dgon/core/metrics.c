#include "metrics_int.h"

#include "registry_int.h"

#include <string.h>

const dgon_metrics_bounds dgon_metrics_bounds_of[DGON_HISTOGRAM_MAX] = {
    [DGON_HISTOGRAM_FIRST] = {19,
                              {1000, 5000, 10000, 20000, 40000, 60000, 80000, 100000, 250000,
                               500000, 750000, 1000000, 2500000, 5000000, 7500000, 10000000,
                               20000000, 40000000, 80000000}},
    [DGON_HISTOGRAM_TOKEN] = {13,
                              {10000, 25000, 50000, 75000, 100000, 150000, 200000, 300000, 400000,
                               500000, 750000, 1000000, 2500000}},
    [DGON_HISTOGRAM_TOTAL] = {14,
                              {10000, 20000, 40000, 80000, 160000, 320000, 640000, 1280000, 2560000,
                               5120000, 10240000, 20480000, 40960000, 81920000}},
    [DGON_HISTOGRAM_QUEUE] = {19,
                              {1000, 5000, 10000, 20000, 40000, 60000, 80000, 100000, 250000,
                               500000, 750000, 1000000, 2500000, 5000000, 7500000, 10000000,
                               20000000, 40000000, 80000000}},
    [DGON_HISTOGRAM_IN] = {14,
                           {1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304,
                            16777216, 67108864}},
    [DGON_HISTOGRAM_OUT] = {14,
                            {1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304,
                             16777216, 67108864}},
};

const int dgon_metrics_codes[DGON_METRICS_CODES] = {200, 201, 202, 204, 304, 400, 401, 403,
                                                    404, 405, 408, 409, 413, 415, 422, 429,
                                                    499, 500, 501, 502, 503, 504, 529, 0};

const char *const dgon_metrics_ops[DGON_METRICS_OPS] = {
    [DGON_METRICS_CHAT] = "chat",         [DGON_METRICS_TEXT] = "text_completion",
    [DGON_METRICS_EMBED] = "embeddings",  [DGON_METRICS_RESPONSES] = "responses",
    [DGON_METRICS_MESSAGES] = "messages", [DGON_METRICS_COUNT_TOKENS] = "count_tokens",
    [DGON_METRICS_RERANK] = "rerank",     [DGON_METRICS_PASS] = "pass",
    [DGON_METRICS_NOT_A_JOB] = "_other",
};

/* One word for what is asked, whichever API asks it. */
static dgon_metrics_op op_of(dgon_op op)
{
    switch (op) {
    case DGON_OP_CHAT:
    case DGON_OP_OLLAMA_CHAT:
        return DGON_METRICS_CHAT;
    case DGON_OP_COMPLETION:
    case DGON_OP_OLLAMA_GENERATE:
        return DGON_METRICS_TEXT;
    case DGON_OP_EMBED:
    case DGON_OP_OLLAMA_EMBED:
    case DGON_OP_OLLAMA_EMBEDDINGS:
        return DGON_METRICS_EMBED;
    case DGON_OP_RESPONSES:
        return DGON_METRICS_RESPONSES;
    case DGON_OP_MESSAGES:
        return DGON_METRICS_MESSAGES;
    case DGON_OP_COUNT_TOKENS:
        return DGON_METRICS_COUNT_TOKENS;
    case DGON_OP_RERANK:
        return DGON_METRICS_RERANK;
    case DGON_OP_PASS:
        return DGON_METRICS_PASS;
    default:
        return DGON_METRICS_NOT_A_JOB;
    }
}

static void add(_Atomic uint64_t *p, uint64_t n)
{
    atomic_fetch_add_explicit(p, n, memory_order_relaxed);
}

static void observe(dgon_layout_series *s, dgon_histogram h, int64_t value)
{
    const dgon_metrics_bounds *b = &dgon_metrics_bounds_of[h];
    unsigned i = 0;
    if (value < 0)
        return;
    while (i < b->n && (uint64_t)value > b->le[i])
        i++;
    add(&s->sum[h], (uint64_t)value);
    add(&s->bucket[h][i], 1);
}

static void count_code(dgon_layout_series *s, int status)
{
    unsigned i = 0;
    while (i < DGON_METRICS_CODES - 1 && dgon_metrics_codes[i] != status)
        i++;
    add(&s->codes[i], 1);
}

/* Names are never given back: a counter must not become another model's. */
static uint32_t name_of(dgon_registry *r, const char *model)
{
    uint64_t word;
    uint32_t i = DGON_NONE;
    if (model != NULL && model[0] != '\0')
        i = dgon_names_put(&r->metric_names, model, strlen(model), &word, NULL);
    return i != DGON_NONE ? i : DGON_METRICS_OTHER;
}

void dgon_metrics_count(dgon_registry *r, const dgon_metrics_request *q)
{
    dgon_layout_series *s = dgon_series_at(r, name_of(r, q->model), op_of(q->op));
    count_code(s, q->status);
    observe(s, DGON_HISTOGRAM_TOTAL, q->total_us);
    observe(s, DGON_HISTOGRAM_QUEUE, q->queue_us);
    observe(s, DGON_HISTOGRAM_IN, q->tokens_in);
    observe(s, DGON_HISTOGRAM_OUT, q->tokens_out);
    if (q->stream && q->first_us >= 0)
        observe(s, DGON_HISTOGRAM_FIRST, q->first_us);
    if (q->stream && q->good && q->first_us >= 0 && q->tokens_out > 1 && q->total_us >= q->first_us)
        observe(s, DGON_HISTOGRAM_TOKEN, (q->total_us - q->first_us) / (q->tokens_out - 1));
}
