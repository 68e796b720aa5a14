/* SPDX-License-Identifier: MIT */
/*
 * G8 with several threads: between its event and the rearm, a one-shot belongs to one thread alone. Threads in
 * leader/follower read the same descriptors, writers never pause, and each record notices a second owner. Bytes are
 * counted, so a missed edge shows as bytes that nobody read.
 */
#include "../support.h"

#define READERS 3
#define WRITERS 2
#define PAIRS   6
#define BYTES   4000 /* written to each descriptor */

struct record {
        int fds[2];
        atomic_int owners;
        unsigned plain;    /* touched by the owner alone, so a sanitizer sees a second one */
        unsigned received; /* likewise */
};

struct crew {
        struct fixture *fx;
        struct record records[PAIRS];
        atomic_int received, crowded;
        struct latch stop;
};

/* Reads a short count or to -EAGAIN, in turns. */
static int serve(struct crew *crew, struct record *record) {
        char buffer[64];
        int total = 0;
        ssize_t n;

        if (atomic_fetch_add_explicit(&record->owners, 1, memory_order_relaxed))
                atomic_fetch_add_explicit(&crew->crowded, 1, memory_order_relaxed);
        record->plain++;
        while ((n = read(record->fds[0], buffer, sizeof(buffer))) > 0) {
                total += (int)n;
                if ((size_t)n < sizeof(buffer) && record->plain % 2)
                        break;
        }
        record->received += (unsigned)total;
        atomic_fetch_sub_explicit(&record->owners, 1, memory_order_relaxed);
        REQUIRE(weir_rearm(crew->fx->registry, record->fds[0], WEIR_READABLE) == 0);
        atomic_fetch_add_explicit(&crew->received, total, memory_order_relaxed);
        return 0;
}

static int read_in_turns(void *arg) {
        struct crew *crew = arg;
        struct weir_events *events = NULL;
        struct weir_event event;
        int r;

        REQUIRE(weir_events_create(4, &events) == 0);
        while (!latch_is_set(&crew->stop)) {
                r = wait_ms(crew->fx->poll, events, 2);
                if (r == -EBUSY) {
                        sched_yield();
                        continue;
                }
                REQUIRE(r >= 0);
                while (weir_events_next(events, &event)) {
                        r = serve(crew, weir_token_ptr(event.token));
                        if (r)
                                return r;
                }
        }
        weir_events_destroy(events);
        return 0;
}

static int write_without_pause(void *arg) {
        struct crew *crew = arg;

        for (unsigned i = 0; i < BYTES / WRITERS; i++)
                for (unsigned p = 0; p < PAIRS; p++)
                        while (write(crew->records[p].fds[1], "x", 1) != 1) {
                                REQUIRE(errno == EAGAIN);
                                sched_yield();
                        }
        return 0;
}

static void own(struct fixture *fx, void (*make)(int *)) {
        static struct crew crew;
        struct worker readers[READERS], writers[WRITERS];

        memset(&crew, 0, sizeof(crew));
        crew.fx = fx;
        for (unsigned p = 0; p < PAIRS; p++) {
                make(crew.records[p].fds);
                assert_int_equal(weir_register(fx->registry, crew.records[p].fds[0], weir_ptr_token(&crew.records[p]),
                                               WEIR_READABLE | WEIR_ONESHOT),
                                 0);
        }
        for (unsigned i = 0; i < READERS; i++)
                worker_start(&readers[i], read_in_turns, &crew);
        for (unsigned i = 0; i < WRITERS; i++)
                worker_start(&writers[i], write_without_pause, &crew);
        for (unsigned i = 0; i < WRITERS; i++)
                assert_int_equal(worker_join(&writers[i]), 0);
        /* Fails by its deadline if an edge was missed. */
        (void)reached(&crew.received, PAIRS * BYTES);
        latch_set(&crew.stop);
        for (unsigned i = 0; i < READERS; i++)
                assert_int_equal(worker_join(&readers[i]), 0);
        assert_int_equal(crew.crowded, 0);
        for (unsigned p = 0; p < PAIRS; p++) {
                assert_int_equal(crew.records[p].received, BYTES);
                assert_int_equal(weir_deregister(fx->registry, crew.records[p].fds[0]), 0);
                close_pair(crew.records[p].fds);
        }
}

static void g8_oneshot_pipe_has_one_owner_at_a_time_and_misses_no_edge(void **state) {
        own(*state, make_pipe);
}

static void g8_oneshot_socket_has_one_owner_at_a_time_and_misses_no_edge(void **state) {
        own(*state, make_socketpair);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g8_oneshot_pipe_has_one_owner_at_a_time_and_misses_no_edge),
                CASE(g8_oneshot_socket_has_one_owner_at_a_time_and_misses_no_edge),
        };

        return cmocka_run_group_tests_name("g08_owner", cases, NULL, NULL);
}
