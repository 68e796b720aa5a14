/* SPDX-License-Identifier: MIT */

/*
 * The epoll set, the cure for level-triggered ghosts, and the descriptor for nesting. Read weir_sets_rebuild() first.
 *
 * A ghost is a registration in the kernel that no call can remove any more, see ghost.h. Its events are stale and dropped. An
 * edge-triggered one costs a look for each edge; a level-triggered one would end every sleep at once. It is proved by two
 * stale level events of a slot, see weir_slot_peek(). Then the waiter makes a new set and moves every registration.
 *
 * The number of the set never changes. The new one is made on a number of its own, the spare. From then on each registry call
 * changes both sets, the present one first; the waiter goes through the slots, one at a time under its lock, and adds to the
 * new set what stands; at the end one dup3(2) puts the new set on the set's number. If anything cannot be added, the spare is
 * given up, and nothing has changed. Each ADD looks at the descriptor afresh, so no readiness is lost; undrained edges may
 * come again. An exclusive registration may have been woken in the present set alone, so it gets an event that may be spurious.
 *
 * Afterwards both numbers are the same set, and stay open: a slow call of another thread may still name the spare one.
 *
 *   moving    NOT -- begin_move() --> MOVING -- end_move(), all were added: the new set is put on the number --> NOT
 *                                   |  -- end_move(), else: the spare becomes an eventfd -----------------> NOT
 *                                   +-- a call could not add --> GIVEN_UP -- end_move() ------------------> NOT
 *
 * Which registrations stand? The number may have been closed, and be a stranger by now. So after its ADD to the new set, an
 * ADD to the present one must fail with -EEXIST: then the number leads to a file that is registered there, and where that can
 * be a ghost's, ghost.h tells. Else the registration is over, and gets a new generation: a stranger that slipped in speaks
 * under the old one. If a second ADD to the new set succeeds, a stranger was there for a moment, and the move is given up.
 *
 * An outer set watches none of them but a third one that contains what there is, so it is not deafened.
 */

#include "sets.h"

#include "deadline.h"
#include "ghost.h"

int weir_sets_watch_eventfd(struct weir_registry *core, int set) {
        return weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, core->eventfd, EPOLLIN | (uint32_t)EPOLLET, DATA_EVENTFD);
}

uint32_t weir_sets_events(uint64_t word) {
        uint32_t events = (uint32_t)((word & SLOT_ASKED) >> SLOT_ASKED_SHIFT);

        /* Of a one-shot that the next rearm asks for, what is armed, and that but once. */
        if ((word & SLOT_MODE) == SLOT_ONESHOT && word & SLOT_ASK)
                events = (uint32_t)(word & SLOT_ARMED ? (word & SLOT_DIRECTIONS) >> SLOT_ARMED_SHIFT : 0) |
                         (uint32_t)EPOLLONESHOT;
        if (word & SLOT_EXCLUSIVE)
                events |= EPOLLEXCLUSIVE; /* which the kernel refuses together with EPOLLRDHUP */
        else if (events & EPOLLIN)
                events |= EPOLLRDHUP;
        return (word & SLOT_MODE) == SLOT_LEVEL ? events : events | (uint32_t)EPOLLET;
}

/* ---------------------------------------------------------------- while the registrations move */

static int spare_of(struct weir_registry *core) {
        /* relaxed: it is changed under nest_lock, by the waiter, and before moving is */
        return atomic_load_explicit(&core->spare, memory_order_relaxed);
}

/* Adds a registration, in the place of what is there of the same number and file. */
static int add_to(int set, int fd, uint64_t word) {
        int r = weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, fd, weir_sets_events(word), weir_sets_data(fd, word));

        if (r != -EEXIST)
                return r;
        (void)weir_sys_epoll_ctl(set, EPOLL_CTL_DEL, fd, 0, 0);
        return weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, fd, weir_sets_events(word), weir_sets_data(fd, word));
}

/*
 * Changes both sets. Under the lock, so that they do not change places in between; that may have happened before. What the new one
 * cannot take ends the move. What has not been moved yet will be as it is by then.
 */
