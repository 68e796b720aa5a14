/* SPDX-License-Identifier: MIT */
/*
 * Deadlines, by a clock that stands: the heap and the places in it, what takes the lock and what does not, how long the waiter
 * sleeps, the claim of a timeout, and memory.
 */
#include "kernel.h"

#include "deadline.h"
#include "events.h"
#include "poll.h"

#define US   INT64_C(1000)
#define MS   INT64_C(1000000)
#define S    (1000 * MS)
#define HOUR (3600 * S)
#define DAY  (24 * HOUR)

#define TIMEOUT (UINT32_C(1) << 16)

#define CLAIMED INT64_MIN

/* The clock stands where the core was made. */
static weir_time stop(struct fixture *fx) {
        weir_time now = fx->registry->deadlines.beginning;

        fault_stop_clock(now);
        return now;
}

static void go_on(void) {
        fault_stop_clock(-1);
}

static struct weir_waker *make(struct fixture *fx, weir_token token) {
        struct weir_waker *waker = NULL;

        assert_int_equal(weir_waker_create(fx->registry, token, &waker), 0);
        return waker;
}

static struct weir_slot *waker_slot(struct fixture *fx, uint32_t index) {
        return weir_table_find(&fx->registry->wakers, index);
}

static struct weir_deadline *waker_deadline(struct fixture *fx, uint32_t index) {
        return weir_deadline_find(fx->registry, (uint32_t)DATA_WAKER | index);
}

/* One wait that does not sleep. Returns the timeouts of a token that it brought. */
static unsigned timeouts(struct fixture *fx, weir_token token) {
        struct weir_event got[BATCH];
        int n = collect(fx->poll, fx->events, 0, got, BATCH);
        unsigned count = 0;

        assert_true(n >= 0);
        for (int i = 0; i < n; ++i)
                count += got[i].token == token && got[i].readiness & TIMEOUT;
        return count;
}

/* ---------------------------------------------------------------- the heap */

/* Each place is no earlier than the one above it, and each number knows its own. */
static void check_heap(struct fixture *fx) {
        struct weir_deadlines *all = &fx->registry->deadlines;

        assert_true(all->count <= all->counted && all->counted <= all->room);
        for (uint32_t i = 0; i < all->count; ++i) {
                struct weir_deadline *deadline = weir_deadline_find(fx->registry, all->heap[i].name);

                assert_true(i == 0 || all->heap[(i - 1) / 4].moment <= all->heap[i].moment);
                assert_int_equal(deadline->at, i + 1);
                assert_true(atomic_load(&deadline->placed) != 0);
        }
}

#define MANY 300

/* Against a list: what is due comes, at that moment and not before, and nothing else does. */
static void each_comes_at_its_moment(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *wakers[MANY];
        weir_time moments[MANY], now = stop(fx);
        uint64_t seed = 1;
        unsigned came = 0, due;

        for (unsigned i = 0; i < MANY; ++i) {
                wakers[i] = make(fx, i);
                moments[i] = WEIR_NEVER;
        }
        for (unsigned round = 0; round < 4000; ++round) {
                struct weir_event got[BATCH];
                unsigned i;
                int n;

                seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
                i = (unsigned)(seed >> 33) % MANY;
                switch ((seed >> 50) % 4) {
                case 0:
                        moments[i] = WEIR_NEVER;
                        break;
                case 1:
                        moments[i] = now + (int64_t)((seed >> 20) % 100) * 37 * US;
                        break;
                default:
                        moments[i] = now + (int64_t)((seed >> 20) % 5000) * 53 * US;
                }
                assert_int_equal(weir_waker_set_deadline(wakers[i], moments[i]), 0);
                if (round % 5)
                        continue;
                fault_pass_time((int64_t)(seed >> 40) % 700 * US);
                now = weir_now();
                due = 0;
                for (i = 0; i < MANY; ++i)
                        due += moments[i] <= now;
                while (due) {
                        n = collect(fx->poll, fx->events, 0, got, BATCH);
                        assert_in_range(n, 1, due);
                        for (int k = 0; k < n; ++k) {
                                assert_int_equal(got[k].readiness, TIMEOUT);
                                assert_true(moments[got[k].token] <= now);
                                moments[got[k].token] = WEIR_NEVER;
                                ++came;
                        }
                        due -= (unsigned)n;
                        check_heap(fx);
                }
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        }
        assert_true(came > 500);
        assert_int_equal(stats_of(fx->registry).timeouts, came);
        for (unsigned i = 0; i < MANY; ++i)
                weir_waker_destroy(wakers[i]);
        go_on();
}

