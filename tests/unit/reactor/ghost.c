/* SPDX-License-Identifier: MIT */
/*
 * Ghosts: when a slot is marked, what a reading of the set's entries makes of the marks, and what becomes of a registration that
 * is modified where its number may lead to a ghost; with entries as the kernel shows them, made up, or not shown at all.
 */
#include "crowd.h"

#include "ghost.h"
#include "sets.h"

static uint8_t mark_at(struct fixture *fx, int fd) {
        return atomic_load(&slot_at(fx, fd)->haunted);
}

static bool is_haunted(struct fixture *fx) {
        return atomic_load(&fx->registry->haunted);
}

static uint64_t readings(void) {
        return fault_count(FAULT_ENTRIES);
}

/* Asks for a registration as it is, in its next turn. */
static int modify(struct fixture *fx, int fd, uint64_t *ret_next) {
        struct weir_slot *slot = slot_at(fx, fd);
        uint64_t word = atomic_load(&slot->word);

        *ret_next = word + weir_slot_next_turn(word);
        return weir_ghost_modify(fx->registry, slot, fd, word, *ret_next);
}

/* A number that is closed while a duplicate holds its file: where that is. */
static int orphan(int fd) {
        int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);

        assert_true(duplicate >= 0);
        close(fd);
        return duplicate;
}

/*
 * The state of the second fault of all: a registration of a stranger that stands under the number of a pipe, and the number
 * leads to the pipe again, which the kernel knows from before. ret_held is where the stranger is.
 */
static void make_haunted(struct fixture *fx, int pipe_fds[2], int stranger[2], int *ret_held, weir_interest interest) {
        int held;

        make_pipe(pipe_fds);
        make_pipe(stranger);
        assert_int_equal(weir_register(fx->registry, pipe_fds[0], 1, WEIR_READABLE | WEIR_LEVEL), 0);
        held = fcntl(pipe_fds[0], F_DUPFD_CLOEXEC, 0);
        assert_true(held >= 0 && dup2(stranger[0], pipe_fds[0]) == pipe_fds[0]);
        assert_int_equal(weir_register(fx->registry, pipe_fds[0], 2, WEIR_READABLE | interest), 0);
        assert_int_not_equal(mark_at(fx, pipe_fds[0]), HAUNTED_NOT);
        assert_int_equal(dup2(held, pipe_fds[0]), pipe_fds[0]);
        *ret_held = held;
}

static void end_haunted(int pipe_fds[2], int stranger[2], int held) {
        close_pair(pipe_fds);
        close_pair(stranger);
        close(held);
}

/* A ghost of a number that does not go away, and a registration of the number that stands. */
static int make_beside_ghost(struct fixture *fx, int pair[2], weir_interest interest) {
        int number = make_eventfd(0), duplicate;

        assert_int_equal(weir_register(fx->registry, number, 9, WEIR_READABLE), 0);
        duplicate = orphan(number);
        assert_int_equal(weir_deregister(fx->registry, number), 0);
        make_socketpair(pair); /* the lowest free number is that one */
        assert_int_equal(pair[0], number);
        assert_int_equal(weir_register(fx->registry, number, 1, WEIR_READABLE | interest), 0);
        return duplicate;
}

static void fork_in_the_sleep(void *arg) {
        struct fixture *fx = arg;

        atomic_store(&fx->registry->life->state, LIFE_FORKED);
        atomic_fetch_add(&fx->registry->life->unlocks, 1); /* so that the sleep ends at once */
}

static void end_fork(struct fixture *fx) {
        atomic_store(&fx->registry->life->state, LIFE_ALIVE);
}

/* ---------------------------------------------------------------- marks */

/* Of descriptors that are closed after they are deregistered, and of all other calls, nothing is marked and nothing is read. */
static void good_manners_cost_nothing(void **state) {
        struct fixture *fx = *state;
        uint64_t before = readings();

        for (int i = 0; i < 3; ++i) {
                int pair[2];

                make_socketpair(pair);
                assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | WEIR_ONESHOT), 0);
                assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE), -EEXIST);
                assert_int_equal(weir_reregister(fx->registry, pair[0], 2, WEIR_READABLE | WEIR_ONESHOT), 0);
                assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE | WEIR_WRITABLE), 0);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                assert_int_equal(mark_at(fx, pair[0]), HAUNTED_NOT);
                close_pair(pair);
        }
        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        assert_false(is_haunted(fx));
        assert_int_equal(readings(), before);
}

