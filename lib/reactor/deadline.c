/* SPDX-License-Identifier: MIT */

/* Deadlines: see deadline.h. Read weir_deadline_set() and weir_deadlines_fetched() first. */

#include "deadline.h"

/* A step, by which places are told apart without the lock: 65 microseconds. */
#define STEP_SHIFT 16

/* What weir_deadline.placed reads when it is not a step. */
#define PLACED_NO_ROOM 0 /* the number never had a deadline, and the heap may have no room for it */
#define PLACED_NOWHERE 1 /* it is not in the heap, or too far off */

/* A place further off than this, 39 hours, is not told: moving such a deadline later takes the lock. */
#define PLACED_STEPS (UINT64_C(1) << 31)

#define CLAIMED INT64_MIN

/* Each place in the heap has so many below it. */
#define ARITY 4

/* Room for so many places at first: it is mapped, and grows without being copied. */
#define ROOM_FIRST 4096

/*
 * The kernel stretches a sleep by a thousandth of its length, by five if the process is nice, and no more than 100 ms, so as to
 * wake for several at once. So a long one is ended earlier by that, and the rest is slept then.
 */
#define STRETCH_FROM INT64_C(20000000)
#define STRETCH_MOST INT64_C(100000000)
#define STRETCH_MORE INT64_C(100000)

/* ---------------------------------------------------------------- places */

/* Before which no place is, but of what is due. */
static uint64_t first_step(const struct weir_registry *core) {
        /* relaxed: an older one does as well, see is_placed_before() */
        weir_time moment = atomic_load_explicit(&core->deadlines.moment, memory_order_relaxed);

        return (uint64_t)(moment ? moment : core->deadlines.beginning) >> STEP_SHIFT;
}

/* What weir_deadline.placed reads for a place: the low bits of its step. Rounded up, also where these mean something else. */
static uint32_t placed_at(const struct weir_registry *core, weir_time moment) {
        uint64_t first = first_step(core);
        uint64_t step = ((uint64_t)moment + (UINT64_C(1) << STEP_SHIFT) - 1) >> STEP_SHIFT;

        if (step < first)
                step = first;
        if (step - first >= PLACED_STEPS)
                return PLACED_NOWHERE;
        return (uint32_t)step > PLACED_NOWHERE ? (uint32_t)step : PLACED_NOWHERE + 1;
}

/*
 * Whether a place, as it was rounded up, is no later than the moment. The high bits of its step are those of the first one that
 * is not before the last fetch: if that was later than the place, this takes the place for one that is far off.
 */
static bool is_placed_before(const struct weir_registry *core, uint32_t placed, weir_time moment) {
        uint64_t first = first_step(core);

        return placed > PLACED_NOWHERE &&
               first + (uint32_t)(placed - (uint32_t)first) <= (uint64_t)moment >> STEP_SHIFT;
}

/* ---------------------------------------------------------------- the heap */

static void put_place(struct weir_deadlines *all, uint32_t index, weir_time moment, uint32_t name,
                      struct weir_deadline *deadline) {
        all->heap[index].moment = moment;
        all->heap[index].name = name;
        deadline->at = index + 1;
}

static void move_place(struct weir_registry *core, uint32_t from, uint32_t to) {
        struct weir_place *place = &core->deadlines.heap[from];

        put_place(&core->deadlines, to, place->moment, place->name, weir_deadline_find(core, place->name));
}

/* Where a place goes that is to come at index or above it; those above that are later come down. */
static uint32_t make_way_up(struct weir_registry *core, uint32_t index, weir_time moment) {
        const struct weir_place *heap = core->deadlines.heap;

        while (index > 0 && heap[(index - 1) / ARITY].moment > moment) {
                move_place(core, (index - 1) / ARITY, index);
                index = (index - 1) / ARITY;
        }
        return index;
}

static uint32_t least_below(const struct weir_deadlines *all, uint32_t index) {
        uint32_t first = index * ARITY + 1, least = first;

        for (uint32_t i = first + 1; i < first + ARITY && i < all->count; ++i)
                if (all->heap[i].moment < all->heap[least].moment)
                        least = i;
        return least;
}

/* Where a place goes that is to come at the top or below it; those below that are earlier go up. */
static uint32_t make_way_down(struct weir_registry *core, weir_time moment) {
        const struct weir_deadlines *all = &core->deadlines;
        uint32_t index = 0, least;

        while (index * ARITY + 1 < all->count) {
                least = least_below(all, index);
                if (all->heap[least].moment >= moment)
                        break;
                move_place(core, least, index);
                index = least;
        }
        return index;
}

