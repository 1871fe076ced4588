/* The three JSON texts of joining: what is taken is within its bounds. */
#include "dgon/agents.h"
#include "dgon/join.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *p = fuzz_copy(data, size);
    const char *member;
    dgon_join j;
    dgon_join_answer a, again;
    dgon_join_invite i;
    dgon_buf out;
    dgon_status st = dgon_join_read(&j, p, size, &member);
    FUZZ_ASSERT((st == DGON_EPROTO) == (member != NULL));
    if (st == DGON_OK)
        FUZZ_ASSERT(j.name[0] == '\0' || dgon_wire_is_agent_id(j.name, strlen(j.name)));
    st = dgon_join_invite_read(&i, p, size, &member);
    if (st == DGON_OK)
        FUZZ_ASSERT(i.uses >= 1 && i.uses <= DGON_AGENTS_USES_MAX && i.expires >= 1 &&
                    i.expires <= DGON_AGENTS_EXPIRES_MAX);
    dgon_buf_init(&out, 8192);
    if (dgon_join_answer_read(&a, p, size) == DGON_OK) {
        FUZZ_ASSERT(dgon_wire_is_agent_id(a.id, strlen(a.id)));
        FUZZ_ASSERT(dgon_join_answer_write(&out, &a) == DGON_OK);
        FUZZ_ASSERT(dgon_join_answer_read(&again, out.data, out.len) == DGON_OK);
        FUZZ_ASSERT(strcmp(a.link, again.link) == 0);
    }
    dgon_buf_fini(&out);
    free(p);
    return 0;
}
