/* SPDX-License-Identifier: MIT */
/*
 * G4 by event: weir_deregister_if() ends the registration that an event is of, as a deregister does, and leaves every other
 * one of the descriptor as it is.
 */
#include "../support.h"

#include <weir/weir.h>

#define TOKEN  7
#define ROUNDS 2000

static int ready(struct fixture *fx, weir_interest interest) {
        int fd = make_eventfd(1);

        assert_int_equal(weir_register(fx->registry, fd, TOKEN, interest), 0);
        return fd;
}

static void g4_the_registration_of_an_event_is_ended_once(void **state) {
        static const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT, WEIR_EXCLUSIVE };
        struct fixture *fx = *state;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                int fd = ready(fx, WEIR_READABLE | modes[m]);
                struct weir_event event;

                fetch(fx, 1);
                assert_true(weir_events_next(fx->events, &event));
                weir_events_clear(fx->events);
                ring(fd);
                (void)wait_ms(fx->poll, fx->events, 0);
                assert_int_equal(weir_deregister_if(fx->registry, fd, &event), 0);
                expect_drained_batch(fx);
                expect_silence(fx);
                assert_int_equal(stats_of(fx->registry).registered, 0);
                assert_int_equal(weir_deregister_if(fx->registry, fd, &event), -ENOENT);
                close(fd);
                assert_int_equal(weir_deregister_if(fx->registry, fd, &event), -EBADF);
        }
}

/* How a registration is replaced by another one of the same descriptor. */
static int by_reregister(struct fixture *fx, int fd, weir_token token) {
        REQUIRE(weir_reregister(fx->registry, fd, token, WEIR_READABLE | WEIR_ONESHOT) == 0);
        return 0;
}

static int by_register(struct fixture *fx, int fd, weir_token token) {
        REQUIRE(weir_deregister(fx->registry, fd) == 0);
        REQUIRE(weir_register(fx->registry, fd, token, WEIR_READABLE | WEIR_ONESHOT) == 0);
        return 0;
}

/* The number is closed without a word, and another file is registered under it. */
static int by_reuse(struct fixture *fx, int fd, weir_token token) {
        int other = make_eventfd(1);

        close(fd);
        move_descriptor(other, fd);
        REQUIRE(weir_register(fx->registry, fd, token, WEIR_READABLE | WEIR_ONESHOT) == 0);
        return 0;
}

static void g4_another_registration_of_the_descriptor_stands(void **state) {
        static int (*const replace[])(struct fixture *, int, weir_token) = { by_reregister, by_register, by_reuse };
        struct fixture *fx = *state;

        for (unsigned i = 0; i < ARRAY_LEN(replace); i++)
                for (weir_token token = TOKEN; token <= TOKEN + 1; token++) { /* the same, and another one */
                        int fd = ready(fx, WEIR_READABLE | WEIR_ONESHOT);
                        struct weir_event first = expect_one(fx, TOKEN), second;

                        assert_int_equal(replace[i](fx, fd, token), 0);
                        assert_int_equal(weir_deregister_if(fx->registry, fd, &first), -ENOENT);
                        assert_int_equal(stats_of(fx->registry).registered, 1);
                        second = expect_one(fx, token);
                        assert_int_equal(weir_deregister_if(fx->registry, fd, &first), -ENOENT);
                        assert_int_equal(weir_deregister_if(fx->registry, fd, &second), 0);
                        assert_int_equal(stats_of(fx->registry).registered, 0);
                        close(fd);
                }
}