/* In the order of their moments, those of descriptors and of wakers, however small the batch. */
static void those_that_are_due_come_in_order(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *wakers[20];
        weir_time now = stop(fx);
        struct weir_events *narrow;
        struct weir_event event;
        int fds[20];

        assert_int_equal(weir_events_create(3, &narrow), 0);
        for (unsigned i = 0; i < 20; ++i) {
                fds[i] = make_eventfd(0);
                wakers[i] = make(fx, 2 * i + 1);
                assert_int_equal(weir_register(fx->registry, fds[i], 2 * i, WEIR_READABLE), 0);
        }
        for (unsigned k = 0; k < 20; ++k) {
                unsigned i = k * 7 % 20;

                assert_int_equal(weir_waker_set_deadline(wakers[i], now + (2 * i + 1) * MS), 0);
                assert_int_equal(weir_set_deadline(fx->registry, fds[i], now + 2 * i * MS), 0);
                check_heap(fx);
        }
        fault_pass_time(S);
        for (unsigned i = 0; i < 40;) {
                assert_true(wait_ms(fx->poll, narrow, 0) > 0);
                for (; weir_events_next(narrow, &event); ++i)
                        assert_int_equal(event.token, i);
                /* No more than the batch holds is taken out at once. */
                assert_true(fx->registry->deadlines.count + i + 3 >= 40);
        }
        for (unsigned i = 0; i < 20; ++i) {
                weir_waker_destroy(wakers[i]);
                close(fds[i]);
        }
        weir_events_destroy(narrow);
        go_on();
}

/* ---------------------------------------------------------------- the lock */

static void fail_to_sleep(void *arg) {
        (void)arg;
        fail_msg("%s", "it waits for the lock");
}

/* What a set does while another thread has the lock: 0, or it would wait. */
static void assert_lockless(struct fixture *fx, struct weir_waker *waker, weir_time moment) {
        atomic_store(&fx->registry->deadlines.lock.word, 1);
        fault_hook(FAULT_FUTEX_WAIT, 1, fail_to_sleep, NULL);
        assert_int_equal(weir_waker_set_deadline(waker, moment), 0);
        assert_int_equal(fault_off(), 0);
        atomic_store(&fx->registry->deadlines.lock.word, 0);
}

static void moving_later_takes_no_lock(void **state) {
        const weir_time starts[] = { 0, 1, 10 * S, DAY, 49 * DAY, 50 * DAY, 3650 * DAY };
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, TOKEN);

        /* However long the core has lived. */
        for (unsigned i = 0; i < ARRAY_LEN(starts); ++i) {
                weir_time now = stop(fx);

                fault_pass_time(starts[i]);
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
                now += starts[i];
                assert_int_equal(weir_waker_set_deadline(waker, now + S), 0);
                for (unsigned k = 0; k < 100; ++k)
                        assert_lockless(fx, waker, now + S + (k + 1) * MS / 2);
                assert_lockless(fx, waker, now + 5 * DAY);
                assert_lockless(fx, waker, now + 500 * DAY);
                assert_lockless(fx, waker, WEIR_NEVER - 1);
                assert_lockless(fx, waker, WEIR_NEVER);
                assert_lockless(fx, waker, WEIR_NEVER);
                /* Earlier again, but not before its place. */
                assert_lockless(fx, waker, now + 2 * S);
                assert_lockless(fx, waker, now + S + MS);
                fault_pass_time(S + MS - 1);
                assert_int_equal(timeouts(fx, TOKEN), 0);
                fault_pass_time(1);
                assert_int_equal(timeouts(fx, TOKEN), 1);
        }
        weir_waker_destroy(waker);
        go_on();
}

