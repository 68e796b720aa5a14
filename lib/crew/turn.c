/* SPDX-License-Identifier: MIT */

/* The turn: see turn.h for its word, and why work does not lie while a member sleeps. Read weir_turn_take() first. */

#include "turn.h"

#include <limits.h>

/* In the bell: nobody is to sleep any more. */
#define BELL_ENDED (UINT32_C(1) << 31)

static bool post_is(uint64_t turn, uint64_t state) {
        return (turn & TURN_POST) == state;
}

static uint64_t with_post(uint64_t turn, uint64_t state) {
        return (turn & ~TURN_POST) | state;
}

/* ---------------------------------------------------------------- calls */

static void ring_bell(struct weir_crew *crew) {
        /* relaxed: a call carries nothing; who answers it takes a step of the turn's word */
        atomic_fetch_add_explicit(&crew->words->bell, 1, memory_order_relaxed);
        weir_seam_wake(&crew->words->bell, 1);
}

static void ring_post(struct weir_crew *crew) {
        /* PAIR(post): the look-out that counts this ring sees the word that was changed before it. */
        atomic_fetch_add_explicit(&crew->words->post_bell, 1, memory_order_release);
        weir_seam_post_ring(&crew->post);
}

/* Sleeps until a call, which it answers, or the end. */
static void sleep_till_called(struct weir_crew *crew) {
        _Atomic(uint32_t) *bell = &crew->words->bell;
        uint32_t calls = atomic_load_explicit(bell, memory_order_relaxed);

        for (;;) {
                if (calls & BELL_ENDED || weir_crew_is_forked(crew))
                        return;
                if (calls) {
                        /* relaxed: as in ring_bell() */
                        if (atomic_compare_exchange_strong_explicit(bell, &calls, calls - 1, memory_order_relaxed,
                                                                    memory_order_relaxed))
                                return;
                        continue;
                }
                WEIR_CREW_YIELD();
                weir_seam_sleep(bell, 0, CREW_FOREVER);
                calls = atomic_load_explicit(bell, memory_order_relaxed);
        }
}

/* ---------------------------------------------------------------- bags */

/* Robs a bag, and has what was in it fetched one by one. */
static void rob(struct weir_crew *crew, struct weir_bag *bag) {
        unsigned count = weir_bag_rob(bag);

        /* relaxed: a number that need not be exact */
        if (count)
                atomic_fetch_add_explicit(&crew->words->returned, count, memory_order_relaxed);
}

static struct weir_member *first_member(const struct weir_crew *crew) {
        /* PAIR(member): add_member() has made it. */
        return atomic_load_explicit(&crew->members, memory_order_acquire);
}

void weir_turn_look(struct weir_crew *crew, const struct weir_member *me, struct weir_finding *ret_finding) {
        int64_t now = weir_seam_now();

        ret_finding->young = ret_finding->lying = false;
        for (struct weir_member *member = first_member(crew); member; member = member->next) {
                struct weir_bag *bag = &member->bag;
                /* relaxed: a hint: to rob a bag is right at any time */
                int64_t since = atomic_load_explicit(&bag->since, memory_order_relaxed);

                if (member == me || since == BAG_NOBODY)
                        continue;
                if (now - since < TURN_SURPRISE)
                        ret_finding->young = true;
                else
                        rob(crew, bag);
                ret_finding->lying |= !weir_bag_is_empty(bag);
        }
}

void weir_turn_look_back(struct weir_crew *crew, const struct weir_member *me) {
        /* relaxed: only who has the turn writes it; and the rest as in weir_turn_look() */
        uint64_t fetched = atomic_load_explicit(&crew->words->fetched, memory_order_relaxed);
        uint64_t threads = atomic_load_explicit(&crew->threads, memory_order_relaxed);

        if (fetched - crew->looked < TURN_NEWER / 6 * threads ||
            !(atomic_load_explicit(&crew->words->turn, memory_order_relaxed) & TURN_BURDEN))
                return;
        crew->looked = fetched;
        for (struct weir_member *member = first_member(crew); member; member = member->next)
                if (member != me && !weir_bag_is_empty(&member->bag) &&
                    fetched - atomic_load_explicit(&member->bag.fetched, memory_order_relaxed) >= TURN_NEWER * threads)
                        rob(crew, &member->bag);
}