/* Closed before it was deregistered, or registered anew: one reading settles all of them. */
static void number_closed_first_is_marked(void **state) {
        struct fixture *fx = *state;
        uint64_t before = readings();
        int fds[3], pair[2];

        for (unsigned i = 0; i < 3; ++i) {
                fds[i] = make_eventfd(0);
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE), 0);
        }
        close(fds[0]);
        assert_int_equal(weir_deregister(fx->registry, fds[0]), 0);
        assert_int_equal(mark_at(fx, fds[0]), HAUNTED_MAY);
        make_pipe(pair);
        assert_int_equal(pair[0], fds[0]);
        move_descriptor(pair[0], fds[1]);
        assert_int_equal(weir_register(fx->registry, fds[1], 1, WEIR_READABLE), 0);
        assert_int_equal(mark_at(fx, fds[1]), HAUNTED_MAY);
        assert_true(is_haunted(fx));
        assert_int_equal(readings(), before);
        /* No duplicate holds them: there is no ghost. */
        assert_int_equal(weir_reregister(fx->registry, fds[1], 1, WEIR_READABLE), 0);
        for (unsigned i = 0; i < 3; ++i)
                assert_int_equal(mark_at(fx, fds[i]), HAUNTED_NOT);
        assert_false(is_haunted(fx));
        assert_int_equal(readings(), before + 1);
        assert_int_equal(weir_reregister(fx->registry, fds[1], 1, WEIR_READABLE), 0);
        assert_int_equal(readings(), before + 1);
        close_pair((int[]){ fds[1], pair[1] });
        close(fds[2]);
}

/* A ghost keeps its mark, through any number of readings, as long as the kernel shows it. */
static void ghost_is_marked_while_it_is_there(void **state) {
        struct fixture *fx = *state;
        int fd = make_eventfd(0), duplicate;

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        duplicate = orphan(fd);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        for (int i = 0; i < 3; ++i) {
                assert_true(weir_ghost_look(fx->registry));
                assert_int_equal(mark_at(fx, fd), HAUNTED_IS);
                assert_true(is_haunted(fx));
                weir_ghost_mark(fx->registry, slot_at(fx, fd));
                assert_int_equal(mark_at(fx, fd), HAUNTED_MAY);
        }
        close(duplicate);
        assert_true(weir_ghost_look(fx->registry));
        assert_int_equal(mark_at(fx, fd), HAUNTED_NOT);
        assert_false(is_haunted(fx));
}

/* What the kernel does not tell stays open, and is asked again. */
static void reading_that_fails_settles_nothing(void **state) {
        struct fixture *fx = *state;
        struct weir_slot *slot;
        uint64_t next;
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        slot = slot_at(fx, fd);
        weir_ghost_mark(fx->registry, slot);
        for (int i = 0; i < 2; ++i) {
                fault_at(FAULT_ENTRIES, 1, i ? EMFILE : ENOENT);
                assert_false(weir_ghost_look(fx->registry));
                assert_int_equal(fault_off(), 1);
                assert_int_equal(mark_at(fx, fd), HAUNTED_MAY);
                assert_true(is_haunted(fx));
        }
        atomic_store(&slot->haunted, HAUNTED_IS);
        fault_at(FAULT_ENTRIES, 1, ENOENT);
        assert_int_equal(modify(fx, fd, &next), -EAGAIN);
        assert_int_equal(fault_off(), 1);
        assert_int_not_equal(mark_at(fx, fd), HAUNTED_NOT);
        assert_in_kernel(fx, fd, EPOLLIN | EPOLLRDHUP | (uint32_t)EPOLLET, GEN(2) | (uint64_t)fd);
        assert_true(weir_ghost_look(fx->registry));
        assert_int_equal(mark_at(fx, fd), HAUNTED_NOT);
        close(fd);
}

