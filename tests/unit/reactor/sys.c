/* SPDX-License-Identifier: MIT */
/* The seam itself, the real one: results, errno left alone, memory, waits, and what a forked child reads. */
#include "support.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "sys.h"

#define MS      INT64_C(1000000)
#define BIG     (64 * 1024)
#define ERRNO   12345
#define NO_FILE 1000000

static void no_entry(void *userdata, const struct weir_sys_entry *entry) {
        (void)userdata;
        (void)entry;
        fail();
}

/* Of a poll that was never refused a wait. */
static int wait_in(int set, struct epoll_event *entries, unsigned capacity, int64_t timeout) {
        bool coarse = false;

        return weir_sys_epoll_wait(set, entries, capacity, timeout, &coarse);
}

static void errors_are_returned_and_errno_kept(void **state) {
        _Atomic(uint32_t) word = 1;
        struct epoll_event entry;
        void *memory;

        (void)state;
        errno = ERRNO;
        assert_int_equal(weir_sys_epoll_ctl(NO_FILE, EPOLL_CTL_ADD, 0, 0, 0), -EBADF);
        assert_int_equal(wait_in(NO_FILE, &entry, 1, 0), -EBADF);
        assert_int_equal(wait_in(NO_FILE, &entry, 1, MS / 2), -EBADF);
        assert_false(weir_sys_is_open(NO_FILE));
        assert_false(weir_sys_is_open(-1));
        assert_true(weir_sys_is_open(STDERR_FILENO));
        weir_sys_close(NO_FILE);
        weir_sys_eventfd_signal(NO_FILE); /* returns, though it cannot be done */
        assert_int_equal(weir_sys_replace(NO_FILE, NO_FILE + 1), -EBADF);
        assert_int_equal(weir_sys_epoll_entries(NO_FILE, no_entry, NULL), -ENOENT);
        assert_int_equal(weir_sys_futex_wait(&word, 0, WEIR_FOREVER), 0);
        assert_int_equal(weir_sys_futex_wait(&word, 1, MS / 2), 0);
        weir_sys_futex_wake_all(&word);
        assert_int_equal(weir_sys_nap(MS / 2), 0);
        memory = weir_sys_alloc(SIZE_MAX / 8 * 7); /* mapped, and refused */
        assert_null(memory);
        assert_int_equal(errno, ERRNO);
}

static void descriptors_close_on_exec(void **state) {
        int set = weir_sys_epoll_create(), fd = weir_sys_eventfd();

        (void)state;
        assert_true(set >= 0 && fd >= 0);
        assert_int_equal(fcntl(set, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        weir_sys_close(set);
        weir_sys_close(fd);
        assert_false(weir_sys_is_open(set));
}

/* The data comes back whole; MOD replaces it, DEL ends it. */
static void control_and_wait_carry_data(void **state) {
        const uint64_t data = UINT64_C(0xfedcba9876543210);
        int set = weir_sys_epoll_create(), fd = make_eventfd(1);
        struct epoll_event entries[2];

        (void)state;
        assert_int_equal(wait_in(set, entries, 2, 0), 0);
        assert_int_equal(weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN, data), 0);
        assert_int_equal(weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN, data), -EEXIST);
        assert_int_equal(wait_in(set, entries, 2, WEIR_FOREVER), 1);
        assert_int_equal(entries[0].data.u64, data);
        assert_int_equal(entries[0].events, EPOLLIN);
        assert_int_equal(weir_sys_epoll_ctl(set, EPOLL_CTL_MOD, fd, EPOLLOUT, ~data), 0);
        assert_int_equal(wait_in(set, entries, 2, INT64_MAX - 1), 1);
        assert_int_equal(entries[0].data.u64, ~data);
        assert_int_equal(entries[0].events, EPOLLOUT);
        assert_int_equal(weir_sys_epoll_ctl(set, EPOLL_CTL_DEL, fd, 0, 0), 0);
        assert_int_equal(wait_in(set, entries, 2, 0), 0);
        weir_sys_close(set);
        weir_sys_close(fd);
}

