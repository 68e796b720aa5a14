/* SPDX-License-Identifier: MIT */
/*
 * Of each batch only a few events are read, or only a few fit, while everything is ready again before each wait: none of it
 * starves. With n things ready, each is handed out at least once in any 2 * n + 2 waits in a row.
 */
#include "../support.h"

#define MAX_THINGS 8

enum kind { KIND_LEVEL, KIND_EDGE, KIND_ONESHOT, KIND_WAKER, N_KINDS };

struct thing {
        enum kind kind;
        int fd;
        struct weir_waker *waker;
        bool owned;    /* of a one-shot: taken, and not rearmed yet */
        unsigned last; /* the wait that handed it out last */
};

struct world {
        struct fixture *fx;
        struct thing things[MAX_THINGS];
        unsigned n;
};

static void world_make(struct world *world, struct fixture *fx, const unsigned counts[N_KINDS]) {
        const weir_interest modes[] = { WEIR_LEVEL, 0, WEIR_ONESHOT };

        memset(world, 0, sizeof(*world));
        world->fx = fx;
        for (unsigned kind = 0; kind < N_KINDS; kind++) {
                for (unsigned i = 0; i < counts[kind]; i++) {
                        struct thing *thing = &world->things[world->n];

                        thing->kind = kind;
                        if (kind == KIND_WAKER) {
                                assert_int_equal(weir_waker_create(fx->registry, world->n, &thing->waker), 0);
                        } else {
                                thing->fd = make_eventfd(1);
                                assert_int_equal(
                                        weir_register(fx->registry, thing->fd, world->n, WEIR_READABLE | modes[kind]),
                                        0);
                        }
                        world->n++;
                }
        }
}

static void world_end(struct world *world) {
        for (unsigned i = 0; i < world->n; i++) {
                struct thing *thing = &world->things[i];

                if (thing->kind == KIND_WAKER) {
                        weir_waker_destroy(thing->waker);
                } else {
                        assert_int_equal(weir_deregister(world->fx->registry, thing->fd), 0);
                        close(thing->fd);
                }
        }
}

/* All of it is ready now; an edge is a new one. */
static void make_ready(struct world *world) {
        for (unsigned i = 0; i < world->n; i++) {
                struct thing *thing = &world->things[i];

                switch (thing->kind) {
                case KIND_WAKER:
                        assert_int_equal(weir_waker_wake(thing->waker), 0);
                        break;
                case KIND_ONESHOT:
                        if (thing->owned) {
                                drain(thing->fd);
                                assert_int_equal(weir_rearm(world->fx->registry, thing->fd, WEIR_READABLE), 0);
                                thing->owned = false;
                        }
                        ring(thing->fd);
                        break;
                case KIND_EDGE:
                        ring(thing->fd);
                        break;
                default:
                        break;
                }
        }
}

/* Reads this many events of each batch. Returns the longest run of waits that one thing was left out of. */
static unsigned longest_gap(struct world *world, struct weir_events *events, unsigned budget) {
        unsigned bound = 2 * world->n + 2, longest = 0;
        struct weir_event event;

        for (unsigned wait = 1; wait <= 5 * bound; wait++) {
                make_ready(world);
                assert_true(wait_ms(world->fx->poll, events, 0) > 0);
                for (unsigned i = 0; i < budget && weir_events_next(events, &event); i++) {
                        assert_true(event.token < world->n);
                        world->things[event.token].last = wait;
                        world->things[event.token].owned = true;
                }
                /* Closed by a clear or by the next wait. */
                if (wait % 2)
                        weir_events_clear(events);
                for (unsigned i = 0; i < world->n; i++)
                        if (wait - world->things[i].last > longest)
                                longest = wait - world->things[i].last;
        }
        weir_events_clear(events);
        return longest;
}

static void g7_what_is_left_unread_comes_before_what_is_newer(void **state) {
        struct fixture *fx = *state;
        unsigned counts[N_KINDS], starved = 0, runs = 0;
        struct weir_events *events;
        struct world world;
        unsigned gap;

        for (unsigned mix = 0; mix < 81; mix++) {
                for (unsigned kind = 0, rest = mix; kind < N_KINDS; kind++, rest /= 3)
                        counts[kind] = rest % 3;
                if (counts[0] + counts[1] + counts[2] + counts[3] < 2)
                        continue;
                for (unsigned capacity = 1; capacity <= 5; capacity++) {
                        assert_int_equal(weir_events_create(capacity, &events), 0);
                        for (unsigned budget = 1; budget <= 4 && budget <= capacity; budget++) {
                                world_make(&world, fx, counts);
                                gap = longest_gap(&world, events, budget);
                                runs++;
                                if (gap >= 2 * world.n + 2 && starved++ == 0)
                                        print_error("%u level, %u edge, %u one-shot, %u wakers, capacity %u, %u read: "
                                                    "one is "
                                                    "left out of %u waits in a row\n",
                                                    counts[0], counts[1], counts[2], counts[3], capacity, budget, gap);
                                world_end(&world);
                        }
                        weir_events_destroy(events);
                }
        }
        if (starved)
                print_error("%u of %u mixes starve\n", starved, runs);
        assert_int_equal(starved, 0);
}

/* The handler of a waker wakes it again, at the worst moment, which is before the batch is closed. */
static void g9_waker_that_wakes_itself_does_not_starve_a_descriptor(void **state) {
        const weir_interest modes[] = { WEIR_LEVEL, 0, WEIR_ONESHOT };
        struct fixture *fx = *state;
        struct weir_events *single = NULL;
        struct weir_waker *waker = NULL;
        struct weir_event event;
        unsigned waits;
        int fd;

        assert_int_equal(weir_events_create(1, &single), 0);
        assert_int_equal(weir_waker_create(fx->registry, 1, &waker), 0);
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                assert_int_equal(weir_waker_wake(waker), 0);
                fd = make_eventfd(1);
                assert_int_equal(weir_register(fx->registry, fd, 2, WEIR_READABLE | modes[m]), 0);
                for (waits = 1; waits < 100; waits++) {
                        assert_int_equal(wait_ms(fx->poll, single, 0), 1);
                        assert_true(weir_events_next(single, &event));
                        if (event.token == 2)
                                break;
                        assert_int_equal(weir_waker_wake(waker), 0);
                }
                assert_in_range(waits, 1, 6);
                weir_events_clear(single);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
                close(fd);
        }
        weir_waker_destroy(waker);
        weir_events_destroy(single);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g7_what_is_left_unread_comes_before_what_is_newer),
                CASE(g9_waker_that_wakes_itself_does_not_starve_a_descriptor),
        };

        return cmocka_run_group_tests_name("unread_entries_starve", cases, NULL, NULL);
}