/* Places and moments so far from each other that the step in placed could mean either: none is taken for later than it is. */
static void far_places_are_not_mistaken(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, TOKEN);

        for (unsigned old = 0; old < 3; ++old) {
                for (unsigned from = 0; from < 80; ++from) {
                        for (unsigned to = 0; to < from; ++to) {
                                weir_time now = stop(fx) + old * 20 * DAY;

                                fault_stop_clock(now);
                                /* An earlier fetch may be what its step is told from. */
                                if (old == 2)
                                        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
                                assert_int_equal(weir_waker_set_deadline(waker, now + from * DAY), 0);
                                assert_int_equal(weir_waker_set_deadline(waker, now + to * DAY), 0);
                                check_heap(fx);
                                fault_stop_clock(now + to * DAY);
                                assert_int_equal(timeouts(fx, TOKEN), 1);
                        }
                }
        }
        /* A moment that has passed for long, with the place far ahead. */
        for (unsigned i = 0; i < 64; ++i) {
                weir_time now = stop(fx) + DAY;

                fault_stop_clock(now);
                assert_int_equal(weir_waker_set_deadline(waker, now + ((int64_t)1 << (i < 55 ? i : 55))), 0);
                assert_int_equal(weir_waker_set_deadline(waker, i % 2), 0);
                assert_int_equal(timeouts(fx, TOKEN), 1);
        }
        weir_waker_destroy(waker);
        go_on();
}

/* ---------------------------------------------------------------- sleeping */

static const int64_t lengths[] = { 1, US,    MS,     19 * MS, 20 * MS, 21 * MS, 100 * MS,
                                   S, 7 * S, 10 * S, 60 * S,  HOUR,    DAY,     INT64_C(30) * DAY };

/* What the kernel makes of a sleep: a thousandth more, or five if the process is nice, and 100 ms at most. */
static int64_t stretched(int64_t sleep, int64_t divisor) {
        int64_t more = sleep / divisor < 100 * MS ? sleep / divisor : 100 * MS;

        return sleep + (more > 50 * US ? more : 50 * US);
}

static void sleep_is_ended_early_enough_and_not_often(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, TOKEN);

        for (int64_t divisor = 200; divisor <= 1000; divisor += 800) {
                for (unsigned i = 0; i < ARRAY_LEN(lengths); ++i) {
                        weir_time moment = stop(fx) + lengths[i];
                        unsigned naps = 0;

                        assert_int_equal(weir_waker_set_deadline(waker, moment), 0);
                        while (weir_now() < moment) {
                                int64_t sleep = weir_deadlines_sleep(fx->registry, WEIR_FOREVER);

                                assert_true(sleep > 0 && sleep <= moment - weir_now());
                                fault_pass_time(stretched(sleep, divisor));
                                assert_true(++naps <= 4);
                        }
                        assert_true(weir_now() - moment <= 200 * US);
                        assert_int_equal(timeouts(fx, TOKEN), 1);
                }
        }
        weir_waker_destroy(waker);
        go_on();
}

/* A timeout that ends just before the moment is stretched past it, if it is slept in one piece. */
static void timeout_before_the_moment_does_not_make_it_late(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, TOKEN);

        for (unsigned i = 0; i < ARRAY_LEN(lengths); ++i)
                for (int64_t before = 1; before < lengths[i]; before *= 10) {
                        weir_time moment = stop(fx) + lengths[i];

                        assert_int_equal(weir_waker_set_deadline(waker, moment), 0);
                        while (weir_now() < moment) {
                                int64_t timeout = moment - before - weir_now(), sleep;

                                sleep = weir_deadlines_sleep(fx->registry, timeout > 0 ? timeout : WEIR_FOREVER);
                                fault_pass_time(stretched(sleep, 200));
                        }
                        assert_true(weir_now() - moment <= 200 * US);
                        assert_int_equal(timeouts(fx, TOKEN), 1);
                }
        weir_waker_destroy(waker);
        go_on();
}

static void shorter_timeout_of_the_wait_counts(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, TOKEN);
        weir_time now = stop(fx);

        assert_int_equal(weir_deadlines_sleep(fx->registry, 5 * S), 5 * S);
        assert_int_equal(weir_deadlines_sleep(fx->registry, WEIR_FOREVER), WEIR_FOREVER);
        assert_int_equal(weir_waker_set_deadline(waker, now + S), 0);
        assert_int_equal(weir_deadlines_sleep(fx->registry, MS), MS);
        assert_int_equal(weir_deadlines_sleep(fx->registry, S - 20 * MS), S - 20 * MS);
        assert_true(weir_deadlines_sleep(fx->registry, S) < S);
        assert_true(weir_deadlines_sleep(fx->registry, 2 * S) < S);
        /* What has come ends the sleep, and is not a sleep of a negative length. */
        fault_pass_time(S);
        assert_int_equal(weir_deadlines_sleep(fx->registry, MS), 0);
        fault_pass_time(HOUR);
        assert_int_equal(weir_deadlines_sleep(fx->registry, WEIR_FOREVER), 0);
        weir_waker_destroy(waker);
        go_on();
}

