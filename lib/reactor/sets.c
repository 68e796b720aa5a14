/* SPDX-License-Identifier: MIT */

/*
 * The cure for level-triggered ghosts, and the descriptor for nesting.
 *
 * A ghost is a registration in the kernel that no call can remove any more: its descriptor was closed while a duplicate
 * keeps the file open. Its events are stale and dropped. An edge-triggered one costs a look for each edge; a
 * level-triggered one would end every sleep at once. It is proved by two stale level events of a slot, the second of a fetch
 * that began after the call which ended the registration had done with the kernel (weir_slot_peek(), which looks only as far
 * as the first entry that stands: while others keep the waiter busy, a ghost costs no more than an entry). Then the waiter
 * makes a new set and moves every registration, one slot at a time under its lock:
 *
 *   ADD to the new set, DEL from the older one. The DEL proves that the number is still the file that was registered; if it
 *   fails, the user closed it, and what the ADD took was a stranger: it is put out again. Each ADD looks at the descriptor
 *   afresh, so no readiness is lost; undrained edges may come again. An exclusive registration may have been woken in the
 *   older set alone, so it gets an event that may be spurious.
 *
 * Other threads go on: a registration made meanwhile goes to the new set, one found in the older set is worked on there,
 * as the HOME bit of its slot says. What cannot be moved for lack of memory stays where it is, the waiter fetches from both
 * sets, and goes on moving at its next round.
 *
 * An outer set watches neither of them but a third one that contains what there is, so it is not deafened.
 */

#include "sets.h"

#include "registry.h"

int weir_sets_watch_eventfd(struct weir_registry *core, int set) {
        return weir_sys_epoll_ctl(set, EPOLL_CTL_ADD, core->eventfd, EPOLLIN | (uint32_t)EPOLLET, DATA_EVENTFD);
}

static int set_at(struct weir_registry *core, uint32_t home) {
        /* relaxed: only the waiter changes them, with nest_lock held; PAIR(role) brings it what the former one did */
        return atomic_load_explicit(&core->sets[home], memory_order_relaxed);
}

static uint32_t current_home(struct weir_registry *core) {
        /* relaxed: as in set_at() */
        return atomic_load_explicit(&core->home, memory_order_relaxed);
}

int weir_sets_current(struct weir_registry *core) {
        return set_at(core, current_home(core));
}

int weir_sets_older(struct weir_registry *core) {
        return set_at(core, !current_home(core));
}

static int outer_of(struct weir_registry *core) {
        /* relaxed: under nest_lock, or a number the caller got from weir_poll_fd() */
        return atomic_load_explicit(&core->outer, memory_order_relaxed);
}

/* Makes a new set current. */
static bool begin_rebuild(struct weir_registry *core) {
        uint32_t home = !current_home(core);
        int outer, set, r;

        set = weir_sys_epoll_create();
        if (set < 0)
                return false;
        pthread_mutex_lock(&core->nest_lock);
        outer = outer_of(core);
        r = weir_sets_watch_eventfd(core, set);
        if (r >= 0 && outer >= 0)
                r = weir_sys_epoll_ctl(outer, EPOLL_CTL_ADD, set, EPOLLIN, 0);
        if (r < 0)
                weir_sys_close(set);
        else {
                /* relaxed: the next step publishes it */
                atomic_store_explicit(&core->sets[home], set, memory_order_relaxed);
                /*
                 * PAIR(rebuild): sequentially consistent, see weir_table_make() and weir_slot_lock(). weir_registry_ctl() uses
                 * the set that the home names.
                 */
                atomic_store_explicit(&core->home, home, memory_order_seq_cst);
        }
        pthread_mutex_unlock(&core->nest_lock);
        return r >= 0;
}

static void end_rebuild(struct weir_registry *core) {
        int older = weir_sets_older(core);

        pthread_mutex_lock(&core->nest_lock);
        /* Removed by hand, for a forked child may keep the older set open. */
        if (outer_of(core) >= 0)
                (void)weir_sys_epoll_ctl(outer_of(core), EPOLL_CTL_DEL, older, 0, 0);
        /* relaxed: no slot names it any more */
        atomic_store_explicit(&core->sets[!current_home(core)], -1, memory_order_relaxed);
        pthread_mutex_unlock(&core->nest_lock);
        weir_sys_close(older);
}

