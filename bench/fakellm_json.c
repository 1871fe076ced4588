#include "fakellm_json.h"

#include <stdlib.h>
#include <string.h>

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) {
        p++;
    }
    return p;
}

static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\') {
            p++;
        }
    }
    return p < end ? p + 1 : end;
}

static const char *skip_value(const char *p, const char *end)
{
    unsigned depth = 0;

    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            if (!depth) {
                return p;
            }
            continue;
        }
        if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (depth <= 1) {
                return depth ? p + 1 : p;
            }
            depth--;
        } else if (*p == ',' && !depth) {
            return p;
        }
        p++;
    }
    return end;
}

struct text json_member(struct text t, const char *name)
{
    size_t n = strlen(name);
    const char *p = t.p ? skip_space(t.p, t.end) : t.end;

    if (p >= t.end || *p != '{') {
        return (struct text){NULL, NULL};
    }
    p = skip_space(p + 1, t.end);
    while (p < t.end && *p == '"') {
        const char *key = p + 1, *value;
        bool match;

        p = skip_string(p, t.end);
        match = (size_t)(p - key) == n + 1 && memcmp(key, name, n) == 0;
        p = skip_space(p, t.end);
        if (p >= t.end || *p != ':') {
            break;
        }
        value = skip_space(p + 1, t.end);
        p = skip_value(value, t.end);
        if (match) {
            return (struct text){value, p};
        }
        p = skip_space(p, t.end);
        if (p < t.end && *p == ',') {
            p = skip_space(p + 1, t.end);
        }
    }
    return (struct text){NULL, NULL};
}

double json_number(struct text t, double otherwise)
{
    char buf[40];
    size_t n = t.p ? (size_t)(t.end - t.p) : 0;

    if (!n || n >= sizeof(buf) || !strchr("0123456789", *t.p)) {
        return otherwise;
    }
    memcpy(buf, t.p, n);
    buf[n] = 0;
    return strtod(buf, NULL);
}

uint64_t json_whole(struct text t, uint64_t otherwise, uint64_t max)
{
    double v = json_number(t, -1);

    return v < 0 ? otherwise : v > (double)max ? max : (uint64_t)v;
}

bool json_truth(struct text t, bool otherwise)
{
    return !t.p ? otherwise : *t.p == 't' || (*t.p >= '1' && *t.p <= '9');
}
