/* SPDX-License-Identifier: MIT */
/*
 * One-shots: rearm, disarm, held registrations, and what they cost; when the kernel is asked, and when its own one-shot serves.
 */
#include "kernel.h"

#include "oneshot.h"

#define QUIET 60 /* as oneshot.c has it */
#define MET   0x80
#define EDGES ((uint32_t)EPOLLET)
#define ONCE  ((uint32_t)EPOLLET | (uint32_t)EPOLLONESHOT)

/* A one-shot that waits for the end that is read, and a word about it. */
struct oneshot {
        int pair[2];
        struct weir_slot *slot;
        uint64_t data; /* of its entry in the turn that was first */
};

static void oneshot_make(struct fixture *fx, struct oneshot *oneshot, weir_interest interest) {
        make_socketpair(oneshot->pair);
        assert_int_equal(weir_register(fx->registry, oneshot->pair[0], TOKEN, interest | WEIR_ONESHOT), 0);
        oneshot->slot = slot_at(fx, oneshot->pair[0]);
        oneshot->data = (atomic_load(&oneshot->slot->word) & ~BELOW_TURN) | (uint64_t)oneshot->pair[0];
}

static int rearm(struct fixture *fx, struct oneshot *oneshot, weir_interest interest) {
        return weir_rearm(fx->registry, oneshot->pair[0], interest);
}

/* One more byte, of which the waiter hears, if the kernel tells it. */
static void more_comes(struct fixture *fx, struct oneshot *oneshot) {
        put(oneshot->pair[1]);
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
}

/* Its event is taken and its data read. */
static void begin_turn(struct fixture *fx, struct oneshot *oneshot) {
        (void)expect_one(fx, TOKEN);
        drain(oneshot->pair[0]);
}

/* ---------------------------------------------------------------- rearm */

/* OWNED to ARMED by one compare-and-swap; only a new direction asks the kernel, and begins a turn for that. */
static void rearm_costs_no_system_call(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        uint64_t calls;

        oneshot_make(fx, &one, WEIR_READABLE);
        put(one.pair[1]);
        begin_turn(fx, &one);
        assert_word(one.slot, GEN(2) | OWNED(EPOLLIN) | FIRED(EPOLLIN));
        calls = fault_count(FAULT_SYSTEM);
        for (int i = 0; i < 2; ++i) {
                assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
                assert_word(one.slot, GEN(2) | ONESHOT(EPOLLIN));
        }
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);

        /* Room to write is there already: the kernel, asked anew, tells. */
        assert_int_equal(rearm(fx, &one, WEIR_WRITABLE), 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls + 1);
        assert_word(one.slot, GEN(2) | TURN(1) | OWNED(INOUT) | ARMED(EPOLLOUT));
        assert_in_kernel(fx, one.pair[0], INOUT | EPOLLRDHUP | EDGES, one.data + TURN(1));
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLOUT);
        assert_word(one.slot, GEN(2) | TURN(1) | OWNED(INOUT) | FIRED(EPOLLOUT));
        calls = fault_count(FAULT_SYSTEM);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE | WEIR_WRITABLE), 0);
        assert_word(one.slot, GEN(2) | TURN(1) | ONESHOT(INOUT));
        /* While it is armed, the directions are replaced, not added to; none of them is a choice, too. */
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        assert_word(one.slot, GEN(2) | TURN(1) | OWNED(INOUT) | ARMED(EPOLLIN));
        assert_int_equal(rearm(fx, &one, 0), 0);
        assert_word(one.slot, GEN(2) | TURN(1) | OWNED(INOUT) | ARMED(0));
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        close_pair(one.pair);
}

/* Readiness that was latched while the one-shot was owned goes to the queue with the rearm, once. */
static void rearm_finds_what_was_latched(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        uint64_t calls;

        oneshot_make(fx, &one, WEIR_READABLE);
        put(one.pair[1]);
        (void)expect_one(fx, TOKEN);
        more_comes(fx, &one);
        assert_word(one.slot, GEN(2) | OWNED(EPOLLIN) | FIRED(EPOLLIN) | EPOLLIN);
        calls = fault_count(FAULT_SYSTEM);
        for (int i = 0; i < 2; ++i) {
                assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
                assert_word(one.slot, GEN(2) | ONESHOT(EPOLLIN) | EPOLLIN | SLOT_LINKED);
                assert_ptr_equal((void *)atomic_load(&fx->registry->queue.head), one.slot);
                assert_int_equal(one.slot->next, 0);
        }
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        (void)expect_one(fx, TOKEN);
        expect_silence(fx);
        close_pair(one.pair);
}

