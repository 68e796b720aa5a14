/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

/*
 * weir: a thread-safe readiness reactor for Linux.
 *
 * A poll owns an epoll set. Any number of threads hold registry handles to it and register, change and remove
 * descriptors at any time, while one thread at a time waits. Nothing of a registration is handed out after its
 * weir_deregister() returned, and weir_defer() says when what its token points to may be freed.
 *
 * Conventions. They hold for every call that does not say otherwise.
 *   Result     0 or a count; on failure a negative errno, outputs untouched, and what was registered stays as it was.
 *   Errors     Looked for in this order: -EINVAL (a null or bad argument), -ECHILD (this process was forked from the
 *              one that made the poll), -ESHUTDOWN (the poll is destroyed), then the state of the descriptor.
 *   Threads    Any thread, at any time, against every other call. Calls about one descriptor take effect one at a time.
 *   Signals    Of these calls only weir_waker_wake(), weir_poll_interrupt() and weir_role_interrupt() may be called from a
 *              signal handler; of <weir/crew.h>, weir_crew_stop(); of <weir/server.h>, weir_server_stop(). A handler does not
 *              leave a call of the library by siglongjmp(3), least of all a wait: nobody could wait on the poll any more.
 *   Cancel     No call is a cancellation point, and deferred functions run with cancellation disabled.
 *   Blocking   Never, except the waits and weir_synchronize(). A call about a descriptor waits for another call
 *              about the same descriptor, no longer than that one's epoll_ctl(2) takes; so, too, for the waiter while it
 *              moves that descriptor to a new epoll set, which it does only to get rid of a level-triggered ghost.
 *   Ownership  Descriptors are borrowed: never closed, never duplicated. Destructors take NULL. The library's own descriptors
 *              are close-on-exec; a wait may open one, and a call about a number that was closed too early does for a
 *              moment. So put a duplicate on a number that is open, not on one just closed.
 *   Ordering   What a thread wrote before it called is visible to the thread that takes the event which results.
 *   Time       Timeouts and moments are of CLOCK_MONOTONIC, in nanoseconds. It stands still while the machine is suspended.
 *   Numbers    A poll takes descriptors below 67,108,864 (2^26).
 *   System     Linux. For those who filter system calls, the library makes these: epoll_create1, epoll_ctl, epoll_wait (or
 *              epoll_pwait, where that is the only one), epoll_pwait2, eventfd2, read, write, close, dup3, fcntl, openat
 *              (of a file below /proc/thread-self/fdinfo, see Closing), futex, mmap, mremap, munmap, madvise, getpid, ppoll,
 *              timerfd_create and timerfd_settime (for weir_poll_fd()), clock_gettime, and what malloc(3) makes; of futex and
 *              ppoll those with 64 bits of seconds, where there are two. epoll_pwait2 may be refused, with ENOSYS or EPERM:
 *              then that poll makes it no more, and its timeouts are rounded up to milliseconds.
 *   Tools      ThreadSanitizer wants the library built with it, or it reports races that are none. LeakSanitizer does not see
 *              pointers in tokens: what nothing else points to counts as leaked when the program ends.
 *
 * Parameters, where a call says no more of them. A null pointer gets -EINVAL; a call that returns no int takes it quietly.
 *   poll        not yet destroyed
 *   registry    borrowed from weir_poll_registry(), or a clone
 *   role        not yet destroyed
 *   crew        not yet destroyed, <weir/crew.h>
 *   server      not yet destroyed, <weir/server.h>
 *   connection  in its turn, or with a reference, <weir/server.h>
 *   guard       not yet destroyed; one thread at a time
 *   events      the room for a batch; one thread at a time
 *   event       as weir_events_next() gave it
 *   waker       not yet destroyed
 *   source      with its operations set
 *   fd          a descriptor; borrowed
 *   token       the caller's mark
 *   interest    directions and mode
 *   ret_*       where the result goes; untouched on failure
 *
 * Which calls may run against which. + any time; - the caller keeps them apart.
 *
 *                           wait   next, clear     registry calls,   release of   destroy of   destroy of
 *                                  same  other     defer, wake       own handle   the poll     the waker
 *                                  batch batch
 *   weir_poll_wait          -EBUSY   -     +            +                +            (1)          +
 *   weir_events_next/clear    -      -     +            +                +            +            +
 *   registry calls, defer     +      +     +            +                -            +            +
 *   weir_waker_wake           +      +     +            +                +            +            -
 *   weir_poll_interrupt       +      +     +            +                +            (2)          +
 *
 *   (1) A wait in progress returns -ESHUTDOWN. The waiter must keep something of the core alive over its call: a clone of
 *       the registry, or an events object that was used with the poll before.
 *   (2) As in (1), who calls keeps something of the core alive, and gets -ESHUTDOWN.
 *
 * Drained: what weir_rearm() is told of each direction that it names. Since an event last told that direction, reading,
 * writing or accepting has met -EAGAIN, or poll(2) says that it is not ready. On a byte stream that nothing splits (a pipe, a
 * TCP or a Unix stream) a short count, less than was asked for, says so, too. These split it, and then it is -EAGAIN:
 *   urgent     data (MSG_OOB) on TCP and Unix streams. A peer sends it at will. Ask for WEIR_PRIORITY as well, and once an
 *              event tells it, read until -EAGAIN
 *   passed     descriptors and credentials on Unix streams. A peer sends them at will, asked for or not: so there a short
 *              count will do only with a peer that is trusted
 *   packets    of a datagram socket, of SOCK_SEQPACKET, of a pipe with O_DIRECT: each read(2) gives one
 *   terminals  which give a line at a time; and other devices
 *   TLS        records. For SSL_read(), which is no read(2), it is SSL_ERROR_WANT_READ; recv(2) with TLS in the kernel
 *              gives one record
 * Who takes exactly one thing, a datagram or a connection, and leaves the rest has drained nothing, and asks the kernel: by
 * weir_rearm_afresh(), which makes an event if there is more; or by poll(2) with a timeout of 0, and rearms if that says no. Of
 * what lies in an SSL object the kernel knows nothing: trigger it, and rearm without a direction.
 *
 * Closing: deregister a descriptor before close(2); or after it, before its number is registered anew. If neither is done,
 * the registration stands until its number is registered anew, which works.
 *   Safe       is to close a one-shot that one owns: its event was taken, or it was disarmed, or it is still held. Nothing
 *              comes of it any more.
 *   Unsafe     is to close any other. Events may still come under the old token, be it a pointer to memory that was freed:
 *              one was fetched before, or a duplicate of the descriptor lives on.
 *   Reused     by another file, the number still names the old registration: rearm, disarm and retoken may return 0 or 1,
 *              and mean nothing. A deregister that comes too late ends what was registered there in the meantime;
 *              weir_deregister_if(), by an event of the older one, does not.
 *   Ghosts     are registrations that a duplicate keeps alive in the kernel after close(2). Their events are dropped. One
 *              that is level-triggered is cured: the waiter moves all registrations to a new epoll set. For 20,000 that
 *              takes 50 ms, and each that is ready makes an event, also where one was told before.
 *   Files      below /proc tell a registration from a ghost of its number. So where a number was closed too early one is
 *              read by the next cure, and when that number is reregistered, or rearmed with a system call. Where /proc is
 *              not there these two take what they find for the registration, and nothing is cured while a number may have a
 *              ghost: beside one that is ready the waiter then wakes up to 1,000 times a second.
 *
 * The guarantees, in brief; tests cite the numbers.
 *   G1  Any thread: registry calls and wakes run at any time; none blocks on the waiting thread.
 *   G2  One waiter: a second one gets -EBUSY; the role may pass on while the first still reads its batch.
 *   G3  Happens-before: by C11 atomics of the library, from each call to the event or function it causes.
 *   G4  Nothing after deregister, not even from a batch fetched before. So for a replaced token or interest.
 *   G5  Nothing wrong after a descriptor number is closed and reused, duplicates or not.
 *   G6  Deferred functions run once, when every batch that was open at weir_defer() is closed.
 *   G7  Nothing lost: short batches, half-read batches, failed calls and interrupted waits keep every event.
 *   G8  Modes: edge, level, and one-shot, which a thread owns from its event, disarm or held register until the rearm; that
 *       makes no system call, but where weir_rearm() says so. Without a direction a registration pauses.
 *   G9  Wakes: any number of wakers, coalescing, async-signal-safe, free of system calls while the poll is awake.
 *   G10 Lifetimes: every object may be destroyed in any order; the last one frees the core.
 *   G11 Fork: a child gets -ECHILD and never touches its parent's poll.
 *   G12 Errors: a negative errno, never an abort, a log line or a changed signal disposition. Timeouts never end early.
 *   G13 Deadlines and triggers: time, and a word from the program, as events of a registration, which obey its mode. Never
 *       early, never lost, and of a deadline that was replaced never handed out. Moving one later makes no system call.
 * Not promised: that an operation will succeed after its event (spurious readiness is allowed), any order between
 * descriptors, and fairness beyond this: what was left unread comes before what is newer; what is ready is handed out
 * within 2 n + 2 waits, n being how many descriptors and wakers are registered, however few events of each batch are read
 * (at least one).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef WEIR_PUBLIC /* empty where the static library is built, which exports nothing */
