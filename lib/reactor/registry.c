/* SPDX-License-Identifier: MIT */

/*
 * The calls about descriptors. Each takes the lock of the descriptor's slot, except the fast path of weir_rearm(), which
 * is one compare-and-swap. Read weir_deregister() first.
 *
 * The order of things:
 *   deregister            new generation (ends the registration), then EPOLL_CTL_DEL, then the return.
 *   register, reregister  EPOLL_CTL_ADD or MOD with the generation to come; if the kernel refuses, nothing has changed. Then
 *                         the old registration is made invalid, then the token is stored, then the new generation comes
 *                         with all its flags, in the step that gives up the lock. So an event that matches the slot's
 *                         generation always finds the token it belongs to; one that is fetched before is early, slot.c.
 *   rearm, new direction  EPOLL_CTL_MOD in the same generation, then asked and armed.
 */

#include "registry.h"

#include "run.h"

#define DIRECTIONS (WEIR_READABLE | WEIR_PRIORITY | WEIR_WRITABLE)
#define MODES      (WEIR_LEVEL | WEIR_ONESHOT | WEIR_EXCLUSIVE)

_Static_assert(WEIR_READABLE == EPOLLIN && WEIR_PRIORITY == EPOLLPRI && WEIR_WRITABLE == EPOLLOUT,
               "directions are used as epoll bits");

static bool is_valid(weir_interest interest) {
        if (interest & ~(DIRECTIONS | MODES) || !(interest & DIRECTIONS))
                return false;
        if (interest & WEIR_EXCLUSIVE)
                return !(interest & (WEIR_ONESHOT | WEIR_PRIORITY));
        return (interest & (WEIR_LEVEL | WEIR_ONESHOT)) != (WEIR_LEVEL | WEIR_ONESHOT);
}

static uint64_t word_of(weir_interest interest) {
        uint64_t directions = interest & DIRECTIONS;
        uint64_t word = SLOT_REGISTERED | directions << SLOT_ASKED_SHIFT;

        if (interest & WEIR_ONESHOT)
                word |= SLOT_ONESHOT | directions << SLOT_ARMED_SHIFT;
        else if (interest & WEIR_LEVEL)
                word |= SLOT_LEVEL;
        if (interest & WEIR_EXCLUSIVE)
                word |= SLOT_EXCLUSIVE;
        return word;
}

/* What the kernel is asked for. */
static uint32_t epoll_events(uint64_t word) {
        uint32_t events = (uint32_t)((word & SLOT_ASKED) >> SLOT_ASKED_SHIFT);

        if (word & SLOT_EXCLUSIVE)
                events |= EPOLLEXCLUSIVE; /* which the kernel refuses together with EPOLLRDHUP */
        else if (events & EPOLLIN)
                events |= EPOLLRDHUP;
        return (word & SLOT_MODE) == SLOT_LEVEL ? events : events | (uint32_t)EPOLLET;
}

/* Whether the number is one of the poll's own descriptors: no registration of the user's can be there. */
static bool is_own(struct weir_registry *core, int fd) {
        /* relaxed: who names one got it from weir_poll_fd(), or names a number that is closed */
        return fd == core->eventfd || fd == atomic_load_explicit(&core->outer, memory_order_relaxed) ||
               fd == atomic_load_explicit(&core->sets[0], memory_order_relaxed) ||
               fd == atomic_load_explicit(&core->sets[1], memory_order_relaxed);
}

WEIR_INLINE int weir_registry_ctl(struct weir_registry *core, int home, int op, int fd, uint64_t word) {
        uint64_t data =
                (word & ~(SLOT_GENERATION - 1)) | ((word & SLOT_MODE) == SLOT_LEVEL ? DATA_LEVEL : 0) | (uint64_t)fd;
        int r;

        if (is_own(core, fd))
                return -EBADF; /* it was closed and is the poll's now */
        WEIR_YIELD();
        /*
         * relaxed: who knows the home, from the core or from the slot, knows what weir_sets_rebuild() did before it said so; a
         * set is closed after all have moved out.
         */
        r = weir_sys_epoll_ctl(atomic_load_explicit(&core->sets[home], memory_order_relaxed), op, fd,
                               epoll_events(word), data);
        WEIR_YIELD();
        return r;
}