/* A wait for a timeout is not ended by a place that has come up for nothing; and it is by one that has not. */
static void whole_wait(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, TOKEN);
        weir_time now = stop(fx);
        uint64_t waits = fault_count(FAULT_WAIT);

        assert_int_equal(weir_waker_set_deadline(waker, now + MS), 0);
        assert_int_equal(weir_waker_set_deadline(waker, now + 5 * MS), 0);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, now + 3 * MS), 0);
        assert_int_equal(weir_now(), now + 3 * MS);
        assert_int_equal(fault_count(FAULT_WAIT), waits + 2);
        assert_int_equal(fault_timeout(FAULT_WAIT), 2 * MS);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), 1);
        assert_int_equal(weir_now(), now + 5 * MS);
        assert_int_equal(weir_registry_moment(fx->registry), now + 5 * MS);
        weir_events_clear(fx->events);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), 1); /* it was left unread */
        assert_int_equal(weir_waker_set_deadline(waker, now + 6 * MS), 0);
        assert_int_equal(weir_poll_wait_until(fx->poll, fx->events, now + 6 * MS - 1), 0);
        assert_int_equal(weir_now(), now + 6 * MS - 1);
        assert_int_equal(timeouts(fx, TOKEN), 0);
        fault_pass_time(1);
        assert_int_equal(timeouts(fx, TOKEN), 1);
        weir_waker_destroy(waker);
        go_on();
}

/* Who never sets one pays for nothing: not for the clock, not for the lock, not for memory. */
static void unused_costs_nothing(void **state) {
        struct fixture *fx = *state;
        uint64_t memory = fault_memory();
        int fd = make_eventfd(1);

        assert_int_equal(weir_register(fx->registry, fd, TOKEN, WEIR_READABLE), 0);
        memory = fault_memory();
        atomic_store(&fx->registry->deadlines.lock.word, 1);
        fault_hook(FAULT_FUTEX_WAIT, 1, fail_to_sleep, NULL);
        assert_int_equal(wait_ms(fx->poll, fx->events, -1), 1);
        assert_int_equal(weir_set_deadline(fx->registry, fd, WEIR_NEVER), 0);
        assert_int_equal(weir_trigger(fx->registry, fd), 0);
        assert_int_equal(fault_off(), 0);
        atomic_store(&fx->registry->deadlines.lock.word, 0);
        assert_int_equal(atomic_load(&fx->registry->deadlines.moment), 0);
        assert_false(weir_deadlines_are_used(fx->registry));
        assert_int_equal(fault_memory(), memory);
        assert_int_equal(weir_set_deadline(fx->registry, fd, 1), 0);
        assert_true(fault_memory() > memory);
        close(fd);
}

/* A sleeper has said until when; who is earlier pushes, once, and who is not does not. */
static void only_an_earlier_one_wakes(void **state) {
        struct fixture *fx = *state;
        struct weir_deadlines *all = &fx->registry->deadlines;
        struct weir_queue *queue = &fx->registry->queue;
        struct weir_waker *wakers[3] = { make(fx, 0), make(fx, 1), make(fx, 2) };
        weir_time now = stop(fx);

        /* It may sleep already, not knowing of deadlines. */
        assert_int_equal(all->sleeps_until, WEIR_NEVER);
        assert_int_equal(weir_waker_set_deadline(wakers[0], now + 10 * S), 0);
        assert_ptr_equal(weir_link_slot(atomic_load(&queue->head)), &fx->registry->kick);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_true(queue_is_empty(queue));
        /* Nobody sleeps. */
        assert_int_equal(all->sleeps_until, 0);
        assert_int_equal(weir_waker_set_deadline(wakers[0], now + 9 * S), 0);
        assert_true(queue_is_empty(queue));
        /* Somebody does. */
        (void)weir_deadlines_sleep(fx->registry, WEIR_FOREVER);
        assert_true(weir_queue_park(queue));
        assert_int_equal(weir_waker_set_deadline(wakers[1], now + 9 * S), 0);
        assert_int_equal(weir_waker_set_deadline(wakers[1], now + 20 * S), 0);
        assert_true(queue_is_empty(queue));
        assert_int_equal(weir_waker_set_deadline(wakers[2], now + 5 * S), 0);
        assert_ptr_equal(weir_link_slot(atomic_load(&queue->head)), &fx->registry->kick);
        assert_int_equal(all->sleeps_until, now + 5 * S);
        assert_int_equal(stats_of(fx->registry).eventfd_writes, 1);
        assert_int_equal(weir_waker_set_deadline(wakers[1], now + 6 * S), 0);
        assert_int_equal(weir_waker_set_deadline(wakers[1], now + 4 * S), 0);
        assert_int_equal(stats_of(fx->registry).eventfd_writes, 1);
        for (unsigned i = 0; i < 3; ++i)
                weir_waker_destroy(wakers[i]);
        go_on();
}