/* Who waits for another's reading in vain, for it is in a child, is told nothing. */
static void fork_in_the_reading_settles_nothing(void **state) {
        struct fixture *fx = *state;
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        weir_ghost_mark(fx->registry, slot_at(fx, fd));
        assert_true(weir_lock(fx->registry->life, &fx->registry->ghost_lock));
        fault_hook(FAULT_FUTEX_WAIT, 1, fork_in_the_sleep, fx);
        assert_false(weir_ghost_look(fx->registry));
        assert_int_equal(fault_off(), 1);
        end_fork(fx);
        weir_unlock(fx->registry->life, &fx->registry->ghost_lock);
        assert_int_equal(mark_at(fx, fd), HAUNTED_MAY);
        assert_true(is_haunted(fx));
        close(fd);
}

/* Entries of other numbers, of wild ones, the eventfd's, and those that stand: none of them is a ghost of this slot. */
static void entries_are_told_apart(void **state) {
        struct fixture *fx = *state;
        int fds[2] = { make_eventfd(0), make_eventfd(0) };
        struct weir_sys_entry entries[5];

        for (unsigned i = 0; i < 2; ++i)
                assert_int_equal(weir_register(fx->registry, fds[i], i, WEIR_READABLE), 0);
        entries[0] = (struct weir_sys_entry){ .fd = fds[0], .data = GEN(2) | (uint64_t)fds[0] };
        entries[1] = (struct weir_sys_entry){ .fd = fds[0], .data = DATA_EVENTFD };
        entries[2] = (struct weir_sys_entry){ .fd = -1, .data = GEN(1) };
        entries[3] = (struct weir_sys_entry){ .fd = INT32_MAX, .data = GEN(1) };
        entries[4] = (struct weir_sys_entry){ .fd = fds[1], .data = GEN(0) | (uint64_t)fds[1] };
        fault_show_entries(entries, ARRAY_LEN(entries));
        for (unsigned marked = 0; marked < 2; ++marked) {
                if (marked)
                        weir_ghost_mark(fx->registry, slot_at(fx, fds[1]));
                weir_ghost_mark(fx->registry, slot_at(fx, fds[0]));
                assert_true(weir_ghost_look(fx->registry));
                assert_int_equal(mark_at(fx, fds[0]), HAUNTED_NOT);
                /* Of one that was not marked, it is an entry that is being changed. */
                assert_int_equal(mark_at(fx, fds[1]), marked ? HAUNTED_IS : HAUNTED_NOT);
        }
        fault_show_entries(NULL, 0);
        close_pair(fds);
}

/* An entry of another turn is another registration's, for all that can be told. */
static void turns_are_told_apart(void **state) {
        struct fixture *fx = *state;
        struct weir_sys_entry entry;
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        for (unsigned turn = 0; turn < 16; ++turn) {
                entry = (struct weir_sys_entry){ .fd = fd, .data = GEN(2) | TURN(turn) | (uint64_t)fd };
                fault_show_entries(&entry, 1);
                weir_ghost_mark(fx->registry, slot_at(fx, fd));
                assert_true(weir_ghost_look(fx->registry));
                assert_int_equal(mark_at(fx, fd), turn ? HAUNTED_IS : HAUNTED_NOT);
        }
        fault_show_entries(NULL, 0);
        close(fd);
}

static void mark_it(void *arg) {
        struct fixture *fx = arg;

        weir_ghost_mark(fx->registry, slot_at(fx, (int)stats_of(fx->registry).capacity - 1));
}

/* A ghost that is born during the reading is not settled by it. */
static void mark_during_the_reading_stays(void **state) {
        struct fixture *fx = *state;
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        mark_it(fx);
        fault_hook(FAULT_ENTRIES, 1, mark_it, fx);
        assert_true(weir_ghost_look(fx->registry));
        assert_int_equal(fault_off(), 1);
        assert_int_equal(mark_at(fx, fd), HAUNTED_MAY);
        assert_true(is_haunted(fx));
        close(fd);
}

/* ---------------------------------------------------------------- a number that leads to a ghost */

static const weir_interest modes[] = { 0, WEIR_LEVEL, WEIR_ONESHOT, WEIR_EXCLUSIVE };

