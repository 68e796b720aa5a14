/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A thing that batches use while it is published, and whose end is deferred when it no longer is. The mark is relaxed,
 * as the generation of a slot is to the thread that compares it: that a batch opened after the defer sees it withdrawn
 * comes from the library alone.
 */

static struct payload withdrawn;
static _Atomic(int) published;
static _Atomic(int) ended;

static void publish(void) {
        weir_events_attach(events, registry);
        withdrawn.value = 7;
        atomic_store_explicit(&published, 1, memory_order_relaxed);
        atomic_store_explicit(&ended, 0, memory_order_relaxed);
}

static inline void begin_batch(struct weir_events *batch) {
        weir_events_open(batch, 0);
        if (atomic_load_explicit(&published, memory_order_relaxed))
                assert(withdrawn.value == 7);
}

static inline void use_in_batch(struct weir_events *batch) {
        begin_batch(batch);
        weir_events_clear(batch);
}

static void end_thing(struct weir_deferred *deferred) {
        assert(deferred == &withdrawn.deferred);
        withdrawn.value = 0;
        assert(atomic_fetch_add_explicit(&ended, 1, memory_order_relaxed) == 0);
}

static void withdraw(void) {
        atomic_store_explicit(&published, 0, memory_order_relaxed);
}

/* What threads do in several of the scenarios. */

static inline void *reads_once(void *unused) {
        (void)unused;
        use_in_batch(events);
        return NULL;
}

static inline void *begins_to_read(void *unused) {
        (void)unused;
        begin_batch(events);
        return NULL;
}

static inline void *withdraws(void *unused) {
        (void)unused;
        withdraw();
        weir_defer(registry, &withdrawn.deferred, end_thing);
        return NULL;
}

static inline void assert_ended(void) {
        assert(withdrawn.value == 0);
        assert(atomic_load_explicit(&ended, memory_order_relaxed) == 1);
}