/* The word of a registration that is about to begin, as weir_registry_ctl() wants it. */
static uint64_t word_to_come(uint64_t word, uint64_t registration) {
        return (word & ~(SLOT_GENERATION - 1)) + 2 * SLOT_GENERATION + registration;
}

static int home_of(uint64_t word) {
        return !!(word & SLOT_HOME);
}

static int not_registered(int fd) {
        return weir_sys_is_open(fd) ? -ENOENT : -EBADF;
}

/* The slot that a descriptor has if it was ever registered, or NULL. */
static struct weir_slot *find(struct weir_registry *core, int fd) {
        return fd >= 0 && (uint64_t)fd <= DATA_INDEX ? weir_table_find(&core->fds, (uint32_t)fd) : NULL;
}

/* The slot of a descriptor that is to be registered, or NULL and an error. Made even if it is there, for the order in that. */
static struct weir_slot *make(struct weir_registry *core, int fd, int *ret_error) {
        struct weir_slot *slot;

        if (!find(core, fd) && !weir_sys_is_open(fd)) {
                *ret_error = -EBADF; /* a wild number must not cost memory */
                return NULL;
        }
        slot = (uint64_t)fd <= DATA_INDEX ? weir_table_make(&core->fds, (uint32_t)fd) : NULL;
        *ret_error = -ENOMEM;
        return slot;
}

/*
 * Begins the registration that the kernel has taken, two generations after word. Gives up the lock. Of a slot without a
 * registration no entry is handed out, so the token can be stored at once; and one that stays the same need not be stored.
 */
static void begin(struct weir_registry *core, struct weir_slot *slot, uint64_t word, uint64_t registration,
                  weir_token token) {
        uint64_t generations = 2 * SLOT_GENERATION;

        /* relaxed: it changes under the lock alone */
        if (token != atomic_load_explicit(&slot->token, memory_order_relaxed)) {
                if (word & SLOT_REGISTERED) {
                        weir_slot_invalidate(slot);
                        generations = SLOT_GENERATION;
                }
                /* PAIR(token): weir_slot_take() reads it between two looks at the word. */
                atomic_store_explicit(&slot->token, token, memory_order_release);
        }
        if (weir_slot_unlock(slot, SLOT_HOME | SLOT_REGISTRATION, registration, generations))
                weir_core_push(core, slot);
}

void weir_registry_unlock(struct weir_registry *core, struct weir_slot *slot, uint64_t clear, uint64_t set) {
        if (weir_slot_unlock(slot, clear, set, 0))
                weir_core_push(core, slot);
}

static int add(struct weir_registry *core, int fd, uint64_t word, uint64_t registration) {
        uint64_t wanted = word_to_come(word, registration);
        int r = weir_registry_ctl(core, home_of(registration), EPOLL_CTL_ADD, fd, wanted);

        if (r != -EEXIST || word & SLOT_REGISTERED)
                return r;
        /* A ghost of the same file: its number was closed, deregistered, and made a duplicate of it again. */
        (void)weir_registry_ctl(core, home_of(registration), EPOLL_CTL_DEL, fd, wanted);
        return weir_registry_ctl(core, home_of(registration), EPOLL_CTL_ADD, fd, wanted);
}

