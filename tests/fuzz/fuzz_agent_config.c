/* The agent's configuration: any text is taken or has a mistake that is named; what is taken is
 * whole. */
#include "agent_config.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    agent_config *c = agent_config_create();
    dgon_buf errors;
    dgon_buf_init(&errors, 65536);
    FUZZ_ASSERT(c != NULL);
    dgon_status s = agent_config_parse(c, "input", (const char *)data, size, &errors);
    FUZZ_ASSERT(s == DGON_OK || errors.len != 0);
    size_t before = errors.len;
    dgon_status t = agent_config_check(c, &errors);
    FUZZ_ASSERT(t == DGON_OK || errors.len > before || before > 60000);
    FUZZ_ASSERT(c->backend_count <= AGENT_CONFIG_BACKENDS_MAX &&
                c->label_count <= AGENT_CONFIG_LABELS_MAX);
    if (t == DGON_OK) {
        FUZZ_ASSERT(c->host[0] != '\0' && c->port != 0 && c->path[0] == '/' &&
                    c->backend_count > 0);
        FUZZ_ASSERT(strpbrk(c->path, " \t\r\n") == NULL && strpbrk(c->host, " \t\r\n@") == NULL);
    }
    for (unsigned i = 0; i < c->backend_count; i++) {
        FUZZ_ASSERT(dgon_wire_is_agent_id(c->backends[i].name, strlen(c->backends[i].name)));
        for (uint32_t k = 0; k < c->backends[i].model_count; k++)
            FUZZ_ASSERT(dgon_wire_is_model_name(c->backends[i].models[k],
                                                strlen(c->backends[i].models[k])));
    }
    for (size_t i = 0; i < errors.len; i++)
        FUZZ_ASSERT(errors.data[i] == '\n' || (unsigned char)errors.data[i] >= 0x20);
    dgon_buf_fini(&errors);
    agent_config_destroy(c);
    return 0;
}
