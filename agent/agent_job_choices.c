/* A job whose client wants several choices of a backend that gives fewer at a time: they are asked
 * for one after another, for the job has one slot of the agent. A kind that knows n is asked for
 * all of them first, and then for those that its answer lacked (an older llama-server heeds no n).
 * Not where n and several prompts come together: a backend that heeds no n numbers its choices
 * otherwise, and which of them lack could not be told. */
#include "agent_job.h"

#include "dgon/alloc.h"

#include <string.h>

struct agent_job_choices {
    dgon_choices plan;
    unsigned at;   /* the choice that is being asked for; 0 as well while all are */
    bool due;      /* the exchange for it is to begin */
    dgon_buf body; /* the client's */
};

static dgon_status out_of_memory(dgon_error *e)
{
    dgon_error_set(e, 500, NULL, NULL, "The agent is out of memory.");
    return DGON_ENOMEM;
}

/* j->body becomes the body that asks for choice `at` alone. */
static dgon_status ask_for_one(agent_job *j)
{
    agent_job_choices *c = j->choices;
    dgon_buf_fini(&j->body);
    dgon_buf_init(&j->body, j->table->body_max + 65536u);
    return dgon_choices_body(&j->body, &c->plan, c->at, c->body.data, c->body.len);
}

static dgon_status keep(agent_job *j, const dgon_choices *plan)
{
    agent_job_choices *c = dgon_calloc(1, sizeof *c);
    if (c == NULL) {
        return DGON_ENOMEM;
    }
    c->plan = *plan;
    dgon_buf_init(&c->body, j->table->body_max);
    j->choices = c;
    return dgon_buf_add(&c->body, j->body.data, j->body.len);
}

dgon_status agent_job_choices_begin(agent_job *j, dgon_error *e)
{
    dgon_choices plan;
    dgon_status s = dgon_choices_read(&plan, j->op, j->body.data, j->body.len, e);
    if (s == DGON_EINVAL || (s == DGON_OK && dgon_choices_total(&plan) == 1)) {
        return s; /* e says why */
    }
    if (s == DGON_OK) {
        s = keep(j, &plan);
    }
    bool mixed = plan.prompts > 1 && plan.each > 1;
    if (s == DGON_OK && (j->ops->one_choice || mixed)) {
        s = ask_for_one(j);
    }
    return s == DGON_OK ? s : out_of_memory(e);
}

void agent_job_choices_begun(agent_job *j)
{
    if (j->choices != NULL) {
        j->x.chat.wanted = dgon_choices_total(&j->choices->plan);
    }
}

bool agent_job_choices_more(agent_job *j)
{
    agent_job_choices *c = j->choices;
    if (c == NULL || j->x.chat.roles != j->x.chat.finishes) {
        return false; /* what it lacks is for dgon_chat_end() to say */
    }
    unsigned next = dgon_chat_missing(&j->x.chat);
    if (next >= j->x.chat.wanted || next <= c->at) {
        return false;
    }
    c->at = next;
    c->due = true;
    return true;
}

bool agent_job_choices_due(const agent_job *j)
{
    return j->choices != NULL && j->choices->due;
}

dgon_status agent_job_choices_next(agent_job *j, dgon_error *e)
{
    agent_job_choices *c = j->choices;
    c->due = false;
    j->ops->fini(&j->x);
    j->x.reading = false;
    dgon_chat_next(&j->x.chat, c->at, c->at % c->plan.each != 0);
    return ask_for_one(j) == DGON_OK ? DGON_OK : out_of_memory(e);
}

void agent_job_choices_free(agent_job *j)
{
    if (j->choices != NULL) {
        dgon_buf_fini(&j->choices->body);
        dgon_free(j->choices);
    }
}
