/* SPDX-License-Identifier: MIT */

/*
 * The poll: its making and end, and the wait. One thread at a time holds the role and fills a batch: first with what was left
 * unread in batches before, then from the ready queue and the kernel, of which each comes first where the other one filled the
 * batch before. What the kernel reports is looked at until the first entry that stands; a fetch in which none does is not shown
 * to the caller. Read weir_poll_wait(), then fill().
 */

#include "poll.h"

#include "deadline.h"
#include "events.h"
#include "oneshot.h"
#include "sets.h"

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* ---------------------------------------------------------------- making and end */

int weir_poll_create(struct weir_poll **ret_poll) {
        struct weir_registry *core;
        int r;

        if (!ret_poll)
                return -EINVAL;
        r = weir_core_create(sizeof **ret_poll, &core);
        if (r < 0)
                return r;
        r = weir_sets_watch_eventfd(core, core->set);
        if (r < 0) {
                weir_core_unref(core);
                return r;
        }
        *ret_poll = weir_poll_of(core);
        return 0;
}

struct weir_registry *weir_poll_registry(struct weir_poll *poll) {
        return poll ? &poll->core : NULL;
}

void weir_poll_destroy(struct weir_poll *poll) {
        struct weir_registry *core = weir_poll_registry(poll);
        uint32_t role;

        if (!core)
                return;
        if (!weir_core_is_forked(core)) {
                /* relaxed: who must see it synchronizes with the caller */
                atomic_store_explicit(&core->life->state, LIFE_SHUT, memory_order_relaxed);
                weir_queue_shut(&core->queue);
                weir_core_signal(core);
                WEIR_YIELD();
                /*
                 * PAIR(role): the waiter that clears HELD finds GONE and all that this did, or this finds HELD cleared. What the
                 * waiter did then comes before the end by the reference that its events object holds.
                 */
                role = atomic_fetch_or_explicit(&poll->role, ROLE_GONE, memory_order_release);
                if (role & ROLE_HELD)
                        return;
        }
        weir_core_unref(core);
}

/* ---------------------------------------------------------------- the wait */

static void set_entry(struct epoll_event *entry, uint32_t events, uint64_t data) {
        entry->events = events;
        entry->data.u64 = data;
}

/* A deadline that was moved, or is gone, ends no wait: takes the bit of such a timeout out. */
static void settle(struct weir_registry *core, struct weir_slot *slot) {
        /* relaxed: a hint */
        if (atomic_load_explicit(&slot->word, memory_order_relaxed) & SLOT_TIMEOUT)
                weir_deadline_settle(core, slot);
}

/* Fills entries from a list, as long as there is room. Returns how many. */
static unsigned fill_from(struct weir_registry *core, struct weir_ready_list *list, struct epoll_event *entries,
                          unsigned capacity) {
        unsigned count = 0;

        while (list->first && count < capacity) {
                struct weir_slot *slot = weir_ready_list_pop(list);
                uint64_t data;

                settle(core, slot);
                data = weir_slot_unlink(slot); /* from here on it may be linked again */

                if (data)
                        set_entry(&entries[count++], 0, data);
        }
        return count;
}

/* Takes the mark of the eventfd out. Returns how many entries are left. */
static unsigned drop_marks(struct epoll_event *entries, unsigned count) {
        for (unsigned i = 0; i < count;) {
                if (entries[i].data.u64 != DATA_EVENTFD) {
                        ++i;
                        continue;
                }
                --count;
                set_entry(&entries[i], entries[count].events, entries[count].data.u64);
        }
        return count;
}

/*
 * What a wait has found out so far, besides its entries. The kernel brings level-triggered entries in turn, and with little room
 * one at a time: who drops them all must know when the turn is over. It is when one comes again that was remembered; that is
 * another one after each twice as many, for a remembered one may come no more.
 */
struct finding {
        struct weir_slot *locked; /* of a level-triggered entry that was dropped in the last round */
        bool ghost;               /* one showed itself in the last round */
        bool full;                /* the kernel may have more than it gave in the last round */
        bool turned;              /* an entry that was dropped came again */
        uint64_t remembered;
        unsigned dropped, remember_at;
};

static void note_level(struct finding *finding, uint64_t data) {
        finding->turned |= data == finding->remembered;
        if (++finding->dropped >= finding->remember_at) {
                finding->remembered = data;
                finding->remember_at = 2 * finding->dropped;
        }
}

