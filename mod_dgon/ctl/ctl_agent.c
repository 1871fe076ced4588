/* dgonctl agent: who may come in as an agent. Works on the gateway's DgonAgentFile, which the
 * gateway watches; no gateway needs to run. ctl_agent_list.c has the list. */
#include "ctl.h"

#include "dgon/agents_file.h"
#include "dgon/join.h"

#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct options {
    const ctl *ctl;
    const char *file, *name, *gateway;
    int64_t expires;
    uint32_t uses;
} options;

/* ---- errors ---- */

static int failed(dgon_status s, const char *why, const char *id, const char *other)
{
    if (why[0] != '\0')
        return ctl_fail(CTL_FAILED, "%s", why);
    switch (s) {
    case DGON_ENOTFOUND:
        return ctl_fail(CTL_NOT_FOUND, "no agent \"%s\" has joined; dgonctl agent list shows all",
                        id);
    case DGON_EEXIST:
        return ctl_fail(CTL_FAILED, "there is an agent \"%s\" already", other);
    case DGON_EINVAL:
        return ctl_fail(CTL_USAGE, "\"%s\" cannot be an id: 1 to %u of [A-Za-z0-9._-]", other,
                        DGON_WIRE_ID_MAX);
    case DGON_EFULL:
        return ctl_fail(CTL_FAILED, "too many invitations are open: let some expire");
    default:
        return ctl_fail(CTL_FAILED, "%s", dgon_status_str(s));
    }
}

/* ---- invite ---- */

static void host_name(char *out, size_t size)
{
    char name[256];
    struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *list = NULL;
    if (gethostname(name, sizeof name) != 0)
        (void)snprintf(name, sizeof name, "localhost");
    name[sizeof name - 1] = '\0';
    if (getaddrinfo(name, NULL, &hints, &list) == 0 && list->ai_canonname != NULL)
        (void)snprintf(out, size, "%s", list->ai_canonname);
    else
        (void)snprintf(out, size, "%s", name);
    if (list != NULL)
        freeaddrinfo(list);
}

static const char *who(void)
{
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *user = getpwuid(getuid());
    return sudo != NULL && sudo[0] != '\0' ? sudo : user != NULL ? user->pw_name : "-";
}

static dgon_status add(dgon_agents *a, void *user)
{
    return dgon_agents_invite_add(a, user, (int64_t)time(NULL));
}

static int print(const options *o, const dgon_buf *bash, const dgon_buf *power, const char *code,
                 const dgon_agents_invite *i)
{
    char expires[DGON_AGENTS_TIME];
    dgon_agents_time(expires, i->expires);
    if (o->ctl->json)
        (void)printf("{\"command\":\"%.*s\",\"powershell\":\"%.*s\",\"code\":\"%s\",\"gateway\":"
                     "\"%s\",\"expires\":\"%s\",\"uses\":%" PRIu32 "}\n",
                     (int)bash->len, bash->data, (int)power->len, power->data, code, o->gateway,
                     expires, i->uses);
    else
        (void)printf("On the machine with the model server (code good until %s, for %" PRIu32
                     " agent%s):\n\n  %.*s\n\nPowerShell:\n\n  %.*s\n",
                     expires, i->uses, i->uses == 1 ? "" : "s", (int)bash->len, bash->data,
                     (int)power->len, power->data);
    return CTL_OK;
}

static int invite(const options *o)
{
    char code[DGON_JOIN_CODE + 1], host[256], url[300], why[DGON_FILE_WHY] = "";
    dgon_agents_invite i = {.created = (int64_t)time(NULL), .uses = o->uses};
    options with = *o;
    dgon_buf bash, power;
    if (o->name != NULL && !dgon_wire_is_agent_id(o->name, strlen(o->name)))
        return failed(DGON_EINVAL, why, "", o->name);
    if (o->name != NULL && o->uses > 1)
        return ctl_usage("agent", "--name is for one agent, so --uses is 1");
    if (o->gateway == NULL) {
        host_name(host, sizeof host);
        (void)snprintf(url, sizeof url, "https://%s", host);
        with.gateway = url;
    }
    if ((strncmp(with.gateway, "https://", 8) != 0 && strncmp(with.gateway, "http://", 7) != 0) ||
        strpbrk(with.gateway, " \t\"'`$\\<>") != NULL)
        return ctl_usage("agent", "--gateway is the address of this gateway, such as "
                                  "https://gateway.example.org");
    (void)snprintf(i.id, sizeof i.id, "%s", o->name != NULL ? o->name : "");
    dgon_agents_who(i.by, who());
    i.expires = i.created + o->expires;
    dgon_status s = dgon_join_code(code);
    if (s != DGON_OK || !dgon_join_code_hash(i.code, code, strlen(code)))
        return failed(DGON_ESYS, why, "", "");
    s = dgon_agents_change(o->file, add, &i, why);
    if (s != DGON_OK)
        return failed(s, why, "", i.id);
    dgon_buf_init(&bash, 1024);
    dgon_buf_init(&power, 1024);
    int rc = dgon_join_command(&bash, with.gateway, code, false) == DGON_OK &&
                     dgon_join_command(&power, with.gateway, code, true) == DGON_OK
                 ? print(&with, &bash, &power, code, &i)
                 : failed(DGON_ENOMEM, why, "", "");
    dgon_buf_fini(&bash);
    dgon_buf_fini(&power);
    return rc;
}

