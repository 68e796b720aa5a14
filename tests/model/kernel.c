/* SPDX-License-Identifier: MIT */

/* The fake kernel: see kernel.h for its words. Read weir_sys_epoll_wait() first. */

#include "kernel.h"

#include "harness.h"

#include <errno.h>
#include <stdlib.h>

#ifndef WEIR_MODEL_CHECK
#include <sched.h>
#include <string.h>
#endif

#define ITEM_READY       UINT64_C(0x3f)
#define ITEM_ASKED_SHIFT 6
#define ITEM_ASKED       (UINT64_C(0x3f) << ITEM_ASKED_SHIFT)
#define ITEM_LEVEL       (UINT64_C(1) << 12)
#define ITEM_PENDING     (UINT64_C(1) << 13)
#define ITEM_PRESENT     (UINT64_C(1) << 14)
#define ITEM_ONESHOT     (UINT64_C(1) << 15)
#define ITEM_EXCLUSIVE   (UINT64_C(1) << 16)
#define ITEM_ENABLED     (UINT64_C(1) << 17)

#define FIRST_SET 10
#define EVENTFD   9
#define TIMER     8
#define NO_SET    MODEL_SETS

static _Atomic(uint64_t) model_items[MODEL_SETS][MODEL_FILES][MODEL_BEHIND];
static _Atomic(uint32_t)
        model_edges[MODEL_SETS]; /* of the eventfd: it is in each set, or was written before it came there */
static _Atomic(uint32_t) model_sets_made;
static _Atomic(uint32_t) model_watched; /* by an outer set: a bit for each set and number of it */
static _Atomic(uint32_t) model_sleepers;
static _Atomic(uint32_t) model_lives_ended;
static struct weir_life model_life;
#if MODEL_SETS > 1
static _Atomic(uint32_t) model_set_at[MODEL_SETS]; /* the set that a number leads to, or NO_SET */
#endif
#if MODEL_BEHIND > 1
static _Atomic(uint32_t) model_file_at[MODEL_FILES];
#endif

static _Atomic(int64_t) model_time;
static _Atomic(int64_t) model_timer; /* when it rings */
static _Atomic(int64_t) model_sleep_ends;

/* What a scenario sets, before its threads begin or between two calls of one thread alone. */
static bool model_hidden;
static unsigned model_full = NO_SET; /* the set that nothing can be added to, or NO_SET */
static bool model_guard_next;

/* relaxed, here and below: see kernel.h */
#define RELAXED memory_order_relaxed

static void reset_set(unsigned set) {
        for (unsigned fd = 0; fd < MODEL_FILES; ++fd)
                for (unsigned file = 0; file < MODEL_BEHIND; ++file)
                        atomic_store_explicit(&model_items[set][fd][file], 0, RELAXED);
        atomic_store_explicit(&model_edges[set], 0, RELAXED);
#if MODEL_SETS > 1
        atomic_store_explicit(&model_set_at[set], NO_SET, RELAXED);
#endif
}

void model_kernel_reset(void) {
        for (unsigned set = 0; set < MODEL_SETS; ++set)
                reset_set(set);
        atomic_store_explicit(&model_sets_made, 0, RELAXED);
        atomic_store_explicit(&model_watched, 0, RELAXED);
        atomic_store_explicit(&model_sleepers, 0, RELAXED);
        atomic_store_explicit(&model_lives_ended, 0, RELAXED);
#if MODEL_BEHIND > 1
        for (unsigned fd = 0; fd < MODEL_FILES; ++fd)
                atomic_store_explicit(&model_file_at[fd], 0, RELAXED);
#endif
        atomic_store_explicit(&model_time, 0, RELAXED);
        atomic_store_explicit(&model_timer, WEIR_FOREVER, RELAXED);
        atomic_store_explicit(&model_sleep_ends, WEIR_FOREVER, RELAXED);
        model_hidden = false;
        model_full = NO_SET;
        model_guard_next = false;
}

