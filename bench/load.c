/*
 * A load client that believes nothing: many streams at once, every token checked for its number and
 * its way's time by the stamp that fakellm wrote into it. One thread, one epoll. Here: what happens
 * by the clock.
 */
#include "common.h"
#include "load_options.h"
#include "load_report.h"
#include "load_stream.h"

#include <poll.h>
#include <signal.h>

#define SLOW_TICK   (50 * MS)
#define CANCEL_REST 100 /* ms */

static uint64_t next_start, next_cancel, next_tick;

static uint64_t start_time(uint64_t i)
{
    return streams_begin + i * opt.ramp * MS / opt.streams;
}

static uint64_t cancel_time(uint64_t i)
{
    return streams_begin + (opt.cancel_after + i * opt.cancel_gap) * MS;
}

static void run_clock(uint64_t now)
{
    while (next_start < opt.streams && start_time(next_start) <= now) {
        stream_start(&streams[next_start++], now);
    }
    while (opt.cancel && next_cancel < next_start && cancel_time(next_cancel) <= now) {
        stream_cancel(&streams[next_cancel++], now);
    }
    if (opt.slow && next_tick <= now) {
        next_tick = now + SLOW_TICK;
        for (uint64_t i = 0; i < opt.slow && i < opt.streams; i++) {
            if (streams[i].state == STREAM_ACTIVE) {
                carrier->read_slow(&streams[i], (size_t)(opt.slow_rate * SLOW_TICK / SECOND) + 1);
            }
        }
    }
}

static int wait_ms(uint64_t now, uint64_t deadline)
{
    uint64_t t = deadline;

    if (next_start < opt.streams && start_time(next_start) < t) {
        t = start_time(next_start);
    }
    if (opt.cancel && next_cancel < opt.streams && cancel_time(next_cancel) < t) {
        t = cancel_time(next_cancel);
    }
    if (opt.slow && next_tick < t) {
        t = next_tick;
    }
    return t <= now ? 0 : (int)((t - now + MS - 1) / MS);
}

static void run(void)
{
    struct epoll_event events[256];
    uint64_t now = now_ns(), deadline = now + opt.timeout * MS;

    streams_begin = streams_finish = now;
    for (streams_busy = opt.streams; streams_busy && now < deadline; now = now_ns()) {
        int n;

        run_clock(now);
        if (!streams_busy) {
            break;
        }
        n = transport_wait(events, 256, wait_ms(now, deadline));
        for (int i = 0; i < n; i++) {
            carrier->event(events[i].data.ptr, events[i].events);
        }
        http2_bury();
    }
    for (uint64_t i = 0; i < opt.streams; i++) {
        stream_stop(&streams[i]);
    }
}

int main(int argc, char **argv)
{
    double seconds;

    options_read(argc, argv);
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN); /* OpenSSL has no MSG_NOSIGNAL */
    carrier = opt.http2 ? &carrier_http2 : &carrier_http1;
    transport_init();
    streams = calloc(opt.streams, sizeof(*streams));
    closings = calloc(opt.streams, sizeof(*closings));
    if (!streams || !closings) {
        die("memory");
    }
    for (uint64_t i = 0; i < opt.streams; i++) {
        streams[i].answer.slow = i < opt.slow;
    }
    run();
    if (opt.cancel) {
        /* what we print sets others to work, in the way of those who pass the cancels on */
        poll(NULL, 0, CANCEL_REST);
    }
    seconds = (double)(streams_finish - streams_begin) / 1e9;
    report_print(seconds > 0 ? seconds : 1e-9, opt.json);
    http2_fini();
    transport_fini();
    free(streams);
    free(closings);
    return report_bad() ? 1 : 0;
}
