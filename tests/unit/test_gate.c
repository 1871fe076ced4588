#include "dgon/gate.h"

#include "unit.h"

static dgon_gate *gate;

static void begin(void)
{
    gate = calloc(1, dgon_gate_size());
    CU_ASSERT_PTR_NOT_NULL_FATAL(gate);
}

static bool nobody_died(void *user, uint32_t child)
{
    (void)user;
    (void)child;
    return true;
}

static bool only(void *user, uint32_t child)
{
    return child == *(const uint32_t *)user;
}

static dgon_status enter(uint32_t child, const char *address, uint64_t *place)
{
    return dgon_gate_enter(gate, child, address, 4, 2, nobody_died, NULL, place);
}

static void test_places(void)
{
    uint64_t p[5];
    begin();
    CU_ASSERT_EQUAL(enter(0, "10.0.0.1", &p[0]), DGON_OK);
    CU_ASSERT_EQUAL(enter(1, "10.0.0.1", &p[1]), DGON_OK);
    CU_ASSERT(p[0] != p[1] && p[0] != 0);
    CU_ASSERT_EQUAL(enter(2, "10.0.0.1", &p[4]), DGON_EEXIST);
    CU_ASSERT_EQUAL(p[4], 0);
    CU_ASSERT_EQUAL(enter(2, "::ffff:10.0.0.1", &p[4]), DGON_EEXIST);
    CU_ASSERT_EQUAL(enter(2, "2001:db8:1:2::1", &p[2]), DGON_OK);
    CU_ASSERT_EQUAL(enter(2, "2001:db8:1:2:9:8:7:6", &p[3]), DGON_OK);
    CU_ASSERT_EQUAL(enter(2, "10.0.0.2", &p[4]), DGON_EFULL);
    dgon_gate_leave(gate, p[2]);
    dgon_gate_leave(gate, p[2]); /* once more: nothing */
    CU_ASSERT_EQUAL(dgon_gate_count(gate), 3);
    CU_ASSERT_EQUAL(enter(2, "2001:db8:1:2::5", &p[2]), DGON_OK);
    dgon_gate_leave(gate, p[2]);
    CU_ASSERT_EQUAL(enter(2, "2001:db8:1:3::5", &p[2]), DGON_OK);
    dgon_gate_leave(gate, 0);
    CU_ASSERT_EQUAL(dgon_gate_count(gate), 4);
    free(gate);
}

static void test_dead_children(void)
{
    uint64_t p;
    uint32_t living = 7;
    begin();
    for (uint32_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(enter(3, "10.0.0.1", &p), DGON_OK);
    CU_ASSERT_EQUAL(enter(living, "10.0.0.2", &p), DGON_OK);
    CU_ASSERT_EQUAL(enter(1, "10.0.0.1", &p), DGON_EEXIST);
    CU_ASSERT_EQUAL(dgon_gate_enter(gate, 1, "10.0.0.1", 4, 2, only, &living, &p), DGON_OK);
    CU_ASSERT_EQUAL(dgon_gate_count(gate), 2);
    dgon_gate_clear(gate, living);
    CU_ASSERT_EQUAL(dgon_gate_count(gate), 1);
    free(gate);
}

static void test_failures(void)
{
    const char *a = "10.0.0.1", *b = "10.0.0.2";
    begin();
    CU_ASSERT_EQUAL(dgon_gate_wait(gate, a, 3, 5, 61), 0);
    for (int i = 0; i < 3; i++)
        dgon_gate_failed(gate, a, 61);
    CU_ASSERT_EQUAL(dgon_gate_wait(gate, a, 3, 5, 61), 59);
    CU_ASSERT_EQUAL(dgon_gate_wait(gate, a, 3, 5, 119), 1);
    CU_ASSERT_EQUAL(dgon_gate_wait(gate, b, 3, 5, 62), 0);
    dgon_gate_failed(gate, b, 62);
    CU_ASSERT_EQUAL(dgon_gate_wait(gate, b, 3, 5, 62), 0);
    dgon_gate_failed(gate, b, 62);
    CU_ASSERT_NOT_EQUAL(dgon_gate_wait(gate, "10.0.0.3", 3, 5, 62), 0); /* all together */
    CU_ASSERT_EQUAL(dgon_gate_wait(gate, a, 3, 5, 120), 0);             /* the next window */
    dgon_gate_failed(gate, a, 120);
    CU_ASSERT_EQUAL(dgon_gate_wait(gate, a, 2, 5, 121), 0);
    free(gate);
}

/* One who tries from many addresses is counted all the same. */
static void test_many_addresses(void)
{
    char address[32];
    begin();
    for (unsigned i = 0; i < 5000; i++) {
        (void)snprintf(address, sizeof address, "10.%u.%u.1", i / 250, i % 250);
        dgon_gate_failed(gate, address, 5);
    }
    CU_ASSERT_EQUAL(dgon_gate_wait(gate, "192.0.2.1", 10, 5001, 5), 0);
    CU_ASSERT_EQUAL(dgon_gate_wait(gate, "192.0.2.1", 10, 5000, 5), 55);
    free(gate);
}

UNIT_MAIN("gate", {"places", test_places}, {"dead children", test_dead_children},
          {"failures", test_failures}, {"many addresses", test_many_addresses})
