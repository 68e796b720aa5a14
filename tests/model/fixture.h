/* SPDX-License-Identifier: MIT */
#pragma once

/* What most scenarios begin and end with: a poll, its registry, and an events object. */

static struct weir_poll *poll;
static struct weir_registry *registry;
static struct weir_events *events;

static const struct timespec at_once;

/* What a token points to: plain memory, so that the checker reports a hand-out that nothing orders after the write. */
struct payload {
        struct weir_deferred deferred;
        int value;
};

static inline void open_poll(void) {
        assert(weir_poll_create(&poll) == 0);
        registry = weir_poll_registry(poll);
        assert(weir_events_create(MODEL_CAPACITY, &events) == 0);
}

static inline void open_guard(struct weir_guard **ret_guard) {
        model_expect_guard();
        assert(weir_guard_create(registry, ret_guard) == 0);
}

/* Looks first whether a waiter was left to sleep, which may be only if may_sleep says so. */
static inline void end_wait(bool may_sleep) {
        model_check_sleep(poll, may_sleep);
}

static inline void close_poll(void) {
        weir_events_destroy(events);
        weir_poll_destroy(poll);
        assert(model_core_is_freed());
}

static inline struct payload *payload_of(const struct weir_event *event) {
        return weir_token_ptr(event->token);
}

/* On the main thread, when all others have ended: takes all events there are, and returns how many bear the token. */
static inline unsigned take_rest(weir_token token) {
        struct weir_event event;
        unsigned count = 0;

        while (weir_poll_wait(poll, events, &at_once) > 0)
                while (weir_events_next(events, &event)) {
                        assert(event.token == token);
                        ++count;
                }
        return count;
}