/* The registration itself, marked for nothing or not: its entry is asked anew, in every mode, and tells what is there. */
static void registration_is_modified(void **state) {
        struct fixture *fx = *state;

        for (size_t i = 0; i < 3 * ARRAY_LEN(modes); ++i) {
                uint32_t before = 0, after = 1;
                uint64_t data[2] = { 0, 0 }, next, read = readings();
                int pair[2];

                make_pipe(pair);
                assert_int_equal(weir_register(fx->registry, pair[0], 1, WEIR_READABLE | modes[i / 3]), 0);
                assert_int_equal(entries_in(fx->registry->set, pair[0], &before, &data[0]), 1);
                if (i % 3 > 0)
                        weir_ghost_mark(fx->registry, slot_at(fx, pair[0]));
                if (i % 3 == 2)
                        /* A mark that comes after the look. */
                        fault_hook(FAULT_ENTRIES, 1, mark_it, fx);
                put(pair[1]);
                assert_int_equal(modify(fx, pair[0], &next), 0);
                assert_int_equal(fault_off(), i % 3 == 2);
                assert_int_equal(readings() - read, i % 3 + (i % 3 == 2));
                assert_int_equal(entries_in(fx->registry->set, pair[0], &after, &data[1]), 1);
                assert_int_equal(after, before);
                assert_int_equal(data[1], data[0] + TURN(1));
                /* It was not the one to begin the turn. */
                assert_word(slot_at(fx, pair[0]), next - TURN(1));
                atomic_store(&slot_at(fx, pair[0])->word, next);
                (void)expect_one(fx, 1);
                atomic_store(&slot_at(fx, pair[0])->haunted, HAUNTED_NOT);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                close_pair(pair);
        }
}

/* The number leads to a file that the kernel knows from before: it is no file of the registration, and leaves the set. */
static void ghost_is_not_modified(void **state) {
        struct fixture *fx = *state;

        for (size_t i = 0; i < ARRAY_LEN(modes); ++i) {
                int pair[2], stranger[2], held;
                uint32_t events = 0;
                uint64_t data = 0, next;

                make_haunted(fx, pair, stranger, &held, modes[i]);
                assert_int_equal(entries_in(fx->registry->set, pair[0], &events, &data), 2);
                assert_int_equal(modify(fx, pair[0], &next), -ESTALE);
                assert_int_equal(mark_at(fx, pair[0]), HAUNTED_IS);
                assert_int_equal(entries_in(fx->registry->set, pair[0], &events, &data), 1);
                assert_int_equal(data & ~BELOW_TURN, word_at(fx, pair[0]) & ~BELOW_TURN);
                put(pair[1]);
                expect_silence(fx);
                put(stranger[1]); /* which the registration is of */
                (void)expect_one(fx, 2);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                end_haunted(pair, stranger, held);
        }
}

struct put_back {
        int held, number;
};

static void put_back(void *arg) {
        struct put_back *numbers = arg;

        assert_int_equal(dup2(numbers->held, numbers->number), numbers->number);
}

/* The registration's last descriptor makes way for the ghost's file in the midst of it: that is not modified either. */
static void ghost_that_comes_back_is_not_modified(void **state) {
        struct fixture *fx = *state;

        for (size_t i = 0; i < ARRAY_LEN(modes); ++i) {
                int pair[2], stranger[2];
                uint32_t events = 0;
                uint64_t data = 0, next;
                struct put_back numbers;

                make_haunted(fx, pair, stranger, &numbers.held, modes[i]);
                numbers.number = pair[0];
                assert_int_equal(dup2(stranger[0], pair[0]), pair[0]);
                close(stranger[0]);
                assert_int_equal(entries_in(fx->registry->set, pair[0], &events, &data), 2);
                fault_hook(modes[i] == WEIR_EXCLUSIVE ? FAULT_DEL : FAULT_MOD, 1, put_back, &numbers);
                assert_int_equal(modify(fx, pair[0], &next), -ESTALE);
                assert_int_equal(fault_off(), 1);
                assert_int_equal(entries_in(fx->registry->set, pair[0], &events, &data), 0);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                stranger[0] = make_eventfd(0);
                end_haunted(pair, stranger, numbers.held);
        }
}