#if defined(__GNUC__)
#define WEIR_PUBLIC __attribute__((visibility("default")))
#else
#define WEIR_PUBLIC
#endif
#endif

/* ---------------------------------------------------------------- version */

#define WEIR_VERSION_MAJOR  0 /* a new one may break programs that were written for an older one */
#define WEIR_VERSION_MINOR  1 /* a new one adds to the interface; while MAJOR is 0, it may break programs, too */
#define WEIR_VERSION_PATCH  0 /* a new one corrects, and leaves the interface as it is */
#define WEIR_VERSION_NUMBER (WEIR_VERSION_MAJOR << 16 | WEIR_VERSION_MINOR << 8 | WEIR_VERSION_PATCH) /* all three */

/* The version of the library that runs, as WEIR_VERSION_NUMBER is that of the header. A newer one is greater. */
WEIR_PUBLIC uint32_t weir_version(void);

/* ---------------------------------------------------------------- values */

struct weir_poll;
struct weir_registry;
struct weir_role;
struct weir_guard;
struct weir_events;
struct weir_waker;

/* The caller's mark of a registration, returned unchanged with each of its events. */
typedef uint64_t weir_token;

/* A moment in the life of a poll; see weir_epoch_now(). */
typedef uint64_t weir_epoch;

/* A moment: nanoseconds of CLOCK_MONOTONIC, from 0 on. */
typedef int64_t weir_time;

#define WEIR_NEVER INT64_MAX /* the greatest moment, which does not come */

