/* SPDX-License-Identifier: MIT */

/*
 * Batches from the reader's side. An object is CLOSED, or OPEN from the wait that filled it until the next wait into it,
 * weir_events_clear() or weir_events_destroy(); what was left unread then is latched in its slot and goes to the ready
 * queue. The filter is weir_slot_take(). Read weir_events_next() first.
 */

#include "events.h"

#include "deadline.h"
#include "oneshot.h"
#include "run.h"

#include <limits.h>

/* How far ahead the slot of an entry is brought into the cache. */
#define PREFETCH 16

static size_t size_of(unsigned capacity) {
        return sizeof(struct weir_events) + capacity * sizeof(struct epoll_event);
}

int weir_events_create(unsigned capacity, struct weir_events **ret_events) {
        struct weir_events *events;

        if (!ret_events || !capacity || capacity > INT_MAX / sizeof(struct epoll_event))
                return -EINVAL;
        events = weir_sys_alloc(size_of(capacity));
        if (!events)
                return -ENOMEM;
        events->capacity = events->limit = capacity;
        *ret_events = events;
        return 0;
}

int weir_events_set_limit(struct weir_events *events, unsigned limit) {
        if (!events || !limit || limit > events->capacity)
                return -EINVAL;
        events->limit = limit;
        return 0;
}

void weir_events_attach(struct weir_events *events, struct weir_registry *core) {
        struct weir_registry *former = events->core;

        if (former == core)
                return;
        if (core)
                weir_core_ref(core);
        events->core = core;
        if (former)
                weir_core_unref(former);
}

bool weir_events_open(struct weir_events *events, unsigned count) {
        struct weir_counts *counts = &events->counts;

        events->count = count;
        events->cursor = 0;
        counts->events = counts->stale = counts->wakes = counts->requeued = counts->timeouts = counts->triggers = 0;
        return weir_epochs_open(&events->core->epochs, &events->batch);
}

/* What was fetched and not read must come again, and before what is newer. */
static void requeue(struct weir_events *events) {
        for (; events->cursor < events->count; ++events->cursor) {
                const struct epoll_event *entry = &events->entries[events->cursor];
                struct weir_slot *slot = weir_core_slot(events->core, entry->data.u64);

                if (slot && weir_slot_offer(slot, entry->data.u64, entry->events)) {
                        ++events->counts.requeued;
                        weir_core_push_unread(events->core, slot);
                }
        }
}

void weir_events_clear(struct weir_events *events) {
        struct weir_deferred_list due = { NULL, NULL };
        struct weir_registry *core;
        int life;

        if (!events || !weir_events_is_open(events))
                return;
        life = weir_core_check(events->core);
        if (life == 0)
                requeue(events);
        events->count = events->cursor;
        if (life == -ECHILD) {
                events->batch.number = 0; /* the lists are the parent's, and may have been caught half changed */
                return;
        }
        core = events->core;
        weir_epochs_close(&core->epochs, &events->batch, &events->counts, &due);
        /* The functions may destroy the object. */
        weir_run_due(core, &due);
}

unsigned weir_events_give_back(struct weir_events *events) {
        uint64_t requeued;

        if (!events || !weir_events_is_open(events) || weir_core_check(events->core) < 0)
                return 0;
        requeued = events->counts.requeued;
        requeue(events);
        return (unsigned)(events->counts.requeued - requeued);
}

void weir_events_destroy(struct weir_events *events) {
        if (!events)
                return;
        /* A function that runs because of the close may fill the object again. */
        while (weir_events_is_open(events))
                weir_events_clear(events);
        weir_events_attach(events, NULL);
        weir_sys_free(events, size_of(events->capacity));
}

static void count_event(struct weir_events *events, uint64_t data, uint32_t readiness) {
        ++events->counts.events;
        events->counts.wakes += data & DATA_WAKER && readiness & EPOLLIN;
        events->counts.timeouts += !!(readiness & WEIR_TIMEOUT);
        events->counts.triggers += !!(readiness & WEIR_TRIGGERED);
}

/* weir_slot_take(), with the timeout that is due, if one is. */
static enum weir_verdict take_entry(struct weir_registry *core, struct weir_slot *slot, const struct epoll_event *entry,
                                    struct weir_event *ret_event) {
        uint64_t data = entry->data.u64;
        struct weir_claim claim;
        enum weir_verdict verdict = weir_slot_take(slot, data, entry->events, NULL, ret_event);

        while (verdict == WEIR_TIMED) {
                bool claimed = weir_deadline_claim(core, slot, &claim);

                verdict = weir_slot_take(slot, data, entry->events, claimed ? &claim : NULL, ret_event);
                if (claimed && !(verdict == WEIR_STANDS && ret_event->readiness & WEIR_TIMEOUT))
                        weir_deadline_unclaim(core, slot, &claim);
        }
        return verdict;
}

