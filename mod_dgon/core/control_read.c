/* Members of a control message by kind; keys in complaints are always our own words. */
#include "control_int.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

dgon_status dgon_ctl_complain(const dgon_ctl_reader *rd, dgon_status s, const char *fmt, ...)
{
    if (rd->why == NULL || rd->why_size == 0)
        return s;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(rd->why, rd->why_size, fmt, ap);
    va_end(ap);
    return s;
}

dgon_status dgon_ctl_missing(const dgon_ctl_reader *rd, const char *key, int required)
{
    return required ? dgon_ctl_complain(rd, DGON_EPROTO, "\"%s\" is missing", key) : DGON_OK;
}

dgon_status dgon_ctl_read_u64(const dgon_ctl_reader *rd, const json_t *o, const char *key,
                              int required, uint64_t lo, uint64_t hi, uint64_t *out)
{
    const json_t *v = json_object_get(o, key);
    if (v == NULL)
        return dgon_ctl_missing(rd, key, required);
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 0 || (uint64_t)n < lo || (uint64_t)n > hi)
        return dgon_ctl_complain(
            rd, DGON_EPROTO, "\"%s\" is not an integer of %" PRIu64 " to %" PRIu64, key, lo, hi);
    *out = (uint64_t)n;
    return DGON_OK;
}

dgon_status dgon_ctl_read_u32(const dgon_ctl_reader *rd, const json_t *o, const char *key,
                              int required, uint32_t lo, uint32_t hi, uint32_t *out)
{
    uint64_t n = *out;
    dgon_status s = dgon_ctl_read_u64(rd, o, key, required, lo, hi, &n);
    *out = (uint32_t)n;
    return s;
}

dgon_status dgon_ctl_read_bool(const dgon_ctl_reader *rd, const json_t *o, const char *key,
                               bool *out)
{
    const json_t *v = json_object_get(o, key);
    if (v != NULL && !json_is_boolean(v))
        return dgon_ctl_complain(rd, DGON_EPROTO, "\"%s\" is not true or false", key);
    *out = json_is_true(v);
    return DGON_OK;
}

/* A string of 1..size-1 bytes that passes `is_valid`, copied with a NUL. */
dgon_status dgon_ctl_read_name(const dgon_ctl_reader *rd, const json_t *o, const char *key,
                               int required, dgon_ctl_name_fn is_valid, char *out, size_t size)
{
    const json_t *v = json_object_get(o, key);
    if (v == NULL)
        return dgon_ctl_missing(rd, key, required);
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);
    if (s == NULL || n >= size || !is_valid(s, n))
        return dgon_ctl_complain(
            rd, DGON_EPROTO, "\"%s\" is not a valid name of at most %zu characters", key, size - 1);
    memcpy(out, s, n);
    out[n] = '\0';
    return DGON_OK;
}

dgon_status dgon_ctl_read_hex64(const dgon_ctl_reader *rd, const json_t *o, const char *key,
                                uint64_t *out)
{
    const json_t *v = json_object_get(o, key);
    const char *s = json_string_value(v);
    if (v == NULL)
        return dgon_ctl_missing(rd, key, DGON_CTL_REQUIRED);
    uint64_t n = 0;
    size_t i = 0;
    for (; s != NULL && s[i] != '\0' && i < 17; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *d = strchr(digits, s[i]);
        if (d == NULL)
            break;
        n = n << 4 | (uint64_t)(d - digits);
    }
    if (i != 16 || s[16] != '\0')
        return dgon_ctl_complain(rd, DGON_EPROTO, "\"%s\" is not 16 hex digits", key);
    *out = n;
    return DGON_OK;
}
