#include "fakellm_route.h"

#include "fakellm_stats.h"
#include "fakellm_stream.h"
#include "fakellm_write.h"
#include "http_field.h"

#define MODEL_MAX 16

bool route_ollama;
struct plan route_defaults = {.tokens = 64, .burst = 1, .spread = true};
static struct model models[MODEL_MAX];
static size_t n_models;

bool route_add_model(const char *name)
{
    if (n_models == MODEL_MAX || strlen(name) >= NAME_MAX_ || strpbrk(name, "\"\\")) {
        return false;
    }
    write_model(&models[n_models++], name);
    return true;
}

static void read_plan(struct plan *p, struct text head, struct text root)
{
    struct text b = json_member(root, "bench");

    *p = route_defaults;
    if (!b.p) {
        b = json_member(json_member(root, "options"), "bench");
    }
    if (!b.p) {
        b = (struct text){http_field(head.p, head.end, "X-Bench"), head.end};
    }
    p->tokens = json_whole(json_member(b, "tokens"), p->tokens, TOKENS_MAX);
    p->burst = json_whole(json_member(b, "burst"), p->burst, TOKENS_MAX);
    if (p->burst == 0) {
        p->burst = 1;
    }
    p->first_ms = json_whole(json_member(b, "first_ms"), p->first_ms, 86400000);
    p->id = json_whole(json_member(b, "id"), p->id, 1ULL << 52);
    p->rate = json_number(json_member(b, "rate"), p->rate);
    p->spread = json_truth(json_member(b, "phase"), p->spread);
    p->silent = json_truth(json_member(b, "silent"), p->silent);
}

/* An escaped name is not one of ours. */
static const struct model *find_model(struct text name)
{
    size_t n = name.p && *name.p == '"' ? (size_t)(name.end - name.p) - 2 : 0;

    for (size_t i = 0; i < n_models; i++) {
        if (strlen(models[i].name) == n && memcmp(models[i].name, name.p + 1, n) == 0) {
            return &models[i];
        }
    }
    return NULL;
}

static void answer_text(struct conn *c, const char *status, const char *text)
{
    conn_answer(c, status, "application/json", text, strlen(text));
}

static void chat(struct conn *c, struct text head, struct text root)
{
    c->model = find_model(json_member(root, "model"));
    c->ollama = route_ollama;
    if (!c->model) {
        answer_text(c, "404 Not Found",
                    "{\"error\":{\"message\":\"no such model\",\"type\":"
                    "\"invalid_request_error\",\"code\":\"model_not_found\"}}");
        return;
    }
    c->usage = json_truth(json_member(json_member(root, "stream_options"), "include_usage"), false);
    read_plan(&c->plan, head, root);
    stream_start(c, json_truth(json_member(root, "stream"), c->ollama));
}

static void answer_stats(struct conn *c, bool lists)
{
    struct bytes b = {0};

    stats_print(&b, lists);
    conn_answer_json(c, "200 OK", &b);
    bytes_free(&b);
}

static void answer_models(struct conn *c)
{
    struct bytes b = {0};

    bytes_printf(&b, route_ollama ? "{\"models\":[" : "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < n_models; i++) {
        bytes_printf(&b,
                     route_ollama
                         ? "%s{\"name\":\"%s\",\"model\":\"%s\",\"modified_at\":"
                           "\"2024-01-01T00:00:00Z\",\"size\":1000,\"digest\":\"0123456789ab\","
                           "\"details\":{\"format\":\"gguf\",\"family\":\"bench\"}}"
                         : "%s{\"id\":\"%s\",\"object\":\"model\",\"created\":1700000000,"
                           "\"owned_by\":\"%s\"}",
                     i ? "," : "", models[i].name, models[i].name);
    }
    bytes_add(&b, "]}", 2);
    conn_answer_json(c, "200 OK", &b);
    bytes_free(&b);
}

static bool is(const char *line, const char *what)
{
    return strncmp(line, what, strlen(what)) == 0;
}

void route(struct conn *c, struct text head, struct text body)
{
    const char *line = head.p;
    static const struct {
        const char *line;
        bool ollama;
        const char *text;
    } fixed[] = {
        {"GET /api/version ", true, "{\"version\":\"0.9.0\"}"},
        {"POST /api/show ", true,
         "{\"capabilities\":[\"completion\"],\"details\":{\"family\":\"bench\"},\"model_info\":"
         "{\"general.architecture\":\"bench\",\"bench.context_length\":8192}}"},
        {"GET /api/ps ", true, "{\"models\":[]}"},
        {"GET /health ", false, "{\"status\":\"ok\"}"},
    };

    stats.requests++;
    if (is(line, route_ollama ? "POST /api/chat " : "POST /v1/chat/completions ")) {
        chat(c, head, body);
        return;
    }
    if (is(line, "GET /stats ") || is(line, "GET /stats?")) {
        answer_stats(c, !is(line, "GET /stats?brief"));
        return;
    }
    if (is(line, route_ollama ? "GET /api/tags " : "GET /v1/models ")) {
        answer_models(c);
        return;
    }
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        if (fixed[i].ollama == route_ollama && is(line, fixed[i].line)) {
            answer_text(c, "200 OK", fixed[i].text);
            return;
        }
    }
    answer_text(c, "404 Not Found", "{\"error\":{\"message\":\"no such path\"}}");
}