/* ---------------------------------------------------------------- the claim */

/* A waker whose timeout is latched, and in the open batch. */
static struct weir_waker *make_due(struct fixture *fx, weir_time moment) {
        struct weir_waker *waker = make(fx, TOKEN);

        assert_int_equal(weir_waker_set_deadline(waker, moment), 0);
        fetch(fx, 1);
        assert_word(waker_slot(fx, 0), WAKER | SLOT_TIMEOUT);
        return waker;
}

static void claim_is_of_one_moment_and_one_thread(void **state) {
        struct fixture *fx = *state;
        weir_time now = stop(fx);
        struct weir_waker *waker = make_due(fx, now - 3);
        struct weir_deadline *deadline = waker_deadline(fx, 0);
        struct weir_slot *slot = waker_slot(fx, 0);
        const int64_t left = WEIR_NEVER - (now - 3);
        struct weir_claim claim = { NULL, 0 }, other;

        assert_int_equal(deadline->at, 0);
        assert_true(weir_deadline_claim(fx->registry, slot, &claim));
        assert_ptr_equal(claim.word, &deadline->left);
        assert_true(claim.value == (left | CLAIMED));
        assert_true(atomic_load(&deadline->left) == claim.value);
        assert_true(weir_deadline_of(fx->registry, slot->name) == WEIR_NEVER);
        /* The second one finds none, and takes the bit. */
        assert_false(weir_deadline_claim(fx->registry, slot, &other));
        assert_word(slot, WAKER);
        weir_deadline_unclaim(fx->registry, slot, &claim);
        assert_true(atomic_load(&deadline->left) == left);
        assert_word(slot, WAKER | SLOT_TIMEOUT | SLOT_LINKED);
        /* One that was set meanwhile stays. */
        assert_true(weir_deadline_claim(fx->registry, slot, &claim));
        assert_int_equal(weir_waker_set_deadline(waker, now + S), 0);
        weir_deadline_unclaim(fx->registry, slot, &claim);
        assert_true(weir_deadline_of(fx->registry, slot->name) == now + S);
        /* And so does the end of the registration. */
        assert_int_equal(weir_waker_set_deadline(waker, now - 3), 0);
        assert_true(weir_deadline_claim(fx->registry, slot, &claim));
        weir_waker_destroy(waker);
        weir_deadline_unclaim(fx->registry, slot, &claim);
        assert_true(atomic_load(&deadline->left) == 0);
        assert_word(slot, GEN(1) | SLOT_LINKED);
        go_on();
}

static void bit_goes_when_nothing_is_due(void **state) {
        struct fixture *fx = *state;
        weir_time now = stop(fx);
        struct weir_waker *waker = make_due(fx, now);
        struct weir_slot *slot = waker_slot(fx, 0);
        struct weir_claim claim;

        /* What is due stays. */
        weir_deadline_settle(fx->registry, slot);
        assert_word(slot, WAKER | SLOT_TIMEOUT);
        assert_int_equal(weir_waker_set_deadline(waker, now + 1), 0);
        weir_deadline_settle(fx->registry, slot);
        assert_word(slot, WAKER);
        atomic_fetch_or(&slot->word, SLOT_TIMEOUT);
        assert_false(weir_deadline_claim(fx->registry, slot, &claim));
        assert_word(slot, WAKER);
        /* Of a number that never had one. */
        weir_waker_destroy(waker);
        slot = weir_table_make(&fx->registry->fds, 5);
        slot->name = 5;
        atomic_store(&slot->word, EDGE(EPOLLIN) | SLOT_TIMEOUT);
        weir_deadline_settle(fx->registry, slot);
        assert_word(slot, EDGE(EPOLLIN));
        atomic_store(&slot->word, EDGE(EPOLLIN) | SLOT_TIMEOUT);
        assert_false(weir_deadline_claim(fx->registry, slot, &claim));
        assert_word(slot, EDGE(EPOLLIN));
        atomic_store(&slot->word, 0);
        go_on();
}

