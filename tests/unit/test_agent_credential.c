#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "agent_credential.h"

#include "unit.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define K1 "1111111111111111111111111111111111111111111111111111111111111111"
#define K2 "2222222222222222222222222222222222222222222222222222222222222222"

static dgon_status parse(agent_credential *c, const char *text)
{
    return agent_credential_parse(c, text, strlen(text));
}

static void test_parse(void)
{
    agent_credential c;
    CU_ASSERT_EQUAL(parse(&c, "# x\nid = gpu-7\r\nkey=" K1 "\n\n next  =  " K2), DGON_OK);
    CU_ASSERT(strcmp(c.id, "gpu-7") == 0 && c.has_next && c.key[0] == 0x11 && c.next[31] == 0x22);
    CU_ASSERT_EQUAL(parse(&c, "key = " K1 "\n"), DGON_OK);
    CU_ASSERT(c.id[0] == '\0' && !c.has_next);
    static const char *const wrong[] = {"",
                                        "id = gpu-7\n",
                                        "key = " K1 "0\n",
                                        "key = \n",
                                        "key\n",
                                        "key = " K1 "\nnext = 1\n",
                                        "key = " K1 "\nid = a b\n",
                                        "key = " K1 "\ncolor = red\n",
                                        "key = " K1 "\n= x\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CU_ASSERT_EQUAL(parse(&c, wrong[i]), DGON_EPROTO);
        CU_ASSERT(c.key[0] == 0 && !c.has_next); /* wiped */
    }
}

static void test_file(void)
{
    char dir[64] = "/tmp/dgon-credential-XXXXXX", path[128], sub[96], why[600];
    agent_credential c = {.id = "gpu-7"}, d;
    struct stat st;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(sub, sizeof sub, "%s/new", dir);
    (void)snprintf(path, sizeof path, "%s/agent.credential", sub);
    memset(c.key, 1, sizeof c.key);
    CU_ASSERT_EQUAL(agent_credential_load(&d, path, why, sizeof why), DGON_ESYS);
    CU_ASSERT_EQUAL(agent_credential_save(&c, path, why, sizeof why), DGON_OK);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    CU_ASSERT_EQUAL(agent_credential_load(&d, path, why, sizeof why), DGON_OK);
    CU_ASSERT(strcmp(d.id, c.id) == 0 && memcmp(d.key, c.key, sizeof d.key) == 0 && !d.has_next);
    c.has_next = true;
    memset(c.next, 2, sizeof c.next);
    CU_ASSERT_EQUAL(agent_credential_save(&c, path, why, sizeof why), DGON_OK);
    CU_ASSERT_EQUAL(agent_credential_load(&d, path, why, sizeof why), DGON_OK);
    CU_ASSERT(d.has_next && memcmp(d.next, c.next, sizeof d.next) == 0);
    CU_ASSERT_EQUAL(chmod(path, 0644), 0);
    CU_ASSERT_NOT_EQUAL(agent_credential_load(&d, path, why, sizeof why), DGON_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "chmod 600"));
    CU_ASSERT(unlink(path) == 0 && rmdir(sub) == 0 && rmdir(dir) == 0);
}

UNIT_MAIN("agent_credential", {"parse", test_parse}, {"file", test_file})