bool weir_turn_any_sleeps(const struct weir_crew *crew) {
        /* relaxed: a hint; the pass decides whom to call */
        uint64_t turn = atomic_load_explicit(&crew->words->turn, memory_order_relaxed);

        return turn & TURN_SLEEPERS || !post_is(turn, TURN_VACANT);
}

bool weir_turn_must_look(const struct weir_crew *crew) {
        /* relaxed: who loaded its bag has passed the turn before; who mans the post later looks out itself */
        uint64_t turn = atomic_load_explicit(&crew->words->turn, memory_order_relaxed);

        return turn & TURN_BURDEN && post_is(turn, TURN_VACANT);
}

/* ---------------------------------------------------------------- the post */

/* What a look-out remembers. */
struct watch {
        bool slept;       /* since it came, or looked last */
        uint64_t fetched; /* by all, when it looked last */
        unsigned calm;    /* alarms since that changed */
};

static bool has_ended(uint64_t turn) {
        return (turn & (TURN_ALIVE | TURN_ENDED)) != TURN_ALIVE;
}

/* Takes the turn from the post. There is another look-out then, if somebody is left to be one. */
static bool leave_post(struct weir_crew *crew, uint64_t *turn) {
        uint64_t next = with_post(*turn | TURN_TAKEN, TURN_VACANT);

        if (*turn & TURN_SLEEPERS)
                next -= TURN_SLEEPER;
        /* PAIR(turn): the former one. */
        if (!atomic_compare_exchange_strong_explicit(&crew->words->turn, turn, next, memory_order_acquire,
                                                     memory_order_relaxed))
                return false;
        if (*turn & TURN_SLEEPERS)
                ring_bell(crew);
        return true;
}

/*
 * Sets no alarm any more, unless something lies in a bag. A bag that was filled before this step is seen here, PAIR(turn); who
 * passes the turn after it rings.
 */
static void fall_quiet(struct weir_crew *crew, const struct weir_member *me, uint64_t turn) {
        struct weir_finding finding;

        if (!atomic_compare_exchange_strong_explicit(&crew->words->turn, &turn, with_post(turn, TURN_QUIET),
                                                     memory_order_acquire, memory_order_relaxed))
                return;
        weir_turn_look(crew, me, &finding);
        if (!finding.lying)
                return;
        turn = with_post(turn, TURN_QUIET);
        /* relaxed: nothing was learnt; if it fails, somebody has rung, or the next look comes too early */
        while (post_is(turn, TURN_QUIET) &&
               !atomic_compare_exchange_strong_explicit(&crew->words->turn, &turn, with_post(turn, TURN_TIMED),
                                                        memory_order_relaxed, memory_order_relaxed))
                ;
}

/* An alarm: looks after the others. True: it has taken the turn. */
static bool look_out(struct weir_crew *crew, const struct weir_member *me, struct watch *watch) {
        /* relaxed: a hint */
        uint64_t fetched = atomic_load_explicit(&crew->words->fetched, memory_order_relaxed), turn;
        struct weir_finding finding;

        watch->calm = fetched == watch->fetched ? watch->calm + 1 : 0;
        watch->fetched = fetched;
        weir_turn_look(crew, me, &finding);
        /* relaxed: the steps prove it */
        turn = atomic_load_explicit(&crew->words->turn, memory_order_relaxed);
        while (!has_ended(turn) && !(turn & TURN_TAKEN) && !finding.young)
                if (leave_post(crew, &turn))
                        return true;
        if (post_is(turn, TURN_TIMED) && turn & TURN_TAKEN && watch->calm >= TURN_CALM && !finding.lying)
                fall_quiet(crew, me, turn);
        return false;
}

