/* Arguments -> configuration -> run. */
#include "agent.h"

#include "agent_join.h"
#include "agent_os.h"
#include "agent_status.h"
#include "dgon/alloc.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

typedef struct options {
    const char *config;
    bool check, once, status, json;
} options;

static void help(FILE *to)
{
    (void)fprintf(
        to,
        "Usage: dgon-agent [--config FILE] [--check-config | --once | --status [--json]]\n"
        "       dgon-agent join URL CODE [--name ID] [--config FILE] [--ca FILE] (join --help)\n"
        "Connects the model server of this machine to a gateway (Apache with mod_dgon).\n\n"
        "  -c, --config FILE   configuration (default %s); FILE.d/*.conf is read after it\n"
        "      --check-config  check the configuration and exit\n"
        "      --once          try one link to the gateway and exit\n"
        "      --status        ask the running agent how it is\n"
        "      --json          with --status: one JSON object instead of text\n"
        "      --version       print the version and exit\n"
        "  -h, --help          print this and exit\n\n"
        "SIGTERM ends running jobs first, a second one does not wait; SIGHUP reads the "
        "configuration again.\n"
        "The key comes from credential_file; without one a token from token_file, "
        "$CREDENTIALS_DIRECTORY/token or DGON_AGENT_TOKEN.\n"
        "Exit codes: 0 good, 3 no agent runs (--status), 64 usage, 69 no link (--once or "
        "--status), "
        "70 system or no answer, 75 already running, 77 refused (--once), 78 "
        "configuration.\n",
        agent_os_default_config());
}

/* True to go on; else *code is the exit code. */
static bool read_options(int argc, char **argv, options *o, int *code)
{
    enum { OPT_CHECK = 256, OPT_ONCE, OPT_STATUS, OPT_JSON, OPT_VERSION };
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, OPT_CHECK},
        {"once", no_argument, NULL, OPT_ONCE},    {"status", no_argument, NULL, OPT_STATUS},
        {"json", no_argument, NULL, OPT_JSON},    {"version", no_argument, NULL, OPT_VERSION},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1;) {
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case OPT_CHECK:
            o->check = true;
            break;
        case OPT_ONCE:
            o->once = true;
            break;
        case OPT_STATUS:
            o->status = true;
            break;
        case OPT_JSON:
            o->json = true;
            break;
        case OPT_VERSION:
            (void)printf("dgon-agent %s\n", AGENT_VERSION);
            *code = AGENT_EXIT_OK;
            return false;
        case 'h':
            help(stdout);
            *code = AGENT_EXIT_OK;
            return false;
        default:
            *code = AGENT_EXIT_USAGE;
            return false;
        }
    }
    if (o->json && !o->status) {
        (void)fprintf(stderr, "dgon-agent: --json goes with --status\n");
        *code = AGENT_EXIT_USAGE;
        return false;
    }
    if (optind < argc) {
        (void)fprintf(stderr, "dgon-agent: unexpected argument \"%s\"; see --help\n", argv[optind]);
        *code = AGENT_EXIT_USAGE;
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    options o = {.config = agent_os_default_config()};
    int code = AGENT_EXIT_OK;
    dgon_alloc_hook_json();
    if (argc > 1 && strcmp(argv[1], "join") == 0) {
        return agent_join(argc - 1, argv + 1);
    }
    if (!read_options(argc, argv, &o, &code)) {
        return code;
    }
    agent_os_prepare();
    agent_config *c = agent_config_create();
    dgon_buf errors;
    dgon_buf_init(&errors, 16384);
    bool ok = c != NULL && agent_config_load(c, o.config, &errors) == DGON_OK;
    if (o.status) {
        /* A configuration with mistakes, or one that only root reads, does not matter here. */
        code = (int)agent_status_ask(c != NULL ? c->status_socket : NULL, o.json);
        dgon_buf_fini(&errors);
        agent_config_destroy(c);
        return code;
    }
    if (errors.len != 0) {
        (void)fwrite(errors.data, 1, errors.len, stderr);
    }
    dgon_buf_fini(&errors);
    if (!ok || o.check) {
        agent_config_destroy(c);
        if (ok) {
            (void)printf("%s: the configuration is good\n", o.config);
        }
        return ok ? AGENT_EXIT_OK : AGENT_EXIT_CONFIG;
    }
    return (int)agent_run(c, o.config, o.once);
}