/* Under the lock. Puts the number in, or at an earlier place. Returns whether the place is now the first. */
static bool place(struct weir_registry *core, uint32_t name, struct weir_deadline *deadline, weir_time moment) {
        struct weir_deadlines *all = &core->deadlines;
        uint32_t index;

        if (deadline->at && all->heap[deadline->at - 1].moment <= moment)
                return false;
        index = make_way_up(core, deadline->at ? deadline->at - 1 : all->count++, moment);
        put_place(all, index, moment, name, deadline);
        /* relaxed: who reads what was there before, or NOWHERE, takes the lock, or is seen by the waiter when that comes up */
        atomic_store_explicit(&deadline->placed, placed_at(core, moment), memory_order_relaxed);
        return index == 0;
}

/* Under the lock. Takes the first out. Returns its name. */
static uint32_t take_first(struct weir_registry *core, struct weir_deadline **ret_deadline) {
        struct weir_deadlines *all = &core->deadlines;
        uint32_t name = all->heap[0].name, last = --all->count;
        weir_time moment = all->heap[last].moment;

        if (all->heap[0].moment == all->announced)
                all->announced = -1; /* the timer has rung, and is to ring anew even for the same moment */
        if (last)
                put_place(all, make_way_down(core, moment), moment, all->heap[last].name,
                          weir_deadline_find(core, all->heap[last].name));
        *ret_deadline = weir_deadline_find(core, name);
        (*ret_deadline)->at = 0;
        /* PAIR(moment) */
        atomic_store_explicit(&(*ret_deadline)->placed, PLACED_NOWHERE, memory_order_seq_cst);
        return name;
}

/* ---------------------------------------------------------------- numbers */

static size_t deadlines_bytes(unsigned segment) {
        return weir_table_segment_size(segment) * sizeof(struct weir_deadline);
}

static struct weir_deadline *make_deadline(struct weir_registry *core, uint32_t name) {
        struct weir_deadline *deadlines, *none = NULL;
        _Atomic(struct weir_deadline *) *segments = core->deadlines.segments[!!(name & DATA_WAKER)];
        uint32_t offset;
        unsigned segment = weir_table_segment(name & (uint32_t)DATA_INDEX, &offset);

        deadlines = weir_sys_alloc(deadlines_bytes(segment));
        if (!deadlines)
                return NULL;
        /* PAIR(segment): weir_deadline_find() finds zeroed ones, these or those of another thread. */
        if (!atomic_compare_exchange_strong_explicit(&segments[segment], &none, deadlines, memory_order_release,
                                                     memory_order_relaxed))
                weir_sys_free(deadlines, deadlines_bytes(segment));
        return weir_deadline_find(core, name);
}

/* Under the lock: room in the heap for every number that may have a deadline, so that only the first one needs any. */
static bool make_room(struct weir_deadlines *all) {
        uint32_t room = all->room ? 2 * all->room : ROOM_FIRST;
        struct weir_place *heap;

        if (all->counted == all->room) {
                heap = weir_sys_grow(all->heap, all->room * sizeof *heap, room * sizeof *heap);
                if (!heap)
                        return false;
                all->heap = heap;
                all->room = room;
        }
        ++all->counted;
        return true;
}

/* Before the first one of a number, which is there then. 0, -ENOMEM or -ECHILD. */
static __attribute__((cold, noinline)) int make_first(struct weir_registry *core, uint32_t name) {
        struct weir_deadlines *all = &core->deadlines;
        struct weir_deadline *deadline = weir_deadline_find(core, name);
        int r = 0;

        if (!deadline)
                deadline = make_deadline(core, name);
        if (!deadline)
                return -ENOMEM;
        if (!weir_lock(core->life, &all->lock))
                return -ECHILD;
        /* relaxed: under the lock */
        if (atomic_load_explicit(&deadline->placed, memory_order_relaxed) == PLACED_NO_ROOM) {
                if (make_room(all))
                        atomic_store_explicit(&deadline->placed, PLACED_NOWHERE, memory_order_relaxed);
                else
                        r = -ENOMEM;
        }
        weir_unlock(core->life, &all->lock);
        return r;
}

/* Under the lock. */
static void announce(struct weir_registry *core) {
        struct weir_deadlines *all = &core->deadlines;
        weir_time moment = all->count ? all->heap[0].moment : WEIR_NEVER;
        /* relaxed: if it is not seen, weir_registry_fd() announces what is there, under the lock, after this */
        int timer = atomic_load_explicit(&all->timer, memory_order_relaxed);

        if (timer < 0 || moment == all->announced)
                return;
        all->announced = moment;
        weir_sys_timer_set(timer, moment);
}

