/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * How much a thread takes on at once, and when it calls another. As long as one sleeps it asks for a share of events, and calls
 * when it got as many.
 *
 * What an event takes is the mean of the last hundred or so, with the rare long ones in it: where one in a hundred takes 5 ms,
 * that is what a thread risks with each. It is processor time, for a thread that loses its processor to others, or runs on one that
 * is slow for a while, has no long events; but the time that passes where calls sleep (work.c).
 *
 * Waking a thread costs some 10 us of processors that may have better things to do: a client on the same machine wants one, too.
 * An event of PACE_ALONE pays for that by itself. Of shorter ones more must lie there, as the cube of how much shorter they are:
 * with events of 12 us one thread and a client keep two processors busy.
 *
 *   an event takes, us       3    6   12   15   20   25   35   50   100
 *   a share                 64   33   16   12    5    2    1    1     1
 *   while nobody sleeps     64   33   16   13   10    8    5    4     1
 *
 * While nobody sleeps there is nobody to call, and events wait for a thread wherever they lie. Then it asks for as many as it can
 * do within PACE_BATCH, short of what a look-out takes for a surprise (turn.h). For who has the turn may lose its processor to a
 * client, and the others sleep until it has it back; with fewer fetches that happens less often. Of events that are twice as
 * long as pays for a call it is half of that: somebody may sleep by the time when they come.
 */

#include <stdbool.h>
#include <stdint.h>

#define PACE_MAX     64                /* events of a batch, at most */
#define PACE_ALONE   INT64_C(35000)    /* ns that an event takes, from which on it is fetched alone */
#define PACE_BATCH   INT64_C(200000)   /* ns that a batch is to take, at most */
#define PACE_LONGEST INT64_C(10000000) /* ns for which a batch counts at most */

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

/* How many events to fetch while nobody sleeps. */
static inline unsigned weir_pace_batch(const struct weir_pace *pace) {
        int64_t event = pace->mean / PACE_MAX, batch = event < 2 * PACE_ALONE ? PACE_BATCH : PACE_BATCH / 2;

        if (event < batch / PACE_MAX)
                return PACE_MAX;
        return event < batch ? (unsigned)(batch / event) : 1;
}

/* A share of events. */
static inline unsigned weir_pace_share(const struct weir_pace *pace) {
        int64_t event = pace->mean / PACE_MAX, share;
        unsigned batch = weir_pace_batch(pace);

        if (event >= PACE_ALONE)
                return 1;
        if (batch == PACE_MAX)
                return PACE_MAX;
        share = PACE_ALONE * PACE_ALONE / event * PACE_ALONE / (event * event);
        return share < batch ? (unsigned)share : batch;
}
