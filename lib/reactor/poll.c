/* SPDX-License-Identifier: MIT */

/*
 * The poll: its making and end, and the wait. One thread at a time holds the role and fills a batch from two sources: the
 * kernel, and the ready queue. Each gets the first place every other time, so neither starves the other. What the kernel
 * reports is looked at until the first entry that stands; a fetch in which none does is not shown to the caller.
 * Read weir_poll_wait(), then fill().
 */

#include "poll.h"

#include "events.h"
#include "sets.h"

#define NS_PER_S INT64_C(1000000000)

/* ---------------------------------------------------------------- making and end */

int weir_poll_create(struct weir_poll **ret_poll) {
        struct weir_registry *core;
        int r;

        if (!ret_poll)
                return -EINVAL;
        r = weir_core_create(sizeof **ret_poll, &core);
        if (r < 0)
                return r;
        r = weir_sets_watch_eventfd(core, weir_sets_current(core));
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
                atomic_store_explicit(core->life, LIFE_SHUT, memory_order_relaxed);
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

/* Takes from the ready queue what may be handed out. Returns how many entries were filled. */
static unsigned fill_from_queue(struct weir_poll *poll, struct epoll_event *entries, unsigned capacity) {
        struct weir_slot *slot = weir_queue_take(&poll->core.queue);
        unsigned count = 0;

        if (slot) {
                if (poll->pending)
                        poll->last_pending->next = slot;
                else
                        poll->pending = slot;
                while (slot->next)
                        slot = slot->next;
                poll->last_pending = slot;
        }
        while (poll->pending && count < capacity) {
                uint64_t data;

                slot = poll->pending;
                poll->pending = slot->next;
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

/* What a round of the wait found out besides its entries. */
struct round {
        bool full;  /* the kernel may have more */
        bool ghost; /* a ghost showed itself */
};

/*
 * Both sets, after a rebuild that could not be finished. A ghost is in the older one: no sleep is possible then, see
 * wait_for_batch(). Apart from fill(), so that nothing but the call of the kernel stands between that and its caller.
 */
static __attribute__((cold, noinline)) int fetch_from_both(struct weir_poll *poll, struct epoll_event *entries,
                                                           unsigned capacity) {
        int current = weir_sets_current(&poll->core), older = weir_sets_older(&poll->core), first, second;

        poll->older_first = !poll->older_first;
        first = weir_sys_epoll_wait(poll->older_first ? older : current, entries, capacity, 0);
        if (first < 0 || (unsigned)first == capacity)
                return first;
        second = weir_sys_epoll_wait(poll->older_first ? current : older, entries + first, capacity - (unsigned)first,
                                     0);
        return second > 0 ? first + second : first;
}

/* Takes out what need not be handed out: the mark of the eventfd, and entries until the first that stands. Returns the rest. */
static unsigned sift(struct weir_poll *poll, struct epoll_event *entries, unsigned count, struct round *round) {
        count = drop_marks(entries, count);
        while (count) {
                uint64_t data = entries[0].data.u64;
                struct weir_slot *slot = weir_core_slot(&poll->core, data);

                if (slot && weir_slot_peek(slot, data, entries[0].events, &round->ghost))
                        break;
                if (slot && weir_slot_is_stale(slot, data)) {
                        weir_poll_count(&poll->stale);
                        WEIR_PROBE(3, stale, poll, (int)(data & (DATA_WAKER | DATA_INDEX)), entries[0].events);
                }
                --count;
                set_entry(&entries[0], entries[count].events, entries[count].data.u64);
        }
        return count;
}

/* One round: sleeps no longer than timeout, and fills the entries. Returns how many, or a negative errno. */
static int fill(struct weir_poll *poll, struct weir_events *events, int64_t timeout, struct round *round) {
        struct weir_queue *queue = &poll->core.queue;
        bool queue_first = poll->queue_first;
        unsigned count = 0;
        int r = 0;

        if (queue_first)
                count = fill_from_queue(poll, events->entries, events->capacity);
        if (count < events->capacity) {
                bool at_hand = count || poll->pending;
                bool sleep = timeout && !at_hand && weir_queue_park(queue);
                unsigned room = events->capacity - count;

                WEIR_YIELD();
                if (__builtin_expect(weir_sets_older(&poll->core) < 0, 1))
                        r = weir_sys_epoll_wait(weir_sets_current(&poll->core), events->entries + count, room,
                                                sleep ? timeout : 0);
                else
                        r = fetch_from_both(poll, events->entries + count, room);
                if (r > 0) {
                        round->full = (unsigned)r == room;
                        r = (int)sift(poll, events->entries + count, (unsigned)r, round);
                        count += (unsigned)r;
                }
        }
        /* Also when there is no room: from now on a wake needs no system call. */
        count += fill_from_queue(poll, events->entries + count, events->capacity - count);
        poll->queue_first = !queue_first && poll->pending;
        return count ? (int)count : r;
}

static int64_t deadline_of(int64_t timeout) {
        int64_t now = weir_sys_now();

        return timeout < WEIR_FOREVER - now ? now + timeout : WEIR_FOREVER;
}

static int wait_for_batch(struct weir_poll *poll, struct weir_events *events, int64_t timeout) {
        struct weir_registry *core = &poll->core;
        bool timed = timeout != 0 && timeout != WEIR_FOREVER;
        int64_t deadline = timed ? deadline_of(timeout) : 0;

        for (;;) {
                struct round round;
                bool again;
                int r;

                round.full = round.ghost = false;
                r = fill(poll, events, timeout, &round);
                /* A signal handler may have forked in the sleep. */
                if (weir_core_is_forked(core))
                        return -ECHILD;
                again = round.full;
                if ((round.ghost || weir_sets_older(core) >= 0) && !weir_sets_rebuild(core)) {
                        /* For lack of memory or descriptors the ghost stays, and no sleep is possible: do not spin. */
                        if (r == 0 && timeout != 0)
                                r = weir_sys_nap();
                        again = false;
                }
                /* Also when the poll was destroyed before the fetch: that did not sleep then, weir_queue_park(). */
                if (weir_queue_is_shut(&core->queue))
                        return -ESHUTDOWN;
                if (r > 0)
                        weir_events_open(events, (unsigned)r);
                if (r != 0)
                        return r;
                if (timed) {
                        int64_t now = weir_sys_now();

                        timeout = now < deadline ? deadline - now : 0;
                }
                if (timeout == 0 && !again)
                        return 0;
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

static void leave(struct weir_poll *poll) {
        struct weir_registry *core = &poll->core;
        uint32_t role;

        /* What was left of the queue must keep an outer set awake: the edge that announced it may be spent. Not a parent's. */
        if (poll->pending && weir_queue_is_nested(&core->queue) && !weir_core_is_forked(core))
                weir_core_signal(core);
        WEIR_YIELD();
        /* PAIR(role): the next waiter sees what this one left; a destroyer, see weir_poll_destroy(). */
        role = atomic_fetch_and_explicit(&poll->role, ~ROLE_HELD, memory_order_acq_rel);
        if (role & ROLE_GONE)
                weir_core_unref(core);
}

int weir_poll_wait(struct weir_poll *poll, struct weir_events *events, const struct timespec *timeout) {
        uint32_t role = 0;
        int64_t ns;
        int r;

        if (!poll || !events || !nanoseconds(timeout, &ns))
                return -EINVAL;
        r = weir_core_check(&poll->core);
        if (r < 0)
                return r;
        /* PAIR(role): leave() of the former waiter. */
        if (!atomic_compare_exchange_strong_explicit(&poll->role, &role, ROLE_HELD, memory_order_acquire,
                                                     memory_order_relaxed))
                return role & ROLE_GONE ? -ESHUTDOWN : -EBUSY;

        WEIR_PROBE(2, wait_begin, poll, ns);
        /* A function that runs because of the close may fill the object again, and may fork. */
        while (r == 0 && weir_events_is_open(events)) {
                weir_events_clear(events);
                r = weir_core_is_forked(&poll->core) ? -ECHILD : 0;
        }
        if (r == 0) {
                weir_events_attach(events, &poll->core);
                r = wait_for_batch(poll, events, ns);
        }
        weir_poll_count(&poll->waits);
        WEIR_PROBE(2, wait_return, poll, r);
        leave(poll);
        return r;
}

/* ---------------------------------------------------------------- nesting */

int weir_poll_fd(struct weir_poll *poll) {
        return weir_registry_fd(weir_poll_registry(poll));
}