void model_expect_guard(void) {
        model_guard_next = true;
}

void model_fill_set(unsigned set) {
        model_full = set;
}

void model_show_entries(bool show) {
        model_hidden = !show;
}

void model_set_time(int64_t now) {
        atomic_store_explicit(&model_time, now, RELAXED);
}

void model_pass_time(int64_t now) {
        int64_t time = atomic_load_explicit(&model_time, RELAXED);

        while (time < now && !atomic_compare_exchange_strong_explicit(&model_time, &time, now, RELAXED, RELAXED))
                ;
}

void model_add_time(int64_t time) {
        atomic_fetch_add_explicit(&model_time, time, RELAXED);
}

int64_t model_slept_until(void) {
        return atomic_load_explicit(&model_sleep_ends, RELAXED);
}

/* ---------------------------------------------------------------- files */

unsigned model_file(int fd) {
#if MODEL_BEHIND > 1
        return atomic_load_explicit(&model_file_at[fd], RELAXED);
#else
        (void)fd;
        return 0;
#endif
}

void model_ready_behind(int fd, unsigned file, uint32_t events) {
        for (unsigned set = 0; set < MODEL_SETS; ++set)
                atomic_fetch_or_explicit(&model_items[set][fd][file], events | ITEM_PENDING, RELAXED);
}

void model_ready(int fd, uint32_t events) {
        model_ready_behind(fd, 0, events);
}

uint32_t model_drain_behind(int fd, unsigned file) {
        uint64_t item = 0;

        for (unsigned set = 0; set < MODEL_SETS; ++set)
                item |= atomic_fetch_and_explicit(&model_items[set][fd][file], ~ITEM_READY, RELAXED);
        return (uint32_t)(item & ITEM_READY);
}

uint32_t model_drain(int fd) {
        return model_drain_behind(fd, 0);
}

void model_renew(int fd, unsigned file, uint32_t events) {
        for (unsigned set = 0; set < MODEL_SETS; ++set)
                atomic_exchange_explicit(&model_items[set][fd][file], events, RELAXED);
}

void model_reuse(int fd, uint32_t events) {
        model_renew(fd, 0, events);
}

#if MODEL_BEHIND > 1
void model_lead(int fd, unsigned file) {
        atomic_exchange_explicit(&model_file_at[fd], file, RELAXED);
}

void model_forget(int fd, unsigned file) {
        for (unsigned set = 0; set < MODEL_SETS; ++set)
                atomic_fetch_and_explicit(&model_items[set][fd][file], ITEM_READY, RELAXED);
}
#endif

/* ---------------------------------------------------------------- epoll sets */

static uint32_t events_of(uint64_t item) {
        if (!(item & ITEM_PRESENT) || !(item & ITEM_PENDING) || (item & (ITEM_ONESHOT | ITEM_ENABLED)) == ITEM_ONESHOT)
                return 0;
        return (uint32_t)(item & (item >> ITEM_ASKED_SHIFT) & ITEM_READY);
}

/* The set that a number leads to, or NO_SET. */
static unsigned set_at(int number) {
#if MODEL_SETS > 1
        return atomic_load_explicit(&model_set_at[number - FIRST_SET], RELAXED);
#else
        return (unsigned)(number - FIRST_SET);
#endif
}

static void lead_set(int number, unsigned set) {
#if MODEL_SETS > 1
        atomic_exchange_explicit(&model_set_at[number - FIRST_SET], set, RELAXED);
#else
        (void)number;
        (void)set;
#endif
}

int weir_sys_epoll_create(void) {
        unsigned set = atomic_fetch_add_explicit(&model_sets_made, 1, RELAXED);

        assert(set < MODEL_SETS);
        lead_set(FIRST_SET + (int)set, set);
        return FIRST_SET + (int)set;
}

int weir_sys_replace(int from, int to) {
        lead_set(to, from == EVENTFD ? NO_SET : set_at(from));
        return 0;
}

