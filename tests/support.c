/* SPDX-License-Identifier: MIT */
/*
 * The shared helpers of the tests. Read fixture_setup(), expect_silence() and waiter_start() first: the first bounds
 * each case, the second shows that nothing came without waiting for nothing, the third knows that a thread is blocked.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "support.h"

#define WATCHDOG_S 60

/* ---------------------------------------------------------------- fixture */

unsigned count_descriptors(void) {
        unsigned n = 0;
        struct dirent *entry;
        DIR *dir;

        dir = opendir("/proc/self/fd");
        assert_non_null(dir);
        while ((entry = readdir(dir)))
                n += entry->d_name[0] != '.';
        closedir(dir);
        return n - 1; /* without the one that reads the directory */
}

int lowest_free_descriptor(void) {
        int fd;

        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        close(fd);
        return fd;
}

void leave_room(unsigned room, struct rlimit *ret_before) {
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, ret_before), 0);
        limit = *ret_before;
        limit.rlim_cur = (rlim_t)lowest_free_descriptor() + room;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

void restore_room(const struct rlimit *before) {
        assert_int_equal(setrlimit(RLIMIT_NOFILE, before), 0);
}

uint64_t now_ns(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int fixture_setup(void **state) {
        struct fixture *fx;

        /* The default action of SIGALRM ends a program that hangs. */
        alarm(WATCHDOG_S);
        fx = calloc(1, sizeof(*fx));
        if (!fx)
                return -1;
        fx->open_before = count_descriptors();
        if (weir_poll_create(&fx->poll) < 0 || weir_events_create(BATCH, &fx->events) < 0)
                return -1;
        fx->registry = weir_poll_registry(fx->poll);
        *state = fx;
        return fx->registry ? 0 : -1;
}

int fixture_teardown(void **state) {
        struct fixture *fx = *state;
        unsigned open_after;
        int r = 0;

        weir_events_destroy(fx->events);
        weir_poll_destroy(fx->poll);
        open_after = count_descriptors();
        if (open_after != fx->open_before) {
                print_error("%u descriptors before the case, %u after it\n", fx->open_before, open_after);
                r = -1;
        }
        free(fx);
        alarm(0);
        return r;
}

void fixture_end_poll(struct fixture *fx) {
        weir_poll_destroy(fx->poll);
        fx->poll = NULL;
        fx->registry = NULL;
}

/* ---------------------------------------------------------------- descriptors */

void make_pipe(int ret_fds[2]) {
        assert_int_equal(pipe2(ret_fds, O_NONBLOCK | O_CLOEXEC), 0);
}

void make_socketpair(int ret_fds[2]) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds), 0);
}

