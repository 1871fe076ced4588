#include "check_int.h"

#include "tree_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *dgon_check_type_name(const json_t *v)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number",  [JSON_TRUE] = "a boolean",
        [JSON_FALSE] = "a boolean",    [JSON_NULL] = "null",
    };
    return v != NULL ? names[json_typeof(v)] : "nothing";
}

dgon_status dgon_check_refuse(dgon_error *e, const char *code, const char *param, const char *fmt,
                              ...)
{
    char text[DGON_ERROR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    dgon_error_set(e, 400, code, param, "%s", text);
    return DGON_EINVAL;
}

void dgon_check_place(const dgon_check *k, const char *name, char full[DGON_CHECK_NAME_MAX])
{
    (void)snprintf(full, DGON_CHECK_NAME_MAX, "%s%s%s", k->at,
                   *k->at != '\0' && *name != '\0' ? "." : "", name);
}

size_t dgon_check_enter(dgon_check *k, const char *name)
{
    size_t mark = strlen(k->at);
    (void)snprintf(k->at + mark, sizeof k->at - mark, "%s%s", mark > 0 ? "." : "", name);
    return mark;
}

void dgon_check_leave(dgon_check *k, size_t mark)
{
    k->at[mark] = '\0';
}

dgon_status dgon_check_missing(dgon_check *k, const char *name)
{
    char full[DGON_CHECK_NAME_MAX];
    dgon_check_place(k, name, full);
    return dgon_check_refuse(k->e, "missing_required_parameter", full,
                             "Missing required parameter: '%s'.", full);
}

dgon_status dgon_check_wrong_type(dgon_check *k, const char *name, const char *expected,
                                  const json_t *v)
{
    char full[DGON_CHECK_NAME_MAX];
    dgon_check_place(k, name, full);
    return dgon_check_refuse(k->e, "invalid_type", full,
                             "Invalid type for '%s': expected %s, but got %s instead.", full,
                             expected, dgon_check_type_name(v));
}

dgon_status dgon_check_wrong_value(dgon_check *k, const char *name, const char *supported)
{
    char full[DGON_CHECK_NAME_MAX];
    dgon_check_place(k, name, full);
    return dgon_check_refuse(k->e, "invalid_value", full,
                             "Invalid value for '%s'. Supported values are: %s.", full, supported);
}

/* ---- single members ---- */

static const char *const kind_names[] = {"a boolean", "an integer", "a number",
                                         "a string",  "an object",  "an array"};

static bool is_kind(const json_t *v, dgon_kind what)
{
    int64_t whole;
    switch (what) {
    case DGON_IS_BOOL:
        return json_is_boolean(v);
    case DGON_IS_INTEGER:
        return dgon_tree_whole(v, &whole);
    case DGON_IS_NUMBER:
        return json_is_number(v);
    case DGON_IS_STRING:
        return json_is_string(v);
    case DGON_IS_OBJECT:
        return json_is_object(v);
    default:
        return json_is_array(v);
    }
}

dgon_status dgon_check_optional(dgon_check *k, const json_t *o, const char *name, dgon_kind what,
                                json_t **v)
{
    *v = json_object_get(o, name);
    if (json_is_null(*v))
        *v = NULL;
    return *v == NULL || is_kind(*v, what) ? DGON_OK
                                           : dgon_check_wrong_type(k, name, kind_names[what], *v);
}

dgon_status dgon_check_required(dgon_check *k, const json_t *o, const char *name, dgon_kind what,
                                json_t **v)
{
    *v = json_object_get(o, name);
    if (*v == NULL)
        return dgon_check_missing(k, name);
    return is_kind(*v, what) ? DGON_OK : dgon_check_wrong_type(k, name, kind_names[what], *v);
}