/*
 * What a registration asks for: directions, and at most one of the modes LEVEL and ONESHOT.
 * Without a mode it is edge-triggered: an event for each new readiness; read or write until -EAGAIN. A short count is not
 * enough there: the end of a stream may have come with the data, in the same edge. (For weir_rearm() it can be, see Drained.)
 * Without a direction it stands for hang-ups, errors, timeouts and triggers alone, which come whatever is asked for: that is
 * how a connection pauses. The end of what the peer sends (half-close) is told only with READABLE.
 * EXCLUSIVE does not tell half-close; a read of 0 bytes does. And with LEVEL it brings events only in the waits for which the
 * kernel chooses this poll.
 * Refused with -EINVAL: unknown bits; LEVEL with ONESHOT; HELD without ONESHOT; EXCLUSIVE with ONESHOT, PRIORITY or no
 * direction.
 */
typedef uint32_t weir_interest;

#define WEIR_READABLE  UINT32_C(0x001) /* data to read, or the end of it */
#define WEIR_PRIORITY  UINT32_C(0x002) /* exceptional conditions, such as urgent data (MSG_OOB) */
#define WEIR_WRITABLE  UINT32_C(0x004) /* room to write */
#define WEIR_LEVEL     UINT32_C(0x100) /* an event in every wait while ready */
#define WEIR_ONESHOT   UINT32_C(0x200) /* one event, then silence until a rearm or weir_reregister() */
#define WEIR_EXCLUSIVE UINT32_C(0x400) /* of several polls that watch it, wake at least one; register only */
#define WEIR_HELD      UINT32_C(0x800) /* with ONESHOT: the caller owns it until its first rearm; register only */

/* One event. */
struct weir_event {
        weir_token token;      /* of the registration or the waker */
        uint32_t readiness;    /* epoll(7) bits; ask the weir_event_is_*() functions */
        uint32_t registration; /* which one of its descriptor it is of, for weir_deregister_if(); 0 of a waker */
};

/*
 * A pointer as a token. It is not looked at.
 *   ptr  any pointer, NULL included
 */
WEIR_PUBLIC weir_token weir_ptr_token(const void *ptr);

/* The pointer that weir_ptr_token() made a token of. */
WEIR_PUBLIC void *weir_token_ptr(weir_token token);

/* ---------------------------------------------------------------- poll */

/*
 * Makes a poll: an epoll set and an eventfd, both close-on-exec. A daemon makes it after daemon(3), which forks.
 * Ownership: the caller destroys *ret_poll. Errors: -EINVAL, -EMFILE, -ENFILE, -ENOSPC, -ENOMEM: nothing is left.
 */
WEIR_PUBLIC int weir_poll_create(struct weir_poll **ret_poll);

/*
 * Ends the poll: from now on waits and registry calls get -ESHUTDOWN (deregister and defer still work), open batches hand
 * out nothing more, and a wait in progress on another thread returns -ESHUTDOWN. The memory and the descriptors go with the
 * last of poll, registries, wakers, and events objects last used with it. No call may begin with the pointer afterwards.
 */
WEIR_PUBLIC void weir_poll_destroy(struct weir_poll *poll);

/* The registry of a poll. Ownership: borrowed, valid until weir_poll_destroy(); clone it to keep it. NULL for NULL. */
WEIR_PUBLIC struct weir_registry *weir_poll_registry(struct weir_poll *poll);

/*
 * Closes the batch open in events, waits until something is ready, and opens a new batch there.
 *   poll     whose waiting role the calling thread takes until the call returns
 *   events   where the batch goes; the calling thread owns the batch until it is closed. Deferred functions that run
 *            because the former batch closes must not destroy it
 *   timeout  how long to wait: NULL for ever, {0, 0} not at all; nanoseconds of CLOCK_MONOTONIC, never cut short, absurdly
 *            long ones saturate
 * Returns how many events were fetched, 0 after the timeout. weir_events_next() may hand out fewer: those whose
 * registration has gone by then are dropped. An open batch holds up deferred functions: call weir_events_clear() before
 * blocking on anything but the next wait. Closing the former batch may run deferred functions here, and nobody else can
 * wait meanwhile: if some take long, close it by weir_events_clear() before.
 * Errors: -EBUSY another thread waits, or this one does, and runs a deferred function, or the role is kept, weir_role_keep();
 * -EDEADLK it is, and this thread owns a batch from there; -EINVAL, -ECHILD, -ESHUTDOWN. A wait
 * that is refused does not touch the batch open in events; one in progress when the poll ends has closed it.
 * -EINTR weir_poll_interrupt() was called; or nothing was ready, and a signal was handled, or the process was stopped and
 * went on (SIGSTOP and SIGCONT, a debugger), so it comes to programs without a handler, too: wait again. After -EINTR and
 * after 0 no batch is open. No event is lost.
 * Blocking: yes. Not a cancellation point, and not to be left by siglongjmp(3).
 */
WEIR_PUBLIC int weir_poll_wait(struct weir_poll *poll, struct weir_events *events, const struct timespec *timeout);

/*
 * As weir_poll_wait(), but waits until a moment. What is ready comes also when that has passed already.
 *   poll    whose waiting role the calling thread takes until the call returns
 *   events  where the batch goes
 *   moment  of CLOCK_MONOTONIC, in nanoseconds, 0 or later; WEIR_NEVER waits for ever
 * Returns how many events were fetched, 0 if the moment came first.
 * Errors: those of weir_poll_wait(); -EINVAL also for a moment below 0. Blocking: yes, as there.
 */
WEIR_PUBLIC int weir_poll_wait_until(struct weir_poll *poll, struct weir_events *events, weir_time moment);

/*
 * Makes the wait in progress, or the next one, return -EINTR, whatever its timeout is. Interrupts coalesce until then. A
 * wait that has its events already returns them, and the next one is interrupted. What is ready comes in the wait after
 * that.
 *   poll  of which the caller keeps something alive, if another thread may destroy it: a registry, a waker, an events object
 * Async-signal-safe; keeps errno.
 * Errors: those of every call. Ordering: what a thread wrote before it called, a flag for instance, is visible to the thread
 * whose wait returns -EINTR for it.
 */
