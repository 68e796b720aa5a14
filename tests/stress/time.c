/* SPDX-License-Identifier: MIT */
/*
 * Deadlines and triggers under torture: lines that are one-shot, threads that take turns to wait and serve whatever comes, and as
 * many that speak to the lines from outside. It proves numbers: timeouts that came early, that nobody had set, or not at all;
 * words that were lost; events of a registration that had gone; and lines that were with two threads.
 *
 *   WEIR_STRESS       seconds, 1 unless given
 *   WEIR_STRESS_SEED  what the threads draw from
 *
 * Read serve() first.
 */
#include <sys/eventfd.h>

#include "../support.h"
#include "yield.h"

#define LINES     48
#define SERVERS   4
#define SPEAKERS  4
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

#define TOKEN_STOP UINT64_MAX

/* What a token is: the line, and how many registrations it had before. */
#define TOKEN(line, ordinal) ((weir_token)(line) | (weir_token)(ordinal) << 16)

struct line {
        /* The owner's, plain, so that a thread sanitizer sees a second one. */
        weir_time moment; /* of its deadline, or 0 */
        uint64_t served;

        atomic_uint owners;
        atomic_uint letters; /* words that nobody has taken */

        /* Held while the descriptor is replaced, or spoken to. */
        pthread_mutex_t lock;
        unsigned ordinal;
        int fd;
};

struct all {
        struct weir_poll *poll;
        struct weir_registry *registry;
        struct line lines[LINES];
        pthread_mutex_t lead;
        pthread_mutex_t
                numbers;  /* held while a descriptor is closed and deregistered: nobody may open its number then */
        atomic_bool over; /* the speakers' */
        atomic_ulong events, timeouts, words, replaced, late;
        atomic_ulong early, unset, gone, shared, failed; /* must be 0 */
};

struct worker_of {
        struct worker worker;
        struct all *all;
        uint64_t random;
};

static void count(atomic_ulong *number) {
        atomic_fetch_add_explicit(number, 1, memory_order_relaxed);
}

static unsigned draw(uint64_t *state, unsigned n) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return (unsigned)((*state >> 16) % n);
}

static void require(struct all *all, int r) {
        if (r < 0)
                count(&all->failed);
}

/* ---------------------------------------------------------------- a line, by its owner */

static int begin_line(struct all *all, unsigned i) {
        struct line *line = &all->lines[i];

        line->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (line->fd < 0)
                return -1;
        return weir_register(all->registry, line->fd, TOKEN(i, line->ordinal),
                             WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD);
}

/* Another registration in its place, of the same number or another one. Its deadline is gone, and what was said is said again. */
static void replace_line(struct all *all, unsigned i, bool close_first) {
        struct line *line = &all->lines[i];

        pthread_mutex_lock(&line->lock);
        pthread_mutex_lock(&all->numbers);
        if (close_first)
                close(line->fd);
        require(all, weir_deregister(all->registry, line->fd));
        if (!close_first)
                close(line->fd);
        ++line->ordinal;
        line->moment = 0;
        require(all, begin_line(all, i));
        pthread_mutex_unlock(&all->numbers);
        if (atomic_load(&line->letters))
                require(all, weir_trigger(all->registry, line->fd));
        pthread_mutex_unlock(&line->lock);
        count(&all->replaced);
}

static void set_deadline(struct all *all, struct line *line, uint64_t *random) {
        weir_time ahead = (weir_time)draw(random, 1000) * draw(random, 1000) * 3;

        line->moment = draw(random, 16) ? weir_now() + ahead : 0;
        require(all, weir_set_deadline(all->registry, line->fd, line->moment ? line->moment : WEIR_NEVER));
}

static void take_event(struct all *all, struct line *line, const struct weir_event *event) {
        weir_time now = weir_now();
        uint64_t ignored;

        count(&all->events);
        ++line->served;
        if (weir_event_is_readable(event))
                (void)!read(line->fd, &ignored, sizeof ignored);
        if (weir_event_is_triggered(event)) {
                atomic_store(&line->letters, 0);
                count(&all->words);
        }
        if (!weir_event_is_timeout(event))
                return;
        count(&all->timeouts);
        if (!line->moment)
                count(&all->unset);
        else if (now < line->moment)
                count(&all->early);
        else if (now - line->moment > 20 * NS_PER_MS)
                count(&all->late);
        line->moment = 0;
}

/* With the line owned: takes what came, does something to the line, and gives it back. */
static void serve(struct all *all, const struct weir_event *event, uint64_t *random, bool over) {
        unsigned i = (unsigned)(event->token & 0xffff), kind = draw(random, 16);
        struct line *line = &all->lines[i];

        if (atomic_exchange(&line->owners, 1))
                count(&all->shared);
        if (event->token != TOKEN(i, line->ordinal))
                count(&all->gone);
        take_event(all, line, event);
        if (!over && kind < 2)
                replace_line(all, i, kind);
        if (!over && (!line->moment || kind > 8))
                set_deadline(all, line, random);
        atomic_store(&line->owners, 0);
        if (kind == 3)
                require(all, weir_reregister(all->registry, line->fd, event->token, WEIR_READABLE | WEIR_ONESHOT));
        else
                require(all, weir_rearm(all->registry, line->fd, WEIR_READABLE));
}

/* ---------------------------------------------------------------- threads */