/* A set to the clock of the fetch is due, one nanosecond more is not. */
static void due_is_what_the_fetch_says(void **state) {
        struct fixture *fx = *state;
        weir_time now = stop(fx);
        struct weir_waker *waker = make_due(fx, now);

        fault_pass_time(S);
        assert_int_equal(weir_waker_set_deadline(waker, now + 1), 0);
        expect_drained_batch(fx);
        assert_int_equal(weir_waker_set_deadline(waker, now), 0);
        fetch(fx, 1);
        assert_int_equal(weir_waker_set_deadline(waker, now + S), 0);
        assert_true(weir_events_next(fx->events, &(struct weir_event){ 0 }));
        weir_waker_destroy(waker);
        go_on();
}

/* ---------------------------------------------------------------- the moment of the fetch */

static void moment_is_kept_once_it_was_asked_for(void **state) {
        struct fixture *fx = *state;
        weir_time now = stop(fx);

        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(atomic_load(&fx->registry->deadlines.moment), 0);
        fault_pass_time(S);
        assert_true(weir_registry_moment(fx->registry) == now + S);
        fault_pass_time(S);
        /* Still nobody has fetched since. */
        assert_true(weir_registry_moment(fx->registry) == now + 2 * S);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        fault_pass_time(S);
        assert_true(weir_registry_moment(fx->registry) == now + 2 * S);
        go_on();
}

/* ---------------------------------------------------------------- an outer set */

