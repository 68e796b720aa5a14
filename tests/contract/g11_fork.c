/* SPDX-License-Identifier: MIT */
/*
 * G11: in a forked child every int call returns -ECHILD, next returns false, defer runs at once and the destructors
 * work, and nothing of it touches the parent's epoll set or eventfd. Children return the line of what does not hold;
 * afterwards the parent shows that its own poll is as it was.
 */
#include <sys/wait.h>

#include "../support.h"

struct family {
        struct fixture *fx;
        struct weir_registry *clone;
        struct weir_waker *waker;
        struct weir_events *batch; /* open at the fork, with two events unread */
        int fds[3];                /* registered: ready edge, unready level, unready one-shot */
        int unregistered;
};

static int source_called;

static int count_register(struct weir_registry *registry, struct weir_source *source, weir_token token,
                          weir_interest interest) {
        (void)registry, (void)source, (void)token, (void)interest;
        source_called++;
        return 0;
}

static int count_deregister(struct weir_registry *registry, struct weir_source *source) {
        (void)registry, (void)source;
        source_called++;
        return 0;
}

static const struct weir_source_ops ops = {
        .register_source = count_register,
        .reregister_source = count_register,
        .deregister_source = count_deregister,
};

static void family_make(struct family *family, struct fixture *fx) {
        const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT };

        *family = (struct family){ .fx = fx };
        family->clone = weir_registry_clone(fx->registry);
        assert_int_equal(weir_waker_create(fx->registry, 9, &family->waker), 0);
        assert_int_equal(weir_events_create(4, &family->batch), 0);
        for (unsigned i = 0; i < 3; i++) {
                family->fds[i] = make_eventfd(i == 0);
                assert_int_equal(weir_register(fx->registry, family->fds[i], i, WEIR_READABLE | modes[i]), 0);
        }
        family->unregistered = make_eventfd(1);
        assert_int_equal(weir_waker_wake(family->waker), 0);
        assert_int_equal(wait_ms(fx->poll, family->batch, DEADLINE_MS), 2);
}

/* All that was there before the fork is there now: the batch, the registrations, the waker, the sleep and the wake. */
static void expect_family_unharmed(struct family *family) {
        struct fixture *fx = family->fx;
        unsigned counts[10] = { 0 };
        struct waiter waiter;

        assert_int_equal(stats_of(fx->registry).registered, 3);
        assert_int_equal(tally_batch(family->batch, counts, 10), 2);
        assert_int_equal(counts[0], 1);
        assert_int_equal(counts[9], 1);
        weir_events_clear(family->batch);
        expect_silence(fx);
        for (unsigned i = 0; i < 3; i++) {
                ring(family->fds[i]);
                expect_one(fx, i);
                drain(family->fds[i]);
        }
        assert_int_equal(weir_rearm(fx->registry, family->fds[2], WEIR_READABLE), 0);
        waiter_start(&waiter, fx->poll);
        assert_int_equal(weir_waker_wake(family->waker), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 9);
        waiter_start(&waiter, fx->poll);
        ring(family->fds[2]);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 2);
}

static void family_end(struct family *family) {
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(weir_deregister(family->fx->registry, family->fds[i]), 0);
                close(family->fds[i]);
        }
        close(family->unregistered);
        weir_events_destroy(family->batch);
        weir_waker_destroy(family->waker);
        weir_registry_release(family->clone);
}

static void fork_family(struct fixture *fx, int (*child)(void *)) {
        struct family family;

        family_make(&family, fx);
        assert_int_equal(run_child(child, &family), 0);
        expect_family_unharmed(&family);
        family_end(&family);
}

/* ---------------------------------------------------------------- what the child gets */

