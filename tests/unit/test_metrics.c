#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "dgon/fleet.h"
#include "dgon/metrics.h"

#include "registry_fixture.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static dgon_buf out;

static const char *written(bool openmetrics)
{
    const dgon_metrics_about about = {.version = "1.2.3", .openmetrics = openmetrics};
    dgon_buf_fini(&out);
    dgon_buf_init(&out, 1u << 24);
    CU_ASSERT_EQUAL_FATAL(dgon_metrics_write(reg, &about, &out), DGON_OK);
    CU_ASSERT_EQUAL_FATAL(dgon_buf_add(&out, "", 1), DGON_OK);
    return out.data;
}

static bool has(const char *text, const char *line)
{
    size_t n = strlen(line);
    for (const char *at = text; (at = strstr(at, line)) != NULL; at++)
        if ((at == text || at[-1] == '\n') && at[n] == '\n')
            return true;
    return false;
}

#define SERIES \
    "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"dgon\",gen_ai_request_model=\"a/b\""

static void test_counted(void)
{
    dgon_metrics_request q = {.model = "a/b",
                              .op = DGON_OP_CHAT,
                              .status = 200,
                              .stream = true,
                              .good = true,
                              .queue_us = 0,
                              .first_us = 20001,
                              .total_us = 1020001,
                              .tokens_in = 7,
                              .tokens_out = 11};
    setup();
    dgon_metrics_count(reg, &q);
    q.op = DGON_OP_OLLAMA_CHAT; /* the same thing asked by another API */
    dgon_metrics_count(reg, &q);
    q = (dgon_metrics_request){.model = "a/b",
                               .op = DGON_OP_CHAT,
                               .status = 418,
                               .queue_us = DGON_METRICS_UNKNOWN,
                               .first_us = DGON_METRICS_UNKNOWN,
                               .total_us = 5,
                               .tokens_in = DGON_METRICS_UNKNOWN,
                               .tokens_out = DGON_METRICS_UNKNOWN};
    dgon_metrics_count(reg, &q);
    const char *t = written(false);
    CU_ASSERT(has(t, "dgon_requests_total{operation=\"chat\",model=\"a/b\",code=\"200\"} 2"));
    CU_ASSERT(has(t, "dgon_requests_total{operation=\"chat\",model=\"a/b\",code=\"other\"} 1"));
    CU_ASSERT(has(t, "dgon_tokens_total{model=\"a/b\",type=\"input\"} 14"));
    CU_ASSERT(has(t, "dgon_tokens_total{model=\"a/b\",type=\"output\"} 22"));
    CU_ASSERT(has(t, "gen_ai_server_time_to_first_token_seconds_bucket{" SERIES ",le=\"0.02\"} 0"));
    CU_ASSERT(has(t, "gen_ai_server_time_to_first_token_seconds_bucket{" SERIES ",le=\"0.04\"} 2"));
    CU_ASSERT(has(t, "gen_ai_server_time_to_first_token_seconds_bucket{" SERIES ",le=\"+Inf\"} 2"));
    CU_ASSERT(has(t, "gen_ai_server_time_to_first_token_seconds_sum{" SERIES "} 0.040002"));
    CU_ASSERT(has(t, "gen_ai_server_time_per_output_token_seconds_sum{" SERIES "} 0.2"));
    CU_ASSERT(has(t, "gen_ai_server_request_duration_seconds_count{" SERIES "} 3"));
    CU_ASSERT(has(t, "gen_ai_server_request_duration_seconds_sum{" SERIES "} 2.040007"));
    CU_ASSERT(has(t, "dgon_queue_wait_seconds_bucket{" SERIES ",le=\"0.001\"} 2"));
    CU_ASSERT(has(t, "dgon_queue_wait_seconds_sum{" SERIES "} 0"));
    CU_ASSERT(has(t, "dgon_build_info{version=\"1.2.3\"} 1"));
    CU_ASSERT(has(t, "# TYPE dgon_requests_total counter") && strstr(t, "# EOF") == NULL);
    t = written(true);
    CU_ASSERT(has(t, "# TYPE dgon_requests counter"));
    CU_ASSERT(has(t, "dgon_requests_total{operation=\"chat\",model=\"a/b\",code=\"200\"} 2"));
    CU_ASSERT(strcmp(t + strlen(t) - 6, "# EOF\n") == 0);
    teardown();
}

