/* SPDX-License-Identifier: MIT */

/*
 * What do deadlines cost?
 *
 * Raw epoll has none. Its side sets a timerfd for each, by a system call; for those that expire, where the interrupt of a timer
 * would be all there is to see, it writes to an eventfd, waits, and reads. With weir they are deadlines of registrations, for
 * an idle limit, or of wakers, for timers; with the others timeouts of events, or timers.
 *
 *   deadline-idle      moves an idle limit later, of descriptors: the moment is that of the last fetch; as each request does
 *   deadline-idle-now  the same, by a look at the clock each time
 *   deadline-set       sets timers that are not set, to random moments within ten seconds
 *   deadline-earlier   moves them to an earlier one
 *   deadline-remove    takes them away
 *   deadline-expire    hands out those that have expired, all at once
 *   deadline-beside-tN  sets them from N threads, while another one waits for them
 */

#include "bench.h"
#include "peers/peer.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define S  (1000 * MS)

enum { IDLE, IDLE_NOW, SET, EARLIER, REMOVE, EXPIRE };

static const struct timespec at_once;

/* ---------------------------------------------------------------- how long */

/* Delays, the same on every side. */
static int64_t *delays_make(size_t n, int64_t least, int64_t most) {
        int64_t *delays = calloc(n, sizeof *delays);
        uint64_t seed = 1;

        require(delays, "memory for delays");
        for (size_t i = 0; i < n; ++i)
                delays[i] = least + (int64_t)(bench_random(&seed) % (uint64_t)(most - least));
        return delays;
}

/* Long enough for what was set to 0 to have expired, with clocks that count milliseconds, too. */
static void let_pass(void) {
        int64_t end = bench_now() + 3 * MS;

        while (bench_now() < end)
                ;
}

/* ---------------------------------------------------------------- raw */

static void raw_set(int timer, int64_t delay) {
        struct itimerspec at = { .it_value = { .tv_sec = delay / S, .tv_nsec = delay % S } };

        require(timerfd_settime(timer, 0, &at, NULL) == 0, "timerfd_settime");
}

static void raw_deadline(struct bench_turn *turn, const struct bench_raw *raw) {
        int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

        (void)raw;
        require(timer >= 0, "timerfd_create");
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < turn->on->n; ++i)
                        raw_set(timer, turn->what->variant == REMOVE ? 0 : 60 * S);
                bench_end(turn, turn->on->n);
        }
        close(timer);
}

static void raw_expire(struct bench_turn *turn, const struct bench_raw *raw) {
        struct epoll_event event = { .events = EPOLLIN };
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        uint64_t count = 1;

        require(fd >= 0 && epoll_ctl(raw->set, EPOLL_CTL_ADD, fd, &event) == 0, "eventfd");
        while (bench_round(turn)) {
                bench_begin(turn);
                for (size_t i = 0; i < turn->on->n; ++i) {
                        require(write(fd, &count, sizeof count) == sizeof count, "write to the eventfd");
                        require(epoll_wait(raw->set, raw->events, BENCH_BATCH, 0) == 1, "epoll_wait");
                        require(read(fd, &count, sizeof count) == sizeof count, "read of the eventfd");
                }
                bench_end(turn, turn->on->n);
        }
        close(fd);
}

/* ---------------------------------------------------------------- idle limits */

static void weir_idle(struct bench_turn *turn, const struct bench_weir *weir) {
        const struct bench_descriptors *on = turn->on;

        weir_add_all(weir, on, WEIR_READABLE);
        (void)weir_registry_moment(weir->registry);
        while (bench_round(turn)) {
                /* As time goes on between two requests. */
                int64_t limit = 60 * S + (int64_t)turn->round * MS;

                require(weir_poll_wait(weir->poll, weir->events, &at_once) == 0, "weir_poll_wait");
                bench_begin(turn);
                if (turn->what->variant == IDLE)
                        for (size_t i = 0; i < on->n; ++i)
                                require(weir_set_deadline(weir->registry, on->mixed[i],
                                                          weir_registry_moment(weir->registry) + limit) == 0,
                                        "weir_set_deadline");
                else
                        for (size_t i = 0; i < on->n; ++i)
                                require(weir_set_deadline(weir->registry, on->mixed[i], weir_now() + limit) == 0,
                                        "weir_set_deadline");
                bench_end(turn, on->n);
        }
        weir_remove_all(weir, on);
}