WEIR_PUBLIC int weir_poll_interrupt(struct weir_poll *poll);

/*
 * A descriptor that polls readable while weir_poll_wait() has something to look at, to nest the poll in another loop.
 * Returns the same one each time, and does not fail after its first success, but in a forked child. Once it was asked for,
 * wakes of an idle poll always write to the eventfd, each rearm makes an epoll_ctl(2), and a deadline that is the first to come
 * makes a timerfd_settime(2); the descriptor may be readable for one that was moved.
 * Ownership: the poll's; do not close it, do not read it.
 * Errors: -EMFILE, -ENFILE, -ENOSPC, -ENOMEM; -ELOOP what is registered is a chain of epoll sets as deep as the kernel allows.
 */
WEIR_PUBLIC int weir_poll_fd(struct weir_poll *poll);

/* ---------------------------------------------------------------- the waiting role */

/*
 * The right to wait, as an object: for a loop of several threads, in a library of its own, that wait in turn. <weir/crew.h> is
 * one; who uses that, or waits with weir_poll_wait(), needs nothing of this. A role that is kept refuses every plain wait, so
 * that no other thread comes between two waits of the loop, and spares each of these the taking of the role.
 *
 * Threads, of all calls with the same role but weir_role_interrupt(): one at a time. Whoever waits next comes after the former
 * waiter by the caller's own doing, a lock or an atomic word; else they are undefined.
 * The object stays usable after weir_poll_destroy(): then calls get -ESHUTDOWN, the wait in progress, too.
 */

/*
 * Makes the object of a poll's role. Nothing changes for others before weir_role_keep().
 * Ownership: the caller destroys *ret_role. Errors: -EBUSY the poll has one already; -EINVAL, -ECHILD, -ESHUTDOWN.
 */
WEIR_PUBLIC int weir_role_create(struct weir_poll *poll, struct weir_role **ret_role);

/* Leaves the role, and ends the object. */
WEIR_PUBLIC void weir_role_destroy(struct weir_role *role);

/*
 * Keeps the role until weir_role_leave(): from now on a plain wait gets -EBUSY, or -EDEADLK on a thread that owns an open batch
 * of weir_role_wait(). Does nothing if it is kept. Errors: -EBUSY a thread waits just now; -EINVAL, -ECHILD, -ESHUTDOWN.
 */
WEIR_PUBLIC int weir_role_keep(struct weir_role *role);

/* Lets others wait again. An interrupt that no wait has met is over. Batches that are open stay open. */
WEIR_PUBLIC void weir_role_leave(struct weir_role *role);

/*
 * Waits as weir_poll_wait() does; all that is said there holds.
 *   timeout  how long to wait: NULL for ever, {0, 0} not at all
 * Errors: -EINVAL also for a role that is not kept; -ECHILD, -ESHUTDOWN, -EINTR. Blocking: yes.
 */
WEIR_PUBLIC int weir_role_wait(struct weir_role *role, struct weir_events *events, const struct timespec *timeout);

/*
 * Does what weir_poll_interrupt() does, and may also be called after weir_poll_destroy(). Async-signal-safe.
 * Errors: -EINVAL, -ECHILD, -ESHUTDOWN. Threads: any.
 */
WEIR_PUBLIC int weir_role_interrupt(struct weir_role *role);

/* ---------------------------------------------------------------- registry */

/*
 * Another handle to the same registry. Costs no descriptor and no allocation, cannot fail.
 * Ownership: the caller releases it. NULL for NULL.
 */
WEIR_PUBLIC struct weir_registry *weir_registry_clone(struct weir_registry *registry);

/* Gives one cloned handle back. Not for the handle borrowed from weir_poll_registry(). Registrations stay. */
WEIR_PUBLIC void weir_registry_release(struct weir_registry *registry);

/*
 * The descriptor of weir_poll_fd(), by a handle of the registry; all that is said there holds. Where that was asked for in
 * time, it is also told after weir_poll_destroy(), to be taken out of the other loop: it polls readable from then on, and is
 * open as long as the registry is.
 * Errors: those of weir_poll_fd(); -ESHUTDOWN the poll was destroyed, and its descriptor never asked for.
 */
WEIR_PUBLIC int weir_registry_fd(struct weir_registry *registry);

/*
 * Starts to watch a descriptor. If it is ready already, an event comes; another thread may take it before this call returns.
 *   fd        borrowed; below 67,108,864 (2^26). Deregister it before closing it: what else is safe is said above, under
 *             Closing
 *   token     comes back with each event
 *   interest  directions and mode. With WEIR_HELD the caller owns the descriptor, as if it had just taken an event: none
 *             comes before its first weir_rearm(), which brings what is ready by then. So there is time to make the rest
 * The first registration of a descriptor number may allocate, later ones never do.
 * Errors: -EBADF fd is not open; -EEXIST it is registered here already, and that registration is untouched; -EPERM it
 * cannot be polled (a regular file), is always ready, and is read there and then; -EINVAL also for the poll's own descriptor
 * and for a number of 2^26 or more; -ELOOP too deep a nesting of epoll sets; -ENOSPC the user's limit of watches
 * (/proc/sys/fs/epoll/max_user_watches); -ENOMEM.
 */
WEIR_PUBLIC int weir_register(struct weir_registry *registry, int fd, weir_token token, weir_interest interest);