int weir_register(struct weir_registry *core, int fd, weir_token token, weir_interest interest) {
        struct weir_slot *slot;
        uint64_t word, registration;
        int r;

        if (!core || !is_valid(interest))
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        if (fd >= 0 && is_own(core, fd))
                return -EINVAL;
        slot = make(core, fd, &r);
        if (!slot)
                return r;

        /*
         * The slot may say REGISTERED though the descriptor was closed and its number is another file now. The kernel
         * knows: if it takes the number, the old registration is over, else it stands, and nothing has changed.
         */
        weir_slot_lock(slot, 0, 0, 0, 0, &word);
        registration = word_of(interest);
        /* What may be registered is asked of the set that would have it; otherwise, PAIR(rebuild), see weir_slot_lock(). */
        if (word & SLOT_REGISTERED)
                registration |= word & SLOT_HOME;
        else if (atomic_load_explicit(&core->home, memory_order_seq_cst))
                registration |= SLOT_HOME;
        r = add(core, fd, word, registration);
        WEIR_PROBE(5, register, core, fd, token, interest, r);
        if (r < 0) {
                weir_registry_unlock(core, slot, 0, 0);
                return r;
        }
        weir_table_name(&core->fds, slot, (uint32_t)fd, (uint32_t)fd);
        begin(core, slot, word, registration, token);
        return 0;
}

int weir_reregister(struct weir_registry *core, int fd, weir_token token, weir_interest interest) {
        struct weir_slot *slot;
        uint64_t word, registration;
        int r;

        if (!core || !is_valid(interest) || interest & WEIR_EXCLUSIVE)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        slot = find(core, fd);
        if (!slot)
                return not_registered(fd);
        if (!weir_slot_lock(slot, SLOT_REGISTERED | SLOT_EXCLUSIVE, SLOT_REGISTERED, 0, 0, &word))
                return word & SLOT_REGISTERED ? -EINVAL : not_registered(fd);

        registration = word_of(interest);
        r = weir_registry_ctl(core, home_of(word), EPOLL_CTL_MOD, fd, word_to_come(word, registration));
        WEIR_PROBE(5, reregister, core, fd, token, interest, r);
        if (r < 0)
                weir_registry_unlock(core, slot, 0, 0);
        else
                begin(core, slot, word, registration | (word & SLOT_HOME), token);
        return r;
}

int weir_deregister(struct weir_registry *core, int fd) {
        struct weir_slot *slot;
        uint64_t word;

        if (!core)
                return -EINVAL;
        if (weir_core_is_forked(core))
                return -ECHILD;
        slot = find(core, fd);
        if (!slot)
                return not_registered(fd);
        /* The step that ends it: from here on no event of it is handed out. */
        if (!weir_slot_lock(slot, SLOT_REGISTERED, SLOT_REGISTERED, SLOT_REGISTRATION, SLOT_GENERATION, &word))
                return not_registered(fd);
        /*
         * The kernel may have nothing to remove, for the descriptor was closed; or not be able to, for a duplicate keeps the
         * registration. What it still reports is stale, and cured when it is level-triggered, sets.c.
         */
        (void)weir_registry_ctl(core, home_of(word), EPOLL_CTL_DEL, fd, word);
        weir_registry_unlock(core, slot, SLOT_HOME, 0);
        WEIR_PROBE(2, deregister, core, fd);
        return 0;
}

/* A direction that the kernel was not asked for yet. */
static int rearm_new(struct weir_registry *core, struct weir_slot *slot, int fd, uint64_t directions) {
        uint64_t word, wanted;
        int r;

        if (!weir_slot_lock(slot, SLOT_REGISTERED | SLOT_MODE, SLOT_REGISTERED | SLOT_ONESHOT, 0, 0, &word))
                return word & SLOT_REGISTERED ? -EINVAL : not_registered(fd);
        wanted = word | directions << SLOT_ASKED_SHIFT;
        r = weir_registry_ctl(core, home_of(word), EPOLL_CTL_MOD, fd, wanted);
        WEIR_PROBE(4, rearm, core, fd, directions, r);
        if (r < 0)
                weir_registry_unlock(core, slot, 0, 0);
        else
                weir_registry_unlock(core, slot, SLOT_ARMED, (wanted & SLOT_ASKED) | directions << SLOT_ARMED_SHIFT);
        return r;
}

