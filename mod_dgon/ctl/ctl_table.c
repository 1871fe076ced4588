/* Columns of text. */
#include "ctl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TURNS 16u

void ctl_table_begin(ctl_table *t, unsigned numbers, const char *const *titles)
{
    memset(t, 0, sizeof *t);
    t->numbers = numbers;
    t->rows = json_array();
    while (t->columns < CTL_COLUMNS && titles[t->columns] != NULL) {
        t->title[t->columns] = titles[t->columns];
        t->columns++;
    }
}

void ctl_table_row(ctl_table *t, const char *const *texts)
{
    json_t *row = json_array();
    for (unsigned i = 0; i < t->columns; i++) {
        bool empty = texts[i] == NULL || texts[i][0] == '\0';
        (void)json_array_append_new(row, json_string(empty ? "-" : texts[i]));
    }
    (void)json_array_append_new(t->rows, row);
}

/* Characters, not bytes: a column of UTF-8 keeps its edge. */
static int length(const char *s)
{
    int n = 0;
    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void cell(const ctl_table *t, unsigned i, const char *s, int width)
{
    int pad = width - length(s);
    bool right = (t->numbers >> i & 1) != 0;
    if (i + 1 == t->columns && !right)
        pad = 0;
    (void)printf("%s%*s%s%*s", i > 0 ? "  " : "", right ? pad : 0, "", s, right ? 0 : pad, "");
}

static const char *text_at(const ctl_table *t, size_t row, unsigned i)
{
    const char *s = json_string_value(json_array_get(json_array_get(t->rows, row), i));
    return s != NULL ? s : "";
}

void ctl_table_end(ctl_table *t, const char *none)
{
    size_t n = json_array_size(t->rows);
    int width[CTL_COLUMNS] = {0};
    for (unsigned i = 0; i < t->columns; i++) {
        width[i] = length(t->title[i]);
        for (size_t r = 0; r < n; r++)
            if (length(text_at(t, r, i)) > width[i])
                width[i] = length(text_at(t, r, i));
    }
    if (n == 0)
        (void)printf("%s\n", none);
    for (unsigned i = 0; n > 0 && i < t->columns; i++)
        cell(t, i, t->title[i], width[i]);
    for (size_t r = 0; r < n; r++) {
        (void)printf("\n");
        for (unsigned i = 0; i < t->columns; i++)
            cell(t, i, text_at(t, r, i), width[i]);
    }
    if (n > 0)
        (void)printf("\n");
    json_decref(t->rows);
    t->rows = NULL;
}

static char *turn(void)
{
    static char buffers[TURNS][32];
    static unsigned next;
    return buffers[next++ % TURNS];
}

const char *ctl_age(json_int_t since)
{
    long long s = (long long)time(NULL) - since;
    char *out = turn();
    if (since <= 0 || s < 0)
        return "-";
    if (s < 120)
        (void)snprintf(out, 32, "%lld s", s);
    else if (s < 7200)
        (void)snprintf(out, 32, "%lld min", s / 60);
    else if (s < 172800)
        (void)snprintf(out, 32, "%lld h", s / 3600);
    else
        (void)snprintf(out, 32, "%lld days", s / 86400);
    return out;
}

const char *ctl_number(json_int_t n)
{
    char *out = turn();
    (void)snprintf(out, 32, "%" JSON_INTEGER_FORMAT, n);
    return out;
}

const char *ctl_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    for (const char *at = s; at != NULL && *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return "?";
    return s != NULL ? s : "";
}

json_int_t ctl_int(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}
