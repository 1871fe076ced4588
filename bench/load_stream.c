#include "load_stream.h"

#include "load_options.h"
#include "load_report.h"

const struct carrier *carrier;
struct stream *streams;
uint64_t streams_busy, streams_begin, streams_finish;
static uint64_t issued;

static bool more_to_do(uint64_t now)
{
    return issued < opt.requests && (!opt.duration || now < streams_begin + opt.duration * MS);
}

static void end(struct stream *s, uint64_t now)
{
    streams_finish = now;
    carrier->drop(s);
    s->state = STREAM_OVER;
    streams_busy--;
}

static void request(struct stream *s, uint64_t now)
{
    count.requests++;
    answer_begin(&s->answer, opt.id + issued++);
    carrier->request(s, now);
}

void stream_start(struct stream *s, uint64_t now)
{
    if (!more_to_do(now)) {
        s->state = STREAM_OVER;
        streams_busy--;
        return;
    }
    s->state = STREAM_ACTIVE;
    request(s, now);
}

static void next(struct stream *s, bool keep, uint64_t now)
{
    if (!more_to_do(now)) {
        end(s, now);
        return;
    }
    if (!keep || opt.fresh) {
        carrier->drop(s);
    }
    request(s, now);
}

void stream_retry(struct stream *s, uint64_t now)
{
    count.reconnects++;
    carrier->drop(s);
    carrier->request(s, now);
}

void stream_fail(struct stream *s, uint64_t *counter, uint64_t now)
{
    (*counter)++;
    answer_drop(&s->answer);
    if (counter == &count.connect_failures) {
        end(s, now); /* the next one would fail as well, and at once */
        return;
    }
    next(s, false, now);
}

void stream_answered(struct stream *s, bool keep, uint64_t now)
{
    uint64_t *lack = answer_end(&s->answer, now);

    if (lack) {
        (*lack)++;
        keep = false;
    }
    next(s, keep, now);
}

void stream_cancel(struct stream *s, uint64_t now)
{
    if (s->state != STREAM_ACTIVE) {
        return;
    }
    closings[count.cancelled++] = (struct closing){s->answer.id, now_ns(), s->answer.unique};
    answer_drop(&s->answer);
    end(s, now);
}

void stream_stop(struct stream *s)
{
    if (s->state == STREAM_ACTIVE) {
        count.timed_out++;
        carrier->drop(s);
        bytes_free(&s->answer.line);
        free(s->answer.seen);
    }
}

static size_t fits(int k, size_t n)
{
    if (k < 0 || (size_t)k >= n) {
        fputs("load: names are too long\n", stderr);
        exit(2);
    }
    return (size_t)k;
}

size_t stream_plan(const struct stream *s, char *buf, size_t n)
{
    return fits(snprintf(buf, n,
                         "{\"tokens\":%llu,\"rate\":%g,\"phase\":%u,\"burst\":%llu,"
                         "\"first_ms\":%llu,\"id\":%llu%s}",
                         (unsigned long long)opt.tokens, opt.rate, (unsigned)opt.phase,
                         (unsigned long long)opt.burst, (unsigned long long)opt.first_ms,
                         (unsigned long long)s->answer.id, opt.silent ? ",\"silent\":true" : ""),
                n);
}

size_t stream_body(const struct stream *s, char *buf, size_t n)
{
    char plan[256];

    (void)stream_plan(s, plan, sizeof(plan));
    return fits(snprintf(buf, n,
                         "{\"model\":\"%s\",\"stream\":%s,\"messages\":[{\"role\":\"user\","
                         "\"content\":\"bench\"}]%s%s}",
                         opt.model, opt.plain ? "false" : "true",
                         opt.header ? "" : ",\"bench\":", opt.header ? "" : plan),
                n);
}
