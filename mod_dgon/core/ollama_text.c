/* Requests without messages as Ollama wants them: /api/generate and /api/embed. */
#include "ollama_int.h"
#include "tree_int.h"

#include <string.h>

/* The only member of a list, or the thing itself; NULL: not one text. */
static json_t *only_text(json_t *v)
{
    if (json_is_array(v) && json_array_size(v) == 1)
        v = json_array_get(v, 0);
    return json_is_string(v) ? v : NULL;
}

dgon_status dgon_ollama_put_prompt(dgon_ollama_build *b)
{
    static const char *const never[] = {"logprobs", "echo"};
    json_t *prompt = only_text(json_object_get(b->request, "prompt"));
    json_t *suffix = dgon_ollama_given(b->request, "suffix");
    int64_t best = 1;
    if (prompt == NULL)
        return dgon_check_refuse(b->e, "unsupported_value", "prompt",
                                 "'prompt' must be one text for this model's backend.");
    for (size_t k = 0; k < sizeof never / sizeof never[0]; k++) {
        const json_t *v = dgon_ollama_given(b->request, never[k]);
        if (v != NULL && !json_is_false(v))
            return dgon_ollama_unsupported(b, never[k]);
    }
    if (dgon_ollama_given(b->request, "best_of") != NULL &&
        (!dgon_tree_whole(dgon_ollama_given(b->request, "best_of"), &best) || best != 1))
        return dgon_ollama_unsupported(b, "best_of");
    dgon_ollama_share(b, b->out, "prompt", prompt);
    if (suffix != NULL)
        dgon_ollama_share(b, b->out, "suffix", suffix);
    return dgon_ollama_check_unsupported(b);
}

dgon_status dgon_ollama_put_inputs(dgon_ollama_build *b)
{
    json_t *input = json_object_get(b->request, "input"), *v;
    json_t *dimensions = dgon_ollama_given(b->request, "dimensions");
    int64_t n;
    size_t i;
    bool texts = json_is_string(input) || json_is_array(input);
    json_array_foreach(input, i, v)
    {
        texts = texts && json_is_string(v);
    }
    if (!texts)
        return dgon_check_refuse(b->e, "unsupported_value", "input",
                                 "'input' must be texts for this model's backend, not tokens.");
    dgon_ollama_share(b, b->out, "input", input);
    if (dimensions != NULL && dgon_tree_whole(dimensions, &n))
        dgon_ollama_set(b, b->out, "dimensions", json_integer(n));
    return DGON_OK;
}