/* What is latched of a direction that is not armed is no reason for a call, nor for quiet turns. */
static void readiness_of_another_direction_costs_nothing(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        uint64_t calls;

        oneshot_make(fx, &one, WEIR_READABLE | WEIR_WRITABLE);
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLOUT);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        for (int turn = 0; turn < 4; ++turn) {
                put(one.pair[1]);
                begin_turn(fx, &one);
                assert_word(one.slot, GEN(2) | OWNED(INOUT) | FIRED(EPOLLIN) | EPOLLOUT);
                calls = fault_count(FAULT_SYSTEM);
                assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
                assert_int_equal(fault_count(FAULT_SYSTEM), calls);
                assert_int_equal(one.slot->quiet, 0);
        }
        close_pair(one.pair);
}

/* Asked afresh, the kernel tells all that there is: what was latched before, or lies in a batch, is not told, too. */
static void question_begins_a_turn(void **state) {
        struct fixture *fx = *state;
        struct weir_event event;
        struct oneshot one;

        oneshot_make(fx, &one, WEIR_READABLE);
        put(one.pair[1]);
        fetch(fx, 1);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE | WEIR_WRITABLE), 0);
        assert_false(weir_events_next(fx->events, &event));
        assert_int_equal(expect_one(fx, TOKEN).readiness, INOUT);
        assert_int_equal(stats_of(fx->registry).stale, 1);
        expect_silence(fx);
        /* What came while it was owned, and was read then. */
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        put(one.pair[1]);
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLIN);
        more_comes(fx, &one);
        drain(one.pair[0]);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE | WEIR_PRIORITY), 0);
        assert_word(one.slot, GEN(2) | TURN(2) | OWNED(7) | ARMED(EPOLLIN | EPOLLPRI));
        expect_silence(fx);
        close_pair(one.pair);
}

static void rearm_is_for_oneshots(void **state) {
        static const weir_interest bad[] = { 8, WEIR_LEVEL, WEIR_READABLE | WEIR_ONESHOT, WEIR_HELD,
                                             WEIR_READABLE | WEIR_LEVEL };
        struct fixture *fx = *state;
        int pair[2];

        make_pipe(pair);
        for (unsigned level = 0; level < 2; ++level) {
                assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | (level ? WEIR_LEVEL : 0)),
                                 0);
                assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), -EINVAL);
                assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_WRITABLE), -EINVAL);
                assert_int_equal(weir_disarm(fx->registry, pair[0]), -EINVAL);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        }
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        for (size_t i = 0; i < ARRAY_LEN(bad); ++i)
                assert_int_equal(weir_rearm(fx->registry, pair[0], bad[i]), -EINVAL);
        assert_word(slot_at(fx, pair[0]), GEN(8) | ONESHOT(EPOLLIN));
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE), -ENOENT);
        assert_int_equal(weir_disarm(fx->registry, pair[0]), -ENOENT);
        assert_int_equal(weir_rearm(NULL, pair[0], WEIR_READABLE), -EINVAL);
        assert_int_equal(weir_disarm(NULL, pair[0]), -EINVAL);
        close_pair(pair);
}

/* ---------------------------------------------------------------- disarm, and held */

