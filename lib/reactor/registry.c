/* SPDX-License-Identifier: MIT */

/*
 * The calls about descriptors, those of one-shots in oneshot.c. Each takes the lock of the descriptor's slot, but those that
 * change nothing of the registration. Read end_registration() first.
 *
 * The order of things:
 *   deregister            new generation (ends the registration), then EPOLL_CTL_DEL, then the return.
 *   register, reregister  EPOLL_CTL_ADD or MOD with the generation to come; if the kernel refuses, nothing has changed. Then
 *                         the old registration is made invalid, then the token is stored, then the new generation comes
 *                         with all its flags, in the step that gives up the lock. So an event that matches the slot's
 *                         generation always finds the token it belongs to; one that is fetched before is early, slot.c.
 */

#include "registry.h"

#include "deadline.h"
#include "ghost.h"
#include "run.h"
#include "sets.h"

#define MODES (WEIR_LEVEL | WEIR_ONESHOT | WEIR_EXCLUSIVE | WEIR_HELD)

_Static_assert(WEIR_READABLE == EPOLLIN && WEIR_PRIORITY == EPOLLPRI && WEIR_WRITABLE == EPOLLOUT,
               "directions are used as epoll bits");

static bool is_valid(weir_interest interest) {
        if (interest & ~(WEIR_DIRECTIONS | MODES))
                return false;
        if (interest & WEIR_EXCLUSIVE)
                return interest & WEIR_DIRECTIONS && !(interest & (WEIR_ONESHOT | WEIR_HELD | WEIR_PRIORITY));
        if (interest & WEIR_HELD && !(interest & WEIR_ONESHOT))
                return false;
        return (interest & (WEIR_LEVEL | WEIR_ONESHOT)) != (WEIR_LEVEL | WEIR_ONESHOT);
}

static uint64_t word_of(weir_interest interest) {
        uint64_t directions = interest & WEIR_DIRECTIONS;
        uint64_t word = SLOT_REGISTERED | directions << SLOT_ASKED_SHIFT;

        if (interest & WEIR_ONESHOT)
                word |= SLOT_ONESHOT | (interest & WEIR_HELD ? 0 : weir_slot_armed_for(directions));
        else if (interest & WEIR_LEVEL)
                word |= SLOT_LEVEL;
        if (interest & WEIR_EXCLUSIVE)
                word |= SLOT_EXCLUSIVE;
        return word;
}

/* The word of a registration that is about to begin, as weir_sets_ctl() wants it. */
static uint64_t word_to_come(uint64_t word, uint64_t registration) {
        return (word & ~(SLOT_GENERATION - 1)) + 2 * SLOT_GENERATION + registration;
}

int weir_registry_absent(int fd) {
        return weir_sys_is_open(fd) ? -ENOENT : -EBADF;
}

/* The slot of a descriptor that is to be registered, or NULL and an error. Made even if it is there, for the order in that. */
static struct weir_slot *make(struct weir_registry *core, int fd, int *ret_error) {
        struct weir_slot *slot;

        if (!weir_registry_find(core, fd) && !weir_sys_is_open(fd)) {
                *ret_error = -EBADF; /* a wild number must not cost memory */
                return NULL;
        }
        if ((uint64_t)fd > DATA_INDEX) {
                *ret_error = -EINVAL;
                return NULL;
        }
        slot = weir_table_make(&core->fds, (uint32_t)fd);
        *ret_error = -ENOMEM;
        return slot;
}

int weir_registry_look_at(struct weir_registry *core, struct weir_slot *slot, int fd, uint64_t *ret_word) {
        /* PAIR(registration): a refused call, too, comes after the one that made it so. */
        while ((*ret_word = atomic_load_explicit(&slot->word, memory_order_acquire)) & SLOT_LOCKED)
                if (weir_slot_await(core->life, slot, WEIR_FOREVER) == -ECHILD)
                        return -ECHILD;
        return *ret_word & SLOT_REGISTERED ? 0 : weir_registry_absent(fd);
}

int weir_registry_lock(struct weir_registry *core, int fd, struct weir_slot **ret_slot, uint64_t *ret_word) {
        int r;

        *ret_slot = weir_registry_find(core, fd);
        if (!*ret_slot)
                return weir_registry_absent(fd);
        r = weir_slot_lock(core->life, *ret_slot, SLOT_REGISTERED, SLOT_REGISTERED, 0, 0, ret_word);
        return r == -ENOENT ? weir_registry_absent(fd) : r;
}

/*
 * Begins the registration that the kernel has taken, two generations after word. Gives up the lock. Of a slot without a
 * registration no entry is handed out, so the token can be stored at once; and one that stays the same need not be stored.
 *   keep  bits of the word that outlast the former registration
 */
static void begin(struct weir_registry *core, struct weir_slot *slot, uint64_t word, uint64_t registration,
                  uint64_t keep, weir_token token) {
        uint64_t generations = 2 * SLOT_GENERATION + weir_slot_first_turn(word);

        /* relaxed: it changes under the lock alone */
        if (token != atomic_load_explicit(&slot->token, memory_order_relaxed)) {
                if (word & SLOT_REGISTERED) {
                        weir_slot_invalidate(slot, keep);
                        generations -= SLOT_GENERATION;
                }
                /* PAIR(token): weir_slot_take_token() reads it, and then looks at the word. */
                atomic_store_explicit(&slot->token, token, memory_order_release);
        }
        slot->quiet = 0;
        weir_registry_give_back(core, slot, SLOT_REGISTRATION & ~keep, registration, generations);
}

