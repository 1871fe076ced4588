/* dgonctl: what an administrator does with a gateway, from a terminal or a script. */
#include "ctl.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const ctl_command commands[] = {
    {"status", "", "agents, models and what has been done", ctl_status},
    {"top", "[SECONDS | --once]", "the same again and again; q ends it", ctl_top},
    {"agents", "", "agents alone", ctl_agents},
    {"models", "", "models alone", ctl_models},
    {"jobs", "", "requests that run or wait", ctl_jobs},
    {"drain", "AGENT", "no new jobs for it; what runs goes on", ctl_drain},
    {"undrain", "AGENT", "it gets jobs again", ctl_drain},
    {"cancel", "JOB", "ends it, and tells its client so", ctl_cancel},
    {"load", "MODEL [--agents N]", "N agents load it", ctl_load},
    {"check", "", "what of the configuration will not hold", ctl_check},
    {"key", "add|list|revoke|rotate [ID] [OPTIONS]",
     "API keys: --expires 90d|DATE --models a,b* --comment TEXT --file F", ctl_key},
    {"agent",
     "invite|list|rename|revoke|rotate [ID [NEW]] [--name ID] [--expires 1h] [--uses N] "
     "[--gateway URL] [--file FILE]",
     "who may come in as an agent; list: and who is connected", ctl_agent},
    {NULL, NULL, NULL, NULL},
};

static const ctl_command *find(const char *name)
{
    for (const ctl_command *c = commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

int ctl_fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("dgonctl: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return code;
}

int ctl_usage(const char *command, const char *why)
{
    const ctl_command *c = find(command);
    (void)fprintf(stderr, "dgonctl %s: %s\nusage: dgonctl %s %s\n", command, why, command,
                  c != NULL ? c->arguments : "");
    return CTL_USAGE;
}

static void help(void)
{
    (void)printf("usage: dgonctl [--json] [--socket PATH | --url URL] COMMAND [ARGUMENTS]\n\n");
    for (const ctl_command *c = commands; c->name != NULL; c++)
        (void)printf("  %-9s %-38s  %s\n", c->name, c->arguments, c->what);
    (void)printf(
        "\n  --json         one JSON value instead of text\n"
        "  --socket PATH  the gateway's socket (" CTL_SOCKET ")\n"
        "  --url URL      its admin address instead; name and password from ~/.netrc\n"
        "  --version      print the version and exit\n"
        "  -h, --help     print this and exit\n\n"
        "Exit: 0 done, 1 failed, 2 wrong command line, 3 no gateway there, 4 not found.\n");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},      {"socket", required_argument, NULL, 's'},
        {"url", required_argument, NULL, 'u'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},   {NULL, 0, NULL, 0},
    };
    ctl c = {.socket = CTL_SOCKET};
    int o;
    while ((o = getopt_long(argc, argv, "+h", options, NULL)) != -1)
        switch (o) {
        case 'j':
            c.json = true;
            break;
        case 's':
            c.socket = optarg;
            break;
        case 'u':
            c.url = optarg;
            break;
        case 'h':
            help();
            return CTL_OK;
        case 'v':
            (void)printf("dgonctl " CTL_VERSION "\n");
            return CTL_OK;
        default:
            return CTL_USAGE;
        }
    if (optind == argc) {
        help();
        return CTL_USAGE;
    }
    const ctl_command *command = find(argv[optind]);
    if (command == NULL)
        return ctl_fail(CTL_USAGE, "there is no command \"%s\"; dgonctl --help lists them",
                        argv[optind]);
    return command->run(&c, argc - optind, argv + optind);
}
