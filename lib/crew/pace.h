/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * How much a thread takes on at once, and when it calls another. As long as one sleeps it asks for a share of events, and calls
 * when it got as many.
 *
 * What an event takes is the mean of the last hundred or so, with the rare long ones in it: where one in a hundred takes 5 ms,
 * that is what a thread risks with each. Waking a thread costs some 10 us of processors that may have better things to do: a
 * client on the same machine wants one, too. An event of PACE_ALONE pays for that by itself. Of shorter ones more must lie there,
 * as the cube of how much shorter they are: with events of 10 us one thread and a client keep two processors busy.
 *
 *   an event takes, us       3    6   12   15   20   25   50   100
 *   a share                 64   33   15    8    3    1    1     1
 *   while nobody sleeps     64   33   15    8    6    4    2     1
 *
 * While nobody sleeps there is nobody to call, and events wait for a thread wherever they lie. Then it asks for as many as
 * take PACE_BUSY. For who has the turn may lose its processor to a client, and the others sleep until it has it back; with fewer
 * fetches that happens less often.
 *
 * A batch is to be done within PACE_BATCH, short of what a look-out takes for a surprise (turn.h).
 */

#include <stdbool.h>
#include <stdint.h>

#define PACE_MAX     64                /* events of a batch, at most */
#define PACE_ALONE   INT64_C(30000)    /* ns that an event takes, from which on it is fetched alone */
#define PACE_BUSY    INT64_C(120000)   /* ns that a batch is to take while nobody sleeps */
#define PACE_BATCH   INT64_C(200000)   /* ns that a batch is to take, at most */
#define PACE_LONGEST INT64_C(10000000) /* ns for which the time of a batch counts at most */

struct weir_pace {
        int64_t mean; /* ns that an event takes, times PACE_MAX */
};

/* What is supposed before anything is known. */
static inline void weir_pace_init(struct weir_pace *pace) {
        pace->mean = PACE_ALONE * 2 / 3 * PACE_MAX;
}

/* Notes that a batch of count events, no more than PACE_MAX, took so long. */
static inline void weir_pace_note(struct weir_pace *pace, int64_t time, unsigned count) {
        if (time < PACE_LONGEST)
                time = time < 0 ? 0 : time;
        else
                time = PACE_LONGEST;
        pace->mean += time - pace->mean / PACE_MAX * count;
}

/* A share of events. */
static inline unsigned weir_pace_share(const struct weir_pace *pace) {
        int64_t mean = pace->mean / PACE_MAX, limit;

        if (mean < PACE_BATCH / PACE_MAX)
                return PACE_MAX;
        if (mean >= PACE_ALONE)
                return 1;
        limit = PACE_ALONE * PACE_ALONE / mean * PACE_ALONE / (mean * mean);
        return (unsigned)(limit < PACE_BATCH / mean ? limit : PACE_BATCH / mean);
}

/* How many events to fetch while nobody sleeps, if that is a share. */
static inline unsigned weir_pace_busy(const struct weir_pace *pace, unsigned share) {
        int64_t mean = pace->mean / PACE_MAX;

        if (mean >= PACE_BUSY / share)
                return share;
        return mean < PACE_BUSY / PACE_MAX ? PACE_MAX : (unsigned)(PACE_BUSY / mean);
}
