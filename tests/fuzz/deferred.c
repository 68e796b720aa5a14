/* SPDX-License-Identifier: MIT */
/* Operations on deferred functions. Read run() first: there it shows whether one is early. */
#include "world.h"

#include <errno.h>

static void run(struct weir_deferred *node) {
        struct function *function = (struct function *)(void *)((char *)node - offsetof(struct function, node));
        struct world *world = function->world;
        struct model_node *waits = &world->model.nodes[function - world->functions];
        struct weir_registry *registry = world->sides[function->side].registry;

        world_note(world, "function %u runs\n", (unsigned)(function - world->functions));
        if (!waits->waits)
                world_differ(world, "a deferred function that runs twice");
        if (waits->batches)
                world_differ(world, "a deferred function that runs before a batch is closed");
        if (world->running & 1u << function->side)
                world_differ(world, "a deferred function that runs inside another one");
        waits->waits = false;
        if (!registry)
                return;
        world->running |= 1u << function->side;
        if (weir_synchronize(registry) != -EDEADLK)
                world_differ(world, "weir_synchronize() inside a deferred function");
        if (function->again) {
                function->again--;
                waits->waits = true;
                waits->batches = model_batches(&world->model, function->side);
                weir_defer(registry, node, run);
        }
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
