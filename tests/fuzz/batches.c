/* SPDX-License-Identifier: MIT */
/*
 * Operations on polls, batches and wakers. Read take() first: there every event is compared. Then op_settle(): there everything
 * that must come must have come.
 */
#include "fault.h"
#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define OWED   200                   /* waits after which everything that is ready must have come */
#define EVENTS ((1u << BATCHES) - 1) /* of the bits of batches: a guard holds none */

static const unsigned capacities[BATCHES] = { 1, 2, 5 };

/* ---------------------------------------------------------------- polls */

unsigned world_pick_side(struct world *world) {
        unsigned s = world_pick(world, 4) == 3;
        struct side *side = &world->sides[s];

        if (side->registry)
                return s;
        *side = (struct side){ .outer = -1 };
        world_note(world, "create poll %u", s);
        world_expect(world, weir_poll_create(&side->poll), 0);
        side->registry = weir_registry_clone(weir_poll_registry(side->poll));
        model_create(&world->model, s);
        return s;
}

static void destroy_poll(struct world *world, unsigned s) {
        world_note(world, "destroy poll %u\n", s);
        weir_poll_destroy(world->sides[s].poll);
        world->sides[s].poll = NULL;
        world->model.sides[s].shut = true;
}

static void destroy_waker(struct world *world, unsigned s, unsigned w) {
        world_note(world, "destroy waker %u of %u\n", w, s);
        weir_waker_destroy(world->sides[s].wakers[w]);
        world->sides[s].wakers[w] = NULL;
        world->model.sides[s].wakers[w].exists = false;
}

static void release(struct world *world, unsigned s) {
        world_note(world, "release the registry of %u\n", s);
        weir_registry_release(world->sides[s].registry);
        world->sides[s].registry = NULL;
}

/* Ends a poll, or what outlived it. */
void op_release(struct world *world) {
        unsigned s = world_pick_side(world);

        if (world->sides[s].poll) {
                if (!world_pick(world, 8))
                        destroy_poll(world, s);
        } else if (!model_batches(&world->model, s)) {
                for (unsigned w = 0; w < WAKERS; w++)
                        destroy_waker(world, s, w);
                world_destroy_guards(world, s);
                release(world, s);
        }
}

/* ---------------------------------------------------------------- batches */

void op_events(struct world *world) {
        unsigned b = world_pick(world, BATCHES);

        world_note(world, "new events %u\n", b);
        world_close_batch(world, b);
        weir_events_destroy(world->events[b]);
        world_expect(world, weir_events_create(capacities[b], &world->events[b]), 0);
}

/*
 * Until the moment, and no longer than until something is due. An interrupt that was not seen yet ends it with 0 here, unless
 * there is something.
 */
static int wait_into(struct world *world, unsigned s, unsigned b, weir_time moment) {
        weir_time first = model_first_moment(&world->model, s), before = world->model.now, last = moment;
        int r;

        world_note(world, "wait on %u into events %u until %" PRId64, s, b, moment - BEGINNING);
        world_close_batch(world, b);
        /* What is due already, or of what another event is unread, may lie in an open batch. */
        if (first > before && first < last && !(model_batches(&world->model, s) & EVENTS))
                last = first;
        r = weir_poll_wait_until(world->sides[s].poll, world->events[b], moment);
        world->model.now = weir_now();
        world_note(world, " = %d, now it is %" PRId64 "\n", r, world->model.now - BEGINNING);
        world->interrupted = r == -EINTR && world->model.sides[s].interrupted;
        if (r == 0 && world->model.sides[s].interrupted)
                world_differ(world, "an interrupt that ends no wait");
        if (world->interrupted) {
                world->model.sides[s].interrupted = false;
                r = 0;
        } else if (r == 0 && world->model.now < moment) {
                world_differ(world, "a wait that ends early");
        }
        if (world->model.now > before && world->model.now > last)
                world_differ(world, "a wait that ends late");
        if (r < 0 || r > (int)capacities[b])
                world_differ(world, "the count of a wait");
        if (weir_events_is_empty(world->events[b]) != !r)
                world_differ(world, "whether a batch just fetched is empty");
        if (r > 0)
                model_batch_open(&world->model, b, s);
        world_check(world);
        return r;
}

/* Keeps an event of a descriptor, for a deregister by it. */
static void keep(struct world *world, unsigned s, const struct weir_event *event) {
        for (unsigned n = 0; n < NUMBERS; n++) {
                const struct model_registration *reg = &world->model.sides[s].registrations[n];

                if (reg->registered && reg->token == event->token && !world->sides[s].taken[n].registration)
                        world->sides[s].taken[n] = *event;
        }
}