/* A set in the outer one. */
static int watch_set(int op, int number) {
        uint32_t bit = UINT32_C(1) << (set_at(number) * MODEL_SETS + (unsigned)(number - FIRST_SET));

        if (op == EPOLL_CTL_ADD)
                return atomic_fetch_or_explicit(&model_watched, bit, RELAXED) & bit ? -EEXIST : 0;
        return atomic_fetch_and_explicit(&model_watched, ~bit, RELAXED) & bit ? 0 : -ENOENT;
}

int weir_sys_epoll_ctl(int number, int op, int fd, uint32_t events, uint64_t data) {
        unsigned set = set_at(number);
        _Atomic(uint64_t) *item;
        uint64_t old, next, wanted = (events | EPOLLERR | EPOLLHUP) & ITEM_READY;

        if (set == NO_SET)
                return -EINVAL;
        if (fd >= FIRST_SET)
                return watch_set(op, fd);
        if (fd == EVENTFD || fd == TIMER)
                return 0;
        item = &model_items[set][fd][model_file(fd)];
        old = atomic_load_explicit(item, RELAXED);
        do {
                if (op == EPOLL_CTL_ADD && old & ITEM_PRESENT)
                        return -EEXIST;
                if (op == EPOLL_CTL_ADD && set == model_full)
                        return -ENOSPC;
                if (op != EPOLL_CTL_ADD && !(old & ITEM_PRESENT))
                        return -ENOENT;
                if (op == EPOLL_CTL_MOD && old & ITEM_EXCLUSIVE)
                        return -EINVAL;
                next = old & ITEM_READY;
                if (op != EPOLL_CTL_DEL)
                        next |= (data & ~DATA_INDEX) | ITEM_PRESENT | ITEM_PENDING | ITEM_ENABLED |
                                wanted << ITEM_ASKED_SHIFT | (events & EPOLLET ? 0 : ITEM_LEVEL) |
                                (events & EPOLLONESHOT ? ITEM_ONESHOT : 0) |
                                (events & EPOLLEXCLUSIVE ? ITEM_EXCLUSIVE : 0);
        } while (!atomic_compare_exchange_strong_explicit(item, &old, next, RELAXED, RELAXED));
        return 0;
}

int weir_sys_epoll_entries(int number, void (*fn)(void *userdata, const struct weir_sys_entry *entry), void *userdata) {
        unsigned set = set_at(number);

        if (model_hidden)
                return -ENOENT;
        for (int fd = 0; fd < MODEL_FILES; ++fd)
                for (unsigned file = 0; file < MODEL_BEHIND; ++file) {
                        uint64_t item = atomic_load_explicit(&model_items[set][fd][file], RELAXED);
                        struct weir_sys_entry entry = { (item & ~DATA_INDEX) | (unsigned)fd, file, fd };

                        if (item & ITEM_PRESENT)
                                fn(userdata, &entry);
                }
        return 0;
}

static unsigned fetch_item(_Atomic(uint64_t) *item, unsigned fd, struct epoll_event *event) {
        uint64_t word = atomic_fetch_and_explicit(item, ~(ITEM_PENDING | ITEM_ENABLED), RELAXED);
        uint32_t ready = events_of(word);

        if (!ready) {
                /* One more step, but a MOD in between does the same. */
                if (word & ITEM_ONESHOT && word & ITEM_ENABLED)
                        atomic_fetch_or_explicit(item, ITEM_ENABLED, RELAXED);
                return 0;
        }
        if (word & ITEM_LEVEL)
                atomic_fetch_or_explicit(item, ITEM_PENDING, RELAXED);
        event->events = ready;
        event->data.u64 = (word & ~DATA_INDEX) | fd;
        return 1;
}

#ifdef MODEL_TURN
static _Atomic(uint32_t)
        model_turn; /* where the next fetch begins, as those that were fetched go to the end of the list */
#endif

