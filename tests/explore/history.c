/* SPDX-License-Identifier: MIT */

/* The history: see history.h. */

#include "tell.h"
#include "world.h"

#include <string.h>

struct history_last history_last;

static unsigned caller(void) {
        return world.schedule.inside ? world.schedule.self : MAIN;
}

static struct call *begin(enum kind kind, unsigned batch, uint64_t before) {
        struct history *history = &world.history;
        struct call *call;

        if (history->alone) {
                if (history_last.count == LAST_MAX)
                        world_break("more calls than the history can hold");
                else
                        history_last.count++;
                call = &history_last.calls[history_last.count - 1];
                memset(call, 0, sizeof(*call));
        } else {
                unsigned self = caller(), place;

                if (history->made[self] == (self == MAIN ? MAIN_PLACES : PLACES)) {
                        world_break("more calls than the history can hold");
                        history->made[self]--;
                }
                place = self * PLACES + history->made[self]++;

                call = &history->calls[place];
                history->before[place] = before;
                history->invoked |= history_bit(place);
        }
        call->kind = (uint8_t)kind;
        call->batch = (uint8_t)batch;
        if (tell_on)
                tell_call("begins", call);
        return call;
}

struct call *history_begin(enum kind kind, unsigned batch) {
        explore_point();
        schedule_join_next_point();
        return begin(kind, batch, world.history.returned);
}

struct call *history_begin_part(enum kind kind, unsigned batch) {
        unsigned former = caller() * PLACES + world.history.made[caller()] - 1;

        return begin(kind, batch, world.history.returned | (world.history.alone ? 0 : history_bit(former)));
}

void history_end(struct call *call) {
        if (tell_on)
                tell_call("ends  ", call);
        if (!world.history.alone)
                world.history.returned |= history_bit((unsigned)(call - world.history.calls));
        world.schedule.joined = false;
}

void history_note_set(void) {
        struct history *history = &world.history;

        if (history->alone && history_last.count)
                history_last.calls[history_last.count - 1].rebuilt = 1;
        else if (!history->alone && history->made[caller()])
                history->calls[caller() * PLACES + history->made[caller()] - 1].rebuilt = 1;
}
