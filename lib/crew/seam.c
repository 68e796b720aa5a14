/* SPDX-License-Identifier: MIT */

/* What the crew asks of libc and the kernel: see seam.h. The futex is called directly, for no libc has a function for it. */

#include "seam.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#define CREW_NS_PER_S INT64_C(1000000000)

/* <linux/futex.h> comes with the kernel's headers, which not every libc brings along. */
#define CREW_FUTEX_WAIT 128
#define CREW_FUTEX_WAKE 129

/* Where there never was one with 32 bits of seconds. */
#ifdef SYS_futex
#define CREW_FUTEX SYS_futex
#else
#define CREW_FUTEX SYS_futex_time64
#endif

struct crew_timespec {
        int64_t seconds;
        int64_t nanoseconds;
};

static int64_t crew_clock(clockid_t clock) {
        struct timespec ts;

        clock_gettime(clock, &ts);
        return ts.tv_sec * CREW_NS_PER_S + ts.tv_nsec;
}

int64_t weir_seam_now(void) {
        return crew_clock(CLOCK_MONOTONIC);
}

/* getrusage(2) has it, too, but as of the last tick of the clock. */
int64_t weir_seam_worked(void) {
        return crew_clock(CLOCK_THREAD_CPUTIME_ID) + 1;
}

long weir_seam_lost(void) {
        struct rusage usage;

        getrusage(RUSAGE_THREAD, &usage);
        return usage.ru_nivcsw;
}

void *weir_seam_alloc(size_t size) {
        int saved = errno;
        void *memory = aligned_alloc(CREW_LINE, (size + CREW_LINE - 1) / CREW_LINE * CREW_LINE);

        errno = saved;
        return memory ? memset(memory, 0, size) : NULL;
}

void weir_seam_free(void *memory) {
        int saved = errno;

        free(memory);
        errno = saved;
}

void *weir_seam_page(size_t size, int *ret_pid) {
        int saved = errno;
        void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (page != MAP_FAILED)
                *ret_pid = madvise(page, size, MADV_WIPEONFORK) < 0 ? getpid() : 0;
        errno = saved;
        return page == MAP_FAILED ? NULL : page;
}

void weir_seam_free_page(void *page, size_t size) {
        int saved = errno;

        if (page)
                munmap(page, size);
        errno = saved;
}

int weir_seam_getpid(void) {
        return getpid();
}

/* The one with 64 bits of seconds, where there are two, for a time. */
static long crew_futex(bool timed) {
#ifdef SYS_futex_time64
        if (timed)
                return SYS_futex_time64;
#endif
        (void)timed;
        return CREW_FUTEX;
}

void weir_seam_sleep(_Atomic(uint32_t) *word, uint32_t expected, int64_t timeout) {
        struct crew_timespec ts = { timeout / CREW_NS_PER_S, timeout % CREW_NS_PER_S };
        bool timed = timeout != CREW_FOREVER;
        int saved = errno;

        syscall(crew_futex(timed), word, CREW_FUTEX_WAIT, expected, timed ? &ts : NULL, NULL, 0);
        errno = saved;
}

void weir_seam_wake(_Atomic(uint32_t) *word, int count) {
        int saved = errno;

        syscall(CREW_FUTEX, word, CREW_FUTEX_WAKE, count, NULL, NULL, 0);
        errno = saved;
}

static int crew_watch(int set, int fd) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = fd };

        return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

int weir_seam_post_open(struct weir_seam_post *ret_post) {
        int saved = errno, r = 0;

        *ret_post = (struct weir_seam_post){ -1, -1, -1 };
        ret_post->set = epoll_create1(EPOLL_CLOEXEC);
        if (ret_post->set >= 0)
                ret_post->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (ret_post->bell >= 0)
                ret_post->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (ret_post->timer < 0 || crew_watch(ret_post->set, ret_post->bell) < 0 ||
            crew_watch(ret_post->set, ret_post->timer) < 0) {
                r = -errno;
                weir_seam_post_close(ret_post);
        }
        errno = saved;
        return r;
}

void weir_seam_post_close(struct weir_seam_post *post) {
        int saved = errno, fds[] = { post->set, post->bell, post->timer }, state = weir_seam_forbid_cancel();

        for (unsigned i = 0; i < sizeof fds / sizeof *fds; ++i)
                if (fds[i] >= 0)
                        close(fds[i]);
        *post = (struct weir_seam_post){ -1, -1, -1 };
        weir_seam_restore_cancel(state);
        errno = saved;
}

void weir_seam_post_sleep(struct weir_seam_post *post, _Atomic(uint32_t) *word, uint32_t expected, bool alarm) {
        struct epoll_event event;
        int saved = errno, n;

        /* relaxed: it was changed before the ring, which ends the sleep if it comes later */
        do
                n = atomic_load_explicit(word, memory_order_relaxed) == expected ? epoll_wait(post->set, &event, 1, -1)
                                                                                 : 0;
        while (n == 1 && event.data.fd == post->timer && !alarm);
        errno = saved;
}

/* Directly: libc's is a cancellation point. The count never comes near its limit. */
void weir_seam_post_ring(struct weir_seam_post *post) {
        const uint64_t one = 1;
        int saved = errno;

        syscall(SYS_write, post->bell, &one, sizeof one);
        errno = saved;
}

void weir_seam_post_set_alarm(struct weir_seam_post *post, int64_t time) {
        const struct itimerspec at = { .it_value = { (time_t)(time / CREW_NS_PER_S), (long)(time % CREW_NS_PER_S) } };
        int saved = errno;

        timerfd_settime(post->timer, TFD_TIMER_ABSTIME, &at, NULL);
        errno = saved;
}

unsigned weir_seam_processors(void) {
        int saved = errno, count = 0;
        cpu_set_t few, *set = &few;
        size_t size = sizeof few;

        CPU_ZERO(&few);
        /* A machine may have more processors than the plain type has room for. */
        for (int room = CPU_SETSIZE; sched_getaffinity(0, size, set) < 0 && errno == EINVAL && room <= 1 << 20;) {
                room *= 2;
                if (set != &few)
                        CPU_FREE(set);
                size = CPU_ALLOC_SIZE(room);
                set = CPU_ALLOC(room);
                if (!set)
                        break;
                CPU_ZERO_S(size, set);
        }
        if (set) {
                count = CPU_COUNT_S(size, set);
                if (set != &few)
                        CPU_FREE(set);
        }
        errno = saved;
        return count > 0 ? (unsigned)count : 1;
}

int weir_seam_thread(pthread_t *ret_thread, void *(*run)(void *), void *argument) {
        sigset_t all, former;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &former);
        r = pthread_create(ret_thread, NULL, run, argument);
        pthread_sigmask(SIG_SETMASK, &former, NULL);
        return -r;
}

int weir_seam_forbid_cancel(void) {
        int state;

        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        return state;
}

void weir_seam_restore_cancel(int state) {
        pthread_setcancelstate(state, &state);
}
