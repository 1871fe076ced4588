/* agent list: who has joined, from the file, and who of them is connected, from the gateway if it
 * answers. */
#include "ctl.h"

#include "dgon/agents_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FINGERPRINT 16 /* digits of it that people compare */

/* What the gateway says of an agent; NULL: nothing, so it is away, or the gateway was not reached.
 */
static const json_t *find(const json_t *status, const char *id)
{
    const json_t *agents = json_object_get(status, "agents");
    for (size_t i = 0; i < json_array_size(agents); i++)
        if (strcmp(ctl_text(json_array_get(agents, i), "id"), id) == 0)
            return json_array_get(agents, i);
    return NULL;
}

/* ---- JSON ---- */

static void number_or_null(const char *key, bool known, json_int_t n)
{
    if (known)
        (void)printf(",\"%s\":%" JSON_INTEGER_FORMAT, key, n);
    else
        (void)printf(",\"%s\":null", key);
}

static void connected_json(const json_t *status, const char *id)
{
    const json_t *a = find(status, id);
    json_int_t links = ctl_int(a, "links"), since = ctl_int(a, "since");
    (void)printf(",\"connected\":%s", status == NULL ? "null" : links > 0 ? "true" : "false");
    number_or_null("links", status != NULL, links);
    number_or_null("since", links > 0, since);
    number_or_null("last_seen", links == 0 && since > 0, since);
}

static void list_json(const dgon_agents *a, const json_t *status, int64_t now)
{
    char hex[DGON_HASH_HEX_SIZE], created[DGON_AGENTS_TIME], expires[DGON_AGENTS_TIME];
    (void)printf("{\"agents\":[");
    for (uint32_t i = 0; i < a->count; i++) {
        const dgon_agents_entry *e = &a->entries[i];
        dgon_hash_hex(hex, e->key, sizeof e->key);
        dgon_agents_time(created, e->created);
        (void)printf("%s{\"id\":\"%s\",\"created\":\"%s\",\"by\":\"%s\",\"fingerprint\":\"%s\","
                     "\"os\":\"%s\",\"version\":\"%s\",\"rotating\":%s",
                     i > 0 ? "," : "", e->id, created, e->by, hex, e->os, e->version,
                     e->rotate || e->has_next ? "true" : "false");
        connected_json(status, e->id);
        (void)printf("}");
    }
    (void)printf("],\"invitations\":[");
    for (uint32_t i = 0, n = 0; i < a->invite_count; i++) {
        const dgon_agents_invite *v = &a->invites[i];
        if (now >= v->expires)
            continue;
        dgon_agents_time(created, v->created);
        dgon_agents_time(expires, v->expires);
        (void)printf("%s{\"name\":\"%s\",\"created\":\"%s\",\"expires\":\"%s\",\"by\":\"%s\","
                     "\"uses\":%" PRIu32 "}",
                     n++ > 0 ? "," : "", v->id, created, expires, v->by, v->uses);
    }
    (void)printf("]}\n");
}

/* ---- text ---- */

/* "2 links for 3 min", "held, 1 link for 9 s", "away, seen 3 min ago". */
static const char *connected_text(const json_t *status, const char *id, char *out, size_t size)
{
    const json_t *a = find(status, id);
    const char *state = ctl_text(a, "state");
    json_int_t links = ctl_int(a, "links"), since = ctl_int(a, "since");
    bool up = strcmp(state, "up") == 0;
    if (status == NULL)
        return NULL;
    if (links > 0)
        (void)snprintf(out, size, "%s%s%" JSON_INTEGER_FORMAT " link%s for %s", up ? "" : state,
                       up ? "" : ", ", links, links == 1 ? "" : "s", ctl_age(since));
    else if (since > 0)
        (void)snprintf(out, size, "away, seen %s ago", ctl_age(since));
    else
        (void)snprintf(out, size, "away");
    return out;
}

static void list_agents(const dgon_agents *a, const json_t *status)
{
    static const char *const titles[] = {"AGENT",       "CONNECTED", "JOINED", "INVITED BY",
                                         "FINGERPRINT", "ON",        NULL};
    ctl_table t;
    ctl_table_begin(&t, 0, titles);
    for (uint32_t i = 0; i < a->count; i++) {
        char hex[DGON_HASH_HEX_SIZE], joined[DGON_AGENTS_TIME], connected[80], on[160];
        const dgon_agents_entry *e = &a->entries[i];
        dgon_hash_hex(hex, e->key, sizeof e->key);
        hex[FINGERPRINT] = '\0';
        dgon_agents_time(joined, e->created);
        (void)snprintf(on, sizeof on, "%s %s%s", e->os, e->version,
                       e->rotate || e->has_next ? " (gets a new key)" : "");
        const char *const row[] = {
            e->id, connected_text(status, e->id, connected, sizeof connected), joined, e->by, hex,
            on};
        ctl_table_row(&t, row);
    }
    ctl_table_end(&t, "No agent has joined.");
}

static void list_invitations(const dgon_agents *a, int64_t now)
{
    char until[DGON_AGENTS_TIME];
    for (uint32_t i = 0; i < a->invite_count; i++) {
        const dgon_agents_invite *v = &a->invites[i];
        if (now >= v->expires)
            continue;
        dgon_agents_time(until, v->expires);
        (void)printf("invitation by %s, open until %s, for %" PRIu32 " agent%s%s%s\n", v->by, until,
                     v->uses, v->uses == 1 ? "" : "s", v->id[0] != '\0' ? " as " : "", v->id);
    }
}

/* ---- the command ---- */

int ctl_agent_list(const ctl *c, const char *file)
{
    char why[DGON_FILE_WHY];
    dgon_agents a;
    json_t *status = NULL;
    int64_t now = (int64_t)time(NULL);
    dgon_agents_init(&a);
    dgon_status s = dgon_agents_load(&a, file, NULL, why);
    if (s != DGON_OK && s != DGON_ENOTFOUND)
        return ctl_fail(CTL_FAILED, "%s", why);
    if (a.count > 0 && ctl_ask(c, json_pack("{s:s}", "do", "status"), &status) != CTL_OK)
        (void)ctl_fail(CTL_UNREACHED, "so it is not shown which agents are connected");
    if (c->json) {
        list_json(&a, status, now);
    } else {
        list_agents(&a, status);
        list_invitations(&a, now);
    }
    json_decref(status);
    dgon_agents_fini(&a);
    return CTL_OK;
}