/* Names are bounded, and what does not fit is still counted. */
static void test_bounded(void)
{
    char name[32], line[128];
    dgon_metrics_request q = {.model = name, .op = DGON_OP_EMBED, .status = 200};
    setup();
    for (unsigned i = 0; i < DGON_METRICS_MODELS + 100; i++) {
        (void)snprintf(name, sizeof name, "m%u", i);
        dgon_metrics_count(reg, &q);
    }
    q.model = NULL;
    dgon_metrics_count(reg, &q);
    const char *t = written(false);
    for (unsigned i = 0; i < DGON_METRICS_MODELS + 100; i += 37) {
        (void)snprintf(line, sizeof line,
                       "dgon_requests_total{operation=\"embeddings\",model=\"m%u\",code=\"200\"} 1",
                       i);
        CU_ASSERT(has(t, line) == (i < DGON_METRICS_MODELS - 1));
    }
    CU_ASSERT(
        has(t, "dgon_requests_total{operation=\"embeddings\",model=\"_other\",code=\"200\"} 102"));
    teardown();
}

static void test_escaped(void)
{
    const dgon_metrics_request q = {.model = "a\"\\\nb", .op = DGON_OP_PASS, .status = 499};
    setup();
    dgon_metrics_count(reg, &q);
    CU_ASSERT(
        has(written(false),
            "dgon_requests_total{operation=\"pass\",model=\"a\\\"\\\\\\nb\",code=\"499\"} 1"));
    teardown();
}

static json_t *status(void)
{
    dgon_buf_fini(&out);
    dgon_buf_init(&out, 1u << 24);
    CU_ASSERT_EQUAL_FATAL(dgon_fleet_write(reg, "1.2.3", &out), DGON_OK);
    json_t *j = json_loadb(out.data, out.len, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(j);
    CU_ASSERT_EQUAL_FATAL(dgon_buf_add(&out, "", 1), DGON_OK); /* for strstr() */
    return j;
}

static const char *agent_text(const json_t *j, size_t i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(j, "agents"), i), key));
}

static json_int_t agent_number(const json_t *j, size_t i, const char *key)
{
    return json_integer_value(
        json_object_get(json_array_get(json_object_get(j, "agents"), i), key));
}

static void test_fleet(void)
{
    setup();
    uint32_t one = open_link(1, "one", 1, 2, "m");
    uint32_t again = DGON_NONE;
    CU_ASSERT_EQUAL(dgon_registry_link_open(reg, 2, "one", 1, 2, &again), DGON_OK);
    open_link(2, "two", 2, 1, "m");
    dgon_fleet_link_about(reg, one, "0.1.0", "linux \"<x>\"", "192.0.2.7");
    dgon_job_ref a = submit(0, "m");
    uint32_t agent;
    CU_ASSERT_EQUAL(dgon_registry_phase(reg, a, NULL, &agent), DGON_JOB_BOUND);
    CU_ASSERT(dgon_registry_bound_us(reg, a) != 0);
    dgon_error e;
    dgon_error_set(&e, 502, "upstream_error", NULL, "secret");
    dgon_fleet_tell(reg, agent, model("m"), &e, 0);
    dgon_fleet_tell(reg, agent, model("m"), NULL, 12500);
    json_t *j = status();
    size_t busy = agent_number(j, 0, "busy") == 1 ? 0 : 1;
    CU_ASSERT_EQUAL(json_array_size(json_object_get(j, "agents")), 2);
    CU_ASSERT_STRING_EQUAL(agent_text(j, 0, "id"), "one");
    CU_ASSERT_STRING_EQUAL(agent_text(j, 0, "state"), "up");
    CU_ASSERT(agent_number(j, 0, "links") == 2 && agent_number(j, 0, "connects") == 2);
    CU_ASSERT_STRING_EQUAL(agent_text(j, 0, "os"), "linux ??x??");
    CU_ASSERT_STRING_EQUAL(agent_text(j, 0, "address"), "192.0.2.7");
    CU_ASSERT(agent_number(j, busy, "failed") == 1 && agent_number(j, busy, "done") == 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "\"code\":\"upstream_error\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "\"tokens_per_second\":12.500"));
    CU_ASSERT_PTR_NULL(strstr(out.data, "secret"));
    const json_t *m = json_array_get(json_object_get(j, "models"), 0);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(m, "agents")), 2);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(m, "slots")), 3);
    json_decref(j);
    dgon_registry_release(reg, a);
    dgon_registry_finish(reg, a, 1);
    teardown();
}

