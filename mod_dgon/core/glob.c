#include "dgon/glob.h"

#include "dgon/wire.h"

#include <string.h>

bool dgon_glob_is(const char *p, size_t n)
{
    char name[DGON_WIRE_NAME_MAX];
    if (n > sizeof name)
        return false;
    for (size_t i = 0; i < n; i++)
        name[i] = p[i] == '*' ? 'x' : p[i];
    return dgon_wire_is_model_name(name, n);
}

bool dgon_glob_fits(const char *p, size_t n, const char *name)
{
    const char *end = p + n, *star = NULL, *tried = NULL;
    while (*name != '\0') {
        if (p < end && *p == '*') {
            star = ++p;
            tried = name;
        } else if (p < end && *p == *name) {
            p++;
            name++;
        } else if (star != NULL) { /* the last star takes one character more */
            p = star;
            name = ++tried;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*')
        p++;
    return p == end;
}

static size_t length(const char *p, const char *end)
{
    const char *comma = memchr(p, ',', (size_t)(end - p));
    return (size_t)((comma != NULL ? comma : end) - p);
}

bool dgon_glob_is_list(const char *p, size_t n)
{
    const char *end = p + n;
    if (n > DGON_GLOB_LIST_MAX)
        return false;
    for (;; p++) {
        size_t one = length(p, end);
        if (!dgon_glob_is(p, one))
            return false;
        p += one;
        if (p == end)
            return true;
    }
}

bool dgon_glob_list_fits(const char *list, const char *name)
{
    const char *end = list + strlen(list);
    for (;; list++) {
        size_t one = length(list, end);
        if (dgon_glob_fits(list, one, name))
            return true;
        list += one;
        if (list == end)
            return false;
    }
}
