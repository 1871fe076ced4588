/* A file of keys: what is taken is sorted, can be found, and means the same when it is written
 * anew.
 */
#include "dgon/keys.h"

#include "dgon/glob.h"
#include "fuzz.h"

static void same(const dgon_key *a, const dgon_key *b)
{
    FUZZ_ASSERT(strcmp(a->id, b->id) == 0 && a->expires == b->expires && a->created == b->created);
    FUZZ_ASSERT(strcmp(a->models, b->models) == 0 && strcmp(a->comment, b->comment) == 0);
    FUZZ_ASSERT(memcmp(a->hash, b->hash, sizeof a->hash) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[DGON_KEYS_WHY] = "";
    char *text = fuzz_copy(data, size);
    dgon_keys keys, again;
    dgon_status s = dgon_keys_parse(&keys, text, size, why);
    free(text);
    FUZZ_ASSERT((s == DGON_OK) == (why[0] == '\0'));
    if (s != DGON_OK)
        return 0;
    dgon_buf out;
    dgon_buf_init(&out, 2 * DGON_KEYS_FILE_MAX);
    for (size_t i = 0; i < keys.count; i++) {
        const dgon_key *k = &keys.list[i];
        FUZZ_ASSERT(i == 0 || strcmp(keys.list[i - 1].id, k->id) < 0);
        FUZZ_ASSERT(dgon_keys_find(&keys, k->id, strlen(k->id)) == k);
        FUZZ_ASSERT(k->models[0] == '\0' || dgon_glob_is_list(k->models, strlen(k->models)));
        (void)dgon_glob_list_fits(k->models, "llama3:70b");
        FUZZ_ASSERT(dgon_key_write(&out, k) == DGON_OK);
    }
    FUZZ_ASSERT(dgon_keys_parse(&again, out.data != NULL ? out.data : "", out.len, why) == DGON_OK);
    FUZZ_ASSERT(again.count == keys.count);
    for (size_t i = 0; i < keys.count; i++)
        same(&keys.list[i], &again.list[i]);
    dgon_keys_fini(&again);
    dgon_keys_fini(&keys);
    dgon_buf_fini(&out);
    return 0;
}
