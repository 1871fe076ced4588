/* As the payload of a FAIL record or of an END record, and as a text that somebody puts into an
 * error. */
#include "dgon/chat.h"
#include "dgon/error.h"
#include "dgon/utf8.h"
#include "dgon/wire.h"

#include "fuzz.h"

#include <jansson.h>

static bool is_text(const char *s, size_t size)
{
    dgon_utf8 u = {0};
    size_t n = strlen(s);
    return n < size && dgon_utf8_feed(&u, s, n, false) == DGON_OK && dgon_utf8_complete(&u);
}

static void check(const dgon_error *e)
{
    dgon_buf b;
    dgon_error back;
    json_error_t why;
    FUZZ_ASSERT(e->http >= 400 && e->http <= 599 && e->type != NULL);
    FUZZ_ASSERT(is_text(e->message, sizeof e->message) && is_text(e->code, sizeof e->code) &&
                is_text(e->param, sizeof e->param));
    dgon_buf_init(&b, 100000);
    FUZZ_ASSERT(dgon_error_write(&b, e) == DGON_OK);
    json_t *o = json_loadb(b.data, b.len, 0, &why);
    FUZZ_ASSERT(json_object_size(json_object_get(o, "error")) == 4);
    json_decref(o);
    dgon_buf_reset(&b);
    FUZZ_ASSERT(dgon_error_pack(&b, e) == DGON_OK && b.len <= DGON_WIRE_FINAL_MAX);
    FUZZ_ASSERT(dgon_error_unpack(&back, b.data, b.len) == DGON_OK);
    FUZZ_ASSERT(back.http == e->http && strcmp(back.type, e->type) == 0);
    FUZZ_ASSERT(strcmp(back.code, e->code) == 0 && strcmp(back.param, e->param) == 0);
    FUZZ_ASSERT(strncmp(back.message, e->message, strlen(back.message)) == 0);
    FUZZ_ASSERT(back.retryable == e->retryable && back.requeue == e->requeue &&
                back.lasting == e->lasting && back.retry_after == e->retry_after);
    dgon_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t in, out;
    char *end = fuzz_copy(data, size);
    if (dgon_chat_end_tokens(end, size, &in, &out))
        FUZZ_ASSERT(in >= 0 && out >= 0);
    free(end);
    dgon_error e;
    char *p = malloc(size + 1);
    FUZZ_ASSERT(p != NULL);
    if (size > 0)
        memcpy(p, data, size);
    p[size] = '\0';
    dgon_error_set(&e, size > 0 ? 390 + data[0] : 0, p, p, "%s", p);
    check(&e);
    p = realloc(p, size > 0 ? size : 1);
    FUZZ_ASSERT(p != NULL);
    dgon_status st = dgon_error_unpack(&e, p, size);
    FUZZ_ASSERT(st == DGON_OK || st == DGON_EJSON);
    if (st == DGON_OK)
        check(&e);
    free(p);
    return 0;
}
