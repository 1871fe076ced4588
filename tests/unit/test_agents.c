#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "dgon/agents.h"
#include "dgon/agents_file.h"

#include "unit.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define K1 "1111111111111111111111111111111111111111111111111111111111111111"
#define K2 "2222222222222222222222222222222222222222222222222222222222222222"
#define K3 "3333333333333333333333333333333333333333333333333333333333333333"
#define A1 "agent gpu-7 key=" K1 " serial=00000000000000a1 created=2026-01-31T12:00:00Z"
#define A2 "agent a key=" K2 " serial=00000000000000a2 created=2000-02-29T23:59:59Z"
#define I1 "invite " K3 " expires=2026-01-31T13:00:00Z uses=2 created=2026-01-31T12:00:00Z"
#define T0 INT64_C(1769860800) /* 2026-01-31T12:00:00Z */

static dgon_status parse(dgon_agents *a, const char *text, unsigned *line)
{
    char why[DGON_AGENTS_WHY];
    size_t n = strlen(text);
    char *copy = malloc(n > 0 ? n : 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, text, n);
    dgon_status s = dgon_agents_parse(a, copy, n, line, why);
    CU_ASSERT_EQUAL(s == DGON_OK, why[0] == '\0');
    CU_ASSERT(s == DGON_OK || (a->count == 0 && a->invite_count == 0 && a->entries == NULL));
    free(copy);
    return s;
}

static void hash(unsigned char out[DGON_HASH_SIZE], int c)
{
    memset(out, c, DGON_HASH_SIZE);
}

static void test_read(void)
{
    unsigned char h[DGON_HASH_SIZE];
    unsigned line;
    dgon_agents a;
    dgon_agents_init(&a);
    CU_ASSERT_EQUAL(parse(&a,
                          "# c\n" A1 " by=root os=linux version=0.1.0+x next=" K3
                          " rotate=yes\r\n\n  \t" A2 "\n" I1 " by=a@b id=gpu-8\n end \n\n",
                          &line),
                    DGON_OK);
    CU_ASSERT(a.count == 2 && a.invite_count == 1);
    CU_ASSERT_STRING_EQUAL(a.entries[0].id, "a"); /* sorted */
    CU_ASSERT_EQUAL(a.entries[0].created, 951868799);
    const dgon_agents_entry *e = dgon_agents_by_id(&a, "gpu-7");
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    CU_ASSERT(e->created == T0 && e->has_next && e->rotate);
    CU_ASSERT_STRING_EQUAL(e->version, "0.1.0+x");
    hash(h, 0x11);
    CU_ASSERT_PTR_EQUAL(dgon_agents_by_key(&a, h), e);
    hash(h, 0x33);
    CU_ASSERT_PTR_EQUAL(dgon_agents_by_key(&a, h), e);
    hash(h, 0x44);
    CU_ASSERT_PTR_NULL(dgon_agents_by_key(&a, h));
    CU_ASSERT_PTR_NULL(dgon_agents_by_id(&a, "gpu"));
    CU_ASSERT_PTR_EQUAL(dgon_agents_by_serial(&a, e->serial), e);
    CU_ASSERT(a.invites[0].uses == 2 && strcmp(a.invites[0].by, "a@b") == 0);
    dgon_agents_fini(&a);
}