/*
 * Replaces token, interest and mode, and looks at the descriptor afresh: if it is ready, an event comes. Nothing under
 * the old token or of an interest withdrawn is handed out after the return.
 * Errors: -ENOENT not registered (-EBADF if fd is not even open), or closed and reused meanwhile; -EBADF fd was closed;
 * -EPERM closed and reused by what cannot be polled; -EINVAL also for WEIR_EXCLUSIVE and for a registration that is
 * exclusive, and for WEIR_HELD; -ENOMEM.
 */
WEIR_PUBLIC int weir_reregister(struct weir_registry *registry, int fd, weir_token token, weir_interest interest);

/*
 * Arms a one-shot registration again, as its owner does at the end of a turn; nearly always without a system call.
 *   interest  directions alone, or 0 for what comes whatever is asked for; the mode stays. In a loop of
 *             one thread it may still be armed: then they replace the armed ones
 * The caller states that it has drained each direction it names, since an event last told that one. Drained is -EAGAIN, or,
 * on a byte stream that nothing splits, a short count: see Drained, above. WEIR_WRITABLE is named only after a write met
 * -EAGAIN or was short. What came after that is not missed. Who has not drained calls weir_rearm_afresh(). After a timeout or
 * a trigger alone nothing need be drained.
 * It may be taken by another thread before this call returns: give up what else guards the descriptor's data before calling,
 * not after.
 * An event may come back without new data now and then, never twice at once. What it tells of a hang-up is true then.
 * One epoll_ctl(2) is made for a direction that is new to the registration, once after a hang-up was told, where readiness
 * kept coming while it was owned, and always once weir_poll_fd() was asked for. A waiter that sleeps is woken, by a write, for
 * what came meanwhile.
 * Errors: -ENOENT not registered (-EBADF if fd is not even open); -EINVAL also when it is not one-shot; and, where it makes an
 * epoll_ctl(2), those of weir_reregister(): then the caller still owns it.
 */
WEIR_PUBLIC int weir_rearm(struct weir_registry *registry, int fd, weir_interest interest);

/*
 * Arms a one-shot registration again, and looks at the descriptor afresh: if it is ready, an event comes. For who has not
 * drained, as after one connection of a listener or one record; nothing is stated, and the price is an epoll_ctl(2) each time.
 *   interest  directions alone, or 0, as in weir_rearm(); token and mode stay
 * What is said of weir_rearm() holds otherwise. While a hang-up lasts, each event tells it.
 * Errors: those of weir_rearm(), -EINVAL among them when it is not one-shot; those of weir_reregister(): then the caller still
 * owns it.
 */
WEIR_PUBLIC int weir_rearm_afresh(struct weir_registry *registry, int fd, weir_interest interest);

/*
 * Makes the caller the owner of a one-shot that is armed, as if it had taken its event, without a system call. So any
 * thread can take a connection in hand that waits, to send on it or to end it. What is pending comes at the next rearm.
 *   fd  of a one-shot
 * Returns 1: it was armed; no event of it is handed out until it is rearmed or reregistered. 0: it was not armed, nothing has
 * changed, and another thread may own it.
 * Ordering: after 1, what the thread that armed it did before is visible to the caller.
 * Errors: -ENOENT not registered (-EBADF if fd is not even open); -EINVAL also when it is not one-shot.
 */
WEIR_PUBLIC int weir_disarm(struct weir_registry *registry, int fd);

/*
 * Replaces the token alone, without a system call. Readiness that is pending comes under the new one; the old one is
 * not handed out after the return. Of a one-shot, its owner does so before the rearm.
 * Errors: -ENOENT not registered (-EBADF if fd is not even open).
 */
WEIR_PUBLIC int weir_retoken(struct weir_registry *registry, int fd, weir_token token);

/*
 * Ends a registration: no weir_events_next() that begins after the return hands out an event of it. May be called after
 * close(2), until the number is registered anew, and after the poll was destroyed. Succeeds even when the kernel has
 * nothing to remove any more. Who closes without it: see Closing, above.
 * Errors: -ENOENT not registered (-EBADF if fd is not even open).
 */
WEIR_PUBLIC int weir_deregister(struct weir_registry *registry, int fd);

/*
 * Ends the registration that an event is of, as weir_deregister() does, and no other: not one that came to the same descriptor
 * since. So of several threads that hold an event of it, or of its past, one ends it. A registration ends at deregister and
 * reregister, or when its number is registered anew; rearm, retoken and disarm leave it what it is.
 *   fd     the descriptor that the event is of
 *   event  as weir_events_next() gave it, however long ago: it is told from the next billion of that number
 * Errors: -EINVAL also for an event of a waker; -ENOENT that registration is over, and another stands, or none (-EBADF if fd is
 * not even open). That is also said where fd was closed while registered, and is found to be another file by now.
 */
WEIR_PUBLIC int weir_deregister_if(struct weir_registry *registry, int fd, const struct weir_event *event);

/* ---------------------------------------------------------------- deadlines and triggers */

/* The present moment. Reads the clock, which takes some tens of nanoseconds and, as a rule, no system call. */
WEIR_PUBLIC weir_time weir_now(void);

/*
 * A clock that is kept: the moment when this poll last fetched, without a system call or a look at the clock. For limits that
 * need no more than that, such as the idle time of a connection whose event is being handled. Until the first fetch after the
 * first call this is the present moment; from then on each wait reads the clock. 0 for NULL and in a child.
 */
WEIR_PUBLIC weir_time weir_registry_moment(struct weir_registry *registry);

