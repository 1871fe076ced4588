/* dgon-agent --status: the side that asks. It believes the answer no more than any other input. */
#include "agent_status.h"

#include "agent_os.h"

#include <jansson.h>

#include <stdio.h>
#include <string.h>

#define ASK_MS 2000u

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

static long long number_of(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

static void print_clean(const char *text)
{
    for (; *text != '\0'; text++) {
        (void)putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
    }
}

static void print_field(const char *name, const char *text)
{
    (void)printf("%-9s ", name);
    print_clean(text);
    (void)putchar('\n');
}

static void print_time(long long s)
{
    if (s < 120) {
        (void)printf("%lld s", s);
    } else if (s < 2LL * 3600) {
        (void)printf("%lld min", s / 60);
    } else if (s < 48LL * 3600) {
        (void)printf("%lld h", s / 3600);
    } else {
        (void)printf("%lld days", s / 86400);
    }
}

static void print_text(const json_t *o)
{
    const json_t *links = json_object_get(o, "links"), *e;
    size_t i;
    print_field("agent", text_of(o, "id"));
    print_field("state", text_of(o, "status"));
    print_field("gateway", text_of(o, "gateway"));
    if (number_of(links, "ready") > 0) {
        (void)printf("linked    for ");
        print_time(number_of(links, "ready_s"));
        (void)putchar('\n');
    }
    json_array_foreach(json_object_get(o, "backends"), i, e)
    {
        (void)printf("backend   ");
        print_clean(text_of(e, "name"));
        if (json_is_true(json_object_get(e, "up"))) {
            (void)printf(" (%s): up, %lld job%s, %lld model%s\n", text_of(e, "kind"),
                         number_of(e, "running"), number_of(e, "running") == 1 ? "" : "s",
                         number_of(e, "models"), number_of(e, "models") == 1 ? "" : "s");
        } else {
            (void)printf(" (%s): does not answer\n", text_of(e, "kind"));
        }
    }
    json_array_foreach(json_object_get(o, "models"), i, e)
    {
        print_field(i == 0 ? "models" : "",
                    json_string_value(e) != NULL ? json_string_value(e) : "");
    }
    (void)printf("process   %lld, for ", number_of(o, "pid"));
    print_time(number_of(o, "up_s"));
    (void)printf(", version ");
    print_clean(text_of(o, "version"));
    (void)putchar('\n');
}

static agent_exit print_answer(const dgon_buf *b, bool json)
{
    json_t *o = json_loadb(b->data, b->len, JSON_REJECT_DUPLICATES, NULL);
    agent_exit result = AGENT_EXIT_SOFTWARE;
    if (!json_is_object(o)) {
        (void)fprintf(stderr, "dgon-agent: the running agent's answer cannot be read\n");
    } else {
        result =
            strcmp(text_of(o, "state"), "linked") == 0 ? AGENT_EXIT_OK : AGENT_EXIT_UNAVAILABLE;
        if (json) {
            (void)fwrite(b->data, 1, b->len, stdout);
        } else {
            print_text(o);
        }
    }
    json_decref(o);
    return result;
}

agent_exit agent_status_ask(const char *path, bool json)
{
    const char *at = path != NULL && path[0] != '\0' ? path : agent_os_status_path();
    dgon_buf b;
    char why[128];
    dgon_buf_init(&b, AGENT_STATUS_MAX);
    agent_exit result = AGENT_EXIT_SOFTWARE;
    dgon_status s = agent_os_status_ask(at, ASK_MS, &b, why, sizeof why);
    if (s == DGON_OK && b.len != 0) {
        result = print_answer(&b, json);
    } else if (s == DGON_ENOTFOUND) {
        (void)fprintf(stderr, "dgon-agent: no agent runs with the status socket %s\n", at);
        result = AGENT_EXIT_STOPPED;
    } else {
        (void)fprintf(stderr, "dgon-agent: the status socket %s: %s\n", at,
                      s == DGON_OK ? "no answer" : why);
    }
    dgon_buf_fini(&b);
    return result;
}