static void test_refused(void)
{
    static const struct {
        const char *text;
        unsigned line;
    } wrong[] = {
        {"", 0},
        {A1 "\n", 1}, /* no end: cut */
        {A1 "\nen", 2},
        {A1, 1},
        {"end\n" A1 "\n", 2},
        {"end\nend\n", 2},
        {"agent\nend\n", 1},
        {"agent a/b key=" K1 "\nend\n", 1},
        {"agent a key=" K1 " serial=0011223344556677\nend\n", 1},
        {A1 " color=red\nend\n", 1},
        {A1 " rotate=no\nend\n", 1},
        {A1 " by=\nend\n", 1},
        {A1 " by=a\"b\nend\n", 1},
        {A1 " os=01234567890123456\nend\n", 1},
        {A1 " next=" K1 "0\nend\n", 1},
        {A1 "\n" A1 "\nend\n", 3},             /* twice */
        {A1 " next=" K2 "\n" A2 "\nend\n", 3}, /* a key twice */
        {"agent a key=" K1 " serial=0011223344556677 created=2026-02-30T12:00:00Z\nend\n", 1},
        {"agent a key=" K1 " serial=0011223344556677 created=2026-01-31T24:00:00Z\nend\n", 1},
        {"agent a key=" K1 " serial=0011223344556677 created=1969-12-31T23:00:00Z\nend\n", 1},
        {"invite " K1 "\nend\n", 1},
        {"invite x\nend\n", 1},
        {"invite " K1 " expires=2026-01-31T13:00:00Z uses=0 created=2026-01-31T12:00:00Z\nend\n",
         1},
        {"invite " K1 " expires=2026-01-31T13:00:00Z uses=1001 created=2026-01-31T12:00:00Z\nend\n",
         1},
        {"rubbish\nend\n", 1},
        {"# \x01\nend\n", 1},
    };
    dgon_agents a;
    unsigned line;
    dgon_agents_init(&a);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CU_ASSERT_EQUAL(parse(&a, wrong[i].text, &line), DGON_EPROTO);
        CU_ASSERT_EQUAL(line, wrong[i].line);
    }
    dgon_agents_fini(&a);
}

static bool write_and_read(void *user)
{
    static const char text[] =
        A1 " by=root next=" K3 "\n" A2 " rotate=yes\ninvite " K3
           " expires=9999-12-31T23:59:59Z uses=1 created=1970-01-01T00:00:00Z "
           "id=x\nend\n";
    char why[DGON_AGENTS_WHY];
    unsigned line;
    dgon_agents a, b;
    dgon_buf one, two;
    (void)user;
    dgon_agents_init(&a);
    dgon_agents_init(&b);
    dgon_buf_init(&one, 4096);
    dgon_buf_init(&two, 4096);
    bool ok = dgon_agents_parse(&a, text, sizeof text - 1, &line, why) == DGON_OK &&
              dgon_agents_write(&a, &one) == DGON_OK &&
              dgon_agents_parse(&b, one.data, one.len, &line, why) == DGON_OK &&
              dgon_agents_write(&b, &two) == DGON_OK;
    if (ok)
        CU_ASSERT(one.len == two.len && memcmp(one.data, two.data, one.len) == 0 && a.count == 2);
    dgon_agents_fini(&a);
    dgon_agents_fini(&b);
    dgon_buf_fini(&one);
    dgon_buf_fini(&two);
    return ok;
}

static void test_written(void)
{
    unit_each_alloc(write_and_read, NULL);
}

static void test_times(void)
{
    static const struct {
        int64_t t;
        const char *text;
    } known[] = {{0, "1970-01-01T00:00:00Z"},          {951782399, "2000-02-28T23:59:59Z"},
                 {951782400, "2000-02-29T00:00:00Z"},  {4107542399, "2100-02-28T23:59:59Z"},
                 {4107542400, "2100-03-01T00:00:00Z"}, {-5, "1970-01-01T00:00:00Z"},
                 {INT64_MAX, "9999-12-31T23:59:59Z"}};
    char text[DGON_AGENTS_TIME];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        dgon_agents_time(text, known[i].t);
        CU_ASSERT_STRING_EQUAL(text, known[i].text);
    }
}

static dgon_agents_invite invitation(int c, const char *id, uint32_t uses)
{
    dgon_agents_invite i = {.created = T0, .expires = T0 + 60, .uses = uses};
    hash(i.code, c);
    (void)snprintf(i.id, sizeof i.id, "%s", id);
    dgon_agents_who(i.by, "Jo Doe");
    return i;
}

