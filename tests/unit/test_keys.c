#include "dgon/keys.h"

#include "unit.h"

/* SHA-256 of "secret" */
#define HASH "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
#define REST " - - -\n"

static char why[DGON_KEYS_WHY];

static dgon_status parse(dgon_keys *keys, const char *text)
{
    return dgon_keys_parse(keys, text, strlen(text), why);
}

static void test_lines(void)
{
    dgon_keys keys;
    CU_ASSERT_EQUAL_FATAL(
        parse(&keys, "# who may come in\n"
                     "\n"
                     "zoe " HASH " - - -\n"
                     "alice\t" HASH "  2026-12-31T23:59:59Z  llama*,qwen3:32b 2026-01-01T00:00:00Z"
                     " Alice's  laptop \n"
                     "  b_0-1 " HASH " - - 2026-01-01T00:00:00Z -\n"),
        DGON_OK);
    CU_ASSERT_EQUAL(keys.count, 3);
    const dgon_key *alice = dgon_keys_find(&keys, "alice.x", 5);
    CU_ASSERT_PTR_NOT_NULL_FATAL(alice);
    CU_ASSERT_STRING_EQUAL(alice->id, "alice");
    CU_ASSERT_EQUAL(alice->expires, 1798761599);
    CU_ASSERT_EQUAL(alice->created, 1767225600);
    CU_ASSERT_STRING_EQUAL(alice->models, "llama*,qwen3:32b");
    CU_ASSERT_STRING_EQUAL(alice->comment, "Alice's  laptop");
    CU_ASSERT_EQUAL(alice->line, 4);
    const dgon_key *b = dgon_keys_find(&keys, "b_0-1", 5);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT_EQUAL(b->expires, 0);
    CU_ASSERT_STRING_EQUAL(b->models, "");
    CU_ASSERT_STRING_EQUAL(b->comment, "");
    unsigned char hash[DGON_HASH_SIZE];
    CU_ASSERT_EQUAL(dgon_key_hash(hash, "secret", 6), DGON_OK);
    CU_ASSERT(dgon_hash_same(hash, b->hash, sizeof hash));
    CU_ASSERT_PTR_NOT_NULL(dgon_keys_find(&keys, "zoe", 3));
    CU_ASSERT_PTR_NULL(dgon_keys_find(&keys, "zo", 2));
    CU_ASSERT_PTR_NULL(dgon_keys_find(&keys, "zoey", 4));
    CU_ASSERT_PTR_NULL(dgon_keys_find(&keys, "", 0));
    dgon_keys_fini(&keys);
    CU_ASSERT_EQUAL(parse(&keys, ""), DGON_OK);
    CU_ASSERT_PTR_NULL(dgon_keys_find(&keys, "zoe", 3));
    dgon_keys_fini(&keys);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"alice", "line 1: its end"},
        {"alice " HASH " - - -", "line 1: its end"},
        {"zoe " HASH REST "alice " HASH " - -\n", "line 2: fields"},
        {"alice 2bb80d" REST, "line 1: the hash"},
        {"al " HASH REST, "line 1: the id"},
        {"Alice " HASH REST, "line 1: the id"},
        {"a.b.c " HASH REST, "line 1: the id"},
        {"abcdefghijklmnopqrstuvwxyz0123456 " HASH REST, "line 1: the id"},
        {"alice " HASH " soon - -\n", "line 1: expires"},
        {"alice " HASH " - a,,b -\n", "line 1: models"},
        {"alice " HASH " - - then\n", "line 1: created"},
        {"alice " HASH " - - - \x01\n", "line 1: the comment"},
        {"alice " HASH " - - - \xff\n", "line 1: the comment"},
        {"alice " HASH REST "zoe " HASH REST "\nalice " HASH REST, "line 4: this id"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        dgon_keys keys;
        CU_ASSERT_EQUAL(parse(&keys, bad[i].text), DGON_EINVAL);
        CU_ASSERT(strncmp(why, bad[i].why, strlen(bad[i].why)) == 0);
        CU_ASSERT_EQUAL(keys.count, 0);
        CU_ASSERT_PTR_NULL(keys.list);
    }
    dgon_keys keys;
    CU_ASSERT_EQUAL(dgon_keys_parse(&keys, "alice\0\n", 7, why), DGON_EINVAL);
}

