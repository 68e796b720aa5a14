/* SPDX-License-Identifier: MIT */

/*
 * Programs that tests/explore enumerates: those of a list that `explore -g` writes, and that the compiler includes first. Each is
 * explored in all executions, and each outcome must be one that the sequential model allows, tests/explore/allowed.h. All are
 * in one run of the checker: which program it is is what the main thread reads of a word that another one keeps writing.
 * What a token points to is plain memory, written before the call that gives the token, read when an event brings it (G3). Who
 * has a batch or is inside a guard follows a link, and what it leads to is there until the end of that: who defers first takes
 * the link away, if it is there, and the function ends what it led to (G6).
 *
 * Where a program begins with a ghost, there is a duplicate of file 0 all the time, and number 0 leads to that or to file 1. Each
 * close of number 0 puts another file 1 there.
 */

#define MODEL_CAPACITY 2

#include "library.h"

#define THREADS 2
#define TOKENS  16
#define HOUR    INT64_C(3600000000000) /* time passes in such steps, of which the first ends with the first moment */

/* Another checker may want to see plain memory, too: relacy/. */
#ifndef PLAIN
#define PLAIN(type)         type
#define PLAIN_GET(plain)    (plain)
#define PLAIN_SET(plain, v) ((plain) = (v))
#endif

static PLAIN(int) payloads[TOKENS];
static struct weir_events *batches[THREADS];
static struct weir_waker *waker;
static struct weir_event taken[THREADS]; /* what it has taken last */
static struct weir_deferred nodes[THREADS][2];
static struct weir_guard *guards[THREADS];
static PLAIN(int) alive;
static _Atomic(bool) linked;
static bool has_link, of_batch[THREADS], of_guard[THREADS]; /* followed it there */
static _Atomic(unsigned) runs, given;
static unsigned program, found_of;
static unsigned long long codes[THREADS], outcome, found; /* the checker shows what was written */

static void ran(struct weir_deferred *node) {
        (void)node;
        atomic_fetch_add_explicit(&runs, 1, memory_order_relaxed);
}

static void ends(struct weir_deferred *node) {
        PLAIN_SET(alive, 0);
        ran(node);
}

/* relaxed: who finds it must be waited for, by the library alone */
static bool follow(void) {
        return has_link && atomic_load_explicit(&linked, memory_order_relaxed);
}

static void look_at(const bool *followed) {
        assert(!*followed || PLAIN_GET(alive) == 1);
}

static unsigned code_of(int result) {
        return result < 0 ? 0x40u | (unsigned)-result : (unsigned)(result > 0);
}

/* The next event of a thread, as tests/explore/allowed.h writes it, or 0. */
static unsigned take(unsigned thread) {
        struct weir_event event;
        unsigned saying;

        if (!weir_events_next(batches[thread], &event))
                return 0;
        taken[thread].token = event.token;
        taken[thread].readiness = event.readiness;
        taken[thread].registration = event.registration;
        assert(PLAIN_GET(payloads[event.token]) == (int)event.token);
        saying = (event.readiness & (EPOLLIN | EPOLLHUP) ? 1u : 0) | (weir_event_is_timeout(&event) ? 2u : 0) |
                 (weir_event_is_triggered(&event) ? 4u : 0);
        return 0x80u | saying << 4 | (unsigned)event.token;
}

static void leave_guard(unsigned thread) {
        look_at(&of_guard[thread]);
        of_guard[thread] = false;
        weir_guard_leave(guards[thread]);
}

static void clear_batch(unsigned thread) {
        look_at(&of_batch[thread]);
        of_batch[thread] = false;
        weir_events_clear(batches[thread]);
}

static int enter_guard(unsigned thread) {
        int r = weir_guard_enter(guards[thread]);

        if (r == 0)
                of_guard[thread] = follow();
        return r;
}

static int wait_at_once(unsigned thread) {
        int r;

        look_at(&of_batch[thread]);
        r = weir_poll_wait(poll, batches[thread], &at_once);
        if (r != -EBUSY)
                of_batch[thread] = r > 0 && follow();
        return r;
}