static __attribute__((cold, noinline)) int change_both(struct weir_registry *core, int op, int fd, uint64_t word) {
        uint32_t events = weir_sets_events(word);
        uint64_t data = weir_sets_data(fd, word);
        int r;

        if (!weir_lock(core->life, &core->nest_lock))
                return -ECHILD;
        r = weir_sys_epoll_ctl(core->set, op, fd, events, data);
        /* relaxed, and below: under the lock */
        if (atomic_load_explicit(&core->moving, memory_order_relaxed) == MOVING) {
                if (op != EPOLL_CTL_ADD)
                        (void)weir_sys_epoll_ctl(spare_of(core), op, fd, events, data);
                else if (r >= 0 && add_to(spare_of(core), fd, word) < 0)
                        atomic_store_explicit(&core->moving, MOVING_GIVEN_UP, memory_order_relaxed);
        }
        weir_unlock(core->life, &core->nest_lock);
        return r;
}

void weir_sets_follow(struct weir_registry *core, int fd, uint64_t word) {
        int r;

        /* relaxed, and below: under the lock */
        if (atomic_load_explicit(&core->moving, memory_order_relaxed) != MOVING)
                return;
        r = weir_sys_epoll_ctl(spare_of(core), EPOLL_CTL_MOD, fd, weir_sets_events(word), weir_sets_data(fd, word));
        if (r < 0 && r != -ENOENT)
                atomic_store_explicit(&core->moving, MOVING_GIVEN_UP, memory_order_relaxed);
}

WEIR_INLINE int weir_sets_ctl(struct weir_registry *core, int op, int fd, uint64_t word) {
        int r;

        if (weir_sets_are_at(core, fd))
                return -EBADF; /* it was closed and is the poll's now */
        /*
         * PAIR(rebuild): sequentially consistent, see weir_slot_lock(). If the move has not begun, the waiter will meet the lock
         * before it ends. PAIR(moved): if it has ended, the number is the new set.
         */
        if (__builtin_expect(atomic_load_explicit(&core->moving, memory_order_seq_cst) != MOVING_NOT, 0))
                return change_both(core, op, fd, word);
        WEIR_YIELD();
        r = weir_sys_epoll_ctl(core->set, op, fd, weir_sets_events(word), weir_sets_data(fd, word));
        WEIR_YIELD();
        return r;
}

/* ---------------------------------------------------------------- the move */

/* Puts a new set on the spare number. */
static int make_spare(struct weir_registry *core) {
        int set = weir_sys_epoll_create(), spare = spare_of(core), r;

        if (set < 0)
                return set;
        r = weir_sets_watch_eventfd(core, set);
        if (r >= 0 && spare >= 0)
                r = weir_sys_replace(set, spare);
        if (r < 0 || spare >= 0)
                weir_sys_close(set);
        else
                /* relaxed: who uses it has seen that the registrations move */
                atomic_store_explicit(&core->spare, set, memory_order_relaxed);
        return r;
}

static int outer_of(struct weir_registry *core) {
        /* relaxed: under nest_lock, or a number the caller got from weir_poll_fd() */
        return atomic_load_explicit(&core->outer, memory_order_relaxed);
}

/* Has the outer set watch a set, or not any more. */
static int watch(struct weir_registry *core, int op, int set) {
        int r = outer_of(core) < 0 ? 0 : weir_sys_epoll_ctl(outer_of(core), op, set, EPOLLIN, 0);

        return r == -EEXIST ? 0 : r;
}

static bool begin_move(struct weir_registry *core) {
        int r;

        if (!weir_lock(core->life, &core->nest_lock))
                return false;
        r = watch(core, EPOLL_CTL_ADD, core->set);
        if (r >= 0) {
                /* By hand, for a forked child may keep a set open that is replaced here. */
                if (spare_of(core) >= 0)
                        (void)watch(core, EPOLL_CTL_DEL, spare_of(core));
                r = make_spare(core);
        }
        if (r >= 0)
                r = watch(core, EPOLL_CTL_ADD, spare_of(core));
        if (r >= 0)
                /*
                 * PAIR(rebuild): sequentially consistent, see weir_table_make() and weir_slot_lock(): who has changed the present
                 * set alone is met by the waiter, which now goes through the slots.
                 */
                atomic_store_explicit(&core->moving, MOVING, memory_order_seq_cst);
        weir_unlock(core->life, &core->nest_lock);
        return r >= 0;
}