/* What a wait finds at once. */
static unsigned fetch(unsigned set, struct epoll_event *events, unsigned capacity) {
        unsigned count = 0, first = 0, fd;

#ifdef MODEL_TURN
        first = atomic_load_explicit(&model_turn, RELAXED);
#endif
        for (unsigned i = 0; i < MODEL_FILES; ++i) {
                fd = (first + i) % MODEL_FILES;
                for (unsigned file = 0; file < MODEL_BEHIND && count < capacity; ++file)
                        count += fetch_item(&model_items[set][fd][file], fd, &events[count]);
#ifdef MODEL_TURN
                if (count == capacity) {
                        atomic_store_explicit(&model_turn, (fd + 1) % MODEL_FILES, RELAXED);
                        break;
                }
#endif
        }
        if (count < capacity && atomic_exchange_explicit(&model_edges[set], 0, RELAXED)) {
                events[count].events = EPOLLIN;
                events[count].data.u64 = DATA_EVENTFD;
                ++count;
        }
        return count;
}

static bool is_signalled(unsigned set) {
        bool signalled = atomic_load_explicit(&model_edges[set], RELAXED);

        for (unsigned fd = 0; fd < MODEL_FILES; ++fd)
                for (unsigned file = 0; file < MODEL_BEHIND; ++file)
                        signalled |= events_of(atomic_load_explicit(&model_items[set][fd][file], RELAXED)) != 0;
        return signalled;
}

bool model_outer_is_told(void) {
        uint32_t watched = atomic_load_explicit(&model_watched, RELAXED);
        bool told = atomic_load_explicit(&model_timer, RELAXED) <= atomic_load_explicit(&model_time, RELAXED);

        for (unsigned set = 0; set < MODEL_SETS; ++set)
                told |= watched >> set * MODEL_SETS & ((UINT32_C(1) << MODEL_SETS) - 1) && is_signalled(set);
        return told;
}

bool model_slept(void) {
        return atomic_load_explicit(&model_sleepers, RELAXED);
}

void model_check_sleep(struct weir_poll *poll, bool may_sleep) {
        if (!model_slept())
                return;
        assert(may_sleep || is_signalled(set_at(poll->core.set)));
        leave(poll);
}

int weir_sys_epoll_wait(int number, struct epoll_event *events, unsigned capacity, int64_t timeout, bool *coarse) {
        unsigned set = set_at(number), count = fetch(set, events, capacity);

        (void)coarse;
        if (count || timeout == 0)
                return (int)count;
#ifdef MODEL_CLOCK_STANDS
        if (timeout != WEIR_FOREVER)
                atomic_store_explicit(&model_sleep_ends, weir_sys_now() + timeout, RELAXED);
#else
        if (timeout != WEIR_FOREVER) {
                model_pass_time(weir_sys_now() + timeout);
                return 0;
        }
#endif
#ifndef WEIR_MODEL_CHECK
        model_falls_asleep();
        while (!(count = fetch(set, events, capacity)) && model_others_run())
                sched_yield();
        if (count) {
                model_wakes_up();
                return (int)count;
        }
#endif
        atomic_fetch_add_explicit(&model_sleepers, 1, RELAXED);
        pthread_exit(NULL);
        return 0;
}

/* Beside a ghost that cannot be cured. What would come of it later comes in another execution, without the nap. */
int weir_sys_nap(int64_t timeout) {
        (void)timeout;
#ifdef WEIR_MODEL_CHECK
        __VERIFIER_assume(false);
#else
        sched_yield();
#endif
        return 0;
}

int weir_sys_eventfd(void) {
        return EVENTFD;
}

void weir_sys_eventfd_signal(int fd) {
        (void)fd;
        for (unsigned set = 0; set < MODEL_SETS; ++set)
                atomic_exchange_explicit(&model_edges[set], 1, RELAXED);
}

void weir_sys_close(int fd) {
        if (fd >= FIRST_SET)
                lead_set(fd, NO_SET);
}

bool weir_sys_is_open(int fd) {
        return fd < MODEL_FILES;
}