static int64_t alarm_of(const struct weir_crew *crew) {
        /* relaxed, and where it is written: for what it says the timer is set, await_alarm() */
        return atomic_load_explicit(&crew->words->alarm, memory_order_relaxed);
}

void weir_turn_put_off(struct weir_crew *crew, const struct weir_member *me, int64_t now) {
        struct weir_finding finding;

        if (alarm_of(crew) - now > TURN_ALARM / 2)
                return;
        weir_turn_look(crew, me, &finding);
        atomic_store_explicit(&crew->words->alarm, now + TURN_ALARM, memory_order_relaxed);
        WEIR_CREW_YIELD();
        weir_seam_post_set_alarm(&crew->post, now + TURN_ALARM);
}

/*
 * True: the alarm is due, for which it slept. Else it sleeps until the alarm or a ring. Another one may put the alarm off at the
 * same time, so that the timer goes off before the time that the word says. Then it is set once more, as before each sleep.
 */
static bool await_alarm(struct weir_crew *crew, struct watch *watch, uint32_t rings) {
        int64_t now = weir_seam_now(), alarm = alarm_of(crew);

        if (now >= alarm && watch->slept) {
                watch->slept = false;
                return true;
        }
        if (now >= alarm) {
                alarm = now + TURN_ALARM;
                atomic_store_explicit(&crew->words->alarm, alarm, memory_order_relaxed);
        }
        watch->slept = true;
        weir_seam_post_set_alarm(&crew->post, alarm);
        weir_seam_post_sleep(&crew->post, &crew->words->post_bell, rings, true);
        return false;
}

/* The post was called. True: it has taken the turn. */
static bool answer(struct weir_crew *crew, uint64_t turn) {
        if (!(turn & TURN_TAKEN))
                return leave_post(crew, &turn);
        /* relaxed: it stays where it was, for another one came first */
        atomic_compare_exchange_strong_explicit(&crew->words->turn, &turn, with_post(turn, TURN_TIMED),
                                                memory_order_relaxed, memory_order_relaxed);
        return false;
}

/* Sleeps at the post. True: it has left that and taken the turn; false: the end. */
static bool keep_post(struct weir_crew *crew, const struct weir_member *me) {
        struct watch watch = { 0 };

        for (;;) {
                /* PAIR(post): the word is not older than this count, so a ring that comes with a later one ends the sleep. */
                uint32_t rings = atomic_load_explicit(&crew->words->post_bell, memory_order_acquire);
                uint64_t turn = atomic_load_explicit(&crew->words->turn, memory_order_relaxed);

                WEIR_CREW_YIELD();
                if (has_ended(turn) || weir_crew_is_forked(crew))
                        return false;
                if (post_is(turn, TURN_CALLED)) {
                        if (answer(crew, turn))
                                return true;
                } else if (post_is(turn, TURN_QUIET)) {
                        weir_seam_post_sleep(&crew->post, &crew->words->post_bell, rings, false);
                        watch = (struct watch){ 0 };
                } else if (await_alarm(crew, &watch, rings) && look_out(crew, me, &watch)) {
                        return true;
                }
        }
}

/* ---------------------------------------------------------------- take and pass */

/* What it took to sleep and to look out is no event's. */
static bool rested(struct weir_member *me) {
        if (me->worked)
                me->worked = weir_seam_worked();
        return true;
}

