/* SPDX-License-Identifier: MIT */
/*
 * G13 with several threads: an earlier deadline and a trigger reach a sleeper; what was written before a set or a trigger is seen
 * by the taker; a one-shot is with one thread at a time, be it for data, for time or for a word; and of a register and a
 * trigger_all at once, one sees the other.
 */
#include "g13.h"

static int registered(struct fixture *fx, weir_token token, weir_interest interest) {
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, token, interest), 0);
        return fd;
}

static void end(struct fixture *fx, int fd) {
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g13_earlier_deadline_ends_a_sleep(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct waiter waiter;
        weir_time moment;
        int fd = registered(fx, 1, WEIR_READABLE);

        assert_int_equal(weir_waker_create(fx->registry, 2, &waker), 0);
        for (unsigned i = 0; i < 6; i++) {
                /* It sleeps for ever, at first for no deadline was ever set; or for long. */
                assert_int_equal(weir_waker_set_deadline(waker, i % 2 ? far_off() : WEIR_NEVER), 0);
                waiter_start(&waiter, fx->poll);
                worker_settle(&waiter.worker);
                moment = in_ms(i / 2);
                if (i < 4)
                        assert_int_equal(weir_set_deadline(fx->registry, fd, moment), 0);
                else
                        assert_int_equal(weir_waker_set_deadline(waker, moment), 0);
                assert_int_equal(waiter_join(&waiter), 1);
                assert_int_equal(waiter.got[0].token, i < 4 ? 1 : 2);
                assert_int_equal(waiter.got[0].readiness, TIMEOUT);
                assert_true(weir_now() >= moment);
        }
        weir_waker_destroy(waker);
        end(fx, fd);
}

static void g13_each_earlier_deadline_ends_a_sleep_again(void **state) {
        enum { COUNT = 20 };
        struct fixture *fx = *state;
        struct waiter waiter;
        int fds[COUNT];

        for (unsigned i = 0; i < COUNT; i++)
                fds[i] = registered(fx, i, WEIR_READABLE);
        waiter_start(&waiter, fx->poll);
        for (unsigned i = 0; i < COUNT; i++) {
                /* Each is earlier than the one before, and all but the last far off. */
                assert_int_equal(
                        weir_set_deadline(fx->registry, fds[i], i < COUNT - 1 ? far_off() - i * 1000 * MS : in_ms(1)),
                        0);
                if (i % 3 == 0)
                        worker_settle(&waiter.worker);
        }
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, COUNT - 1);
        for (unsigned i = 0; i < COUNT; i++)
                end(fx, fds[i]);
}

static void g13_trigger_ends_a_sleep(void **state) {
        struct fixture *fx = *state;
        struct waiter waiter;
        int fd = registered(fx, 1, WEIR_READABLE);

        for (unsigned all = 0; all < 2; all++) {
                waiter_start(&waiter, fx->poll);
                worker_settle(&waiter.worker);
                if (all)
                        assert_int_equal(weir_trigger_all(fx->registry), 1);
                else
                        assert_int_equal(weir_trigger(fx->registry, fd), 0);
                assert_int_equal(waiter_join(&waiter), 1);
                assert_int_equal(waiter.got[0].token, 1);
                assert_int_equal(waiter.got[0].readiness, TRIGGERED);
        }
        end(fx, fd);
}

/* ---------------------------------------------------------------- happens-before */

struct letter {
        struct fixture *fx;
        int fd;
        bool by_time;
        unsigned text; /* plain, so a sanitizer sees a missing edge */
};

static int send_letter(void *arg) {
        struct letter *letter = arg;

        letter->text++;
        if (letter->by_time)
                REQUIRE(weir_set_deadline(letter->fx->registry, letter->fd, weir_now() + 1000) == 0);
        else
                REQUIRE(weir_trigger(letter->fx->registry, letter->fd) == 0);
        return 0;
}

static void g13_taker_sees_what_was_written_before(void **state) {
        struct fixture *fx = *state;
        struct letter letter = { .fx = fx, .fd = registered(fx, 1, WEIR_READABLE) };
        struct weir_event event;
        struct worker worker;

        for (unsigned i = 0; i < 200; i++) {
                letter.by_time = i % 2;
                worker_start(&worker, send_letter, &letter);
                event = expect_one(fx, 1);
                assert_int_equal(event.readiness, letter.by_time ? TIMEOUT : TRIGGERED);
                assert_int_equal(letter.text, i + 1);
                assert_int_equal(worker_join(&worker), 0);
        }
        end(fx, letter.fd);
}

/* ---------------------------------------------------------------- one owner */

#define READERS 3
#define PAIRS   5
#define WORDS   3000 /* for each connection */