static bool peer_idle(struct bench_turn *turn, const struct peer *peer, void *loop) {
        if (!peer->idle)
                return false;
        peer->add(loop, turn->on->fds, turn->on->n);
        while (bench_round(turn)) {
                (void)peer->wait(loop, false);
                bench_begin(turn);
                peer->idle(loop, turn->on->mixed, turn->on->n, 60 * S);
                bench_end(turn, turn->on->n);
        }
        peer->remove(loop, turn->on->mixed, turn->on->n);
        return true;
}

/* ---------------------------------------------------------------- timers */

struct timers {
        struct weir_waker **wakers;
        int64_t *early, *late; /* delays: all of the first are shorter */
        size_t n;
};

static struct timers timers_make(const struct bench_weir *weir, size_t n) {
        struct timers timers = { .early = delays_make(n, MS, 10 * S), .late = delays_make(n, 20 * S, 30 * S), .n = n };

        if (!weir)
                return timers;
        timers.wakers = calloc(n, sizeof *timers.wakers);
        require(timers.wakers, "memory for wakers");
        for (size_t i = 0; i < n; ++i)
                require(weir_waker_create(weir->registry, i, &timers.wakers[i]) == 0, "weir_waker_create");
        return timers;
}

static void timers_free(struct timers *timers) {
        for (size_t i = 0; timers->wakers && i < timers->n; ++i)
                weir_waker_destroy(timers->wakers[i]);
        free(timers->wakers);
        free(timers->early);
        free(timers->late);
}

/* From one look at the clock, as others cache the time. */
static void set_some(const struct timers *timers, const int64_t *delays, size_t first, size_t n) {
        weir_time now = weir_now();

        for (size_t i = first; i < first + n; ++i)
                require(weir_waker_set_deadline(timers->wakers[i], now + delays[i]) == 0, "weir_waker_set_deadline");
}

static void set_all(const struct timers *timers, const int64_t *delays) {
        set_some(timers, delays, 0, timers->n);
}

/* The moment alone: 1 has passed. */
static void set_all_to(const struct timers *timers, weir_time moment) {
        for (size_t i = 0; i < timers->n; ++i)
                require(weir_waker_set_deadline(timers->wakers[i], moment) == 0, "weir_waker_set_deadline");
}

static void take_all(const struct bench_weir *weir, size_t n) {
        struct weir_event event;

        for (size_t seen = 0; seen < n;) {
                require(weir_poll_wait(weir->poll, weir->events, &at_once) > 0, "weir_poll_wait: timeouts");
                for (; weir_events_next(weir->events, &event); ++seen)
                        bench_use(event.token, event.readiness);
        }
}

static void weir_timers(struct bench_turn *turn, const struct bench_weir *weir) {
        struct timers timers = timers_make(weir, turn->on->n);

        set_all_to(&timers, 1); /* the first one of each needs memory */
        take_all(weir, timers.n);
        while (bench_round(turn)) {
                switch (turn->what->variant) {
                case SET:
                        bench_begin(turn);
                        set_all(&timers, timers.early);
                        break;
                case EARLIER:
                        set_all(&timers, timers.late);
                        bench_begin(turn);
                        set_all(&timers, timers.early);
                        break;
                case REMOVE:
                        set_all(&timers, timers.early);
                        bench_begin(turn);
                        set_all_to(&timers, WEIR_NEVER);
                        break;
                default:
                        set_all(&timers, timers.early);
                        set_all_to(&timers, 1);
                        bench_begin(turn);
                        take_all(weir, timers.n);
                }
                bench_end(turn, timers.n);
                if (turn->what->variant == EXPIRE)
                        continue;
                /* Out of the heap, or the next set would find its place there. */
                set_all_to(&timers, 1);
                take_all(weir, timers.n);
        }
        timers_free(&timers);
}

