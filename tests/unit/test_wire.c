#include "dgon/wire.h"

#include "unit.h"

static void test_numbers(void)
{
    unsigned char p[4];
    dgon_put_u32(p, 0xdeadbeef);
    CU_ASSERT_EQUAL(memcmp(p, "\xde\xad\xbe\xef", 4), 0);
    CU_ASSERT_EQUAL(dgon_get_u32(p), 0xdeadbeef);
    dgon_put_u16(p, 0xfffe);
    CU_ASSERT_EQUAL(memcmp(p, "\xff\xfe", 2), 0);
    CU_ASSERT_EQUAL(dgon_get_u16(p), 0xfffe);
}

/* Adds a record with a payload of len bytes 'x' to a message; returns its new length. */
static size_t put(unsigned char *msg, size_t n, uint8_t type, uint32_t len)
{
    dgon_record r = {.job = 17, .type = type, .attempt = 2, .n = 3, .len = len};
    dgon_wire_put_header(msg + n, &r);
    memset(msg + n + DGON_WIRE_HEADER, 'x', len);
    return n + DGON_WIRE_HEADER + len;
}

static void test_several_records(void)
{
    unsigned char msg[200];
    size_t n = put(msg, 0, DGON_REC_STATUS, 2);
    n = put(msg, n, DGON_REC_EVENT, 5);
    n = put(msg, n, DGON_REC_EVENT, 0);
    n = put(msg, n, DGON_REC_CANCELLED, 0);
    size_t at = 0;
    dgon_record r;
    static const uint32_t lens[] = {2, 5, 0, 0};
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(dgon_wire_next(msg, n, &at, &r), DGON_OK);
        CU_ASSERT(r.job == 17 && r.attempt == 2 && r.n == 3 && r.len == lens[i]);
        CU_ASSERT_PTR_EQUAL(r.payload + r.len, msg + at);
    }
    CU_ASSERT_EQUAL(at, n);
    CU_ASSERT_EQUAL(dgon_wire_next(msg, n, &at, &r), DGON_DONE);
    CU_ASSERT_EQUAL(at, n);
}

static void test_header_bytes(void)
{
    unsigned char h[DGON_WIRE_HEADER];
    dgon_record r = {.job = 0x01020304, .type = 3, .attempt = 5, .n = 0x0607, .len = 0x08090a0b};
    dgon_wire_put_header(h, &r);
    CU_ASSERT_EQUAL(memcmp(h, "\1\2\3\4\3\5\6\7\10\11\12\13", sizeof h), 0);
}

static void test_cut_anywhere(void)
{
    unsigned char msg[200];
    size_t first = put(msg, 0, DGON_REC_RAW, 20);
    size_t n = put(msg, first, DGON_REC_END, 30);
    for (size_t cut = 0; cut < n; cut++) {
        /* a block of the exact size, so that a read behind it is seen */
        unsigned char *part = dgon_malloc(cut);
        dgon_record r;
        size_t at = 0;
        memcpy(part, msg, cut);
        dgon_status s = dgon_wire_next(part, cut, &at, &r);
        if (cut >= first) {
            CU_ASSERT_EQUAL(s, DGON_OK);
            s = dgon_wire_next(part, cut, &at, &r);
        }
        CU_ASSERT_EQUAL(s, cut == 0 || cut == first ? DGON_DONE : DGON_EPROTO);
        dgon_free(part);
    }
}

static dgon_status status_of(uint8_t type, uint32_t len, size_t present)
{
    unsigned char *msg = dgon_calloc(DGON_WIRE_HEADER + present, 1);
    dgon_record r = {.job = 1, .type = type, .len = len};
    size_t at = 0;
    dgon_wire_put_header(msg, &r);
    dgon_status s = dgon_wire_next(msg, DGON_WIRE_HEADER + present, &at, &r);
    CU_ASSERT_EQUAL(at, s == DGON_OK ? DGON_WIRE_HEADER + len : 0);
    dgon_free(msg);
    return s;
}

