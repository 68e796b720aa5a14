/* SPDX-License-Identifier: MIT */
/*
 * Torture, in the manner of the kernel's rcutorture: 4, 16 and 64 threads on however many processors there are, half
 * of them changing registrations and half reading batches, over a library with seeded yield points. It proves
 * numbers, not survival: a histogram of the events by the age of their registration, with the buckets that must be
 * zero; stale events dropped, by what became of their descriptor; readiness that was due and seen; records poisoned
 * exactly once.
 *
 * The same program is built with the library's filter off, as a control: there the buckets must not be zero, or their
 * zeros in the other prove nothing. `torture CONTROL` runs that program beside each of its own rounds, in one report.
 *
 *   WEIR_STRESS          seconds a round, of which there are three: 1 unless given, 9000 for a night; the control's
 *                        are never longer than a second, unless it takes more until they show what they must
 *   WEIR_STRESS_THREADS  one round with so many threads
 *   WEIR_STRESS_SEED     what the threads draw from; threads still meet as the scheduler likes
 *
 * Read torture_read.c first, which judges an event, then torture_churn.c, which does what may go wrong.
 */
#include <spawn.h>
#include <sys/wait.h>

#include "torture.h"

#define NS_PER_S   UINT64_C(1000000000)
#define PATIENCE_S 60 /* a round goes on so long for what must be seen at least once */
#define END_S      60 /* and may take so long to end */

extern char **environ;

static double seconds_a_round(void) {
        const char *value = getenv("WEIR_STRESS");
        double seconds = value ? strtod(value, NULL) : 1.0;

        return seconds > 0 && seconds < (FILTER_OFF ? 1.0 : 1e9) ? seconds : 1.0;
}

static unsigned long from_env(const char *name, unsigned long otherwise) {
        const char *value = getenv(name);

        return value && *value ? strtoul(value, NULL, 0) : otherwise;
}

static bool all_was_seen(struct torture *t) {
        struct weir_stats stats;

        if (FILTER_OFF)
                return atomic_load_explicit(&t->shown[0], memory_order_relaxed) &&
                       atomic_load_explicit(&t->shown[1], memory_order_relaxed);
        weir_registry_stats(t->registry, &stats);
        return stats.rebuilds && atomic_load_explicit(&torture_dropped[CLOSED], memory_order_relaxed) &&
               atomic_load_explicit(&torture_dropped[REUSED], memory_order_relaxed) &&
               atomic_load_explicit(&torture_dropped[REOPENED], memory_order_relaxed);
}

bool torture_is_over(struct torture *t) {
        uint64_t now = now_ns();

        if (now < t->end)
                return atomic_load_explicit(&t->given_up, memory_order_relaxed);
        return now > t->limit || all_was_seen(t) || atomic_load_explicit(&t->given_up, memory_order_relaxed);
}

/* ---------------------------------------------------------------- a round */

static void reset_numbers(void) {
        for (unsigned i = 0; i < ALL_NUMBERS; i++) {
                atomic_store_explicit(&torture_numbers[i].begun, 0, memory_order_relaxed);
                atomic_store_explicit(&torture_numbers[i].ended, 0, memory_order_relaxed);
                atomic_store_explicit(&torture_numbers[i].last_loud, NEVER_BEFORE, memory_order_relaxed);
                atomic_store_explicit(&torture_numbers[i].fate, KEPT, memory_order_relaxed);
        }
        for (unsigned i = 0; i < FATES; i++)
                atomic_store_explicit(&torture_dropped[i], 0, memory_order_relaxed);
}

static void make_locks(struct torture *t) {
        pthread_rwlockattr_t attr;

        pthread_mutex_init(&t->lead, NULL);
        pthread_rwlock_init(&t->numbers, NULL);
        pthread_rwlockattr_init(&attr);
        /* Or many readers would never let a writer in. */
        pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
        pthread_rwlock_init(&t->lull, &attr);
        pthread_rwlockattr_destroy(&attr);
}

