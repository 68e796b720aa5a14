/* SPDX-License-Identifier: MIT */

/*
 * The calls about one-shots. What they have in common with the others is in registry.c, which says how a call goes. The fast path
 * of weir_rearm(), and weir_disarm(), take no lock: each is one compare-and-swap of the slot's word. Read weir_rearm() first. The
 * long way of a rearm, always that of weir_rearm_afresh(), is EPOLL_CTL_MOD with the turn to come, which then begins, armed.
 *
 * The kernel is asked once, edge-triggered, for the directions that were named so far; readiness that comes while a
 * thread owns the descriptor is latched, and the rearm looks at it. That spares a call for each turn, but each edge wakes the
 * waiter in vain. So where more than one comes to an owner, or some comes again in a later turn, the kernel's own one-shot
 * serves for the next QUIET turns, at the cost of one EPOLL_CTL_MOD each; then latching is tried once more:
 *
 *   latching --- weir_oneshot_hush(), or rearm with readiness latched a second time ---> quiet: ASK, quiet = QUIET
 *      ^                                                                                    |
 *      +-------------------------- the rearm that finds quiet = 0 -----------------------+
 *
 * ASK alone, after a hang-up was told, has the next rearm ask, and no more. If the same comes again it stays at that, until
 * another direction is named: the end that a writer was told of is told to the reader, too.
 */

#include "oneshot.h"

#include "deadline.h"
#include "ghost.h"
#include "registry.h"
#include "sets.h"

/* Of so many turns and one, one is tried without the kernel: it may cost two waits and a call more. */
#define QUIET 60

/* What slot->quiet reads besides the turns that are left. */
#define QUIET_TURNS 0x7f
#define QUIET_MET   0x80 /* readiness was latched in an earlier turn */

/*
 * Looks afresh, and arms, in a new turn: what was latched before, or lies in a batch, is dropped, for the kernel tells it anew.
 */
static int ask(struct weir_registry *core, struct weir_slot *slot, int fd, uint64_t word, uint64_t directions) {
        unsigned turns = slot->quiet & QUIET_TURNS;
        bool quiet = turns || weir_core_is_nested(core);
        uint64_t wanted = (word & ~(SLOT_DIRECTIONS | SLOT_ASK)) | weir_slot_armed_for(directions) |
                          directions << SLOT_ASKED_SHIFT | (quiet ? SLOT_ASK : 0);
        int r = weir_registry_modify(core, slot, fd, word, wanted + weir_slot_next_turn(word));

        if (r < 0)
                return r;
        if (turns)
                --slot->quiet;
        weir_registry_give_back(core, slot, SLOT_DIRECTIONS | SLOT_ASK | (word & SLOT_HUNG ? 0 : SLOT_HUNG),
                                wanted & (SLOT_DIRECTIONS | SLOT_ARMED | SLOT_ASKED | SLOT_ASK),
                                weir_slot_next_turn(word));
        return 0;
}

/*
 * With what was latched, or with the help of the kernel.
 *   afresh  the kernel is asked, whatever was told; a hang-up that was told comes again, and is then asked about once more
 */
static int rearm_slowly(struct weir_registry *core, int fd, uint64_t directions, bool afresh) {
        struct weir_slot *slot;
        uint64_t word, kept, met;
        bool other;
        int r = weir_registry_lock(core, fd, &slot, &word);

        if (r < 0)
                return r;
        if ((word & SLOT_MODE) != SLOT_ONESHOT) {
                weir_registry_give_back(core, slot, 0, 0, 0);
                return -EINVAL;
        }
        if (word & SLOT_TIMEOUT)
                weir_deadline_settle(core, slot); /* if a new one was set, there is nothing to wake the waiter for */
        /* Of one that is armed, it may be about to be handed out. */
        kept = word & SLOT_ARMED ? 0 : word & SLOT_KERNEL_READY;
        other = word & SLOT_HUNG && (afresh || directions << SLOT_ARMED_SHIFT & ~word);
        met = kept & weir_slot_told_for(directions);
        /* A hang-up that was latched may be over by now. */
        if (!afresh && !(directions << SLOT_ASKED_SHIFT & ~word) && !(word & SLOT_ASK) && !other &&
            !weir_core_is_nested(core) && !(met & SLOT_HANGUP) && !(met && slot->quiet & QUIET_MET)) {
                slot->quiet |= met ? QUIET_MET : 0;
                weir_registry_give_back(core, slot, SLOT_DIRECTIONS, weir_slot_armed_for(directions), 0);
                return 0;
        }
        if (met && slot->quiet == QUIET_MET)
                slot->quiet = QUIET_MET | QUIET;
        return ask(core, slot, fd, other ? word & ~SLOT_HUNG : word, directions);
}

