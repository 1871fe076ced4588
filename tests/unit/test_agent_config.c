#include "agent_config.h"

#include "unit.h"

static const char good[] =
    "[gateway]\nurl = wss://gateway.example:8443/dgon/agent\ntoken_file = /etc/token\n"
    "[agent]\nid = gpu-7\nslots = 9\nlabels = room=b, gpu=a100\n"
    "[backend \"one\"]\nkind = openai\nurl = http://127.0.0.1:8080/v1/\nmodels = a, b\nmodels = c\n"
    "[backend \"two\"]\nkind = echo\ndelay_ms = 5\ntokens = 7\n"
    "[log]\nlevel = debug\n";

/* Parses and checks; the mistakes are left in `errors`, NUL-terminated. */
static dgon_status load(agent_config *c, const char *text, size_t n, char *errors, size_t size)
{
    dgon_buf b;
    dgon_buf_init(&b, size - 1);
    dgon_status s = agent_config_parse(c, "file", text, n, &b);
    dgon_status t = agent_config_check(c, &b);
    errors[0] = '\0';
    if (b.len != 0) {
        memcpy(errors, b.data, b.len);
        errors[b.len] = '\0';
    }
    dgon_buf_fini(&b);
    return s != DGON_OK ? s : t;
}

static void expect_mistake(const char *text, const char *mistake)
{
    char errors[4096];
    agent_config *c = agent_config_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL(load(c, text, strlen(text), errors, sizeof errors), DGON_EINVAL);
    if (strstr(errors, mistake) == NULL) {
        fprintf(stderr, "wanted \"%s\", got \"%s\"\n", mistake, errors);
        CU_FAIL("another mistake");
    }
    agent_config_destroy(c);
}

static void test_good(void)
{
    char errors[4096];
    agent_config *c = agent_config_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL(load(c, good, sizeof good - 1, errors, sizeof errors), DGON_OK);
    CU_ASSERT_STRING_EQUAL(errors, "");
    CU_ASSERT_TRUE(c->tls);
    CU_ASSERT_STRING_EQUAL(c->host, "gateway.example");
    CU_ASSERT_EQUAL(c->port, 8443);
    CU_ASSERT_STRING_EQUAL(c->path, "/dgon/agent");
    CU_ASSERT_STRING_EQUAL(c->id, "gpu-7");
    CU_ASSERT_EQUAL(c->slots, 9);
    CU_ASSERT_EQUAL(c->log_level, 7);
    CU_ASSERT_EQUAL_FATAL(c->label_count, 2);
    CU_ASSERT_STRING_EQUAL(c->labels[1].value, "a100");
    CU_ASSERT_EQUAL_FATAL(c->backend_count, 2);
    CU_ASSERT_STRING_EQUAL(c->backends[0].url, "http://127.0.0.1:8080");
    CU_ASSERT_EQUAL_FATAL(c->backends[0].model_count, 3);
    CU_ASSERT_STRING_EQUAL(c->backends[0].models[2], "c");
    CU_ASSERT_EQUAL(c->backends[1].kind, AGENT_KIND_ECHO);
    CU_ASSERT_EQUAL(c->backends[1].tokens, 7);
    agent_config_destroy(c);
}

static void test_defaults(void)
{
    agent_config *c = agent_config_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL(c->drain, 30);
    CU_ASSERT_EQUAL(c->models_interval, 5);
    CU_ASSERT_EQUAL(c->slots, 0);
    CU_ASSERT_TRUE(dgon_wire_is_agent_id(c->id, strlen(c->id)));
    agent_config_destroy(c);
    agent_config_destroy(NULL);
}

