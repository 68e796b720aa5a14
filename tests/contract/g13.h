/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_CONTRACT_G13_H
#define WEIR_TESTS_CONTRACT_G13_H

/* What the cases of deadlines and triggers share. */

#include "../support.h"

#define MS        INT64_C(1000000)
#define TIMEOUT   (UINT32_C(1) << 16)
#define TRIGGERED (UINT32_C(1) << 17)

/* A moment that has passed whatever the clock says. */
#define PASSED INT64_C(0)

static inline weir_time in_ms(int64_t ms) {
        return weir_now() + ms * MS;
}

/* One that does not come while a case runs. */
static inline weir_time far_off(void) {
        return in_ms(3600 * 1000);
}

/* The main thread asserts: the next wait hands out this token with these bits, and nothing else. */
static inline void expect_bits(struct fixture *fx, weir_token token, uint32_t bits) {
        struct weir_event event = expect_one(fx, token);

        assert_int_equal(event.readiness, bits);
        assert_int_equal(weir_event_is_timeout(&event), !!(bits & TIMEOUT));
        assert_int_equal(weir_event_is_triggered(&event), !!(bits & TRIGGERED));
}

static inline void expect_timeout(struct fixture *fx, weir_token token) {
        expect_bits(fx, token, TIMEOUT);
}

static inline void expect_trigger(struct fixture *fx, weir_token token) {
        expect_bits(fx, token, TRIGGERED);
}

/* The main thread asserts: the open batch hands out this token with these bits next. */
static inline void take_bits(struct fixture *fx, weir_token token, uint32_t bits) {
        struct weir_event event = { 0 };

        assert_true(weir_events_next(fx->events, &event));
        assert_int_equal(event.token, token);
        assert_int_equal(event.readiness, bits);
}

#endif
