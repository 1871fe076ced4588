/* drain, undrain, cancel: what changes something; check: what should be changed. */
#include "ctl.h"

#include <stdio.h>
#include <string.h>

/* Asks {"do":…, key: value} and says `done` when it worked. */
static int change(const ctl *c, const char *what, const char *key, const char *value,
                  const char *done)
{
    json_t *answer;
    int code = ctl_ask(c, json_pack("{s:s, s:s}", "do", what, key, value), &answer);
    if (code == CTL_OK && c->json) {
        (void)json_dumpf(answer, stdout, JSON_COMPACT);
        (void)printf("\n");
    } else if (code == CTL_OK) {
        (void)printf("%s %s\n", value, done);
    }
    json_decref(answer);
    return code;
}

int ctl_drain(const ctl *c, int argc, char **argv)
{
    bool on = strcmp(argv[0], "drain") == 0;
    if (argc != 2)
        return ctl_usage(argv[0], "the agent's name is missing");
    return change(c, argv[0], "agent", argv[1],
                  on ? "gets no new jobs until dgonctl undrain; what runs goes on" : "gets jobs");
}

int ctl_cancel(const ctl *c, int argc, char **argv)
{
    if (argc != 2)
        return ctl_usage(argv[0], "the job's id is missing; dgonctl jobs lists them");
    return change(c, "cancel", "job", argv[1], "is being ended; its client is told");
}

int ctl_check(const ctl *c, int argc, char **argv)
{
    json_t *answer;
    if (argc != 1)
        return ctl_usage(argv[0], "it takes no arguments");
    int code = ctl_ask(c, json_pack("{s:s}", "do", "check"), &answer);
    if (code != CTL_OK)
        return code;
    const json_t *all = json_object_get(answer, "findings");
    size_t warnings = 0, n = json_array_size(all);
    for (size_t i = 0; i < n; i++) {
        const json_t *f = json_array_get(all, i);
        warnings += strcmp(ctl_text(f, "level"), "warning") == 0;
        if (!c->json)
            (void)printf("%s %s: %s\n    %s\n", ctl_text(f, "level"), ctl_text(f, "code"),
                         ctl_text(f, "what"), ctl_text(f, "write"));
    }
    if (c->json) {
        (void)json_dumpf(answer, stdout, JSON_COMPACT);
        (void)printf("\n");
    } else if (n == 0) {
        (void)printf("Nothing is found that will not hold.\n");
    }
    json_decref(answer);
    return warnings > 0 ? CTL_FAILED : CTL_OK;
}