/* Whether the set holds the registration: the kernel lets it be modified, and refuses that to an exclusive one alone. */
static bool is_there(struct weir_registry *core, int home, int fd, uint64_t word) {
        int r = weir_registry_ctl(core, home, EPOLL_CTL_MOD, fd, word & ~SLOT_EXCLUSIVE);

        return r >= 0 || r == -ENOMEM || (r == -EINVAL && word & SLOT_EXCLUSIVE);
}

/* False: the registration had to stay. */
static bool move(struct weir_registry *core, struct weir_slot *slot, int fd) {
        int newer = (int)current_home(core), older = !newer, r;
        uint64_t word, ready = 0;

        /* PAIR(rebuild): sequentially consistent, see weir_slot_lock(). Most slots are free, and are not written to. */
        word = atomic_load_explicit(&slot->word, memory_order_seq_cst);
        if (!(word & (SLOT_REGISTERED | SLOT_LOCKED)))
                return true;
        if (!weir_slot_lock(slot, SLOT_REGISTERED | SLOT_HOME, SLOT_REGISTERED | (older ? SLOT_HOME : 0), 0, 0, &word))
                return true;
        r = weir_registry_ctl(core, newer, EPOLL_CTL_ADD, fd, word);
        if (r < 0) {
                if (is_there(core, older, fd, word)) {
                        weir_registry_unlock(core, slot, 0, 0);
                        return false;
                }
        } else {
                r = weir_registry_ctl(core, older, EPOLL_CTL_DEL, fd, word);
                if (r == -EBADF || r == -ENOENT)
                        (void)weir_registry_ctl(core, newer, EPOLL_CTL_DEL, fd, word);
                else if (word & SLOT_EXCLUSIVE)
                        ready = (word & SLOT_ASKED) >> SLOT_ASKED_SHIFT;
        }
        weir_registry_unlock(core, slot, SLOT_HOME, ready | (newer ? SLOT_HOME : 0));
        return true;
}

/* Moves one after another, until one has to stay. */
static bool move_all(struct weir_registry *core) {
        for (unsigned segment = 0; segment < WEIR_SEGMENTS; ++segment) {
                uint32_t size = weir_table_segment_size(segment);
                /* PAIR(rebuild): sequentially consistent, see weir_table_make(). */
                struct weir_slot *slots = atomic_load_explicit(&core->fds.segments[segment], memory_order_seq_cst);

                for (uint32_t i = 0; slots && i < size; ++i)
                        if (!move(core, &slots[i], (int)(size - weir_table_segment_size(0) + i)))
                                return false;
        }
        return true;
}

bool weir_sets_rebuild(struct weir_registry *core) {
        if (weir_sets_older(core) < 0 && !begin_rebuild(core))
                return false;
        if (!move_all(core))
                return false;
        end_rebuild(core);
        /* relaxed: a count */
        atomic_fetch_add_explicit(&core->rebuilds, 1, memory_order_relaxed);
        return true;
}

/* A set that contains what there is. Returns its descriptor or a negative errno. */
static int make_outer(struct weir_registry *core) {
        int outer = weir_sys_epoll_create(), r = 0;

        if (outer < 0)
                return outer;
        for (uint32_t home = 0; home < 2 && r >= 0; ++home)
                if (set_at(core, home) >= 0)
                        r = weir_sys_epoll_ctl(outer, EPOLL_CTL_ADD, set_at(core, home), EPOLLIN, 0);
        if (r < 0) {
                weir_sys_close(outer);
                return r;
        }
        /* relaxed: who gets the number from the caller sees it */
        atomic_store_explicit(&core->outer, outer, memory_order_relaxed);
        /* What is in the queue already was not announced. */
        weir_queue_nest(&core->queue);
        weir_core_signal(core);
        return outer;
}

int weir_registry_fd(struct weir_registry *core) {
        int outer, r;

        if (!core)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        /* The lock keeps the sets as they are: a waiter on another thread may be about to rebuild. */
        pthread_mutex_lock(&core->nest_lock);
        outer = outer_of(core);
        if (outer < 0)
                outer = make_outer(core);
        pthread_mutex_unlock(&core->nest_lock);
        return outer;
}