static void timer_follows_the_first_place(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *wakers[2] = { make(fx, 0), make(fx, 1) };
        weir_time now = stop(fx);
        uint64_t calls;
        int fd;

        assert_int_equal(weir_waker_set_deadline(wakers[0], now + S), 0);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(fault_count(FAULT_TIMER_SET), 0);
        fd = weir_poll_fd(fx->poll);
        assert_true(fault_timer() == now + S);
        calls = fault_count(FAULT_SYSTEM);
        /* Later ones, and one that is not the first. */
        assert_int_equal(weir_waker_set_deadline(wakers[0], now + 2 * S), 0);
        assert_int_equal(weir_waker_set_deadline(wakers[1], now + 3 * S), 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        /* An earlier one: one call. */
        calls = fault_count(FAULT_SYSTEM);
        assert_int_equal(weir_waker_set_deadline(wakers[1], now + S / 2), 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls + 1);
        assert_true(fault_timer() == now + S / 2);
        /* It rings, the wait takes what is due, and the timer goes to the next place. */
        assert_false(polls_readable(fd, 0));
        fault_pass_time(S / 2);
        assert_true(polls_readable(fd, 0));
        assert_int_equal(timeouts(fx, 1), 1);
        assert_true(fault_timer() == now + S);
        assert_false(polls_readable(fd, 0));
        /* One that was moved: readable for nothing, once. */
        fault_pass_time(S / 2);
        assert_true(polls_readable(fd, 0));
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_true(fault_timer() == now + 2 * S);
        assert_false(polls_readable(fd, 0));
        fault_pass_time(S);
        assert_true(polls_readable(fd, 0));
        assert_int_equal(timeouts(fx, 0), 1);
        assert_true(fault_timer() == WEIR_FOREVER);
        assert_false(polls_readable(fd, 0));
        /* The same moment once more, which has passed: it rings anew. */
        calls = fault_count(FAULT_TIMER_SET);
        assert_int_equal(weir_waker_set_deadline(wakers[0], now + 2 * S), 0);
        assert_int_equal(fault_count(FAULT_TIMER_SET), calls + 1);
        assert_true(polls_readable(fd, 0));
        assert_int_equal(timeouts(fx, 0), 1);
        assert_false(polls_readable(fd, 0));
        /* A wait that changes nothing does not set it. */
        calls = fault_count(FAULT_TIMER_SET);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        assert_int_equal(fault_count(FAULT_TIMER_SET), calls);
        for (unsigned i = 0; i < 2; ++i)
                weir_waker_destroy(wakers[i]);
        go_on();
}

static struct fixture *passing;
static struct weir_waker *passing_waker;

static void set_the_same(void *arg) {
        (void)arg;
        if (!(atomic_load(&passing->registry->deadlines.lock.word) & 1))
                assert_int_equal(weir_waker_set_deadline(passing_waker, 1), 0);
}

/* Wherever in the wait the same moment is set again, an outer set that watches edges hears of it. */
static void moment_that_is_set_again_in_a_wait_rings(void **state) {
        struct fixture *fx = *state;
        struct epoll_event entry = { .events = EPOLLIN | (uint32_t)EPOLLET };
        int outer = epoll_create1(EPOLL_CLOEXEC);
        uint64_t fired = 1;
        unsigned n;

        passing = fx;
        passing_waker = make(fx, TOKEN);
        assert_int_equal(epoll_ctl(outer, EPOLL_CTL_ADD, weir_poll_fd(fx->poll), &entry), 0);
        for (n = 1; fired; ++n) {
                uint64_t timeouts_before = stats_of(fx->registry).timeouts;
                unsigned heard = 0;

                assert_int_equal(weir_waker_set_deadline(passing_waker, 1), 0);
                while (epoll_wait(outer, &entry, 1, heard ? 0 : DEADLINE_MS) == 1) {
                        if (!heard++)
                                fault_hook(FAULT_YIELD, n, set_the_same, NULL);
                        (void)timeouts(fx, TOKEN);
                        assert_true(heard < 10);
                }
                fired = fault_off();
                assert_in_range(stats_of(fx->registry).timeouts - timeouts_before, 1, 1 + fired);
                assert_int_equal(timeouts(fx, TOKEN), 0); /* nothing was left that nobody heard of */
        }
        assert_true(n > 10);
        weir_waker_destroy(passing_waker);
        close(outer);
}

/* ---------------------------------------------------------------- memory, and the end */

static void every_allocation_fails_in_turn(void **state) {
        struct fixture *fx = *state;
        struct weir_deadlines *all = &fx->registry->deadlines;
        struct weir_waker *waker = make(fx, TOKEN);
        int fd = make_eventfd(0), r = -ENOMEM;
        unsigned n;

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        for (n = 1; r < 0; ++n) {
                fault_at(FAULT_ALLOC, n, ENOMEM);
                r = weir_set_deadline(fx->registry, fd, 1);
                assert_int_equal(fault_off(), r < 0);
                if (r < 0) {
                        assert_int_equal(r, -ENOMEM);
                        assert_int_equal(all->count + all->counted + all->room, 0);
                        assert_true(weir_deadline_of(fx->registry, (uint32_t)fd) == WEIR_NEVER);
                        assert_int_equal(timeouts(fx, 1), 0);
                }
        }
        assert_int_equal(n, 4); /* the segment, the heap, none */
        assert_int_equal(timeouts(fx, 1), 1);
        /* The heap is full: it grows, or nothing happens; and what is in it stays. */
        all->counted = all->room;
        assert_int_equal(weir_set_deadline(fx->registry, fd, weir_now() + HOUR), 0);
        fault_at(FAULT_ALLOC, 2, ENOMEM);
        assert_int_equal(weir_waker_set_deadline(waker, 1), -ENOMEM);
        assert_int_equal(fault_off(), 1);
        assert_true(weir_deadline_of(fx->registry, (uint32_t)DATA_WAKER) == WEIR_NEVER);
        assert_int_equal(timeouts(fx, TOKEN), 0);
        check_heap(fx);
        assert_int_equal(weir_waker_set_deadline(waker, 1), 0);
        check_heap(fx);
        assert_int_equal(timeouts(fx, TOKEN), 1);
        assert_int_equal(weir_set_deadline(fx->registry, fd, 1), 0);
        assert_int_equal(timeouts(fx, 1), 1);
        all->counted = 2;
        weir_waker_destroy(waker);
        close(fd);
}

/* Two threads meet the first one of a number. */
static int set_first(void *arg) {
        struct weir_waker **waker = arg;

        REQUIRE(weir_waker_set_deadline(*waker, 1) == 0);
        return 0;
}

static void set_first_here(void *arg) {
        assert_int_equal(set_first(arg), 0);
}

static void first_deadline_is_made_once(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, TOKEN);
        uint64_t memory;

        /* The other one has made the segment, and put the number in, while this one makes its own. */
        fault_hook(FAULT_ALLOC, 1, set_first_here, &waker);
        assert_int_equal(weir_waker_set_deadline(waker, 2), 0);
        assert_int_equal(fault_off(), 1);
        assert_int_equal(fx->registry->deadlines.counted, 1);
        assert_int_equal(fx->registry->deadlines.count, 1);
        check_heap(fx);
        assert_int_equal(timeouts(fx, TOKEN), 1);
        memory = fault_memory();
        assert_int_equal(weir_waker_set_deadline(waker, 3), 0);
        assert_int_equal(fault_memory(), memory);
        weir_waker_destroy(waker);
}