static void test_lengths(void)
{
    static const uint8_t data[] = {DGON_REC_BODY, DGON_REC_EVENT, DGON_REC_EVENT_PART,
                                   DGON_REC_RAW};
    for (size_t i = 0; i < sizeof data; i++) {
        CU_ASSERT_EQUAL(status_of(data[i], DGON_WIRE_RECORD_MAX, DGON_WIRE_RECORD_MAX), DGON_OK);
        CU_ASSERT_EQUAL(status_of(data[i], DGON_WIRE_RECORD_MAX + 1, DGON_WIRE_RECORD_MAX + 1),
                        DGON_ETOOBIG);
        CU_ASSERT_EQUAL(status_of(data[i], UINT32_MAX, 0), DGON_ETOOBIG);
        CU_ASSERT_EQUAL(status_of(data[i], 0x80000000u, 4), DGON_ETOOBIG);
        CU_ASSERT_EQUAL(status_of(data[i], UINT32_MAX - DGON_WIRE_HEADER + 1, 4), DGON_ETOOBIG);
    }
    CU_ASSERT_EQUAL(status_of(DGON_REC_END, DGON_WIRE_FINAL_MAX, DGON_WIRE_FINAL_MAX), DGON_OK);
    CU_ASSERT_EQUAL(status_of(DGON_REC_FAIL, DGON_WIRE_FINAL_MAX + 1, 5000), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(status_of(DGON_REC_STATUS, 2, 2), DGON_OK);
    CU_ASSERT_EQUAL(status_of(DGON_REC_STATUS, 1, 1), DGON_EPROTO);
    CU_ASSERT_EQUAL(status_of(DGON_REC_CREDIT, 4, 4), DGON_OK);
    CU_ASSERT_EQUAL(status_of(DGON_REC_CREDIT, 5, 5), DGON_EPROTO);
    CU_ASSERT_EQUAL(status_of(DGON_REC_CANCEL, 0, 0), DGON_OK);
    CU_ASSERT_EQUAL(status_of(DGON_REC_CANCEL, 1, 1), DGON_EPROTO);
    CU_ASSERT_EQUAL(status_of(DGON_REC_CANCELLED, 1, 1), DGON_EPROTO);
}

static void test_types(void)
{
    for (unsigned t = 0; t < 256; t++) {
        const char *name = dgon_rec_str((uint8_t)t);
        CU_ASSERT_EQUAL(strcmp(name, "UNKNOWN") == 0, t >= DGON_REC_MAX);
        if (t == DGON_REC_NONE || t >= DGON_REC_MAX)
            CU_ASSERT_EQUAL(status_of((uint8_t)t, 0, 0), DGON_EPROTO);
    }
    CU_ASSERT_STRING_EQUAL(dgon_rec_str(DGON_REC_CANCEL), "CANCEL");
    CU_ASSERT_STRING_EQUAL(dgon_rec_str(DGON_REC_EVENT_PART), "EVENT_PART");
}

static void test_at_behind_the_end(void)
{
    unsigned char msg[4] = {0};
    dgon_record r;
    size_t at = 5;
    CU_ASSERT_EQUAL(dgon_wire_next(msg, 4, &at, &r), DGON_EPROTO);
}

static void test_names(void)
{
    char longest[DGON_WIRE_NAME_MAX + 1];
    memset(longest, 'a', sizeof longest);
    CU_ASSERT(dgon_wire_is_model_name(longest, DGON_WIRE_NAME_MAX));
    CU_ASSERT_FALSE(dgon_wire_is_model_name(longest, DGON_WIRE_NAME_MAX + 1));
    CU_ASSERT(dgon_wire_is_agent_id(longest, DGON_WIRE_ID_MAX));
    CU_ASSERT_FALSE(dgon_wire_is_agent_id(longest, DGON_WIRE_ID_MAX + 1));
    CU_ASSERT_FALSE(dgon_wire_is_model_name("", 0));
    CU_ASSERT_FALSE(dgon_wire_is_agent_id("", 0));
    for (unsigned c = 0; c < 256; c++) {
        char s[3] = {'a', (char)c, 'b'};
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool model = alnum || (c != 0 && c < 0x80 && strchr("._:/@+-", (int)c) != NULL);
        bool agent = alnum || c == '.' || c == '_' || c == '-';
        CU_ASSERT_EQUAL(dgon_wire_is_model_name(s, 3), model);
        CU_ASSERT_EQUAL(dgon_wire_is_agent_id(s, 3), agent);
    }
}

UNIT_MAIN("wire", {"numbers", test_numbers}, {"several records", test_several_records},
          {"header bytes", test_header_bytes}, {"cut anywhere", test_cut_anywhere},
          {"lengths", test_lengths}, {"types", test_types},
          {"at behind the end", test_at_behind_the_end}, {"names", test_names})