static bool end_move(struct weir_registry *core, bool all) {
        int spare = spare_of(core);

        if (!weir_lock(core->life, &core->nest_lock))
                return false;
        /* relaxed: under the lock */
        all = all && atomic_load_explicit(&core->moving, memory_order_relaxed) == MOVING;
        if (all) {
                (void)watch(core, EPOLL_CTL_DEL, core->set);
                all = weir_sys_replace(spare, core->set) >= 0;
                if (watch(core, EPOLL_CTL_ADD, core->set) >= 0)
                        (void)watch(core, EPOLL_CTL_DEL, spare);
        }
        if (!all) {
                (void)watch(core, EPOLL_CTL_DEL, spare);
                (void)weir_sys_replace(core->eventfd, spare);
        }
        /* PAIR(moved): weir_sets_ctl() changes the set that is on the number now. */
        atomic_store_explicit(&core->moving, MOVING_NOT, memory_order_release);
        weir_unlock(core->life, &core->nest_lock);
        return all;
}

/* What an ADD to a set says of what the number leads to just now: -EEXIST if that is in the set. It is left as it was. */
static int ask_for(int set, int fd, uint64_t word) {
        int r = weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, fd, weir_sets_events(word), weir_sets_data(fd, word));

        if (r >= 0)
                (void)weir_sys_epoll_ctl(set, EPOLL_CTL_DEL, fd, 0, 0);
        return r;
}

/* What became of one registration. */
enum moved {
        MOVED,
        MOVED_NOT, /* for lack of room, or because it cannot be told what its number leads to */
        MOVED_OVER /* its number leads to something else */
};

/*
 * *word becomes that of the registration. First the ADD and then the proofs: what the number led to then, it leads to in the last
 * one, and the registration's own file in those before.
 */
static enum moved move_registration(struct weir_registry *core, struct weir_slot *slot, int fd, uint64_t *word) {
        bool haunted = weir_ghost_may_be_at(slot);
        uint64_t next = haunted ? *word + weir_slot_next_turn(*word) : *word;
        bool added = add_to(spare_of(core), fd, next) >= 0;

        WEIR_YIELD();
        if (ask_for(core->set, fd, *word) != -EEXIST)
                return MOVED_OVER;
        if (haunted) {
                int r = weir_ghost_modify(core, slot, fd, *word, next);

                if (r < 0)
                        return r == -EAGAIN ? MOVED_NOT : MOVED_OVER;
                *word = next;
        }
        WEIR_YIELD();
        /* Else the number led to something else when it was added, and is what is registered again. */
        return added && ask_for(spare_of(core), fd, next) == -EEXIST ? MOVED : MOVED_NOT;
}

/* Waits for a call that holds the slot, until the moment or for WEIR_FOREVER. False: it still does. */
static bool await(struct weir_registry *core, struct weir_slot *slot, int64_t moment) {
        /* relaxed: a hint; the lock decides */
        while (atomic_load_explicit(&slot->word, memory_order_relaxed) & SLOT_LOCKED) {
                int64_t left = moment == WEIR_FOREVER ? WEIR_FOREVER : moment - weir_sys_now();

                if (left <= 0 || weir_slot_await(core->life, slot, left) == -ECHILD)
                        return false;
        }
        return true;
}

/* False: the registrations cannot be moved. */
static bool move(struct weir_registry *core, struct weir_slot *slot, int fd, int64_t moment) {
        uint64_t former, word, ready = 0;
        enum moved moved;

        /* PAIR(rebuild): sequentially consistent, see weir_slot_lock(). Most slots are free, and are not written to. */
        word = atomic_load_explicit(&slot->word, memory_order_seq_cst);
        if (!(word & (SLOT_REGISTERED | SLOT_LOCKED)))
                return true;
        if (!await(core, slot, moment))
                return false;
        if (weir_slot_lock(core->life, slot, SLOT_REGISTERED, SLOT_REGISTERED, 0, 0, &word) < 0)
                return true;
        former = word;
        moved = move_registration(core, slot, fd, &word);
        if (moved == MOVED_OVER) {
                (void)weir_sys_epoll_ctl(spare_of(core), EPOLL_CTL_DEL, fd, 0, 0);
                weir_ghost_mark(core, slot);
                word = former + SLOT_WITHDRAWN;
        } else if (word & SLOT_EXCLUSIVE) {
                ready = (word & SLOT_ASKED) >> SLOT_ASKED_SHIFT;
        }
        if (weir_slot_unlock(core->life, slot, 0, ready, word - former))
                weir_core_push(core, slot);
        return moved != MOVED_NOT;
}