/* As if the caller had taken the event: what is pending comes at the next rearm. No system call. */
static void disarm_makes_the_caller_the_owner(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        uint64_t calls;

        oneshot_make(fx, &one, WEIR_READABLE);
        calls = fault_count(FAULT_SYSTEM);
        assert_int_equal(weir_disarm(fx->registry, one.pair[0]), 1);
        assert_word(one.slot, GEN(2) | OWNED(EPOLLIN) | FIRED(EPOLLIN));
        assert_int_equal(weir_disarm(fx->registry, one.pair[0]), 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        more_comes(fx, &one);
        expect_silence(fx);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        /* An event that was fetched and not read is not taken any more. */
        fetch(fx, 1);
        assert_int_equal(weir_disarm(fx->registry, one.pair[0]), 1);
        assert_false(weir_events_next(fx->events, &(struct weir_event){ 0 }));
        expect_silence(fx);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        (void)expect_one(fx, TOKEN);
        assert_int_equal(weir_disarm(fx->registry, one.pair[0]), 0);
        close_pair(one.pair);
}

static int disarm(void *arg) {
        struct fixture *fx = arg;

        return weir_disarm(fx->registry, (int)stats_of(fx->registry).capacity - 1);
}

/* A call that holds the lock may be arming it, or ending it. */
static void disarm_waits_for_the_lock(void **state) {
        struct fixture *fx = *state;
        uint64_t sleeps = fault_count(FAULT_FUTEX_WAIT), word;
        struct worker worker;
        struct oneshot one;
        int fd;

        oneshot_make(fx, &one, WEIR_READABLE);
        fd = one.pair[0];
        assert_int_equal(stats_of(fx->registry).capacity, fd + 1);
        assert_int_equal(weir_slot_lock(fx->registry->life, one.slot, 0, 0, 0, 0, &word), 0);
        worker_start(&worker, disarm, fx);
        while (fault_count(FAULT_FUTEX_WAIT) == sleeps)
                sched_yield();
        assert_word(one.slot, word | SLOT_LOCKED | SLOT_CONTENDED);
        assert_false(weir_slot_unlock(fx->registry->life, one.slot, SLOT_REGISTRATION, 0, SLOT_GENERATION));
        assert_int_equal(worker_join(&worker), -ENOENT);
        close_pair(one.pair);
}

/* Registered as if its event had just been taken: no event comes before the first rearm, and what is ready then. */
static void held_is_owned_from_birth(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;

        oneshot_make(fx, &one, WEIR_READABLE | WEIR_HELD);
        assert_word(one.slot, GEN(2) | OWNED(EPOLLIN));
        assert_in_kernel(fx, one.pair[0], EPOLLIN | EPOLLRDHUP | EDGES, one.data);
        assert_int_equal(weir_disarm(fx->registry, one.pair[0]), 0);
        put(one.pair[1]);
        expect_silence(fx);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLIN);
        expect_silence(fx);
        close_pair(one.pair);
}

/* ---------------------------------------------------------------- hang-ups */

/* Told once, it is asked about at the next rearm; told again, it is not, until another direction is named. */
static void hangup_is_asked_about_once(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        uint64_t calls;

        oneshot_make(fx, &one, WEIR_READABLE);
        assert_int_equal(shutdown(one.pair[1], SHUT_WR), 0);
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLIN | EPOLLRDHUP);
        assert_word(one.slot, GEN(2) | OWNED(EPOLLIN) | FIRED(EPOLLIN) | SLOT_ASK | SLOT_HUNG);
        calls = fault_count(FAULT_SYSTEM);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls + 1);
        assert_in_kernel(fx, one.pair[0], EPOLLIN | EPOLLRDHUP | EDGES, one.data + TURN(1));
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLIN | EPOLLRDHUP);
        assert_word(one.slot, GEN(2) | TURN(1) | OWNED(EPOLLIN) | FIRED(EPOLLIN) | SLOT_HUNG);
        calls = fault_count(FAULT_SYSTEM);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        expect_silence(fx);
        /* The writer's side of it is news. */
        assert_int_equal(rearm(fx, &one, WEIR_READABLE | WEIR_WRITABLE), 0);
        assert_int_equal(expect_one(fx, TOKEN).readiness, INOUT | EPOLLRDHUP);
        close_pair(one.pair);
}

/* The next writer came: a hang-up that is over is not told once more. */
static void hangup_that_is_over_is_not_told_again(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        char path[64];
        int pair[2];

        make_pipe(pair);
        assert_int_equal(weir_register(fx->registry, pair[0], TOKEN, WEIR_READABLE | WEIR_ONESHOT), 0);
        one = (struct oneshot){ { pair[0], pair[1] }, slot_at(fx, pair[0]), 0 };
        close(pair[1]);
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLHUP);
        snprintf(path, sizeof path, "/proc/self/fd/%d", pair[0]);
        pair[1] = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
        assert_true(pair[1] >= 0);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        expect_silence(fx);
        put(pair[1]);
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLIN);
        assert_word(one.slot, GEN(2) | TURN(1) | OWNED(EPOLLIN) | FIRED(EPOLLIN));
        close_pair(pair);
}

/* One that came to an owner, too, is asked about: it may be over. But not for a direction that is not told of it. */
static void hangup_that_was_latched_is_asked_about(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        uint64_t calls;

        for (int told = 0; told < 2; ++told) {
                oneshot_make(fx, &one, WEIR_READABLE | WEIR_WRITABLE | WEIR_HELD);
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
                assert_int_equal(shutdown(one.pair[1], SHUT_WR), 0);
                assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
                assert_word(one.slot,
                            (atomic_load(&one.slot->word) & ~BELOW_TURN) | OWNED(INOUT) | INOUT | READY_RDHUP);
                calls = fault_count(FAULT_SYSTEM);
                assert_int_equal(rearm(fx, &one, told ? WEIR_READABLE : WEIR_WRITABLE), 0);
                assert_int_equal(fault_count(FAULT_SYSTEM), calls + (unsigned)told);
                assert_int_equal(expect_one(fx, TOKEN).readiness, told ? EPOLLIN | EPOLLRDHUP : EPOLLOUT);
                assert_int_equal(weir_deregister(fx->registry, one.pair[0]), 0);
                close_pair(one.pair);
        }
}