static bool peer_timers(struct bench_turn *turn, const struct peer *peer, void *loop) {
        struct timers timers;
        int64_t *none;

        if (!peer->timers)
                return false;
        timers = timers_make(NULL, turn->on->n);
        none = calloc(timers.n, sizeof *none);
        require(none, "memory for delays");
        peer->timers(loop, timers.n);
        while (bench_round(turn)) {
                switch (turn->what->variant) {
                case SET:
                        bench_begin(turn);
                        peer->timers_set(loop, timers.early, 0, timers.n);
                        break;
                case EARLIER:
                        peer->timers_set(loop, timers.late, 0, timers.n);
                        bench_begin(turn);
                        peer->timers_set(loop, timers.early, 0, timers.n);
                        break;
                case REMOVE:
                        peer->timers_set(loop, timers.early, 0, timers.n);
                        bench_begin(turn);
                        peer->timers_stop(loop, timers.n);
                        break;
                default:
                        peer->timers_set(loop, none, 0, timers.n);
                        let_pass();
                        bench_begin(turn);
                        require(peer_take(peer, loop, timers.n) == timers.n, "a peer's timers");
                }
                bench_end(turn, timers.n);
                peer->timers_stop(loop, timers.n);
        }
        peer->timers_end(loop);
        timers_free(&timers);
        free(none);
        return true;
}

/* ---------------------------------------------------------------- beside a waiter */

/* What each thread does, and when all begin. */
struct setter {
        void (*set)(const struct setter *setter);
        const void *side;
        const struct timers *timers;
        size_t first, n;
        pthread_barrier_t *barrier;
        int64_t took;
};

static void *run_setter(void *data) {
        struct setter *setter = data;
        int64_t began;

        pthread_barrier_wait(setter->barrier);
        began = bench_now();
        setter->set(setter);
        setter->took = bench_now() - began;
        return NULL;
}

/* One round: all timers, by as many threads as the case says. */
static void set_beside(struct bench_turn *turn, struct setter *what) {
        unsigned threads = turn->what->threads;
        struct setter setters[8];
        pthread_t ids[8];
        pthread_barrier_t barrier;

        require(pthread_barrier_init(&barrier, NULL, threads) == 0, "pthread_barrier_init");
        for (unsigned i = 0; i < threads; ++i) {
                setters[i] = *what;
                setters[i].n = what->timers->n / threads;
                setters[i].first = i * setters[i].n;
                setters[i].barrier = &barrier;
                require(pthread_create(&ids[i], NULL, run_setter, &setters[i]) == 0, "pthread_create");
        }
        for (unsigned i = 0; i < threads; ++i) {
                pthread_join(ids[i], NULL);
                /* The first round warms up. */
                if (turn->round > 1)
                        bench_add(turn, (double)(setters[i].took - turn->clock_cost), setters[i].n);
        }
        pthread_barrier_destroy(&barrier);
}

static void raw_set_some(const struct setter *setter) {
        int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

        for (size_t i = 0; i < setter->n; ++i)
                raw_set(timer, setter->timers->late[setter->first + i]);
        close(timer);
}

static void raw_beside(struct bench_turn *turn, const struct bench_raw *raw) {
        struct timers timers = timers_make(NULL, turn->on->n);

        (void)raw;
        while (bench_round(turn))
                set_beside(turn, &(struct setter){ .set = raw_set_some, .timers = &timers });
        timers_free(&timers);
}

static void weir_set_some(const struct setter *setter) {
        set_some(setter->timers, setter->timers->late, setter->first, setter->n);
}

static void *weir_sleep(void *data) {
        const struct bench_weir *weir = data;
        struct weir_event event;

        for (;;) {
                require(weir_poll_wait(weir->poll, weir->events, NULL) > 0, "weir_poll_wait");
                while (weir_events_next(weir->events, &event))
                        if (event.token == UINT64_MAX)
                                return NULL;
        }
}