int64_t weir_sys_now(void) {
        return atomic_load_explicit(&model_time, RELAXED);
}

int weir_sys_timer_create(void) {
        return TIMER;
}

void weir_sys_timer_set(int fd, int64_t moment) {
        assert(fd == TIMER);
        atomic_store_explicit(&model_timer, moment, RELAXED);
}

int weir_sys_getpid(void) {
        return 1;
}

int weir_sys_forbid_cancel(void) {
        return 0;
}

void weir_sys_restore_cancel(int state) {
        assert(state == 0);
}

/* ---------------------------------------------------------------- futexes */

/* The one thing here that is ordered, as by the kernel: a wait looks at the word and falls asleep before a wake, or after it. */

#ifndef WEIR_MODEL_CHECK

struct model_sleeper {
        const void *word;
        bool woken;
        struct model_sleeper *next;
};

static pthread_mutex_t model_futex_lock = PTHREAD_MUTEX_INITIALIZER;
static struct model_sleeper *model_futex_sleepers;

int weir_sys_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        struct model_sleeper sleeper = { .word = word };

        if (timeout != WEIR_FOREVER) {
                sched_yield();
                return 0;
        }
        pthread_mutex_lock(&model_futex_lock);
        if (atomic_load_explicit(word, RELAXED) == expected) {
                sleeper.next = model_futex_sleepers;
                model_futex_sleepers = &sleeper;
                model_falls_asleep();
                while (!sleeper.woken) {
                        pthread_mutex_unlock(&model_futex_lock);
                        sched_yield();
                        /* Else nobody is left to wake it. */
                        assert(model_others_run());
                        pthread_mutex_lock(&model_futex_lock);
                }
        }
        pthread_mutex_unlock(&model_futex_lock);
        return 0;
}

/* Whom it wakes it counts as running at once: else one that looks meanwhile takes itself for the last. */
void weir_sys_futex_wake_all(_Atomic(uint32_t) *word) {
        struct model_sleeper **link, *sleeper;

        pthread_mutex_lock(&model_futex_lock);
        for (link = &model_futex_sleepers; (sleeper = *link);) {
                if (sleeper->word == word) {
                        model_wakes_up();
                        sleeper->woken = true;
                        *link = sleeper->next;
                } else {
                        link = &sleeper->next;
                }
        }
        pthread_mutex_unlock(&model_futex_lock);
}

bool model_check_futex(void) {
        return false;
}

#else

/*
 * A thread that waits for a lock goes on in another execution, in which that was free. One that sleeps but for a while goes on
 * when the word has changed.
 */
static void go_on_elsewhere(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        __VERIFIER_assume(timeout != WEIR_FOREVER && atomic_load_explicit(word, RELAXED) != expected);
}

#ifdef MODEL_FUTEX

static struct weir_poll *model_futex_poll; /* the one that was made last */
static _Atomic(uint32_t) model_futex_wakes;
static _Atomic(uint32_t) model_futex_sleepers; /* bit n: one fell asleep when there had been n wakes */

/* MODEL_FUTEX is the word of a poll at which a scenario looks for lost wakes: a thread that finds it as expected ends. */
int weir_sys_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        uint32_t wakes;

        if (word != MODEL_FUTEX(model_futex_poll) || timeout != WEIR_FOREVER) {
                go_on_elsewhere(word, expected, timeout);
                return 0;
        }
        wakes = atomic_fetch_add_explicit(&model_futex_wakes, 0, memory_order_acquire);
        if (atomic_load_explicit(word, RELAXED) == expected) {
                atomic_fetch_or_explicit(&model_futex_sleepers, UINT32_C(1) << wakes, RELAXED);
                pthread_exit(NULL);
        }
        return 0;
}

void weir_sys_futex_wake_all(_Atomic(uint32_t) *word) {
        if (word == MODEL_FUTEX(model_futex_poll))
                atomic_fetch_add_explicit(&model_futex_wakes, 1, memory_order_release);
}

