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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *p = fuzz_copy(data, size);
    char why[128];
    dgon_ctl a, b;
    dgon_buf one, two;
    dgon_ctl_init(&a);
    dgon_ctl_init(&b);
    dgon_buf_init(&one, DGON_WIRE_CONTROL_MAX);
    dgon_buf_init(&two, DGON_WIRE_CONTROL_MAX);
    dgon_status st = dgon_ctl_parse(&a, p, size, why, sizeof why);
    FUZZ_ASSERT((st == DGON_OK) == (why[0] == '\0'));
    FUZZ_ASSERT(st == DGON_OK || (a.type == DGON_CTL_UNKNOWN && a.models == NULL));
    if (a.type == DGON_CTL_JOB && p[0] == '{')
        by_tree(p, size, &a);
    if (a.type != DGON_CTL_UNKNOWN) {
        FUZZ_ASSERT(dgon_ctl_write(&one, &a) == DGON_OK);
        FUZZ_ASSERT(dgon_ctl_parse(&b, one.data, one.len, why, sizeof why) == DGON_OK);
        FUZZ_ASSERT(dgon_ctl_write(&two, &b) == DGON_OK);
        FUZZ_ASSERT(a.type == b.type && a.model_count == b.model_count);
        FUZZ_ASSERT(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
        FUZZ_ASSERT(memchr(one.data, '\n', one.len) == NULL);
    }
    dgon_ctl_fini(&a);
    dgon_ctl_fini(&b);
    dgon_buf_fini(&one);
    dgon_buf_fini(&two);
    free(p);
    return 0;
}