/* Deals with what is known of an entry. Returns whether it is to be handed out. */
static bool stands(struct weir_poll *poll, struct epoll_event *entry, struct finding *finding) {
        uint64_t data = entry->data.u64;
        struct weir_slot *slot = weir_core_slot(&poll->core, data);
        enum weir_verdict verdict;

        if (!slot)
                return false;
        settle(&poll->core, slot);
        verdict = weir_slot_peek(slot, data, entry->events);
        switch (verdict) {
        case WEIR_STANDS:
                return true;
        case WEIR_AGAIN:
                weir_oneshot_hush(&poll->core, slot, data);
                break;
        case WEIR_LOCKED:
                finding->locked = slot;
                break;
        case WEIR_GHOST:
        case WEIR_STALE:
                finding->ghost |= verdict == WEIR_GHOST;
                weir_poll_count(&poll->stale);
                WEIR_PROBE(3, stale, poll, (int)(data & (DATA_WAKER | DATA_INDEX)), entry->events);
                break;
        case WEIR_KEPT:
        case WEIR_TIMED:
                break;
        }
        if (data & DATA_LEVEL)
                note_level(finding, data);
        return false;
}

/* Takes out what need not be handed out: entries until the first that stands. Returns the rest. */
static unsigned sift(struct weir_poll *poll, struct epoll_event *entries, unsigned count, struct finding *finding) {
        while (count && !stands(poll, &entries[0], finding)) {
                --count;
                set_entry(&entries[0], entries[count].events, entries[count].data.u64);
        }
        return count;
}

/*
 * Takes out what an entry from the ready queue tells, too, which is in this batch or in another one that is open: a registration
 * does not speak twice. Returns the rest.
 */
static __attribute__((noinline)) unsigned join(struct weir_poll *poll, struct epoll_event *entries, unsigned count) {
        for (unsigned i = 0; i < count;) {
                uint64_t data = entries[i].data.u64;
                struct weir_slot *slot = weir_core_slot(&poll->core, data);

                if (!slot || !weir_slot_join(slot, data, entries[i].events)) {
                        ++i;
                        continue;
                }
                --count;
                set_entry(&entries[i], entries[count].events, entries[count].data.u64);
        }
        return count;
}

/* One round: sleeps no longer than timeout, and fills the entries. Returns how many, or a negative errno. */
static int fill(struct weir_poll *poll, struct weir_events *events, int64_t timeout, struct finding *finding) {
        struct weir_registry *core = &poll->core;
        struct weir_queue *queue = &core->queue;
        bool kernel_first = poll->kernel_first;
        unsigned count;
        int r = 0;

        finding->locked = NULL;
        finding->ghost = finding->full = false;
        weir_queue_take(queue, &poll->unread, &poll->newer);
        count = fill_from(core, &poll->unread, events->entries, events->limit);
        if (!kernel_first)
                count += fill_from(core, &poll->newer, events->entries + count, events->limit - count);
        if (count < events->limit) {
                unsigned room = events->limit - count;

                if (timeout && (count || poll->newer.first))
                        timeout = 0;
                if (timeout && weir_deadlines_are_used(core))
                        timeout = weir_deadlines_sleep(core, timeout);
                if (timeout && !weir_queue_park(queue))
                        timeout = 0;
                WEIR_YIELD();
                r = weir_sys_epoll_wait(core->set, events->entries + count, room, timeout, &poll->coarse);
                if (r > 0) {
                        unsigned fetched = (unsigned)r;

                        finding->full = fetched == room;
                        fetched = drop_marks(events->entries + count, fetched);
                        if (count)
                                fetched = join(poll, events->entries + count, fetched);
                        count += sift(poll, events->entries + count, fetched, finding);
                        r = 0;
                }
        }
        /* Also when there is no room: from now on a wake needs no system call. */
        weir_queue_take(queue, &poll->unread, &poll->newer);
        if (weir_deadlines_are_used(core)) {
                weir_deadlines_fetched(core, events->limit, &poll->newer);
                /* What is due may be of a slot that was pushed in between. */
                weir_queue_take(queue, &poll->unread, &poll->newer);
        }
        count += fill_from(core, &poll->unread, events->entries + count, events->limit - count);
        count += fill_from(core, &poll->newer, events->entries + count, events->limit - count);
        poll->kernel_first = !kernel_first && count == events->limit;
        return count ? (int)count : r;
}

/* The longest sleep for the sake of another thread's call. */
static int64_t a_while(int64_t timeout) {
        return timeout < NS_PER_MS ? timeout : NS_PER_MS;
}

/* Gets rid of a ghost. False: it stays for now; that is tried again, but not all the time. */
static bool cure(struct weir_poll *poll, int64_t timeout) {
        int64_t now = weir_sys_now();

        if (now < poll->cure_after)
                return false;
        if (weir_sets_rebuild(&poll->core, a_while(timeout)))
                return true;
        poll->cure_after = now + NS_PER_S;
        return false;
}

/*
 * Nothing was to be handed out, though there was something: sleeps for as long as a registration is being changed, or a while.
 * 0, or a negative errno.
 */