/*
 * Sets the moment after which an event with weir_event_is_timeout() comes, or moves it. Then there is none until one is set
 * anew. The event obeys the mode as any other: a one-shot's comes only while that is armed, and disarms it; what passes while a
 * thread owns the descriptor comes at the next rearm or reregister, unless the owner sets a new deadline first. The owner sets
 * it before it rearms, never after. It stays at reregister, rearm and retoken; deregister and a new register end it, and
 * closing the descriptor alone does not.
 *   moment  0 or later; WEIR_NEVER for none
 * Never early; on an idle poll no more than a millisecond late, and if no thread waits, in the next wait. No weir_events_next()
 * that begins after the return hands out the timeout of a moment that was set before. It may come in one event with readiness
 * and a trigger, or in several; and outside one-shot mode while another thread has an earlier event.
 * Moving it later by a millisecond or more, or taking it away, takes no lock. Else it makes no system call but to wake a waiter
 * that would sleep too long; once weir_poll_fd() was asked for, one when it is the first to come.
 * Errors: -EINVAL also for a moment below 0; -ENOENT not registered (-EBADF if fd is not even open); -ENOMEM, at the first one
 * of a descriptor number only, and then there is none.
 */
WEIR_PUBLIC int weir_set_deadline(struct weir_registry *registry, int fd, weir_time moment);

/*
 * Makes an event with weir_event_is_triggered() under the registration's token. Triggers coalesce until it is taken. A
 * one-shot's comes only while that is armed, and disarms it: so who has something for a connection that another thread may own
 * queues it, and triggers; whoever owns the connection, now or next, does it. Costs a system call only as weir_waker_wake()
 * does.
 * Errors: -ENOENT not registered (-EBADF if fd is not even open).
 */
WEIR_PUBLIC int weir_trigger(struct weir_registry *registry, int fd);

/*
 * The same for each descriptor that is registered: listeners, signals and standard input, too. Who reads what may block asks
 * weir_event_is_readable() and weir_event_is_read_closed() first: else that read may wait for ever. Not for signal handlers.
 * Returns how many. Of a weir_register() at the same time, either the registration is triggered, or the registering thread sees
 * after its return what the caller wrote before. Takes time in proportion to the highest descriptor ever registered.
 */
WEIR_PUBLIC int weir_trigger_all(struct weir_registry *registry);

/* ---------------------------------------------------------------- sources */

struct weir_source_ops;

/* Anything made of descriptors or wakers that can register itself. Embed it and find the rest by its address. */
struct weir_source {
        const struct weir_source_ops *ops; /* what it does; set by whoever makes it */
};

/*
 * What a source does. Each gets the arguments of the weir_source_*() call and returns 0 or a negative errno; a failing
 * one leaves nothing half registered. A member may be NULL: then that call returns -EINVAL.
 */
struct weir_source_ops {
        /* for weir_source_register() */
        int (*register_source)(struct weir_registry *, struct weir_source *, weir_token, weir_interest);
        /* for weir_source_reregister() */
        int (*reregister_source)(struct weir_registry *, struct weir_source *, weir_token, weir_interest);
        /* for weir_source_deregister() */
        int (*deregister_source)(struct weir_registry *, struct weir_source *);
};

/* Call the source's own function after the checks that every call makes. Errors: those, and what the source returns. */
WEIR_PUBLIC int weir_source_register(struct weir_registry *registry, struct weir_source *source, weir_token token,
                                     weir_interest interest);
WEIR_PUBLIC int weir_source_reregister(struct weir_registry *registry, struct weir_source *source, weir_token token,
                                       weir_interest interest);
WEIR_PUBLIC int weir_source_deregister(struct weir_registry *registry, struct weir_source *source);

/* ---------------------------------------------------------------- reclamation */

/*
 * A node to embed in what is to be freed, aligned as C has it, so not in a packed struct. Its members are the library's
 * between weir_defer() and the call of fn.
 */
struct weir_deferred {
        struct weir_deferred *next;             /* the library's */
        struct weir_deferred *more;             /* the library's */
        void (*fn)(struct weir_deferred *node); /* the library's */
};

/*
 * Runs fn(node) exactly once, when every batch that is open now has been closed, and every guard that is entered left; at once,
 * on the caller, if none is. What is said here of batches holds of guards.
 * A wait in progress holds nothing up. After weir_deregister() this is the moment to free what the token points to.
 *   node  in use until fn is called; fn may free it
 *   fn    runs on the thread that closed the last of those batches, under no lock of the library and with cancellation
 *         disabled; it may call anything, and returns: it is not left by pthread_exit(3), longjmp(3) or an exception. What it
 *         defers on the same poll runs after it, not nested, and on its thread if nothing is to be waited for by then; several
 *         of these may wait for each other's batches. If a wait closed the batch, nobody else can wait until fn returns
 * Call it without locks that fn takes. Never fails, allocates or blocks. In a forked child fn runs at once. A handler that does
 * not return holds fn up: where fn closes a socket, shutdown(2) before lets the peer see the end at once.
 * Ordering: what the caller did before, and what any thread did with those batches before closing them, is visible to fn.
 */
WEIR_PUBLIC void weir_defer(struct weir_registry *registry, struct weir_deferred *node,
                            void (*fn)(struct weir_deferred *node));

/*
 * Waits for the moment at which weir_defer() would run its function. Works after the poll was destroyed.
 * Errors: -EDEADLK the calling thread owns an open batch, is inside a guard, or inside a deferred function. The owner is
 * the thread that waited, until another one calls weir_events_next(): who takes a batch over and has not read yet is not
 * refused, and would wait for itself. Blocking: yes.
 */
WEIR_PUBLIC int weir_synchronize(struct weir_registry *registry);