/* Takes one event and compares it. False: there is none. */
static bool take(struct world *world, unsigned b) {
        struct weir_event event = { .token = 0 };
        int s = world->model.batch_of[b];
        const char *wrong;

        if (!weir_events_next(world->events[b], &event)) {
                if (!weir_events_is_empty(world->events[b]))
                        world_differ(world, "a batch with nothing in it that is not empty");
                return false;
        }
        world_note(world, "event of token %u, readiness %x\n", (unsigned)event.token, event.readiness);
        wrong = s < 0 ? "an event from no batch" : model_event(&world->model, (unsigned)s, &event);
        if (wrong)
                world_differ(world, wrong);
        keep(world, (unsigned)s, &event);
        if (weir_event_format(&event, NULL, 0) <= 0)
                world_differ(world, "the text of an event");
        return true;
}

void op_time(struct world *world) {
        unsigned byte = world_pick(world, 256);
        int64_t ns = byte < 200 ? byte * INT64_C(50000) : byte < 250 ? byte % 2 : INT64_C(1000000000);

        world_note(world, "%" PRId64 " ns pass\n", ns);
        fault_pass_time(ns);
        world->model.now = weir_now();
}

/* With a moment that may be refused, or long past, or long to come. */
void op_wait_until(struct world *world) {
        unsigned s = world_pick_side(world), b = world_pick(world, BATCHES);
        weir_time moment = world_pick_moment(world);
        uint64_t rebuilds;

        if (!world->sides[s].poll)
                return;
        if (moment < 0) {
                world_note(world, "wait on %u until a moment below 0", s);
                world_expect(world, weir_poll_wait_until(world->sides[s].poll, world->events[b], moment), -EINVAL);
                return;
        }
        /* Not for ever, if nothing is to come. */
        if (moment > world->model.now + INT64_C(1000000000))
                moment = world->model.now + INT64_C(1000000000);
        rebuilds = world->sides[s].rebuilds;
        if (wait_into(world, s, b, moment) && !take(world, b) && rebuilds == world->sides[s].rebuilds)
                world_differ(world, "a wait that returned nothing but stale events");
}

void op_wait(struct world *world) {
        unsigned s = world_pick_side(world), b = world_pick(world, BATCHES), reads = world_pick(world, 8);
        weir_time moment = world->model.now + (world_pick(world, 4) == 1);
        uint64_t rebuilds;

        if (!world->sides[s].poll)
                return;
        rebuilds = world->sides[s].rebuilds;
        if (wait_into(world, s, b, moment) && reads && !take(world, b) && rebuilds == world->sides[s].rebuilds)
                world_differ(world, "a wait that returned nothing but stale events");
        /* Mostly all, sometimes some, sometimes nothing. */
        for (unsigned i = 1; i < reads && (reads > 3 || i < 2); i++)
                take(world, b);
}

void op_interrupt(struct world *world) {
        unsigned s = world_pick_side(world);

        if (!world->sides[s].poll)
                return;
        world_note(world, "interrupt %u", s);
        world_expect(world, weir_poll_interrupt(world->sides[s].poll), 0);
        world->model.sides[s].interrupted = true;
}

void op_read(struct world *world) {
        unsigned b = world_pick(world, BATCHES), reads = 1 + world_pick(world, 6);

        while (reads-- && take(world, b))
                ;
}

void op_clear(struct world *world) {
        unsigned b = world_pick(world, BATCHES);

        world_note(world, "clear events %u\n", b);
        world_close_batch(world, b);
        weir_events_clear(world->events[b]);
}

/* ---------------------------------------------------------------- wakers */

void op_waker(struct world *world) {
        unsigned s = world_pick_side(world), w = world_pick(world, WAKERS), what = world_pick(world, 8);
        struct model_waker *waker = &world->model.sides[s].wakers[w];
        struct side *side = &world->sides[s];
        bool shut = world->model.sides[s].shut;

        if (!side->wakers[w]) {
                world_note(world, "create waker %u of %u, token %u", w, s, (unsigned)++world->last_token);
                world_expect(world, weir_waker_create(side->registry, world->last_token, &side->wakers[w]),
                             shut ? -ESHUTDOWN : 0);
                if (!shut)
                        *waker = (struct model_waker){ .exists = true, .token = world->last_token };
        } else if (what < 3) {
                weir_time moment = world_pick_moment(world);

                world_note(world, "set the deadline of waker %u of %u to %" PRId64, w, s,
                           moment < 0 ? moment : moment - BEGINNING);
                world_expect(world, weir_waker_set_deadline(side->wakers[w], moment),
                             model_waker_set_deadline(&world->model, s, w, moment));
        } else if (what < 7) {
                world_note(world, "wake %u of %u", w, s);
                world_expect(world, weir_waker_wake(side->wakers[w]), shut ? -ESHUTDOWN : 0);
                waker->pending = true;
        } else
                destroy_waker(world, s, w);
}