static int child_calls(void *arg) {
        struct family *family = arg;
        struct weir_registry *registry = family->clone;
        struct weir_source source = { .ops = &ops };
        struct weir_waker *waker = (struct weir_waker *)&source;
        char text[64] = "untouched";

        REQUIRE(wait_ms(family->fx->poll, family->fx->events, 0) == -ECHILD);
        REQUIRE(wait_ms(family->fx->poll, family->batch, -1) == -ECHILD);
        REQUIRE(weir_poll_wait_until(family->fx->poll, family->fx->events, 0) == -ECHILD);
        REQUIRE(weir_poll_wait_until(family->fx->poll, family->batch, WEIR_NEVER) == -ECHILD);
        REQUIRE(weir_poll_interrupt(family->fx->poll) == -ECHILD);
        REQUIRE(weir_poll_fd(family->fx->poll) == -ECHILD);
        REQUIRE(weir_registry_fd(registry) == -ECHILD);
        REQUIRE(weir_register(registry, family->unregistered, 1, WEIR_READABLE) == -ECHILD);
        REQUIRE(weir_reregister(registry, family->fds[0], 1, WEIR_READABLE) == -ECHILD);
        REQUIRE(weir_rearm(registry, family->fds[2], WEIR_READABLE) == -ECHILD);
        REQUIRE(weir_retoken(registry, family->fds[1], 77) == -ECHILD);
        REQUIRE(weir_disarm(registry, family->fds[2]) == -ECHILD);
        REQUIRE(weir_disarm(registry, family->fds[0]) == -ECHILD);
        REQUIRE(weir_register(registry, family->unregistered, 1, WEIR_ONESHOT | WEIR_HELD) == -ECHILD);
        for (unsigned i = 0; i < 3; i++)
                REQUIRE(weir_deregister(registry, family->fds[i]) == -ECHILD);
        REQUIRE(weir_source_register(registry, &source, 1, WEIR_READABLE) == -ECHILD);
        REQUIRE(weir_source_reregister(registry, &source, 1, WEIR_READABLE) == -ECHILD);
        REQUIRE(weir_source_deregister(registry, &source) == -ECHILD);
        REQUIRE(source_called == 0);
        REQUIRE(weir_synchronize(registry) == -ECHILD);
        REQUIRE(weir_waker_create(registry, 1, &waker) == -ECHILD);
        REQUIRE(waker == (struct weir_waker *)&source);
        REQUIRE(weir_waker_wake(family->waker) == -ECHILD);
        REQUIRE(weir_registry_format(registry, text, sizeof(text)) == -ECHILD);
        /* The borrowed handle is no better than the clone. */
        REQUIRE(weir_deregister(weir_poll_registry(family->fx->poll), family->fds[0]) == -ECHILD);
        return 0;
}

static void g11_every_int_call_gets_echild_in_a_child(void **state) {
        fork_family(*state, child_calls);
}

static int child_looks(void *arg) {
        struct family *family = arg;
        struct weir_stats stats, zero;
        struct weir_event event;

        REQUIRE(!weir_events_next(family->batch, &event));
        REQUIRE(weir_epoch_now(family->clone) == 0);
        memset(&stats, 0xff, sizeof(stats));
        memset(&zero, 0, sizeof(zero));
        weir_registry_stats(family->clone, &stats);
        REQUIRE(memcmp(&stats, &zero, sizeof(stats)) == 0);
        REQUIRE(weir_events_capacity(family->batch) == 4);
        return 0;
}

static void g11_next_is_false_and_figures_are_zero_in_a_child(void **state) {
        fork_family(*state, child_looks);
}

static int child_defers(void *arg) {
        struct family *family = arg;
        struct note note = { 0 };

        /* In spite of the batch that was open at the fork. */
        weir_defer(family->clone, &note.node, note_run);
        REQUIRE(note_runs(&note) == 1);
        weir_defer(weir_poll_registry(family->fx->poll), &note.node, note_run);
        REQUIRE(note_runs(&note) == 2);
        return 0;
}

static void g11_defer_runs_at_once_in_a_child(void **state) {
        fork_family(*state, child_defers);
}

static int child_checks_order(void *arg) {
        struct family *family = arg;
        struct weir_registry *registry = family->clone;

        /* Arguments before the fork, the fork before the descriptor. */
        REQUIRE(weir_register(NULL, family->unregistered, 1, WEIR_READABLE) == -EINVAL);
        REQUIRE(weir_register(registry, family->unregistered, 1, WEIR_LEVEL | WEIR_ONESHOT) == -EINVAL);
        REQUIRE(weir_register(registry, family->unregistered, 1, WEIR_READABLE | WEIR_HELD) == -EINVAL);
        REQUIRE(weir_disarm(NULL, family->fds[2]) == -EINVAL);
        REQUIRE(weir_poll_interrupt(NULL) == -EINVAL);
        REQUIRE(weir_poll_wait_until(family->fx->poll, family->batch, -1) == -EINVAL);
        REQUIRE(weir_reregister(registry, family->fds[0], 1, WEIR_READABLE | WEIR_EXCLUSIVE) == -EINVAL);
        REQUIRE(weir_rearm(registry, family->fds[2], WEIR_ONESHOT) == -EINVAL);
        REQUIRE(weir_poll_wait(family->fx->poll, NULL, NULL) == -EINVAL);
        REQUIRE(weir_poll_wait(family->fx->poll, family->batch, &(struct timespec){ .tv_nsec = -1 }) == -EINVAL);
        REQUIRE(weir_waker_create(registry, 1, NULL) == -EINVAL);
        close(family->unregistered);
        REQUIRE(weir_register(registry, family->unregistered, 1, WEIR_READABLE) == -ECHILD);
        REQUIRE(weir_register(registry, family->fds[0], 1, WEIR_READABLE) == -ECHILD);
        REQUIRE(weir_deregister(registry, family->unregistered) == -ECHILD);
        return 0;
}