void make_tcp_pair(int ret_fds[2]) {
        struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(addr);
        int listener, r;

        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(listener >= 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
        ret_fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(ret_fds[0] >= 0);
        assert_int_equal(connect(ret_fds[0], (struct sockaddr *)&addr, sizeof(addr)), 0);
        ret_fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        assert_true(ret_fds[1] >= 0);
        r = fcntl(ret_fds[0], F_SETFL, O_NONBLOCK);
        assert_int_equal(r, 0);
        close(listener);
}

int make_eventfd(unsigned initial) {
        int fd;

        fd = eventfd(initial, EFD_NONBLOCK | EFD_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

void put(int fd) {
        if (write(fd, "x", 1) != 1)
                abort();
}

void ring(int fd) {
        if (eventfd_write(fd, 1) < 0)
                abort();
}

size_t drain(int fd) {
        char buffer[4096];
        size_t total = 0;
        ssize_t n;

        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                total += (size_t)n;
        return total;
}

size_t fill(int fd) {
        static const char zeros[4096];
        size_t total = 0, step = sizeof(zeros);
        ssize_t n;

        /* Ever smaller pieces, so that no room for a single byte is left. */
        for (;;) {
                n = write(fd, zeros, step);
                if (n > 0)
                        total += (size_t)n;
                else if (step > 1)
                        step /= 2;
                else
                        return total;
        }
}

bool at_end(int fd) {
        char c;

        return read(fd, &c, 1) == 0;
}

void close_pair(int fds[2]) {
        close(fds[0]);
        close(fds[1]);
}

void move_descriptor(int fd, int number) {
        if (fd == number)
                return;
        if (dup3(fd, number, O_CLOEXEC) != number)
                abort();
        close(fd);
}

bool polls_readable(int fd, int timeout_ms) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        return poll(&p, 1, timeout_ms) == 1 && (p.revents & POLLIN);
}

/* ---------------------------------------------------------------- events */

int wait_ms(struct weir_poll *poll, struct weir_events *events, int timeout_ms) {
        struct timespec ts = { .tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L };

        return weir_poll_wait(poll, events, timeout_ms < 0 ? NULL : &ts);
}

int collect(struct weir_poll *poll, struct weir_events *events, int timeout_ms, struct weir_event *ret_got, int max) {
        struct weir_event event;
        int n = 0, r;

        r = wait_ms(poll, events, timeout_ms);
        if (r < 0)
                return r;
        while (weir_events_next(events, &event)) {
                if (n < max)
                        ret_got[n] = event;
                n++;
        }
        weir_events_clear(events);
        return n;
}

int tally_batch(struct weir_events *events, unsigned *counts, unsigned n_counts) {
        struct weir_event event;
        int n = 0, r = 0;

        while (weir_events_next(events, &event)) {
                if (event.token < n_counts)
                        counts[event.token]++;
                else
                        r = -ERANGE;
                n++;
        }
        return r < 0 ? r : n;
}

int tally(struct weir_poll *poll, struct weir_events *events, int timeout_ms, unsigned *counts, unsigned n_counts) {
        int r;

        r = wait_ms(poll, events, timeout_ms);
        if (r < 0)
                return r;
        r = tally_batch(events, counts, n_counts);
        weir_events_clear(events);
        return r;
}

void fetch(struct fixture *fx, int n) {
        assert_int_equal(wait_ms(fx->poll, fx->events, DEADLINE_MS), n);
}

struct weir_event expect_one(struct fixture *fx, weir_token token) {
        struct weir_event got[BATCH] = { 0 };

        assert_int_equal(collect(fx->poll, fx->events, DEADLINE_MS, got, BATCH), 1);
        assert_int_equal(got[0].token, token);
        return got[0];
}

struct weir_event expect_soon(struct fixture *fx, weir_token token) {
        struct weir_event event, other;
        unsigned tries = 0;

        while (!weir_events_next(fx->events, &event)) {
                assert_true(tries++ < 100);
                assert_true(wait_ms(fx->poll, fx->events, DEADLINE_MS) > 0);
        }
        assert_int_equal(event.token, token);
        assert_false(weir_events_next(fx->events, &other));
        weir_events_clear(fx->events);
        return event;
}

void expect_silence(struct fixture *fx) {
        struct weir_waker *waker = NULL;
        struct weir_event got[BATCH];

        assert_int_equal(weir_waker_create(fx->registry, TOKEN_SILENCE, &waker), 0);
        assert_int_equal(weir_waker_wake(waker), 0);
        assert_int_equal(expect_one(fx, TOKEN_SILENCE).token, TOKEN_SILENCE);
        /* The wake may have come ahead of what else there is. */
        assert_int_equal(collect(fx->poll, fx->events, 0, got, BATCH), 0);
        weir_waker_destroy(waker);
}

void expect_drained_batch(struct fixture *fx) {
        struct weir_event event;

        assert_false(weir_events_next(fx->events, &event));
        assert_true(weir_events_is_empty(fx->events));
}

struct weir_stats stats_of(struct weir_registry *registry) {
        struct weir_stats stats;

        memset(&stats, 0xff, sizeof(stats));
        weir_registry_stats(registry, &stats);
        return stats;
}

/* ---------------------------------------------------------------- deferred functions */

void note_run(struct weir_deferred *node) {
        struct note *note = (struct note *)((char *)node - offsetof(struct note, node));

        note->ran_on = pthread_self();
        atomic_fetch_add_explicit(&note->runs, 1, memory_order_release);
}

int note_runs(struct note *note) {
        return atomic_load_explicit(&note->runs, memory_order_acquire);
}

/* ---------------------------------------------------------------- threads */

static void *worker_main(void *arg) {
        struct worker *worker = arg;

        atomic_store_explicit(&worker->tid, (int)syscall(SYS_gettid), memory_order_release);
        worker->result = worker->fn(worker->arg);
        atomic_store_explicit(&worker->done, true, memory_order_release);
        return NULL;
}

void worker_start(struct worker *worker, int (*fn)(void *arg), void *arg) {
        worker->fn = fn;
        worker->arg = arg;
        worker->result = -1;
        atomic_init(&worker->tid, 0);
        atomic_init(&worker->done, false);
        assert_int_equal(pthread_create(&worker->thread, NULL, worker_main, worker), 0);
}

int worker_join(struct worker *worker) {
        assert_int_equal(pthread_join(worker->thread, NULL), 0);
        return worker->result;
}

static bool sleeps(int tid) {
        char path[64], line[256] = "";
        const char *state;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
        file = fopen(path, "re");
        if (!file)
                return true;
        if (!fgets(line, sizeof(line), file))
                line[0] = '\0';
        fclose(file);
        state = strrchr(line, ')');
        return state && !strncmp(state, ") S", 3);
}

void worker_settle(struct worker *worker) {
        uint64_t end = now_ns() + UINT64_C(2000000000);
        int tid;

        while (now_ns() < end) {
                tid = atomic_load_explicit(&worker->tid, memory_order_acquire);
                if (tid && sleeps(tid))
                        return;
                sched_yield();
        }
}

bool worker_done_within(struct worker *worker, int timeout_ms) {
        uint64_t end = now_ns() + (uint64_t)timeout_ms * 1000000u;

        while (!atomic_load_explicit(&worker->done, memory_order_acquire)) {
                if (now_ns() > end)
                        return false;
                sched_yield();
        }
        return true;
}

void latch_set(struct latch *latch) {
        atomic_store_explicit(&latch->value, 1, memory_order_release);
}

bool latch_is_set(struct latch *latch) {
        return atomic_load_explicit(&latch->value, memory_order_acquire);
}

void latch_wait(struct latch *latch) {
        while (!latch_is_set(latch))
                sched_yield();
}

bool latch_within(struct latch *latch, int timeout_ms) {
        uint64_t end = now_ns() + (uint64_t)timeout_ms * 1000000u;

        while (!latch_is_set(latch)) {
                if (now_ns() > end)
                        return false;
                sched_yield();
        }
        return true;
}

bool reached_within(atomic_int *value, int goal, int timeout_ms) {
        uint64_t end = now_ns() + (uint64_t)timeout_ms * 1000000u;

        while (atomic_load_explicit(value, memory_order_relaxed) < goal) {
                if (now_ns() > end)
                        return false;
                sched_yield();
        }
        return true;
}

bool reached(atomic_int *value, int goal) {
        return reached_within(value, goal, DEADLINE_MS);
}

void barrier_make(pthread_barrier_t *barrier, unsigned count) {
        assert_int_equal(pthread_barrier_init(barrier, NULL, count), 0);
}

void barrier_pass(pthread_barrier_t *barrier) {
        pthread_barrier_wait(barrier);
}

static int waiter_main(void *arg) {
        struct waiter *waiter = arg;
        int r;

        /* The probe of waiter_start() may hold the role for a moment. */
        do
                r = collect(waiter->poll, waiter->events, -1, waiter->got, BATCH);
        while (r == -EBUSY);
        return r;
}

void waiter_start(struct waiter *waiter, struct weir_poll *poll) {
        uint64_t end = now_ns() + UINT64_C(1000000) * DEADLINE_MS;
        struct weir_events *probe = NULL;
        int r;

        memset(waiter, 0, sizeof(*waiter));
        waiter->poll = poll;
        assert_int_equal(weir_events_create(BATCH, &waiter->events), 0);
        assert_int_equal(weir_events_create(1, &probe), 0);
        worker_start(&waiter->worker, waiter_main, waiter);
        /* -EBUSY says that the other thread is inside, and nothing is there to let it out. */
        while ((r = wait_ms(poll, probe, 0)) != -EBUSY) {
                assert_int_equal(r, 0);
                assert_true(now_ns() < end);
                sched_yield();
        }
        weir_events_destroy(probe);
        worker_settle(&waiter->worker);
}

int waiter_join(struct waiter *waiter) {
        int r;

        r = worker_join(&waiter->worker);
        weir_events_destroy(waiter->events);
        return r;
}

/* ---------------------------------------------------------------- children */

/* Of a coverage build: writes down what was run, which _exit(2) does not. */
void __gcov_dump(void) __attribute__((weak));

int run_child(int (*fn)(void *arg), void *arg) {
        int status = 0, line;
        pid_t pid;

        fflush(NULL);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                alarm(WATCHDOG_S);
                line = fn(arg);
                if (line)
                        fprintf(stderr, "child: the condition in line %d does not hold\n", line);
                if (__gcov_dump)
                        __gcov_dump();
                _exit(line > 255 ? 255 : line);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