static void defer_end(unsigned thread, unsigned n) {
        bool found_link = atomic_exchange_explicit(&linked, false, memory_order_relaxed);

        atomic_fetch_add_explicit(&given, 1, memory_order_relaxed);
        weir_defer(registry, &nodes[thread][n], found_link ? ends : ran);
}

/* ---------------------------------------------------------------- letters */

static void reuse(void) {
#if MODEL_BEHIND > 1
        model_renew(0, 1, EPOLLIN);
        model_lead(0, 1);
#else
        model_reuse(0, EPOLLIN);
#endif
}

static void put_back(void) {
#if MODEL_BEHIND > 1
        model_lead(0, 0);
        model_forget(0, 1);
#endif
}

/* One letter of a thread. Returns its code. */
static unsigned call_letter(char letter, unsigned thread, unsigned n, weir_token token) {
        PLAIN_SET(payloads[token], (int)token);
        switch (letter) {
        case 'R':
                return code_of(weir_register(registry, 0, token, WEIR_READABLE | ENUMERATED_MODE));
        case 'H':
                return code_of(weir_register(registry, 0, token, WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD));
        case 'E':
                return code_of(weir_reregister(registry, 0, token, WEIR_READABLE | ENUMERATED_MODE));
        case 'P':
                return code_of(weir_reregister(registry, 0, token, ENUMERATED_MODE));
        case 'T':
                return code_of(weir_retoken(registry, 0, token));
        case 'A':
                return code_of(weir_rearm(registry, 0, WEIR_READABLE));
        case 'a':
                return code_of(weir_rearm(registry, 0, 0));
        case 'B':
                return code_of(weir_rearm_afresh(registry, 0, WEIR_READABLE));
        case 'D':
                return code_of(weir_disarm(registry, 0));
        case 'U':
                return code_of(weir_deregister(registry, 0));
        case 'V':
                return code_of(weir_deregister_if(registry, 0, &taken[thread]));
        case 'W':
                return code_of(wait_at_once(thread));
        case 'N':
                return take(thread);
        case 'L':
                clear_batch(thread);
                return 0;
        case 'K':
                return code_of(weir_waker_wake(waker));
        case 'I':
                return code_of(weir_poll_interrupt(poll));
        case 'F':
                defer_end(thread, n);
                return 0;
        case 'Y':
                return code_of(enter_guard(thread));
        case 'y':
                leave_guard(thread);
                return 0;
        case 'M':
                return code_of(weir_set_deadline(registry, 0, HOUR));
        case 'O':
                return code_of(weir_set_deadline(registry, 0, 2 * HOUR));
        case 'o':
                return code_of(weir_set_deadline(registry, 0, WEIR_NEVER));
        case 'Q':
                return code_of(weir_waker_set_deadline(waker, HOUR));
        case 'G':
                return code_of(weir_trigger(registry, 0));
        case 'J':
                return code_of(weir_trigger_all(registry));
        case 't':
                model_add_time(HOUR);
                return 0;
        case 'C':
                reuse();
                return 0;
        case 'b':
                put_back();
                return 0;
        case 'u':
                return 0;
        case 'g':
                model_ready(0, EPOLLIN);
                return 0;
        case 'r':
                model_ready_behind(0, model_file(0), EPOLLIN);
                return 0;
        case 'h':
                model_ready_behind(0, model_file(0), EPOLLIN | EPOLLHUP);
                return 0;
        case 'd':
        case 'q':
                model_drain_behind(0, model_file(0));
                return 0;
        default:
                assert(weir_poll_fd(poll) >= 0); /* n */
                return 0;
        }
}

static void call_all(unsigned thread) {
        const char *letters = enumerated_programs[program][thread];

        codes[thread] = 0;
        for (unsigned n = 0; letters[n]; ++n)
                codes[thread] |= (unsigned long long)call_letter(letters[n], thread, n, 8 + thread * 4 + n) << 8 * n;
}

static void *first(void *unused) {
        (void)unused;
        call_all(0);
        return NULL;
}

static void *second(void *unused) {
        (void)unused;
        call_all(1);
        return NULL;
}