/* Puts a number in whose place is not early enough. 0 or -ECHILD. Never inlined: what it saves would cost every move. */
static __attribute__((noinline)) int set_place(struct weir_registry *core, uint32_t name,
                                               struct weir_deadline *deadline, weir_time moment) {
        struct weir_deadlines *all = &core->deadlines;
        bool early;

        if (!weir_lock(core->life, &all->lock))
                return -ECHILD;
        early = moment < all->sleeps_until;
        if (early)
                all->sleeps_until = moment; /* one push is enough */
        if (place(core, name, deadline, moment) && weir_core_is_nested(core))
                announce(core);
        weir_unlock(core->life, &all->lock);
        if (early)
                weir_core_kick(core);
        return 0;
}

int weir_deadline_set(struct weir_registry *core, uint32_t name, weir_time moment) {
        struct weir_deadline *deadline = weir_deadline_find(core, name);
        uint32_t placed;
        int r;

        WEIR_PROBE(3, set_deadline, core, (int)name, moment);
        /* relaxed: a hint; the lock knows */
        if (!deadline || atomic_load_explicit(&deadline->placed, memory_order_relaxed) == PLACED_NO_ROOM) {
                if (moment == WEIR_NEVER)
                        return 0;
                r = make_first(core, name);
                if (r < 0)
                        return r;
                deadline = weir_deadline_find(core, name);
        }
        /* PAIR(moment), PAIR(due). */
        atomic_store_explicit(&deadline->left, WEIR_NEVER - moment, memory_order_seq_cst);
        WEIR_YIELD();
        /* PAIR(moment) */
        placed = atomic_load_explicit(&deadline->placed, memory_order_seq_cst);
        if (moment == WEIR_NEVER || is_placed_before(core, placed, moment))
                return 0;
        weir_deadlines_use(core);
        return set_place(core, name, deadline, moment);
}

/* ---------------------------------------------------------------- when it is due */

weir_time weir_deadline_of(struct weir_registry *core, uint32_t name) {
        struct weir_deadline *deadline = weir_deadline_find(core, name);
        /* relaxed: as it was at some moment */
        int64_t left = deadline ? atomic_load_explicit(&deadline->left, memory_order_relaxed) : 0;

        return left < 0 ? WEIR_NEVER : WEIR_NEVER - left;
}

static bool is_due(struct weir_registry *core, int64_t left) {
        /* relaxed: if it is of a fetch before the one that latched, the bit comes again, or is looked for again */
        return left > 0 && WEIR_NEVER - left <= atomic_load_explicit(&core->deadlines.moment, memory_order_relaxed);
}

/* The deadline of a slot, if it is due and nobody has claimed it; else NULL. */
static struct weir_deadline *find_due(struct weir_registry *core, struct weir_slot *slot, int64_t *ret_left) {
        struct weir_deadline *deadline = weir_deadline_find(core, slot->name);

        if (!deadline)
                return NULL;
        /* relaxed: who hands it out claims it */
        *ret_left = atomic_load_explicit(&deadline->left, memory_order_relaxed);
        return is_due(core, *ret_left) ? deadline : NULL;
}

static void take_bit(struct weir_slot *slot) {
        /*
         * PAIR(latch): a timeout that was latched before this step was due by then, and is seen to be when the caller looks
         * again; one that is latched after it stays.
         */
        atomic_fetch_and_explicit(&slot->word, ~SLOT_TIMEOUT, memory_order_acquire);
        WEIR_YIELD();
}

/* Latches, and puts the slot on the queue if need be. */
static void latch_again(struct weir_registry *core, struct weir_slot *slot) {
        if (weir_slot_latch(slot, SLOT_TIMEOUT))
                weir_core_push(core, slot);
}

bool weir_deadline_claim(struct weir_registry *core, struct weir_slot *slot, struct weir_claim *ret_claim) {
        struct weir_deadline *deadline;
        int64_t left;

        while ((deadline = find_due(core, slot, &left))) {
                ret_claim->word = &deadline->left;
                ret_claim->value = left | CLAIMED;
                WEIR_YIELD();
                /* PAIR(due): it may have been set again meanwhile, to the same moment. */
                if (atomic_compare_exchange_strong_explicit(&deadline->left, &left, left | CLAIMED,
                                                            memory_order_acquire, memory_order_relaxed))
                        return true;
        }
        weir_deadline_settle(core, slot);
        return false;
}

