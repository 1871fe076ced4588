/* load: agents load a model, with a line for each of them that changes while it goes on. */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AGENTS_MAX 64

typedef struct view {
    bool json, live; /* live: lines are drawn again where they stand */
    json_t *agents;  /* what was last told of each, in order */
    size_t drawn;
    bool done;
    json_int_t wanted, loaded;
    char reason[128];
} view;

/* Short enough for a line of any terminal. */
static void draw_one(const char *id, const json_t *d, const char *end)
{
    json_int_t done = ctl_int(d, "completed"), total = ctl_int(d, "total");
    (void)printf("%-24s %-8s", id, ctl_text(d, "state"));
    if (total > 0)
        (void)printf(" %3d%% of %.1f GB", (int)(100.0 * (double)done / (double)total),
                     (double)total / 1e9);
    (void)printf("%s", end);
}

static void draw_all(view *v)
{
    const char *id;
    json_t *d;
    if (v->drawn > 0)
        (void)printf("\033[%zuA", v->drawn);
    json_object_foreach(v->agents, id, d)
    {
        draw_one(id, d, "\033[K\n");
    }
    v->drawn = json_object_size(v->agents);
}

static void take_agent(view *v, json_t *d)
{
    const char *id = ctl_text(d, "agent");
    const json_t *before = json_object_get(v->agents, id);
    bool news = before == NULL || strcmp(ctl_text(before, "state"), ctl_text(d, "state")) != 0;
    if (id[0] == '\0' || (before == NULL && json_object_size(v->agents) == AGENTS_MAX))
        return;
    if (!v->live && news) /* into a file: a line for each step */
        draw_one(id, d, "\n");
    (void)json_object_set(v->agents, id, d);
    if (v->live)
        draw_all(v);
}

static void take_line(void *user, json_t *line)
{
    view *v = user;
    json_t *d = json_object_get(line, "data");
    if (v->json) {
        (void)json_dumpf(line, stdout, JSON_COMPACT);
        (void)printf("\n");
    } else if (json_object_get(d, "agent") != NULL) {
        take_agent(v, d);
    }
    if (json_is_true(json_object_get(d, "done"))) {
        v->done = true;
        v->wanted = ctl_int(d, "wanted");
        v->loaded = ctl_int(d, "loaded");
        (void)snprintf(v->reason, sizeof v->reason, "%s", ctl_text(d, "reason"));
    }
    (void)fflush(stdout);
}

static int sum_up(const view *v, const char *model)
{
    const char *id;
    json_t *d;
    if (!v->done)
        return ctl_fail(CTL_UNREACHED, "the answer broke off");
    json_object_foreach(v->agents, id, d)
    {
        if (ctl_text(d, "reason")[0] != '\0')
            (void)printf("%s: %s\n", id, ctl_text(d, "reason"));
    }
    if (!v->json)
        (void)printf("%s is loaded by %d of %d agents%s%s\n", model, (int)v->loaded, (int)v->wanted,
                     v->reason[0] != '\0' ? ". " : "", v->reason);
    return v->loaded >= v->wanted ? CTL_OK : CTL_FAILED;
}

int ctl_load(const ctl *c, int argc, char **argv)
{
    long agents = 1;
    char *end = NULL;
    if (argc == 4 && strcmp(argv[2], "--agents") == 0)
        agents = strtol(argv[3], &end, 10);
    else if (argc != 2)
        return ctl_usage(argv[0], argc < 2 ? "the model's name is missing" : "too much is said");
    if ((end != NULL && (*end != '\0' || end == argv[3])) || agents < 1 || agents > AGENTS_MAX)
        return ctl_usage(argv[0], "--agents is a number from 1 to 64");
    view v = {.json = c->json, .live = !c->json && isatty(STDOUT_FILENO), .agents = json_object()};
    int code = ctl_ask_lines(c,
                             json_pack("{s:s, s:s, s:i}", "do", "load", "model_name", argv[1],
                                       "init_nodes_num", (int)agents),
                             take_line, &v);
    if (code == CTL_OK)
        code = sum_up(&v, argv[1]);
    json_decref(v.agents);
    return code;
}
