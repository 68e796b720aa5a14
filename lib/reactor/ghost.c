/* SPDX-License-Identifier: MIT */

/* Ghosts: see ghost.h. Read weir_ghost_modify() first. */

#include "ghost.h"

#include "sets.h"

void weir_ghost_mark(struct weir_registry *core, struct weir_slot *slot) {
        /* PAIR(haunted): who begins to look at this mark sees the word as it is now. */
        atomic_store_explicit(&slot->haunted, HAUNTED_MAY, memory_order_release);
        /* PAIR(haunted): who begins to look because of this, or of a later one, sees the mark. */
        atomic_exchange_explicit(&core->haunted, true, memory_order_release);
}

static void change_all(struct weir_registry *core, uint8_t from, uint8_t to) {
        /* relaxed: a slot that was marked was named before */
        uint32_t limit = atomic_load_explicit(&core->fds.limit, memory_order_relaxed);

        for (uint32_t fd = 0; fd < limit; ++fd) {
                struct weir_slot *slot = weir_table_find(&core->fds, fd);
                uint8_t expected = from;

                /* relaxed: a hint. PAIR(haunted): weir_ghost_mark(), and all that came before the mark. */
                if (slot && atomic_load_explicit(&slot->haunted, memory_order_relaxed) == from)
                        atomic_compare_exchange_strong_explicit(&slot->haunted, &expected, to, memory_order_acquire,
                                                                memory_order_relaxed);
        }
}

/* An entry of the set. One that another thread changes meanwhile may be taken for a ghost's: then that is looked at again. */
static void see_entry(void *userdata, const struct weir_sys_entry *entry) {
        struct weir_registry *core = userdata;
        struct weir_slot *slot = NULL;
        uint8_t looking = HAUNTED_LOOKING;

        if (entry->data != DATA_EVENTFD && entry->fd >= 0)
                slot = weir_table_find(&core->fds, (uint32_t)entry->fd & DATA_INDEX);
        /* relaxed: what the mark that is looked at stands for is seen */
        if (!slot || !weir_slot_is_other(atomic_load_explicit(&slot->word, memory_order_relaxed), entry->data) ||
            !atomic_compare_exchange_strong_explicit(&slot->haunted, &looking, HAUNTED_IS, memory_order_relaxed,
                                                     memory_order_relaxed))
                return;
        /* relaxed, and below: an exchange carries on what weir_ghost_mark() released */
        atomic_exchange_explicit(&core->haunted, true, memory_order_relaxed);
}

static bool look(struct weir_registry *core) {
        /* PAIR(haunted) */
        if (!atomic_exchange_explicit(&core->haunted, false, memory_order_acquire))
                return true;
        change_all(core, HAUNTED_MAY, HAUNTED_LOOKING);
        change_all(core, HAUNTED_IS, HAUNTED_LOOKING);
        if (weir_sys_epoll_entries(core->set, see_entry, core) < 0) {
                change_all(core, HAUNTED_LOOKING, HAUNTED_MAY);
                atomic_exchange_explicit(&core->haunted, true, memory_order_relaxed);
                return false;
        }
        change_all(core, HAUNTED_LOOKING, HAUNTED_NOT);
        return true;
}

bool weir_ghost_look(struct weir_registry *core) {
        bool told;

        if (!weir_lock(core->life, &core->ghost_lock))
                return false;
        told = look(core);
        weir_unlock(core->life, &core->ghost_lock);
        return told;
}

/* What the set has for a number, whose registration is about to be changed. */
struct search {
        uint64_t data, next; /* what its entry reads, and what it shall read */
        uint64_t inode;      /* that of its entry */
        int fd;
        bool found;   /* its entry reads data */
        bool foreign; /* that of another file reads next */
};

static void search_entry(void *userdata, const struct weir_sys_entry *entry) {
        struct search *search = userdata;

        if (entry->fd != search->fd)
                return;
        if (entry->data == search->data) {
                search->found = true;
                search->inode = entry->inode;
        }
        search->foreign |= entry->data == search->next && entry->inode != search->inode;
}

/* 0 or a negative errno. */
static int search(struct weir_registry *core, struct search *search) {
        search->found = false;
        return weir_sys_epoll_entries(core->set, search_entry, search);
}

/* An exclusive entry cannot be modified, only removed and added again. */
static int change(struct weir_registry *core, int fd, uint64_t next) {
        uint32_t events = weir_sets_events(next);
        uint64_t data = weir_sets_data(fd, next);
        int r;

        if (!(next & SLOT_EXCLUSIVE))
                return weir_sys_epoll_ctl(core->set, EPOLL_CTL_MOD, fd, events, data);
        r = weir_sys_epoll_ctl(core->set, EPOLL_CTL_DEL, fd, 0, 0);
        return r < 0 ? r : weir_sys_epoll_ctl(core->set, EPOLL_CTL_ADD, fd, events, data);
}

int weir_ghost_modify(struct weir_registry *core, struct weir_slot *slot, int fd, uint64_t word, uint64_t next) {
        struct search of = { .data = weir_sets_data(fd, word), .next = weir_sets_data(fd, next), .fd = fd };
        int r;

        if (weir_sets_are_at(core, fd))
                return -EBADF; /* as weir_sets_ctl() says it */
        if (weir_ghost_may_be_at(slot) && !weir_ghost_look(core))
                return -EAGAIN;
        if (!weir_ghost_may_be_at(slot))
                return change(core, fd, next);
        if (search(core, &of) < 0)
                return -EAGAIN;
        if (!of.found)
                return -ENOENT;
        r = change(core, fd, next);
        /*
         * If the registration's own entry is still as it was, it was another one that was changed; or could not be, for it is
         * exclusive. If it is gone, its file may have been closed in between.
         */
        if ((r < 0 && r != -EINVAL) || search(core, &of) < 0 || (!of.found && !of.foreign))
                return r;
        (void)weir_sys_epoll_ctl(core->set, EPOLL_CTL_DEL, fd, 0, 0);
        return -ESTALE;
}
