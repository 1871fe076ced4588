#include "agent_join.h"

#include "agent.h"
#include "agent_credential.h"
#include "agent_join_http.h"
#include "agent_os.h"

#include "dgon/join.h"
#include "dgon/json.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#ifndef AGENT_VERSION
#define AGENT_VERSION "0.1.0"
#endif

#define TIMEOUT_S      15L
#define PROBE_S        2L
#define BACKENDS_MAX   8u
#define CONFIG_MAX     8192u
#define ERROR_TEXT_MAX 400
#define LINK_MAX       180u /* it has to fit a line of the configuration */

typedef struct options {
    const char *gateway, *code, *name, *config, *credential, *ca_file, *proxy;
    const char *backends[BACKENDS_MAX];
    unsigned backend_count;
    bool insecure;
    char credential_path[AGENT_CONFIG_PATH_MAX];
} options;

static int fail(int code, const char *what, const char *why)
{
    (void)fprintf(stderr, "dgon-agent join: %s%s%s\n", what, why[0] != '\0' ? ": " : "", why);
    return code;
}

/* --- arguments --- */

static void help(FILE *to)
{
    (void)fprintf(
        to,
        "Usage: dgon-agent join URL CODE [--name ID] [--config FILE] [--ca FILE]\n"
        "Lets this machine's agent join a gateway. Its administrator has the command, with a "
        "code in it: dgonctl agent invite.\n\n"
        "  --name ID           the name that the agent would like (default: the host's)\n"
        "  -c, --config FILE   configuration to write if there is none (default %s);\n"
        "                      the credential stands beside it, without this option in %s\n"
        "  --backend URL       a model server, may be repeated (default: those that answer on "
        "the usual local ports)\n"
        "  --ca FILE           trust this authority for the gateway's certificate, and no other\n"
        "  --proxy HOST:PORT   HTTP proxy that does CONNECT\n"
        "  --insecure          allow http:// to another machine: everything goes in the clear\n",
        agent_os_default_config(), agent_os_default_credential());
}

/* The credential stands beside a configuration that was named. */
static bool place_credential(options *o)
{
    const char *slash = strrchr(o->config, '/');
    int n = snprintf(o->credential_path, sizeof o->credential_path, "%.*sagent.credential",
                     slash != NULL ? (int)(slash - o->config + 1) : 0, o->config);
    o->credential = o->credential_path;
    return n > 0 && (size_t)n < sizeof o->credential_path;
}