bool model_check_futex(void) {
        uint32_t sleepers = atomic_load_explicit(&model_futex_sleepers, RELAXED);

        assert(!(sleepers >> atomic_load_explicit(&model_futex_wakes, RELAXED)));
        return sleepers;
}

#else

int weir_sys_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        go_on_elsewhere(word, expected, timeout);
        return 0;
}

void weir_sys_futex_wake_all(_Atomic(uint32_t) *word) {
        (void)word;
}

bool model_check_futex(void) {
        return false;
}

#endif

#endif

/* ---------------------------------------------------------------- memory */

#ifdef WEIR_MODEL_CHECK

/* The checker follows what each member reads, so each is zeroed by a store of its own width. */

static void zero_deadlines(struct weir_deadlines *all) {
        for (unsigned i = 0; i < WEIR_SEGMENTS; ++i) {
                atomic_init(&all->segments[0][i], NULL);
                atomic_init(&all->segments[1][i], NULL);
        }
        all->beginning = 0;
        atomic_init(&all->used, false);
        atomic_init(&all->timer, 0);
        atomic_init(&all->moment, 0);
        atomic_init(&all->lock.word, 0);
        all->count = all->room = all->counted = 0;
        all->heap = NULL;
        all->sleeps_until = all->announced = 0;
}

static void *zeroed_poll(void) {
        struct weir_poll *poll = aligned_alloc(WEIR_CACHE_LINE, sizeof *poll); /* for the slot in it */
        struct weir_registry *core = &poll->core;

#ifdef MODEL_FUTEX
        model_futex_poll = poll;
#endif
        core->life = NULL;
        core->pid = 0;
        core->size = 0;
        core->serial = 0;
        core->eventfd = 0;
        core->set = 0;
        atomic_init(&core->spare, 0);
        atomic_init(&core->moving, 0);
        atomic_init(&core->outer, 0);
        atomic_init(&core->haunted, false);
        for (unsigned i = 0; i < WEIR_SEGMENTS; ++i) {
                atomic_init(&core->fds.segments[i], NULL);
                atomic_init(&core->wakers.segments[i], NULL);
        }
        atomic_init(&core->fds.limit, 0);
        atomic_init(&core->wakers.limit, 0);
        atomic_init(&core->references, 0);
        atomic_init(&core->queue.head, 0);
        atomic_init(&core->eventfd_writes, 0);
        atomic_init(&core->rebuilds, 0);
        core->epochs.oldest = core->epochs.newest = NULL;
        core->epochs.number = 0;
        atomic_init(&core->epochs.given, 0);
        core->epochs.life = NULL;
        core->epochs.open = 0;
        core->epochs.sleepers = 0;
        core->epochs.counts.events = core->epochs.counts.stale = 0;
        core->epochs.counts.wakes = core->epochs.counts.requeued = 0;
        core->epochs.counts.timeouts = core->epochs.counts.triggers = 0;
        atomic_init(&core->waker_lock.word, 0);
        core->free_waker = 0;
        core->wakers_made = 0;
        atomic_init(&core->nest_lock.word, 0);
        atomic_init(&core->ghost_lock.word, 0);
        atomic_init(&core->kick.word, 0);
        atomic_init(&core->kick.token, 0);
        core->kick.next = 0;
        core->kick.name = 0;
        zero_deadlines(&core->deadlines);
        atomic_init(&poll->role, 0);
        poll->unread.first = poll->unread.last = NULL;
        poll->newer.first = poll->newer.last = NULL;
        poll->kernel_first = false;
        poll->cure_after = 0;
        atomic_init(&poll->waits, 0);
        atomic_init(&poll->stale, 0);
        return poll;
}

