/* SPDX-License-Identifier: MIT */
/*
 * G8 for weir_disarm(): the caller becomes the owner of an armed one-shot, as if it had taken its event. Of all who take or disarm
 * it at the same time one alone succeeds; what is pending comes at the next rearm.
 */
#include "../support.h"

static void g8_disarm_tells_whether_it_was_armed(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(0);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(weir_disarm(fx->registry, fd), 1);
        assert_int_equal(weir_disarm(fx->registry, fd), 0);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        assert_int_equal(weir_disarm(fx->registry, fd), 1);
        /* A pause is armed, too: for a hang-up. */
        assert_int_equal(weir_rearm(fx->registry, fd, 0), 0);
        assert_int_equal(weir_disarm(fx->registry, fd), 1);
        assert_int_equal(weir_reregister(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(weir_disarm(fx->registry, fd), 1);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        ring(fd);
        expect_one(fx, 1);
        /* Its event was taken. */
        assert_int_equal(weir_disarm(fx->registry, fd), 0);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g8_disarmed_oneshot_is_silent_until_its_rearm(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        /* The data comes before the disarm, fetched or not, or after it, or both. */
        for (unsigned way = 0; way < 8; way++) {
                make_pipe(fds);
                assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
                if (way & 1)
                        put(fds[1]);
                if ((way & 3) == 3)
                        fetch(fx, 1);
                assert_int_equal(weir_disarm(fx->registry, fds[0]), 1);
                expect_drained_batch(fx);
                if (way & 4)
                        put(fds[1]);
                expect_silence(fx);
                expect_silence(fx);
                /* What is pending comes now, and then it is taken. */
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                if (way & 5) {
                        event = expect_soon(fx, 1);
                        assert_true(weir_event_is_readable(&event));
                        assert_int_equal(weir_disarm(fx->registry, fds[0]), 0);
                        expect_silence(fx);
                } else {
                        put(fds[1]);
                        expect_soon(fx, 1);
                }
                assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                close_pair(fds);
        }
}

static void g8_disarm_takes_an_event_out_of_each_batch_that_was_fetched(void **state) {
        struct weir_events *second = NULL;
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        make_pipe(fds);
        assert_int_equal(weir_events_create(4, &second), 0);
        assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        put(fds[1]);
        fetch(fx, 1);
        put(fds[1]);
        assert_true(wait_ms(fx->poll, second, 0) >= 0);
        assert_int_equal(weir_disarm(fx->registry, fds[0]), 1);
        assert_false(weir_events_next(second, &event));
        assert_false(weir_events_next(fx->events, &event));
        weir_events_clear(fx->events);
        weir_events_clear(second);
        expect_silence(fx);
        assert_int_equal(drain(fds[0]), 2);
        put(fds[1]);
        assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
        expect_soon(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        weir_events_destroy(second);
        close_pair(fds);
}

static void g8_hang_up_that_a_disarm_kept_back_comes_at_the_rearm(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fds[2];

        for (unsigned early = 0; early < 2; early++) {
                make_socketpair(fds);
                assert_int_equal(weir_register(fx->registry, fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
                if (early) {
                        close(fds[1]);
                        fetch(fx, 1);
                }
                assert_int_equal(weir_disarm(fx->registry, fds[0]), 1);
                if (!early)
                        close(fds[1]);
                expect_silence(fx);
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                event = expect_soon(fx, 1);
                assert_true(weir_event_is_read_closed(&event));
                assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
                close(fds[0]);
        }
}

static void g8_drained_oneshot_that_was_disarmed_does_not_come_back_for_ever(void **state) {
        struct weir_event got[BATCH];
        struct fixture *fx = *state;
        int fd, n, events = 0;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        fetch(fx, 1);
        assert_int_equal(weir_disarm(fx->registry, fd), 1);
        for (unsigned i = 0; i < 10; i++) {
                drain(fd);
                assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
                n = collect(fx->poll, fx->events, 0, got, BATCH);
                assert_in_range(n, 0, 1);
                events += n;
                (void)weir_disarm(fx->registry, fd);
        }
        assert_in_range(events, 0, 1);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

static void g8_disarm_lets_the_owner_change_what_it_owns(void **state) {
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        assert_int_equal(weir_disarm(fx->registry, fd), 1);
        assert_int_equal(weir_retoken(fx->registry, fd, 2), 0);
        expect_silence(fx);
        assert_int_equal(weir_disarm(fx->registry, fd), 0);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        expect_soon(fx, 2);
        drain(fd);
        assert_int_equal(weir_rearm(fx->registry, fd, WEIR_READABLE), 0);
        assert_int_equal(weir_disarm(fx->registry, fd), 1);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        ring(fd);
        expect_silence(fx);
        assert_int_equal(weir_disarm(fx->registry, fd), -ENOENT);
        close(fd);
}

static void g12_disarm_of_what_is_not_oneshot_gets_einval(void **state) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_EXCLUSIVE };
        struct fixture *fx = *state;
        int fd;

        fd = make_eventfd(1);
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE | modes[m]), 0);
                fetch(fx, 1);
                assert_int_equal(weir_disarm(fx->registry, fd), -EINVAL);
                /* And its event is not touched. */
                assert_true(weir_events_next(fx->events, &(struct weir_event){ 0 }));
                weir_events_clear(fx->events);
                assert_int_equal(weir_deregister(fx->registry, fd), 0);
        }
        close(fd);
}

/* ---------------------------------------------------------------- threads */

#define ROUNDS 2000

struct race {
        struct fixture *fx;
        pthread_barrier_t begin, end;
        int fd;
        bool takes[3]; /* this thread takes the event; the others disarm */
        int won[3];
        unsigned plain; /* who wins writes it, so a sanitizer sees two of them */
};

struct racer {
        struct race *race;
        unsigned id;
};

static int run_race(void *arg) {
        struct racer *racer = arg;
        struct race *race = racer->race;
        struct weir_event event;

        for (unsigned i = 0; i < ROUNDS; i++) {
                barrier_pass(&race->begin);
                if (race->takes[racer->id])
                        race->won[racer->id] = weir_events_next(race->fx->events, &event);
                else
                        race->won[racer->id] = weir_disarm(race->fx->registry, race->fd);
                if (race->won[racer->id] == 1)
                        race->plain++;
                barrier_pass(&race->end);
        }
        return 0;
}

/* Threads meet at an armed one-shot that is in an open batch. One of them wins. */
static void expect_one_winner(struct fixture *fx, bool taker) {
        struct race race = { .fx = fx, .takes = { taker } };
        struct racer racers[3];
        struct worker workers[3];
        unsigned crowded = 0, nobody = 0, wins[2] = { 0 };

        race.fd = make_eventfd(1);
        barrier_make(&race.begin, 4);
        barrier_make(&race.end, 4);
        assert_int_equal(weir_register(fx->registry, race.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (unsigned t = 0; t < 3; t++) {
                racers[t] = (struct racer){ &race, t };
                worker_start(&workers[t], run_race, &racers[t]);
        }
        for (unsigned i = 0; i < ROUNDS; i++) {
                /* Only what was fetched can be taken. */
                (void)wait_ms(fx->poll, fx->events, 0);
                barrier_pass(&race.begin);
                barrier_pass(&race.end);
                crowded += race.won[0] + race.won[1] + race.won[2] > 1;
                nobody += race.won[0] + race.won[1] + race.won[2] < 1;
                wins[0] += race.won[0] == 1;
                wins[1] += race.won[1] == 1 || race.won[2] == 1;
                race.plain++;
                assert_int_equal(weir_reregister(fx->registry, race.fd, 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        }
        for (unsigned t = 0; t < 3; t++)
                assert_int_equal(worker_join(&workers[t]), 0);
        pthread_barrier_destroy(&race.begin);
        pthread_barrier_destroy(&race.end);
        weir_events_clear(fx->events);
        assert_int_equal(crowded, 0);
        assert_int_equal(nobody, 0);
        assert_int_equal(race.plain, 2 * ROUNDS);
        assert_int_equal(wins[0] + wins[1], ROUNDS);
        assert_int_equal(weir_deregister(fx->registry, race.fd), 0);
        close(race.fd);
}

static void g8_of_several_threads_that_disarm_one_succeeds(void **state) {
        expect_one_winner(*state, false);
}

static void g8_of_a_reader_and_threads_that_disarm_one_succeeds(void **state) {
        expect_one_winner(*state, true);
}

#define BYTES 20000

struct shared {
        struct fixture *fx;
        int fds[2];
        atomic_int owners, crowded, received, disarmed;
        unsigned plain; /* the owner's: whatever way it became that, it sees what the last one wrote (G3) */
        struct latch stop;
};

static int serve(struct shared *shared) {
        char buffer[64];
        int total = 0;
        ssize_t n;

        if (atomic_fetch_add_explicit(&shared->owners, 1, memory_order_relaxed))
                atomic_fetch_add_explicit(&shared->crowded, 1, memory_order_relaxed);
        while ((n = read(shared->fds[0], buffer, sizeof(buffer))) > 0)
                total += (int)n;
        shared->plain += (unsigned)total;
        atomic_fetch_sub_explicit(&shared->owners, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&shared->received, total, memory_order_relaxed);
        REQUIRE(weir_rearm(shared->fx->registry, shared->fds[0], WEIR_READABLE) == 0);
        return 0;
}

static int serve_by_events(void *arg) {
        struct shared *shared = arg;
        struct weir_event event;
        int r;

        while (!latch_is_set(&shared->stop)) {
                REQUIRE(wait_ms(shared->fx->poll, shared->fx->events, 2) >= 0);
                while (weir_events_next(shared->fx->events, &event)) {
                        r = serve(shared);
                        if (r)
                                return r;
                }
        }
        weir_events_clear(shared->fx->events);
        return 0;
}

static int serve_by_disarm(void *arg) {
        struct shared *shared = arg;
        int r;

        while (!latch_is_set(&shared->stop)) {
                r = weir_disarm(shared->fx->registry, shared->fds[0]);
                REQUIRE(r >= 0);
                if (r == 1) {
                        atomic_fetch_add_explicit(&shared->disarmed, 1, memory_order_relaxed);
                        r = serve(shared);
                        if (r)
                                return r;
                }
                sched_yield();
        }
        return 0;
}

static int write_all(void *arg) {
        struct shared *shared = arg;

        for (unsigned i = 0; i < BYTES; i++)
                while (write(shared->fds[1], "x", 1) != 1) {
                        REQUIRE(errno == EAGAIN);
                        sched_yield();
                }
        return 0;
}

static void g8_owners_by_event_and_by_disarm_are_never_two_and_miss_nothing(void **state) {
        static struct shared shared;
        struct fixture *fx = *state;
        struct worker reader, disarmer, writer;

        memset(&shared, 0, sizeof(shared));
        shared.fx = fx;
        make_socketpair(shared.fds);
        assert_int_equal(weir_register(fx->registry, shared.fds[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
        worker_start(&reader, serve_by_events, &shared);
        worker_start(&disarmer, serve_by_disarm, &shared);
        worker_start(&writer, write_all, &shared);
        assert_int_equal(worker_join(&writer), 0);
        (void)reached(&shared.received, BYTES);
        latch_set(&shared.stop);
        assert_int_equal(worker_join(&reader), 0);
        assert_int_equal(worker_join(&disarmer), 0);
        assert_int_equal(shared.crowded, 0);
        assert_int_equal(shared.received, BYTES);
        assert_int_equal(shared.plain, BYTES);
        assert_true(shared.disarmed > 0);
        assert_int_equal(weir_deregister(fx->registry, shared.fds[0]), 0);
        close_pair(shared.fds);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_disarm_tells_whether_it_was_armed),
                CASE(g8_disarmed_oneshot_is_silent_until_its_rearm),
                CASE(g8_disarm_takes_an_event_out_of_each_batch_that_was_fetched),
                CASE(g8_hang_up_that_a_disarm_kept_back_comes_at_the_rearm),
                CASE(g8_drained_oneshot_that_was_disarmed_does_not_come_back_for_ever),
                CASE(g8_disarm_lets_the_owner_change_what_it_owns),
                CASE(g12_disarm_of_what_is_not_oneshot_gets_einval),
                CASE(g8_of_several_threads_that_disarm_one_succeeds),
                CASE(g8_of_a_reader_and_threads_that_disarm_one_succeeds),
                CASE(g8_owners_by_event_and_by_disarm_are_never_two_and_miss_nothing),
        };

        return cmocka_run_group_tests_name("g08_disarm", cases, NULL, NULL);
}