static void g11_arguments_come_before_the_fork_and_the_fork_before_the_descriptor(void **state) {
        fork_family(*state, child_checks_order);
}

/* ---------------------------------------------------------------- what the child may not harm */

static int child_destroys_everything(void *arg) {
        struct family *family = arg;
        struct weir_registry *clone;

        clone = weir_registry_clone(family->clone);
        REQUIRE(clone);
        weir_registry_release(clone);
        weir_waker_destroy(family->waker);
        weir_events_clear(family->batch);
        weir_events_destroy(family->batch);
        weir_events_destroy(family->fx->events);
        weir_poll_destroy(family->fx->poll);
        REQUIRE(weir_register(family->clone, family->unregistered, 1, WEIR_READABLE) == -ECHILD);
        weir_registry_release(family->clone);
        for (unsigned i = 0; i < 3; i++)
                close(family->fds[i]);
        return 0;
}

static void g11_destructors_in_a_child_leave_the_parent_alone(void **state) {
        fork_family(*state, child_destroys_everything);
}

static int child_destroys_in_reverse(void *arg) {
        struct family *family = arg;
        unsigned before = count_descriptors();

        weir_poll_destroy(family->fx->poll);
        weir_registry_release(family->clone);
        weir_events_destroy(family->fx->events);
        weir_events_destroy(family->batch);
        weir_waker_destroy(family->waker);
        /* The child's copies of the poll's descriptors go with the last object. */
        REQUIRE(count_descriptors() < before);
        return 0;
}

static void g11_destructors_in_a_child_work_in_another_order(void **state) {
        fork_family(*state, child_destroys_in_reverse);
}

static int child_wakes_and_closes(void *arg) {
        struct family *family = arg;

        for (unsigned i = 0; i < 100; i++) {
                REQUIRE(weir_waker_wake(family->waker) == -ECHILD);
                REQUIRE(weir_poll_interrupt(family->fx->poll) == -ECHILD);
        }
        for (unsigned i = 0; i < 3; i++) {
                close(family->fds[i]);
                REQUIRE(weir_deregister(family->clone, family->fds[i]) == -ECHILD);
                /* The number again, with a file that the parent does not know. */
                move_descriptor(make_eventfd(1), family->fds[i]);
                REQUIRE(weir_register(family->clone, family->fds[i], 5, WEIR_READABLE) == -ECHILD);
        }
        return 0;
}

static void g11_close_and_reuse_in_a_child_leave_the_parent_alone(void **state) {
        fork_family(*state, child_wakes_and_closes);
}

static int grandchild(void *arg) {
        return child_calls(arg);
}

static int child_forks(void *arg) {
        int status = 0;
        pid_t pid;

        pid = fork();
        if (pid == 0)
                _exit(grandchild(arg) ? 1 : 0);
        REQUIRE(waitpid(pid, &status, 0) == pid);
        REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return child_calls(arg);
}

static void g11_grandchild_is_a_child_too(void **state) {
        fork_family(*state, child_forks);
}

static int child_makes_its_own(void *arg) {
        struct family *family = arg;
        struct weir_events *events = NULL;
        struct weir_waker *waker = NULL;
        struct weir_poll *poll = NULL;
        struct weir_event got[4];

        /* The descriptor that the parent watches, in a poll of the child's own. */
        REQUIRE(weir_poll_create(&poll) == 0);
        REQUIRE(weir_events_create(4, &events) == 0);
        REQUIRE(weir_register(weir_poll_registry(poll), family->fds[1], 1, WEIR_READABLE) == 0);
        REQUIRE(collect(poll, events, 0, got, 4) == 0);
        ring(family->fds[1]);
        REQUIRE(collect(poll, events, DEADLINE_MS, got, 4) == 1);
        drain(family->fds[1]);
        REQUIRE(weir_waker_create(weir_poll_registry(poll), 2, &waker) == 0);
        REQUIRE(weir_waker_wake(waker) == 0);
        REQUIRE(collect(poll, events, -1, got, 4) == 1);
        REQUIRE(got[0].token == 2);
        REQUIRE(weir_deregister(weir_poll_registry(poll), family->fds[1]) == 0);
        weir_waker_destroy(waker);
        weir_events_destroy(events);
        weir_poll_destroy(poll);
        return 0;
}