bool weir_turn_take(struct weir_crew *crew, struct weir_member *me) {
        bool slept = false;

        for (;;) {
                uint64_t turn = atomic_load_explicit(&crew->words->turn, memory_order_relaxed), next;

                if (crew->pid != 0 && weir_crew_is_forked(crew))
                        return false;
                do {
                        WEIR_CREW_YIELD();
                        if (has_ended(turn))
                                return false;
                        next = me->loaded ? turn - TURN_LOADED : turn;
                        if (!(turn & TURN_TAKEN))
                                next |= TURN_TAKEN;
                        else if (post_is(turn, TURN_VACANT))
                                next |= TURN_TIMED;
                        else
                                next += TURN_SLEEPER;
                        /* PAIR(turn): the former one. */
                } while (!atomic_compare_exchange_strong_explicit(&crew->words->turn, &turn, next, memory_order_acquire,
                                                                  memory_order_relaxed));
                me->loaded = false;
                /* relaxed: a hint */
                atomic_store_explicit(&me->bag.since, BAG_NOBODY, memory_order_relaxed);
                if (!(turn & TURN_TAKEN))
                        return slept ? rested(me) : true;
                if (!post_is(turn, TURN_VACANT))
                        sleep_till_called(crew);
                else if (keep_post(crew, me))
                        return rested(me);
                slept = true;
        }
}

/* Whom a pass calls. */
enum call {
        CALL_NOBODY = 0,
        CALL_SLEEPER = 1, /* to take the turn, or to man the post */
        CALL_POST = 2,    /* to take the turn, or to set its alarm */
};

static unsigned whom_to_call(uint64_t turn, bool call) {
        unsigned sleeper = turn & TURN_SLEEPERS ? CALL_SLEEPER : CALL_NOBODY;

        switch (turn & TURN_POST) {
        case TURN_VACANT:
                return sleeper;
        case TURN_QUIET:
                return call ? CALL_POST | sleeper : CALL_POST;
        case TURN_TIMED:
                if (call && !sleeper)
                        return CALL_POST;
                return call ? sleeper : CALL_NOBODY;
        default:
                return call ? sleeper : CALL_NOBODY;
        }
}

/* The word when it has been passed. The post takes the turn if nobody else is called to do so. */
static uint64_t passed(uint64_t turn, bool loaded, bool call, unsigned whom) {
        turn &= ~TURN_TAKEN;
        if (loaded)
                turn += TURN_LOADED;
        if (whom & CALL_SLEEPER)
                turn -= TURN_SLEEPER;
        if (!(whom & CALL_POST))
                return turn;
        return with_post(turn, whom == CALL_POST && call ? TURN_CALLED : TURN_TIMED);
}

bool weir_turn_pass(struct weir_crew *crew, struct weir_member *me, bool more, bool call) {
        uint64_t turn = atomic_load_explicit(&crew->words->turn, memory_order_relaxed), next;
        unsigned whom;

        do {
                WEIR_CREW_YIELD();
                whom = whom_to_call(turn, call);
                me->loaded = more || whom != CALL_NOBODY;
                next = passed(turn, me->loaded, call, whom);
                /* PAIR(turn): the next one. */
        } while (!atomic_compare_exchange_strong_explicit(&crew->words->turn, &turn, next, memory_order_release,
                                                          memory_order_relaxed));
        if (whom == CALL_NOBODY)
                return true;
        /* Who is called may take this one's processor. */
        weir_bag_open(&me->bag);
        if (whom & CALL_SLEEPER)
                ring_bell(crew);
        if (whom & CALL_POST)
                ring_post(crew);
        return weir_bag_close(&me->bag);
}

/* ---------------------------------------------------------------- the end */

void weir_turn_end(struct weir_crew *crew, uint64_t how) {
        struct weir_crew_words *words = crew->words;
        uint64_t turn;

        /* PAIR(ended): who leaves for one of these two words sees that a stop is under way, await_stoppers(). */
        turn = atomic_fetch_or_explicit(&words->turn, how | TURN_ENDED, memory_order_release);
        if (has_ended(turn))
                return;
        atomic_store_explicit(&words->state, CREW_ENDED, memory_order_release);
        if (turn & TURN_TAKEN)
                weir_role_interrupt(crew->role);
        /* relaxed: who leaves the bell takes a step of the turn's word */
        atomic_fetch_or_explicit(&words->bell, BELL_ENDED, memory_order_relaxed);
        weir_seam_wake(&words->bell, INT_MAX);
        ring_post(crew);
}
