/* SPDX-License-Identifier: MIT */
/*
 * A thread is cancelled, and the first cancellation point that it meets is in a deferred function, which runs because a wait, a
 * clear or a defer of that thread closes a batch. The function is run to its end, and so are the others; the call returns as
 * if nothing were; the thread ends after it.
 */
#include "../support.h"

enum how { BY_WAIT, BY_CLEAR, BY_DESTROY, BY_DEFER, N_HOW };

struct closer {
        struct weir_deferred node;
        int fd;
        bool done;
};

/* close(2) is a cancellation point. */
static void close_it(struct weir_deferred *node) {
        struct closer *closer = (struct closer *)node;

        close(closer->fd);
        closer->done = true;
}

struct victim {
        struct fixture *fx;
        struct weir_events *events;
        struct weir_waker *waker;
        struct closer closers[3];
        enum how how;
        struct latch ready, cancelled;
        int opened, returned;
        bool came_back;
};

static void *be_cancelled(void *arg) {
        struct victim *v = arg;
        struct weir_event event;

        if (v->how != BY_DEFER) {
                v->opened = wait_ms(v->fx->poll, v->events, DEADLINE_MS);
                if (!weir_events_next(v->events, &event))
                        v->opened = 0;
                for (unsigned i = 0; i < ARRAY_LEN(v->closers); i++)
                        weir_defer(v->fx->registry, &v->closers[i].node, close_it);
        }
        latch_set(&v->ready);
        latch_wait(&v->cancelled);
        /* Pending from here on, and no cancellation point before the function's. */
        switch (v->how) {
        case BY_WAIT:
                v->returned = wait_ms(v->fx->poll, v->events, 0);
                break;
        case BY_CLEAR:
                weir_events_clear(v->events);
                break;
        case BY_DESTROY:
                weir_events_destroy(v->events);
                v->events = NULL;
                break;
        default:
                for (unsigned i = 0; i < ARRAY_LEN(v->closers); i++)
                        weir_defer(v->fx->registry, &v->closers[i].node, close_it);
        }
        v->came_back = true;
        pthread_testcancel();
        return NULL;
}

static void cancel(struct fixture *fx, enum how how) {
        struct victim v = { .fx = fx, .how = how, .opened = 1 };
        unsigned done = 0;
        pthread_t thread;
        void *result;

        assert_int_equal(weir_events_create(4, &v.events), 0);
        assert_int_equal(weir_waker_create(fx->registry, 1, &v.waker), 0);
        if (how != BY_DEFER)
                assert_int_equal(weir_waker_wake(v.waker), 0);
        for (unsigned i = 0; i < ARRAY_LEN(v.closers); i++)
                v.closers[i].fd = make_eventfd(0);
        assert_int_equal(pthread_create(&thread, NULL, be_cancelled, &v), 0);
        latch_wait(&v.ready);
        assert_int_equal(pthread_cancel(thread), 0);
        latch_set(&v.cancelled);
        assert_int_equal(pthread_join(thread, &result), 0);

        /* It was cancelled, though not in there. */
        assert_ptr_equal(result, PTHREAD_CANCELED);
        assert_int_equal(v.opened, 1);
        for (unsigned i = 0; i < ARRAY_LEN(v.closers); i++)
                done += v.closers[i].done;
        if (done != ARRAY_LEN(v.closers) || !v.came_back)
                print_error("%u of the functions came to their end, and the call %s\n", done,
                            v.came_back ? "returned" : "did not return");
        /* The waiting role is free. */
        assert_int_equal(weir_waker_wake(v.waker), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 1);
        weir_events_clear(fx->events);
        assert_true(v.came_back);
        assert_int_equal(done, ARRAY_LEN(v.closers));
        assert_int_equal(v.returned, 0);
        weir_events_destroy(v.events);
        weir_waker_destroy(v.waker);
}

static void g6_deferred_function_is_not_cancelled_inside_a_wait(void **state) {
        cancel(*state, BY_WAIT);
}

static void g6_deferred_function_is_not_cancelled_inside_a_clear(void **state) {
        cancel(*state, BY_CLEAR);
}

static void g6_deferred_function_is_not_cancelled_inside_a_destroy(void **state) {
        cancel(*state, BY_DESTROY);
}

static void g6_deferred_function_is_not_cancelled_inside_a_defer(void **state) {
        cancel(*state, BY_DEFER);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g6_deferred_function_is_not_cancelled_inside_a_wait),
                CASE(g6_deferred_function_is_not_cancelled_inside_a_clear),
                CASE(g6_deferred_function_is_not_cancelled_inside_a_destroy),
                CASE(g6_deferred_function_is_not_cancelled_inside_a_defer),
        };

        return cmocka_run_group_tests_name("cancelled_in_a_deferred_function", cases, NULL, NULL);
}