struct connection {
        int fds[2];
        atomic_int owners;
        unsigned plain; /* touched by the owner alone, so a sanitizer sees a second one */
        atomic_int queued;
        unsigned heard, received, idled; /* by the owner alone */
};

struct company {
        struct fixture *fx;
        struct connection connections[PAIRS];
        atomic_int heard, received, crowded;
        struct latch stop;
};

static int serve(struct company *company, const struct weir_event *event) {
        struct connection *connection = weir_token_ptr(event->token);
        int heard, received;

        if (atomic_fetch_add_explicit(&connection->owners, 1, memory_order_relaxed))
                atomic_fetch_add_explicit(&company->crowded, 1, memory_order_relaxed);
        connection->plain++;
        connection->idled += weir_event_is_timeout(event);
        heard = atomic_exchange_explicit(&connection->queued, 0, memory_order_relaxed);
        connection->heard += (unsigned)heard;
        received = weir_event_is_readable(event) ? (int)drain(connection->fds[0]) : 0;
        connection->received += (unsigned)received;
        /* Ahead of the rearm, for a short time, so that it often passes. */
        REQUIRE(weir_set_deadline(company->fx->registry, connection->fds[0],
                                  weir_registry_moment(company->fx->registry) + connection->plain % 7 * 10000) == 0);
        atomic_fetch_sub_explicit(&connection->owners, 1, memory_order_relaxed);
        REQUIRE(weir_rearm(company->fx->registry, connection->fds[0], WEIR_READABLE) == 0);
        atomic_fetch_add_explicit(&company->heard, heard, memory_order_relaxed);
        atomic_fetch_add_explicit(&company->received, received, memory_order_relaxed);
        return 0;
}

static int serve_in_turns(void *arg) {
        struct company *company = arg;
        struct weir_events *events = NULL;
        struct weir_event event;
        int r;

        REQUIRE(weir_events_create(3, &events) == 0);
        while (!latch_is_set(&company->stop)) {
                r = wait_ms(company->fx->poll, events, 2);
                if (r == -EBUSY) {
                        sched_yield();
                        continue;
                }
                REQUIRE(r >= 0);
                while (weir_events_next(events, &event)) {
                        r = serve(company, &event);
                        if (r)
                                return r;
                }
        }
        weir_events_destroy(events);
        return 0;
}

static int speak(void *arg) {
        struct company *company = arg;

        for (unsigned i = 0; i < WORDS; i++) {
                for (unsigned p = 0; p < PAIRS; p++) {
                        struct connection *connection = &company->connections[p];

                        atomic_fetch_add_explicit(&connection->queued, 1, memory_order_relaxed);
                        if (i % 100)
                                REQUIRE(weir_trigger(company->fx->registry, connection->fds[0]) == 0);
                        else
                                REQUIRE(weir_trigger_all(company->fx->registry) == PAIRS);
                }
        }
        return 0;
}

static int write_bytes(void *arg) {
        struct company *company = arg;

        for (unsigned i = 0; i < WORDS; i++)
                for (unsigned p = 0; p < PAIRS; p++)
                        while (write(company->connections[p].fds[1], "x", 1) != 1) {
                                REQUIRE(errno == EAGAIN);
                                sched_yield();
                        }
        return 0;
}

static void g13_oneshot_has_one_owner_for_data_time_and_words(void **state) {
        static struct company company;
        struct fixture *fx = *state;
        struct worker readers[READERS], speaker, writer;
        unsigned idled = 0;

        memset(&company, 0, sizeof(company));
        company.fx = fx;
        for (unsigned p = 0; p < PAIRS; p++) {
                make_socketpair(company.connections[p].fds);
                assert_int_equal(weir_register(fx->registry, company.connections[p].fds[0],
                                               weir_ptr_token(&company.connections[p]), WEIR_READABLE | WEIR_ONESHOT),
                                 0);
                assert_int_equal(weir_set_deadline(fx->registry, company.connections[p].fds[0], PASSED), 0);
        }
        for (unsigned i = 0; i < READERS; i++)
                worker_start(&readers[i], serve_in_turns, &company);
        worker_start(&speaker, speak, &company);
        worker_start(&writer, write_bytes, &company);
        assert_int_equal(worker_join(&speaker), 0);
        assert_int_equal(worker_join(&writer), 0);
        /* Each fails by its deadline if a word or an edge was missed. */
        (void)reached(&company.heard, PAIRS * WORDS);
        (void)reached(&company.received, PAIRS * WORDS);
        latch_set(&company.stop);
        for (unsigned i = 0; i < READERS; i++)
                assert_int_equal(worker_join(&readers[i]), 0);
        assert_int_equal(company.crowded, 0);
        for (unsigned p = 0; p < PAIRS; p++) {
                assert_int_equal(company.connections[p].heard, WORDS);
                assert_int_equal(company.connections[p].received, WORDS);
                idled += company.connections[p].idled;
                assert_int_equal(weir_deregister(fx->registry, company.connections[p].fds[0]), 0);
                close_pair(company.connections[p].fds);
        }
        assert_true(idled > 0);
}

