/* SPDX-License-Identifier: MIT */

/* The small lock: see mutex.h. */

#include "mutex.h"

#define LOCK_LOCKED    UINT32_C(1)
#define LOCK_CONTENDED UINT32_C(2)

void weir_unlocked(struct weir_life *life) {
        /* PAIR(unlocks): comes after the unlock. */
        atomic_fetch_add_explicit(&life->unlocks, 1, memory_order_release);
        weir_sys_futex_wake_all(&life->unlocks);
}

bool weir_lock(struct weir_life *life, struct weir_lock *lock) {
        uint32_t unlocks;

        WEIR_YIELD();
        /* PAIR(small): the former holder, with all it did. */
        while (atomic_fetch_or_explicit(&lock->word, LOCK_LOCKED, memory_order_acquire) & LOCK_LOCKED) {
                /* relaxed: a child is a copy; its page reads 0 */
                if (!atomic_load_explicit(&life->state, memory_order_relaxed))
                        return false;
                /* PAIR(unlocks): before the mark, so it is not that of an unlock which sees the mark. */
                unlocks = atomic_load_explicit(&life->unlocks, memory_order_acquire);
                /* relaxed: the unlock comes later in the order of this word and sees the mark, or came before */
                if (atomic_fetch_or_explicit(&lock->word, LOCK_CONTENDED, memory_order_relaxed) & LOCK_LOCKED)
                        weir_sys_futex_wait(&life->unlocks, unlocks, WEIR_FOREVER);
        }
        return true;
}

void weir_unlock(struct weir_life *life, struct weir_lock *lock) {
        WEIR_YIELD();
        /* PAIR(small): the next holder. */
        if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) & LOCK_CONTENDED)
                weir_unlocked(life);
}
