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

#define FIRST_SET 10
#define EVENTFD   9

static _Atomic(uint64_t) model_items[MODEL_SETS][MODEL_FILES];
#ifdef MODEL_GHOST
static _Atomic(uint64_t) model_ghost; /* an item of the first set that no number leads to any more */
#endif
static _Atomic(uint32_t) model_edge; /* of the eventfd */
static _Atomic(uint32_t) model_sets_made;
static _Atomic(uint32_t) model_sleepers;
static _Atomic(uint32_t) model_life;
static _Atomic(uint32_t) model_lives_ended;

/* relaxed, here and below: see kernel.h */
#define RELAXED memory_order_relaxed

void model_kernel_reset(void) {
        for (unsigned set = 0; set < MODEL_SETS; ++set)
                for (unsigned fd = 0; fd < MODEL_FILES; ++fd)
                        atomic_store_explicit(&model_items[set][fd], 0, RELAXED);
        atomic_store_explicit(&model_edge, 0, RELAXED);
        atomic_store_explicit(&model_sets_made, 0, RELAXED);
        atomic_store_explicit(&model_sleepers, 0, RELAXED);
        atomic_store_explicit(&model_lives_ended, 0, RELAXED);
#ifdef MODEL_GHOST
        atomic_store_explicit(&model_ghost, 0, RELAXED);
#endif
}

/* ---------------------------------------------------------------- files */

void model_ready(int fd, uint32_t events) {
        for (unsigned set = 0; set < MODEL_SETS; ++set)
                atomic_fetch_or_explicit(&model_items[set][fd], events | ITEM_PENDING, RELAXED);
}

uint32_t model_drain(int fd) {
        uint64_t item = 0;

        for (unsigned set = 0; set < MODEL_SETS; ++set)
                item |= atomic_fetch_and_explicit(&model_items[set][fd], ~ITEM_READY, RELAXED);
        return (uint32_t)(item & ITEM_READY);
}

void model_reuse(int fd, uint32_t events) {
        for (unsigned set = 0; set < MODEL_SETS; ++set)
                atomic_exchange_explicit(&model_items[set][fd], events, RELAXED);
}

#ifdef MODEL_GHOST
void model_lose(void) {
        uint64_t item = atomic_exchange_explicit(&model_items[0][MODEL_GHOST], 0, RELAXED);

        atomic_exchange_explicit(&model_ghost, item, RELAXED);
}
#endif

/* ---------------------------------------------------------------- epoll sets */

static uint32_t events_of(uint64_t item) {
        if (!(item & ITEM_PRESENT) || !(item & ITEM_PENDING))
                return 0;
        return (uint32_t)(item & (item >> ITEM_ASKED_SHIFT) & ITEM_READY);
}

int weir_sys_epoll_create(void) {
        return FIRST_SET + (int)atomic_fetch_add_explicit(&model_sets_made, 1, RELAXED);
}

int weir_sys_epoll_ctl(int set, int op, int fd, uint32_t events, uint64_t data) {
        _Atomic(uint64_t) *item;
        uint64_t old, next, wanted = (events | EPOLLERR | EPOLLHUP) & ITEM_READY;

        if (fd >= MODEL_FILES)
                return 0; /* the eventfd, or a set in a set */
        item = &model_items[set - FIRST_SET][fd];
        old = atomic_load_explicit(item, RELAXED);
        do {
                if (op == EPOLL_CTL_ADD && old & ITEM_PRESENT)
                        return -EEXIST;
                if (op != EPOLL_CTL_ADD && !(old & ITEM_PRESENT))
                        return -ENOENT;
                next = old & ITEM_READY;
                if (op != EPOLL_CTL_DEL)
                        next |= (data & ~DATA_INDEX) | ITEM_PRESENT | ITEM_PENDING | wanted << ITEM_ASKED_SHIFT |
                                (events & EPOLLET ? 0 : ITEM_LEVEL);
        } while (!atomic_compare_exchange_strong_explicit(item, &old, next, RELAXED, RELAXED));
        return 0;
}