int weir_rearm(struct weir_registry *core, int fd, weir_interest interest) {
        struct weir_slot *slot;
        uint64_t word, next, directions = interest;
        int r;

        if (!core || !interest || interest & ~DIRECTIONS)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        slot = find(core, fd);
        if (!slot)
                return not_registered(fd);

        do {
                /* PAIR(registration): a refused call, too, comes after the one that made it so. */
                word = atomic_load_explicit(&slot->word, memory_order_acquire);
                /* While a call replaces the registration, the word may show none. */
                while (word & SLOT_LOCKED)
                        word = weir_slot_await(slot, word);
                if (!(word & SLOT_REGISTERED))
                        return not_registered(fd);
                if ((word & SLOT_MODE) != SLOT_ONESHOT)
                        return -EINVAL;
                if (directions << SLOT_ASKED_SHIFT & ~word)
                        return rearm_new(core, slot, fd, directions);
                next = (word & ~SLOT_ARMED) | directions << SLOT_ARMED_SHIFT;
                next |= weir_slot_link_for(word, next);
                WEIR_YIELD();
                /*
                 * PAIR(rearm): the next taker of the one-shot sees what this one did, weir_slot_take(). Readiness that was
                 * latched meanwhile is in word; of this step and one that latches, one reads the other's.
                 * PAIR(linked): as in weir_slot_offer(), when the bit is set.
                 */
        } while (!atomic_compare_exchange_strong_explicit(&slot->word, &word, next, memory_order_acq_rel,
                                                          memory_order_relaxed));
        WEIR_PROBE(4, rearm, core, fd, directions, 0);
        if (weir_slot_is_linked_by(word, next))
                weir_core_push(core, slot);
        return 0;
}

int weir_retoken(struct weir_registry *core, int fd, weir_token token) {
        struct weir_slot *slot;
        uint64_t word;
        int r;

        if (!core)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        slot = find(core, fd);
        if (!slot)
                return not_registered(fd);
        if (!weir_slot_lock(slot, SLOT_REGISTERED, SLOT_REGISTERED, 0, 0, &word))
                return not_registered(fd);
        /* PAIR(token): the generation stays, so a hand-out under way may still give the old one, a later one not. */
        atomic_store_explicit(&slot->token, token, memory_order_release);
        WEIR_PROBE(3, retoken, core, fd, token);
        weir_registry_unlock(core, slot, 0, 0);
        return 0;
}

/* ---------------------------------------------------------------- handles */

struct weir_registry *weir_registry_clone(struct weir_registry *core) {
        if (core)
                weir_core_ref(core);
        return core;
}

void weir_registry_release(struct weir_registry *core) {
        if (core)
                weir_core_unref(core);
}

/* ---------------------------------------------------------------- reclamation */

void weir_defer(struct weir_registry *core, struct weir_deferred *node, void (*fn)(struct weir_deferred *)) {
        if (!node || !fn)
                return;
        node->fn = fn;
        if (!core || weir_core_is_forked(core))
                fn(node);
        else
                weir_run_defer(core, node);
}

int weir_synchronize(struct weir_registry *core) {
        if (!core)
                return -EINVAL;
        if (weir_core_is_forked(core))
                return -ECHILD;
        return weir_run_is_inside(core) ? -EDEADLK : weir_epochs_synchronize(&core->epochs);
}

weir_epoch weir_epoch_now(struct weir_registry *core) {
        return core && !weir_core_is_forked(core) ? weir_epochs_now(&core->epochs) : 0;
}

bool weir_epoch_passed(struct weir_registry *core, weir_epoch epoch) {
        return !core || weir_core_is_forked(core) || weir_epochs_passed(&core->epochs, epoch);
}
