/* SPDX-License-Identifier: MIT */
/*
 * The body of the fuzzer: bytes in, operations on the library and on the model, and an end at the first difference. The
 * table below says how often each happens. What one operation does stands in descriptors.c, batches.c and deferred.c, what should
 * come of it in sequential/model.c. All is done by one thread, so a wait that sleeps although something is ready is ended by the
 * watchdog of whoever runs this.
 */
#include "body.h"

#include <stdlib.h>
#include <unistd.h>

#include "fault.h"
#include "world.h"

/* Each letter is as likely as any other. */
static const char table[] = "oooodccggtttttttttRRRRRRrrrraaaapmnnDDDDDuuTTTWwwwwwwwwwwwwlllkkkkIfffeGGGGGhissssxXy";

static void operate(struct world *world, char letter) {
        switch (letter) {
        case 'o':
                op_open(world);
                break;
        case 'd':
                op_dup(world);
                break;
        case 'c':
                op_close(world);
                break;
        case 'g':
                op_ghost(world);
                break;
        case 't':
                op_transfer(world);
                break;
        case 'R':
                op_registry(world, 0);
                break;
        case 'r':
                op_registry(world, 1);
                break;
        case 'a':
                op_registry(world, 2);
                break;
        case 'm':
                op_registry(world, 3);
                break;
        case 'n':
                op_registry(world, 4);
                break;
        case 'D':
                op_deadline(world);
                break;
        case 'u':
                op_trigger(world);
                break;
        case 'T':
                op_time(world);
                break;
        case 'W':
                op_wait_until(world);
                break;
        case 'p':
                op_registry(world, 5);
                break;
        case 'w':
                op_wait(world);
                break;
        case 'I':
                op_interrupt(world);
                break;
        case 'l':
                op_read(world);
                break;
        case 'x':
                op_clear(world);
                break;
        case 'k':
                op_waker(world);
                break;
        case 'f':
                op_defer(world);
                break;
        case 'e':
                op_epoch(world);
                break;
        case 'G':
                op_guard(world);
                break;
        case 'h':
                op_nest(world);
                break;
        case 'i':
                op_inspect(world);
                break;
        case 's':
                op_settle(world);
                break;
        case 'X':
                op_release(world);
                break;
        default:
                op_events(world);
        }
}

unsigned fuzz_body(const uint8_t *data, size_t size) {
        struct world *world = calloc(1, sizeof(*world));
        unsigned operations;

        if (!world)
                return 0;
        world->data = data;
        world->size = size;
        model_init(&world->model);
        fault_stop_clock(BEGINNING);
        world->model.now = BEGINNING;
        for (unsigned s = 0; s < SIDES; s++)
                world->sides[s].outer = -1;
        for (unsigned b = 0; b < BATCHES; b++)
                if (weir_events_create(b * b + 1, &world->events[b]) < 0)
                        world_differ(world, "events could not be made");
        while (world->size) {
                operate(world, table[world_pick(world, sizeof(table) - 1)]);
                world->operations++;
                world_sample(world);
                world_check(world);
        }
        /* What is still owed. The input is at its end, so this is about the first poll. */
        op_settle(world);
        world_end(world);
        for (unsigned n = 0; n < NUMBERS; n++)
                if (world->model.file_at[n])
                        close(BASE + (int)n);
        fault_stop_clock(-1);
        operations = world->operations;
        free(world);
        return operations;
}