/* What comes next, whatever it is. Never inlined: the registers it saves would cost every plain event. */
static __attribute__((noinline)) bool next_of_any_kind(struct weir_events *events, struct weir_event *ret_event) {
        if (!events || !ret_event)
                return false;
        /* A closed batch has nothing left to read. */
        if (events->cursor == events->count || weir_core_check(events->core) < 0)
                return false;
        /* relaxed: as in weir_epochs_open() */
        atomic_store_explicit(&events->batch.owner, weir_thread ? weir_thread : weir_thread_begin(),
                              memory_order_relaxed);
        while (events->cursor < events->count) {
                const struct epoll_event *entry = &events->entries[events->cursor++];
                uint64_t data = entry->data.u64;
                struct weir_slot *slot = weir_core_slot(events->core, data);
                enum weir_verdict verdict;

                if (!slot)
                        continue;
                verdict = take_entry(events->core, slot, entry, ret_event);
                if (verdict == WEIR_STANDS) {
                        count_event(events, data, ret_event->readiness);
                        WEIR_PROBE(4, event, events->core, (int)slot->name, ret_event->token, ret_event->readiness);
                        return true;
                }
                if (verdict == WEIR_AGAIN)
                        weir_oneshot_hush(events->core, slot, data);
                if (verdict == WEIR_STALE) {
                        ++events->counts.stale;
                        WEIR_PROBE(3, stale, events->core, (int)(data & (DATA_WAKER | DATA_INDEX)), entry->events);
                }
        }
        return false;
}

/*
 * What most entries are: plain, of a poll that is alive, read by the thread that read the one before. It calls nothing, so that
 * it saves no register. The slot of one that follows is brought into the cache: with many descriptors it is not there.
 */
static inline bool next_plain(struct weir_events *events, struct weir_event *ret_event) {
        const struct epoll_event *entry;
        struct weir_slot *slot;

        /* relaxed: if it is this thread, this thread wrote it */
        if (!events || !ret_event || events->cursor == events->count ||
            atomic_load_explicit(&events->batch.owner, memory_order_relaxed) != weir_thread ||
            !weir_core_is_alive(events->core))
                return false;
        entry = &events->entries[events->cursor];
        if (events->count - events->cursor > PREFETCH)
                __builtin_prefetch(weir_table_find(&events->core->fds, entry[PREFETCH].data.u64 & DATA_INDEX), 1);
        slot = weir_table_find(&events->core->fds, entry->data.u64 & DATA_INDEX);
        /* A waker's entry has no events: what is found for it here is not looked at. */
        if (!entry->events || !slot || !weir_slot_take_plain(slot, entry->data.u64, entry->events, ret_event))
                return false;
        ++events->cursor;
        ++events->counts.events;
        WEIR_PROBE(4, event, events->core, (int)slot->name, ret_event->token, ret_event->readiness);
        return true;
}

static inline bool take_next(struct weir_events *events, struct weir_event *ret_event) {
        return __builtin_expect(next_plain(events, ret_event), 1) || next_of_any_kind(events, ret_event);
}

bool weir_events_next(struct weir_events *events, struct weir_event *ret_event) {
        return take_next(events, ret_event);
}

unsigned weir_events_take(struct weir_events *events, struct weir_event *ret_array, unsigned n) {
        unsigned count = 0;

        while (ret_array && count < n && take_next(events, &ret_array[count]))
                ++count;
        return count;
}

unsigned weir_events_capacity(const struct weir_events *events) {
        return events ? events->capacity : 0;
}

bool weir_events_is_empty(const struct weir_events *events) {
        return !events || !weir_events_is_open(events) || events->cursor == events->count ||
               weir_core_check(events->core) < 0;
}

/* ---------------------------------------------------------------- one event */

#define OF_EPOLL UINT32_C(0xffff)

bool weir_event_is_readable(const struct weir_event *event) {
        return event && event->readiness & (EPOLLIN | EPOLLPRI);
}

bool weir_event_is_writable(const struct weir_event *event) {
        return event && event->readiness & EPOLLOUT;
}

bool weir_event_is_priority(const struct weir_event *event) {
        return event && event->readiness & EPOLLPRI;
}

bool weir_event_is_error(const struct weir_event *event) {
        return event && event->readiness & EPOLLERR;
}

bool weir_event_is_read_closed(const struct weir_event *event) {
        return event && (event->readiness & EPOLLHUP || (event->readiness & EPOLLIN && event->readiness & EPOLLRDHUP));
}

bool weir_event_is_write_closed(const struct weir_event *event) {
        return event && (event->readiness & EPOLLHUP ||
                         (event->readiness & EPOLLERR &&
                          (event->readiness & EPOLLOUT || (event->readiness & OF_EPOLL) == EPOLLERR)));
}

bool weir_event_is_half_closed(const struct weir_event *event) {
        return event && event->readiness & EPOLLRDHUP;
}

bool weir_event_is_hung_up(const struct weir_event *event) {
        return event && event->readiness & EPOLLHUP;
}

bool weir_event_is_timeout(const struct weir_event *event) {
        return event && event->readiness & WEIR_TIMEOUT;
}

bool weir_event_is_triggered(const struct weir_event *event) {
        return event && event->readiness & WEIR_TRIGGERED;
}

weir_token weir_ptr_token(const void *ptr) {
        return (uintptr_t)ptr;
}

void *weir_token_ptr(weir_token token) {
        return (void *)(uintptr_t)token;
}
