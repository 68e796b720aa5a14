/* SPDX-License-Identifier: MIT */

/* The world: see world.h. */

#include "world.h"

#include <string.h>

#define FREED 0xdd

struct world world;

void world_break(const char *what) {
        if (!world.broken)
                world.broken = what;
}

/* ---------------------------------------------------------------- the arena */

void *world_alloc(size_t size) {
        size_t room = (size + 63) / 64 * 64;
        unsigned char *memory = world.arena + world.arena_used;

        if (size > ARENA || world.arena_used + room > ARENA) {
                world_break("memory for more than the program has");
                return NULL;
        }
        world.arena_used += (uint32_t)room;
        world.allocated += (uint32_t)room;
        return memset(memory, 0, room);
}

void world_free(void *memory, size_t size) {
        size_t room = (size + 63) / 64 * 64;

        world.allocated -= (uint32_t)room;
        memset(memory, FREED, room);
}

bool world_is_clean(void) {
        if (world.allocated)
                return false;
        for (uint32_t i = 0; i < world.arena_used; i++)
                if (world.arena[i] != FREED)
                        return false;
        return true;
}

/* ---------------------------------------------------------------- saving */

unsigned char *world_save(unsigned char *to) {
        size_t size = offsetof(struct world, arena) + world.arena_used;

        memcpy(to, &world, size);
        to += size;
        for (unsigned i = 0; i < THREADS; i++) {
                const unsigned char *stack = schedule_stack(i, &size);

                memcpy(to, stack, size);
                to += size;
        }
        return to;
}

void world_restore(const unsigned char *from) {
        size_t size = offsetof(struct world, arena) + ((const struct world *)(const void *)from)->arena_used;

        memcpy(&world, from, size);
        from += size;
        for (unsigned i = 0; i < THREADS; i++) {
                unsigned char *stack = schedule_stack(i, &size);

                memcpy(stack, from, size);
                from += size;
        }
}

static uint64_t mix(uint64_t hash, const void *data, size_t size) {
        const unsigned char *bytes = data;

        for (; size >= 8; size -= 8, bytes += 8) {
                uint64_t word;

                memcpy(&word, bytes, 8);
                hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 29;
        }
        for (; size; size--)
                hash = (hash ^ *bytes++) * UINT64_C(0x100000001b3);
        return hash;
}

uint64_t world_hash(void) {
        uint64_t hash = mix(0, &world.kernel, sizeof(world.kernel));

        hash = mix(hash, &world.history, sizeof(world.history));
        hash = mix(hash, world.deferrals, sizeof(world.deferrals));
        hash = mix(hash, world.arena, world.arena_used);
        for (unsigned i = 0; i < THREADS; i++)
                hash = mix(hash, &world.schedule.threads[i].state, sizeof(enum thread_state));
        return hash;
}