/* The kernel refuses the question: the one-shot is not armed, and what was latched is still there. */
static void refused_question_loses_nothing(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        uint64_t word;

        oneshot_make(fx, &one, WEIR_READABLE);
        put(one.pair[1]);
        (void)expect_one(fx, TOKEN);
        more_comes(fx, &one);
        word = atomic_load(&one.slot->word);
        fault_at(FAULT_MOD, 1, ENOMEM);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE | WEIR_WRITABLE), -ENOMEM);
        assert_int_equal(fault_off(), 1);
        assert_word(one.slot, word);
        assert_in_kernel(fx, one.pair[0], EPOLLIN | EPOLLRDHUP | EDGES, one.data);
        expect_silence(fx);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLIN);
        close_pair(one.pair);
}

/* ---------------------------------------------------------------- quiet turns */

/* What is latched in one turn and in a later one makes the kernel serve: for QUIET turns, then latching is tried again. */
static void readiness_of_two_turns_brings_quiet_ones(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        uint64_t calls;

        oneshot_make(fx, &one, WEIR_READABLE);
        put(one.pair[1]);
        for (unsigned turn = 1; turn <= 2; ++turn) {
                (void)expect_one(fx, TOKEN);
                more_comes(fx, &one);
                calls = fault_count(FAULT_SYSTEM);
                assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
                assert_int_equal(fault_count(FAULT_SYSTEM), calls + turn - 1);
        }
        for (unsigned left = QUIET; left-- > 0;) {
                const uint64_t turn = TURN((QUIET - left) % 16);

                assert_int_equal(one.slot->quiet, MET | left);
                assert_in_kernel(fx, one.pair[0], EPOLLIN | EPOLLRDHUP | ONCE, one.data + turn);
                assert_word(one.slot, GEN(2) | turn | ONESHOT(EPOLLIN) | SLOT_ASK);
                begin_turn(fx, &one);
                assert_word(one.slot, GEN(2) | turn | OWNED(EPOLLIN) | FIRED(EPOLLIN) | SLOT_ASK);
                /* The kernel is silent: not even the set says that there is something. */
                for (int i = 0; i < 3; ++i) {
                        put(one.pair[1]);
                        assert_false(polls_readable(fx->registry->set, 0));
                }
                more_comes(fx, &one);
                assert_word(one.slot, GEN(2) | turn | OWNED(EPOLLIN) | FIRED(EPOLLIN) | SLOT_ASK);
                calls = fault_count(FAULT_SYSTEM);
                assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
                assert_int_equal(fault_count(FAULT_SYSTEM), calls + 1);
        }
        /* One turn without the kernel. */
        assert_int_equal(one.slot->quiet, MET);
        assert_in_kernel(fx, one.pair[0], EPOLLIN | EPOLLRDHUP | EDGES, one.data + TURN((QUIET + 1) % 16));
        assert_word(one.slot, GEN(2) | TURN((QUIET + 1) % 16) | ONESHOT(EPOLLIN));
        begin_turn(fx, &one);
        calls = fault_count(FAULT_SYSTEM);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        assert_int_equal(fault_count(FAULT_SYSTEM), calls);
        /* And what comes to the owner then begins it anew. */
        put(one.pair[1]);
        (void)expect_one(fx, TOKEN);
        more_comes(fx, &one);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        assert_int_equal(one.slot->quiet, MET | (QUIET - 1));
        (void)expect_one(fx, TOKEN);
        close_pair(one.pair);
}

/* The second arrival in one ownership silences the kernel: a peer cannot wake the waiter at will. */
static void owner_is_not_told_of_each_arrival(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        uint64_t mods;

        oneshot_make(fx, &one, WEIR_READABLE);
        put(one.pair[1]);
        (void)expect_one(fx, TOKEN);
        mods = fault_count(FAULT_MOD);
        more_comes(fx, &one);
        assert_int_equal(fault_count(FAULT_MOD), mods);
        more_comes(fx, &one);
        assert_int_equal(fault_count(FAULT_MOD), mods + 1);
        assert_int_equal(one.slot->quiet, MET | QUIET);
        assert_word(one.slot, GEN(2) | OWNED(EPOLLIN) | FIRED(EPOLLIN) | EPOLLIN | SLOT_ASK);
        assert_in_kernel(fx, one.pair[0], ONCE, one.data);
        for (int i = 0; i < 10; ++i) {
                put(one.pair[1]);
                assert_false(polls_readable(fx->registry->set, 0));
        }
        assert_int_equal(fault_count(FAULT_MOD), mods + 1);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        assert_int_equal(fault_count(FAULT_MOD), mods + 2);
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLIN);
        /* Drained meanwhile, it is not told of what was. */
        drain(one.pair[0]);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        expect_silence(fx);
        close_pair(one.pair);
}

