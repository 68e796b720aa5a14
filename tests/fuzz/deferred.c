/* SPDX-License-Identifier: MIT */
/* Operations on deferred functions, and on guards, for which they wait. Read run() first: there it shows whether one is early. */
#include "world.h"

#include <errno.h>

/* ---------------------------------------------------------------- guards */

static void enter(struct world *world, unsigned g) {
        world_note(world, "enter guard %u of %u", g, world->readers[g].side);
        world_expect(world, weir_guard_enter(world->readers[g].guard),
                     model_enter(&world->model, g, world->readers[g].side));
}

static void leave(struct world *world, unsigned g) {
        world_note(world, "leave guard %u\n", g);
        world_close_batch(world, BATCHES + g);
        weir_guard_leave(world->readers[g].guard);
}

/* It is not there any more for the functions that run because it is left. */
static void destroy(struct world *world, unsigned g) {
        struct weir_guard *guard = world->readers[g].guard;

        world_note(world, "destroy guard %u\n", g);
        world->readers[g].guard = NULL;
        world_close_batch(world, BATCHES + g);
        weir_guard_destroy(guard);
}

/* In a function. */
static void enter_or_leave(struct world *world, unsigned g) {
        if (g >= GUARDS || !world->readers[g].guard)
                return;
        if (world->model.batch_of[BATCHES + g] < 0)
                enter(world, g);
        else
                leave(world, g);
}

void op_guard(struct world *world) {
        unsigned g = world_pick(world, GUARDS), what = world_pick(world, 16);
        struct reader *reader = &world->readers[g];

        if (!reader->guard) {
                reader->side = world_pick_side(world);
                world_note(world, "create guard %u of %u", g, reader->side);
                world_expect(world, weir_guard_create(world->sides[reader->side].registry, &reader->guard),
                             world->model.sides[reader->side].shut ? -ESHUTDOWN : 0);
        }
        if (!reader->guard)
                return;
        if (what < 8)
                enter(world, g);
        else if (what < 15)
                leave(world, g);
        else
                destroy(world, g);
}

void world_destroy_guards(struct world *world, unsigned side) {
        for (unsigned g = 0; g < GUARDS; g++)
                if (world->readers[g].guard && world->readers[g].side == side)
                        destroy(world, g);
}

/* ---------------------------------------------------------------- deferred functions */

static void run(struct weir_deferred *node) {
        struct function *function = (struct function *)(void *)((char *)node - offsetof(struct function, node));
        struct world *world = function->world;
        struct model_node *waits = &world->model.nodes[function - world->functions];
        struct weir_registry *registry = world->sides[function->side].registry;

        world_note(world, "function %u runs\n", (unsigned)(function - world->functions));
        if (!waits->waits)
                world_differ(world, "a deferred function that runs twice");
        if (waits->batches)
                world_differ(world, "a deferred function that runs before a batch is closed, or a guard left");
        if (world->running & 1u << function->side)
                world_differ(world, "a deferred function that runs inside another one");
        waits->waits = false;
        if (!registry)
                return;
        world->running |= 1u << function->side;
        if (weir_synchronize(registry) != -EDEADLK)
                world_differ(world, "weir_synchronize() inside a deferred function");
        enter_or_leave(world, function->before);
        if (function->again) {
                function->again--;
                waits->waits = true;
                waits->batches = model_batches(&world->model, function->side);
                weir_defer(registry, node, run);
        }
        enter_or_leave(world, function->after);
        world->running &= ~(1u << function->side);
}

void op_defer(struct world *world) {
        unsigned s = world_pick_side(world), again = world_pick(world, 4), i;
        struct function *function;

        for (i = 0; i < NODES && world->model.nodes[i].waits; i++)
                ;
        if (i == NODES)
                return;
        function = &world->functions[i];
        *function = (struct function){ .world = world, .side = s, .again = again == 3 ? 2 : 0 };
        function->before = world_pick(world, 2 * GUARDS);
        function->after = world_pick(world, 2 * GUARDS);
        world_note(world, "defer function %u on %u\n", i, s);
        world->model.nodes[i] = (struct model_node){ true, model_batches(&world->model, s) };
        weir_defer(world->sides[s].registry, &function->node, run);
}

void op_epoch(struct world *world) {
        unsigned s = world_pick_side(world);
        struct side *side = &world->sides[s];

        world_note(world, "epoch of %u, synchronize", s);
        side->epoch = weir_epoch_now(side->registry);
        side->epoch_batches = model_batches(&world->model, s);
        world_expect(world, weir_synchronize(side->registry), side->epoch_batches ? -EDEADLK : 0);
}
