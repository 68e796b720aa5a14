/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_UNIT_REACTOR_WORDS_H
#define WEIR_TESTS_UNIT_REACTOR_WORDS_H

/* Short names for the fields of a slot's word, and slots that are made by hand. The includer has cmocka. */

#include "queue.h"
#include "slot.h"

#define GEN(n)      ((uint64_t)(n)*SLOT_GENERATION)
#define TURN(n)     ((uint64_t)(n)*SLOT_TURN)
#define ASKED(d)    ((uint64_t)(d) << SLOT_ASKED_SHIFT)
#define ARMED(d)    (SLOT_ARMED | (uint64_t)(d) << SLOT_ARMED_SHIFT)
#define BELOW_GEN   (SLOT_GENERATION - 1)
#define BELOW_TURN  (SLOT_TURN - 1)
#define READY_RDHUP UINT64_C(0x20)
#define EDGE(d)     (SLOT_REGISTERED | SLOT_EDGE | ASKED(d))
#define LEVEL(d)    (SLOT_REGISTERED | SLOT_LEVEL | ASKED(d))
#define ONESHOT(d)  (SLOT_REGISTERED | SLOT_ONESHOT | ASKED(d) | ARMED(d))
#define OWNED(d)    (SLOT_REGISTERED | SLOT_ONESHOT | ASKED(d))
#define FIRED(d)    ((uint64_t)(d) << SLOT_ARMED_SHIFT) /* what it was armed for when its event was taken */
#define WAKER       (SLOT_REGISTERED | SLOT_WAKER)
#define INOUT       (EPOLLIN | EPOLLOUT)
#define TOKEN       UINT64_C(0x0123456789abcdef)
#define NAME        UINT32_C(9)

/* A life for slots that belong to no core. */
static __attribute__((unused)) struct weir_life life = { 1, 1, 1 };

static inline struct weir_slot slot_with(uint64_t word) {
        struct weir_slot slot = { .name = NAME };

        atomic_init(&slot.word, word);
        atomic_init(&slot.token, TOKEN);
        return slot;
}

static inline bool queue_is_empty(struct weir_queue *queue) {
        return !(atomic_load(&queue->head) & ~QUEUE_FLAGS);
}

#define assert_word(slot, expected) assert_int_equal(atomic_load(&(slot)->word), expected)

#endif