/* A file that was cut anywhere is refused, but for a cut between two lines. */
static void test_cut(void)
{
    static const char text[] = "alice " HASH " - a,b 2026-01-01T00:00:00Z x y\nzoe " HASH REST;
    for (size_t n = 1; n < sizeof text - 1; n++) {
        dgon_keys keys;
        dgon_status s = dgon_keys_parse(&keys, text, n, why);
        CU_ASSERT_EQUAL(s, text[n - 1] == '\n' ? DGON_OK : DGON_EINVAL);
        dgon_keys_fini(&keys);
    }
}

static void test_make_and_write(void)
{
    char secret[DGON_KEY_SECRET_SIZE], other[DGON_KEY_SECRET_SIZE];
    dgon_key key = {.id = "alice", .expires = 1798761599, .models = "a*,b", .comment = "x  y"};
    CU_ASSERT_EQUAL(dgon_key_make(secret, key.hash), DGON_OK);
    CU_ASSERT_EQUAL(strlen(secret), DGON_KEY_SECRET_SIZE - 1);
    CU_ASSERT_EQUAL(
        strspn(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        DGON_KEY_SECRET_SIZE - 1);
    dgon_key more = {.id = "zoe", .created = 1, .models = "", .comment = ""};
    CU_ASSERT_EQUAL(dgon_key_make(other, more.hash), DGON_OK);
    CU_ASSERT_STRING_NOT_EQUAL(secret, other);
    dgon_buf out;
    dgon_buf_init(&out, 4096);
    CU_ASSERT_EQUAL(dgon_key_write(&out, &key), DGON_OK);
    CU_ASSERT_EQUAL(dgon_key_write(&out, &more), DGON_OK);
    dgon_keys keys;
    CU_ASSERT_EQUAL_FATAL(dgon_keys_parse(&keys, out.data, out.len, why), DGON_OK);
    const dgon_key *k = dgon_keys_find(&keys, "alice", 5);
    CU_ASSERT_PTR_NOT_NULL_FATAL(k);
    CU_ASSERT(dgon_hash_same(k->hash, key.hash, DGON_HASH_SIZE));
    CU_ASSERT_EQUAL(k->expires, key.expires);
    CU_ASSERT_EQUAL(k->created, 0);
    CU_ASSERT_STRING_EQUAL(k->models, key.models);
    CU_ASSERT_STRING_EQUAL(k->comment, key.comment);
    CU_ASSERT_EQUAL(keys.list[1].created, 1);
    CU_ASSERT_STRING_EQUAL(keys.list[1].comment, "");
    dgon_keys_fini(&keys);
    dgon_buf_fini(&out);
}

static void test_many(void)
{
    dgon_buf out;
    dgon_keys keys;
    dgon_buf_init(&out, DGON_KEYS_FILE_MAX);
    bool ok = true;
    for (unsigned i = 0; i <= DGON_KEYS_MAX; i++)
        ok = ok &&
             dgon_buf_addf(&out, "key-%u " HASH REST, i * 7919 % (DGON_KEYS_MAX + 1)) == DGON_OK;
    CU_ASSERT_FATAL(ok);
    CU_ASSERT_EQUAL(dgon_keys_parse(&keys, out.data, out.len, why), DGON_EINVAL);
    size_t last = out.len - 2;
    while (out.data[last] != '\n')
        last--;
    CU_ASSERT_EQUAL_FATAL(dgon_keys_parse(&keys, out.data, last + 1, why), DGON_OK);
    CU_ASSERT_EQUAL(keys.count, DGON_KEYS_MAX);
    CU_ASSERT_PTR_NOT_NULL(dgon_keys_find(&keys, "key-4711", 8));
    dgon_keys_fini(&keys);
    dgon_buf_fini(&out);
}

static bool parse_two(void *user)
{
    dgon_keys keys;
    (void)user;
    bool ok = parse(&keys, "alice " HASH REST "zoe " HASH REST) == DGON_OK;
    if (ok)
        dgon_keys_fini(&keys);
    return ok;
}

static void test_no_memory(void)
{
    unit_each_alloc(parse_two, NULL);
}

UNIT_MAIN("keys", {"lines", test_lines}, {"refused", test_refused}, {"cut", test_cut},
          {"make and write", test_make_and_write}, {"many", test_many},
          {"no memory", test_no_memory})