static void g11_child_may_make_a_poll_of_its_own(void **state) {
        fork_family(*state, child_makes_its_own);
}

/* ---------------------------------------------------------------- other moments to fork at */

static int child_ends_poll(void *arg) {
        struct family *family = arg;

        REQUIRE(wait_ms(family->fx->poll, family->fx->events, 0) == -ECHILD);
        weir_waker_destroy(family->waker);
        weir_events_destroy(family->fx->events);
        weir_poll_destroy(family->fx->poll);
        return 0;
}

static void g11_fork_beside_a_blocked_wait_leaves_the_wait_alone(void **state) {
        struct family family = { .fx = *state };
        struct waiter waiter;

        assert_int_equal(weir_waker_create(family.fx->registry, 9, &family.waker), 0);
        waiter_start(&waiter, family.fx->poll);
        assert_int_equal(run_child(child_ends_poll, &family), 0);
        assert_int_equal(wait_ms(family.fx->poll, family.fx->events, 0), -EBUSY);
        assert_int_equal(weir_waker_wake(family.waker), 0);
        assert_int_equal(waiter_join(&waiter), 1);
        assert_int_equal(waiter.got[0].token, 9);
        weir_waker_destroy(family.waker);
}

static int child_after_the_end(void *arg) {
        struct family *family = arg;

        REQUIRE(weir_register(family->clone, 0, 1, WEIR_READABLE) == -ECHILD);
        REQUIRE(weir_waker_wake(family->waker) == -ECHILD);
        REQUIRE(weir_deregister(family->clone, 0) == -ECHILD);
        return 0;
}

static void g11_fork_comes_before_the_end_of_the_poll(void **state) {
        struct fixture *fx = *state;
        struct family family = { .fx = fx };

        family.clone = weir_registry_clone(fx->registry);
        assert_int_equal(weir_waker_create(fx->registry, 9, &family.waker), 0);
        fixture_end_poll(fx);
        assert_int_equal(run_child(child_after_the_end, &family), 0);
        assert_int_equal(weir_waker_wake(family.waker), -ESHUTDOWN);
        weir_waker_destroy(family.waker);
        weir_registry_release(family.clone);
}

struct pending {
        struct family family;
        struct note note;
};

static int child_with_pending(void *arg) {
        struct pending *pending = arg;

        weir_events_clear(pending->family.fx->events);
        weir_events_destroy(pending->family.fx->events);
        weir_poll_destroy(pending->family.fx->poll);
        return 0;
}

static void g11_what_the_parent_deferred_runs_once_in_the_parent(void **state) {
        struct fixture *fx = *state;
        struct pending pending = { .family.fx = fx };
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, 9, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        fetch(fx, 1);
        weir_defer(fx->registry, &pending.note.node, note_run);
        assert_int_equal(run_child(child_with_pending, &pending), 0);
        assert_int_equal(note_runs(&pending.note), 0);
        weir_events_clear(fx->events);
        assert_int_equal(note_runs(&pending.note), 1);
        weir_waker_destroy(waker);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g11_every_int_call_gets_echild_in_a_child),
                CASE(g11_next_is_false_and_figures_are_zero_in_a_child),
                CASE(g11_defer_runs_at_once_in_a_child),
                CASE(g11_arguments_come_before_the_fork_and_the_fork_before_the_descriptor),
                CASE(g11_destructors_in_a_child_leave_the_parent_alone),
                CASE(g11_destructors_in_a_child_work_in_another_order),
                CASE(g11_close_and_reuse_in_a_child_leave_the_parent_alone),
                CASE(g11_grandchild_is_a_child_too),
                CASE(g11_child_may_make_a_poll_of_its_own),
                CASE(g11_fork_beside_a_blocked_wait_leaves_the_wait_alone),
                CASE(g11_fork_comes_before_the_end_of_the_poll),
                CASE(g11_what_the_parent_deferred_runs_once_in_the_parent),
        };

        return cmocka_run_group_tests_name("g11_fork", cases, NULL, NULL);
}