static int sleep_beside(struct weir_poll *poll, const struct finding *finding, int64_t timeout) {
        return finding->locked ? weir_slot_await(poll->core.life, finding->locked, a_while(timeout))
                               : weir_sys_nap(a_while(timeout));
}

/* Waits until the moment, or for WEIR_FOREVER, or, if timeout is 0, not at all. */
static int wait_for_batch(struct weir_poll *poll, struct weir_events *events, int64_t timeout, int64_t moment) {
        struct weir_registry *core = &poll->core;
        const struct finding nothing = { .remember_at = 1 };
        struct finding finding = nothing;

        for (;;) {
                bool spoilt;
                int r;

                if (weir_queue_take_interrupt(&core->queue))
                        return -EINTR;
                r = fill(poll, events, timeout, &finding);
                /* A signal handler may have forked in the sleep. */
                if (weir_core_is_forked(core))
                        return -ECHILD;
                /* Not beside what stands: a cure may end it, and a ghost costs no more than an entry then. */
                spoilt = r == 0 && finding.ghost && !cure(poll, timeout);
                /* Also when the poll was destroyed before the fetch: that did not sleep then, weir_queue_park(). */
                if (weir_queue_is_shut(&core->queue))
                        return -ESHUTDOWN;
                if (r > 0)
                        return weir_events_open(events, (unsigned)r) ? r : -ECHILD;
                if (r < 0)
                        return r;
                if (finding.full && !finding.turned)
                        continue;
                if (timeout != 0 && timeout != WEIR_FOREVER) {
                        int64_t now = weir_sys_now();

                        timeout = now < moment ? moment - now : 0;
                }
                if (timeout == 0)
                        return weir_queue_take_interrupt(&core->queue) ? -EINTR : 0;
                r = finding.locked || spoilt ? sleep_beside(poll, &finding, timeout) : 0;
                if (r < 0)
                        return r;
                finding = nothing;
        }
}

static bool nanoseconds(const struct timespec *timeout, int64_t *ret_ns) {
        int64_t seconds = timeout ? timeout->tv_sec : 0;

        *ret_ns = WEIR_FOREVER;
        if (!timeout)
                return true;
        if (seconds < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= NS_PER_S)
                return false;
        if (seconds < WEIR_FOREVER / NS_PER_S)
                *ret_ns = seconds * NS_PER_S + timeout->tv_nsec;
        return true;
}

static void finish_wait(struct weir_poll *poll) {
        struct weir_registry *core = &poll->core;

        /* What is left must keep an outer set awake: the edge that announced it may be spent. Not a parent's. */
        if (!weir_core_is_forked(core) && weir_queue_leave(&core->queue, poll->unread.first || poll->newer.first))
                weir_core_signal(core);
        if (weir_core_is_nested(core) && !weir_core_is_forked(core))
                weir_deadlines_announce(core);
}

static void leave(struct weir_poll *poll) {
        uint32_t role;

        WEIR_YIELD();
        /* PAIR(role): the next waiter sees what this one left; a destroyer, see weir_poll_destroy(). */
        role = atomic_fetch_and_explicit(&poll->role, ~(ROLE_HELD | ROLE_KEPT), memory_order_acq_rel);
        if (role & ROLE_GONE)
                weir_core_unref(&poll->core);
}

/* Takes the role, and adds to its bits. 0, or a negative errno: then nothing was touched. */
static int enter(struct weir_poll *poll, uint32_t add) {
        uint32_t role = 0;
        int r = weir_core_check(&poll->core);

        if (r < 0)
                return r;
        /* PAIR(role): leave() of the former waiter. */
        while (!atomic_compare_exchange_strong_explicit(&poll->role, &role, role | ROLE_HELD | add,
                                                        memory_order_acquire, memory_order_relaxed)) {
                if (role & ROLE_GONE)
                        return -ESHUTDOWN;
                if (role & ROLE_HELD)
                        return role & ROLE_KEPT && weir_epochs_owns_kept(&poll->core.epochs) ? -EDEADLK : -EBUSY;
        }
        return 0;
}

/* moment is looked at unless timeout is 0 or WEIR_FOREVER. */
static int wait_in_role(struct weir_poll *poll, struct weir_events *events, int64_t timeout, int64_t moment,
                        bool kept) {
        int r = 0;

        WEIR_PROBE(2, wait_begin, poll, timeout);
        weir_queue_enter(&poll->core.queue);
        /* A function that runs because of the close may fill the object again, and may fork. */
        while (r == 0 && weir_events_is_open(events)) {
                weir_events_clear(events);
                r = weir_core_is_forked(&poll->core) ? -ECHILD : 0;
        }
        if (r == 0) {
                weir_events_attach(events, &poll->core);
                events->batch.kept = kept;
                r = wait_for_batch(poll, events, timeout, moment);
        }
        weir_poll_count(&poll->waits);
        WEIR_PROBE(2, wait_return, poll, r);
        finish_wait(poll);
        return r;
}

