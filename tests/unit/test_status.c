#include "dgon/status.h"

#include "unit.h"

static const dgon_status all[] = {
    DGON_OK,       DGON_AGAIN,  DGON_DONE,      DGON_EPROTO, DGON_EUTF8,  DGON_EJSON,
    DGON_EBACKEND, DGON_EINVAL, DGON_ENOTFOUND, DGON_ESTALE, DGON_EEXIST, DGON_EFULL,
    DGON_ETOOBIG,  DGON_EDEPTH, DGON_ENOMEM,    DGON_ESYS,
};
#define COUNT (sizeof all / sizeof all[0])

static void test_each_has_its_own_text(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        CU_ASSERT_STRING_NOT_EQUAL(dgon_status_str(all[i]), "unknown status");
        for (size_t k = 0; k < i; k++)
            CU_ASSERT_STRING_NOT_EQUAL(dgon_status_str(all[i]), dgon_status_str(all[k]));
    }
}

static void test_unknown_has_a_text(void)
{
    CU_ASSERT_STRING_EQUAL(dgon_status_str((dgon_status)-999), "unknown status");
}

UNIT_MAIN("status", {"each has its own text", test_each_has_its_own_text},
          {"unknown has a text", test_unknown_has_a_text})
