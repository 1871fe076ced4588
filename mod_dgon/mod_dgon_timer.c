#include "mod_dgon_timer.h"

#include <stddef.h>

void mod_dgon_wheel_init(mod_dgon_wheel *w, uint64_t now)
{
    for (unsigned i = 0; i < MOD_DGON_WHEEL_SLOTS; i++)
        w->slots[i].next = w->slots[i].prev = &w->slots[i];
    for (unsigned i = 0; i < MOD_DGON_WHEEL_SLOTS / 64; i++)
        w->used[i] = 0;
    w->tick = now / MOD_DGON_WHEEL_MS;
}

void mod_dgon_timer_stop(mod_dgon_timer *t)
{
    if (t->next == NULL)
        return;
    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->next = t->prev = NULL;
}

static void hang(mod_dgon_wheel *w, mod_dgon_timer *t)
{
    uint64_t tick = (t->due + MOD_DGON_WHEEL_MS - 1) / MOD_DGON_WHEEL_MS;
    if (tick <= w->tick)
        tick = w->tick + 1;
    /* beyond the horizon: hang in the last slot, it is hung again from there */
    if (tick >= w->tick + MOD_DGON_WHEEL_SLOTS)
        tick = w->tick + MOD_DGON_WHEEL_SLOTS - 1;
    unsigned slot = (unsigned)(tick % MOD_DGON_WHEEL_SLOTS);
    mod_dgon_timer *head = &w->slots[slot];
    t->hangs = tick;
    t->next = head;
    t->prev = head->prev;
    head->prev->next = t;
    head->prev = t;
    w->used[slot / 64] |= UINT64_C(1) << (slot % 64);
}

void mod_dgon_timer_set(mod_dgon_wheel *w, mod_dgon_timer *t, uint64_t due, mod_dgon_timer_fn fn)
{
    t->fn = fn;
    t->due = due;
    if (t->next != NULL) {
        if (due >= t->hangs * MOD_DGON_WHEEL_MS)
            return;
        mod_dgon_timer_stop(t);
    }
    hang(w, t);
}

static void run_slot(mod_dgon_wheel *w, unsigned slot, uint64_t now)
{
    mod_dgon_timer *head = &w->slots[slot];
    mod_dgon_timer due = {.next = head->next, .prev = head->prev};

    w->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    if (head->next == head)
        return;
    /* taken off as a whole, so that what is hung back into this slot waits for its next turn */
    due.next->prev = &due;
    due.prev->next = &due;
    head->next = head->prev = head;
    while (due.next != &due) {
        mod_dgon_timer *t = due.next;
        mod_dgon_timer_stop(t);
        if (t->due > now)
            hang(w, t);
        else
            t->fn(t, now);
    }
}

void mod_dgon_wheel_run(mod_dgon_wheel *w, uint64_t now)
{
    uint64_t upto = now / MOD_DGON_WHEEL_MS;
    /* after a long stop (SIGSTOP) one round fires all slots */
    if (upto > w->tick + MOD_DGON_WHEEL_SLOTS)
        w->tick = upto - MOD_DGON_WHEEL_SLOTS;
    while (w->tick < upto) {
        w->tick++;
        unsigned slot = (unsigned)(w->tick % MOD_DGON_WHEEL_SLOTS);
        if (w->used[slot / 64] & (UINT64_C(1) << (slot % 64)))
            run_slot(w, slot, now);
    }
}

int mod_dgon_wheel_wait(const mod_dgon_wheel *w, uint64_t now, int max)
{
    uint64_t limit = (uint64_t)max / MOD_DGON_WHEEL_MS + 1;
    for (uint64_t i = 1; i <= limit && i < MOD_DGON_WHEEL_SLOTS; i++) {
        unsigned slot = (unsigned)((w->tick + i) % MOD_DGON_WHEEL_SLOTS);
        /* a timer that was stopped leaves its slot's bit */
        if ((w->used[slot / 64] & (UINT64_C(1) << (slot % 64))) != 0 &&
            w->slots[slot].next != &w->slots[slot]) {
            uint64_t at = (w->tick + i) * MOD_DGON_WHEEL_MS;
            if (at <= now)
                return 0;
            return at - now < (uint64_t)max ? (int)(at - now) : max;
        }
    }
    return max;
}
