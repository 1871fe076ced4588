#include "load_report.h"

#include "common.h"
#include "load_options.h"

#include <stdio.h>
#include <string.h>

#define SLICES_MAX 1000

struct counts count;
struct histogram token_time, gap_time, first_time, whole_time;
struct closing *closings;
static char error_text[400];
static struct histogram slice;
static uint64_t slice_end, slices[SLICES_MAX], slice_count; /* the p99 of each that is over */

void note_token(uint64_t now, uint64_t took)
{
    histogram_add(&token_time, took);
    if (!opt.slice) {
        return;
    }
    if (now >= slice_end) {
        if (slice.count && slice_count < SLICES_MAX) {
            slices[slice_count++] = histogram_quantile(&slice, 0.99);
        }
        memset(&slice, 0, sizeof(slice));
        slice_end = now + opt.slice * MS;
    }
    histogram_add(&slice, took);
}

void note_error(const char *p, size_t n)
{
    if (!*error_text) {
        snprintf(error_text, sizeof(error_text), "%.*s", (int)(n < 300 ? n : 300), p);
    }
}

bool report_bad(void)
{
    return count.lost || count.doubled || count.reordered || count.foreign || count.no_done ||
           count.broken || count.connect_failures || count.http_errors || count.error_events ||
           count.timed_out;
}

static const struct {
    const char *name;
    const uint64_t *value;
} numbers[] = {
    {"requests", &count.requests},
    {"complete", &count.complete},
    {"tokens", &count.tokens},
    {"lost", &count.lost},
    {"doubled", &count.doubled},
    {"reordered", &count.reordered},
    {"foreign", &count.foreign},
    {"no_done", &count.no_done},
    {"broken", &count.broken},
    {"error_events", &count.error_events},
    {"http_errors", &count.http_errors},
    {"last_status", &count.last_status},
    {"connect_failures", &count.connect_failures},
    {"timed_out", &count.timed_out},
    {"cancelled", &count.cancelled},
    {"comments", &count.comments},
    {"reconnects", &count.reconnects},
    {"slow_tokens", &count.slow_tokens},
    {"connections", &count.connections},
    {"connected_high", &count.connected_high},
    {"bytes", &count.bytes},
};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

static void histogram_json(const char *name, const struct histogram *h)
{
    printf(",\"%s\":{\"count\":%llu,\"mean_us\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,"
           "\"p99_us\":%.1f,\"max_us\":%.1f}",
           name, (unsigned long long)h->count,
           h->count ? (double)h->sum / (double)h->count / 1e3 : 0, us(histogram_quantile(h, 0.5)),
           us(histogram_quantile(h, 0.9)), us(histogram_quantile(h, 0.99)), us(h->max));
}

static void histogram_text(const char *name, const struct histogram *h)
{
    if (h->count) {
        printf("%-12s p50 %10.1f  p90 %10.1f  p99 %10.1f  max %10.1f us  (%llu)\n", name,
               us(histogram_quantile(h, 0.5)), us(histogram_quantile(h, 0.9)),
               us(histogram_quantile(h, 0.99)), us(h->max), (unsigned long long)h->count);
    }
}

static void text_json(const char *p)
{
    putchar('"');
    for (; *p; p++) {
        if (*p == '"' || *p == '\\') {
            putchar('\\');
        }
        putchar((unsigned char)*p < ' ' ? ' ' : *p);
    }
    putchar('"');
}

static void print_json(double seconds)
{
    printf("{\"ok\":%s,\"seconds\":%.3f,\"rps\":%.1f", report_bad() ? "false" : "true", seconds,
           (double)count.complete / seconds);
    for (size_t i = 0; i < NUMBERS; i++) {
        printf(",\"%s\":%llu", numbers[i].name, (unsigned long long)*numbers[i].value);
    }
    histogram_json("token", &token_time);
    histogram_json("gap", &gap_time);
    histogram_json("first", &first_time);
    histogram_json("whole", &whole_time);
    printf(",\"slices_p99_us\":[");
    for (uint64_t i = 0; i < slice_count; i++) {
        printf("%s%.1f", i ? "," : "", us(slices[i]));
    }
    printf("],\"error\":");
    text_json(error_text);
    printf(",\"closes\":[");
    for (uint64_t i = 0; i < count.cancelled; i++) {
        printf("%s[%llu,%llu,%llu]", i ? "," : "", (unsigned long long)closings[i].id,
               (unsigned long long)closings[i].ns, (unsigned long long)closings[i].tokens);
    }
    printf("]}\n");
}

static void print_text(double seconds)
{
    printf("%.3f s, %.1f answers a second\n", seconds, (double)count.complete / seconds);
    for (size_t i = 0; i < NUMBERS; i++) {
        if (*numbers[i].value) {
            printf("%s %llu  ", numbers[i].name, (unsigned long long)*numbers[i].value);
        }
    }
    putchar('\n');
    histogram_text("token", &token_time);
    histogram_text("gap", &gap_time);
    histogram_text("first token", &first_time);
    histogram_text("whole answer", &whole_time);
    for (uint64_t i = 0; i < count.cancelled; i++) {
        printf("closed %llu at %llu ns\n", (unsigned long long)closings[i].id,
               (unsigned long long)closings[i].ns);
    }
    if (*error_text) {
        printf("first error: %s\n", error_text);
    }
    puts(report_bad() ? "BAD" : "good");
}

void report_print(double seconds, bool json)
{
    if (json) {
        print_json(seconds);
    } else {
        print_text(seconds);
    }
}
