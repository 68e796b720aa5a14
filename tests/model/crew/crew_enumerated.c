/* SPDX-License-Identifier: MIT */

/*
 * All small programs of two members and one that is none, instead of those that somebody thought of. A program is a letter for
 * each, and what is ready:
 *
 *   member  w  comes to work               j  joins a crew of one, and comes
 *           t  has the turn                h  is in a handler that ends      H  likewise, and one more event lies in its bag
 *           p  is at the post, with alarm  b  is in one that does not end    B  likewise
 *           q  the same without            z  sleeps
 *   other   -  does nothing    s  stops the crew    r  makes one event ready
 *
 * with an event in the poll or none; members that fetch one event or as many as there are; and a function that ends, or holds up the
 * first who calls it. Left out are programs that no crew comes to, see is_possible(). Of each, all executions are explored. Which
 * one it is is what the main thread reads of words that another one keeps writing.
 */

#define MODEL_ALARMS 0

#include "model.h"

static const char letters[] = "wtpqzhHbBj", others[] = "-sr";

/* What was drawn: two members, the other one, events, limit, function. */
enum {
        FIRST,
        SECOND,
        OTHER,
        READY,
        LIMIT,
        FUNCTION,
        DIGITS,
};
static const unsigned bases[DIGITS] = { sizeof letters - 1, sizeof letters - 1, sizeof others - 1, 3, 2, 2 };

/* In the poll and in bags; one less if the crew is stopped. With two of them all executions of all programs take hours. */
#ifdef WEIR_MODEL_CHECK
#define MAX_EVENTS 1
#else
#define MAX_EVENTS 2
#endif

static unsigned digits[DIGITS];
static char program[4]; /* the letters; the checker shows what was written */
static _Atomic(unsigned) calls;

static bool has(char letter) {
        return program[0] == letter || program[1] == letter;
}

static bool is_in_handler(char letter) {
        return letter == 'h' || letter == 'H' || letter == 'b' || letter == 'B';
}

static bool has_bag(void) {
        return has('H') || has('B');
}

static unsigned count_events(void) {
        unsigned count = digits[READY] + (program[2] == 'r');

        for (unsigned i = 0; i < 2; ++i)
                count += program[i] == 'H' || program[i] == 'B';
        return count;
}

/* I1 and I2 of turn.h; of two that are the same, one order; a thread joins when there is one other. */
static bool is_possible(void) {
        bool both = digits[FIRST] == digits[SECOND], post = has('p') || has('q');

#ifdef CREW_OTHER /* the run is divided */
        if (digits[OTHER] != CREW_OTHER)
                return false;
#endif
        if (count_events() > (program[2] == 's' ? MAX_EVENTS - 1 : MAX_EVENTS))
                return false;
        if (digits[FIRST] > digits[SECOND] || (both && (has('t') || has('j') || post)))
                return false;
        if (has('j'))
                return !post && !has('z');
        if (has('p') && has('q'))
                return false;
        if (has('z') && !post)
                return false;
        return !has('q') || (has('t') && !has_bag());
}

static void serve(struct weir_crew *crew, const struct weir_event *event, void *data) {
        (void)crew;
        (void)event;
        (void)data;
        add(&model_begun, 1);
        if (digits[FUNCTION] && atomic_fetch_add_explicit(&calls, 1, RELAXED) == 0)
                pthread_exit(NULL);
}

/* A member has begun an event, and has one more in its bag. */
static void begin_handler(unsigned i) {
        struct weir_member *member = &model_members[i];
        bool more = program[i] == 'H' || program[i] == 'B';

        model_events[i].count = 1 + more;
        model_events[i].cursor = 1;
        model_total += 1 + more;
        add(&model_begun, 1);
        member->loaded = more;
        weir_bag_set(&member->bag, more ? BAG_OPEN : BAG_EMPTY);
        atomic_init(&member->bag.since, has('j') ? BAG_UNKNOWN : weir_seam_now());
}

static void begin(void) {
        uint64_t turn = 0;

        model_begin(serve, digits[READY], digits[LIMIT] ? PACE_MAX : 1);
        atomic_init(&calls, 0);
        if (has('t'))
                turn |= TURN_TAKEN;
        if (has('p'))
                turn |= TURN_TIMED;
        if (has('q'))
                turn |= TURN_QUIET;
        if (has('z'))
                turn += TURN_SLEEPER;
        for (unsigned i = 0; i < 2; ++i)
                if (is_in_handler(program[i])) {
                        begin_handler(i);
                        turn += model_members[i].loaded ? TURN_LOADED : 0;
                }
        if (has('j'))
                atomic_init(&model_crew.threads, 1);
        if (program[2] == 'r')
                ++model_total;
        model_turn(turn);
}

/* Back from the handler. */
static void end_handler(unsigned i) {
        struct weir_member *me = &model_members[i];
        int rest = program[i] == 'H';

        finish(me, rest && weir_bag_close(&me->bag) ? handle(&model_crew, me, rest) : 0);
        model_comes(i);
}

static void *act(unsigned i) {
        switch (program[i]) {
        case 'j':
                atomic_store_explicit(&model_crew.threads, 2, RELAXED);
                model_comes(i);
                break;
        case 'w':
                model_comes(i);
                break;
        case 't':
                model_has_turn(i);
                break;
        case 'p':
        case 'q':
                model_at_post(i);
                break;
        case 'z':
                model_asleep(i);
                break;
        case 'h':
        case 'H':
                end_handler(i);
                break;
        default:
                break;
        }
        return NULL;
}

static void *acts_first(void *unused) {
        (void)unused;
        return act(0);
}

static void *acts_second(void *unused) {
        (void)unused;
        return act(1);
}

static void *acts_beside(void *unused) {
        (void)unused;
        if (program[2] == 's')
                weir_turn_end(&model_crew, 0);
        else if (program[2] == 'r')
                model_push(1);
        return NULL;
}

static void check(void) {
        if (program[2] == 's')
                model_check_end();
        else
                model_check();
}

static void spell(void) {
        program[0] = letters[digits[FIRST]];
        program[1] = letters[digits[SECOND]];
        program[2] = others[digits[OTHER]];
}

#ifdef WEIR_MODEL_CHECK

static _Atomic(unsigned) chosen[DIGITS];

static void *chooses(void *unused) {
        (void)unused;
        for (unsigned digit = 0; digit < DIGITS; ++digit)
                for (unsigned i = 1; i < bases[digit]; ++i)
                        atomic_store_explicit(&chosen[digit], i, RELAXED);
        return NULL;
}

int main(void) {
        pthread_t chooser, threads[3];

        pthread_create(&chooser, NULL, chooses, NULL);
        for (unsigned digit = 0; digit < DIGITS; ++digit)
                digits[digit] = atomic_load_explicit(&chosen[digit], RELAXED);
        spell();
        if (!is_possible())
                return 0;
        begin();
        pthread_create(&threads[0], NULL, acts_first, NULL);
        pthread_create(&threads[1], NULL, acts_second, NULL);
        pthread_create(&threads[2], NULL, acts_beside, NULL);
        for (unsigned i = 0; i < 3; ++i)
                pthread_join(threads[i], NULL);
        check();
        return 0;
}

#else

/* One of them after the other. */
static void choose(void) {
        static unsigned number;

        do {
                unsigned rest = ++number;

                for (unsigned digit = 0; digit < DIGITS; ++digit) {
                        digits[digit] = rest % bases[digit];
                        rest /= bases[digit];
                }
                spell();
        } while (!is_possible());
        begin();
}

MODEL_CREW(choose, check, acts_first, acts_second, acts_beside)

#endif
