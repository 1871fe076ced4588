#include "dgon/alias.h"

#include <stdio.h>
#include <string.h>

typedef struct target {
    const char *agent, *model;
    size_t agent_len, model_len;
} target;

/* The target at p; the next one begins at the return value, NULL: it was the last. Neither an
 * agent's id nor a model's name has an equals sign or a comma in it. */
static const char *next(const char *p, target *t)
{
    size_t n = strcspn(p, ",");
    const char *equals = memchr(p, '=', n);
    *t = (target){.agent = p, .model = equals != NULL ? equals + 1 : p};
    t->agent_len = equals != NULL ? (size_t)(equals - p) : 0;
    t->model_len = n - (size_t)(t->model - p);
    return p[n] == ',' ? p + n + 1 : NULL;
}

const char *dgon_alias_check(const char *targets)
{
    for (const char *p = targets; p != NULL;) {
        target t;
        p = next(p, &t);
        if (!dgon_wire_is_model_name(t.model, t.model_len))
            return "a target is MODEL or AGENT=MODEL, several with commas between";
        if (t.model != t.agent && !dgon_wire_is_agent_id(t.agent, t.agent_len))
            return "before the equals sign an agent's id is needed";
    }
    return NULL;
}

static bool is(const char *s, const char *p, size_t n)
{
    return strlen(s) == n && memcmp(s, p, n) == 0;
}

const dgon_ctl_model *dgon_alias_pick(const char *targets, const char *agent,
                                      const dgon_ctl_model *models, uint32_t n)
{
    for (const char *p = targets; p != NULL;) {
        target t;
        p = next(p, &t);
        if (t.agent_len > 0 && !is(agent, t.agent, t.agent_len))
            continue;
        for (uint32_t i = 0; i < n; i++)
            if (is(models[i].name, t.model, t.model_len))
                return &models[i];
    }
    return NULL;
}

dgon_status dgon_alias_step_name(char out[DGON_WIRE_NAME_MAX + 1], const char *name, unsigned step)
{
    int n = step == 0
                ? snprintf(out, DGON_WIRE_NAME_MAX + 1, "%s", name)
                : snprintf(out, DGON_WIRE_NAME_MAX + 1, "%s%c%u", name, DGON_ALIAS_MARK, step);
    return n > 0 && (unsigned)n <= DGON_WIRE_NAME_MAX ? DGON_OK : DGON_ETOOBIG;
}

size_t dgon_alias_public_len(const char *name)
{
    const char *mark = strchr(name, DGON_ALIAS_MARK);
    return mark != NULL ? (size_t)(mark - name) : strlen(name);
}