void weir_deadline_unclaim(struct weir_registry *core, struct weir_slot *slot, const struct weir_claim *claim) {
        int64_t claimed = claim->value;

        WEIR_YIELD();
        /* relaxed: the latch orders it. If another one was set, or the registration ended, there is nothing to give back. */
        if (atomic_compare_exchange_strong_explicit(claim->word, &claimed, claimed & ~CLAIMED, memory_order_relaxed,
                                                    memory_order_relaxed))
                latch_again(core, slot);
}

void weir_deadline_settle(struct weir_registry *core, struct weir_slot *slot) {
        int64_t left;

        if (find_due(core, slot, &left))
                return;
        take_bit(slot);
        if (find_due(core, slot, &left))
                latch_again(core, slot);
}

/* ---------------------------------------------------------------- the waiter */

/* How long to sleep so as not to oversleep. */
static int64_t shortened(int64_t sleep) {
        int64_t stretch = sleep / 200 < STRETCH_MOST ? sleep / 200 : STRETCH_MOST;

        return sleep < STRETCH_FROM ? sleep : sleep - stretch - STRETCH_MORE;
}

int64_t weir_deadlines_sleep(struct weir_registry *core, int64_t timeout) {
        struct weir_deadlines *all = &core->deadlines;
        int64_t until = WEIR_NEVER, sleep;

        if (!weir_lock(core->life, &all->lock))
                return 0;
        if (all->count)
                until = all->heap[0].moment;
        all->sleeps_until = until;
        weir_unlock(core->life, &all->lock);
        if (until == WEIR_NEVER)
                return timeout;
        sleep = until - weir_sys_now();
        if (sleep <= 0)
                return 0;
        /* The timeout is stretched, too: so one that ends just before the moment must not be slept in one piece. */
        sleep = shortened(sleep);
        return sleep < timeout ? sleep : timeout;
}

/* The next place that has come up, if one has. It is no place any more, or at a later moment. Returns whether it was. */
static bool next_place(struct weir_registry *core, int64_t now, uint32_t *ret_name, weir_time *ret_moment) {
        struct weir_deadlines *all = &core->deadlines;
        struct weir_deadline *deadline;
        int64_t left;
        bool up;

        if (!weir_lock(core->life, &all->lock))
                return false;
        all->sleeps_until = 0;
        up = all->count && all->heap[0].moment <= now;
        if (up) {
                *ret_name = take_first(core, &deadline);
                WEIR_YIELD();
                /* PAIR(moment) */
                left = atomic_load_explicit(&deadline->left, memory_order_seq_cst);
                *ret_moment = left > 0 ? WEIR_NEVER - left : WEIR_NEVER;
                if (*ret_moment > now && *ret_moment != WEIR_NEVER)
                        place(core, *ret_name, deadline, *ret_moment);
        }
        weir_unlock(core->life, &all->lock);
        return up;
}

void weir_deadlines_fetched(struct weir_registry *core, uint32_t most, struct weir_ready_list *due) {
        int64_t now = weir_sys_now();
        struct weir_slot *slot;
        weir_time moment;
        uint32_t name;

        /* relaxed: one waiter at a time; what is latched for it says so, PAIR(latch) */
        atomic_store_explicit(&core->deadlines.moment, now, memory_order_relaxed);
        while (most && next_place(core, now, &name, &moment)) {
                WEIR_YIELD();
                slot = moment <= now ? weir_core_slot(core, name) : NULL;
                if (slot && weir_slot_latch(slot, SLOT_TIMEOUT)) {
                        weir_ready_list_append(due, slot);
                        --most;
                }
        }
}

/* ---------------------------------------------------------------- nesting, beginning and end */

void weir_deadlines_announce(struct weir_registry *core) {
        if (!weir_lock(core->life, &core->deadlines.lock))
                return;
        announce(core);
        weir_unlock(core->life, &core->deadlines.lock);
}

void weir_deadlines_init(struct weir_deadlines *all) {
        all->beginning = weir_sys_now();
        all->sleeps_until = all->announced = WEIR_NEVER;
        atomic_init(&all->timer, -1);
}

void weir_deadlines_free(struct weir_registry *core) {
        struct weir_deadlines *all = &core->deadlines;
        /* relaxed, here and below: nobody else is left */
        int timer = atomic_load_explicit(&all->timer, memory_order_relaxed);

        for (unsigned table = 0; table < 2; ++table)
                for (unsigned i = 0; i < WEIR_SEGMENTS; ++i)
                        weir_sys_free(atomic_load_explicit(&all->segments[table][i], memory_order_relaxed),
                                      deadlines_bytes(i));
        weir_sys_free(all->heap, all->room * sizeof *all->heap);
        if (timer >= 0)
                weir_sys_close(timer);
}