static unsigned fetch_item(_Atomic(uint64_t) *item, unsigned fd, struct epoll_event *event) {
        uint64_t word = atomic_fetch_and_explicit(item, ~ITEM_PENDING, RELAXED);
        uint32_t ready = events_of(word);

        if (!ready)
                return 0;
        if (word & ITEM_LEVEL)
                atomic_fetch_or_explicit(item, ITEM_PENDING, RELAXED);
        event->events = ready;
        event->data.u64 = (word & ~DATA_INDEX) | fd;
        return 1;
}

/* What a wait finds at once. */
static unsigned fetch(unsigned set, struct epoll_event *events, unsigned capacity) {
        unsigned count = 0;

        for (unsigned fd = 0; fd < MODEL_FILES && count < capacity; ++fd)
                count += fetch_item(&model_items[set][fd], fd, &events[count]);
#ifdef MODEL_GHOST
        if (set == 0 && count < capacity)
                count += fetch_item(&model_ghost, MODEL_GHOST, &events[count]);
#endif
        if (count < capacity && atomic_exchange_explicit(&model_edge, 0, RELAXED)) {
                events[count].events = EPOLLIN;
                events[count].data.u64 = DATA_EVENTFD;
                ++count;
        }
        return count;
}

bool model_is_signalled(void) {
        bool signalled = atomic_load_explicit(&model_edge, RELAXED);

        for (unsigned set = 0; set < MODEL_SETS; ++set)
                for (unsigned fd = 0; fd < MODEL_FILES; ++fd)
                        signalled |= events_of(atomic_load_explicit(&model_items[set][fd], RELAXED)) != 0;
        return signalled;
}

bool model_slept(void) {
        return atomic_load_explicit(&model_sleepers, RELAXED);
}

void model_check_sleep(struct weir_poll *poll, bool may_sleep) {
        if (!model_slept())
                return;
        assert(may_sleep || model_is_signalled());
        leave(poll);
}

