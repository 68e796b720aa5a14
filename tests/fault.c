/* SPDX-License-Identifier: MIT */
/*
 * The seam with faults: see fault.h. Each call is counted and compared with the plan, then goes to the real one,
 * which is sys.c itself with other names. Read strike() first.
 */
#include "sys.h"

#define weir_sys_epoll_create   real_epoll_create
#define weir_sys_replace        real_replace
#define weir_sys_epoll_entries  real_epoll_entries
#define weir_sys_epoll_ctl      real_epoll_ctl
#define weir_sys_epoll_wait     real_epoll_wait
#define weir_sys_nap            real_nap
#define weir_sys_timer_create   real_timer_create
#define weir_sys_timer_set      real_timer_set
#define weir_sys_eventfd        real_eventfd
#define weir_sys_eventfd_signal real_eventfd_signal
#define weir_sys_close          real_close
#define weir_sys_is_open        real_is_open
#define weir_sys_now            real_now
#define weir_sys_alloc          real_alloc
#define weir_sys_free           real_free
#define weir_sys_grow           real_grow
#define weir_sys_life_create    real_life_create
#define weir_sys_life_free      real_life_free
#define weir_sys_getpid         real_getpid
#define weir_sys_futex_wait     real_futex_wait
#define weir_sys_futex_wake_all real_futex_wake_all
void real_close(int fd);        /* which is used there before it stands there */
#include "../lib/reactor/sys.c" /* by its path: tests have files of the same name */
#undef weir_sys_epoll_create
#undef weir_sys_replace
#undef weir_sys_epoll_entries
#undef weir_sys_epoll_ctl
#undef weir_sys_epoll_wait
#undef weir_sys_nap
#undef weir_sys_timer_create
#undef weir_sys_timer_set
#undef weir_sys_eventfd
#undef weir_sys_eventfd_signal
#undef weir_sys_close
#undef weir_sys_is_open
#undef weir_sys_now
#undef weir_sys_alloc
#undef weir_sys_free
#undef weir_sys_grow
#undef weir_sys_life_create
#undef weir_sys_life_free
#undef weir_sys_getpid
#undef weir_sys_futex_wait
#undef weir_sys_futex_wake_all

#include "fault.h"

#define KINDS  18
#define TIMERS 4

/* Sequentially consistent throughout: a seam of a test, where a plan must be plain to follow rather than fast. */
static atomic_uint plan_kinds;
static atomic_uint_fast64_t plan_first, plan_last, plan_seen, plan_fired;
static atomic_int plan_error;
static _Atomic(void (*)(void *)) plan_fn;
static _Atomic(void *) plan_arg;
static atomic_uint_fast64_t counts[KINDS], memory_held;
static _Atomic(int64_t) timeouts[KINDS], time_passed, time_stopped = -1, timer_moment = WEIR_FOREVER;
static struct {
        int fd; /* plus 1, or 0 */
        int64_t moment;
} timers[TIMERS];
static const struct weir_sys_entry *shown_entries;
static unsigned shown_count;
static bool reuse_memory;
static void *freed_block;
static size_t freed_size;

/* Counts a call of one kind. Returns the negative errno it shall fail with, or 0. */
static int strike(unsigned kind) {
        void (*fn)(void *);
        uint64_t n;

        atomic_fetch_add(&counts[__builtin_ctz(kind)], 1);
        if (!(atomic_load(&plan_kinds) & kind))
                return 0;
        n = atomic_fetch_add(&plan_seen, 1) + 1;
        if (n < atomic_load(&plan_first) || n > atomic_load(&plan_last))
                return 0;
        atomic_fetch_add(&plan_fired, 1);
        fn = atomic_load(&plan_fn);
        if (!fn)
                return kind & FAULT_FAILING ? -atomic_load(&plan_error) : 0;
        atomic_store(&plan_kinds, 0); /* what fn calls is not planned for */
        fn(atomic_load(&plan_arg));
        return 0;
}

static void plan(unsigned kinds, uint64_t first, uint64_t last, int error, void (*fn)(void *), void *arg) {
        (void)fault_off();
        atomic_store(&plan_first, first);
        atomic_store(&plan_last, last);
        atomic_store(&plan_error, error);
        atomic_store(&plan_fn, fn);
        atomic_store(&plan_arg, arg);
        atomic_store(&plan_kinds, kinds); /* last: from here on it is in force */
}

