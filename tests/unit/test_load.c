#include "dgon/load.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static dgon_status ask(const char *text, char *model, uint32_t *n, dgon_error *e)
{
    return dgon_load_ask_in(text, strlen(text), model, n, e);
}

static void test_ask(void)
{
    char model[DGON_WIRE_NAME_MAX + 1];
    uint32_t n = 0;
    dgon_error e;
    CU_ASSERT_EQUAL(
        ask("{\"model_name\":\"a/b:7b\",\"init_nodes_num\":3,\"is_local_network\":true}", model, &n,
            &e),
        DGON_OK);
    CU_ASSERT_STRING_EQUAL(model, "a/b:7b");
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT_EQUAL(ask("{\"model_name\":\"m\"}", model, &n, &e), DGON_OK);
    CU_ASSERT_EQUAL(n, 1);
    static const struct {
        const char *text, *param;
    } bad[] = {{"", ""},
               {"[]", ""},
               {"{\"model_name\":\"m\",\"model_name\":\"n\"}", ""},
               {"{\"init_nodes_num\":1}", "model_name"},
               {"{\"model_name\":7}", "model_name"},
               {"{\"model_name\":\"\"}", "model_name"},
               {"{\"model_name\":\"!\"}", "model_name"},
               {"{\"model_name\":\"a b\"}", "model_name"},
               {"{\"model_name\":\"m\",\"init_nodes_num\":0}", "init_nodes_num"},
               {"{\"model_name\":\"m\",\"init_nodes_num\":65}", "init_nodes_num"},
               {"{\"model_name\":\"m\",\"init_nodes_num\":1.5}", "init_nodes_num"},
               {"{\"model_name\":\"m\",\"init_nodes_num\":\"2\"}", "init_nodes_num"},
               {"{\"model_name\":\"m\",\"x\":[[[[[[[[[[1]]]]]]]]]]}", ""}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_EQUAL(ask(bad[i].text, model, &n, &e), DGON_EINVAL);
        CU_ASSERT_EQUAL(e.http, 400);
        CU_ASSERT_STRING_EQUAL(e.param, bad[i].param);
    }
}

static void test_body(void)
{
    char model[DGON_WIRE_NAME_MAX + 1];
    dgon_buf b;
    dgon_buf_init(&b, DGON_LOAD_BODY_MAX);
    CU_ASSERT_EQUAL(dgon_load_body_write(&b, "hf.co/x:Q4"), DGON_OK);
    CU_ASSERT_EQUAL(dgon_load_body_in(b.data, b.len, model), DGON_OK);
    CU_ASSERT_STRING_EQUAL(model, "hf.co/x:Q4");
    CU_ASSERT_EQUAL(dgon_load_body_in("{}", 2, model), DGON_EJSON);
    CU_ASSERT_EQUAL(dgon_load_body_in("{\"model\":\"a\\u0000b\"}", 20, model), DGON_EJSON);
    dgon_buf_fini(&b);
}

static dgon_status progress(dgon_load_progress *p, const char *text)
{
    return dgon_load_progress_in(p, text, strlen(text));
}

static void test_progress(void)
{
    dgon_load_progress p, q;
    dgon_buf b;
    dgon_buf_init(&b, DGON_LOAD_EVENT_MAX);
    for (int s = 0; s < DGON_LOAD_STATES; s++) {
        dgon_load_set(&p, (dgon_load_state)s, s == DGON_LOAD_FAILED ? "\"disk\" is full\n" : NULL);
        p.total = s == DGON_LOAD_PULLING ? 100 : 0;
        p.completed = p.total / 2;
        dgon_buf_reset(&b);
        CU_ASSERT_EQUAL(dgon_load_progress_write(&b, NULL, &p), DGON_OK);
        CU_ASSERT_EQUAL(dgon_load_progress_in(&q, b.data, b.len), DGON_OK);
        CU_ASSERT(dgon_load_same(&p, &q));
        CU_ASSERT_EQUAL(dgon_load_is_last(p.state), s >= DGON_LOAD_LOADED);
    }
    dgon_buf_reset(&b);
    dgon_load_set(&p, DGON_LOAD_PULLING, NULL);
    p.completed = 1;
    p.total = 2;
    CU_ASSERT_EQUAL(dgon_load_progress_write(&b, "gpu-1", &p), DGON_OK);
    static const char want[] =
        "{\"agent\":\"gpu-1\",\"state\":\"pulling\",\"completed\":1,\"total\":2}";
    CU_ASSERT(b.len == sizeof want - 1 && memcmp(b.data, want, b.len) == 0);
    dgon_buf_fini(&b);
}

/* What an agent says of itself is cut and bounded. */
static void test_hostile_progress(void)
{
    dgon_load_progress p;
    char text[2000];
    CU_ASSERT_EQUAL(progress(&p, "{\"state\":\"done\"}"), DGON_EJSON);
    CU_ASSERT_EQUAL(progress(&p, "{\"state\":1}"), DGON_EJSON);
    CU_ASSERT_EQUAL(progress(&p, "{}"), DGON_EJSON);
    CU_ASSERT_EQUAL(progress(&p, "\"loaded\""), DGON_EJSON);
    CU_ASSERT_EQUAL(
        progress(&p, "{\"state\":\"pulling\",\"completed\":9223372036854775807,\"total\":5}"),
        DGON_OK);
    CU_ASSERT_EQUAL(p.completed, 5);
    CU_ASSERT_EQUAL(progress(&p, "{\"state\":\"pulling\",\"completed\":-1,\"total\":-5}"), DGON_OK);
    CU_ASSERT_EQUAL(p.total, 0);
    (void)snprintf(text, sizeof text, "{\"state\":\"failed\",\"reason\":\"%0*d\"}", 1500, 7);
    CU_ASSERT_EQUAL(progress(&p, text), DGON_OK);
    CU_ASSERT_EQUAL(strlen(p.reason), DGON_LOAD_REASON_MAX);
}

