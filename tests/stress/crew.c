/* SPDX-License-Identifier: MIT */
/*
 * A crew under load: 2, 8 and 64 threads over a library with seeded yield points, handlers of mixed length, and crews that are
 * stopped in the midst of it, each followed by the next one on the same poll. It proves numbers: each event is begun once, and
 * what a stop left comes in plain waits, once.
 *
 * Now and then a handler rings another descriptor, and is at its end only when that event has been begun: then no thread may
 * sleep while it lies. How often that did not come is a count which must be zero; in the control, the same program over a crew
 * whose look-out sleeps without an alarm, it must not be. How long work lay while a thread had nothing to do is a histogram, for
 * the reader: it is as long as the machine lets a thread wait for a processor, too.
 *
 *   WEIR_STRESS       multiplies the crews for each number of threads, of which there are 10
 *   WEIR_STRESS_SEED  what the threads draw from; threads still meet as the scheduler likes
 */
#include "../support.h"

#include <inttypes.h>
#include <time.h>
#include <weir/crew.h>

#include "yield.h"

#ifdef CREW_CONTROL
#define CONTROL     1
#define PATIENCE_NS UINT64_C(100000000)
#else
#define CONTROL     0
#define PATIENCE_NS (UINT64_C(1000000) * DEADLINE_MS)
#endif

#define MAX_THREADS 64
#define MAX_FDS     (2 * MAX_THREADS)
#define EVENTS      2000 /* in the life of a crew */

/* A descriptor, and the event that it makes. */
struct mark {
        int fd;
        atomic_bool due;         /* it was rung, and that has not been begun */
        _Atomic(uint64_t) since; /* when */
};

static const uint64_t bounds_us[] = { 100, 300, 1000, 2000, 5000, 20000, 100000, UINT64_MAX };

/* What is counted in the life of all crews of as many threads. */
struct counts {
        atomic_uint begun, rest, twice, met, missed;
        atomic_uint lay[ARRAY_LEN(bounds_us)];
};

struct crowd {
        struct weir_poll *poll;
        struct weir_crew *crew;
        unsigned threads, fds;
        struct mark marks[MAX_FDS];
        _Atomic(uint64_t) free_since[MAX_THREADS]; /* 0 in a handler */
        atomic_uint present;                       /* threads that have a place there */
        atomic_uint blocked;
        atomic_bool stopping;
        struct counts counts;
};

static uint64_t seed;

/* Of this thread. */
static _Thread_local uint64_t random_state;
static _Thread_local unsigned place;

static unsigned draw(unsigned below) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (unsigned)(random_state >> 33) % below;
}

static void seed_thread(uint64_t number) {
        random_state = (seed + number) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        yield_seed(seed + number);
}

static void sleep_us(unsigned us) {
        const struct timespec time = { 0, (long)us * 1000 };

        nanosleep(&time, NULL);
}

/* One event, unless the last one of that descriptor still lies. */
static bool make_due(struct mark *mark) {
        bool due = false;

        if (!atomic_compare_exchange_strong(&mark->due, &due, true))
                return false;
        atomic_store(&mark->since, now_ns());
        ring(mark->fd);
        return true;
}

/* ---------------------------------------------------------------- what is measured */

/* How long this event lay while a thread had nothing to do. */
static void note_lying(struct crowd *crowd, uint64_t since) {
        uint64_t now = now_ns(), longest = 0;
        unsigned bucket = 0;

        for (unsigned i = 0; i < atomic_load(&crowd->present); i++) {
                uint64_t free_since = atomic_load(&crowd->free_since[i]),
                         from = free_since > since ? free_since : since;

                if (free_since && from < now && now - from > longest)
                        longest = now - from;
        }
        while (longest / 1000 >= bounds_us[bucket])
                ++bucket;
        atomic_fetch_add(&crowd->counts.lay[bucket], 1);
}

static void begin(struct crowd *crowd, struct mark *mark) {
        drain(mark->fd);
        if (!atomic_exchange(&mark->due, false))
                atomic_fetch_add(&crowd->counts.twice, 1);
}

/* ---------------------------------------------------------------- handlers */

/* The handler is at its end when another event has been begun. */
static void wait_for_another(struct crowd *crowd) {
        struct mark *mark = &crowd->marks[draw(crowd->fds)];
        uint64_t end = now_ns() + PATIENCE_NS;

        if (atomic_fetch_add(&crowd->blocked, 1) + 1 < crowd->threads && make_due(mark)) {
                bool met, stops;

                /* One look for both: it may be made due once more. */
                while (!(met = !atomic_load(&mark->due)) && !(stops = atomic_load(&crowd->stopping)) && now_ns() < end)
                        sleep_us(50);
                if (met)
                        atomic_fetch_add(&crowd->counts.met, 1);
                else if (!stops)
                        atomic_fetch_add(&crowd->counts.missed, 1);
        }
        atomic_fetch_sub(&crowd->blocked, 1);
}

static void spin_us(unsigned us) {
        uint64_t end = now_ns() + us * UINT64_C(1000);

        while (now_ns() < end)
                ;
}