static void test_invitations(void)
{
    unsigned char h[DGON_HASH_SIZE], k[DGON_HASH_SIZE];
    dgon_agents a;
    dgon_agents_entry *e;
    dgon_agents_init(&a);
    dgon_agents_invite i = invitation(1, "", 2);
    CU_ASSERT_EQUAL(dgon_agents_invite_add(&a, &i, T0), DGON_OK);
    hash(h, 2);
    CU_ASSERT_PTR_NULL(dgon_agents_invite_find(&a, h, T0));
    hash(h, 1);
    CU_ASSERT_PTR_NULL(dgon_agents_invite_find(&a, h, T0 + 60)); /* expired */
    hash(k, 0x51);
    dgon_agents_invite *v = dgon_agents_invite_find(&a, h, T0 + 59);
    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    CU_ASSERT_EQUAL(dgon_agents_join(&a, v, k, "gpu", "li nux", "", T0, &e), DGON_OK);
    CU_ASSERT_STRING_EQUAL(e->id, "gpu");
    CU_ASSERT_STRING_EQUAL(e->os, "li-nux"); /* the file stays readable */
    CU_ASSERT_STRING_EQUAL(e->by, "Jo-Doe");
    CU_ASSERT_EQUAL(dgon_agents_join(&a, v, k, "gpu", "", "", T0, &e), DGON_EEXIST); /* the key */
    hash(k, 0x52);
    CU_ASSERT_EQUAL(dgon_agents_join(&a, v, k, "gpu", "", "", T0, &e), DGON_OK);
    CU_ASSERT_STRING_EQUAL(e->id, "gpu-2");
    CU_ASSERT_PTR_NULL(dgon_agents_invite_find(&a, h, T0)); /* used up */
    i = invitation(3, "gpu", 1);
    CU_ASSERT_EQUAL(dgon_agents_invite_add(&a, &i, T0), DGON_EEXIST);
    for (uint32_t n = 0; n < DGON_AGENTS_INVITES_MAX; n++) {
        i = invitation((int)(n & 0xff), "", 1);
        CU_ASSERT_EQUAL(dgon_agents_invite_add(&a, &i, T0), DGON_OK);
    }
    CU_ASSERT_EQUAL(dgon_agents_invite_add(&a, &i, T0), DGON_EFULL);
    CU_ASSERT_EQUAL(dgon_agents_invite_add(&a, &i, T0 + 60), DGON_OK); /* the others have expired */
    CU_ASSERT_EQUAL(a.invite_count, 1);
    dgon_agents_fini(&a);
}

static void test_long_names(void)
{
    char wish[DGON_WIRE_ID_MAX + 1];
    unsigned char k[DGON_HASH_SIZE];
    dgon_agents a;
    dgon_agents_entry *e;
    dgon_agents_init(&a);
    memset(wish, 'x', sizeof wish);
    wish[DGON_WIRE_ID_MAX] = '\0';
    dgon_agents_invite i = invitation(1, "", 100);
    CU_ASSERT_EQUAL(dgon_agents_invite_add(&a, &i, T0), DGON_OK);
    for (int n = 1; n <= 12; n++) {
        hash(k, n);
        CU_ASSERT_EQUAL(dgon_agents_join(&a, &a.invites[0], k, wish, "", "", T0, &e), DGON_OK);
        CU_ASSERT(dgon_wire_is_agent_id(e->id, strlen(e->id)));
    }
    CU_ASSERT_EQUAL(a.count, 12);
    dgon_agents_fini(&a);
}

