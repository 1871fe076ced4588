/* What a backend says when it fails, as the error our client gets. Ollama's texts pass here as
 * well. */
#include "openai_int.h"

#include "dgon/utf8.h"
#include "tree_int.h"

#include <stdio.h>
#include <string.h>

#define PLAIN_MAX    400u /* bytes of a body that is not JSON */
#define BUSY_SECONDS 1    /* until a client may ask again */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* needle is in lower case. */
static bool contains(const char *text, const char *needle)
{
    size_t n = strlen(needle);
    for (; text != NULL && *text != '\0'; text++) {
        size_t k = 0;
        while (k < n && lower(text[k]) == needle[k])
            k++;
        if (k == n)
            return true;
    }
    return false;
}

/* A 5xx must say it plainly: "cannot allocate context size" is the backend's own trouble. */
static bool is_context_error(int http, const char *message, const char *code)
{
    static const char *const texts[] = {"context length", "context size", "context window",
                                        "longer than the context"};
    bool exceeds = contains(message, "exceed");
    if (contains(code, "exceed_context_size") || contains(code, "context_length_exceeded"))
        return true;
    if (exceeds && contains(message, "input length"))
        return true;
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        if (contains(message, texts[k]))
            return http < 500 || exceeds;
    }
    return false;
}

static bool is_model_error(const char *message, const char *code)
{
    return contains(code, "model_not_found") ||
           (contains(message, "model") &&
            (contains(message, "not found") || contains(message, "not exist")));
}

static bool is_refusal(int http)
{
    return http == 401 || http == 403 || http == 407;
}

void dgon_backend_error_map(dgon_error *e, int http, const char *message, const char *code,
                            const char *param)
{
    bool told = message != NULL && *message != '\0';
    if (!is_refusal(http) && http != 429 && http != 503 && is_context_error(http, message, code)) {
        dgon_error_set(e, 400, "context_length_exceeded", "messages", "%s",
                       told ? message : "The request is longer than the model's context.");
        return;
    }
    if (http >= 400 && http < 500 && !is_refusal(http) && http != 404 && http != 408 &&
        http != 429 && http != 499) {
        dgon_error_set(e, http, code, param, "%s",
                       told ? message : "The backend refused the request.");
        return;
    }
    if (is_refusal(http))
        dgon_error_set(e, 502, "upstream_error", NULL,
                       "The backend refused the agent's credentials (HTTP %d).", http);
    else if (http >= 300 && http < 400)
        dgon_error_set(e, 502, "upstream_error", NULL,
                       "The backend sent the agent elsewhere (HTTP %d), which is not followed.",
                       http);
    else if (http == 404 && is_model_error(message, code))
        dgon_error_set(e, 404, "model_not_found", "model", "%s",
                       told ? message : "The backend does not have this model.");
    else if (http == 404)
        dgon_error_set(e, 502, "upstream_error", NULL,
                       "The backend does not have this endpoint (HTTP 404).");
    else if (http == 501)
        dgon_error_set(e, 400, "unsupported_operation", "model", "%s",
                       told ? message : "The model's backend cannot do this.");
    else if (http == 429 || http == 503)
        dgon_error_set(e, 503, "server_is_overloaded", NULL, "%s",
                       told ? message : "The backend is busy.");
    else
        dgon_error_set(e, 502, "upstream_error", NULL, "The backend failed (HTTP %d)%s%s", http,
                       told ? ": " : ".", told ? message : "");
    e->retryable = true;
    e->lasting = is_refusal(http) || (http >= 300 && http < 400) ||
                 http == 404; /* until somebody mends it */
    if (http == 429 || http == 503)
        e->retry_after = BUSY_SECONDS;
}

/* ---- reading it ---- */

/* The code as a text, numbers too; NULL if there is none. */
static const char *code_text(const json_t *error, char buf[24])
{
    const json_t *code = json_object_get(error, "code");
    const char *type = dgon_tree_str(error, "type");
    if (contains(type, "exceed_context_size"))
        return type;
    if (json_is_string(code))
        return json_string_value(code);
    if (!json_is_integer(code))
        return NULL;
    (void)snprintf(buf, 24, "%lld", (long long)json_integer_value(code));
    return buf;
}

/* Status of an error that came inside an answer. */
static int status_in(const json_t *error)
{
    int64_t code = dgon_tree_int(error, "code", 0);
    const char *type = dgon_tree_str(error, "type");
    if (code >= 400 && code <= 599)
        return (int)code;
    return contains(type, "invalid_request") || contains(type, "badrequest") ? 400 : 502;
}

bool dgon_openai_error_in(dgon_error *e, int http, const json_t *root)
{
    const json_t *error = json_object_get(root, "error");
    const char *object = dgon_tree_str(root, "object");
    char number[24];
    if (object != NULL && strcmp(object, "error") == 0)
        error = root; /* older vLLM */
    if (error == NULL || json_is_null(error))
        return false;
    const char *message =
        json_is_string(error) ? json_string_value(error) : dgon_tree_str(error, "message");
    if (message == NULL)
        message = dgon_tree_str(root, "message");
    dgon_backend_error_map(e, http != 0 ? http : status_in(error), message,
                           code_text(error, number), dgon_tree_str(error, "param"));
    return true;
}

static void plain_error(dgon_error *e, int http, const char *p, size_t n)
{
    char text[3 * PLAIN_MAX + 1];
    if (n > 0 && *p == '<')
        n = 0; /* a page of HTML helps nobody */
    n = dgon_utf8_repair(text, p, n < PLAIN_MAX ? n : PLAIN_MAX);
    text[n] = '\0';
    dgon_backend_error_map(e, http, text, NULL, NULL);
}

void dgon_openai_backend_error(dgon_error *e, int http, const char *p, size_t n)
{
    json_t *root = NULL;
    if (p == NULL)
        n = 0;
    dgon_status s = n > 0 ? dgon_tree_load_backend(&root, p, n) : DGON_EJSON;
    const char *detail = dgon_tree_str(root, "detail");
    if (s != DGON_OK)
        plain_error(e, http, p, n);
    else if (!dgon_openai_error_in(e, http, root))
        dgon_backend_error_map(e, http, detail != NULL ? detail : dgon_tree_str(root, "message"),
                               NULL, NULL);
    json_decref(root);
}