/* Whole milliseconds and parts of them go to different calls; neither may end early. */
static void timeouts_never_end_early(void **state) {
        static const int64_t timeouts[] = { 1, 999, MS - 1, MS, MS + 1, 2 * MS };
        int set = weir_sys_epoll_create();
        struct epoll_event entry;

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(timeouts); ++i) {
                int64_t began = weir_sys_now();

                assert_int_equal(wait_in(set, &entry, 1, timeouts[i]), 0);
                assert_true(weir_sys_now() - began >= timeouts[i]);
        }
        weir_sys_close(set);
}

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#define NO_FILTER 200

/* Of two that refuse, the later one's error is told. */
static int refuse_pwait2(int error) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { ARRAY_LEN(code), code };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
                return NO_FILTER;
        return 0;
}

static int wait_a_little(int set, bool *coarse) {
        struct epoll_event entry;

        for (int64_t timeout = 1; timeout < 3 * MS; timeout += MS + MS / 4) {
                int64_t began = weir_sys_now();

                REQUIRE(weir_sys_epoll_wait(set, &entry, 1, timeout, coarse) == 0);
                REQUIRE(weir_sys_now() - began >= timeout);
        }
        return 0;
}

/* As on an old kernel, and as under a filter that does not know the call. It is asked once: a second filter would tell. */
static int wait_without_pwait2(void *arg) {
        int set = weir_sys_epoll_create(), fd = make_eventfd(1), *error = arg;
        struct epoll_event entry;
        bool coarse = false;

        if (refuse_pwait2(*error))
                return NO_FILTER;
        REQUIRE(weir_sys_epoll_wait(set, &entry, 1, MS, &coarse) == 0 && !coarse);
        REQUIRE(weir_sys_epoll_wait(set, &entry, 1, 1, &coarse) == 0 && coarse);
        REQUIRE(refuse_pwait2(EBADMSG) == 0);
        REQUIRE(wait_a_little(set, &coarse) == 0 && coarse);
        /* More milliseconds than the older call can count. */
        REQUIRE(weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN, 0) == 0);
        REQUIRE(weir_sys_epoll_wait(set, &entry, 1, INT64_MAX - 1, &coarse) == 1);
        REQUIRE(weir_sys_epoll_wait(NO_FILE, &entry, 1, MS / 2, &coarse) == -EBADF);
        return 0;
}

static void timeouts_hold_on_an_old_kernel(void **state) {
        int errors[] = { ENOSYS, EPERM };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(errors); ++i) {
                int r = run_child(wait_without_pwait2, &errors[i]);

                if (r == NO_FILTER)
                        skip();
                assert_int_equal(r, 0);
        }
}

/* Each signal is an edge, even when the counter is full: a watcher that never reads must not go deaf. */
static void signal_is_always_an_edge(void **state) {
        int set = weir_sys_epoll_create(), fd = weir_sys_eventfd();
        struct epoll_event entry;
        eventfd_t counter;

        (void)state;
        assert_int_equal(weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, fd, EPOLLIN | (uint32_t)EPOLLET, 1), 0);
        for (int i = 0; i < 3; ++i) {
                weir_sys_eventfd_signal(fd);
                assert_int_equal(wait_in(set, &entry, 1, 0), 1);
                assert_int_equal(wait_in(set, &entry, 1, 0), 0);
        }
        assert_int_equal(eventfd_read(fd, &counter), 0);
        assert_int_equal(counter, 3);
        assert_int_equal(eventfd_write(fd, UINT64_MAX - 1), 0);
        assert_int_equal(wait_in(set, &entry, 1, 0), 1);
        errno = ERRNO;
        weir_sys_eventfd_signal(fd);
        assert_int_equal(errno, ERRNO);
        assert_int_equal(wait_in(set, &entry, 1, 0), 1);
        assert_int_equal(eventfd_read(fd, &counter), 0);
        assert_int_equal(counter, 1);
        weir_sys_close(set);
        weir_sys_close(fd);
}