/* What comes in two waits, as a code. */
static unsigned long long read_rest(void) {
        unsigned code = 0;

        for (unsigned round = 0; round < 2; ++round) {
                if (weir_poll_wait(poll, batches[0], &at_once) <= 0)
                        break;
                for (unsigned n = 0, got; n < 2 && (got = take(0)); ++n) {
                        unsigned token = got & 0xf, saying = got >> 4 & 7;

                        if (token == 1)
                                code |= saying * 0x100;
                        else
                                code |= (code & 0xf ? 0x10 : token) | saying * 0x20;
                }
                weir_events_clear(batches[0]);
        }
        return code;
}

static bool is_allowed(void) {
        unsigned low = enumerated_from[program], high = enumerated_from[program + 1];

        while (low < high) {
                unsigned middle = (low + high) / 2;

                if (enumerated_outcomes[middle] == outcome)
                        return true;
                if (enumerated_outcomes[middle] < outcome)
                        low = middle + 1;
                else
                        high = middle;
        }
        return false;
}

/* Whether the beginning or the program has one of these letters. */
static bool has(const char *letters) {
        const char *all[] = { ENUMERATED_BEGINNING, enumerated_programs[program][0], enumerated_programs[program][1] };

        for (unsigned i = 0; i < 3; ++i)
                for (const char *letter = all[i]; *letter; ++letter)
                        for (const char *wanted = letters; *wanted; ++wanted)
                                if (*letter == *wanted)
                                        return true;
        return false;
}

static void set_up(void) {
        weir_token token = 2;
        unsigned thread = 0;

        open_poll();
        found = 0;
        for (unsigned i = 0; i < THREADS; ++i) {
                taken[i].token = 0;
                taken[i].readiness = taken[i].registration = 0;
        }
        batches[0] = events;
        assert(weir_events_create(MODEL_CAPACITY, &batches[1]) == 0);
        has_link = has("F");
        if (has_link) {
                PLAIN_SET(alive, 1);
                atomic_store_explicit(&linked, true, memory_order_relaxed);
        }
        for (unsigned i = 0; i < THREADS; ++i) {
                of_batch[i] = of_guard[i] = false;
                guards[i] = NULL;
                if (has("Y"))
                        open_guard(&guards[i]);
        }
        PLAIN_SET(payloads[1], 1);
        assert(weir_waker_create(registry, 1, &waker) == 0);
        for (const char *letter = ENUMERATED_BEGINNING; *letter; ++letter) {
                if (*letter == '1') {
                        thread = 1;
                        continue;
                }
                call_letter(*letter, thread, 0, token);
                if (*letter == 'R')
                        ++token;
        }
}

static void tear_down(void) {
        outcome = codes[0] | codes[1] << 16;

        for (unsigned i = 0; i < THREADS; ++i)
                clear_batch(i);
        outcome |= read_rest() << 32;
        if (has("MOQ")) {
                model_pass_time(2 * HOUR);
                outcome |= read_rest() << 42;
        }
        for (unsigned file = 0; file < MODEL_BEHIND; ++file)
                model_drain_behind(0, file);
        if (ENUMERATED_MODE & WEIR_ONESHOT)
                (void)weir_rearm(registry, 0, WEIR_READABLE);
        model_ready_behind(0, model_file(0), EPOLLIN);
        outcome |= read_rest() << 52;
        found = outcome;
        found_of = program;
        assert(is_allowed());
        for (unsigned i = 0; i < THREADS; ++i) {
                leave_guard(i);
                weir_guard_destroy(guards[i]);
        }
        assert(atomic_load_explicit(&runs, memory_order_relaxed) == atomic_load_explicit(&given, memory_order_relaxed));
        weir_waker_destroy(waker);
        weir_events_destroy(batches[1]);
        close_poll();
}

#ifndef ENUMERATED_ELSEWHERE

static _Atomic(unsigned) chosen;

static void *chooses(void *unused) {
        (void)unused;
        for (unsigned i = 1; i < ENUMERATED_PROGRAMS; ++i)
                atomic_store_explicit(&chosen, i, memory_order_relaxed);
        return NULL;
}

int main(void) {
        pthread_t chooser, threads[THREADS];

        pthread_create(&chooser, NULL, chooses, NULL);
        program = atomic_load_explicit(&chosen, memory_order_relaxed);
        set_up();
        pthread_create(&threads[0], NULL, first, NULL);
        pthread_create(&threads[1], NULL, second, NULL);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        tear_down();
        return 0;
}

#endif