static void test_changes(void)
{
    unsigned char serial[DGON_AGENTS_SERIAL], k[DGON_HASH_SIZE];
    unsigned line;
    dgon_agents a;
    dgon_agents_init(&a);
    CU_ASSERT_EQUAL(parse(&a, A1 "\n" A2 "\nend\n", &line), DGON_OK);
    CU_ASSERT_EQUAL(dgon_agents_rename(&a, "gpu-7", "a"), DGON_EEXIST);
    CU_ASSERT_EQUAL(dgon_agents_rename(&a, "gpu-7", "a b"), DGON_EINVAL);
    CU_ASSERT_EQUAL(dgon_agents_rename(&a, "none", "b"), DGON_ENOTFOUND);
    CU_ASSERT_EQUAL(dgon_agents_rename(&a, "gpu-7", "A"), DGON_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dgon_agents_by_id(&a, "A"));
    memcpy(serial, dgon_agents_by_id(&a, "A")->serial, sizeof serial);
    hash(k, 0x22); /* the other's */
    CU_ASSERT_EQUAL(dgon_agents_next(&a, serial, k), DGON_EEXIST);
    hash(k, 0x11); /* its own */
    CU_ASSERT_EQUAL(dgon_agents_next(&a, serial, k), DGON_EEXIST);
    hash(k, 0x77);
    CU_ASSERT_EQUAL(dgon_agents_promote(&a, serial, k), DGON_ENOTFOUND);
    CU_ASSERT_EQUAL(dgon_agents_next(&a, serial, k), DGON_OK);
    CU_ASSERT_EQUAL(dgon_agents_next(&a, serial, k), DGON_OK); /* once more: nothing changes */
    CU_ASSERT_PTR_NOT_NULL(dgon_agents_by_key(&a, k));
    CU_ASSERT_EQUAL(dgon_agents_promote(&a, serial, k), DGON_OK);
    CU_ASSERT_EQUAL(dgon_agents_promote(&a, serial, k), DGON_ENOTFOUND);
    hash(k, 0x11);
    CU_ASSERT_PTR_NULL(dgon_agents_by_key(&a, k));
    CU_ASSERT_EQUAL(dgon_agents_remove(&a, "A"), DGON_OK);
    CU_ASSERT_EQUAL(dgon_agents_remove(&a, "A"), DGON_ENOTFOUND);
    CU_ASSERT(a.count == 1 && a.key_count == 1);
    dgon_agents_fini(&a);
}

static dgon_status add_one(dgon_agents *a, void *user)
{
    const dgon_agents_invite *i = user;
    return i->uses == 0 ? DGON_EINVAL : dgon_agents_invite_add(a, i, T0);
}

static void test_file(void)
{
    char dir[64] = "/tmp/dgon-agents-XXXXXX", path[96], other[112], why[DGON_FILE_WHY];
    dgon_agents a;
    dgon_agents_init(&a);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/agents", dir);
    CU_ASSERT_EQUAL(dgon_agents_load(&a, path, NULL, why), DGON_ENOTFOUND);
    dgon_agents_invite i = invitation(1, "", 1);
    CU_ASSERT_EQUAL(dgon_agents_change(path, add_one, &i, why), DGON_OK);
    i = invitation(2, "", 0);
    CU_ASSERT_EQUAL(dgon_agents_change(path, add_one, &i, why), DGON_EINVAL);
    CU_ASSERT_EQUAL(why[0], '\0');
    CU_ASSERT_EQUAL(dgon_agents_load(&a, path, NULL, why), DGON_OK);
    CU_ASSERT_EQUAL(a.invite_count, 1);
    CU_ASSERT_EQUAL(chmod(path, 0644), 0);
    CU_ASSERT_EQUAL(dgon_agents_load(&a, path, NULL, why), DGON_EINVAL);
    CU_ASSERT_EQUAL(chmod(path, 0600), 0);
    CU_ASSERT_EQUAL(truncate(path, 150), 0);
    CU_ASSERT_EQUAL(dgon_agents_load(&a, path, NULL, why), DGON_EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "agents line 3"));
    CU_ASSERT_EQUAL(dgon_agents_change(path, add_one, &i, why), DGON_EPROTO); /* not overwritten */
    CU_ASSERT_NOT_EQUAL(why[0], '\0');
    dgon_agents_fini(&a);
    (void)snprintf(other, sizeof other, "%s.lock", path);
    CU_ASSERT(unlink(other) == 0 && unlink(path) == 0 && rmdir(dir) == 0);
}

UNIT_MAIN("agents", {"read", test_read}, {"refused", test_refused}, {"written", test_written},
          {"times", test_times}, {"invitations", test_invitations}, {"long names", test_long_names},
          {"changes", test_changes}, {"file", test_file})