/* Each of these leaves the registration what it is, whichever way the rearm takes. */
static void g4_what_does_not_end_a_registration_leaves_its_events_good(void **state) {
        struct fixture *fx = *state;
        struct weir_event first, later;
        int fds[2];

        make_socketpair(fds);
        put(fds[1]);
        assert_int_equal(weir_register(fx->registry, fds[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        first = expect_one(fx, TOKEN);
        assert_int_equal(drain(fds[0]), 1);
        for (unsigned round = 0; round < 40; round++) { /* more than there are turns */
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                assert_int_equal(weir_disarm(fx->registry, fds[0]), 1);
                assert_int_equal(weir_retoken(fx->registry, fds[0], TOKEN + round), 0);
                assert_int_equal(weir_set_deadline(fx->registry, fds[0], WEIR_NEVER), 0);
                /* Read while it is owned: it comes again, by the kernel's hand. */
                put(fds[1]);
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE | WEIR_WRITABLE), 0);
                later = expect_soon(fx, TOKEN + round);
                assert_int_equal(later.registration, first.registration);
                drain(fds[0]);
        }
        assert_int_equal(weir_deregister_if(fx->registry, fds[0], &first), 0);
        expect_silence(fx);
        close_pair(fds);
}

static void g4_events_of_time_and_of_triggers_name_their_registration(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        int fd = make_eventfd(0);

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(weir_register(fx->registry, fd, TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
                if (i)
                        assert_int_equal(weir_set_deadline(fx->registry, fd, 0), 0);
                else
                        assert_int_equal(weir_trigger(fx->registry, fd), 0);
                event = expect_one(fx, TOKEN);
                assert_int_equal(weir_event_is_timeout(&event), i);
                assert_int_equal(weir_deregister_if(fx->registry, fd, &event), 0);
        }
        close(fd);
}

static void g4_a_waker_s_event_is_of_no_registration(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = NULL;
        struct weir_event event;
        int fd = make_eventfd(0);

        assert_int_equal(weir_waker_create(fx->registry, TOKEN, &waker), 0);
        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        event = expect_one(fx, TOKEN);
        assert_int_equal(weir_deregister_if(fx->registry, fd, &event), -EINVAL);
        assert_int_equal(stats_of(fx->registry).registered, 1);
        weir_waker_destroy(waker);
        close(fd);
}

static void g4_it_works_after_close_and_after_the_poll_s_end(void **state) {
        struct fixture *fx = *state;
        struct weir_registry *clone = weir_registry_clone(fx->registry);
        int fds[2] = { ready(fx, WEIR_READABLE), -1 };
        struct weir_event events[2] = { expect_one(fx, TOKEN) };

        fds[1] = ready(fx, WEIR_READABLE);
        events[1] = expect_one(fx, TOKEN);
        close(fds[0]);
        assert_int_equal(weir_deregister_if(clone, fds[0], &events[0]), 0);
        assert_int_equal(weir_deregister_if(clone, fds[0], &events[0]), -EBADF);
        fixture_end_poll(fx);
        assert_int_equal(weir_deregister_if(clone, fds[1], &events[1]), 0);
        assert_int_equal(weir_deregister_if(clone, fds[1], &events[1]), -ENOENT);
        weir_registry_release(clone);
        close(fds[1]);
}

/* ---------------------------------------------------------------- threads */

struct rivals {
        struct fixture *fx;
        struct weir_event event;
        pthread_barrier_t barrier;
        int fd;
        atomic_int ended, refused;
};

static int end_it(void *arg) {
        struct rivals *rivals = arg;

        for (int i = 0; i < ROUNDS; i++) {
                int r;

                barrier_pass(&rivals->barrier);
                r = weir_deregister_if(rivals->fx->registry, rivals->fd, &rivals->event);
                REQUIRE(r == 0 || r == -ENOENT);
                atomic_fetch_add(r == 0 ? &rivals->ended : &rivals->refused, 1);
                barrier_pass(&rivals->barrier);
        }
        return 0;
}

/* Of two holders of an event and one who replaces the registration, exactly one has his way. */
static void g4_of_several_threads_one_ends_it(void **state) {
        struct fixture *fx = *state;
        struct rivals rivals = { .fx = fx };
        struct worker workers[2];

        barrier_make(&rivals.barrier, 3);
        for (unsigned i = 0; i < 2; i++)
                worker_start(&workers[i], end_it, &rivals);
        for (int i = 0; i < ROUNDS; i++) {
                int replaced;

                rivals.fd = ready(fx, WEIR_READABLE);
                rivals.event = expect_one(fx, TOKEN);
                atomic_store(&rivals.ended, 0);
                barrier_pass(&rivals.barrier);
                replaced = weir_reregister(fx->registry, rivals.fd, TOKEN, WEIR_READABLE);
                barrier_pass(&rivals.barrier);
                assert_true(replaced == 0 || replaced == -ENOENT);
                assert_int_equal(atomic_load(&rivals.ended) + (replaced == 0), 1);
                assert_int_equal(stats_of(fx->registry).registered, replaced == 0);
                if (replaced == 0)
                        assert_int_equal(weir_deregister(fx->registry, rivals.fd), 0);
                close(rivals.fd);
        }
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(worker_join(&workers[i]), 0);
        pthread_barrier_destroy(&rivals.barrier);
}

/* ---------------------------------------------------------------- errors */

static int deregister_in_child(void *arg) {
        struct rivals *rivals = arg;

        REQUIRE(weir_deregister_if(rivals->fx->registry, rivals->fd, &rivals->event) == -ECHILD);
        return 0;
}

static void g12_errors_of_deregister_if(void **state) {
        struct fixture *fx = *state;
        struct rivals rivals = { .fx = fx, .fd = ready(fx, WEIR_READABLE) };
        const struct weir_event none = { .token = TOKEN, .readiness = EPOLLIN };
        int other = make_eventfd(0);

        rivals.event = expect_one(fx, TOKEN);
        assert_int_equal(weir_deregister_if(NULL, rivals.fd, &rivals.event), -EINVAL);
        assert_int_equal(weir_deregister_if(fx->registry, rivals.fd, NULL), -EINVAL);
        assert_int_equal(weir_deregister_if(fx->registry, rivals.fd, &none), -EINVAL);
        assert_int_equal(weir_deregister_if(fx->registry, -1, &rivals.event), -EBADF);
        assert_int_equal(weir_deregister_if(fx->registry, INT32_MAX, &rivals.event), -EBADF);
        assert_int_equal(weir_deregister_if(fx->registry, other, &rivals.event), -ENOENT);
        assert_int_equal(run_child(deregister_in_child, &rivals), 0);
        assert_int_equal(stats_of(fx->registry).registered, 1);
        assert_int_equal(weir_deregister_if(fx->registry, rivals.fd, &rivals.event), 0);
        close(other);
        close(rivals.fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g4_the_registration_of_an_event_is_ended_once),
                CASE(g4_another_registration_of_the_descriptor_stands),
                CASE(g4_what_does_not_end_a_registration_leaves_its_events_good),
                CASE(g4_events_of_time_and_of_triggers_name_their_registration),
                CASE(g4_a_waker_s_event_is_of_no_registration),
                CASE(g4_it_works_after_close_and_after_the_poll_s_end),
                CASE(g4_of_several_threads_one_ends_it),
                CASE(g12_errors_of_deregister_if),
        };

        return cmocka_run_group_tests_name("deregister_if", cases, NULL, NULL);
}
