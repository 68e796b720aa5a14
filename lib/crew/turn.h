/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The turn: who waits, who sleeps, and who looks out. One word says it all, so that each decision is one step:
 *
 *    63        56 55         32 31          8  7    6   5  4   3      2       1        0
 *   +------------+-------------+-------------+------+-------+------+-------+-------+-------+
 *   |            |   loaded    |  sleepers   |      | post  |DESTROY| ENDED| TAKEN | ALIVE |
 *   +------------+-------------+-------------+------+-------+------+-------+-------+-------+
 *
 *   TAKEN     a member has the turn: it is about to wait in the poll, waits there, or has just returned from there
 *   ENDED     everybody is to leave
 *   DESTROY   the crew was destroyed on a thread of its own: the last one frees it
 *   post      of the look-out: VACANT; TIMED or QUIET, a member sleeps there, with or without an alarm; CALLED, it is to take
 *             the turn, and has not woken yet
 *   sleepers  members that sleep elsewhere, and have not been called
 *   loaded    members that had something in their bag since they had the turn
 *
 * What a member does:
 *
 *          +------------------------- take, when nobody has it <---------------------------+
 *          v                                                                               |
 *       HAS TURN: waits ---- pass: it has events ----> BUSY: calls the function ---- take -+- take, when another has it
 *          ^  ^                                                                            |         and the post is vacant ...
 *          |  |                                                                            +-------> LOOKS OUT
 *          |  |  finds that nobody waits though somebody should; or is called              |           |
 *          |  +------------------------------------------------------------------------------<---------+
 *          |                                                                               | ... and the post is manned
 *          +----- take ----- AWAKE <------------------ called ---------------------------- SLEEPS <----+
 *
 * A member sleeps only when another one has the turn. Who passes it on to nobody handles what it fetched and comes back for it;
 * it calls a sleeper to take the turn at once if it got a share of events or more (pace.h). So a crew with nothing to do
 * has one member in the poll and the others asleep; one with a little to do has one member that waits and handles in turn; and
 * one with much to do has as many awake as there is work for.
 *
 * Why work cannot lie while a member sleeps. What is ready in the poll is taken by who has the turn. What lies anywhere else, in
 * the poll while nobody has the turn or in a bag, lies behind a member that is BUSY, and that is back within the time of a
 * batch; unless a call turns out to be far longer. For that case:
 *   I1  When a member sleeps and the turn is not taken, the post is TIMED, or a call is under way. (A pass that would leave the
 *       post QUIET, or VACANT beside sleepers, calls.)
 *   I2  When a member sleeps and something lies in a bag, the post is TIMED, or a call is under way; likewise. (So the post is
 *       called beside another member that is to take the turn.)
 *   I3  When nobody sleeps, who has the turn wakes by an alarm if something lies in a bag.
 * At an alarm the look-out robs every bag that has been held up for TURN_SURPRISE or longer; and when nobody has the turn and
 * no member that is busy began a moment ago, it takes the turn. So the time for which work lies is at most the alarm's period and
 * TURN_SURPRISE. It becomes QUIET when the turn has been with one member for some alarms and nothing lies in a bag.
 *
 * A thread that wakes a thousand times a second is dear: where a processor is about to fall asleep, as those of virtual machines,
 * each alarm costs it more than 100 us. So who fetches puts the alarm off, and does first what the look-out would have done, once
 * in half of its period: as long as events are fetched the look-out sleeps. Its alarm goes off when nobody has fetched for half a
 * period or more, and so everybody who is awake may be held up. What lies in the poll then, having been given back, is for
 * somebody else: who fetches before, and may be held up as well, calls.
 *
 * The order in which events begin is bounded by number, too: who has the turn robs a bag when TURN_NEWER events for each
 * thread have been fetched since that was filled. What was taken from a bag is fetched again one by one, so that it does not
 * come to lie behind another long one.
 *
 * Each step is a read-modify-write of the one word, so a pass reaches whoever takes a later step. PAIR(turn): who takes the turn
 * sees all that the former one did in the poll and with the pace, and all that lies in the bags of those who had it before.
 */

#include "bag.h"
#include "crew.h"

#define TURN_ALIVE   UINT64_C(1)
#define TURN_TAKEN   UINT64_C(2)
#define TURN_ENDED   UINT64_C(4)
#define TURN_DESTROY UINT64_C(8)
#define TURN_POST    UINT64_C(0x30)
#define TURN_VACANT  UINT64_C(0x00)
#define TURN_TIMED   UINT64_C(0x10)
#define TURN_QUIET   UINT64_C(0x20)
#define TURN_CALLED  UINT64_C(0x30)

#define TURN_SLEEPER  (UINT64_C(1) << 8)
#define TURN_SLEEPERS (UINT64_C(0xffffff) << 8)
#define TURN_LOADED   (UINT64_C(1) << 32)
#define TURN_BURDEN   (UINT64_C(0xffffff) << 32)

#define CREW_THREADS_MAX 0xffffffU /* that the word can count */

#define TURN_ALARM    INT64_C(1000000) /* ns from one look to the next */
#define TURN_SURPRISE INT64_C(250000)  /* ns after which a batch is held up */
#ifndef TURN_CALM
#define TURN_CALM 4 /* alarms without a fetch, until the post is quiet */
#endif
#define TURN_NEWER 24 /* events for each thread that may be fetched before those in a bag are taken out */

/* Takes the turn, or sleeps until it can. False: the crew has ended, or this process was forked. */
bool weir_turn_take(struct weir_crew *crew, struct weir_member *me);

/*
 * Gives up the turn, with a bag that is HELD.
 *   more  something will lie in the bag while the first event is handled
 *   call  another member is to take the turn at once, if one sleeps
 * False: the bag was robbed while others were called.
 */
bool weir_turn_pass(struct weir_crew *crew, struct weir_member *me, bool more, bool call);

/* Whether another member sleeps. Threads: who has the turn. */
bool weir_turn_any_sleeps(const struct weir_crew *crew);

/* Whether who has the turn must look after the bags itself. Threads: who has the turn. */
bool weir_turn_must_look(const struct weir_crew *crew);

/* What a look at the bags found. */
struct weir_finding {
        bool young; /* a member is busy that began a moment ago */
        bool lying; /* something lies in a bag */
};

/* Looks at the bags of the others, and robs those that are held up. */
void weir_turn_look(struct weir_crew *crew, const struct weir_member *me, struct weir_finding *ret_finding);

/* Looks at the bags, and puts the alarm off, if half of the time until that is over. Threads: who has the turn. */
void weir_turn_put_off(struct weir_crew *crew, const struct weir_member *me, int64_t now);

/* Robs the bags of those who have let too many newer events pass. Threads: who has the turn. */
void weir_turn_look_back(struct weir_crew *crew, const struct weir_member *me);

/* Ends the crew, and wakes everybody. Threads: any; signal handlers. */
void weir_turn_end(struct weir_crew *crew, uint64_t how);
