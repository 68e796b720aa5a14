/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CREW_H
#define WEIR_CREW_H

/*
 * A crew: threads that wait on one poll in turn, and share what is ready. A server is a function, and a number of threads:
 *
 *         static void serve(struct weir_crew *crew, const struct weir_event *event, void *data) {
 *                 struct connection *connection = weir_token_ptr(event->token);
 *                 ... reads, answers, weir_rearm(weir_crew_registry(crew), connection->fd, WEIR_READABLE) ...
 *         }
 *
 *         weir_poll_create(&poll);
 *         weir_crew_create(poll, serve, NULL, &crew);
 *         weir_register(weir_crew_registry(crew), listener, ...);
 *         weir_crew_run(crew, 0);
 *
 * The conventions are those of <weir/weir.h>. What a crew promises (G14):
 *   Events   Each goes to one thread, which calls the function. A registration that is not one-shot may have another event with
 *            another thread at the same time.
 *   Batches  are open during the call, owned by the thread: what the token points to is safe, if it is given up by
 *            weir_deregister() and weir_defer(). A deferred function waits for the calls in progress and for what was fetched
 *            with them and has not been given back.
 *   Sharing  While something is ready that no thread has begun, no thread sleeps, but for the time it takes to wake one, for
 *            calls so short that waking costs more than it brings (some tens of microseconds of work), and for about a
 *            millisecond where a call turns out to be far longer than calls were before.
 *   Order    No event begins after more than 64 for each thread that became ready later.
 *   Idle     A crew that has nothing to do makes no system call. While calls run, or ran a few milliseconds ago, and none has
 *            begun for half a millisecond, a thread that sleeps looks whether one is held up; up to 1,000 times a second.
 *   Stop     is for good. Each thread finishes the call it is in, or at most one event that it had taken already; what was not
 *            begun stays with the poll, for a plain wait or another crew.
 */

#include <weir/weir.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_crew;

/*
 * What a crew calls for each event. It may call anything: register, remove, rearm, defer, stop and destroy the crew, start more
 * threads. It may block: another thread goes on. It returns: it is not left by pthread_exit(3), longjmp(3) or an exception, and
 * the thread is not cancelled in it. If it forks, it does not return in the child.
 *   crew   that calls
 *   event  valid during the call
 *   data   as given to weir_crew_create()
 */
typedef void weir_crew_fn(struct weir_crew *crew, const struct weir_event *event, void *data);

/*
 * Makes a crew without threads. As long as it has none, the poll may be used as before.
 *   poll  that its threads will wait on; it may be destroyed before the crew, whose threads then leave with -ESHUTDOWN
 *   fn    called for each event, on any thread of the crew, on several at once
 *   data  passed to fn
 * Ownership: the caller destroys *ret_crew, which has three descriptors of its own. Errors: -EBUSY the poll has a crew already;
 * -EMFILE; -ENFILE; -ENOMEM; -ENOSPC this user's epoll sets watch too many descriptors.
 */
WEIR_PUBLIC int weir_crew_create(struct weir_poll *poll, weir_crew_fn *fn, void *data, struct weir_crew **ret_crew);

/*
 * The registry of the crew's poll. Ownership: borrowed, valid until weir_crew_destroy(), also after the end of the poll. NULL
 * for NULL.
 */
WEIR_PUBLIC struct weir_registry *weir_crew_registry(struct weir_crew *crew);

/*
 * Works with the calling thread and threads - 1 others, which it makes, and returns when every thread of the crew has left and
 * those that were made have ended. Where fewer can be made, it goes on with those.
 *   threads  1 or more; 0: one for each processor that the calling thread may run on
 * Returns 0 when it was stopped, also if that was before. Errors: those of weir_crew_work(): -EDEADLK, -EBUSY, -ENOMEM,
 * -EINVAL, -ECHILD, -ESHUTDOWN. Blocking: yes.
 */
WEIR_PUBLIC int weir_crew_run(struct weir_crew *crew, unsigned threads);

/*
 * Makes threads that work until the crew stops, and returns. May be called again for more, and inside fn. They block all
 * signals. The thread that calls weir_crew_run() does not, so there SIGPIPE ends the process: send(2) with MSG_NOSIGNAL, or
 * ignore it.
 *   threads  as in weir_crew_run()
 * Returns 0 if it made at least one. Errors: -EAGAIN, -ENOMEM none could be made; -ECANCELED the crew was stopped; -EBUSY a
 * thread waits on the poll by itself; -EINVAL, -ECHILD, -ESHUTDOWN.
 */
WEIR_PUBLIC int weir_crew_start(struct weir_crew *crew, unsigned threads);

/*
 * Lets the calling thread work until the crew stops. Returns 0 when it was stopped, also if that was before. While a crew has
 * threads, a plain wait on the poll gets -EBUSY, and inside fn -EDEADLK. A signal does not end it. Ordering: what a thread did
 * before it called weir_crew_stop(), or left, is visible after the return to who ran or destroyed the crew.
 * Errors: -EDEADLK inside fn, or a deferred function that this crew's thread runs; -EBUSY a thread waits on the poll by itself;
 * -ENOMEM; -EINVAL, -ECHILD; -ESHUTDOWN the poll is destroyed, also meanwhile. Blocking: yes. Not a cancellation point.
 */
WEIR_PUBLIC int weir_crew_work(struct weir_crew *crew);

/*
 * Stops the crew for good: its threads leave, each after the call that it is in. Does not wait for that. Async-signal-safe,
 * takes no lock, keeps errno. Threads: any, fn included.
 */
WEIR_PUBLIC void weir_crew_stop(struct weir_crew *crew);

/*
 * Stops the crew, waits until all threads have left and those that were made have ended, and frees it. On one of its own
 * threads (in fn, or in a deferred function there) it does not wait: the last thread that leaves frees the crew. No call may
 * begin with the pointer afterwards, but those on its own threads before they return from fn. In a forked child it frees the
 * child's memory. Blocking: yes, but on its own threads.
 */
WEIR_PUBLIC void weir_crew_destroy(struct weir_crew *crew);

#ifdef __cplusplus
}
#endif

#endif
