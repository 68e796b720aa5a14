/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * How much a thread takes on at once, and when it calls another. As long as one sleeps it asks for a share of events, and calls
 * when it got as many.
 *
 * What an event takes is the mean of the last hundred or so, with the rare long ones in it: where one in a hundred takes 5 ms,
 * that is what a thread risks with each. That is time of a processor: a thread that loses its own to others now and then has no
 * long events, though they pass slowly. It is time that passes where calls sleep: that counts if it is more for half of the batches.
 *
 * Waking a thread costs some 10 us of processors that may have better things to do: a client on the same machine wants one, too.
 * An event of PACE_ALONE pays for that by itself. Of shorter ones more must lie there, as the cube of how much shorter they are:
 * with events of 12 us one thread and a client keep two processors busy.
 *
 *   an event takes, us       3    6   12   15   20   25   35   50   100
 *   a share                 64   33   16   12    5    2    1    1     1
 *   while nobody sleeps     64   33   16   13   10    8    5    4     2
 *
 * While nobody sleeps there is nobody to call, and events wait for a thread wherever they lie. Then it asks for as many as it can
 * do within PACE_BATCH, short of what a look-out takes for a surprise (turn.h). For who has the turn may lose its processor to a
 * client, and the others sleep until it has it back; with fewer fetches that happens less often.
 */

#include <stdbool.h>
#include <stdint.h>

#define PACE_MAX     64                /* events of a batch, at most */
#define PACE_ALONE   INT64_C(35000)    /* ns that an event takes, from which on it is fetched alone */
#define PACE_BATCH   INT64_C(200000)   /* ns that a batch is to take, at most */
#define PACE_LONGEST INT64_C(10000000) /* ns for which a batch counts at most */

struct weir_pace {
        int64_t work; /* ns of a processor that an event takes, the mean, times PACE_MAX */
        int64_t time; /* ns that pass for an event of a batch, about the median */
};

/* What is supposed before anything is known. */
static inline void weir_pace_init(struct weir_pace *pace) {
        pace->time = PACE_ALONE * 2 / 3;
        pace->work = pace->time * PACE_MAX;
}

static inline int64_t weir_pace_bounded(int64_t time) {
        return time < 0 ? 0 : time < PACE_LONGEST ? time : PACE_LONGEST;
}

/* Notes that a batch of count events, no more than PACE_MAX, took so long, and so much of a processor. */
static inline void weir_pace_note(struct weir_pace *pace, int64_t time, int64_t work, unsigned count) {
        int64_t step = pace->time / 8 + 1;

        pace->work += weir_pace_bounded(work) - pace->work / PACE_MAX * count;
        if (weir_pace_bounded(time) > pace->time * count)
                pace->time += step;
        else if (pace->time >= step)
                pace->time -= step;
}

/* ns that an event takes. */
static inline int64_t weir_pace_event(const struct weir_pace *pace) {
        int64_t work = pace->work / PACE_MAX;

        return work > pace->time ? work : pace->time;
}

/* How many events can be done within PACE_BATCH: those to fetch while nobody sleeps. */
static inline unsigned weir_pace_batch(const struct weir_pace *pace) {
        int64_t event = weir_pace_event(pace);

        if (event < PACE_BATCH / PACE_MAX)
                return PACE_MAX;
        return event < PACE_BATCH ? (unsigned)(PACE_BATCH / event) : 1;
}

/* A share of events. */
static inline unsigned weir_pace_share(const struct weir_pace *pace) {
        int64_t event = weir_pace_event(pace), share;
        unsigned batch = weir_pace_batch(pace);

        if (event >= PACE_ALONE)
                return 1;
        if (batch == PACE_MAX)
                return PACE_MAX;
        share = PACE_ALONE * PACE_ALONE / event * PACE_ALONE / (event * event);
        return share < batch ? (unsigned)share : batch;
}