static void test_name(void)
{
    CU_ASSERT(dgon_load_is_name("m", "m"));
    CU_ASSERT(dgon_load_is_name("m:latest", "m"));
    CU_ASSERT(dgon_load_is_name("m:latest", "m:latest"));
    CU_ASSERT(!dgon_load_is_name("m", "m:latest"));
    CU_ASSERT(!dgon_load_is_name("m:7b", "m"));
    CU_ASSERT(!dgon_load_is_name("mm", "m"));
    CU_ASSERT(!dgon_load_is_name("m:7b:latest", "m:7b"));
}

static dgon_status pull(dgon_load_pull *t, dgon_load_progress *p, const char *line)
{
    return dgon_load_pull_in(t, p, line, strlen(line));
}

/* Layers come one after another; the sum never goes back. */
static void test_pull(void)
{
    dgon_load_pull t = {.before = 0};
    dgon_load_progress p;
    CU_ASSERT_EQUAL(pull(&t, &p, "{\"status\":\"pulling manifest\"}"), DGON_OK);
    CU_ASSERT_EQUAL(p.state, DGON_LOAD_PULLING);
    CU_ASSERT_EQUAL(p.total, 0);
    CU_ASSERT_EQUAL(
        pull(&t, &p, "{\"status\":\"pulling a\",\"digest\":\"sha256:a\",\"total\":100}"), DGON_OK);
    CU_ASSERT_EQUAL(p.completed, 0);
    CU_ASSERT_EQUAL(p.total, 100);
    CU_ASSERT_EQUAL(pull(&t, &p,
                         "{\"status\":\"pulling a\",\"digest\":\"sha256:a\",\"total\":100,"
                         "\"completed\":60}"),
                    DGON_OK);
    CU_ASSERT_EQUAL(p.completed, 60);
    CU_ASSERT_EQUAL(pull(&t, &p,
                         "{\"status\":\"pulling b\",\"digest\":\"sha256:b\",\"total\":10,"
                         "\"completed\":5}"),
                    DGON_OK);
    CU_ASSERT_EQUAL(p.completed, 105);
    CU_ASSERT_EQUAL(p.total, 110);
    CU_ASSERT_EQUAL(pull(&t, &p, "{\"status\":\"verifying sha256 digest\"}"), DGON_OK);
    CU_ASSERT_EQUAL(p.completed, 110);
    CU_ASSERT_EQUAL(pull(&t, &p, "{\"status\":\"success\"}"), DGON_DONE);
    CU_ASSERT_EQUAL(pull(&t, &p, "{\"error\":\"no space left on device\"}"), DGON_EBACKEND);
    CU_ASSERT_EQUAL(p.state, DGON_LOAD_FAILED);
    CU_ASSERT_STRING_EQUAL(p.reason, "no space left on device");
    CU_ASSERT_EQUAL(pull(&t, &p, "pulling"), DGON_EJSON);
    CU_ASSERT_EQUAL(pull(&t, &p, "[1]"), DGON_EJSON);
}

static dgon_status router(dgon_load_progress *p, const char *text)
{
    return dgon_load_router_in(p, "m", text, strlen(text));
}

static void test_router(void)
{
    dgon_load_progress p;
    CU_ASSERT_EQUAL(router(&p, "{\"data\":[{\"id\":\"x\"},{\"id\":\"m\",\"status\":{\"value\":"
                               "\"loading\"}}]}"),
                    DGON_OK);
    CU_ASSERT_EQUAL(p.state, DGON_LOAD_LOADING);
    CU_ASSERT_EQUAL(router(&p, "{\"data\":[{\"id\":\"m\",\"status\":{\"value\":\"loaded\"}}]}"),
                    DGON_OK);
    CU_ASSERT_EQUAL(p.state, DGON_LOAD_LOADED);
    CU_ASSERT_EQUAL(router(&p, "{\"data\":[{\"id\":\"m\",\"status\":{\"value\":\"unloaded\","
                               "\"exit_code\":1,\"failed\":true}}]}"),
                    DGON_OK);
    CU_ASSERT_EQUAL(p.state, DGON_LOAD_FAILED);
    CU_ASSERT(p.reason[0] != '\0');
    CU_ASSERT_EQUAL(router(&p, "{\"data\":[]}"), DGON_ENOTFOUND);
    CU_ASSERT_EQUAL(router(&p, "{}"), DGON_EJSON);
    CU_ASSERT_EQUAL(router(&p, "<html>"), DGON_EJSON);
}

static bool everything(void *user)
{
    static const char text[] = "{\"model_name\":\"m\",\"init_nodes_num\":2}";
    char model[DGON_WIRE_NAME_MAX + 1];
    dgon_load_progress p;
    dgon_error e;
    uint32_t n;
    (void)user;
    return dgon_load_ask_in(text, sizeof text - 1, model, &n, &e) == DGON_OK &&
           progress(&p, "{\"state\":\"loaded\"}") == DGON_OK;
}

static void test_no_memory(void)
{
    unit_each_alloc(everything, NULL);
}

UNIT_MAIN("load", {"ask", test_ask}, {"body", test_body}, {"progress", test_progress},
          {"hostile progress", test_hostile_progress}, {"name", test_name}, {"pull", test_pull},
          {"router", test_router}, {"no memory", test_no_memory})