static void test_urls(void)
{
    static const struct {
        const char *url, *host, *path;
        uint16_t port;
    } cases[] = {{"ws://127.0.0.1:8080/x", "127.0.0.1", "/x", 8080},
                 {"ws://localhost", "localhost", "/", 80},
                 {"wss://[2001:db8::1]:9/a/b?c=d", "2001:db8::1", "/a/b?c=d", 9},
                 {"ws://[::1]/", "::1", "/", 80},
                 {"wss://g", "g", "/", 443}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[300], errors[1000];
        agent_config *c = agent_config_create();
        CU_ASSERT_PTR_NOT_NULL_FATAL(c);
        int n = snprintf(text, sizeof text, "[gateway]\nurl = %s\n[backend \"e\"]\nkind = echo\n",
                         cases[i].url);
        CU_ASSERT_EQUAL(load(c, text, (size_t)n, errors, sizeof errors), DGON_OK);
        CU_ASSERT_STRING_EQUAL(c->host, cases[i].host);
        CU_ASSERT_STRING_EQUAL(c->path, cases[i].path);
        CU_ASSERT_EQUAL(c->port, cases[i].port);
        agent_config_destroy(c);
    }
}

static dgon_status load_with(const char *kind, const char *line, agent_config *c)
{
    char text[300], errors[1000];
    int n = snprintf(text, sizeof text,
                     "[gateway]\nurl = wss://g/\n[backend \"b\"]\nkind = %s\nurl = "
                     "http://127.0.0.1:1\n%s\n",
                     kind, line);
    return load(c, text, (size_t)n, errors, sizeof errors);
}