/* weir_ghost_modify(), in one set from its first look to its last, and in the one that is being made, too. */
static int modify_beside_ghost(struct weir_registry *core, struct weir_slot *slot, int fd, uint64_t word,
                               uint64_t next) {
        int r;

        if (!weir_lock(core->life, &core->nest_lock))
                return -ECHILD;
        r = weir_ghost_modify(core, slot, fd, word, next);
        if (r >= 0)
                weir_sets_follow(core, fd, next);
        weir_unlock(core->life, &core->nest_lock);
        return r;
}

/*
 * EPOLL_CTL_ADD for a registration that is about to begin. If it is refused, *generations is what is to be added to the word of
 * what was registered before; -ESTALE is not the kernel's word: the lock is to be given up, and all tried again.
 */
static int add(struct weir_registry *core, struct weir_slot *slot, int fd, uint64_t word, uint64_t registration,
               uint64_t *generations) {
        uint64_t wanted = word_to_come(word, registration);
        int r = weir_sets_ctl(core, EPOLL_CTL_ADD, fd, wanted);

        *generations = 0;
        if (r == -EEXIST && word & SLOT_REGISTERED && weir_ghost_may_be_at(slot)) {
                uint64_t turn = weir_slot_next_turn(word);
                int at = modify_beside_ghost(core, slot, fd, word, word + turn);

                if (at == -ESTALE)
                        *generations = SLOT_WITHDRAWN;
                else if (at >= 0)
                        *generations = turn;
                if (at != -ENOENT)
                        return at == -ESTALE ? at : r;
                word &= ~SLOT_REGISTERED;
        }
        if (r == -EEXIST && !(word & SLOT_REGISTERED)) {
                /* A ghost of the same file: its number was closed, and made a duplicate of it again. */
                (void)weir_sets_ctl(core, EPOLL_CTL_DEL, fd, wanted);
                r = weir_sets_ctl(core, EPOLL_CTL_ADD, fd, wanted);
        }
        return r;
}

int weir_register(struct weir_registry *core, int fd, weir_token token, weir_interest interest) {
        struct weir_slot *slot;
        uint64_t word, generations;
        int r;

        if (!core || !is_valid(interest))
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        if (fd >= 0 && weir_sets_are_at(core, fd))
                return -EINVAL;
        slot = make(core, fd, &r);
        if (!slot)
                return r;

        /*
         * The slot may say REGISTERED though the descriptor was closed and its number is another file now. The kernel
         * knows: if it takes the number, the old registration is over, else it stands, and nothing has changed.
         */
        do {
                r = weir_slot_lock(core->life, slot, 0, 0, 0, 0, &word);
                if (r < 0)
                        return r;
                r = add(core, slot, fd, word, word_of(interest), &generations);
                if (r < 0)
                        weir_registry_give_back(core, slot, 0, 0, generations);
        } while (r == -ESTALE);
        WEIR_PROBE(5, register, core, fd, token, interest, r);
        if (r < 0)
                return r;
        if (word & SLOT_REGISTERED)
                weir_ghost_mark(core, slot); /* of the file that was there before */
        weir_table_name(&core->fds, slot, (uint32_t)fd, (uint32_t)fd);
        weir_deadline_end(core, (uint32_t)fd);
        begin(core, slot, word, word_of(interest), 0, token);
        return 0;
}

int weir_registry_modify(struct weir_registry *core, struct weir_slot *slot, int fd, uint64_t word, uint64_t wanted) {
        uint64_t generations = 0;
        int r = weir_ghost_may_be_at(slot) ? modify_beside_ghost(core, slot, fd, word, wanted) : -EAGAIN;

        if (r == -ESTALE)
                generations = SLOT_WITHDRAWN;
        if (r == -ESTALE || r == -ENOENT)
                r = weir_registry_absent(fd);
        /* Also where the kernel does not tell. */
        if (r == -EAGAIN)
                r = weir_sets_ctl(core, EPOLL_CTL_MOD, fd, wanted);
        if (r < 0)
                weir_registry_give_back(core, slot, 0, 0, generations);
        return r;
}

int weir_reregister(struct weir_registry *core, int fd, weir_token token, weir_interest interest) {
        struct weir_slot *slot;
        uint64_t word;
        int r;

        if (!core || !is_valid(interest) || interest & (WEIR_EXCLUSIVE | WEIR_HELD))
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        r = weir_registry_lock(core, fd, &slot, &word);
        if (r < 0)
                return r;
        if (word & SLOT_EXCLUSIVE) {
                weir_registry_give_back(core, slot, 0, 0, 0);
                r = -EINVAL;
        } else {
                r = weir_registry_modify(core, slot, fd, word, word_to_come(word, word_of(interest)));
        }
        WEIR_PROBE(5, reregister, core, fd, token, interest, r);
        if (r == 0)
                begin(core, slot, word, word_of(interest), SLOT_OWN_READY, token);
        return r;
}

