#include "fakellm_stats.h"

#define REMEMBER 1000

struct times {
    struct {
        uint64_t id, ns;
    } last[REMEMBER];
    uint64_t count;
};

struct stats stats;
static struct times starts, aborts;

static void remember(struct times *t, uint64_t id, uint64_t ns)
{
    t->last[t->count % REMEMBER].id = id;
    t->last[t->count++ % REMEMBER].ns = ns;
}

void stats_opened(void)
{
    stats.open++;
    stats.open_high = stats.open > stats.open_high ? stats.open : stats.open_high;
}

void stats_started(uint64_t id, uint64_t ns)
{
    remember(&starts, id, ns);
}

void stats_aborted(uint64_t id)
{
    remember(&aborts, id, now_ns());
}

static void print_times(struct bytes *out, const struct times *t)
{
    uint64_t i = t->count > REMEMBER ? t->count - REMEMBER : 0;

    for (const char *comma = ""; i < t->count; i++, comma = ",") {
        bytes_printf(out, "%s[%llu,%llu]", comma, (unsigned long long)t->last[i % REMEMBER].id,
                     (unsigned long long)t->last[i % REMEMBER].ns);
    }
}

void stats_print(struct bytes *out, bool lists)
{
    bytes_printf(out,
                 "{\"started\":%llu,\"finished\":%llu,\"aborted\":%llu,\"tokens\":%llu,"
                 "\"requests\":%llu,\"open\":%llu,\"open_high\":%llu,\"starts\":[",
                 (unsigned long long)starts.count, (unsigned long long)stats.finished,
                 (unsigned long long)aborts.count, (unsigned long long)stats.tokens,
                 (unsigned long long)stats.requests, (unsigned long long)stats.open,
                 (unsigned long long)stats.open_high);
    if (lists) {
        print_times(out, &starts);
    }
    bytes_add(out, "],\"aborts\":[", 12);
    if (lists) {
        print_times(out, &aborts);
    }
    bytes_add(out, "]}\n", 3);
}