static int serves(void *arg) {
        struct worker_of *mine = arg;
        struct all *all = mine->all;
        struct weir_events *events = NULL;
        struct weir_event event;
        bool stopped = false;

        yield_seed(mine->random);
        if (weir_events_create(1 + draw(&mine->random, 8), &events) < 0)
                return __LINE__;
        while (!stopped) {
                /* What is left unread is for whoever leads: it must not lie here for as long as that takes. */
                weir_events_clear(events);
                pthread_mutex_lock(&all->lead);
                require(all, weir_poll_wait(all->poll, events, NULL));
                pthread_mutex_unlock(&all->lead);
                /* Sometimes the rest is left unread. */
                while (draw(&mine->random, 8) && weir_events_next(events, &event))
                        if (event.token == TOKEN_STOP)
                                stopped = true;
                        else
                                serve(all, &event, &mine->random, atomic_load(&all->over));
        }
        weir_events_destroy(events);
        return 0;
}

static int speaks(void *arg) {
        struct worker_of *mine = arg;
        struct all *all = mine->all;
        const uint64_t one = 1;

        yield_seed(mine->random);
        while (!atomic_load(&all->over)) {
                struct line *line = &all->lines[draw(&mine->random, LINES)];

                pthread_mutex_lock(&line->lock);
                if (draw(&mine->random, 2)) {
                        atomic_fetch_add(&line->letters, 1);
                        require(all, weir_trigger(all->registry, line->fd));
                } else {
                        (void)!write(line->fd, &one, sizeof one);
                }
                pthread_mutex_unlock(&line->lock);
                if (draw(&mine->random, 200) == 0)
                        require(all, weir_trigger_all(all->registry));
                /* Now and then all are left alone, so that the waiter sleeps until a deadline. */
                if (draw(&mine->random, 100) == 0)
                        nanosleep(&(struct timespec){ .tv_nsec = 2 * NS_PER_MS }, NULL);
        }
        return 0;
}

/* ---------------------------------------------------------------- all of it */

static void start(struct all *all, struct worker_of *workers, unsigned n, int (*fn)(void *), uint64_t seed) {
        for (unsigned i = 0; i < n; i++) {
                workers[i].all = all;
                workers[i].random = (seed + i) * UINT64_C(0x9e3779b97f4a7c15) | 1;
                worker_start(&workers[i].worker, fn, &workers[i]);
        }
}

static int join(struct worker_of *workers, unsigned n) {
        int line = 0;

        for (unsigned i = 0; i < n; i++) {
                int r = worker_join(&workers[i].worker);

                line = line ? line : r;
        }
        return line;
}

/* By the main thread alone: all that was set or said comes yet. */
static unsigned take_rest(struct all *all) {
        struct weir_events *events = NULL;
        weir_time end = weir_now() + DEADLINE_MS * NS_PER_MS;
        uint64_t random = 1;
        unsigned missing;

        if (weir_events_create(LINES, &events) < 0)
                return LINES;
        do {
                struct weir_event event;

                require(all, wait_ms(all->poll, events, 5));
                while (weir_events_next(events, &event))
                        if (event.token != TOKEN_STOP)
                                serve(all, &event, &random, true);
                missing = 0;
                for (unsigned i = 0; i < LINES; i++)
                        missing += all->lines[i].moment || atomic_load(&all->lines[i].letters);
        } while (missing && weir_now() < end);
        weir_events_destroy(events);
        return missing;
}

static bool report(struct all *all, unsigned missing, int failed_line) {
        printf("%lu events, %lu timeouts, %lu more than 20 ms late, %lu words, %lu lines replaced\n", all->events,
               all->timeouts, all->late, all->words, all->replaced);
        printf("must be 0: %lu early, %lu that nobody had set, %u lost, %lu of a line that had gone, %lu with two "
               "threads, "
               "%lu calls that failed, %d a line that failed\n",
               all->early, all->unset, missing, all->gone, all->shared, all->failed, failed_line);
        return all->timeouts && all->words && all->replaced && !all->early && !all->unset && !missing && !all->gone &&
               !all->shared && !all->failed && !failed_line;
}

int main(void) {
        static struct all all;
        static struct worker_of servers[SERVERS], speakers[SPEAKERS];
        const char *seconds = getenv("WEIR_STRESS"), *number = getenv("WEIR_STRESS_SEED");
        uint64_t seed = number ? strtoul(number, NULL, 0) : 1;
        unsigned before = count_descriptors(), missing;
        struct weir_waker *waker = NULL;
        int line;

        if (weir_poll_create(&all.poll) < 0)
                return EXIT_FAILURE;
        all.registry = weir_poll_registry(all.poll);
        pthread_mutex_init(&all.lead, NULL);
        pthread_mutex_init(&all.numbers, NULL);
        require(&all, weir_waker_create(all.registry, TOKEN_STOP, &waker));
        for (unsigned i = 0; i < LINES; i++) {
                pthread_mutex_init(&all.lines[i].lock, NULL);
                require(&all, begin_line(&all, i));
                require(&all, weir_rearm(all.registry, all.lines[i].fd, WEIR_READABLE));
        }
        start(&all, servers, SERVERS, serves, seed);
        start(&all, speakers, SPEAKERS, speaks, seed + SERVERS);
        nanosleep(&(struct timespec){ .tv_sec = seconds ? strtol(seconds, NULL, 10) : 1 }, NULL);
        atomic_store(&all.over, true);
        line = join(speakers, SPEAKERS);
        for (unsigned i = 0; i < SERVERS; i++)
                while (!atomic_load_explicit(&servers[i].worker.done, memory_order_acquire)) {
                        weir_waker_wake(waker);
                        sched_yield();
                }
        line = line ? line : join(servers, SERVERS);
        missing = take_rest(&all);
        for (unsigned i = 0; i < LINES; i++) {
                weir_deregister(all.registry, all.lines[i].fd);
                close(all.lines[i].fd);
        }
        weir_waker_destroy(waker);
        weir_poll_destroy(all.poll);
        return report(&all, missing, line) && count_descriptors() == before ? EXIT_SUCCESS : EXIT_FAILURE;
}
