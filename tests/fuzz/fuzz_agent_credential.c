/* The agent's credential: refused ones leave nothing behind. */
#include "agent_credential.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const agent_credential none;
    char *p = fuzz_copy(data, size);
    agent_credential c;
    if (agent_credential_parse(&c, p, size) == DGON_OK)
        FUZZ_ASSERT(c.id[0] == '\0' || dgon_wire_is_agent_id(c.id, strlen(c.id)));
    else
        FUZZ_ASSERT(memcmp(&c, &none, sizeof c) == 0);
    free(p);
    return 0;
}