/* The registration's own file is gone, and its entry with it: what the number leads to is left as it is. */
static void entry_that_is_gone_is_not_modified(void **state) {
        struct fixture *fx = *state;

        for (size_t i = 0; i < ARRAY_LEN(modes); ++i) {
                int pair[2], stranger[2], held;
                uint32_t events = 0;
                uint64_t data[2] = { 0, 1 }, next;

                make_haunted(fx, pair, stranger, &held, modes[i]);
                close(stranger[0]);
                assert_int_equal(entries_in(fx->registry->set, pair[0], &events, &data[0]), 1);
                assert_int_equal(modify(fx, pair[0], &next), -ENOENT);
                assert_int_equal(entries_in(fx->registry->set, pair[0], &events, &data[1]), 1);
                assert_int_equal(data[1], data[0]);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                stranger[0] = make_eventfd(0);
                end_haunted(pair, stranger, held);
        }
}

/* Of three readings the first two must succeed; where the last fails, the number most likely leads to the registration. */
static void silent_kernel_modifies_nothing(void **state) {
        struct fixture *fx = *state;

        for (size_t i = 0; i < ARRAY_LEN(modes); ++i)
                for (uint64_t n = 1; n <= 4; ++n) {
                        uint32_t events;
                        uint64_t data = 0, next;
                        int pair[2], duplicate = make_beside_ghost(fx, pair, modes[i]);

                        fault_at(FAULT_ENTRIES, n, ENOENT);
                        assert_int_equal(modify(fx, pair[0], &next), n < 3 ? -EAGAIN : 0);
                        assert_int_equal(fault_off(), n < 4);
                        assert_int_equal(entries_of(fx->registry->set, pair[0], ~BELOW_TURN,
                                                    n < 3 ? next - TURN(1) : next, &events, &data),
                                         1);
                        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                        close_pair(pair);
                        close(duplicate);
                }
}

/* Calls about a number that is another file's now are refused, as if that were not registered; and it may be registered. */
static void calls_about_a_ghost_are_refused(void **state) {
        struct fixture *fx = *state;

        for (int which = 0; which < 4; ++which) {
                int pair[2], stranger[2], held;
                uint64_t word;

                make_haunted(fx, pair, stranger, &held, WEIR_ONESHOT);
                word = word_at(fx, pair[0]);
                if (which == 0)
                        assert_int_equal(weir_reregister(fx->registry, pair[0], 3, WEIR_READABLE), -ENOENT);
                else if (which == 1)
                        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE | WEIR_WRITABLE), -ENOENT);
                else if (which == 2)
                        assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
                /* The kernel knows what the next one would have had. */
                assert_word(slot_at(fx, pair[0]), word + (which < 3 ? GEN(3) : 0));
                assert_int_equal(weir_register(fx->registry, pair[0], 3, WEIR_READABLE), 0);
                put(pair[1]);
                (void)expect_one(fx, 3);
                put(stranger[1]);
                expect_silence(fx);
                assert_int_equal(weir_register(fx->registry, pair[0], 4, WEIR_READABLE), -EEXIST);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                end_haunted(pair, stranger, held);
                assert_true(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        }
}

/* Likewise if the registration's own file is gone; the kernel was told of nothing then. */
static void calls_about_what_is_gone_are_refused(void **state) {
        struct fixture *fx = *state;

        for (int which = 0; which < 3; ++which) {
                int pair[2], stranger[2], held;
                uint64_t word;

                make_haunted(fx, pair, stranger, &held, WEIR_ONESHOT);
                word = word_at(fx, pair[0]);
                close(stranger[0]);
                if (which == 0)
                        assert_int_equal(weir_reregister(fx->registry, pair[0], 3, WEIR_READABLE), -ENOENT);
                else if (which == 1)
                        assert_int_equal(weir_rearm(fx->registry, pair[0], WEIR_READABLE | WEIR_WRITABLE), -ENOENT);
                assert_word(slot_at(fx, pair[0]), word);
                assert_int_equal(weir_register(fx->registry, pair[0], 3, WEIR_READABLE), 0);
                put(pair[1]);
                (void)expect_one(fx, 3);
                assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
                stranger[0] = make_eventfd(0);
                end_haunted(pair, stranger, held);
        }
}

