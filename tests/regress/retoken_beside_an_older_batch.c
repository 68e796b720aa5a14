/* SPDX-License-Identifier: MIT */
/*
 * A one-shot is in two open batches. While the reader of the older one stands in the middle of weir_events_next(), the reader
 * of the newer one takes the event, gives the registration a new token, and rearms; new data comes. What the older batch
 * hands out then is of the new token, if anything, and the data is told under it once.
 */
#include "step.h"

#define OLD 1
#define NEW 2

struct older {
        struct fixture *fx;
        struct latch begin;
        bool got;
        struct weir_event event;
};

static int read_older(void *arg) {
        struct older *older = arg;

        latch_wait(&older->begin);
        step_begin();
        older->got = weir_events_next(older->fx->events, &older->event);
        step_end();
        return 0;
}

struct turn {
        bool held;     /* the older reader stood in the middle */
        bool owned;    /* the newer batch handed the event out */
        unsigned olds; /* events under each token, once the newer reader had taken its one */
        unsigned news;
};

/* With the older reader held before this instruction. */
static struct turn turn_at(struct fixture *fx, unsigned instruction) {
        struct weir_events *newer = NULL, *last = NULL;
        struct older older = { .fx = fx };
        struct turn turn = { 0 };
        struct weir_event event;
        struct worker worker;
        int fds[2];

        make_pipe(fds);
        assert_int_equal(weir_events_create(4, &newer), 0);
        assert_int_equal(weir_events_create(4, &last), 0);
        assert_int_equal(weir_register(fx->registry, fds[0], OLD, WEIR_READABLE | WEIR_ONESHOT), 0);
        put(fds[1]);
        fetch(fx, 1);
        put(fds[1]);
        assert_int_equal(wait_ms(fx->poll, newer, DEADLINE_MS), 1);

        step_prepare(instruction);
        worker_start(&worker, read_older, &older);
        latch_set(&older.begin);
        latch_wait(&step_state.held);
        turn.held = step_state.stood;
        turn.owned = turn.held && weir_events_next(newer, &event);
        if (turn.owned) {
                assert_int_equal(event.token, OLD);
                drain(fds[0]);
                assert_int_equal(weir_retoken(fx->registry, fds[0], NEW), 0);
                assert_int_equal(weir_rearm(fx->registry, fds[0], WEIR_READABLE), 0);
                put(fds[1]);
                assert_true(wait_ms(fx->poll, last, DEADLINE_MS) >= 0);
        }
        latch_set(&step_state.released);
        assert_int_equal(worker_join(&worker), 0);

        if (turn.owned) {
                turn.olds = older.got && older.event.token == OLD;
                turn.news = older.got && older.event.token == NEW;
                while (weir_events_next(last, &event)) {
                        turn.olds += event.token == OLD;
                        turn.news += event.token == NEW;
                }
                weir_events_clear(fx->events);
                weir_events_clear(newer);
                for (unsigned i = 0; i < 3; i++) {
                        assert_true(wait_ms(fx->poll, last, 0) >= 0);
                        while (weir_events_next(last, &event)) {
                                turn.olds += event.token == OLD;
                                turn.news += event.token == NEW;
                        }
                }
        }
        weir_events_clear(fx->events);
        weir_events_destroy(newer);
        weir_events_destroy(last);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        close_pair(fds);
        return turn;
}

static void g8_event_of_the_new_token_is_not_told_under_the_old_one(void **state) {
        struct fixture *fx = *state;
        unsigned owned = 0, wrong = 0, at = 0;
        struct sigaction before;
        struct turn turn;

        if (!STEP_WORKS)
                skip();
        step_install(&before);
        do {
                turn = turn_at(fx, ++at);
                assert_true(at < 10000);
                if (!turn.owned)
                        continue;
                owned++;
                if ((turn.olds != 0 || turn.news != 1) && wrong++ == 0)
                        print_error("held before instruction %u: %u events under the old token, %u under the new one\n",
                                    at, turn.olds, turn.news);
        } while (turn.held);
        assert_int_equal(sigaction(SIGTRAP, &before, NULL), 0);
        /* It was held in the midst of it, and not only after its end. */
        assert_true(owned > 5);
        assert_int_equal(wrong, 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_event_of_the_new_token_is_not_told_under_the_old_one),
        };

        return cmocka_run_group_tests_name("retoken_beside_an_older_batch", cases, NULL, NULL);
}
