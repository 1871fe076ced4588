/* Server-sent events: the agent's reader, by bytes that come at once, and the module's writer. */
#include "dgon/sse.h"
#include "micro.h"

#define EVENTS 256u

static const char json[] =
    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
    "\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"17:123456789012345 "
    "\"},\"finish_reason\":null}]}";

struct reader {
    dgon_sse sse;
    const char *p;
    size_t len, cut;
    uint64_t events;
};

static dgon_status on_event(void *user, const dgon_sse_event *e)
{
    struct reader *r = user;

    r->events += e->data_len == sizeof(json) - 1;
    return DGON_OK;
}

static void read_events(void *user)
{
    struct reader *r = user;

    r->events = 0;
    for (size_t at = 0; at < r->len; at += r->cut) {
        size_t n = r->len - at < r->cut ? r->len - at : r->cut;

        micro_check(dgon_sse_feed(&r->sse, r->p + at, n) == DGON_OK, "feed");
    }
    micro_check(r->events == EVENTS, "events");
}

static void write_events(void *user)
{
    dgon_buf *b = user;

    dgon_buf_reset(b);
    for (unsigned i = 0; i < EVENTS; i++) {
        micro_check(dgon_sse_write_data(b, json, sizeof(json) - 1) == DGON_OK, "write");
    }
}

int main(void)
{
    static const size_t cuts[] = {16, 100, sizeof(json) + 7, 16384};
    dgon_buf b;

    dgon_buf_init(&b, 1024 * 1024);
    micro_run("sse write, event", sizeof(json) - 1, EVENTS, 5 * MS, write_events, &b);
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct reader r = {.p = b.data, .len = b.len, .cut = cuts[i]};

        dgon_sse_init(&r.sse, DGON_SSE_LINE_MAX, on_event, &r);
        micro_run("sse read, event; n: bytes at once", r.cut, EVENTS, 5 * MS, read_events, &r);
        dgon_sse_fini(&r.sse);
    }
    dgon_buf_fini(&b);
    return 0;
}
