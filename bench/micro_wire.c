/* The record codec: a message of n records of 200 bytes, written and read. */
#include "dgon/wire.h"
#include "micro.h"

#define PAYLOAD 200u

struct message {
    unsigned char *p;
    size_t records, len;
};

static void write_message(void *user)
{
    struct message *m = user;
    unsigned char *p = m->p;

    for (size_t i = 0; i < m->records; i++) {
        dgon_record r = {
            .job = (uint32_t)i, .type = DGON_REC_EVENT, .attempt = 1, .n = 1, .len = PAYLOAD};

        dgon_wire_put_header(p, &r);
        p += DGON_WIRE_HEADER + PAYLOAD;
    }
    m->len = (size_t)(p - m->p);
}

static void read_message(void *user)
{
    struct message *m = user;
    size_t at = 0, n = 0;
    dgon_record r;
    dgon_status s;

    while ((s = dgon_wire_next(m->p, m->len, &at, &r)) == DGON_OK) {
        n += r.len;
    }
    micro_check(s == DGON_DONE && n == m->records * PAYLOAD, "records");
}

int main(void)
{
    static const size_t records[] = {1, 10, 1000};

    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        struct message m = {.records = records[i]};

        m.p = calloc(m.records, DGON_WIRE_HEADER + PAYLOAD);
        micro_check(m.p != NULL, "memory");
        micro_run("wire write, record", m.records, m.records, 5 * MS, write_message, &m);
        micro_run("wire read, record", m.records, m.records, 5 * MS, read_message, &m);
        free(m.p);
    }
    return 0;
}
