/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A kernel small enough to be explored: MODEL_FILES descriptors that are always open, 0 and up, one eventfd, and MODEL_SETS
 * epoll sets, each of which is made once. It stands behind lib/reactor/sys.h and does what epoll(7) says, but gives no
 * ordering: each of its words is changed by relaxed read-modify-writes alone, so an edge that the library needs must be made
 * by the library.
 *
 * A number leads to one of MODEL_BEHIND files, 0 at first. What one set knows of one file under one number is one word:
 *
 *    63                    26 25 18    17      16       15      14      13     12   11     6 5      0
 *   +------------------------+-----+-------+---------+-------+-------+-------+-----+--------+-------+
 *   | data, but for its index|     |ENABLED|EXCLUSIVE|ONESHOT|PRESENT|PENDING|LEVEL| asked  | ready |
 *   +------------------------+-----+-------+---------+-------+-------+-------+-----+--------+-------+
 *
 *   ready    what the file is ready for, as the low bits of epoll(7)
 *   asked    what the registration asks for
 *   PENDING  the item is on the set's list of what may be ready: set by new readiness, by ADD and by MOD; a fetch takes
 *            it off, looks at ready once more, and puts a level-triggered one that is still ready back
 *   ENABLED  a ONESHOT has not reported since ADD or MOD
 *
 * Which set a number of a set leads to is a word, too, so that one can be put in the place of another.
 *
 * A wait that finds nothing and may sleep does not sleep. It is noted, and the thread ends there: what it would do when
 * woken is what it does in another execution, in which it began to wait later. model_check_sleep() looks,
 * when all threads have ended, whether the sleeper was left to sleep: a lost wake. In the stress
 * build the thread does sleep, until there is something or all other threads have ended.
 *
 * Time passes when a scenario says so, or a wait does: one with a timeout that finds nothing is over at once, and the clock has
 * gone on by that much. But with MODEL_CLOCK_STANDS it is a sleep like one for ever.
 */

#include <stdbool.h>
#include <stdint.h>

#include <weir/weir.h>

#ifndef MODEL_FILES
#define MODEL_FILES 1
#endif
#ifndef MODEL_BEHIND
#define MODEL_BEHIND 1
#endif
#ifndef MODEL_SETS
#define MODEL_SETS 1
#endif

/* Every events object of a scenario has this capacity: memory is told apart by its size. */
#ifndef MODEL_CAPACITY
#define MODEL_CAPACITY 2
#endif

/* Back to the beginning. Nothing of the library is in use. */
void model_kernel_reset(void);

/* The file becomes ready, again or anew: an edge. */
void model_ready(int fd, uint32_t events);
void model_ready_behind(int fd, unsigned file, uint32_t events);

/* The file is read until it would block. Returns what it was ready for. */
uint32_t model_drain(int fd);
uint32_t model_drain_behind(int fd, unsigned file);

/* The file that the number leads to. */
unsigned model_file(int fd);

/* The number is closed, which takes it out of every set, and is a file that is ready for events at once. */
void model_reuse(int fd, uint32_t events);

/* The number is closed, and leads to another file, while a duplicate of the one that it led to keeps that one's items alive. */
void model_lead(int fd, unsigned file);

/* A file that the number does not lead to is another one, which is in no set, and ready for events at once. */
void model_renew(int fd, unsigned file, uint32_t events);

/* The last duplicate of a file that the number does not lead to is closed, which takes it out of every set. */
void model_forget(int fd, unsigned file);

/* Makes calls that add to the n-th set which is made, from 0, fail with -ENOSPC. */
void model_fill_set(unsigned n);

/* Whether the entries of a set can be read. They can at first. */
void model_show_entries(bool show);

/* What the clock says; and it goes on, to that moment at least. */
void model_set_time(int64_t now);
void model_pass_time(int64_t now);
/* Or by that much. */
void model_add_time(int64_t time);

/* With MODEL_CLOCK_STANDS: until when the wait that ended in its sleep would have slept. */
int64_t model_slept_until(void);

/* Whether an outer set that watches the poll's would be told. */
bool model_outer_is_told(void);

/*
 * For the main thread, after all others have ended. If one slept in the wait, it must be that something would wake it
 * by now, unless it may sleep for good. Leaves the wait in its stead.
 */
void model_check_sleep(struct weir_poll *poll, bool may_sleep);

/* Whether one ended in its sleep. */
bool model_slept(void);

/* What is allocated next is a guard, which is as large as two slots. */
void model_expect_guard(void);

/* Whether the core was freed, which is asserted to have happened once at most. */
bool model_core_is_freed(void);

/*
 * For the main thread, after all others have ended, with MODEL_FUTEX: asserts that a thread which ended in the sleep of
 * a futex would have been woken by now. Returns whether there was one.
 */
bool model_check_futex(void);