static void *zeroed_events(size_t size) {
        struct weir_events *events = malloc(size);

        events->core = NULL;
        events->capacity = events->count = events->cursor = 0;
        events->batch.newer = events->batch.older = NULL;
        events->batch.deferred.first = events->batch.deferred.last = NULL;
        events->batch.number = 0;
        events->batch.kept = false;
        atomic_init(&events->batch.owner, 0);
        events->counts.events = events->counts.stale = 0;
        events->counts.wakes = events->counts.requeued = 0;
        events->counts.timeouts = events->counts.triggers = 0;
        return events;
}

static void *zeroed_waker(void) {
        struct weir_waker *waker = malloc(sizeof *waker);

        waker->core = NULL;
        waker->slot = NULL;
        waker->index = 0;
        return waker;
}

static void *zeroed_guard(void) {
        struct weir_guard *guard = malloc(sizeof *guard);

        guard->core = NULL;
        guard->batch.newer = guard->batch.older = NULL;
        guard->batch.deferred.first = guard->batch.deferred.last = NULL;
        guard->batch.number = 0;
        guard->batch.kept = false;
        atomic_init(&guard->batch.owner, 0);
        return guard;
}

static void *zeroed_slots(size_t count) {
        struct weir_slot *slots = aligned_alloc(WEIR_CACHE_LINE, (count + count % 2) * sizeof *slots);

        for (size_t i = 0; i < count; ++i) {
                atomic_init(&slots[i].word, 0);
                atomic_init(&slots[i].token, 0);
                slots[i].next = 0;
                slots[i].name = 0;
                slots[i].suspect = 0;
                slots[i].quiet = 0;
                atomic_init(&slots[i].haunted, 0);
        }
        return slots;
}

/* Of the numbers 0 and 1 alone. */
static void *zeroed_deadlines(size_t count) {
        struct weir_deadline *deadlines = malloc(count * sizeof *deadlines);

        for (size_t i = 0; i < count; ++i) {
                atomic_init(&deadlines[i].left, 0);
                atomic_init(&deadlines[i].placed, 0);
                deadlines[i].at = 0;
        }
        return deadlines;
}

void *weir_sys_alloc(size_t size) {
        if (model_guard_next) {
                model_guard_next = false;
                assert(size == sizeof(struct weir_guard));
                return zeroed_guard();
        }
        if (size == 2 * sizeof(struct weir_deadline))
                return zeroed_deadlines(2);
        if (size == sizeof(struct weir_poll))
                return zeroed_poll();
        if (size == sizeof(struct weir_events) + MODEL_CAPACITY * sizeof(struct epoll_event))
                return zeroed_events(size);
        if (size == sizeof(struct weir_waker))
                return zeroed_waker();
        /* What is asked for beyond this is for an index that no scenario named. */
        assert(size % sizeof(struct weir_slot) == 0 && size <= 64 * sizeof(struct weir_slot));
        return zeroed_slots(size / sizeof(struct weir_slot));
}

#else

void *weir_sys_alloc(size_t size) {
        void *memory = aligned_alloc(WEIR_CACHE_LINE, (size + WEIR_CACHE_LINE - 1) / WEIR_CACHE_LINE * WEIR_CACHE_LINE);

        return memory ? memset(memory, 0, size) : NULL;
}

#endif

/* Once, for no scenario has more places than there is room for at first. */
void *weir_sys_grow(void *memory, size_t size, size_t wanted) {
        assert(!memory && size == 0);
        return malloc(wanted);
}

void weir_sys_free(void *memory, size_t size) {
        (void)size;
        if (memory)
                free(memory);
}

struct weir_life *weir_sys_life_create(int *ret_pid) {
        *ret_pid = 0;
        atomic_store_explicit(&model_life.state, 0, RELAXED);
        return &model_life;
}

/* The checker does not see memory freed twice: so this says how often a core ended. */
void weir_sys_life_free(struct weir_life *life) {
        (void)life;
        atomic_fetch_add_explicit(&model_lives_ended, 1, RELAXED);
}

bool model_core_is_freed(void) {
        assert(atomic_load_explicit(&model_lives_ended, RELAXED) <= 1);
        return atomic_load_explicit(&model_lives_ended, RELAXED) == 1;
}
