#include "dgon/choices.h"

#include "choices_int.h"
#include "tree_int.h"

#include <string.h>

/* Is there a member n, or a name with an escape, which may be one? No word of a text looks like
 * that, for its quotes are escaped. */
static bool may_have_n(const char *p, size_t n)
{
    const char *end = p + n;
    while ((p = memchr(p, '"', (size_t)(end - p))) != NULL) {
        p++;
        if (end - p >= 2 && ((p[0] == 'n' && p[1] == '"') || p[0] == '\\'))
            return true;
    }
    return false;
}

/* A list of texts or of lists of tokens has several prompts; tokens are one. */
static size_t count_prompts(const json_t *root)
{
    const json_t *prompt = json_object_get(root, "prompt");
    const json_t *first = json_array_get(prompt, 0);
    return json_is_string(first) || json_is_array(first) ? json_array_size(prompt) : 1;
}

static dgon_status too_many(dgon_error *e, const char *param)
{
    dgon_error_set(e, 400, "integer_above_max_value", param,
                   "Too many choices: 'n' for each prompt may be %u in all.",
                   DGON_CHAT_CHOICES_MAX);
    return DGON_EINVAL;
}

dgon_status dgon_choices_count(dgon_choices *c, dgon_op op, const json_t *root, dgon_error *e)
{
    int64_t each = 1;
    if (!dgon_tree_whole(json_object_get(root, "n"), &each) || each < 1)
        each = 1;
    size_t prompts = op == DGON_OP_COMPLETION ? count_prompts(root) : 1;
    if (each > DGON_CHAT_CHOICES_MAX)
        return too_many(e, "n");
    if (prompts > DGON_CHAT_CHOICES_MAX / (size_t)each)
        return too_many(e, each > 1 ? "n" : "prompt");
    *c = (dgon_choices){(unsigned)prompts, (unsigned)each};
    return DGON_OK;
}

dgon_status dgon_choices_read(dgon_choices *c, dgon_op op, const char *body, size_t n,
                              dgon_error *e)
{
    json_t *root;
    *c = (dgon_choices){1, 1};
    bool lists = op == DGON_OP_COMPLETION && n > 0 && memchr(body, '[', n) != NULL;
    if ((op != DGON_OP_CHAT && op != DGON_OP_COMPLETION) ||
        !(lists || (n > 0 && may_have_n(body, n))))
        return DGON_OK;
    dgon_status s = dgon_tree_load(&root, body, n, 0, &(json_error_t){0});
    if (s != DGON_OK)
        return s == DGON_EJSON ? DGON_OK : s; /* the translation says what is wrong */
    s = dgon_choices_count(c, op, root, e);
    json_decref(root);
    return s;
}

/* best_of n, which is what n alone means, goes with it; another one is the backend's to judge. */
static void drop_n(json_t *root, const dgon_choices *c)
{
    int64_t best = 0;
    (void)json_object_del(root, "n");
    if (dgon_tree_whole(json_object_get(root, "best_of"), &best) && best == (int64_t)c->each)
        (void)json_object_del(root, "best_of");
}

static int put_seed(json_t *root, unsigned k)
{
    int64_t seed = -1;
    if (!dgon_tree_whole(json_object_get(root, "seed"), &seed) || seed < 0)
        return 0;
    seed = seed > INT64_MAX - k ? seed - k : seed + k;
    return json_object_set_new(root, "seed", json_integer(seed));
}

static int put_prompt(json_t *root, const dgon_choices *c, unsigned index)
{
    if (c->prompts < 2)
        return 0;
    json_t *prompt = json_array_get(json_object_get(root, "prompt"), index / c->each);
    return json_object_set(root, "prompt", prompt);
}

dgon_status dgon_choices_body(dgon_buf *out, const dgon_choices *c, unsigned index,
                              const char *body, size_t n)
{
    json_t *root;
    dgon_status s = dgon_tree_load(&root, body, n, 0, &(json_error_t){0});
    if (s != DGON_OK)
        return s;
    drop_n(root, c);
    int bad = put_seed(root, index % c->each);
    bad |= put_prompt(root, c, index);
    s = bad == 0 ? dgon_tree_dump(out, root) : DGON_ENOMEM;
    json_decref(root);
    return s;
}
