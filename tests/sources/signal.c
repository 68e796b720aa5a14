/* SPDX-License-Identifier: MIT */
/* Signals that are really sent. The main thread, which is the only one, has blocked them. */
#include "support.h"

#include <signal.h>
#include <weir/sources.h>

#define SIGNALS 7

static sigset_t set_of(int first, int second) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, first);
        if (second)
                sigaddset(&set, second);
        return set;
}

static struct weir_signals make_signals(const sigset_t *set) {
        struct weir_signals signals;

        assert_int_equal(weir_signals_init(set, &signals), 0);
        assert_int_equal(fcntl(signals.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        assert_int_equal(fcntl(signals.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        return signals;
}

static void watch(struct fixture *fx, struct weir_signals *signals, weir_interest interest) {
        assert_int_equal(weir_source_register(fx->registry, &signals->source, SIGNALS, interest), 0);
}

static void end(struct fixture *fx, struct weir_signals *signals) {
        assert_int_equal(weir_source_deregister(fx->registry, &signals->source), 0);
        weir_signals_deinit(signals);
}

static void a_signal_is_read_with_its_sender(void **state) {
        struct fixture *fx = *state;
        sigset_t set = set_of(SIGUSR1, 0);
        struct weir_signals signals = make_signals(&set);
        struct signalfd_siginfo info = { .ssi_signo = 99 };

        watch(fx, &signals, WEIR_READABLE);
        expect_silence(fx);
        assert_int_equal(weir_signals_read(&signals, &info), -EAGAIN);
        assert_int_equal(info.ssi_signo, 99);
        for (unsigned i = 0; i < 2; ++i) {
                assert_int_equal(kill(getpid(), SIGUSR1), 0);
                expect_one(fx, SIGNALS);
                assert_int_equal(weir_signals_read(&signals, &info), 0);
                assert_int_equal(info.ssi_signo, SIGUSR1);
                assert_int_equal(info.ssi_pid, getpid());
                assert_int_equal(weir_signals_read(&signals, &info), -EAGAIN);
        }
        expect_silence(fx);
        end(fx, &signals);
}

static void several_signals_are_read_one_by_one(void **state) {
        struct fixture *fx = *state;
        sigset_t set = set_of(SIGUSR1, SIGRTMIN);
        struct weir_signals signals = make_signals(&set);
        struct signalfd_siginfo info;

        watch(fx, &signals, WEIR_READABLE | WEIR_LEVEL);
        for (int i = 0; i < 3; ++i) /* those of real time queue up, each with a value */
                assert_int_equal(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }), 0);
        assert_int_equal(kill(getpid(), SIGUSR1), 0);
        assert_int_equal(kill(getpid(), SIGUSR1), 0); /* and standard ones coalesce */
        expect_one(fx, SIGNALS);
        assert_int_equal(weir_signals_read(&signals, &info), 0);
        assert_int_equal(info.ssi_signo, SIGUSR1);
        for (int i = 0; i < 3; ++i) {
                expect_one(fx, SIGNALS); /* one read at a time is enough when level-triggered */
                assert_int_equal(weir_signals_read(&signals, &info), 0);
                assert_int_equal(info.ssi_signo, SIGRTMIN);
                assert_int_equal(info.ssi_int, i);
        }
        assert_int_equal(weir_signals_read(&signals, &info), -EAGAIN);
        expect_silence(fx);
        end(fx, &signals);
}

static void a_source_takes_its_own_signals_alone(void **state) {
        struct fixture *fx = *state;
        sigset_t one = set_of(SIGUSR1, 0), two = set_of(SIGUSR2, 0);
        struct weir_signals first = make_signals(&one), second = make_signals(&two);
        struct signalfd_siginfo info;

        watch(fx, &first, WEIR_READABLE);
        assert_int_equal(kill(getpid(), SIGUSR2), 0);
        expect_silence(fx);
        assert_int_equal(weir_signals_read(&first, &info), -EAGAIN);
        assert_int_equal(weir_signals_read(&second, &info), 0);
        assert_int_equal(info.ssi_signo, SIGUSR2);
        end(fx, &first);
        weir_signals_deinit(&second);
}

static void masks_and_dispositions_stay(void **state) {
        sigset_t set = set_of(SIGTERM, SIGUSR1), before, after;
        struct sigaction action_before, action_after;
        struct weir_signals signals;

        (void)state;
        assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
        assert_int_equal(sigaction(SIGTERM, NULL, &action_before), 0);
        signals = make_signals(&set);
        weir_signals_deinit(&signals);
        assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
        assert_int_equal(sigaction(SIGTERM, NULL, &action_after), 0);
        for (int number = 1; number <= SIGRTMAX; ++number)
                assert_int_equal(sigismember(&before, number), sigismember(&after, number));
        assert_true(action_before.sa_handler == action_after.sa_handler);
        assert_int_equal(sigismember(&after, SIGTERM), 0);
}

static void what_is_pending_outlives_the_source(void **state) {
        sigset_t set = set_of(SIGUSR1, 0);
        struct weir_signals signals = make_signals(&set);
        struct signalfd_siginfo info;

        (void)state;
        assert_int_equal(kill(getpid(), SIGUSR1), 0);
        weir_signals_deinit(&signals);
        signals = make_signals(&set);
        assert_int_equal(weir_signals_read(&signals, &info), 0);
        weir_signals_deinit(&signals);
}

static void a_one_shot_is_rearmed_by_its_descriptor(void **state) {
        struct fixture *fx = *state;
        sigset_t set = set_of(SIGUSR1, 0);
        struct weir_signals signals = make_signals(&set);
        struct signalfd_siginfo info;

        watch(fx, &signals, WEIR_READABLE | WEIR_ONESHOT);
        for (unsigned i = 0; i < 3; ++i) {
                assert_int_equal(kill(getpid(), SIGUSR1), 0);
                expect_soon(fx, SIGNALS);
                assert_int_equal(weir_signals_read(&signals, &info), 0);
                assert_int_equal(weir_signals_read(&signals, &info), -EAGAIN);
                assert_int_equal(weir_rearm(fx->registry, signals.fd, WEIR_READABLE), 0);
        }
        end(fx, &signals);
}

/* A thread with a signal of its own. */
struct target {
        struct weir_signals *signals;
        struct latch sent, looked;
};

static int send_to_itself(void *arg) {
        struct target *target = arg;
        struct signalfd_siginfo info;

        REQUIRE(pthread_kill(pthread_self(), SIGUSR1) == 0);
        latch_set(&target->sent);
        latch_wait(&target->looked);
        REQUIRE(weir_signals_read(target->signals, &info) == 0);
        REQUIRE(info.ssi_signo == SIGUSR1);
        return 0;
}

static void a_signal_to_a_thread_is_seen_by_it_alone(void **state) {
        struct fixture *fx = *state;
        sigset_t set = set_of(SIGUSR1, 0);
        struct weir_signals signals = make_signals(&set);
        struct target target = { .signals = &signals };
        struct signalfd_siginfo info;
        struct worker worker;
        int seen;

        watch(fx, &signals, WEIR_READABLE);
        worker_start(&worker, send_to_itself, &target);
        latch_wait(&target.sent);
        seen = weir_signals_read(&signals, &info);
        latch_set(&target.looked);
        assert_int_equal(worker_join(&worker), 0);
        assert_int_equal(seen, -EAGAIN);
        end(fx, &signals);
}

static int read_in_child(void *arg) {
        struct weir_signals *signals = arg;
        struct signalfd_siginfo info;

        REQUIRE(weir_signals_read(signals, &info) == -EAGAIN); /* the one pending is its parent's */
        REQUIRE(kill(getpid(), SIGUSR1) == 0);
        REQUIRE(weir_signals_read(signals, &info) == 0);
        REQUIRE(info.ssi_pid == (uint32_t)getpid());
        weir_signals_deinit(signals);
        return 0;
}

static void a_forked_child_reads_its_own_signals(void **state) {
        struct fixture *fx = *state;
        sigset_t set = set_of(SIGUSR1, 0);
        struct weir_signals signals = make_signals(&set);
        struct signalfd_siginfo info;

        watch(fx, &signals, WEIR_READABLE);
        assert_int_equal(kill(getpid(), SIGUSR1), 0);
        assert_int_equal(run_child(read_in_child, &signals), 0);
        expect_one(fx, SIGNALS);
        assert_int_equal(weir_signals_read(&signals, &info), 0);
        assert_int_equal(info.ssi_pid, getpid());
        end(fx, &signals);
}

static void bad_arguments_get_einval(void **state) {
        struct fixture *fx = *state;
        sigset_t set = set_of(SIGUSR1, 0), kill_set = set_of(SIGUSR1, SIGKILL), stop_set = set_of(SIGSTOP, 0);
        struct weir_signals signals = { .fd = 0 };
        struct signalfd_siginfo info = { .ssi_signo = 99 };

        assert_int_equal(weir_signals_init(NULL, &signals), -EINVAL);
        assert_int_equal(weir_signals_init(&set, NULL), -EINVAL);
        assert_int_equal(weir_signals_init(&kill_set, &signals), -EINVAL);
        assert_int_equal(weir_signals_init(&stop_set, &signals), -EINVAL);
        assert_int_equal(weir_signals_read(NULL, &info), -EINVAL);
        assert_int_equal(weir_signals_read(&signals, &info), -EINVAL);
        assert_int_equal(weir_source_register(fx->registry, &signals.source, SIGNALS, WEIR_READABLE), -EINVAL);
        weir_signals_deinit(&signals);
        weir_signals_deinit(NULL);
        signals = make_signals(&set);
        assert_int_equal(weir_signals_read(&signals, NULL), -EINVAL);
        weir_signals_deinit(&signals);
        assert_int_equal(weir_signals_read(&signals, &info), -EINVAL);
        weir_signals_deinit(&signals);
        assert_int_equal(info.ssi_signo, 99);
        assert_int_equal(stats_of(fx->registry).registered, 0);
        assert_true(fcntl(0, F_GETFD) >= 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(a_signal_is_read_with_its_sender),
                CASE(several_signals_are_read_one_by_one),
                CASE(a_source_takes_its_own_signals_alone),
                CASE(masks_and_dispositions_stay),
                CASE(what_is_pending_outlives_the_source),
                CASE(a_one_shot_is_rearmed_by_its_descriptor),
                CASE(a_signal_to_a_thread_is_seen_by_it_alone),
                CASE(a_forked_child_reads_its_own_signals),
                CASE(bad_arguments_get_einval),
        };
        sigset_t blocked = set_of(SIGUSR1, SIGUSR2);

        sigaddset(&blocked, SIGRTMIN);
        pthread_sigmask(SIG_BLOCK, &blocked, NULL);
        return cmocka_run_group_tests_name("signal", cases, NULL, NULL);
}