/* Small memory that was used before comes back zeroed; large memory is mapped. Both begin at a cache line. */
static void memory_is_zeroed_and_aligned(void **state) {
        static const size_t sizes[] = { 1, 63, 64, 65, 4096, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, BIG };

        (void)state;
        for (int round = 0; round < 2; ++round)
                for (size_t i = 0; i < ARRAY_LEN(sizes); ++i) {
                        unsigned char *memory = weir_sys_alloc(sizes[i]);

                        assert_non_null(memory);
                        assert_int_equal((uintptr_t)memory % WEIR_CACHE_LINE, 0);
                        for (size_t k = 0; k < sizes[i]; ++k)
                                assert_int_equal(memory[k], 0);
                        memset(memory, 0xa5, sizes[i]);
                        weir_sys_free(memory, sizes[i]);
                }
        weir_sys_free(NULL, 64);
        weir_sys_free(NULL, BIG);
}

struct life {
        struct weir_life *words;
        int pid;
};

static int read_life(void *arg) {
        struct life *life = arg;

        /* Where the kernel cannot wipe the page, the process tells. */
        REQUIRE(life->pid ? life->pid != weir_sys_getpid()
                          : atomic_load(&life->words->state) + atomic_load(&life->words->unlocks) +
                                            atomic_load(&life->words->closed) ==
                                    0);
        return 0;
}

static void life_ends_in_a_child(void **state) {
        struct life life = { NULL, -1 };

        (void)state;
        errno = ERRNO;
        life.words = weir_sys_life_create(&life.pid);
        assert_non_null(life.words);
        assert_int_equal(errno, ERRNO);
        assert_true(life.pid == 0 || life.pid == getpid());
        assert_int_equal(weir_sys_getpid(), getpid());
        atomic_store(&life.words->state, 7);
        atomic_store(&life.words->unlocks, 8);
        atomic_store(&life.words->closed, 9);
        assert_int_equal(run_child(read_life, &life), 0);
        assert_int_equal(atomic_load(&life.words->state), 7);
        assert_int_equal(atomic_load(&life.words->unlocks), 8);
        weir_sys_life_free(life.words);
        weir_sys_life_free(NULL);
}

/* ---------------------------------------------------------------- sleeping */

static int sleep_on(void *arg) {
        _Atomic(uint32_t) *word = arg;

        while (!atomic_load(word))
                weir_sys_futex_wait(word, 0, WEIR_FOREVER);
        return 0;
}

/* All sleepers are woken by one call; the word is looked at before sleeping, so none is missed. */
static void futex_wakes_all(void **state) {
        _Atomic(uint32_t) word = 0;
        struct worker workers[2];

        (void)state;
        assert_int_equal(weir_sys_futex_wait(&word, 1, WEIR_FOREVER), 0);
        for (size_t i = 0; i < ARRAY_LEN(workers); ++i) {
                worker_start(&workers[i], sleep_on, &word);
                worker_settle(&workers[i]);
        }
        atomic_store(&word, 1);
        weir_sys_futex_wake_all(&word);
        for (size_t i = 0; i < ARRAY_LEN(workers); ++i)
                assert_int_equal(worker_join(&workers[i]), 0);
}

static void on_signal(int number) {
        (void)number;
}