void fault_at(unsigned kinds, uint64_t n, int error) {
        plan(kinds, n, n, error, NULL, NULL);
}

void fault_from(unsigned kinds, uint64_t n, int error) {
        plan(kinds, n, UINT64_MAX, error, NULL, NULL);
}

void fault_hook(unsigned kinds, uint64_t n, void (*fn)(void *arg), void *arg) {
        plan(kinds, n, n, 0, fn, arg);
}

uint64_t fault_off(void) {
        atomic_store(&plan_kinds, 0);
        atomic_store(&plan_seen, 0);
        return atomic_exchange(&plan_fired, 0);
}

uint64_t fault_count(unsigned kinds) {
        uint64_t count = 0;

        for (unsigned i = 0; i < KINDS; ++i)
                if (kinds & 1u << i)
                        count += atomic_load(&counts[i]);
        return count;
}

uint64_t fault_memory(void) {
        return atomic_load(&memory_held);
}

int64_t fault_timeout(unsigned kind) {
        return atomic_load(&timeouts[__builtin_ctz(kind)]);
}

/* With a clock that stands: has the timers ring whose moment has come. */
static void ring_timers(void) {
        for (unsigned i = 0; i < TIMERS; ++i)
                if (timers[i].fd && timers[i].moment != WEIR_FOREVER &&
                    timers[i].moment <= atomic_load(&time_stopped)) {
                        real_timer_set(timers[i].fd - 1, 0);
                        timers[i].moment = WEIR_FOREVER; /* once */
                }
}

/* Puts a timer in the list, or takes it out. */
static void keep_timer(int fd, bool keep, int64_t moment) {
        unsigned i = 0;

        while (i < TIMERS && timers[i].fd != fd + 1)
                ++i;
        for (unsigned k = 0; i == TIMERS && keep && k < TIMERS; ++k)
                if (!timers[k].fd)
                        i = k;
        if (i < TIMERS) {
                timers[i].fd = keep ? fd + 1 : 0;
                timers[i].moment = moment;
        }
}

void fault_pass_time(int64_t ns) {
        if (atomic_load(&time_stopped) < 0) {
                atomic_fetch_add(&time_passed, ns);
                return;
        }
        atomic_fetch_add(&time_stopped, ns);
        ring_timers();
}

void fault_stop_clock(int64_t now) {
        atomic_store(&time_stopped, now);
        atomic_store(&time_passed, 0);
}

int64_t fault_timer(void) {
        return atomic_load(&timer_moment);
}

void fault_show_entries(const struct weir_sys_entry *entries, unsigned count) {
        shown_entries = entries;
        shown_count = count;
}

static int strike_sleep(unsigned kind, int64_t timeout) {
        atomic_store(&timeouts[__builtin_ctz(kind)], timeout);
        return strike(kind);
}

static void *hold(void *memory, size_t size) {
        if (memory)
                atomic_fetch_add(&memory_held, size);
        return memory;
}

/* ---------------------------------------------------------------- the seam */

int weir_sys_epoll_create(void) {
        int r = strike(FAULT_CREATE);

        return r < 0 ? r : real_epoll_create();
}

int weir_sys_replace(int from, int to) {
        int r = strike(FAULT_REPLACE);

        return r < 0 ? r : real_replace(from, to);
}

int weir_sys_epoll_entries(int set, void (*fn)(void *userdata, const struct weir_sys_entry *entry), void *userdata) {
        int r = strike(FAULT_ENTRIES);

        if (r < 0)
                return r;
        if (!shown_entries)
                return real_epoll_entries(set, fn, userdata);
        for (unsigned i = 0; i < shown_count; ++i)
                fn(userdata, &shown_entries[i]);
        return 0;
}

int weir_sys_epoll_ctl(int set, int op, int fd, uint32_t events, uint64_t data) {
        int r = strike(op == EPOLL_CTL_ADD ? FAULT_ADD : op == EPOLL_CTL_MOD ? FAULT_MOD : FAULT_DEL), first;

        if (op == EPOLL_CTL_ADD && (r == -ENOMEM || r == -ENOSPC)) {
                first = real_epoll_ctl(set, op, fd, events, data);
                if (first < 0)
                        return first;
                (void)real_epoll_ctl(set, EPOLL_CTL_DEL, fd, 0, 0);
        }
        return r < 0 ? r : real_epoll_ctl(set, op, fd, events, data);
}