int weir_sys_epoll_wait(int set, struct epoll_event *events, unsigned capacity, int64_t timeout) {
        unsigned count = fetch((unsigned)(set - FIRST_SET), events, capacity);

        if (count || timeout != WEIR_FOREVER)
                return (int)count;
#ifndef WEIR_MODEL_CHECK
        model_falls_asleep();
        while (!(count = fetch((unsigned)(set - FIRST_SET), events, capacity)) && model_others_run())
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

int weir_sys_nap(void) {
        return 0;
}

int weir_sys_eventfd(void) {
        return EVENTFD;
}

void weir_sys_eventfd_signal(int fd) {
        (void)fd;
        atomic_exchange_explicit(&model_edge, 1, RELAXED);
}

void weir_sys_close(int fd) {
        (void)fd;
}

bool weir_sys_is_open(int fd) {
        return fd < MODEL_FILES;
}

int64_t weir_sys_now(void) {
        return 0;
}

int weir_sys_getpid(void) {
        return 1;
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

void weir_sys_futex_wait(const void *word, uint32_t expected) {
        struct model_sleeper sleeper = { .word = word };

        pthread_mutex_lock(&model_futex_lock);
        if (__atomic_load_n((const uint32_t *)word, __ATOMIC_RELAXED) == expected) {
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
}

/* Whom it wakes it counts as running at once: else one that looks meanwhile takes itself for the last. */
void weir_sys_futex_wake_all(const void *word) {
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

static _Atomic(uint32_t) model_futex_wakes;
static _Atomic(uint32_t) model_futex_sleeper; /* 1 + the wakes there were when it fell asleep */

#ifdef MODEL_FUTEX

static struct weir_poll *model_futex_poll; /* the one that was made last */

/*
 * MODEL_FUTEX is the word of a poll at which a scenario looks for lost wakes: a thread that finds it as expected ends. At any
 * other word it goes on in another execution, in which the lock was free.
 */
void weir_sys_futex_wait(const void *word, uint32_t expected) {
        uint32_t wakes = atomic_fetch_add_explicit(&model_futex_wakes, 0, memory_order_acquire);

        __VERIFIER_assume(word == (const void *)MODEL_FUTEX(model_futex_poll));
        if ((uint32_t)atomic_load_explicit(MODEL_FUTEX(model_futex_poll), RELAXED) != expected)
                return;
        atomic_store_explicit(&model_futex_sleeper, 1 + wakes, RELAXED);
        pthread_exit(NULL);
}

#else

/* The thread goes on in another execution, in which the lock was free. */
void weir_sys_futex_wait(const void *word, uint32_t expected) {
        (void)word;
        (void)expected;
        __VERIFIER_assume(false);
}

#endif

void weir_sys_futex_wake_all(const void *word) {
        (void)word;
        atomic_fetch_add_explicit(&model_futex_wakes, 1, memory_order_release);
}

bool model_check_futex(void) {
        uint32_t sleeper = atomic_load_explicit(&model_futex_sleeper, RELAXED);

        assert(!sleeper || sleeper != 1 + atomic_load_explicit(&model_futex_wakes, RELAXED));
        return sleeper;
}

#endif

/* ---------------------------------------------------------------- memory */

#ifdef WEIR_MODEL_CHECK

/* The checker follows what each member reads, so each is zeroed by a store of its own width. */

static void *zeroed_poll(void) {
        struct weir_poll *poll = malloc(sizeof *poll);
        struct weir_registry *core = &poll->core;

#ifdef MODEL_FUTEX
        model_futex_poll = poll;
#endif
        core->life = NULL;
        core->pid = 0;
        core->size = 0;
        core->serial = 0;
        core->eventfd = 0;
        atomic_init(&core->sets[0], 0);
        atomic_init(&core->sets[1], 0);
        atomic_init(&core->home, 0);
        atomic_init(&core->outer, 0);
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
        core->epochs.open = 0;
        core->epochs.sleepers = 0;
        atomic_init(&core->epochs.closed, 0);
        core->epochs.counts.events = core->epochs.counts.stale = 0;
        core->epochs.counts.wakes = core->epochs.counts.requeued = 0;
        core->free_waker = 0;
        core->wakers_made = 0;
        atomic_init(&poll->role, 0);
        poll->pending = poll->last_pending = NULL;
        poll->queue_first = poll->older_first = false;
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
        events->batch.owner = 0;
        atomic_init(&events->batch.reader, 0);
        events->counts.events = events->counts.stale = 0;
        events->counts.wakes = events->counts.requeued = 0;
        return events;
}

static void *zeroed_waker(void) {
        struct weir_waker *waker = malloc(sizeof *waker);

        waker->core = NULL;
        waker->slot = NULL;
        waker->index = 0;
        return waker;
}

static void *zeroed_slots(size_t count) {
        struct weir_slot *slots = malloc(count * sizeof *slots);

        for (size_t i = 0; i < count; ++i) {
                atomic_init(&slots[i].word, 0);
                atomic_init(&slots[i].token, 0);
                slots[i].next = NULL;
                slots[i].name = 0;
        }
        return slots;
}

void *weir_sys_alloc(size_t size) {
        if (size == sizeof(struct weir_poll))
                return zeroed_poll();
        if (size == sizeof(struct weir_events) + MODEL_CAPACITY * sizeof(struct epoll_event))
                return zeroed_events(size);
        if (size == sizeof(struct weir_waker))
                return zeroed_waker();
        assert(size % sizeof(struct weir_slot) == 0);
        return zeroed_slots(size / sizeof(struct weir_slot));
}

#else

void *weir_sys_alloc(size_t size) {
        void *memory = aligned_alloc(WEIR_CACHE_LINE, (size + WEIR_CACHE_LINE - 1) / WEIR_CACHE_LINE * WEIR_CACHE_LINE);

        return memory ? memset(memory, 0, size) : NULL;
}

#endif

void weir_sys_free(void *memory, size_t size) {
        (void)size;
        if (memory)
                free(memory);
}

_Atomic(uint32_t) *weir_sys_life_create(int *ret_pid) {
        *ret_pid = 0;
        return &model_life;
}

/* The checker does not see memory freed twice: so this says how often a core ended. */
void weir_sys_life_free(_Atomic(uint32_t) *life) {
        (void)life;
        atomic_fetch_add_explicit(&model_lives_ended, 1, RELAXED);
}

bool model_core_is_freed(void) {
        assert(atomic_load_explicit(&model_lives_ended, RELAXED) <= 1);
        return atomic_load_explicit(&model_lives_ended, RELAXED) == 1;
}
