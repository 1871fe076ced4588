#include "mod_dgon_tally.h"

#include "mod_dgon_error.h"

#include "dgon/metrics.h"

#include <http_protocol.h>
#include <apr_strings.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#define GONE 499 /* as nginx has it: the client went before its answer was whole */

uint64_t mod_dgon_tally_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void mod_dgon_tally_begin(request_rec *r, mod_dgon_engine *e)
{
    mod_dgon_tally *t = apr_pcalloc(r->pool, sizeof(*t));
    t->engine = e;
    t->started_us = mod_dgon_tally_now();
    t->tokens_in = t->tokens_out = DGON_METRICS_UNKNOWN;
    ap_set_module_config(r->request_config, &dgon_module, t);
}

mod_dgon_tally *mod_dgon_tally_of(request_rec *r)
{
    return ap_get_module_config(r->request_config, &dgon_module);
}

void mod_dgon_tally_error(request_rec *r, const dgon_error *e)
{
    mod_dgon_tally *t = mod_dgon_tally_of(r);
    if (t == NULL)
        return;
    t->error = dgon_error_code_for_log(e);
    t->error_status = e->http;
}

/* ---- for httpd's logs ---- */

/* One value under both names: %{dgon-model}n and %{DGON_MODEL}e. Each is told once, so nobody needs
 * to look whether it stands there. */
static void tell(request_rec *r, const char *note, const char *variable, const char *value)
{
    apr_table_addn(r->notes, note, value);
    apr_table_addn(r->subprocess_env, variable, value);
}

/* n / 10^decimals, in digits. Once a request or more: apr_psprintf() takes several times as long.
 */
static void tell_decimal(request_rec *r, const char *note, const char *variable, uint64_t n,
                         unsigned decimals)
{
    char text[24], *at = text + sizeof(text);
    for (unsigned i = 0; n > 0 || i <= decimals; i++, n /= 10) {
        if (i > 0 && i == decimals)
            *--at = '.';
        *--at = (char)('0' + n % 10);
    }
    tell(r, note, variable, apr_pstrmemdup(r->pool, at, (size_t)(text + sizeof(text) - at)));
}

static void tell_ms(request_rec *r, const char *note, const char *variable, uint64_t from,
                    uint64_t to)
{
    if (from != 0 && to >= from)
        tell_decimal(r, note, variable, to - from, 3);
}

static void tell_tokens(request_rec *r, const mod_dgon_tally *t, uint64_t now)
{
    if (t->tokens_in >= 0)
        tell_decimal(r, "dgon-tokens-in", "DGON_TOKENS_IN", (uint64_t)t->tokens_in, 0);
    if (t->tokens_out >= 0)
        tell_decimal(r, "dgon-tokens-out", "DGON_TOKENS_OUT", (uint64_t)t->tokens_out, 0);
    if (t->tokens_out > 1 && t->first_us != 0 && now > t->first_us)
        tell_decimal(
            r, "dgon-tokens-per-second", "DGON_TOKENS_PER_SECOND",
            (uint64_t)((double)(t->tokens_out - 1) * 1e8 / (double)(now - t->first_us) + 0.5), 2);
}

static void tell_all(request_rec *r, const mod_dgon_tally *t, uint64_t now)
{
    if (t->op != DGON_OP_NONE) {
        tell(r, "dgon-op", "DGON_OP", dgon_op_str(t->op));
        tell(r, "dgon-stream", "DGON_STREAM", t->stream ? "1" : "0");
    }
    if (t->model != NULL)
        tell(r, "dgon-model", "DGON_MODEL", t->model);
    if (t->agent[0] != '\0')
        tell(r, "dgon-agent", "DGON_AGENT", t->agent);
    tell_ms(r, "dgon-queue-ms", "DGON_QUEUE_MS", t->admitted_us, t->bound_us);
    tell_ms(r, "dgon-first-ms", "DGON_FIRST_MS", t->started_us, t->first_us);
    tell_ms(r, "dgon-total-ms", "DGON_TOTAL_MS", t->started_us, now);
    tell_tokens(r, t, now);
    if (t->finish[0] != '\0')
        tell(r, "dgon-finish", "DGON_FINISH", t->finish);
    if (t->gone)
        tell(r, "dgon-error", "DGON_ERROR", "client_gone");
    else if (t->error != NULL)
        tell(r, "dgon-error", "DGON_ERROR", t->error);
    if (t->retries > 0)
        tell_decimal(r, "dgon-retries", "DGON_RETRIES", t->retries, 0);
}

/* ---- adding up ---- */

static int64_t between(uint64_t from, uint64_t to)
{
    return from != 0 && to >= from ? (int64_t)(to - from) : DGON_METRICS_UNKNOWN;
}

static int status_of(const request_rec *r, const mod_dgon_tally *t)
{
    if (t->gone || (r->connection->aborted && !t->good))
        return GONE;
    return t->error_status != 0 ? t->error_status : r->status;
}

static void add_up(request_rec *r, const mod_dgon_tally *t, uint64_t now)
{
    const dgon_metrics_request q = {.model = t->model,
                                    .op = t->op,
                                    .status = status_of(r, t),
                                    .stream = t->stream,
                                    .good = t->good,
                                    .queue_us = between(t->admitted_us, t->bound_us),
                                    .first_us = between(t->started_us, t->first_us),
                                    .total_us = between(t->started_us, now),
                                    .tokens_in = t->tokens_in,
                                    .tokens_out = t->tokens_out};
    dgon_metrics_count(t->engine->registry, &q);
}

/* Refused before its handler was asked: 401, 403, a malformed header. */
static void add_up_refused(request_rec *r)
{
    mod_dgon_engine *e = mod_dgon_engine_get();
    const dgon_metrics_request q = {.status = r->status,
                                    .queue_us = DGON_METRICS_UNKNOWN,
                                    .first_us = DGON_METRICS_UNKNOWN,
                                    .total_us = DGON_METRICS_UNKNOWN,
                                    .tokens_in = DGON_METRICS_UNKNOWN,
                                    .tokens_out = DGON_METRICS_UNKNOWN};
    if (e != NULL)
        dgon_metrics_count(e->registry, &q);
}

/* Once for each request that httpd answered, before mod_log_config looks at the notes. */
static int log_hook(request_rec *first)
{
    request_rec *r = first;
    while (r->next != NULL)
        r = r->next;
    mod_dgon_tally *t = mod_dgon_tally_of(r);
    if (t != NULL) {
        uint64_t now = mod_dgon_tally_now();
        tell_all(r, t, now);
        if (t->op != DGON_OP_LOAD) /* no request of a client: it lasts minutes */
            add_up(r, t, now);
        ap_set_module_config(r->request_config, &dgon_module, NULL);
    } else if (r->status >= HTTP_BAD_REQUEST && mod_dgon_error_for_api(r)) {
        add_up_refused(r);
    }
    return DECLINED;
}

void mod_dgon_tally_register(void)
{
    ap_hook_log_transaction(log_hook, NULL, NULL, APR_HOOK_FIRST);
}