int weir_sys_epoll_wait(int set, struct epoll_event *events, unsigned capacity, int64_t timeout, bool *coarse) {
        int r = strike_sleep(FAULT_WAIT, timeout);

        if (r < 0 || atomic_load(&time_stopped) < 0 || timeout == WEIR_FOREVER)
                return r < 0 ? r : real_epoll_wait(set, events, capacity, timeout, coarse);
        r = real_epoll_wait(set, events, capacity, 0, coarse);
        if (r == 0)
                fault_pass_time(timeout);
        return r;
}

int weir_sys_nap(int64_t timeout) {
        int r = strike_sleep(FAULT_NAP, timeout);

        return r < 0 ? r : real_nap(timeout);
}

int weir_sys_timer_create(void) {
        int r = strike(FAULT_TIMER);

        return r < 0 ? r : real_timer_create();
}

void weir_sys_timer_set(int fd, int64_t moment) {
        (void)strike(FAULT_TIMER_SET);
        atomic_store(&timer_moment, moment);
        if (atomic_load(&time_stopped) < 0) {
                real_timer_set(fd, moment);
                return;
        }
        real_timer_set(fd, WEIR_FOREVER);
        keep_timer(fd, true, moment);
        ring_timers();
}

int weir_sys_eventfd(void) {
        int r = strike(FAULT_EVENTFD);

        return r < 0 ? r : real_eventfd();
}

void weir_sys_eventfd_signal(int fd) {
        (void)strike(FAULT_SIGNAL);
        real_eventfd_signal(fd);
}

void weir_sys_close(int fd) {
        (void)strike(FAULT_CLOSE);
        if (atomic_load(&time_stopped) >= 0)
                keep_timer(fd, false, WEIR_FOREVER);
        real_close(fd);
}

bool weir_sys_is_open(int fd) {
        return real_is_open(fd);
}

int64_t weir_sys_now(void) {
        int64_t stopped = atomic_load(&time_stopped);

        return stopped >= 0 ? stopped : real_now() + atomic_load(&time_passed);
}

static void *alloc_block(size_t size) {
        void *block = freed_block;

        if (!block || size != freed_size)
                return real_alloc(size);
        freed_block = NULL;
        return memset(block, 0, size);
}

void *weir_sys_alloc(size_t size) {
        return strike(FAULT_ALLOC) < 0 ? NULL : hold(alloc_block(size), size);
}

void weir_sys_free(void *memory, size_t size) {
        if (!memory)
                return;
        atomic_fetch_sub(&memory_held, size);
        if (!reuse_memory) {
                real_free(memory, size);
                return;
        }
        real_free(freed_block, freed_size);
        freed_block = memory;
        freed_size = size;
}

void *weir_sys_grow(void *memory, size_t size, size_t wanted) {
        void *grown = strike(FAULT_ALLOC) < 0 ? NULL : real_grow(memory, size, wanted);

        return hold(grown, wanted - size);
}

void fault_reuse_memory(bool reuse) {
        real_free(freed_block, freed_size);
        freed_block = NULL;
        reuse_memory = reuse;
}

struct weir_life *weir_sys_life_create(int *ret_pid) {
        return strike(FAULT_LIFE) < 0 ? NULL : hold(real_life_create(ret_pid), 1);
}

void weir_sys_life_free(struct weir_life *life) {
        if (life)
                atomic_fetch_sub(&memory_held, 1);
        real_life_free(life);
}

int weir_sys_getpid(void) {
        return real_getpid();
}

int weir_sys_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        int r = strike_sleep(FAULT_FUTEX_WAIT, timeout);

        return r < 0 ? r : real_futex_wait(word, expected, timeout);
}

void weir_sys_futex_wake_all(_Atomic(uint32_t) *word) {
        (void)strike(FAULT_FUTEX_WAKE);
        real_futex_wake_all(word);
}

#ifdef WEIR_YIELD_POINTS
void weir_sys_yield(void) {
        (void)strike(FAULT_YIELD);
}
#endif