/* What concerns models that are loaded on request. */
static void test_loading(void)
{
    static const struct {
        const char *kind, *line;
        bool good;
    } cases[] = {{"ollama", "pull = yes", true},         {"auto", "pull = yes", true},
                 {"openai", "pull = yes", false},        {"openai", "pull = no", true},
                 {"ollama", "keep_alive = 30m", true},   {"ollama", "keep_alive = -1", true},
                 {"ollama", "keep_alive = 3600", true},  {"ollama", "keep_alive = 1d", false},
                 {"ollama", "keep_alive = m", false},    {"ollama", "keep_alive = 5\"", false},
                 {"ollama", "keep_alive = 5m5s", false}, {"ollama", "keep_alive = --1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        agent_config *c = agent_config_create();
        CU_ASSERT_PTR_NOT_NULL_FATAL(c);
        CU_ASSERT_EQUAL(load_with(cases[i].kind, cases[i].line, c) == DGON_OK, cases[i].good);
        agent_config_destroy(c);
    }
    agent_config *c = agent_config_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL(load_with("ollama", "pull = yes\nkeep_alive = 2h", c), DGON_OK);
    CU_ASSERT_TRUE(c->backends[0].pull);
    CU_ASSERT_STRING_EQUAL(c->backends[0].keep_alive, "2h");
    agent_config_destroy(c);
}

static void test_bad_urls(void)
{
    static const char *const urls[] = {"http://x/",      "wss://",      "wss:///x",    "wss://x:0/",
                                       "wss://x:70000/", "wss://x:8a/", "wss://[::1/", "wss://a b/",
                                       "wss://u@x/",     "wss://x/a b", "wss://x#y",   "wss",
                                       "wss://x:/"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        char text[300];
        (void)snprintf(text, sizeof text, "[gateway]\nurl = %s\n[backend \"e\"]\nkind = echo\n",
                       urls[i]);
        expect_mistake(text, "[gateway] url is");
    }
    expect_mistake("[gateway]\nurl = ws://10.0.0.1/x\n[backend \"e\"]\nkind = echo\n",
                   "in the clear");
    expect_mistake("[gateway]\nurl = ws://127evil.example/x\n[backend \"e\"]\nkind = echo\n",
                   "in the clear");
    expect_mistake("[gateway]\nurl = ws://127.evil.example/x\n[backend \"e\"]\nkind = echo\n",
                   "in the clear");
}

static void test_mistakes(void)
{
    expect_mistake("", "[gateway] url is missing");
    expect_mistake("x = 1\n", "file:1: key \"x\" stands before any [section]");
    expect_mistake("[gateway]\nurl\n", "file:2: neither");
    expect_mistake("[gateway]\n\nbogus = 1\n", "file:3: unknown key \"bogus\"");
    expect_mistake("[what]\nx = 1\n", "file:2: unknown section [what]");
    expect_mistake("[backend]\nkind = echo\n", "a backend's section is");
    expect_mistake("[backend \"a b\"]\nkind = echo\n", "a backend's section is");
    expect_mistake("[backends]\nkind = echo\n", "unknown section [backends]");
    expect_mistake("[agent]\nslots = 0x10\n", "slots is a number");
    expect_mistake("[agent]\nslots = \n", "slots is a number");
    expect_mistake("[agent]\nid = \xff\n", "file:2: not text in UTF-8");
    expect_mistake("[backend \"e\"]\nkind = echo\nurl = http://x\n", "kind echo has no url");
    expect_mistake("[backend \"e\"]\nurl = http://x\nkey_file = /k\n", "only over https");
    expect_mistake("[backend \"e\"]\nurl = file:///etc/passwd\n", "url is http");
    expect_mistake("[gateway]\nproxy = u:p@:1\n", "proxy is");
}

static void test_long_line_and_nul(void)
{
    char text[400] = "[agent]\nid = ", errors[1000];
    memset(text + 13, 'x', 300);
    expect_mistake(text, "file:2: the line is longer");
    agent_config *c = agent_config_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL(load(c, "[agent]\nid = a\0b\n", 17, errors, sizeof errors), DGON_EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(errors, "file:2:"));
    agent_config_destroy(c);
}

static void test_too_many(void)
{
    char text[8192], *to = text;
    for (int i = 0; i < 17; i++)
        to +=
            snprintf(to, (size_t)(text + sizeof text - to), "[backend \"b%d\"]\nkind = echo\n", i);
    expect_mistake(text, "more than 16 backends");
    to = text + snprintf(text, sizeof text, "[backend \"b\"]\n");
    for (int i = 0; i < 257; i++)
        to += snprintf(to, (size_t)(text + sizeof text - to), "models = m%d\n", i);
    expect_mistake(text, "more than 256 models");
}

/* Cut anywhere, a text is good or has mistakes; it never crashes and never leaks. */
static void test_every_cut(void)
{
    for (size_t n = 0; n < sizeof good; n++) {
        char errors[4096];
        agent_config *c = agent_config_create();
        CU_ASSERT_PTR_NOT_NULL_FATAL(c);
        dgon_status s = load(c, good, n, errors, sizeof errors);
        CU_ASSERT(s == DGON_OK || errors[0] != '\0');
        agent_config_destroy(c);
    }
}

static bool load_once(void *user)
{
    char errors[4096];
    (void)user;
    agent_config *c = agent_config_create();
    bool ok = c != NULL && load(c, good, sizeof good - 1, errors, sizeof errors) == DGON_OK;
    agent_config_destroy(c);
    return ok;
}

static void test_memory(void)
{
    unit_each_alloc(load_once, NULL);
}

static void test_same(void)
{
    char errors[4096];
    agent_config *a = agent_config_create(), *b = agent_config_create();
    CU_ASSERT_FATAL(a != NULL && b != NULL);
    CU_ASSERT_EQUAL(load(a, good, sizeof good - 1, errors, sizeof errors), DGON_OK);
    CU_ASSERT_EQUAL(load(b, good, sizeof good - 1, errors, sizeof errors), DGON_OK);
    CU_ASSERT_TRUE(agent_config_same_gateway(a, b));
    CU_ASSERT_TRUE(agent_config_same_backend(&a->backends[0], &b->backends[0]));
    CU_ASSERT_FALSE(agent_config_same_backend(&a->backends[0], &b->backends[1]));
    b->backends[0].models[1][0] = 'z';
    CU_ASSERT_FALSE(agent_config_same_backend(&a->backends[0], &b->backends[0]));
    b->insecure = true;
    CU_ASSERT_FALSE(agent_config_same_gateway(a, b));
    agent_config_destroy(a);
    agent_config_destroy(b);
}

UNIT_MAIN("agent_config", {"good", test_good}, {"defaults", test_defaults}, {"urls", test_urls},
          {"loading", test_loading}, {"bad urls", test_bad_urls}, {"mistakes", test_mistakes},
          {"long line and NUL", test_long_line_and_nul}, {"too many", test_too_many},
          {"every cut", test_every_cut}, {"memory", test_memory}, {"same", test_same})