/* ---------------------------------------------------------------- the rest */

void op_nest(struct world *world) {
        unsigned s = world_pick_side(world);
        struct side *side = &world->sides[s];
        int fd;

        fd = weir_registry_fd(side->registry);
        world_note(world, "descriptor of poll %u = %d\n", s, fd);
        if (side->outer >= 0 ? fd != side->outer : world->model.sides[s].shut ? fd != -ESHUTDOWN : fd < 0)
                world_differ(world, "the descriptor of a poll");
        if (world->model.sides[s].shut)
                return;
        side->outer = fd;
        world_note(world, "register it in itself");
        world_expect(world, weir_register(side->registry, fd, 1, WEIR_READABLE), -EINVAL);
}

void op_inspect(struct world *world) {
        unsigned s = world_pick_side(world);
        char *text;
        int n;

        n = weir_registry_format(world->sides[s].registry, NULL, 0);
        text = n < 0 ? NULL : malloc((size_t)n + 1);
        if (!text || weir_registry_format(world->sides[s].registry, text, (size_t)n + 1) != n ||
            strlen(text) != (size_t)n)
                world_differ(world, "the text of a registry");
        free(text);
}

static bool is_loud(const struct side *side) {
        struct pollfd p = { .fd = side->outer, .events = POLLIN };

        return side->outer < 0 || poll(&p, 1, 0) == 1;
}

/* With nothing ready, a level-triggered ghost must not go on for ever. */
static void expect_no_ghost(struct world *world, unsigned s) {
        uint64_t before = UINT64_MAX;
        struct weir_stats stats;

        for (unsigned waits = 0; waits < 8; waits++) {
                weir_registry_stats(world->sides[s].registry, &stats);
                if (stats.stale == before)
                        return;
                before = stats.stale;
                if (wait_into(world, s, BATCHES - 1, 0))
                        return;
                if (world->interrupted)
                        before = UINT64_MAX;
        }
        world_differ(world, "a level-triggered ghost that goes on for ever");
}

/* Closes all batches and waits until everything that is ready has come. */
void op_settle(struct world *world) {
        unsigned s = world_pick_side(world), b = world_pick(world, BATCHES), outstanding, waits = 0;
        bool sleeps = world_pick(world, 2);
        uint64_t rebuilds;
        int r;

        if (!world->sides[s].poll)
                return;
        world_note(world, "settle %u\n", s);
        for (unsigned i = 0; i < BATCHES; i++) {
                world_close_batch(world, i);
                weir_events_clear(world->events[i]);
        }
        model_expect_levels(&world->model, s);
        while ((outstanding = model_outstanding(&world->model, s))) {
                if (!is_loud(&world->sides[s]))
                        world_differ(world, "an outer set that is not told of what is ready");
                if (waits++ == OWED)
                        world_differ(world, "something is ready and does not come");
                rebuilds = world->sides[s].rebuilds;
                r = wait_into(world, s, b, sleeps ? WEIR_NEVER : 0);
                if (!r && !world->interrupted)
                        world_differ(world, "something is ready and the wait returned nothing");
                if (!r)
                        continue;
                while (take(world, b))
                        r = 0;
                /* A new set shows that a number was closed without a word, and with that ends what was fetched of it. */
                if (r && rebuilds == world->sides[s].rebuilds)
                        world_differ(world, "a wait that returned nothing but stale events");
                world_close_batch(world, b);
                weir_events_clear(world->events[b]);
        }
        if (!model_has_ready_levels(&world->model, s))
                expect_no_ghost(world, s);
}

#define STEPS 5

void world_end(struct world *world) {
        static const unsigned orders[4][STEPS] = {
                { 0, 1, 2, 3, 4 }, { 4, 3, 2, 1, 0 }, { 1, 3, 0, 4, 2 }, { 2, 4, 0, 3, 1 }
        };
        const unsigned *order = orders[world_pick(world, 4)];

        for (unsigned step = 0; step < STEPS; step++)
                for (unsigned s = 0; s < SIDES; s++) {
                        if (order[step] == 0 && world->sides[s].poll)
                                destroy_poll(world, s);
                        if (order[step] == 1 && world->sides[s].registry)
                                release(world, s);
                        for (unsigned w = 0; order[step] == 2 && w < WAKERS; w++)
                                destroy_waker(world, s, w);
                        for (unsigned b = s; order[step] == 3 && b < BATCHES; b += SIDES) {
                                world_close_batch(world, b);
                                weir_events_destroy(world->events[b]);
                        }
                        if (order[step] == 4)
                                world_destroy_guards(world, s);
                }
        world_check(world);
        for (unsigned i = 0; i < NODES; i++)
                if (world->model.nodes[i].waits)
                        world_differ(world, "a deferred function that never ran");
}
