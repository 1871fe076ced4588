/* Logging in with a key instead of a token, and changing keys. The old key stays in the file until
 * the gateway has taken the new one: whoever dies in between, one of the two is good. */
#include "agent_links_int.h"

#include "agent_credential.h"
#include "agent_log.h"

#include "dgon/hash.h"

#include <stdio.h>
#include <string.h>

static const char *file_of(const agent_links *s)
{
    return s->spec.config->credential_file;
}

bool agent_links_has_key(const agent_links *s)
{
    return file_of(s)[0] != '\0';
}

dgon_status agent_links_take_key(agent_links *s, agent_held *h, char *why, size_t why_size)
{
    agent_credential c;
    dgon_status st = agent_credential_load(&c, file_of(s), why, why_size);
    if (st == DGON_OK && c.id[0] == '\0') {
        (void)snprintf(why, why_size,
                       "credential_file %s: this agent has not joined: dgon-agent join",
                       file_of(s));
        st = DGON_EINVAL;
    }
    if (st == DGON_OK) {
        h->with_next = c.has_next && !s->next_refused;
        memcpy(h->key, h->with_next ? c.next : c.key, sizeof h->key);
    }
    agent_os_wipe(&c, sizeof c);
    return st;
}

/* The public half of `secret` and its signature under the text, in hex. */
static bool sign(const unsigned char secret[DGON_SIGN_KEY], const char *text, size_t n, char *key,
                 char *signature)
{
    unsigned char pub[DGON_SIGN_KEY], sig[DGON_SIGN_SIZE];
    if (n == 0 || dgon_sign_public(pub, secret) != DGON_OK ||
        dgon_sign(sig, secret, text, n) != DGON_OK) {
        return false;
    }
    dgon_hash_hex(key, pub, sizeof pub);
    dgon_hash_hex(signature, sig, sizeof sig);
    return true;
}

bool agent_links_sign_hello(agent_held *h, dgon_ctl *hello)
{
    char text[DGON_SIGN_TEXT_MAX];
    size_t n = dgon_sign_login_text(text, h->nonce, hello->instance, hello->version);
    bool ok = sign(h->key, text, n, hello->key, hello->signature);
    if (!h->with_next) {
        agent_os_wipe(h->key, sizeof h->key);
    }
    return ok;
}

void agent_links_take_challenge(agent_links *s, agent_held *h, const dgon_ctl *c)
{
    if (!agent_links_has_key(s) || h->nonce[0] != '\0' ||
        agent_link_get_state(h->link) != AGENT_LINK_OPEN) {
        agent_link_close(h->link, DGON_CLOSE_PROTOCOL, "unexpected challenge");
        return;
    }
    memcpy(h->nonce, c->nonce, sizeof h->nonce);
    agent_links_hello(s, h->link);
}

/* The next key: the one that is in the file already, or a new one that is put there first. */
static dgon_status next_key(const agent_links *s, unsigned char next[DGON_SIGN_KEY], char *why,
                            size_t why_size)
{
    agent_credential c;
    dgon_status st = agent_credential_load(&c, file_of(s), why, why_size);
    if (st == DGON_OK && !c.has_next) {
        c.has_next = true;
        st = dgon_sign_new(c.next);
        if (st == DGON_OK) {
            st = agent_credential_save(&c, file_of(s), why, why_size);
        }
    }
    memcpy(next, c.next, DGON_SIGN_KEY);
    agent_os_wipe(&c, sizeof c);
    return st;
}

void agent_links_rotate(agent_links *s, agent_held *h)
{
    unsigned char next[DGON_SIGN_KEY], pub[DGON_SIGN_KEY];
    char why[700] = "", hex[DGON_SIGN_KEY_HEX + 1], text[DGON_SIGN_TEXT_MAX];
    dgon_ctl c;
    if (h->nonce[0] == '\0') {
        return; /* a link with a token or a certificate has no key to change */
    }
    dgon_ctl_init(&c);
    c.type = DGON_CTL_KEY;
    dgon_status st = next_key(s, next, why, sizeof why);
    bool ok = st == DGON_OK && dgon_sign_public(pub, next) == DGON_OK;
    if (ok) {
        dgon_hash_hex(hex, pub, sizeof pub);
        ok = sign(next, text, dgon_sign_new_key_text(text, h->nonce, hex), c.key, c.signature);
    }
    agent_os_wipe(next, sizeof next);
    if (ok) {
        agent_log(AGENT_LOG_NOTICE, "the gateway asks for a new key: it is made");
        s->next_refused = false;
        agent_links_send(s, h->link, &c);
    } else {
        agent_log(AGENT_LOG_ERROR, "no new key, the old one stays: %s",
                  why[0] != '\0' ? why : dgon_status_str(st));
    }
}

/* The gateway has taken the next key: it is the key. */
void agent_links_key_good(agent_links *s, agent_held *h)
{
    agent_credential c;
    char why[700];
    if (!h->with_next) {
        return;
    }
    dgon_status st = agent_credential_load(&c, file_of(s), why, sizeof why);
    if (st == DGON_OK && c.has_next && memcmp(c.next, h->key, sizeof c.next) == 0) {
        memcpy(c.key, c.next, sizeof c.key);
        memset(c.next, 0, sizeof c.next);
        c.has_next = false;
        st = agent_credential_save(&c, file_of(s), why, sizeof why);
        if (st == DGON_OK) {
            agent_log(AGENT_LOG_NOTICE, "the new key is in use, the old one is gone");
        }
    }
    if (st != DGON_OK) {
        agent_log(AGENT_LOG_ERROR, "the new key is in use, the old one could not be removed: %s",
                  why);
    }
    agent_os_wipe(&c, sizeof c);
    agent_os_wipe(h->key, sizeof h->key);
}

bool agent_links_key_refused(agent_links *s, const agent_held *h)
{
    bool was_next = h->with_next && h->welcome_ms == 0 &&
                    agent_link_get_end(h->link)->close == DGON_CLOSE_UNKNOWN;
    s->next_refused = s->next_refused || was_next;
    return was_next;
}