/* Without /proc nothing is adopted: a register is refused, a rebuild does not begin. */
static void nothing_is_adopted_if_the_kernel_is_silent(void **state) {
        struct fixture *fx = *state;
        int pair[2], stranger[2], held;

        make_haunted(fx, pair, stranger, &held, 0);
        fault_from(FAULT_ENTRIES, 1, ENOENT);
        assert_int_equal(weir_register(fx->registry, pair[0], 3, WEIR_READABLE), -EEXIST);
        assert_false(weir_sets_rebuild(fx->registry, WEIR_FOREVER));
        (void)fault_off();
        put(stranger[1]);
        (void)expect_one(fx, 2);
        assert_int_equal(weir_register(fx->registry, pair[0], 3, WEIR_READABLE), 0);
        put(pair[1]);
        (void)expect_one(fx, 3);
        end_haunted(pair, stranger, held);
}

/* ---------------------------------------------------------------- readings that fail half way */

static void stands_and_ends(struct fixture *fx, int pair[2], int duplicate) {
        uint64_t data = 0;
        uint32_t events;

        assert_int_equal(weir_register(fx->registry, pair[0], 7, WEIR_READABLE), -EEXIST);
        assert_int_equal(entries_of(fx->registry->set, pair[0], ~BELOW_TURN, word_at(fx, pair[0]), &events, &data), 1);
        put(pair[1]);
        (void)expect_one(fx, 1);
        assert_int_equal(weir_deregister(fx->registry, pair[0]), 0);
        close_pair(pair);
        close(duplicate);
}

/* Whichever reading fails: the registration that stands is not given up for that, nor refused. */
static void failed_reading_ends_no_registration(void **state) {
        struct fixture *fx = *state;

        for (size_t i = 0; modes[i] != WEIR_EXCLUSIVE; ++i)
                for (uint64_t n = 1, fired = 1; fired; ++n) {
                        int pair[2], duplicate = make_beside_ghost(fx, pair, modes[i]);

                        fault_at(FAULT_ENTRIES, n, EMFILE);
                        assert_int_equal(weir_reregister(fx->registry, pair[0], 1, WEIR_READABLE | modes[i]), 0);
                        fired = fault_off();
                        stands_and_ends(fx, pair, duplicate);
                }
}

/* A move in which one cannot tell what stands is given up. It looks twice, and reads twice more for the registration. */
static void failed_reading_gives_the_move_up(void **state) {
        struct fixture *fx = *state;

        for (size_t i = 0; i < ARRAY_LEN(modes); ++i)
                for (uint64_t n = 1, fired = 1; fired; ++n) {
                        int pair[2], duplicate = make_beside_ghost(fx, pair, modes[i]);
                        bool moved;

                        fault_at(FAULT_ENTRIES, n, EMFILE);
                        moved = weir_sets_rebuild(fx->registry, WEIR_FOREVER);
                        fired = fault_off();
                        assert_int_equal(moved, n > 3);
                        stands_and_ends(fx, pair, duplicate);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(good_manners_cost_nothing),
                CASE(number_closed_first_is_marked),
                CASE(ghost_is_marked_while_it_is_there),
                CASE(reading_that_fails_settles_nothing),
                CASE(entries_are_told_apart),
                CASE(fork_in_the_reading_settles_nothing),
                CASE(turns_are_told_apart),
                CASE(mark_during_the_reading_stays),
                CASE(registration_is_modified),
                CASE(ghost_is_not_modified),
                CASE(ghost_that_comes_back_is_not_modified),
                CASE(entry_that_is_gone_is_not_modified),
                CASE(silent_kernel_modifies_nothing),
                CASE(calls_about_a_ghost_are_refused),
                CASE(calls_about_what_is_gone_are_refused),
                CASE(nothing_is_adopted_if_the_kernel_is_silent),
                CASE(failed_reading_ends_no_registration),
                CASE(failed_reading_gives_the_move_up),
        };

        return cmocka_run_group_tests_name("ghost", tests, NULL, NULL);
}
