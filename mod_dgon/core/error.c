#include "dgon/error.h"

#include "dgon/json.h"
#include "dgon/wire.h"
#include "json_int.h"
#include "utf8_int.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define UNPACK_DEPTH 8u

static const char *type_of(int http)
{
    switch (http) {
    case 408:
        return "timeout";
    case 429:
        return "rate_limit_error";
    case 503:
        return "service_unavailable_error";
    default:
        return http < 500 ? "invalid_request_error" : "server_error";
    }
}

static int http_or(int http, int otherwise)
{
    return http >= 400 && http <= 599 ? http : otherwise;
}

/* Copies a text of any bytes as valid UTF-8, cut at a character's border. Four bytes more than fit
 * are looked at: a character cut by the look's own end is never among those that stay. */
static void copy_text(char *dst, size_t size, const char *src)
{
    char repaired[3 * (DGON_ERROR_TEXT_MAX + 4)];
    size_t n = 0;
    while (n < size + 3 && src[n] != '\0')
        n++;
    n = dgon_utf8_repair(repaired, src, n);
    n = dgon_utf8_cut(repaired, n, size - 1);
    memcpy(dst, repaired, n);
    dst[n] = '\0';
}

void dgon_error_set(dgon_error *e, int http, const char *code, const char *param, const char *fmt,
                    ...)
{
    char text[DGON_ERROR_TEXT_MAX + 4];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(text, sizeof text, fmt, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    *e = (dgon_error){.http = http_or(http, 500)};
    e->type = type_of(e->http);
    copy_text(e->message, sizeof e->message, text);
    copy_text(e->code, sizeof e->code, code != NULL ? code : "");
    copy_text(e->param, sizeof e->param, param != NULL ? param : "");
}

static dgon_status add_text(dgon_buf *out, const char *s)
{
    return dgon_buf_add_json_string(out, s, strlen(s));
}

static dgon_status add_text_or_null(dgon_buf *out, const char *s)
{
    return s[0] != '\0' ? add_text(out, s) : dgon_buf_adds(out, "null");
}

static dgon_status write_object(dgon_buf *out, const dgon_error *e)
{
    dgon_status s = dgon_buf_adds(out, "{\"error\":{\"message\":");
    if (s == DGON_OK)
        s = add_text(out, e->message);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",\"type\":");
    if (s == DGON_OK)
        s = add_text(out, e->type != NULL ? e->type : type_of(e->http));
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",\"param\":");
    if (s == DGON_OK)
        s = add_text_or_null(out, e->param);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",\"code\":");
    if (s == DGON_OK)
        s = add_text_or_null(out, e->code);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, "}}");
    return s;
}

static const char *const known[] = {
    "-",
    "other",
    "cancelled",
    "context_length_exceeded",
    "cross_site_request",
    "invalid_type",
    "invalid_value",
    "model_not_found",
    "no_capacity",
    "not_opened",
    "request_too_large",
    "server_is_overloaded",
    "server_restarting",
    "timeout",
    "unsupported_operation",
    "unsupported_value",
    "upstream_error",
};
#define KNOWN (sizeof known / sizeof known[0])

unsigned dgon_error_code_number(const dgon_error *e)
{
    for (unsigned k = 2; k < KNOWN && e->code[0] != '\0'; k++)
        if (strcmp(e->code, known[k]) == 0)
            return k;
    return e->code[0] != '\0';
}

const char *dgon_error_code_name(unsigned number)
{
    return known[number < KNOWN ? number : 1];
}

const char *dgon_error_code_for_log(const dgon_error *e)
{
    return known[dgon_error_code_number(e)];
}

dgon_status dgon_error_write(dgon_buf *out, const dgon_error *e)
{
    size_t before = out->len;
    dgon_status s = write_object(out, e);
    if (s != DGON_OK)
        out->len = before;
    return s;
}

/* Anthropic's words (docs.anthropic.com, "Errors"). */
static const char *anthropic_type(int http)
{
    switch (http) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 503:
        return "overloaded_error";
    case 504:
        return "timeout_error";
    default:
        return http >= 500 ? "api_error" : "invalid_request_error";
    }
}

static dgon_status write_anthropic(dgon_buf *out, const dgon_error *e)
{
    dgon_status s = dgon_buf_addf(
        out,
        "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", anthropic_type(e->http));
    if (s == DGON_OK)
        s = add_text(out, e->message);
    return s == DGON_OK ? dgon_buf_adds(out, "}}") : s;
}

/* OpenAI's `error` event of a response, and beside it the object that its SDKs raise. */
static dgon_status write_response_error(dgon_buf *out, const dgon_error *e)
{
    dgon_status s = dgon_buf_adds(out, "{\"type\":\"error\",\"message\":");
    if (s == DGON_OK)
        s = add_text(out, e->message);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",\"code\":");
    if (s == DGON_OK)
        s = add_text_or_null(out, e->code);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",\"param\":null,\"error\":");
    size_t at = out->len;
    if (s == DGON_OK)
        s = write_object(out, e);
    if (s != DGON_OK)
        return s;
    /* {"error":{…}} -> {…} */
    static const char lead[] = "{\"error\":";
    size_t n = out->len - at - (sizeof lead - 1);
    memmove(out->data + at, out->data + at + sizeof lead - 1, n);
    out->len = at + n; /* its last brace closes ours */
    return DGON_OK;
}