static void serve(struct weir_crew *crew, const struct weir_event *event, void *data) {
        struct crowd *crowd = data;
        struct mark *mark = &crowd->marks[event->token];
        unsigned drawn;

        (void)crew;
        if (!random_state) {
                place = atomic_fetch_add(&crowd->present, 1);
                seed_thread(place);
        }
        note_lying(crowd, atomic_load(&mark->since));
        atomic_store(&crowd->free_since[place], 0);
        begin(crowd, mark);
        atomic_fetch_add(&crowd->counts.begun, 1);
        drawn = draw(1000);
        if (drawn < 8)
                wait_for_another(crowd);
        else if (drawn < 10)
                sleep_us(2000);
        else if (drawn < 50)
                spin_us(50);
        if (drawn % 4)
                make_due(mark);
        atomic_store(&crowd->free_since[place], now_ns());
}

/* ---------------------------------------------------------------- a crew's life */

static void begin_crew(struct crowd *crowd) {
        atomic_store(&crowd->present, 0);
        atomic_store(&crowd->stopping, false);
        assert_int_equal(weir_crew_create(crowd->poll, serve, crowd, &crowd->crew), 0);
        assert_int_equal(weir_crew_start(crowd->crew, crowd->threads), 0);
}

/* Puts load on it, with pauses in which it falls idle, or does not. */
static void load_crew(struct crowd *crowd) {
        unsigned goal = atomic_load(&crowd->counts.begun) + EVENTS;

        while (atomic_load(&crowd->counts.begun) < goal) {
                for (unsigned i = 0; i < crowd->fds; i++)
                        if (draw(2))
                                make_due(&crowd->marks[i]);
                sleep_us(draw(8) ? draw(300) : draw(8000));
        }
}

/* What a stop left comes in plain waits. */
static void end_crew(struct crowd *crowd, struct weir_events *events) {
        struct weir_event event;
        int r;

        atomic_store(&crowd->stopping, true);
        weir_crew_destroy(crowd->crew);
        while ((r = wait_ms(crowd->poll, events, 0)) > 0)
                while (weir_events_next(events, &event)) {
                        begin(crowd, &crowd->marks[event.token]);
                        atomic_fetch_add(&crowd->counts.rest, 1);
                }
        assert_int_equal(r, 0);
        for (unsigned i = 0; i < crowd->fds; i++)
                assert_false(atomic_load(&crowd->marks[i].due));
}

static void report(const struct crowd *crowd) {
        const struct counts *counts = &crowd->counts;

        printf("%u threads%s: %u events begun by crews, %u left by a stop, %u begun twice\n", crowd->threads,
               CONTROL ? ", no alarm" : "", counts->begun, counts->rest, counts->twice);
        printf("  handlers that waited for another event: %u met it, %u did not\n", counts->met, counts->missed);
        printf("  how long an event lay while a thread was free, us:");
        for (unsigned i = 0; i < ARRAY_LEN(bounds_us); i++)
                if (bounds_us[i] == UINT64_MAX)
                        printf("  more %u\n", counts->lay[i]);
                else
                        printf("  <%" PRIu64 " %u", bounds_us[i], counts->lay[i]);
}

static unsigned crews(void) {
        const char *value = getenv("WEIR_STRESS");
        double number = value ? strtod(value, NULL) : 1.0;

        return number > 0 && number < 1e6 ? (unsigned)(number * 10 + 0.9) : 10;
}

/* Returns how many handlers did not meet the event that they waited for. */
static unsigned run(struct fixture *fx, unsigned threads) {
        static struct crowd crowd;
        unsigned missed;

        memset(&crowd, 0, sizeof crowd);
        crowd.poll = fx->poll;
        crowd.threads = threads;
        crowd.fds = 2 * threads;
        seed_thread(MAX_THREADS);
        for (unsigned i = 0; i < crowd.fds; i++) {
                crowd.marks[i].fd = make_eventfd(0);
                assert_int_equal(weir_register(fx->registry, crowd.marks[i].fd, i, WEIR_READABLE), 0);
        }
        for (unsigned n = 0; n < (CONTROL ? 10 : crews()); n++) {
                begin_crew(&crowd);
                load_crew(&crowd);
                end_crew(&crowd, fx->events);
        }
        report(&crowd);
        missed = crowd.counts.missed;
        assert_int_equal(crowd.counts.twice, 0);
        for (unsigned i = 0; i < crowd.fds; i++) {
                assert_int_equal(weir_deregister(fx->registry, crowd.marks[i].fd), 0);
                close(crowd.marks[i].fd);
        }
        return missed;
}

static void events_are_begun_once_and_none_lies(void **state) {
        const unsigned threads[] = { 2, 8, MAX_THREADS };
        const char *value = getenv("WEIR_STRESS_SEED");
        unsigned missed = 0;

        seed = value ? strtoul(value, NULL, 0) : 1;
        for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
                missed += run(*state, threads[i]);
        if (CONTROL)
                assert_int_not_equal(missed, 0);
        else
                assert_int_equal(missed, 0);
}

int main(void) {
        const struct CMUnitTest cases[] = { CASE(events_are_begun_once_and_none_lies) };

        setvbuf(stdout, NULL, _IOLBF, 0);
        return cmocka_run_group_tests_name(CONTROL ? "crew-control" : "crew", cases, NULL, NULL);
}
