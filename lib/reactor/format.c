/* SPDX-License-Identifier: MIT */

/* Looking inside: statistics, and values as text. Nothing here changes anything or waits for anybody. */

#include "deadline.h"
#include "poll.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text that is cut where the buffer ends, and counted on. */
struct text {
        char *buffer;
        size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *text, const char *format, ...) {
        size_t room = text->length < text->size ? text->size - text->length : 0;
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(room ? text->buffer + text->length : NULL, room, format, arguments);
        va_end(arguments);
        if (n > 0)
                text->length += (size_t)n;
}

static bool text_begin(struct text *text, char *buffer, size_t size) {
        if (!buffer && size)
                return false;
        *text = (struct text){ buffer, size, 0 };
        if (size)
                buffer[0] = '\0';
        return true;
}

struct name {
        uint32_t bit;
        const char *text;
};

static void add_names(struct text *text, uint32_t bits, const struct name *names, size_t count) {
        const char *separator = "";

        for (size_t i = 0; i < count; ++i)
                if (bits & names[i].bit) {
                        text_add(text, "%s%s", separator, names[i].text);
                        separator = "|";
                        bits &= ~names[i].bit;
                }
        if (bits)
                text_add(text, "%s0x%" PRIx32, separator, bits);
        else if (!*separator)
                text_add(text, "none");
}

static void add_interest(struct text *text, weir_interest interest) {
        static const struct name names[] = {
                { WEIR_READABLE, "readable" }, { WEIR_PRIORITY, "priority" }, { WEIR_WRITABLE, "writable" },
                { WEIR_LEVEL, "level" },       { WEIR_ONESHOT, "oneshot" },   { WEIR_EXCLUSIVE, "exclusive" },
                { WEIR_HELD, "held" },
        };

        add_names(text, interest, names, sizeof names / sizeof names[0]);
}

static void add_readiness(struct text *text, uint32_t readiness) {
        static const struct name names[] = {
                { EPOLLIN, "readable" },     { EPOLLPRI, "priority" },        { EPOLLOUT, "writable" },
                { EPOLLERR, "error" },       { EPOLLHUP, "hangup" },          { EPOLLRDHUP, "read-hangup" },
                { WEIR_TIMEOUT, "timeout" }, { WEIR_TRIGGERED, "triggered" },
        };

        add_names(text, readiness, names, sizeof names / sizeof names[0]);
}

int weir_interest_format(weir_interest interest, char *buffer, size_t size) {
        struct text text;

        if (!text_begin(&text, buffer, size))
                return -EINVAL;
        add_interest(&text, interest);
        return (int)text.length;
}

int weir_event_format(const struct weir_event *event, char *buffer, size_t size) {
        struct text text;

        if (!event || !text_begin(&text, buffer, size))
                return -EINVAL;
        text_add(&text, "token=0x%" PRIx64 " readiness=", event->token);
        add_readiness(&text, event->readiness);
        return (int)text.length;
}

/* Calls back for each slot that was ever in use. Returns how many that may be. */
static uint32_t for_each(struct weir_table *table,
                         void (*fn)(struct weir_slot *, uint64_t word, uint32_t index, void *), void *userdata) {
        /* relaxed: what the caller has seen registered is below it */
        uint32_t limit = atomic_load_explicit(&table->limit, memory_order_relaxed);

        for (uint32_t index = 0; index < limit; ++index) {
                struct weir_slot *slot = weir_table_find(table, index);

                /* relaxed: each word as it was at some moment of the call */
                if (slot)
                        fn(slot, atomic_load_explicit(&slot->word, memory_order_relaxed), index, userdata);
        }
        return limit;
}

/* A table of slots, as it is filled. */
struct table {
        struct weir_registry *core;
        weir_time now;
        struct text text;
};

/* What is left of the time until a moment. */
static void add_left(struct text *text, weir_time moment, weir_time now) {
        int64_t ms = moment > now ? (moment - now) / 1000000 : 0;

        text_add(text, "  left=%" PRId64 ".%03" PRId64 "s", ms / 1000, ms % 1000);
}