/* ---- rename, revoke, rotate ---- */

typedef struct names {
    const char *id, *to;
} names;

static dgon_status do_rename(dgon_agents *a, void *user)
{
    const names *n = user;
    return dgon_agents_rename(a, n->id, n->to);
}

static dgon_status do_revoke(dgon_agents *a, void *user)
{
    const names *n = user;
    return dgon_agents_remove(a, n->id);
}

static dgon_status do_rotate(dgon_agents *a, void *user)
{
    const names *n = user;
    dgon_agents_entry *e = dgon_agents_by_id(a, n->id);
    if (e == NULL)
        return DGON_ENOTFOUND;
    e->rotate = true;
    return DGON_OK;
}

static int change(const options *o, dgon_status (*fn)(dgon_agents *a, void *user), names n,
                  const char *done)
{
    char why[DGON_FILE_WHY] = "";
    dgon_status s = dgon_agents_change(o->file, fn, &n, why);
    if (s != DGON_OK)
        return failed(s, why, n.id, n.to != NULL ? n.to : n.id);
    if (o->ctl->json)
        (void)printf("{\"id\":\"%s\"}\n", n.to != NULL ? n.to : n.id);
    else
        (void)printf("%s: %s\n", n.to != NULL ? n.to : n.id, done);
    return CTL_OK;
}

/* ---- the command ---- */

static int wrong(const char *why)
{
    return ctl_usage("agent", why);
}

static int run(const options *o, int argc, char **argv)
{
    const char *verb = argc > 0 ? argv[0] : "";
    names n = {.id = argc > 1 ? argv[1] : "", .to = argc > 2 ? argv[2] : NULL};
    if (strcmp(verb, "invite") == 0)
        return argc == 1 ? invite(o) : wrong("invite takes options only");
    if (strcmp(verb, "list") == 0)
        return argc == 1 ? ctl_agent_list(o->ctl, o->file) : wrong("list takes no names");
    if (strcmp(verb, "rename") == 0)
        return argc == 3 ? change(o, do_rename, n, "is its name now; its link follows at once")
                         : wrong("rename ID NEW");
    if (strcmp(verb, "revoke") == 0)
        return argc == 2 ? change(o, do_revoke, n, "revoked; its links close within two seconds")
                         : wrong("revoke ID");
    if (strcmp(verb, "rotate") == 0)
        return argc == 2 ? change(o, do_rotate, n, "gets a new key, at once if it is connected")
                         : wrong("rotate ID");
    return wrong("invite, list, rename, revoke or rotate");
}

int ctl_agent(const ctl *c, int argc, char **argv)
{
    static const struct option longs[] = {
        {"file", required_argument, NULL, 'f'},
        {"name", required_argument, NULL, 'n'},
        {"expires", required_argument, NULL, 'e'},
        {"uses", required_argument, NULL, 'u'},
        {"gateway", required_argument, NULL, 'g'},
        {"json", no_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    ctl own = *c;
    options o = {.ctl = &own, .file = CTL_AGENT_FILE, .expires = DGON_JOIN_EXPIRES, .uses = 1};
    char *end = NULL;
    unsigned long uses;
    optind = 0; /* from the start again, in another list */
    for (int k; (k = getopt_long(argc, argv, "", longs, NULL)) != -1;)
        switch (k) {
        case 'f':
            o.file = optarg;
            break;
        case 'n':
            o.name = optarg;
            break;
        case 'g':
            o.gateway = optarg;
            break;
        case 'j':
            own.json = true;
            break;
        case 'e':
            o.expires = dgon_join_period(optarg);
            if (o.expires < 0)
                return wrong("--expires is 30m, 1h, 7d, at most 30d");
            break;
        case 'u':
            uses = strtoul(optarg, &end, 10);
            if (end == optarg || *end != '\0' || uses < 1 || uses > DGON_AGENTS_USES_MAX)
                return wrong("--uses is 1 to 1000");
            o.uses = (uint32_t)uses;
            break;
        default:
            return CTL_USAGE;
        }
    return run(&o, argc - optind, argv + optind);
}