/* True to go on; else *rc. */
static bool read_options(options *o, int argc, char **argv, int *rc)
{
    static const struct option longs[] = {
        {"name", required_argument, NULL, 'n'},    {"config", required_argument, NULL, 'c'},
        {"ca", required_argument, NULL, 'a'},      {"proxy", required_argument, NULL, 'p'},
        {"backend", required_argument, NULL, 'b'}, {"insecure", no_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    *rc = AGENT_EXIT_USAGE;
    for (int k; (k = getopt_long(argc, argv, "c:h", longs, NULL)) != -1;) {
        switch (k) {
        case 'n':
            o->name = optarg;
            break;
        case 'c':
            o->config = optarg;
            break;
        case 'a':
            o->ca_file = optarg;
            break;
        case 'p':
            o->proxy = optarg;
            break;
        case 'i':
            o->insecure = true;
            break;
        case 'b':
            if (o->backend_count == BACKENDS_MAX) {
                (void)fail(0, "more than 8 backends: write the others into the configuration", "");
                return false;
            }
            o->backends[o->backend_count++] = optarg;
            break;
        case 'h':
            help(stdout);
            *rc = AGENT_EXIT_OK;
            return false;
        default:
            return false;
        }
    }
    if (argc - optind != 2) {
        help(stderr);
        return false;
    }
    o->gateway = argv[optind];
    o->code = argv[optind + 1];
    if (o->name != NULL && !dgon_wire_is_agent_id(o->name, strlen(o->name))) {
        *rc = fail(AGENT_EXIT_USAGE, "--name is 1 to 64 of [A-Za-z0-9._-]", "");
        return false;
    }
    if (o->config == NULL) {
        o->config = agent_os_default_config();
        o->credential = agent_os_default_credential();
    } else if (!place_credential(o)) {
        *rc = fail(AGENT_EXIT_USAGE, "the path of --config is too long", "");
        return false;
    }
    return true;
}

static bool is_safe(const char *url, bool insecure)
{
    static const char *const here[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};
    if (strncmp(url, "https://", 8) == 0 || (insecure && strncmp(url, "http://", 7) == 0)) {
        return true;
    }
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++) {
        size_t n = strlen(here[i]);
        if (strncmp(url, here[i], n) == 0 && strchr(":/", url[n]) != NULL) {
            return true; /* the NUL is found, too */
        }
    }
    return false;
}

/* --- the key --- */

/* One that was made and never used is used now: the code of the first try may have worked. */
static int get_key(const options *o, agent_credential *c)
{
    char why[600];
    if (agent_os_exists(o->credential)) {
        if (agent_credential_load(c, o->credential, why, sizeof why) != DGON_OK) {
            return fail(AGENT_EXIT_CONFIG, why, "");
        }
        if (c->id[0] == '\0') {
            return AGENT_EXIT_OK;
        }
        (void)fprintf(
            stderr,
            "dgon-agent join: this machine has joined already, as %s: to join again, move "
            "%s away first\n",
            c->id, o->credential);
        return AGENT_EXIT_CONFIG;
    }
    memset(c, 0, sizeof *c);
    if (dgon_sign_new(c->key) != DGON_OK) {
        return fail(AGENT_EXIT_SOFTWARE, "no key can be made", "");
    }
    /* before the code is used up: whoever cannot write here cannot join */
    if (agent_credential_save(c, o->credential, why, sizeof why) != DGON_OK) {
        return fail(AGENT_EXIT_CONFIG, why, "");
    }
    return AGENT_EXIT_OK;
}

/* --- the gateway --- */

/* "error":{"message":…} of an answer, without control characters. */
static void error_text(const dgon_buf *answer, char out[ERROR_TEXT_MAX])
{
    dgon_json_scan s;
    dgon_json_member m;
    const char *p = answer->data;
    size_t n = answer->len, len = 0;
    for (const char *key = "error"; key != NULL;
         key = strcmp(key, "error") == 0 ? "message" : NULL) {
        bool found = false;
        dgon_json_scan_init(&s, p, n);
        while (!found && p != NULL && dgon_json_scan_next(&s, &m) == DGON_OK) {
            found = m.key_len == strlen(key) && memcmp(p + m.key, key, m.key_len) == 0;
        }
        if (!found) {
            out[0] = '\0';
            return;
        }
        p += m.value;
        n = m.value_len;
    }
    for (size_t i = 1; i + 1 < n && len < ERROR_TEXT_MAX - 1; i++) {
        out[len++] = (unsigned char)p[i] < 0x20 || p[i] == 0x7f ? '?' : p[i];
    }
    out[len] = '\0';
}

static int refused(long status, const dgon_buf *answer)
{
    char what[ERROR_TEXT_MAX + 64], text[ERROR_TEXT_MAX];
    error_text(answer, text);
    if (text[0] == '\0') {
        (void)snprintf(what, sizeof what,
                       "the gateway answers with HTTP status %ld: is /node/join opened there "
                       "(SetHandler dgon-join)?",
                       status);
    } else {
        (void)snprintf(what, sizeof what, "%s", text);
    }
    return fail(status == 403 || status == 429 ? AGENT_EXIT_NOPERM : AGENT_EXIT_UNAVAILABLE, what,
                "");
}

/* The address goes into the configuration: one word, and not back to the clear. */
static bool is_link(const options *o, const char *link)
{
    bool tls = strncmp(link, "wss://", 6) == 0;
    bool clear = strncmp(link, "ws://", 5) == 0 && strncmp(o->gateway, "https://", 8) != 0;
    return (tls || clear) && strlen(link) < LINK_MAX &&
           strspn(link,
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/[]%") ==
               strlen(link);
}

static int ask(const options *o, const dgon_buf *body, dgon_join_answer *a)
{
    char url[AGENT_CONFIG_PATH_MAX], why[300];
    long status;
    size_t n = strlen(o->gateway);
    dgon_buf answer;
    while (n > 0 && o->gateway[n - 1] == '/') {
        n--;
    }
    int len = snprintf(url, sizeof url, "%.*s%s", (int)n, o->gateway, DGON_JOIN_PATH);
    if (len < 0 || (size_t)len >= sizeof url) {
        return fail(AGENT_EXIT_USAGE, "the gateway's address is too long", "");
    }
    dgon_buf_init(&answer, AGENT_JOIN_ANSWER_MAX);
    int rc = AGENT_EXIT_OK;
    if (agent_join_http(url, body, o->ca_file, o->proxy, TIMEOUT_S, &status, &answer, why,
                        sizeof why) != DGON_OK) {
        rc = fail(AGENT_EXIT_UNAVAILABLE, url, why);
    } else if (status != 200) {
        rc = refused(status, &answer);
    } else if (dgon_join_answer_read(a, answer.data != NULL ? answer.data : "", answer.len) !=
                   DGON_OK ||
               !is_link(o, a->link)) {
        rc = fail(AGENT_EXIT_UNAVAILABLE, url,
                  "the answer is not that of a gateway, or names a link without TLS (DgonAgentUrl "
                  "is missing there)");
    }
    dgon_buf_fini(&answer);
    return rc;
}

static int join(const options *o, agent_credential *c, dgon_join_answer *a)
{
    unsigned char key[DGON_SIGN_KEY];
    char why[600];
    dgon_buf body;
    agent_config *defaults = agent_config_create();
    if (defaults == NULL || dgon_sign_public(key, c->key) != DGON_OK) {
        agent_config_destroy(defaults);
        return fail(AGENT_EXIT_SOFTWARE, "out of memory", "");
    }
    dgon_buf_init(&body, DGON_JOIN_BODY_MAX);
    const char *name = o->name != NULL ? o->name : defaults->id;
    int rc = dgon_join_write(&body, o->code, key, name, agent_os_name(), AGENT_VERSION) == DGON_OK
                 ? ask(o, &body, a)
                 : fail(AGENT_EXIT_USAGE, "the code is too long", "");
    agent_os_wipe(body.data, body.size);
    dgon_buf_fini(&body);
    agent_config_destroy(defaults);
    if (rc != AGENT_EXIT_OK) {
        return rc;
    }
    (void)snprintf(c->id, sizeof c->id, "%s", a->id);
    return agent_credential_save(c, o->credential, why, sizeof why) == DGON_OK
               ? AGENT_EXIT_OK
               : fail(AGENT_EXIT_CONFIG, why, "");
}

/* --- the configuration --- */

/* Does a model server answer there: a list of models in OpenAI's form? */
static bool is_model_server(const char *url)
{
    char list[AGENT_CONFIG_PATH_MAX], why[300];
    long status = 0;
    bool found = false;
    dgon_json_scan s;
    dgon_json_member m;
    dgon_buf answer;
    size_t n = strlen(url);
    bool v1 = n > 3 && strcmp(url + n - 3, "/v1") == 0;
    (void)snprintf(list, sizeof list, "%.400s%s/models", url, v1 ? "" : "/v1");
    dgon_buf_init(&answer, AGENT_JOIN_ANSWER_MAX);
    if (agent_join_http(list, NULL, NULL, NULL, PROBE_S, &status, &answer, why, sizeof why) ==
            DGON_OK &&
        status == 200 && answer.data != NULL) {
        dgon_json_scan_init(&s, answer.data, answer.len);
        while (!found && dgon_json_scan_next(&s, &m) == DGON_OK) {
            found = m.key_len == 4 && memcmp(answer.data + m.key, "data", 4) == 0;
        }
    }
    dgon_buf_fini(&answer);
    return found;
}

static dgon_status add_backend(dgon_buf *out, const char *name, const char *url)
{
    return dgon_buf_addf(out, "\n[backend \"%s\"]\nkind = auto\nurl = %s\n", name, url);
}

static dgon_status add_named(const options *o, dgon_buf *out)
{
    dgon_status s = DGON_OK;
    for (unsigned i = 0; s == DGON_OK && i < o->backend_count; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, i == 0 ? "main" : "main-%u", i + 1);
        if (!is_model_server(o->backends[i])) {
            (void)printf("Nothing answers at %s yet.\n", o->backends[i]);
        }
        s = add_backend(out, name, o->backends[i]);
    }
    return s;
}

static dgon_status add_found(dgon_buf *out)
{
    static const struct {
        const char *name, *url;
    } usual[] = {{"ollama", "http://127.0.0.1:11434"},
                 {"llama", "http://127.0.0.1:8080"},
                 {"vllm", "http://127.0.0.1:8000"},
                 {"lmstudio", "http://127.0.0.1:1234"}};
    dgon_status s = DGON_OK;
    unsigned found = 0;
    for (size_t i = 0; s == DGON_OK && i < sizeof usual / sizeof usual[0]; i++) {
        if (is_model_server(usual[i].url)) {
            (void)printf("Found a model server at %s.\n", usual[i].url);
            s = add_backend(out, usual[i].name, usual[i].url);
            found++;
        }
    }
    if (s == DGON_OK && found == 0) {
        (void)printf(
            "No model server answers on the usual local ports; Ollama's is written down.\n");
        s = add_backend(out, usual[0].name, usual[0].url);
    }
    return s;
}

static dgon_status write_gateway(const options *o, const dgon_join_answer *a, dgon_buf *out)
{
    dgon_status s =
        dgon_buf_addf(out, "[gateway]\nurl = %s\ncredential_file = %s\n", a->link, o->credential);
    if (s == DGON_OK && o->ca_file != NULL) {
        s = dgon_buf_addf(out, "ca_file = %s\n", o->ca_file);
    }
    if (s == DGON_OK && o->proxy != NULL) {
        s = dgon_buf_addf(out, "proxy = %s\n", o->proxy);
    }
    if (s == DGON_OK && o->insecure && strncmp(a->link, "ws://", 5) == 0) {
        s = dgon_buf_adds(out, "insecure = yes\n");
    }
    return s;
}

static int make_config(const options *o, const dgon_join_answer *a)
{
    char why[300] = "";
    dgon_buf text;
    dgon_buf_init(&text, CONFIG_MAX);
    bool is_there = agent_os_exists(o->config);
    dgon_status s = is_there ? DGON_OK
                             : dgon_buf_adds(&text, "# Written by dgon-agent join. All keys: "
                                                    "dgon-agent's agent.conf\n");
    if (s == DGON_OK) {
        s = write_gateway(o, a, &text);
    }
    if (is_there && s == DGON_OK) {
        (void)printf("%s is left as it is. Put this there, instead of token_file:\n\n%.*s\n",
                     o->config, (int)text.len, text.data);
    } else if (s == DGON_OK) {
        s = o->backend_count > 0 ? add_named(o, &text) : add_found(&text);
        if (s == DGON_OK) {
            s = agent_os_write_file(o->config, false, text.data, text.len, why, sizeof why);
        }
    }
    dgon_buf_fini(&text);
    return s == DGON_OK
               ? AGENT_EXIT_OK
               : fail(AGENT_EXIT_CONFIG, o->config, why[0] != '\0' ? why : dgon_status_str(s));
}

int agent_join(int argc, char **argv)
{
    options o = {.name = NULL};
    agent_credential c;
    dgon_join_answer a;
    int rc;
    if (!read_options(&o, argc, argv, &rc)) {
        return rc;
    }
    if (!is_safe(o.gateway, o.insecure)) {
        return fail(AGENT_EXIT_USAGE,
                    "the gateway's address is https://…; http:// only to this machine, or with "
                    "--insecure",
                    "");
    }
    rc = get_key(&o, &c);
    if (rc == AGENT_EXIT_OK) {
        rc = join(&o, &c, &a);
    }
    agent_os_wipe(&c, sizeof c);
    if (rc == AGENT_EXIT_OK) {
        (void)printf("Joined as %s. The credential is in %s.\n", a.id, o.credential);
        rc = make_config(&o, &a);
    }
    if (rc == AGENT_EXIT_OK) {
        (void)printf("Start it: %s\n", agent_os_start_command(o.config));
    }
    return rc;
}
