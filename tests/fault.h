/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_FAULT_H
#define WEIR_TESTS_FAULT_H

/*
 * The seam to the kernel, lib/reactor/sys.h, with a hand on it: calls are counted, the n-th one fails, or something else
 * happens just before it. A program that links fault.c before the static library gets this seam instead of the real
 * one, and the real one behind it. One plan is in force at a time; any thread may make the calls, and each call of
 * the plan fires once.
 */

#include <stdbool.h>
#include <stdint.h>

/* Kinds of calls, to be combined. Those of FAULT_FAILING can fail, the others are counted and can be hooked. */
#define FAULT_CREATE     0x00001u /* epoll_create */
#define FAULT_ADD        0x00002u /* epoll_ctl */
#define FAULT_MOD        0x00004u
#define FAULT_DEL        0x00008u
#define FAULT_WAIT       0x00010u /* epoll_wait */
#define FAULT_EVENTFD    0x00020u /* the making of an eventfd */
#define FAULT_ALLOC      0x00040u /* or growing */
#define FAULT_LIFE       0x00080u /* the page that a fork wipes */
#define FAULT_REPLACE    0x00100u /* dup3 */
#define FAULT_ENTRIES    0x00200u /* the reading of a set's entries below /proc */
#define FAULT_NAP        0x00400u
#define FAULT_FUTEX_WAIT 0x00800u
#define FAULT_SIGNAL     0x01000u /* a write to the eventfd */
#define FAULT_CLOSE      0x02000u
#define FAULT_FUTEX_WAKE 0x04000u
#define FAULT_YIELD      0x08000u /* a yield point; only of a library built with WEIR_YIELD_POINTS */
#define FAULT_TIMER      0x10000u /* the making of a timerfd */
#define FAULT_TIMER_SET  0x20000u
#define FAULT_CTL        (FAULT_ADD | FAULT_MOD | FAULT_DEL)
#define FAULT_FAILING    (0x00fffu | FAULT_TIMER)
#define FAULT_SYSTEM     (0x37fffu) /* all but the yield points */

/*
 * From now on: the n-th call (from 1) of these kinds fails with -error, or NULL; it does not reach the kernel. But an
 * EPOLL_CTL_ADD that lacks memory or a watch is refused for any other reason first, as the kernel does it.
 */
void fault_at(unsigned kinds, uint64_t n, int error);

/* The n-th and all that follow. */
void fault_from(unsigned kinds, uint64_t n, int error);

/*
 * fn runs on the calling thread just before the n-th call, which then goes on. Calls that fn makes are not planned
 * for, unless it makes the next plan.
 */
void fault_hook(unsigned kinds, uint64_t n, void (*fn)(void *arg), void *arg);

/* Ends the plan. Returns how many calls it fired at. */
uint64_t fault_off(void);

/* How many calls of these kinds were made since the program began, failed ones included. */
uint64_t fault_count(unsigned kinds);

/* What the last call of a kind that sleeps, FAULT_WAIT, FAULT_NAP or FAULT_FUTEX_WAIT, was given for a timeout. */
int64_t fault_timeout(unsigned kind);

/* The library's clock goes forward by so much at once. */
void fault_pass_time(int64_t ns);

/*
 * From now on the library's clock stands, at that moment, but for fault_pass_time() and for sleeps: a wait that finds nothing
 * ready lets as much time pass as it was given. A timer that is set rings when the clock passes its moment; four at most.
 * Below 0: the clock is the machine's again. Not beside other threads.
 */
void fault_stop_clock(int64_t now);

/* What a timer was set to last. */
int64_t fault_timer(void);

struct weir_sys_entry;

/* From now on a reading below /proc tells of these, whatever is in the set; NULL: it tells the truth again. */
void fault_show_entries(const struct weir_sys_entry *entries, unsigned count);

/* Whether the block that was freed last is given out again by the next allocation of its size. Not beside other threads. */
void fault_reuse_memory(bool reuse);

/* How many bytes the library holds now, pages that a fork wipes counted as one each. */
uint64_t fault_memory(void);

#endif
