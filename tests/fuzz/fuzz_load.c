/* The texts of a load: the first byte says whose. What was read is written, and read again it is
 * the same. */
#include "dgon/load.h"

#include "fuzz.h"

static void check_progress(const dgon_load_progress *p)
{
    dgon_load_progress again;
    dgon_buf out;
    FUZZ_ASSERT((unsigned)p->state < DGON_LOAD_STATES);
    FUZZ_ASSERT(strlen(p->reason) <= DGON_LOAD_REASON_MAX && p->completed <= p->total);
    dgon_buf_init(&out, DGON_LOAD_EVENT_MAX);
    FUZZ_ASSERT(dgon_load_progress_write(&out, NULL, p) == DGON_OK);
    for (size_t i = 0; i < out.len; i++)
        FUZZ_ASSERT((unsigned char)out.data[i] >= 0x20);
    FUZZ_ASSERT(dgon_load_progress_in(&again, out.data, out.len) == DGON_OK);
    FUZZ_ASSERT(dgon_load_same(p, &again));
    dgon_buf_fini(&out);
}

static void check_ask(const char *p, size_t n)
{
    char model[DGON_WIRE_NAME_MAX + 1], again[DGON_WIRE_NAME_MAX + 1];
    uint32_t agents = 0;
    dgon_error e;
    dgon_buf body;
    if (dgon_load_ask_in(p, n, model, &agents, &e) != DGON_OK) {
        FUZZ_ASSERT(e.http >= 400 && e.message[0] != '\0');
        return;
    }
    FUZZ_ASSERT(agents >= 1 && agents <= DGON_LOAD_AGENTS_MAX);
    FUZZ_ASSERT(dgon_wire_is_model_name(model, strlen(model)));
    dgon_buf_init(&body, DGON_LOAD_BODY_MAX);
    FUZZ_ASSERT(dgon_load_body_write(&body, model) == DGON_OK);
    FUZZ_ASSERT(dgon_load_body_in(body.data, body.len, again) == DGON_OK);
    FUZZ_ASSERT(strcmp(model, again) == 0);
    dgon_buf_fini(&body);
}

/* Lines of a pull: what is done never goes back. */
static void check_pull(const char *p, size_t n)
{
    dgon_load_pull t = {.before = 0};
    dgon_load_progress now;
    while (n > 0) {
        const char *end = memchr(p, '\n', n);
        size_t len = end != NULL ? (size_t)(end - p) : n;
        char *line = fuzz_copy(p, len);
        dgon_status st = dgon_load_pull_in(&t, &now, line, len);
        free(line);
        if (st == DGON_OK || st == DGON_DONE || st == DGON_EBACKEND)
            check_progress(&now);
        p += end != NULL ? len + 1 : len;
        n -= end != NULL ? len + 1 : len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dgon_load_progress p;
    if (size == 0)
        return 0;
    char *text = fuzz_copy(data + 1, size - 1);
    switch (data[0] & 3) {
    case 0:
        check_ask(text, size - 1);
        break;
    case 1:
        if (dgon_load_progress_in(&p, text, size - 1) == DGON_OK)
            check_progress(&p);
        break;
    case 2:
        check_pull(text, size - 1);
        break;
    default:
        if (dgon_load_router_in(&p, "m", text, size - 1) == DGON_OK)
            check_progress(&p);
    }
    free(text);
    return 0;
}
