/* The gateway's look at an END record's payload. */
#include "dgon/chat.h"
#include "dgon/json.h"

#include <string.h>

static bool member_of(const char *p, size_t n, const char *key, dgon_json_member *m)
{
    dgon_json_scan scan;
    dgon_json_scan_init(&scan, p, n);
    while (dgon_json_scan_next(&scan, m) == DGON_OK)
        if (m->key_len == strlen(key) && memcmp(p + m->key, key, m->key_len) == 0)
            return true;
    return false;
}

static bool tokens_of(const char *p, size_t n, const char *key, int64_t *v)
{
    dgon_json_member m;
    *v = 0;
    if (!member_of(p, n, key, &m) || m.value_len > 18)
        return false;
    for (size_t i = 0; i < m.value_len; i++) {
        if (p[m.value + i] < '0' || p[m.value + i] > '9')
            return false;
        *v = *v * 10 + (p[m.value + i] - '0');
    }
    return true;
}

bool dgon_chat_end_tokens(const char *p, size_t n, int64_t *in, int64_t *out)
{
    dgon_json_member usage;
    return member_of(p, n, "usage", &usage) &&
           tokens_of(p + usage.value, usage.value_len, "prompt_tokens", in) &&
           tokens_of(p + usage.value, usage.value_len, "completion_tokens", out);
}

bool dgon_chat_end_finish(const char *p, size_t n, char finish[DGON_CHAT_FINISH_MAX + 1])
{
    dgon_json_member m;
    if (!member_of(p, n, "finish", &m) || m.value_len < 3 || m.value_len > DGON_CHAT_FINISH_MAX + 2)
        return false;
    size_t len = m.value_len - 2; /* without its quotes */
    for (size_t i = 0; i < len; i++) {
        char c = p[m.value + 1 + i];
        if (!(c >= 'a' && c <= 'z') && c != '_')
            return false;
        finish[i] = c;
    }
    finish[len] = '\0';
    return true;
}