/* Ollama's: a text alone. */
static dgon_status write_ollama(dgon_buf *out, const dgon_error *e)
{
    dgon_status s = dgon_buf_adds(out, "{\"error\":");
    if (s == DGON_OK)
        s = add_text(out, e->message);
    return s == DGON_OK ? dgon_buf_adds(out, "}") : s;
}

static bool is_anthropic(dgon_op op)
{
    return op == DGON_OP_MESSAGES || op == DGON_OP_COUNT_TOKENS;
}

dgon_status dgon_error_write_for(dgon_buf *out, const dgon_error *e, dgon_op op)
{
    size_t before = out->len;
    dgon_status s = is_anthropic(op)                      ? write_anthropic(out, e)
                    : dgon_op_form(op) == DGON_FORM_LINES ? write_ollama(out, e)
                                                          : write_object(out, e);
    if (s != DGON_OK)
        out->len = before;
    return s;
}

dgon_status dgon_error_write_event(dgon_buf *out, const dgon_error *e, dgon_op op)
{
    size_t before = out->len;
    static const struct {
        const char *before, *behind;
    } frames[] = {[DGON_FORM_DATA] = {"data: ", "\n\ndata: [DONE]\n\n"},
                  [DGON_FORM_EVENTS] = {"event: error\ndata: ", "\n\n"},
                  [DGON_FORM_LINES] = {"", "\n"}};
    dgon_status s = dgon_buf_adds(out, frames[dgon_op_form(op)].before);
    if (s == DGON_OK)
        s = op == DGON_OP_RESPONSES ? write_response_error(out, e)
                                    : dgon_error_write_for(out, e, op);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, frames[dgon_op_form(op)].behind);
    if (s != DGON_OK)
        out->len = before;
    return s;
}

static dgon_status pack_object(dgon_buf *out, const dgon_error *e, size_t message_len)
{
    dgon_status s = dgon_buf_addf(out, "{\"status\":%d,\"code\":", http_or(e->http, 500));
    if (s == DGON_OK)
        s = add_text_or_null(out, e->code);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",\"param\":");
    if (s == DGON_OK)
        s = add_text_or_null(out, e->param);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",\"message\":");
    if (s == DGON_OK)
        s = dgon_buf_add_json_string(out, e->message, message_len);
    if (s == DGON_OK && e->retry_after > 0)
        s = dgon_buf_addf(out, ",\"retry_after\":%d", e->retry_after);
    if (s == DGON_OK && e->lasting)
        s = dgon_buf_adds(out, ",\"lasting\":true");
    if (s == DGON_OK)
        s = dgon_buf_addf(out, ",\"retryable\":%s,\"requeue\":%s}", e->retryable ? "true" : "false",
                          e->requeue ? "true" : "false");
    return s;
}

dgon_status dgon_error_pack(dgon_buf *out, const dgon_error *e)
{
    size_t before = out->len;
    size_t len = strlen(e->message);
    for (;;) {
        dgon_status s = pack_object(out, e, len);
        if (s == DGON_OK && out->len - before <= DGON_WIRE_FINAL_MAX)
            return DGON_OK;
        out->len = before;
        if (s != DGON_OK)
            return s;
        /* only a message of control characters, six bytes each when escaped, comes here */
        len = dgon_utf8_cut(e->message, len, len / 2);
    }
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

static int int_of(const json_t *o, const char *key, int lo, int hi, int otherwise)
{
    const json_t *v = json_object_get(o, key);
    json_int_t n = json_integer_value(v);
    return json_is_integer(v) && n >= lo && n <= hi ? (int)n : otherwise;
}

dgon_status dgon_error_unpack(dgon_error *e, const char *p, size_t n)
{
    json_error_t why;
    json_t *o;
    if (dgon_json_precheck(p, n, UNPACK_DEPTH, NULL) != DGON_OK)
        return DGON_EJSON;
    dgon_status s = dgon_json_load(&o, p, n, 0, &why);
    if (s != DGON_OK)
        return s;
    if (!json_is_object(o)) {
        json_decref(o);
        return DGON_EJSON;
    }
    dgon_error_set(e, int_of(o, "status", 400, 599, 502), text_of(o, "code"), text_of(o, "param"),
                   "%s", text_of(o, "message"));
    e->retryable = json_is_true(json_object_get(o, "retryable"));
    e->requeue = json_is_true(json_object_get(o, "requeue"));
    e->lasting = json_is_true(json_object_get(o, "lasting"));
    e->retry_after = int_of(o, "retry_after", 0, 86400, 0);
    json_decref(o);
    return DGON_OK;
}