/* The moment at which a timeout of as many nanoseconds ends. */
static int64_t moment_of(int64_t ns) {
        int64_t now = ns != 0 && ns != WEIR_FOREVER ? weir_sys_now() : 0;

        return ns < WEIR_FOREVER - now ? now + ns : WEIR_FOREVER;
}

int weir_poll_wait(struct weir_poll *poll, struct weir_events *events, const struct timespec *timeout) {
        int64_t ns;
        int r;

        if (!poll || !events || !nanoseconds(timeout, &ns))
                return -EINVAL;
        r = enter(poll, 0);
        if (r < 0)
                return r;
        r = wait_in_role(poll, events, ns, moment_of(ns), false);
        leave(poll);
        return r;
}

int weir_poll_wait_until(struct weir_poll *poll, struct weir_events *events, weir_time moment) {
        int64_t timeout = WEIR_FOREVER, now;
        int r;

        if (!poll || !events || moment < 0)
                return -EINVAL;
        r = enter(poll, 0);
        if (r < 0)
                return r;
        if (moment != WEIR_NEVER) {
                now = weir_sys_now();
                timeout = now < moment ? moment - now : 0;
        }
        r = wait_in_role(poll, events, timeout, moment, false);
        leave(poll);
        return r;
}

int weir_poll_interrupt(struct weir_poll *poll) {
        int r;

        if (!poll)
                return -EINVAL;
        r = weir_core_check(&poll->core);
        if (r < 0)
                return r;
        if (weir_queue_interrupt(&poll->core.queue))
                weir_core_signal(&poll->core);
        return 0;
}

/* ---------------------------------------------------------------- the role as an object */

static struct weir_poll *poll_of_role(struct weir_role *role) {
        return (struct weir_poll *)role;
}

int weir_role_create(struct weir_poll *poll, struct weir_role **ret_role) {
        int r;

        if (!poll || !ret_role)
                return -EINVAL;
        r = weir_core_check(&poll->core);
        if (r < 0)
                return r;
        /* relaxed: the bit alone counts; what waits leave to each other goes by HELD */
        if (atomic_fetch_or_explicit(&poll->role, ROLE_OBJECT, memory_order_relaxed) & ROLE_OBJECT)
                return -EBUSY;
        weir_core_ref(&poll->core);
        *ret_role = (struct weir_role *)poll;
        return 0;
}

static bool is_kept(struct weir_poll *poll) {
        /* relaxed: it is kept and left by whoever has the object, who orders that with the caller */
        return atomic_load_explicit(&poll->role, memory_order_relaxed) & ROLE_KEPT;
}

int weir_role_keep(struct weir_role *role) {
        struct weir_poll *poll = poll_of_role(role);
        int r;

        if (!role)
                return -EINVAL;
        r = weir_core_check(&poll->core);
        if (r < 0)
                return r;
        return is_kept(poll) ? 0 : enter(poll, ROLE_KEPT);
}

void weir_role_leave(struct weir_role *role) {
        struct weir_poll *poll = poll_of_role(role);

        if (!role || !is_kept(poll))
                return;
        if (!weir_core_is_forked(&poll->core))
                weir_queue_take_interrupt(&poll->core.queue);
        leave(poll);
}

int weir_role_wait(struct weir_role *role, struct weir_events *events, const struct timespec *timeout) {
        struct weir_poll *poll = poll_of_role(role);
        int64_t ns;
        int r;

        if (!role || !events || !nanoseconds(timeout, &ns))
                return -EINVAL;
        r = weir_core_check(&poll->core);
        if (r < 0)
                return r;
        return is_kept(poll) ? wait_in_role(poll, events, ns, moment_of(ns), true) : -EINVAL;
}

int weir_role_interrupt(struct weir_role *role) {
        return weir_poll_interrupt(poll_of_role(role));
}

void weir_role_destroy(struct weir_role *role) {
        struct weir_poll *poll = poll_of_role(role);

        if (!role)
                return;
        weir_role_leave(role);
        if (!weir_core_is_forked(&poll->core))
                /* relaxed: as in weir_role_create() */
                atomic_fetch_and_explicit(&poll->role, ~ROLE_OBJECT, memory_order_relaxed);
        weir_core_unref(&poll->core);
}

/* ---------------------------------------------------------------- nesting */

int weir_poll_fd(struct weir_poll *poll) {
        return weir_registry_fd(weir_poll_registry(poll));
}
