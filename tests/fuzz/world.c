/* SPDX-License-Identifier: MIT */
/* What all operations of the fuzzer share: see world.h. Read world_check() first. */
#include "world.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- telling */

void world_note(struct world *world, const char *format, ...) {
        size_t room = sizeof(world->trace) - world->trace_length;
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(world->trace + world->trace_length, room, format, args);
        va_end(args);
        if (n > 0 && (size_t)n < room)
                world->trace_length += (size_t)n;
}

void world_differ(struct world *world, const char *what) {
        fprintf(stderr, "%s\nafter %u operations the library differs from the model: %s\n", world->trace,
                world->operations, what);
        abort();
}

void world_expect(struct world *world, int got, int wanted) {
        char text[80];

        world_note(world, " = %d\n", got);
        if (got == wanted)
                return;
        snprintf(text, sizeof(text), "the call returned %d, not %d", got, wanted);
        world_differ(world, text);
}

unsigned world_pick(struct world *world, unsigned limit) {
        if (!world->size)
                return 0;
        world->size--;
        return *world->data++ % limit;
}

weir_time world_pick_moment(struct world *world) {
        unsigned byte = world_pick(world, 256);

        if (byte >= 248)
                return (const weir_time[]){
                        -1, INT64_MIN, 0, 1, WEIR_NEVER, WEIR_NEVER - 1, WEIR_NEVER, BEGINNING
                }[byte % 8];
        /* Mostly within some milliseconds, seldom longer, so that sleeps are shortened. */
        return world->model.now + (byte < 224 ? ((int64_t)byte - 32) * 100000 : (int64_t)(byte - 223) * 20000000);
}

/* ---------------------------------------------------------------- after each operation */

void world_sample(struct world *world) {
        struct pollfd polls[NUMBERS];

        for (unsigned n = 0; n < NUMBERS; n++) {
                unsigned file = world->model.file_at[n];

                polls[n].fd = file && world->model.files[file].pollable ? BASE + (int)n : -1;
                polls[n].events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP;
                polls[n].revents = 0;
        }
        poll(polls, NUMBERS, 0);
        for (unsigned n = 0; n < NUMBERS; n++)
                if (polls[n].fd >= 0)
                        model_sample(&world->model, world->model.file_at[n], (uint32_t)polls[n].revents);
}

void world_check(struct world *world) {
        struct weir_stats stats;

        for (unsigned i = 0; i < NODES; i++)
                if (world->model.nodes[i].waits && !world->model.nodes[i].batches)
                        world_differ(world,
                                     "a deferred function did not run though nothing that it waited for is open");
        for (unsigned s = 0; s < SIDES; s++) {
                struct side *side = &world->sides[s];

                if (!side->registry)
                        continue;
                weir_registry_stats(side->registry, &stats);
                if (stats.registered != model_registered(&world->model, s) ||
                    stats.wakers != model_wakers(&world->model, s) ||
                    stats.deadlines != model_deadlines(&world->model, s) ||
                    stats.batches != (unsigned)__builtin_popcount(model_batches(&world->model, s)))
                        world_differ(world, "the figures of registrations, wakers, deadlines or batches");
                if (weir_epoch_passed(side->registry, side->epoch) != !side->epoch_batches)
                        world_differ(world, "whether an epoch has passed");
                if (stats.rebuilds != side->rebuilds)
                        model_rebuilt(&world->model, s);
                side->rebuilds = stats.rebuilds;
        }
}

void world_close_batch(struct world *world, unsigned batch) {
        model_batch_close(&world->model, batch);
        /* It is not waited for any more, though the object may open another one. */
        for (unsigned s = 0; s < SIDES; s++)
                world->sides[s].epoch_batches &= ~(1u << batch);
}
