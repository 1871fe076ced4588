/* Targets of an alias, and a model that is picked by them: what is picked stands in the text. */
#include "dgon/alias.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const dgon_ctl_model models[] = {{.name = "a"}, {.name = "llama3:70b"}, {.name = "b/c"}};
    char *targets = malloc(size + 1);
    FUZZ_ASSERT(targets != NULL);
    memcpy(targets, data, size);
    targets[size] = '\0';
    const dgon_ctl_model *m = dgon_alias_pick(targets, "gpu-7", models, 3);
    FUZZ_ASSERT(m == NULL || strstr(targets, m->name) != NULL);
    if (dgon_alias_check(targets) == NULL)
        FUZZ_ASSERT(strlen(targets) > 0 && strpbrk(targets, " #*\n") == NULL);
    free(targets);
    return 0;
}