/* Neither sleep outlasts its time, and a signal ends both. */
static void sleeps_end_in_time_or_by_a_signal(void **state) {
        const struct sigaction action = { .sa_handler = on_signal };
        const struct itimerval soon = { .it_value.tv_usec = 1000, .it_interval.tv_usec = 1000 },
                               never = { { 0, 0 }, { 0, 0 } };
        _Atomic(uint32_t) word = 1;
        struct sigaction former;
        int64_t began;

        (void)state;
        for (int64_t length = 0; length < 3 * MS; length += MS + MS / 4) {
                began = weir_sys_now();
                assert_int_equal(weir_sys_nap(length), 0);
                assert_true(weir_sys_now() - began >= length);
                began = weir_sys_now();
                assert_int_equal(weir_sys_futex_wait(&word, 1, length), 0);
                assert_true(weir_sys_now() - began >= length);
        }
        assert_int_equal(sigaction(SIGALRM, &action, &former), 0);
        assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
        assert_int_equal(weir_sys_nap(60 * 1000 * MS), -EINTR);
        assert_int_equal(weir_sys_futex_wait(&word, 1, 60 * 1000 * MS), -EINTR);
        assert_int_equal(weir_sys_futex_wait(&word, 1, WEIR_FOREVER), -EINTR);
        assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
        assert_int_equal(sigaction(SIGALRM, &former, NULL), 0);
        (void)alarm(60);
}

/* ---------------------------------------------------------------- sets */

/* The number stays, and what it leads to is another. */
static void replaced_descriptor_is_another(void **state) {
        int one = weir_sys_eventfd(), other = make_eventfd(1);

        (void)state;
        assert_false(polls_readable(one, 0));
        assert_int_equal(weir_sys_replace(other, one), 0);
        assert_true(polls_readable(one, 0));
        assert_int_equal(fcntl(one, F_GETFD), FD_CLOEXEC);
        assert_int_equal(weir_sys_replace(one, one), -EINVAL);
        weir_sys_close(one);
        weir_sys_close(other);
}

#define ENTRIES 300

struct reading {
        unsigned seen[ENTRIES + 16], count;
        int first;
        bool wrong;
};

static void read_entry(void *userdata, const struct weir_sys_entry *entry) {
        struct reading *reading = userdata;
        int fd = entry->fd;

        ++reading->count;
        if (fd < reading->first || fd >= reading->first + ENTRIES + 16 || entry->data != ~(uint64_t)fd)
                reading->wrong = true;
        else
                ++reading->seen[fd - reading->first];
}

/* Each entry once, with the number and the data that it has; of a set that is larger than what is read at once. */
static void entries_are_those_of_the_set(void **state) {
        int set = weir_sys_epoll_create(), fds[ENTRIES], r;
        struct reading reading = { .first = set };
        unsigned open = count_descriptors();

        (void)state;
        r = weir_sys_epoll_entries(set, no_entry, NULL);
        if (r == -ENOENT)
                skip(); /* there is no /proc */
        assert_int_equal(r, 0);
        for (unsigned i = 0; i < ENTRIES; ++i) {
                fds[i] = weir_sys_eventfd();
                assert_true(fds[i] > set && fds[i] < set + ENTRIES + 16);
                assert_int_equal(weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, fds[i], EPOLLIN, ~(uint64_t)fds[i]), 0);
        }
        errno = ERRNO;
        assert_int_equal(weir_sys_epoll_entries(set, read_entry, &reading), 0);
        assert_int_equal(errno, ERRNO);
        assert_false(reading.wrong);
        assert_int_equal(reading.count, ENTRIES);
        for (unsigned i = 0; i < ENTRIES; ++i) {
                assert_int_equal(reading.seen[fds[i] - set], 1);
                weir_sys_close(fds[i]);
        }
        assert_int_equal(count_descriptors(), open);
        weir_sys_close(set);
}

static void note_inode(void *userdata, const struct weir_sys_entry *entry) {
        uint64_t *inodes = userdata;

        inodes[inodes[0] ? 1 : 0] = entry->inode;
}

