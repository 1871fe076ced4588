/* The file of agents: what was accepted is written and read again as the same text. */
#include "dgon/agents.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *p = fuzz_copy(data, size);
    char why[DGON_AGENTS_WHY];
    unsigned line;
    dgon_agents a, b;
    dgon_buf one, two;
    dgon_agents_init(&a);
    dgon_agents_init(&b);
    dgon_buf_init(&one, DGON_AGENTS_FILE_MAX);
    dgon_buf_init(&two, DGON_AGENTS_FILE_MAX);
    dgon_status st = dgon_agents_parse(&a, p, size, &line, why);
    FUZZ_ASSERT((st == DGON_OK) == (why[0] == '\0'));
    FUZZ_ASSERT(st == DGON_OK || a.count == 0);
    if (st == DGON_OK) {
        FUZZ_ASSERT(dgon_agents_write(&a, &one) == DGON_OK);
        FUZZ_ASSERT(dgon_agents_parse(&b, one.data, one.len, &line, why) == DGON_OK);
        FUZZ_ASSERT(dgon_agents_write(&b, &two) == DGON_OK);
        FUZZ_ASSERT(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
        for (uint32_t i = 0; i < a.count; i++) {
            FUZZ_ASSERT(dgon_agents_by_id(&a, a.entries[i].id) == &a.entries[i]);
            FUZZ_ASSERT(dgon_agents_by_key(&a, a.entries[i].key) == &a.entries[i]);
        }
    }
    dgon_agents_fini(&a);
    dgon_agents_fini(&b);
    dgon_buf_fini(&one);
    dgon_buf_fini(&two);
    free(p);
    return 0;
}