/* Ends the registration of fd if the bits of mask read value in its word. */
static int end_registration(struct weir_registry *core, int fd, uint64_t mask, uint64_t value) {
        struct weir_slot *slot;
        uint64_t word;
        int r;

        if (weir_core_is_forked(core))
                return -ECHILD;
        slot = weir_registry_find(core, fd);
        if (!slot)
                return weir_registry_absent(fd);
        /* The step that ends it: from here on no event of it is handed out. */
        r = weir_slot_lock(core->life, slot, mask, value, SLOT_REGISTRATION, SLOT_GENERATION, &word);
        if (r < 0)
                return r == -ENOENT ? weir_registry_absent(fd) : r;
        /*
         * The kernel may have nothing to remove, for the descriptor was closed; or not be able to, for a duplicate keeps the
         * registration. What it still reports is stale, and cured when it is level-triggered, sets.c.
         */
        if (weir_sets_ctl(core, EPOLL_CTL_DEL, fd, word) < 0)
                weir_ghost_mark(core, slot);
        weir_deadline_end(core, (uint32_t)fd);
        weir_registry_give_back(core, slot, SLOT_OWN_READY, 0, 0);
        WEIR_PROBE(2, deregister, core, fd);
        return 0;
}

int weir_deregister(struct weir_registry *core, int fd) {
        return core ? end_registration(core, fd, SLOT_REGISTERED, SLOT_REGISTERED) : -EINVAL;
}

int weir_deregister_if(struct weir_registry *core, int fd, const struct weir_event *event) {
        if (!core || !event || !event->registration)
                return -EINVAL;
        return end_registration(core, fd, SLOT_REGISTERED | SLOT_REGISTRATION_NAME,
                                SLOT_REGISTERED | (event->registration * SLOT_GENERATION & SLOT_REGISTRATION_NAME));
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
        r = weir_registry_lock(core, fd, &slot, &word);
        if (r < 0)
                return r;
        /* PAIR(token): the generation stays, so a hand-out under way may still give the old one, a later one not. */
        atomic_store_explicit(&slot->token, token, memory_order_release);
        WEIR_PROBE(3, retoken, core, fd, token);
        weir_registry_give_back(core, slot, 0, 0, 0);
        return 0;
}

/* ---------------------------------------------------------------- what the program makes ready */

weir_time weir_now(void) {
        return weir_sys_now();
}

weir_time weir_registry_moment(struct weir_registry *core) {
        weir_time moment = 0;

        if (!core || weir_core_is_forked(core))
                return 0;
        /* relaxed: the moment of some fetch; who takes an event of it sees it, or a later one */
        moment = atomic_load_explicit(&core->deadlines.moment, memory_order_relaxed);
        if (moment)
                return moment;
        weir_deadlines_use(core);
        return weir_sys_now();
}

int weir_set_deadline(struct weir_registry *core, int fd, weir_time moment) {
        struct weir_slot *slot;
        uint64_t word;
        int r;

        if (!core || moment < 0)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        slot = weir_registry_find(core, fd);
        if (!slot)
                return weir_registry_absent(fd);
        r = weir_registry_look_at(core, slot, fd, &word);
        if (r < 0)
                return r;
        return weir_deadline_set(core, (uint32_t)fd, moment);
}

static void trigger(struct weir_registry *core, struct weir_slot *slot) {
        WEIR_PROBE(2, trigger, core, (int)slot->name);
        if (weir_slot_latch(slot, SLOT_TRIGGERED))
                weir_core_push(core, slot);
}

int weir_trigger(struct weir_registry *core, int fd) {
        struct weir_slot *slot;
        uint64_t word;
        int r;

        if (!core)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        slot = weir_registry_find(core, fd);
        if (!slot)
                return weir_registry_absent(fd);
        r = weir_registry_look_at(core, slot, fd, &word);
        if (r < 0)
                return r;
        trigger(core, slot);
        return 0;
}

int weir_trigger_all(struct weir_registry *core) {
        uint32_t limit;
        int r, count = 0;

        if (!core)
                return -EINVAL;
        r = weir_core_check(core);
        if (r < 0)
                return r;
        /* PAIR(all): weir_table_name() comes after this, and its caller sees what was written before, or the slot is seen here. */
        limit = atomic_fetch_or_explicit(&core->fds.limit, 0, memory_order_release);
        for (uint32_t fd = 0; fd < limit; ++fd) {
                struct weir_slot *slot = weir_table_find_or_precede(&core->fds, fd);
                uint64_t word;

                if (!slot)
                        continue;
                /* PAIR(all): a step, though it changes nothing: a registration that is not seen here comes after it. */
                word = atomic_fetch_or_explicit(&slot->word, 0, memory_order_release);
                if (!(word & (SLOT_REGISTERED | SLOT_LOCKED)) || weir_registry_look_at(core, slot, (int)fd, &word) < 0)
                        continue;
                ++count;
                trigger(core, slot);
        }
        return count;
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
