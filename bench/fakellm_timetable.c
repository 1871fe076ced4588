#include "fakellm_timetable.h"

#include "fakellm_conn.h"

static struct conn **heap;
static size_t used, room;

static void place(size_t i, struct conn *c)
{
    heap[i] = c;
    c->place = i + 1;
}

static void settle(size_t i, struct conn *c)
{
    while (i && heap[(i - 1) / 2]->due > c->due) {
        place(i, heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (size_t k; (k = 2 * i + 1) < used; i = k) {
        if (k + 1 < used && heap[k + 1]->due < heap[k]->due) {
            k++;
        }
        if (heap[k]->due >= c->due) {
            break;
        }
        place(i, heap[k]);
    }
    place(i, c);
}

void timetable_put(struct conn *c, uint64_t due)
{
    c->due = due;
    if (c->place) {
        settle(c->place - 1, c);
        return;
    }
    if (used == room) {
        room = room ? room * 2 : 256;
        heap = realloc(heap, room * sizeof(struct conn *));
        if (!heap) {
            die("memory");
        }
    }
    used++;
    settle(used - 1, c);
}

void timetable_remove(struct conn *c)
{
    size_t i = c->place - 1;
    struct conn *last;

    if (!c->place) {
        return;
    }
    c->place = 0;
    last = heap[--used];
    if (last != c) {
        settle(i, last);
    }
}

struct conn *timetable_first(void)
{
    return used ? heap[0] : NULL;
}