/* It is a hint: where it cannot be had at once, nothing changes. */
static void hush_is_given_up_at_once(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        uint64_t mods, word;

        oneshot_make(fx, &one, WEIR_READABLE);
        put(one.pair[1]);
        (void)expect_one(fx, TOKEN);
        word = atomic_load(&one.slot->word);
        mods = fault_count(FAULT_MOD);
        atomic_fetch_or(&one.slot->word, SLOT_LOCKED);
        weir_oneshot_hush(fx->registry, one.slot, one.data);
        assert_word(one.slot, word | SLOT_LOCKED);
        atomic_store(&one.slot->word, word | SLOT_ASK);
        weir_oneshot_hush(fx->registry, one.slot, one.data);
        assert_word(one.slot, word | SLOT_ASK);
        atomic_store(&one.slot->word, word);
        weir_oneshot_hush(fx->registry, one.slot, one.data + SLOT_GENERATION);
        atomic_store(&one.slot->haunted, 1);
        weir_oneshot_hush(fx->registry, one.slot, one.data);
        atomic_store(&one.slot->haunted, 0);
        assert_int_equal(fault_count(FAULT_MOD), mods);
        fault_at(FAULT_MOD, 1, ENOENT);
        weir_oneshot_hush(fx->registry, one.slot, one.data);
        assert_int_equal(fault_off(), 1);
        assert_word(one.slot, word);
        assert_int_equal(one.slot->quiet, 0);
        close_pair(one.pair);
}

/* A rearm came first: what it waits for still comes, once. */
static void hush_of_an_armed_one_loses_nothing(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;

        oneshot_make(fx, &one, WEIR_READABLE | WEIR_WRITABLE);
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLOUT);
        assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
        weir_oneshot_hush(fx->registry, one.slot, one.data);
        assert_in_kernel(fx, one.pair[0], EPOLLIN | EPOLLRDHUP | ONCE, one.data);
        assert_word(one.slot, GEN(2) | OWNED(INOUT) | ARMED(EPOLLIN) | SLOT_ASK);
        put(one.pair[1]);
        assert_int_equal(expect_one(fx, TOKEN).readiness, EPOLLIN);
        expect_silence(fx);
        close_pair(one.pair);
}

/* Once an outer set watches, what is latched would keep it awake: each rearm hands the one-shot to the kernel. */
static void nested_poll_asks_at_each_rearm(void **state) {
        struct fixture *fx = *state;
        struct oneshot one;
        uint64_t calls;

        oneshot_make(fx, &one, WEIR_READABLE);
        assert_true(weir_poll_fd(fx->poll) >= 0);
        for (unsigned turn = 1; turn <= 20; ++turn) {
                put(one.pair[1]);
                begin_turn(fx, &one);
                calls = fault_count(FAULT_SYSTEM);
                assert_int_equal(rearm(fx, &one, WEIR_READABLE), 0);
                assert_int_equal(fault_count(FAULT_SYSTEM), calls + 1);
                assert_in_kernel(fx, one.pair[0], EPOLLIN | EPOLLRDHUP | ONCE, one.data + TURN(turn % 16));
        }
        assert_int_equal(one.slot->quiet, 0);
        close_pair(one.pair);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(rearm_costs_no_system_call),
                CASE(rearm_finds_what_was_latched),
                CASE(readiness_of_another_direction_costs_nothing),
                CASE(question_begins_a_turn),
                CASE(rearm_is_for_oneshots),
                CASE(disarm_makes_the_caller_the_owner),
                CASE(disarm_waits_for_the_lock),
                CASE(held_is_owned_from_birth),
                CASE(hangup_is_asked_about_once),
                CASE(hangup_that_is_over_is_not_told_again),
                CASE(hangup_that_was_latched_is_asked_about),
                CASE(refused_question_loses_nothing),
                CASE(readiness_of_two_turns_brings_quiet_ones),
                CASE(owner_is_not_told_of_each_arrival),
                CASE(hush_is_given_up_at_once),
                CASE(hush_of_an_armed_one_loses_nothing),
                CASE(nested_poll_asks_at_each_rearm),
        };

        return cmocka_run_group_tests_name("registry_oneshot", tests, NULL, NULL);
}
