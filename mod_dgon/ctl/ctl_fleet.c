/* status, agents, models, jobs: what there is. */
#include "ctl.h"

#include <stdio.h>
#include <string.h>

static const json_t *list(const json_t *answer, const char *key)
{
    return json_object_get(answer, key);
}

static const char *busy_of(const json_t *o)
{
    static char text[4][48];
    static unsigned next;
    char *out = text[next++ % 4];
    (void)snprintf(out, sizeof text[0], "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT,
                   ctl_int(o, "busy"), ctl_int(o, "slots"));
    return out;
}

/* "qwen3:8b 41 tok/s, llama3" */
static void models_of(const json_t *agent, char *out, size_t size)
{
    const json_t *models = list(agent, "models");
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(models) && at + 1 < size; i++) {
        const json_t *m = json_array_get(models, i);
        double rate = json_real_value(json_object_get(m, "tokens_per_second"));
        char speed[32] = "";
        if (rate > 0)
            (void)snprintf(speed, sizeof speed, " %.0f tok/s", rate);
        int n = snprintf(out + at, size - at, "%s%s%s%s", i > 0 ? ", " : "", ctl_text(m, "id"),
                         speed, json_is_true(json_object_get(m, "loaded")) ? "" : " (cold)");
        at += n > 0 ? (size_t)n : 0;
    }
}

static void error_of(const json_t *agent, char *out, size_t size)
{
    const json_t *e = list(agent, "last_error");
    out[0] = '\0';
    if (json_is_object(e))
        (void)snprintf(out, size, "%" JSON_INTEGER_FORMAT " %s, %s ago", ctl_int(e, "status"),
                       ctl_text(e, "code"), ctl_age(ctl_int(e, "at")));
}

static void show_agents(const json_t *answer)
{
    static const char *const titles[CTL_COLUMNS + 1] = {"AGENT",  "STATE",  "SINCE",   "BUSY",
                                                        "DONE",   "FAILED", "ADDRESS", "LAST ERROR",
                                                        "MODELS", NULL};
    ctl_table t;
    const json_t *agents = list(answer, "agents");
    ctl_table_begin(&t, 1u << 4 | 1u << 5, titles);
    for (size_t i = 0; i < json_array_size(agents); i++) {
        char models[1024], error[128];
        const json_t *a = json_array_get(agents, i);
        models_of(a, models, sizeof models);
        error_of(a, error, sizeof error);
        const char *const row[] = {ctl_text(a, "id"),
                                   ctl_text(a, "state"),
                                   ctl_age(ctl_int(a, "since")),
                                   busy_of(a),
                                   ctl_number(ctl_int(a, "done")),
                                   ctl_number(ctl_int(a, "failed")),
                                   ctl_text(a, "address"),
                                   error,
                                   models};
        ctl_table_row(&t, row);
    }
    ctl_table_end(&t, "No agent is connected.");
}

static void show_models(const json_t *answer)
{
    static const char *const titles[] = {"MODEL",  "AGENTS",  "BUSY", "WAIT",
                                         "LOADED", "CONTEXT", "CAN",  NULL};
    ctl_table t;
    const json_t *models = list(answer, "models");
    ctl_table_begin(&t, 1u << 1 | 1u << 3 | 1u << 5, titles);
    for (size_t i = 0; i < json_array_size(models); i++) {
        char can[128] = "";
        const json_t *m = json_array_get(models, i), *caps = list(m, "capabilities");
        for (size_t k = 0; k < json_array_size(caps); k++) {
            const char *word = json_string_value(json_array_get(caps, k));
            size_t n = strlen(can);
            (void)snprintf(can + n, sizeof can - n, "%s%s", n > 0 ? " " : "",
                           word != NULL ? word : "");
        }
        json_int_t context = ctl_int(m, "context_length");
        const char *const row[] = {ctl_text(m, "id"),
                                   ctl_number(ctl_int(m, "agents")),
                                   busy_of(m),
                                   ctl_number(ctl_int(m, "queued")),
                                   json_is_true(json_object_get(m, "loaded")) ? "yes" : "no",
                                   context > 0 ? ctl_number(context) : NULL,
                                   can};
        ctl_table_row(&t, row);
    }
    ctl_table_end(&t, "No agent offers a model.");
}

void ctl_show_fleet(const json_t *status)
{
    const json_t *jobs = list(status, "jobs"), *slots = list(status, "slots");
    (void)printf("%zu agents, %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
                 " slots busy, %" JSON_INTEGER_FORMAT " jobs wait; %" JSON_INTEGER_FORMAT
                 " ended well, %" JSON_INTEGER_FORMAT " failed, %" JSON_INTEGER_FORMAT
                 " clients went, %" JSON_INTEGER_FORMAT " refused\n\n",
                 json_array_size(list(status, "agents")), ctl_int(slots, "busy"),
                 ctl_int(slots, "total"), ctl_int(jobs, "queued"), ctl_int(jobs, "ok"),
                 ctl_int(jobs, "failed"), ctl_int(jobs, "cancelled"), ctl_int(jobs, "refused"));
    show_agents(status);
    (void)printf("\n");
    show_models(status);
}

static int show(const ctl *c, int argc, char **argv, void (*fn)(const json_t *))
{
    json_t *answer;
    if (argc != 1)
        return ctl_usage(argv[0], "it takes no arguments");
    int code = ctl_ask_for(c, "status", &answer);
    if (answer != NULL)
        fn(answer);
    json_decref(answer);
    return code;
}

int ctl_status(const ctl *c, int argc, char **argv)
{
    return show(c, argc, argv, ctl_show_fleet);
}

int ctl_agents(const ctl *c, int argc, char **argv)
{
    return show(c, argc, argv, show_agents);
}

int ctl_models(const ctl *c, int argc, char **argv)
{
    return show(c, argc, argv, show_models);
}

int ctl_jobs(const ctl *c, int argc, char **argv)
{
    static const char *const titles[] = {"JOB",   "STATE", "AGE",     "MODEL",
                                         "AGENT", "WHAT",  "ATTEMPT", NULL};
    ctl_table t;
    json_t *answer;
    if (argc != 1)
        return ctl_usage(argv[0], "it takes no arguments");
    int code = ctl_ask_for(c, "jobs", &answer);
    if (answer == NULL)
        return code;
    const json_t *jobs = list(answer, "jobs");
    ctl_table_begin(&t, 1u << 6, titles);
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *j = json_array_get(jobs, i);
        const char *const row[] = {ctl_text(j, "id"),
                                   ctl_text(j, "state"),
                                   ctl_age(ctl_int(j, "created")),
                                   ctl_text(j, "model"),
                                   ctl_text(j, "agent"),
                                   ctl_text(j, "operation"),
                                   ctl_number(ctl_int(j, "attempt"))};
        ctl_table_row(&t, row);
    }
    ctl_table_end(&t, "No job runs or waits.");
    json_decref(answer);
    return code;
}