static void add_slot(struct weir_slot *slot, uint64_t word, uint32_t fd, void *userdata) {
        struct table *table = userdata;
        struct text *text = &table->text;
        weir_time moment = weir_deadline_of(table->core, fd);
        uint64_t mode = word & SLOT_MODE;
        weir_interest interest = (weir_interest)((word & SLOT_ASKED) >> SLOT_ASKED_SHIFT);

        if (!(word & SLOT_REGISTERED))
                return;
        interest |= mode == SLOT_LEVEL ? WEIR_LEVEL : mode == SLOT_ONESHOT ? WEIR_ONESHOT : 0;
        interest |= word & SLOT_EXCLUSIVE ? WEIR_EXCLUSIVE : 0;
        /* relaxed: the token as it was at some moment of the call */
        text_add(text, "%6" PRIu32 "  0x%016" PRIx64 "  ", fd,
                 atomic_load_explicit(&slot->token, memory_order_relaxed));
        add_interest(text, interest);
        if (mode == SLOT_ONESHOT && word & SLOT_ARMED) {
                text_add(text, "  armed=");
                add_interest(text, (weir_interest)((word & SLOT_DIRECTIONS) >> SLOT_ARMED_SHIFT));
        } else if (mode == SLOT_ONESHOT) {
                text_add(text, "  owned");
        }
        if (word & SLOT_READY) {
                text_add(text, "  pending=");
                add_readiness(text, weir_ready_to_epoll(word & SLOT_READY));
        }
        if (moment != WEIR_NEVER)
                add_left(text, moment, table->now);
        text_add(text, "\n");
}

int weir_registry_format(struct weir_registry *core, char *buffer, size_t size) {
        struct table table = { .core = core };

        if (!core || (!buffer && size))
                return -EINVAL;
        if (weir_core_is_forked(core))
                return -ECHILD;
        table.now = weir_sys_now();
        text_begin(&table.text, buffer, size);
        text_add(&table.text, "%6s  %-18s  %s\n", "fd", "token", "interest");
        for_each(&core->fds, add_slot, &table);
        return (int)table.text.length;
}

struct count {
        struct weir_registry *core;
        uint32_t kind; /* of the table: what the names of its slots have besides the index */
        uint64_t registered, deadlines;
};

static void count_slot(struct weir_slot *slot, uint64_t word, uint32_t index, void *userdata) {
        struct count *count = userdata;

        (void)slot; /* its name may just be written */
        if (!(word & SLOT_REGISTERED))
                return;
        ++count->registered;
        count->deadlines += weir_deadline_of(count->core, count->kind | index) != WEIR_NEVER;
}

void weir_registry_stats(struct weir_registry *core, struct weir_stats *ret_stats) {
        struct weir_poll *poll = weir_poll_of(core);
        struct count fds = { .core = core }, wakers = { .core = core, .kind = (uint32_t)DATA_WAKER };
        struct weir_counts counts;
        struct weir_stats stats = { .capacity = 0 };

        if (!ret_stats)
                return;
        *ret_stats = stats;
        if (!core || weir_core_is_forked(core))
                return;
        stats.capacity = for_each(&core->fds, count_slot, &fds);
        for_each(&core->wakers, count_slot, &wakers);
        stats.registered = fds.registered;
        stats.wakers = wakers.registered;
        stats.deadlines = fds.deadlines + wakers.deadlines;
        weir_epochs_count(&core->epochs, &counts, &stats.batches);
        stats.events = counts.events;
        stats.wakes = counts.wakes;
        stats.requeued = counts.requeued;
        stats.timeouts = counts.timeouts;
        stats.triggers = counts.triggers;
        /* relaxed: figures */
        stats.stale = counts.stale + atomic_load_explicit(&poll->stale, memory_order_relaxed);
        stats.waits = atomic_load_explicit(&poll->waits, memory_order_relaxed);
        stats.rebuilds = atomic_load_explicit(&core->rebuilds, memory_order_relaxed);
        stats.eventfd_writes = atomic_load_explicit(&core->eventfd_writes, memory_order_relaxed);
        *ret_stats = stats;
}
