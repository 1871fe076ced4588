#include "dgon/wire.h"

#include <stdbool.h>
#include <string.h>

void dgon_put_u16(unsigned char *p, uint16_t v)
{
    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)(v & 0xff);
}

void dgon_put_u32(unsigned char *p, uint32_t v)
{
    dgon_put_u16(p, (uint16_t)(v >> 16));
    dgon_put_u16(p + 2, (uint16_t)(v & 0xffff));
}

uint16_t dgon_get_u16(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t dgon_get_u32(const unsigned char *p)
{
    return (uint32_t)dgon_get_u16(p) << 16 | dgon_get_u16(p + 2);
}

void dgon_wire_put_header(unsigned char out[DGON_WIRE_HEADER], const dgon_record *r)
{
    dgon_put_u32(out, r->job);
    out[4] = r->type;
    out[5] = r->attempt;
    dgon_put_u16(out + 6, r->n);
    dgon_put_u32(out + 8, r->len);
}

/* What the type alone says about the payload's length. */
static dgon_status check_len(uint8_t type, uint32_t len)
{
    switch (type) {
    case DGON_REC_STATUS:
        return len == 2 ? DGON_OK : DGON_EPROTO;
    case DGON_REC_CREDIT:
        return len == 4 ? DGON_OK : DGON_EPROTO;
    case DGON_REC_CANCEL:
    case DGON_REC_CANCELLED:
        return len == 0 ? DGON_OK : DGON_EPROTO;
    case DGON_REC_END:
    case DGON_REC_FAIL:
        return len <= DGON_WIRE_FINAL_MAX ? DGON_OK : DGON_ETOOBIG;
    case DGON_REC_HEAD:
    case DGON_REC_BODY:
    case DGON_REC_EVENT:
    case DGON_REC_EVENT_PART:
    case DGON_REC_RAW:
        return len <= DGON_WIRE_RECORD_MAX ? DGON_OK : DGON_ETOOBIG;
    default:
        return DGON_EPROTO;
    }
}

dgon_status dgon_wire_next(const unsigned char *p, size_t n, size_t *at, dgon_record *r)
{
    if (*at == n)
        return DGON_DONE;
    if (*at > n || n - *at < DGON_WIRE_HEADER)
        return DGON_EPROTO;
    const unsigned char *h = p + *at;
    uint32_t len = dgon_get_u32(h + 8);
    dgon_status s = check_len(h[4], len);
    if (s != DGON_OK)
        return s;
    if (len > n - *at - DGON_WIRE_HEADER)
        return DGON_EPROTO;
    *r = (dgon_record){.job = dgon_get_u32(h),
                       .type = h[4],
                       .attempt = h[5],
                       .n = dgon_get_u16(h + 6),
                       .len = len,
                       .payload = h + DGON_WIRE_HEADER};
    *at += DGON_WIRE_HEADER + len;
    return DGON_OK;
}

const char *dgon_rec_str(uint8_t type)
{
    static const char *const names[DGON_REC_MAX] = {"NONE",       "BODY",   "STATUS", "EVENT",
                                                    "EVENT_PART", "RAW",    "END",    "FAIL",
                                                    "CANCELLED",  "CREDIT", "CANCEL", "HEAD"};
    return type < DGON_REC_MAX ? names[type] : "UNKNOWN";
}

static bool is_name(const char *s, size_t n, size_t max, const char *punctuation)
{
    if (n == 0 || n > max)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
            continue;
        if (c == '\0' || strchr(punctuation, c) == NULL)
            return false;
    }
    return true;
}

int dgon_wire_is_model_name(const char *s, size_t n)
{
    return is_name(s, n, DGON_WIRE_NAME_MAX, "._:/@+-");
}

int dgon_wire_is_agent_id(const char *s, size_t n)
{
    return is_name(s, n, DGON_WIRE_ID_MAX, "._-");
}