static void weir_beside(struct bench_turn *turn, const struct bench_weir *weir) {
        struct timers timers = timers_make(weir, turn->on->n);
        struct weir_waker *stop;
        pthread_t sleeper;

        require(weir_waker_create(weir->registry, UINT64_MAX, &stop) == 0, "weir_waker_create");
        set_all_to(&timers, 1);
        take_all(weir, timers.n);
        while (bench_round(turn)) {
                require(pthread_create(&sleeper, NULL, weir_sleep, (void *)weir) == 0, "pthread_create");
                set_beside(turn, &(struct setter){ .set = weir_set_some, .timers = &timers });
                require(weir_waker_wake(stop) == 0, "weir_waker_wake");
                pthread_join(sleeper, NULL);
                set_all_to(&timers, 1);
                take_all(weir, timers.n);
        }
        weir_waker_destroy(stop);
        timers_free(&timers);
}

struct peer_side {
        const struct peer *peer;
        void *loop;
};

static void peer_set_some(const struct setter *setter) {
        const struct peer_side *side = setter->side;

        side->peer->timers_set(side->loop, setter->timers->late, setter->first, setter->n);
}

static void *peer_sleep(void *data) {
        const struct peer_side *side = data;

        while (!side->peer->wait(side->loop, true))
                ;
        return NULL;
}

static bool peer_beside(struct bench_turn *turn, const struct peer *peer, void *loop) {
        struct peer_side side = { peer, loop };
        struct timers timers;
        pthread_t sleeper;

        if (!peer->timers || !peer->threads)
                return false;
        timers = timers_make(NULL, turn->on->n);
        peer->timers(loop, timers.n);
        while (bench_round(turn)) {
                require(pthread_create(&sleeper, NULL, peer_sleep, &side) == 0, "pthread_create");
                set_beside(turn, &(struct setter){ .set = peer_set_some, .side = &side, .timers = &timers });
                peer->wake(loop, 1);
                pthread_join(sleeper, NULL);
                peer->timers_stop(loop, timers.n);
        }
        peer->timers_end(loop);
        timers_free(&timers);
        return true;
}

#define DEADLINE(name_, kind_, variant_, target_, weir_, peer_)                                                 \
        {                                                                                                       \
                .name = name_, .baseline = "timerfd_settime", .kind = kind_, .threads = 1, .variant = variant_, \
                .target = target_, .raw = raw_deadline, .weir = weir_, .peer = peer_                            \
        }

#define BESIDE(name_, threads_)                                                                          \
        {                                                                                                \
                .name = name_, .baseline = "timerfd_settime", .kind = BENCH_TIMERS, .threads = threads_, \
                .raw = raw_beside, .weir = weir_beside, .peer = peer_beside                              \
        }

const struct bench_case deadline_cases[] = {
        DEADLINE("deadline-idle", BENCH_EVENTFDS, IDLE, 0, weir_idle, peer_idle),
        DEADLINE("deadline-idle-now", BENCH_EVENTFDS, IDLE_NOW, 0, weir_idle, peer_idle),
        DEADLINE("deadline-set", BENCH_TIMERS, SET, 0, weir_timers, peer_timers),
        DEADLINE("deadline-earlier", BENCH_TIMERS, EARLIER, 0, weir_timers, peer_timers),
        DEADLINE("deadline-remove", BENCH_TIMERS, REMOVE, 0, weir_timers, peer_timers),
        { .name = "deadline-expire",
          .baseline = "write to an eventfd, wait, read",
          .kind = BENCH_TIMERS,
          .threads = 1,
          .variant = EXPIRE,
          .raw = raw_expire,
          .weir = weir_timers,
          .peer = peer_timers },
        BESIDE("deadline-beside-t1", 1),
        BESIDE("deadline-beside-t2", 2),
        { 0 },
};
