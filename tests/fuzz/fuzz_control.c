/* A control message: what was accepted writes, reads and writes again to the same text. */
#include "dgon/control.h"

#include "fuzz.h"

/* A `job` is read without a tree; a member that nobody knows makes the same text the tree's. */
static void by_tree(const char *p, size_t n, const dgon_ctl *quick)
{
    static const char unknown[] = "{\"unknown\":[],";
    dgon_ctl c;
    dgon_buf text;
    dgon_ctl_init(&c);
    dgon_buf_init(&text, n + sizeof unknown);
    FUZZ_ASSERT(dgon_buf_adds(&text, unknown) == DGON_OK &&
                dgon_buf_add(&text, p + 1, n - 1) == DGON_OK);
    dgon_status st = dgon_ctl_parse(&c, text.data, text.len, NULL, 0);
    FUZZ_ASSERT(st == DGON_ETOOBIG || (st == DGON_OK && memcmp(&c, quick, sizeof c) == 0));
    dgon_ctl_fini(&c);
    dgon_buf_fini(&text);
}

/* The head of a request that is passed on is read into a struct and written from a text. */
static void with_http(dgon_ctl *c, dgon_buf *text)
{
    dgon_buf_init(text, DGON_PASS_HEAD_MAX);
    if (c->http == NULL)
        return;
    FUZZ_ASSERT(dgon_pass_head_write(text, c->http) == DGON_OK);
    c->http_json = text->data;
    c->http_json_len = text->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *p = fuzz_copy(data, size);
    char why[128];
    dgon_ctl a, b;
    dgon_buf one, two, http_a, http_b;
    dgon_ctl_init(&a);
    dgon_ctl_init(&b);
    dgon_buf_init(&one, DGON_WIRE_CONTROL_MAX);
    dgon_buf_init(&two, DGON_WIRE_CONTROL_MAX);
    dgon_status st = dgon_ctl_parse(&a, p, size, why, sizeof why);
    FUZZ_ASSERT((st == DGON_OK) == (why[0] == '\0'));
    FUZZ_ASSERT(st == DGON_OK || (a.type == DGON_CTL_UNKNOWN && a.models == NULL));
    with_http(&a, &http_a);
    dgon_buf_init(&http_b, DGON_PASS_HEAD_MAX);
    if (a.type == DGON_CTL_JOB && a.http == NULL && p[0] == '{')
        by_tree(p, size, &a);
    if (a.type != DGON_CTL_UNKNOWN) {
        FUZZ_ASSERT(dgon_ctl_write(&one, &a) == DGON_OK);
        FUZZ_ASSERT(dgon_ctl_parse(&b, one.data, one.len, why, sizeof why) == DGON_OK);
        with_http(&b, &http_b);
        FUZZ_ASSERT(dgon_ctl_write(&two, &b) == DGON_OK);
        FUZZ_ASSERT(a.type == b.type && a.model_count == b.model_count);
        FUZZ_ASSERT(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
        FUZZ_ASSERT(memchr(one.data, '\n', one.len) == NULL);
    }
    dgon_ctl_fini(&a);
    dgon_ctl_fini(&b);
    dgon_buf_fini(&one);
    dgon_buf_fini(&two);
    dgon_buf_fini(&http_a);
    dgon_buf_fini(&http_b);
    free(p);
    return 0;
}