/* Nothing new for an agent that is held, on no link, also when it comes back; what waits is let go.
 */
static void test_hold(void)
{
    setup();
    uint32_t link = open_link(1, "one", 1, 2, "m");
    CU_ASSERT_EQUAL(dgon_fleet_hold(reg, 1, "nobody", true), DGON_ENOTFOUND);
    CU_ASSERT_EQUAL(dgon_fleet_hold(reg, 1, "one", true), DGON_OK);
    dgon_job_ref a = submit(0, "m");
    CU_ASSERT_EQUAL(phase(a), DGON_JOB_QUEUED);
    dgon_registry_link_close(reg, link);
    for (unsigned i = 0; i < 20; i++)
        dgon_registry_audit(reg, 1);
    json_t *j = status();
    CU_ASSERT_STRING_EQUAL(agent_text(j, 0, "state"), "away");
    json_decref(j);
    open_link(2, "one", 2, 2, "m");
    CU_ASSERT_EQUAL(phase(a), DGON_JOB_QUEUED);
    j = status();
    CU_ASSERT_STRING_EQUAL(agent_text(j, 0, "state"), "held");
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "\"queued\":1"));
    json_decref(j);
    CU_ASSERT_EQUAL(dgon_fleet_hold(reg, 1, "one", false), DGON_OK);
    CU_ASSERT_EQUAL(phase(a), DGON_JOB_BOUND);
    dgon_registry_release(reg, a);
    dgon_registry_finish(reg, a, 1);
    nothing_left();
    teardown();
}

static void test_cancel(void)
{
    unsigned char id[16] = {1, 2, 3};
    setup();
    open_link(1, "one", 1, 1, "m");
    dgon_job_spec spec = {.model = model("m"), .op = 1, .attempt = 1};
    spec.exclude[0] = spec.exclude[1] = DGON_NONE;
    memcpy(spec.id, id, sizeof id);
    dgon_job_ref ref;
    CU_ASSERT_EQUAL_FATAL(dgon_registry_claim(reg, 0, &spec, &ref), DGON_OK);
    CU_ASSERT_EQUAL(dgon_registry_submit(reg, ref, 10), DGON_OK);
    CU_ASSERT_FALSE(dgon_registry_cancel_asked(reg, ref));
    CU_ASSERT_EQUAL(dgon_fleet_cancel(reg, id), DGON_OK);
    CU_ASSERT(dgon_registry_cancel_asked(reg, ref));
    id[0] = 9;
    CU_ASSERT_EQUAL(dgon_fleet_cancel(reg, id), DGON_ENOTFOUND);
    dgon_buf_fini(&out);
    dgon_buf_init(&out, 1u << 16);
    CU_ASSERT_EQUAL(dgon_fleet_write_jobs(reg, &out), DGON_OK);
    json_t *j = json_loadb(out.data, out.len, 0, NULL);
    const json_t *job = json_array_get(json_object_get(j, "jobs"), 0);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(job, "id")),
                           "chatcmpl-01020300000000000000000000000000");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(job, "agent")), "one");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(job, "state")), "bound");
    json_decref(j);
    dgon_registry_release(reg, ref);
    dgon_registry_finish(reg, ref, 1);
    /* the next job in this slot is another one */
    spec.arrival = 0;
    CU_ASSERT_EQUAL_FATAL(dgon_registry_claim(reg, 0, &spec, &ref), DGON_OK);
    CU_ASSERT_FALSE(dgon_registry_cancel_asked(reg, ref));
    dgon_registry_release(reg, ref);
    nothing_left();
    dgon_buf_fini(&out);
    teardown();
}

UNIT_MAIN("metrics", {"counted", test_counted}, {"bounded", test_bounded},
          {"escaped", test_escaped}, {"fleet", test_fleet}, {"hold", test_hold},
          {"cancel", test_cancel})