/* ---------------------------------------------------------------- trigger_all against register */

struct ending {
        struct fixture *fx;
        atomic_bool flag;
        bool seen; /* by the registering thread, after its return */
        int fd;
        pthread_barrier_t begin;
};

static int register_and_look(void *arg) {
        struct ending *ending = arg;

        barrier_pass(&ending->begin);
        REQUIRE(weir_register(ending->fx->registry, ending->fd, 1, WEIR_READABLE) == 0);
        ending->seen = atomic_load_explicit(&ending->flag, memory_order_relaxed);
        return 0;
}

static void g13_registration_is_triggered_or_sees_what_was_written_before_trigger_all(void **state) {
        struct fixture *fx = *state;
        struct ending ending = { .fx = fx };
        struct weir_event got[BATCH];
        struct worker worker;
        int found, events;

        barrier_make(&ending.begin, 2);
        for (unsigned i = 0; i < 300; i++) {
                ending.fd = make_eventfd(0);
                ending.seen = false;
                atomic_store_explicit(&ending.flag, false, memory_order_relaxed);
                worker_start(&worker, register_and_look, &ending);
                barrier_pass(&ending.begin);
                atomic_store_explicit(&ending.flag, true, memory_order_relaxed);
                found = weir_trigger_all(fx->registry);
                assert_int_equal(worker_join(&worker), 0);
                assert_in_range(found, 0, 1);
                assert_true(found || ending.seen);
                events = collect(fx->poll, fx->events, 0, got, BATCH);
                assert_int_equal(events, found);
                end(fx, ending.fd);
        }
        pthread_barrier_destroy(&ending.begin);
}

/* ---------------------------------------------------------------- moved by another thread */

struct mover {
        struct fixture *fx;
        int fd;
        struct latch stop;
        atomic_int moves;
};

static int move_to_and_fro(void *arg) {
        struct mover *mover = arg;

        while (!latch_is_set(&mover->stop)) {
                int moves = atomic_fetch_add_explicit(&mover->moves, 1, memory_order_relaxed);

                REQUIRE(weir_set_deadline(mover->fx->registry, mover->fd,
                                          moves % 3 ? far_off() : weir_now() + moves % 50 * 1000) == 0);
        }
        REQUIRE(weir_set_deadline(mover->fx->registry, mover->fd, WEIR_NEVER) == 0);
        return 0;
}

/* Whatever comes between two sets, what comes after the last one does not, and the figures agree. */
static void g13_sets_beside_a_waiter_leave_nothing_behind(void **state) {
        const weir_interest modes[] = { WEIR_READABLE, WEIR_READABLE | WEIR_LEVEL };
        struct fixture *fx = *state;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                struct mover mover = { .fx = fx, .fd = registered(fx, 1, modes[m]) };
                uint64_t before = stats_of(fx->registry).timeouts, got = 0;
                struct weir_event event;
                struct worker worker;

                worker_start(&worker, move_to_and_fro, &mover);
                while (got < 200 && atomic_load_explicit(&mover.moves, memory_order_relaxed) < 200000) {
                        assert_true(wait_ms(fx->poll, fx->events, 1) >= 0);
                        while (weir_events_next(fx->events, &event)) {
                                assert_int_equal(event.token, 1);
                                assert_int_equal(event.readiness, TIMEOUT);
                                got++;
                        }
                }
                latch_set(&mover.stop);
                assert_int_equal(worker_join(&worker), 0);
                weir_events_clear(fx->events);
                assert_int_equal(stats_of(fx->registry).timeouts - before, got);
                expect_silence(fx);
                assert_int_equal(weir_set_deadline(fx->registry, mover.fd, PASSED), 0);
                expect_timeout(fx, 1);
                end(fx, mover.fd);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g13_earlier_deadline_ends_a_sleep),
                CASE(g13_each_earlier_deadline_ends_a_sleep_again),
                CASE(g13_trigger_ends_a_sleep),
                CASE(g13_taker_sees_what_was_written_before),
                CASE(g13_oneshot_has_one_owner_for_data_time_and_words),
                CASE(g13_registration_is_triggered_or_sees_what_was_written_before_trigger_all),
                CASE(g13_sets_beside_a_waiter_leave_nothing_behind),
        };

        return cmocka_run_group_tests_name("g13_threads", cases, NULL, NULL);
}