/* Moves one after another, until one cannot. */
static bool move_all(struct weir_registry *core, int64_t moment) {
        for (unsigned segment = 0; segment < WEIR_SEGMENTS; ++segment) {
                uint32_t size = weir_table_segment_size(segment);
                /* PAIR(rebuild): sequentially consistent, see weir_table_make(). */
                struct weir_slot *slots = atomic_load_explicit(&core->fds.segments[segment], memory_order_seq_cst);

                for (uint32_t i = 0; slots && i < size; ++i)
                        if (!move(core, &slots[i], (int)(size - weir_table_segment_size(0) + i), moment))
                                return false;
        }
        return true;
}

bool weir_sets_rebuild(struct weir_registry *core, int64_t patience) {
        int64_t moment = patience == WEIR_FOREVER ? WEIR_FOREVER : weir_sys_now() + patience;

        if (!weir_ghost_look(core) || !begin_move(core) || !end_move(core, move_all(core, moment)))
                return false;
        /* relaxed: a count */
        atomic_fetch_add_explicit(&core->rebuilds, 1, memory_order_relaxed);
        return true;
}

/* ---------------------------------------------------------------- nesting */

/* Makes a set that contains what there is, and a timer. 0 or a negative errno. */
static int fill_outer(struct weir_registry *core, int outer, int timer) {
        int r = weir_sys_epoll_ctl(outer, EPOLL_CTL_ADD, timer, EPOLLIN, 0);

        if (r >= 0)
                r = weir_sys_epoll_ctl(outer, EPOLL_CTL_ADD, core->set, EPOLLIN, 0);
        if (r >= 0 &&
            atomic_load_explicit(&core->moving, memory_order_relaxed) == MOVING) /* relaxed: under nest_lock */
                r = weir_sys_epoll_ctl(outer, EPOLL_CTL_ADD, spare_of(core), EPOLLIN, 0);
        return r;
}

static void begin_to_nest(struct weir_registry *core, int outer, int timer) {
        /* relaxed: who gets the number from the caller sees both; and weir_deadlines_announce() looks */
        atomic_store_explicit(&core->deadlines.timer, timer, memory_order_relaxed);
        atomic_store_explicit(&core->outer, outer, memory_order_relaxed);
        weir_deadlines_announce(core);
        /* What is in the queue already was not announced. */
        if (weir_queue_nest(&core->queue))
                weir_core_signal(core);
}

/* The set that contains what there is. Returns its descriptor or a negative errno. */
static int make_outer(struct weir_registry *core) {
        int timer = weir_sys_timer_create(), outer, r;

        if (timer < 0)
                return timer;
        outer = weir_sys_epoll_create();
        r = outer < 0 ? outer : fill_outer(core, outer, timer);
        if (r < 0) {
                if (outer >= 0)
                        weir_sys_close(outer);
                weir_sys_close(timer);
                return r;
        }
        begin_to_nest(core, outer, timer);
        return outer;
}

int weir_registry_fd(struct weir_registry *core) {
        int outer, r;

        if (!core)
                return -EINVAL;
        r = weir_core_check(core);
        /* The lock keeps the sets as they are: a waiter on another thread may be about to rebuild. */
        if (r == -ECHILD || !weir_lock(core->life, &core->nest_lock))
                return -ECHILD;
        outer = outer_of(core);
        /* What there is stays also after the end of the poll, until the core goes. */
        if (outer < 0)
                outer = r < 0 ? r : make_outer(core);
        weir_unlock(core->life, &core->nest_lock);
        return outer;
}