static void child_of_a_handler_waits_for_nothing(void **state) {
        struct fixture *fx = *state;
        struct weir_waker *waker = make(fx, TOKEN);
        struct weir_deadlines *all = &fx->registry->deadlines;
        struct weir_ready_list due = { NULL, NULL };
        uint32_t name = waker_slot(fx, 0)->name;

        assert_int_equal(weir_waker_set_deadline(waker, 1), 0);
        /* As if it had been forked while another thread held the lock. */
        atomic_store(&all->lock.word, 1);
        atomic_store(&fx->registry->life->state, LIFE_FORKED);
        assert_int_equal(weir_deadline_set(fx->registry, name, 0), -ECHILD);
        assert_int_equal(weir_deadline_set(fx->registry, name + 1, 0), -ECHILD);
        assert_int_equal(weir_deadlines_sleep(fx->registry, WEIR_FOREVER), 0);
        weir_deadlines_fetched(fx->registry, 5, &due);
        assert_null(due.first);
        weir_deadlines_announce(fx->registry);
        assert_int_equal(weir_waker_set_deadline(waker, 1), -ECHILD);
        assert_true(weir_registry_moment(fx->registry) == 0);
        atomic_store(&fx->registry->life->state, LIFE_ALIVE);
        atomic_store(&all->lock.word, 0);
        weir_waker_destroy(waker);
}

static void end_gives_back_every_byte(void **state) {
        struct fixture *fx = *state;
        uint64_t memory = fault_memory();
        struct weir_waker *waker;
        struct weir_poll *poll;
        unsigned open = count_descriptors();
        int fd = make_eventfd(0);

        (void)fx;
        for (unsigned nested = 0; nested < 2; ++nested) {
                assert_int_equal(weir_poll_create(&poll), 0);
                assert_int_equal(weir_register(weir_poll_registry(poll), fd, 1, WEIR_READABLE), 0);
                assert_int_equal(weir_waker_create(weir_poll_registry(poll), 1, &waker), 0);
                assert_int_equal(weir_set_deadline(weir_poll_registry(poll), fd, 1), 0);
                assert_int_equal(weir_waker_set_deadline(waker, WEIR_NEVER - 1), 0);
                if (nested)
                        assert_true(weir_poll_fd(poll) >= 0);
                weir_waker_destroy(waker);
                weir_poll_destroy(poll);
                assert_int_equal(fault_memory(), memory);
        }
        close(fd);
        assert_int_equal(count_descriptors(), open);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(each_comes_at_its_moment),
                CASE(those_that_are_due_come_in_order),
                CASE(moving_later_takes_no_lock),
                CASE(far_places_are_not_mistaken),
                CASE(sleep_is_ended_early_enough_and_not_often),
                CASE(timeout_before_the_moment_does_not_make_it_late),
                CASE(shorter_timeout_of_the_wait_counts),
                CASE(whole_wait),
                CASE(unused_costs_nothing),
                CASE(only_an_earlier_one_wakes),
                CASE(claim_is_of_one_moment_and_one_thread),
                CASE(bit_goes_when_nothing_is_due),
                CASE(due_is_what_the_fetch_says),
                CASE(moment_is_kept_once_it_was_asked_for),
                CASE(timer_follows_the_first_place),
                CASE(moment_that_is_set_again_in_a_wait_rings),
                CASE(every_allocation_fails_in_turn),
                CASE(first_deadline_is_made_once),
                CASE(child_of_a_handler_waits_for_nothing),
                CASE(end_gives_back_every_byte),
        };

        return cmocka_run_group_tests_name("deadline", cases, NULL, NULL);
}
