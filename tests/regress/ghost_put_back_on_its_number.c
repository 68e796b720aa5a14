/* SPDX-License-Identifier: MIT */
/*
 * A file is registered at a number; a duplicate keeps it alive while the number goes to another file, and is then put back on
 * that number. To the kernel the entry of file and number was there all the time, so it takes changes and removals for the
 * living registration, which is of the other file. No event of the first comes under the token of the other; and who asks for
 * the number hears what it is: not the file that was registered.
 */
#include "../support.h"

#define FIRST 1
#define OTHER 2
#define ANEW  3

struct haunted {
        int number;       /* refers to the first file again */
        int copy;         /* the duplicate that kept it alive */
        int writer;       /* makes the first file readable */
        int other;        /* the other file, if it lives on; or -1 */
        int other_writer; /* likewise */
};

/* The first file was registered in the mode and is back on its number, which is registered for the other one. */
static struct haunted haunt(struct fixture *fx, weir_interest mode, weir_interest other_mode, bool deregister,
                            bool other_lives) {
        struct haunted h = { .other = -1 };
        int first[2], other[2];

        make_pipe(first);
        h.number = first[0];
        h.writer = first[1];
        assert_int_equal(weir_register(fx->registry, h.number, FIRST, WEIR_READABLE | mode), 0);
        h.copy = fcntl(h.number, F_DUPFD_CLOEXEC, 0);
        assert_true(h.copy >= 0);
        make_pipe(other);
        h.other_writer = other[1];
        assert_int_equal(dup3(other[0], h.number, O_CLOEXEC), h.number);
        if (other_lives)
                h.other = other[0];
        else
                close(other[0]);
        if (deregister)
                assert_int_equal(weir_deregister(fx->registry, h.number), 0);
        assert_int_equal(weir_register(fx->registry, h.number, OTHER, WEIR_READABLE | other_mode), 0);
        assert_int_equal(dup3(h.copy, h.number, O_CLOEXEC), h.number);
        return h;
}

static void exorcise(struct fixture *fx, struct haunted *h) {
        (void)weir_deregister(fx->registry, h->number);
        close(h->number);
        close(h->copy);
        close(h->writer);
        if (h->other >= 0)
                close(h->other);
        close(h->other_writer);
}

static const weir_interest modes[] = { WEIR_LEVEL, 0, WEIR_ONESHOT };

static void g5_cure_does_not_adopt_a_file_that_is_back_on_its_number(void **state) {
        struct fixture *fx = *state;
        struct weir_event got[BATCH];
        unsigned wrong = 0;

        for (unsigned way = 0; way < 2 * 2 * ARRAY_LEN(modes) * ARRAY_LEN(modes); way++) {
                weir_interest first = modes[way / 4 % ARRAY_LEN(modes)], other = modes[way / 4 / ARRAY_LEN(modes)];
                struct haunted h = haunt(fx, first, other, way & 1, way & 2);

                put(h.writer);
                for (unsigned i = 0; i < 5; i++) {
                        int n = collect(fx->poll, fx->events, 5, got, BATCH);

                        assert_in_range(n, 0, BATCH);
                        if (n > 0 && wrong++ == 0)
                                print_error("mode %#x, then %#x, %s, the other %s: an event under token %u\n", first,
                                            other, way & 1 ? "deregistered" : "not deregistered",
                                            way & 2 ? "lives" : "is gone", (unsigned)got[0].token);
                }
                exorcise(fx, &h);
        }
        assert_int_equal(wrong, 0);
}