/* The present moment; weir_epoch_passed() tells when every batch open at it is closed. 0 for NULL and in a child. */
WEIR_PUBLIC weir_epoch weir_epoch_now(struct weir_registry *registry);

/*
 * Whether every batch that was open at that weir_epoch_now() is closed. If so, ordered as in weir_defer().
 *   epoch  from weir_epoch_now(), of the same poll
 */
WEIR_PUBLIC bool weir_epoch_passed(struct weir_registry *registry, weir_epoch epoch);

/*
 * A guard is an open batch without an event, for a thread that follows other links than tokens to what weir_defer() frees: it
 * walks a list of all connections, say, while others take connections out. Inside, none that it meets is freed. Each thread
 * that reads makes one of its own.
 *
 * Makes a guard, which is not entered.
 * Ownership: the caller destroys *ret_guard. Errors: -EINVAL, -ECHILD, -ESHUTDOWN, -ENOMEM.
 */
WEIR_PUBLIC int weir_guard_create(struct weir_registry *registry, struct weir_guard **ret_guard);

/* Leaves the guard, and frees it. Also in a forked child. */
WEIR_PUBLIC void weir_guard_destroy(struct weir_guard *guard);

/*
 * Begins to read: what is deferred from now on, on any thread, waits for weir_guard_leave(). Also after weir_poll_destroy(). Do
 * not block inside, and do not wait for events: what others defer piles up.
 * Ordering: what a thread did before a weir_defer() whose function does not wait for this guard is visible: so a link that was
 * taken away before is not met. The links themselves are atomic, stored with release order and loaded with acquire order, or
 * under a lock that is held for each step.
 * Never allocates, or blocks for longer than another one's few instructions.
 * Errors: -EINVAL; -ECHILD; -EBUSY it is entered already.
 */
WEIR_PUBLIC int weir_guard_enter(struct weir_guard *guard);

/*
 * Ends the reading, on the thread that entered: deferred functions that waited for it alone run here, so call it without locks
 * that they take. Does nothing where it is not entered.
 */
WEIR_PUBLIC void weir_guard_leave(struct weir_guard *guard);

/* ---------------------------------------------------------------- events */

/*
 * Makes room for a batch. It may be used with one poll after another.
 *   capacity  how many events a batch holds at most; at least 1, which is right where a thread may block with the rest unread
 * Ownership: the caller destroys *ret_events. Errors: -EINVAL also for a capacity that epoll_wait(2) refuses; -ENOMEM.
 */
WEIR_PUBLIC int weir_events_create(unsigned capacity, struct weir_events **ret_events);

/* Closes the open batch as weir_events_clear() does, and frees the object. */
WEIR_PUBLIC void weir_events_destroy(struct weir_events *events);

/*
 * Takes the next event of the batch. False when there is none left, none is open, or the poll is destroyed. It runs no deferred
 * function, so it may be called under a lock, also under the one under which others deregister: see weir(7).
 * Threads: one at a time; the batch may be handed to another thread, which owns it from its first call of this on.
 */
WEIR_PUBLIC bool weir_events_next(struct weir_events *events, struct weir_event *ret_event);

/*
 * Takes several events of the batch: as if weir_events_next() were called until it returns false, or n times. For other
 * languages, and whoever feels the cost of a call for each. All of them are taken then: a weir_deregister() that returns after
 * that ends none of those in the array, and of a one-shot the caller owns each. So where other threads deregister, take one.
 *   ret_array  room for n events; behind those that were taken it is as it was
 *   n          how many fit
 * Returns how many were taken. Threads: as weir_events_next().
 */
WEIR_PUBLIC unsigned weir_events_take(struct weir_events *events, struct weir_event *ret_array, unsigned n);

/* Closes the batch: what was not read comes again in a later wait, and deferred functions that waited for it run. */
WEIR_PUBLIC void weir_events_clear(struct weir_events *events);

/*
 * Says how many events the waits to come may fetch into the object. Fewer from the kernel is cheaper than giving some back.
 *   limit  1 to the capacity, which it is at first
 * Errors: -EINVAL alone. Threads: as weir_events_next().
 */
WEIR_PUBLIC int weir_events_set_limit(struct weir_events *events, unsigned limit);

/*
 * Gives what was not read back to the poll: it comes in the next wait, before what is newer. The batch stays open, with nothing
 * left to read, and holds up what is deferred. So a thread that is busy with one event lets others begin the rest.
 * Returns how many were given back. Threads: as weir_events_next(); also one that does not own the batch.
 */
WEIR_PUBLIC unsigned weir_events_give_back(struct weir_events *events);

/* How many events fit. 0 for NULL. */
WEIR_PUBLIC unsigned weir_events_capacity(const struct weir_events *events);

/* Whether nothing is left to read. Threads: as weir_events_next(). */
WEIR_PUBLIC bool weir_events_is_empty(const struct weir_events *events);

/*
 * What an event says. False for NULL. At the end of a pipe or a terminal, when all is read, HUP comes alone: that is
 * closed, but not readable. ERR also tells of what is in a socket's error queue (time stamps, ICMP of UDP), which counts as
 * closed for writing, though it is not. So rather try the operation: a read of 0 bytes, or a write that fails, is the end.
 */