/* Those of two pipes differ, those of the two ends of one do not. */
static void entries_tell_files_apart(void **state) {
        int set = weir_sys_epoll_create(), fds[2][2], r;
        uint64_t inodes[2] = { 0, 0 }, ends[2] = { 0, 0 };

        (void)state;
        r = weir_sys_epoll_entries(set, no_entry, NULL);
        if (r == -ENOENT)
                skip(); /* there is no /proc */
        assert_int_equal(pipe(fds[0]), 0);
        assert_int_equal(pipe(fds[1]), 0);
        assert_int_equal(weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, fds[0][0], EPOLLIN, 1), 0);
        assert_int_equal(weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, fds[0][1], EPOLLOUT, 1), 0);
        assert_int_equal(weir_sys_epoll_entries(set, note_inode, ends), 0);
        assert_true(ends[0] != 0);
        assert_true(ends[0] == ends[1]);
        assert_int_equal(weir_sys_epoll_ctl(set, EPOLL_CTL_DEL, fds[0][1], 0, 0), 0);
        assert_int_equal(weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, fds[1][0], EPOLLIN, 1), 0);
        assert_int_equal(weir_sys_epoll_entries(set, note_inode, inodes), 0);
        assert_true(inodes[0] != inodes[1]);
        weir_sys_close(set);
        for (unsigned i = 0; i < 4; ++i)
                weir_sys_close(fds[i / 2][i % 2]);
}

/* ---------------------------------------------------------------- cancellation */

static void *close_while_cancelled(void *arg) {
        int state = weir_sys_forbid_cancel(), fd = weir_sys_eventfd();

        pthread_cancel(pthread_self());
        pthread_testcancel();
        weir_sys_restore_cancel(state);
        weir_sys_close(fd); /* close(2) would end the thread here */
        *(bool *)arg = !weir_sys_is_open(fd);
        pthread_testcancel();
        return NULL;
}

static void cancellation_is_forbidden_and_allowed(void **state) {
        bool closed = false;
        pthread_t thread;
        void *end;

        (void)state;
        assert_int_equal(pthread_create(&thread, NULL, close_while_cancelled, &closed), 0);
        assert_int_equal(pthread_join(thread, &end), 0);
        assert_ptr_equal(end, PTHREAD_CANCELED);
        assert_true(closed);
}

static void timers_ring_at_their_moment_and_not_at_absurd_ones(void **state) {
        const int64_t absurd[] = { WEIR_FOREVER, WEIR_FOREVER - 1, WEIR_FOREVER / 2 };
        struct pollfd pollfd = { .fd = weir_sys_timer_create(), .events = POLLIN };

        (void)state;
        assert_true(pollfd.fd >= 0);
        for (size_t i = 0; i < ARRAY_LEN(absurd); i++) {
                errno = ERRNO;
                weir_sys_timer_set(pollfd.fd, 0); /* has passed */
                assert_int_equal(poll(&pollfd, 1, DEADLINE_MS), 1);
                weir_sys_timer_set(pollfd.fd, absurd[i]);
                assert_int_equal(errno, ERRNO);
                assert_int_equal(poll(&pollfd, 1, 0), 0);
        }
        weir_sys_timer_set(pollfd.fd, weir_sys_now() + MS);
        assert_int_equal(poll(&pollfd, 1, DEADLINE_MS), 1);
        close(pollfd.fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(errors_are_returned_and_errno_kept),
                CASE(descriptors_close_on_exec),
                CASE(control_and_wait_carry_data),
                CASE(timeouts_never_end_early),
                CASE(timeouts_hold_on_an_old_kernel),
                CASE(timers_ring_at_their_moment_and_not_at_absurd_ones),
                CASE(signal_is_always_an_edge),
                CASE(memory_is_zeroed_and_aligned),
                CASE(life_ends_in_a_child),
                CASE(futex_wakes_all),
                CASE(sleeps_end_in_time_or_by_a_signal),
                CASE(replaced_descriptor_is_another),
                CASE(entries_are_those_of_the_set),
                CASE(entries_tell_files_apart),
                CASE(cancellation_is_forbidden_and_allowed),
        };

        return cmocka_run_group_tests_name("sys", tests, NULL, NULL);
}