static void make_all(struct torture *t, unsigned n_threads) {
        const unsigned capacities[] = { MAX_CAPACITY, 7, 1, 16 };

        t->n_readers = n_threads / 2;
        t->n_churners = n_threads - t->n_readers;
        t->churners = calloc(t->n_churners, sizeof(*t->churners));
        t->readers = calloc(t->n_readers, sizeof(*t->readers));
        t->records = calloc(t->n_churners * RECORDS, sizeof(*t->records));
        t->spots = calloc(t->n_churners * SPOTS, sizeof(*t->spots));
        if (!t->churners || !t->readers || !t->records || !t->spots || weir_poll_create(&t->poll) < 0)
                abort();
        t->registry = weir_poll_registry(t->poll);
        for (unsigned i = 0; i < t->n_churners * RECORDS; i++)
                t->records[i].torture = t;
        for (unsigned i = 0; i < t->n_churners; i++) {
                struct churner *c = &t->churners[i];

                c->torture = t;
                c->registry = weir_registry_clone(t->registry);
                c->id = i;
                c->random = (t->seed + i + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
                c->records = &t->records[i * RECORDS];
                memset(c->ghosts, 0xff, sizeof(c->ghosts));
        }
        for (unsigned i = 0; i < t->n_readers; i++) {
                t->readers[i].torture = t;
                t->readers[i].id = i;
                t->readers[i].capacity = capacities[i % ARRAY_LEN(capacities)];
                t->readers[i].random = (t->seed + i + 1) * UINT64_C(0xd1342543de82ef95) | 1;
        }
}

static void free_all(struct torture *t) {
        for (unsigned i = 0; i < t->n_churners; i++)
                weir_registry_release(t->churners[i].registry);
        weir_poll_destroy(t->poll);
        pthread_mutex_destroy(&t->lead);
        pthread_rwlock_destroy(&t->numbers);
        pthread_rwlock_destroy(&t->lull);
}

/* Readers wait for ever; each wake lets one of them out. */
static bool stop_readers(struct torture *t, struct weir_waker *waker) {
        uint64_t end = now_ns() + UINT64_C(1000000) * DEADLINE_MS;

        latch_set(&t->stop);
        for (unsigned i = 0; i < t->n_readers; i++)
                while (!atomic_load_explicit(&t->readers[i].worker.done, memory_order_acquire)) {
                        if (now_ns() > end)
                                return false;
                        weir_waker_wake(waker);
                        sched_yield();
                }
        return true;
}

static bool run_round(unsigned n_threads) {
        struct torture t = { .seed = from_env("WEIR_STRESS_SEED", 1) };
        unsigned before = count_descriptors();
        struct weir_waker *waker = NULL;
        struct weir_stats stats;
        int failed = 0, r;
        bool good;

        alarm((unsigned)seconds_a_round() + 1 + PATIENCE_S + END_S);
        reset_numbers();
        make_locks(&t);
        make_all(&t, n_threads);
        if (weir_waker_create(t.registry, TOKEN_STOP, &waker) < 0)
                abort();
        t.begin = now_ns();
        t.end = t.begin + (uint64_t)(seconds_a_round() * (double)NS_PER_S);
        t.limit = t.end + PATIENCE_S * NS_PER_S;
        for (unsigned i = 0; i < t.n_readers; i++)
                worker_start(&t.readers[i].worker, read_and_count, &t.readers[i]);
        for (unsigned i = 0; i < t.n_churners; i++)
                worker_start(&t.churners[i].worker, churn, &t.churners[i]);
        for (unsigned i = 0; i < t.n_churners; i++) {
                r = worker_join(&t.churners[i].worker);
                failed = failed ? failed : r;
        }
        r = churn_end_all(&t.churners[0]);
        failed = failed ? failed : r;
        if (!stop_readers(&t, waker)) {
                /* What they hold cannot be freed; nor do they count any more. */
                weir_registry_stats(t.registry, &stats);
                (void)torture_report(&t, &stats, failed, false);
                printf("  WRONG: a reader sleeps through its wakes (G9)\nFAILED\n");
                fflush(stdout);
                _exit(EXIT_FAILURE);
        }
        for (unsigned i = 0; i < t.n_readers; i++) {
                r = worker_join(&t.readers[i].worker);
                failed = failed ? failed : r;
        }
        weir_waker_destroy(waker);
        weir_registry_stats(t.registry, &stats);
        free_all(&t);
        good = torture_report(&t, &stats, failed, count_descriptors() != before);
        free(t.spots);
        free(t.records);
        free(t.readers);
        free(t.churners);
        return good;
}

/* The other program, with as many threads; it prints to the same report. */
static bool run_control(char *path, unsigned n_threads) {
        char *args[] = { path, NULL }, number[16];
        int status = -1;
        pid_t pid;

        snprintf(number, sizeof(number), "%u", n_threads);
        setenv("WEIR_STRESS_THREADS", number, 1);
        fflush(stdout);
        alarm(0);
        if (posix_spawn(&pid, path, NULL, NULL, args, environ) != 0 || waitpid(pid, &status, 0) != pid)
                return false;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv) {
        const unsigned counts[] = { 4, 16, MAX_THREADS };
        unsigned long only = from_env("WEIR_STRESS_THREADS", 0);
        bool good = true;

        setvbuf(stdout, NULL, _IOLBF, 0);
        for (unsigned i = 0; i < (only ? 1 : ARRAY_LEN(counts)); i++) {
                unsigned n = only ? (unsigned)only : counts[i];

                if (n < 2 || n > MAX_THREADS) {
                        printf("from 2 to %d threads\n", MAX_THREADS);
                        return EXIT_FAILURE;
                }
                good &= run_round(n);
                if (argc > 1)
                        good &= run_control(argv[1], n);
        }
        if (!good)
                printf("FAILED\n");
        return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