WEIR_PUBLIC bool weir_event_is_readable(const struct weir_event *event);     /* IN or PRI */
WEIR_PUBLIC bool weir_event_is_writable(const struct weir_event *event);     /* OUT */
WEIR_PUBLIC bool weir_event_is_priority(const struct weir_event *event);     /* PRI */
WEIR_PUBLIC bool weir_event_is_error(const struct weir_event *event);        /* ERR */
WEIR_PUBLIC bool weir_event_is_read_closed(const struct weir_event *event);  /* HUP, or IN with RDHUP */
WEIR_PUBLIC bool weir_event_is_write_closed(const struct weir_event *event); /* HUP, or OUT with ERR, or ERR alone */
WEIR_PUBLIC bool weir_event_is_half_closed(const struct weir_event *event);  /* RDHUP: the peer sends no more */
WEIR_PUBLIC bool weir_event_is_hung_up(const struct weir_event *event);      /* HUP: both sides, or no peer yet */
WEIR_PUBLIC bool weir_event_is_timeout(const struct weir_event *event);      /* the deadline has passed; bit 16 */
WEIR_PUBLIC bool weir_event_is_triggered(const struct weir_event *event);    /* the program has triggered it; bit 17 */

/* ---------------------------------------------------------------- wakers */

/*
 * Makes a waker: a way to make weir_poll_wait() return a (readable) event with this token from any thread. Any number
 * of them share the poll's one eventfd.
 * Ownership: the caller destroys *ret_waker. Errors: -ENOMEM.
 */
WEIR_PUBLIC int weir_waker_create(struct weir_registry *registry, weir_token token, struct weir_waker **ret_waker);

/*
 * Makes the current or the next wait return an event with the waker's token. Wakes coalesce until that event is taken
 * by weir_events_next(); one after that makes a new event. A wake that joins another one, still under way on a thread that
 * was interrupted in the middle of it, by a signal or for another thread, is seen when that one is. After the poll was
 * destroyed it wakes nobody (-ESHUTDOWN). Async-signal-safe; keeps errno.
 */
WEIR_PUBLIC int weir_waker_wake(struct weir_waker *waker);

/*
 * Sets the moment after which an event of the waker with weir_event_is_timeout() comes, as weir_set_deadline() does for a
 * descriptor; a wake that joins it adds readable.
 *   moment  0 or later; WEIR_NEVER for none
 * Errors: -EINVAL also for a moment below 0; -ENOMEM, at the first one only.
 */
WEIR_PUBLIC int weir_waker_set_deadline(struct weir_waker *waker, weir_time moment);

/*
 * Ends the waker and its deadline: no event of it is handed out after the return. No call may begin with the pointer
 * afterwards.
 */
WEIR_PUBLIC void weir_waker_destroy(struct weir_waker *waker);

/* ---------------------------------------------------------------- looking inside */

/* Figures of a registry. The first five are of now; the others count since the poll was made, and never go back. */
struct weir_stats {
        /* Descriptors registered. One that is merely closed counts until its number is deregistered, or registered anew. */
        uint64_t registered;
        /* Wakers that were created and not destroyed. */
        uint64_t wakers;
        /* Deadlines set: to come, or passed, and the event not handed out. */
        uint64_t deadlines;
        /* Batches open: fetched and not closed. Guards entered count as such. What is deferred waits for them. */
        uint64_t batches;
        /* The highest descriptor ever registered, plus 1. Each costs 32 bytes, in the pages that are in use. */
        uint64_t capacity;
        /* Waits that ended, whatever they returned; not those that were refused at once. */
        uint64_t waits;
        /* Events handed out, those of wakers included. */
        uint64_t events;
        /* Entries fetched and dropped, for their registration had gone; or it was about to begin, and they come again. */
        uint64_t stale;
        /* Events of wakers that were woken handed out. Wakes that coalesced are one. */
        uint64_t wakes;
        /* Events with weir_event_is_timeout() handed out. */
        uint64_t timeouts;
        /* Events with weir_event_is_triggered() handed out. Triggers that coalesced are one. */
        uint64_t triggers;
        /* Writes to the eventfd, a system call each: for a waiter that slept, an outer set, and the end of the poll. */
        uint64_t eventfd_writes;
        /* Events left unread in a batch that was closed, which come again without the kernel's help. */
        uint64_t requeued;
        /* Times the epoll set was made anew, to get rid of a level-triggered ghost. Costs two calls per registration. */
        uint64_t rebuilds;
};

/*
 * Fills *ret_stats. All of it is exact when no other call runs. Beside other calls no figure is torn, but each is of a
 * moment of its own. What is handed out, requeued, and stale in a batch is added when that batch is closed. Takes
 * time in proportion to capacity, and for an instant the lock that opens and closes batches: ask once in a while, not for
 * each event. All 0 for NULL and in a child.
 */
WEIR_PUBLIC void weir_registry_stats(struct weir_registry *registry, struct weir_stats *ret_stats);

/*
 * Writes a value as text for people, always terminated if size is not 0. Its form may change with each version.
 *   buffer  where the text goes; NULL if size is 0
 *   size    of the buffer, in bytes
 * Returns the length of the whole text, as snprintf(3) does. Errors: -EINVAL alone; a forked child may call them.
 */
WEIR_PUBLIC int weir_interest_format(weir_interest interest, char *buffer, size_t size);
WEIR_PUBLIC int weir_event_format(const struct weir_event *event, char *buffer, size_t size);

/*
 * Writes a table of what is registered as text for people, a line per descriptor: its token, its interest, of a one-shot
 * what is armed, the readiness that is kept until it can be handed out, and what is left of the time until its deadline. Its
 * form may change with each version. Other calls may run meanwhile: a line is of one moment, but for the token and the time,
 * which may be newer. Takes time in proportion to capacity, see weir_registry_stats().
 *   buffer  where the text goes, always terminated if size is not 0; NULL if size is 0
 *   size    of the buffer, in bytes
 * Returns the length of the whole text, as snprintf(3) does.
 */
WEIR_PUBLIC int weir_registry_format(struct weir_registry *registry, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