int weir_rearm(struct weir_registry *core, int fd, weir_interest interest) {
        struct weir_slot *slot;
        uint64_t word, next, directions = interest;
        int r;

        if (!core || interest & ~WEIR_DIRECTIONS)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        slot = weir_registry_find(core, fd);
        if (!slot)
                return weir_registry_absent(fd);

        do {
                /* relaxed: what is decided by it, the step below proves, or the lock */
                word = atomic_load_explicit(&slot->word, memory_order_relaxed);
                if (word & (SLOT_LOCKED | SLOT_ASK | SLOT_HUNG | SLOT_OWN_READY | weir_slot_told_for(directions)) ||
                    directions << SLOT_ASKED_SHIFT & ~word ||
                    (word & (SLOT_REGISTERED | SLOT_MODE)) != (SLOT_REGISTERED | SLOT_ONESHOT) ||
                    weir_core_is_nested(core)) {
                        r = rearm_slowly(core, fd, directions, false);
                        break;
                }
                next = (word & ~SLOT_DIRECTIONS) | weir_slot_armed_for(directions);
                WEIR_YIELD();
                /*
                 * PAIR(rearm): the next taker of the one-shot sees what this one did, weir_slot_take(). There is nothing to hand
                 * out: of this step and one that latches readiness, one reads the other's.
                 */
        } while (!atomic_compare_exchange_strong_explicit(&slot->word, &word, next, memory_order_release,
                                                          memory_order_relaxed));
        WEIR_PROBE(4, rearm, core, fd, directions, r);
        return r;
}

int weir_rearm_afresh(struct weir_registry *core, int fd, weir_interest interest) {
        int r;

        if (!core || interest & ~WEIR_DIRECTIONS)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        r = rearm_slowly(core, fd, interest, true);
        WEIR_PROBE(4, rearm, core, fd, interest, r);
        return r;
}

int weir_disarm(struct weir_registry *core, int fd) {
        struct weir_slot *slot;
        uint64_t word;
        int r;

        if (!core)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        slot = weir_registry_find(core, fd);
        if (!slot)
                return weir_registry_absent(fd);

        do {
                r = weir_registry_look_at(core, slot, fd, &word);
                if (r < 0)
                        return r;
                if ((word & SLOT_MODE) != SLOT_ONESHOT)
                        return -EINVAL;
                if (!(word & SLOT_ARMED))
                        return 0;
                WEIR_YIELD();
                /* PAIR(rearm): as if it had taken the event. */
        } while (!atomic_compare_exchange_strong_explicit(&slot->word, &word, word & ~SLOT_ARMED, memory_order_acquire,
                                                          memory_order_relaxed));
        WEIR_PROBE(2, disarm, core, fd);
        return 1;
}

void weir_oneshot_hush(struct weir_registry *core, struct weir_slot *slot, uint64_t data) {
        const uint64_t mask = SLOT_REGISTERED | SLOT_MODE | SLOT_ASK;
        int fd = (int)(data & DATA_INDEX);
        uint64_t word;

        /* Beside a ghost the number may lead to that; it is seldom there. */
        if (weir_ghost_may_be_at(slot) || !weir_slot_try_lock(slot, data, mask, SLOT_REGISTERED | SLOT_ONESHOT, &word))
                return;
        if (weir_sets_ctl(core, EPOLL_CTL_MOD, fd, word | SLOT_ASK) < 0) {
                weir_registry_give_back(core, slot, 0, 0, 0);
                return;
        }
        slot->quiet = QUIET_MET | QUIET;
        weir_registry_give_back(core, slot, 0, SLOT_ASK, 0);
}
