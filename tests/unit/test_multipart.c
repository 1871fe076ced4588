#include "dgon/multipart.h"

#include "unit.h"

#define TYPE "multipart/form-data; boundary=b0"
#define PART "--b0\r\nContent-Disposition: form-data; name="

static const struct {
    const char *type, *body;
    dgon_status status;
    bool found, twice;
    const char *model;
} cases[] = {
    {TYPE, PART "\"model\"\r\n\r\nwhisper\r\n--b0--\r\n", DGON_OK, true, false, "whisper"},
    {TYPE, "preamble\r\n" PART "\"a\"\r\n\r\nx\r\n" PART "\"model\"\r\n\r\nm\r\n--b0--", DGON_OK,
     true, false, "m"},
    {TYPE, PART "model\r\n\r\nm\r\n--b0--", DGON_OK, true, false, "m"},
    {"Multipart/Form-Data; charset=x; Boundary=\"b0\"",
     "--b0 \t\r\nX: y\r\ncontent-disposition: FORM-DATA; filename=\"model\"; "
     "name=\"model\"\r\n\r\n\r\r\n\r\n-\r\n--b0\r\n",
     DGON_OK, true, false, "\r\r\n\r\n-"},
    {TYPE, PART "\"model\"\r\n\r\n\r\n--b0--", DGON_OK, true, false, ""},
    {TYPE, PART "\"model\"\r\n\r\na\r\n" PART "\"model\"\r\n\r\nb\r\n--b0--", DGON_OK, true, true,
     "a"},
    {TYPE, PART "\"models\"\r\n\r\na\r\n" PART "\"x\"; filename=\"model\"\r\n\r\nb\r\n--b0--",
     DGON_OK, false, false, ""},
    {TYPE, PART "\"x\"\r\n\r\n--b0x\r\n" PART "\"y\"\r\n\r\n--b0--", DGON_OK, false, false, ""},
    {TYPE, PART "\"model\"\r\n\r\nnot at its end", DGON_OK, false, false, ""},
    {TYPE, "--b0--\r\n" PART "\"model\"\r\n\r\nbehind the end\r\n--b0--", DGON_OK, false, false,
     ""},
    {TYPE, "--b0x\r\n", DGON_EPROTO, false, false, ""},
    {TYPE, "", DGON_OK, false, false, ""},
};

static void test_forms(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t piece = 1; piece < 40; piece += 3) {
            dgon_multipart m;
            dgon_status s = DGON_OK;
            size_t n = strlen(cases[i].body);
            CU_ASSERT_TRUE_FATAL(dgon_multipart_init(&m, cases[i].type));
            for (size_t at = 0; at < n && s == DGON_OK; at += piece)
                s = dgon_multipart_feed(&m, cases[i].body + at, n - at < piece ? n - at : piece);
            bool ok = s == cases[i].status && m.found == cases[i].found &&
                      m.twice == cases[i].twice && strcmp(m.model, cases[i].model) == 0;
            CU_ASSERT(ok);
            if (!ok)
                fprintf(stderr, "%zu, pieces of %zu: %d %d %d %s\n", i, piece, s, m.found, m.twice,
                        m.model);
            if (m.found)
                CU_ASSERT(memcmp(cases[i].body + m.model_at, cases[i].model, (size_t)m.model_len) ==
                              0 &&
                          m.model_len == strlen(cases[i].model));
        }
    }
}

static void test_types(void)
{
    static const char *const bad[] = {
        "",
        "multipart/mixed; boundary=a",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"a",
        "multipart/form-data; xboundary=a",
        "multipart/form-data; boundary="
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    dgon_multipart m;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CU_ASSERT_FALSE(dgon_multipart_init(&m, bad[i]));
}

/* A name that is longer than any model's is found, and is nobody's. */
static void test_long(void)
{
    char body[3000];
    dgon_multipart m;
    CU_ASSERT_TRUE(dgon_multipart_init(&m, TYPE));
    int n = snprintf(body, sizeof body, PART "\"model\"\r\n\r\n%02000d\r\n--b0--", 0);
    CU_ASSERT_EQUAL(dgon_multipart_feed(&m, body, (size_t)n), DGON_OK);
    CU_ASSERT(m.found && m.model[0] == '\0' && m.model_len == 2000);
}

UNIT_MAIN("multipart", {"forms", test_forms}, {"types", test_types}, {"long", test_long})
