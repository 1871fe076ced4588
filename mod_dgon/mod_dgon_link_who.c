/* Who an agent is: challenge and signature at the beginning of a link, and what becomes of the link
 * when the administrator changes the agent's entry. */
#include "mod_dgon_agents.h"
#include "mod_dgon_link_int.h"
#include "mod_dgon_shm.h"

#include "dgon/control.h"

#include <apr_strings.h>

#include <string.h>

bool mod_dgon_link_challenge(mod_dgon_link *l)
{
    unsigned char nonce[DGON_SIGN_NONCE];
    dgon_ctl c;
    if (l->who.kind != MOD_DGON_WHO_KEY)
        return true;
    mod_dgon_ws_limit(l->ws, DGON_WIRE_HELLO_MAX, 2 * DGON_WIRE_HELLO_MAX);
    if (dgon_hash_random(nonce, sizeof(nonce)) != DGON_OK)
        return false;
    dgon_hash_hex(l->nonce, nonce, sizeof(nonce));
    dgon_ctl_init(&c);
    c.type = DGON_CTL_CHALLENGE;
    memcpy(c.nonce, l->nonce, sizeof(c.nonce));
    bool ok = mod_dgon_link_send_control(l, &c);
    dgon_ctl_fini(&c);
    return ok;
}

void mod_dgon_link_is_known(mod_dgon_link *l)
{
    dgon_gate_leave(mod_dgon_shm_gate(), l->who.place);
    l->who.place = 0;
}

static bool is_signed(const dgon_ctl *c, const char *text, size_t n,
                      unsigned char hash[DGON_HASH_SIZE])
{
    unsigned char key[DGON_SIGN_KEY], signature[DGON_SIGN_SIZE];
    return n > 0 && dgon_hash_unhex(key, sizeof(key), c->key, strlen(c->key)) &&
           dgon_hash_unhex(signature, sizeof(signature), c->signature, strlen(c->signature)) &&
           dgon_hash(hash, key, sizeof(key)) == DGON_OK &&
           dgon_sign_is_good(key, signature, text, n);
}

static bool ask_for_key(mod_dgon_link *l)
{
    dgon_ctl c;
    if (l->asked)
        return true;
    l->asked = true;
    dgon_ctl_init(&c);
    c.type = DGON_CTL_ROTATE;
    bool ok = mod_dgon_link_send_control(l, &c);
    dgon_ctl_fini(&c);
    return ok;
}

static const char *check_key(mod_dgon_link *l, const dgon_ctl *c)
{
    unsigned char hash[DGON_HASH_SIZE], key[DGON_SIGN_KEY];
    char text[DGON_SIGN_TEXT_MAX];
    mod_dgon_agents *agents = l->engine->agents;
    if (c->key[0] == '\0')
        return "hello is not signed";
    /* who is not in the file costs no signature check */
    if (!dgon_hash_unhex(key, sizeof(key), c->key, strlen(c->key)) ||
        dgon_hash(hash, key, sizeof(key)) != DGON_OK)
        return "the key cannot be read";
    const dgon_agents_entry *e = mod_dgon_agents_by_key(agents, hash);
    if (e == NULL)
        return "no agent with this key has joined, or it was revoked";
    size_t n = dgon_sign_login_text(text, l->nonce, c->instance, c->version);
    if (!is_signed(c, text, n, hash))
        return "the signature is wrong";
    memcpy(l->agent, e->id, sizeof(l->agent));
    memcpy(l->serial, e->serial, sizeof(l->serial));
    l->enrolled = true;
    bool is_next = e->has_next && memcmp(e->next, hash, sizeof(hash)) == 0;
    if (is_next)
        mod_dgon_agents_note(agents, l->serial, hash, true);
    l->wants_key = !is_next && (e->has_next || e->rotate);
    return NULL;
}

const char *mod_dgon_link_admit(mod_dgon_link *l, const dgon_ctl *c)
{
    const char *wrong = NULL;
    if (l->engine->agents != NULL)
        mod_dgon_agents_refresh(l->engine->agents);
    if (l->who.kind == MOD_DGON_WHO_KEY) {
        wrong = check_key(l, c); /* the nonce is good once: there is no second hello */
    } else {
        const char *id = l->who.kind == MOD_DGON_WHO_TOKEN ? c->agent : l->who.id;
        apr_cpystrn(l->agent, id, sizeof(l->agent));
        if (l->engine->agents != NULL && mod_dgon_agents_by_id(l->engine->agents, l->agent) != NULL)
            wrong = "this id belongs to an agent that has joined with a key";
    }
    if (wrong != NULL)
        return wrong;
    mod_dgon_link_is_known(l);
    mod_dgon_ws_limit(l->ws, DGON_WIRE_MESSAGE_MAX, 0);
    return NULL;
}

void mod_dgon_link_admitted(mod_dgon_link *l)
{
    if (l->wants_key && !ask_for_key(l))
        mod_dgon_link_end(l, 1011, "out of memory");
}

/* The gateway has noted the next key: the agent logs in with it. */
static void use_next(mod_dgon_link *l, const dgon_agents_entry *e)
{
    if (l->has_next && e->has_next && memcmp(e->next, l->next_key, sizeof(l->next_key)) == 0)
        mod_dgon_link_leave(l, "rotate");
}

bool mod_dgon_link_new_key(mod_dgon_link *l, const dgon_ctl *c)
{
    char text[DGON_SIGN_TEXT_MAX];
    if (!l->enrolled || !l->asked || l->has_next)
        return false;
    size_t n = dgon_sign_new_key_text(text, l->nonce, c->key);
    if (!is_signed(c, text, n, l->next_key))
        return false;
    l->has_next = true;
    const dgon_agents_entry *e = mod_dgon_agents_by_serial(l->engine->agents, l->serial);
    if (e != NULL && e->has_next && memcmp(e->next, l->next_key, sizeof(l->next_key)) == 0)
        use_next(l, e);
    else
        mod_dgon_agents_note(l->engine->agents, l->serial, l->next_key, false);
    return true;
}

void mod_dgon_link_agents_changed(mod_dgon_link *l)
{
    if (l->index == DGON_NONE || l->close_code != 0)
        return;
    const dgon_agents_entry *e = mod_dgon_agents_by_id(l->engine->agents, l->agent);
    if (!l->enrolled) {
        if (e != NULL) /* its name was given to an agent that has joined; it may be the same one */
            mod_dgon_link_leave(l, "joined");
        return;
    }
    if (e == NULL || memcmp(e->serial, l->serial, sizeof(l->serial)) != 0)
        e = mod_dgon_agents_by_serial(l->engine->agents, l->serial);
    if (e == NULL)
        mod_dgon_link_end(l, DGON_CLOSE_REVOKED, "the administrator has revoked this agent");
    else if (strcmp(e->id, l->agent) != 0)
        mod_dgon_link_leave(l, "rename");
    else if (e->rotate)
        (void)ask_for_key(l);
    else
        use_next(l, e);
}