static void g5_reregister_of_a_file_that_is_back_on_its_number_gets_enoent(void **state) {
        struct fixture *fx = *state;
        struct weir_event got[BATCH];

        for (unsigned way = 0; way < 2 * 2 * ARRAY_LEN(modes); way++) {
                struct haunted h = haunt(fx, modes[way / 4], modes[way / 4], way & 1, way & 2);

                assert_int_equal(weir_reregister(fx->registry, h.number, ANEW, WEIR_READABLE | modes[way / 4]),
                                 -ENOENT);
                put(h.writer);
                for (unsigned i = 0; i < 3; i++)
                        assert_int_equal(collect(fx->poll, fx->events, 1, got, BATCH), 0);
                /* So it is after a cure. */
                assert_int_equal(weir_reregister(fx->registry, h.number, ANEW, WEIR_READABLE | modes[way / 4]),
                                 -ENOENT);
                exorcise(fx, &h);
        }
}

static void g5_file_that_is_back_on_its_number_can_be_registered(void **state) {
        struct fixture *fx = *state;

        for (unsigned way = 0; way < 2 * 2 * ARRAY_LEN(modes); way++) {
                struct haunted h = haunt(fx, modes[way / 4], modes[way / 4], way & 1, way & 2);

                assert_int_equal(weir_register(fx->registry, h.number, ANEW, WEIR_READABLE | modes[way / 4]), 0);
                expect_silence(fx);
                put(h.writer);
                expect_one(fx, ANEW);
                assert_int_equal(weir_deregister(fx->registry, h.number), 0);
                put(h.writer);
                expect_silence(fx);
                exorcise(fx, &h);
        }
}

/* As the issue tells it: the first one was closed before it was deregistered, so that the kernel kept its entry. */
static void g5_file_that_was_closed_first_can_be_registered_when_it_is_back(void **state) {
        struct fixture *fx = *state;
        int first[2], other[2], copy;

        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
                make_pipe(first);
                assert_int_equal(weir_register(fx->registry, first[0], FIRST, WEIR_READABLE | modes[m]), 0);
                copy = fcntl(first[0], F_DUPFD_CLOEXEC, 0);
                assert_true(copy >= 0);
                make_pipe(other);
                close(first[0]);
                assert_int_equal(weir_deregister(fx->registry, first[0]), 0);
                move_descriptor(other[0], first[0]);
                assert_int_equal(weir_register(fx->registry, first[0], OTHER, WEIR_READABLE | modes[m]), 0);
                assert_int_equal(dup3(copy, first[0], O_CLOEXEC), first[0]);
                assert_int_equal(weir_register(fx->registry, first[0], ANEW, WEIR_READABLE | modes[m]), 0);
                put(first[1]);
                expect_one(fx, ANEW);
                assert_int_equal(weir_deregister(fx->registry, first[0]), 0);
                close_pair(first);
                close(other[1]);
                close(copy);
        }
}

/* The kernel refuses to change an exclusive entry, which says nothing of the number to who asks for it. */
static void g5_exclusive_file_that_is_back_on_its_number_is_told_like_any_other(void **state) {
        struct fixture *fx = *state;

        for (unsigned way = 0; way < 2 * 2 * ARRAY_LEN(modes); way++)
                for (unsigned again = 0; again < 2; again++) {
                        struct haunted h = haunt(fx, WEIR_EXCLUSIVE, modes[way / 4], way & 1, way & 2);
                        weir_interest interest = WEIR_READABLE | modes[way / 4];

                        if (again)
                                assert_int_equal(weir_reregister(fx->registry, h.number, ANEW, interest), -ENOENT);
                        assert_int_equal(weir_register(fx->registry, h.number, ANEW, interest), 0);
                        put(h.writer);
                        expect_one(fx, ANEW);
                        exorcise(fx, &h);
                }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g5_cure_does_not_adopt_a_file_that_is_back_on_its_number),
                CASE(g5_reregister_of_a_file_that_is_back_on_its_number_gets_enoent),
                CASE(g5_file_that_is_back_on_its_number_can_be_registered),
                CASE(g5_file_that_was_closed_first_can_be_registered_when_it_is_back),
                CASE(g5_exclusive_file_that_is_back_on_its_number_is_told_like_any_other),
        };

        return cmocka_run_group_tests_name("ghost_put_back_on_its_number", cases, NULL, NULL);
}
