/* SPDX-License-Identifier: MIT */
/* Changes of files that are really made, in a directory of the case's own. */
#include "support.h"

#include <limits.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <weir/sources.h>

#define FILES 7

/* The case works in this directory, by names alone. */
static char directory[] = "/tmp/weir-inotify-XXXXXX";

static struct weir_inotify make_inotify(void) {
        struct weir_inotify inotify;

        assert_int_equal(weir_inotify_init(&inotify), 0);
        assert_int_equal(fcntl(inotify.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        assert_int_equal(fcntl(inotify.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        return inotify;
}

static void watch(struct fixture *fx, struct weir_inotify *inotify, weir_interest interest) {
        assert_int_equal(weir_source_register(fx->registry, &inotify->source, FILES, interest), 0);
}

static void end(struct fixture *fx, struct weir_inotify *inotify) {
        assert_int_equal(weir_source_deregister(fx->registry, &inotify->source), 0);
        weir_inotify_deinit(inotify);
}

static int add(struct weir_inotify *inotify, const char *path, uint32_t mask) {
        int r = weir_inotify_add(inotify, path, mask);

        assert_true(r > 0);
        return r;
}

static void create(const char *name) {
        int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        close(fd);
}

static void expect_change(struct weir_inotify *inotify, int from, uint32_t mask, const char *name) {
        struct weir_change change;

        assert_int_equal(weir_inotify_read(inotify, &change), 0);
        assert_int_equal(change.watch, from);
        assert_int_equal(change.mask, mask);
        assert_string_equal(change.name, name);
}

static void expect_drained(struct weir_inotify *inotify) {
        struct weir_change change;

        memset(&change, 0x5a, sizeof change);
        assert_int_equal(weir_inotify_read(inotify, &change), -EAGAIN);
        assert_int_equal(change.watch, 0x5a5a5a5a);
}

static void changes_are_read_with_their_names(void **state) {
        struct fixture *fx = *state;
        struct weir_inotify inotify = make_inotify();
        int here;

        watch(fx, &inotify, WEIR_READABLE);
        here = add(&inotify, ".", IN_CREATE | IN_DELETE);
        expect_silence(fx);
        expect_drained(&inotify);
        create("a");
        expect_one(fx, FILES);
        expect_change(&inotify, here, IN_CREATE, "a");
        expect_drained(&inotify);
        unlink("a");
        expect_one(fx, FILES);
        expect_change(&inotify, here, IN_DELETE, "a");
        expect_drained(&inotify);
        expect_silence(fx);
        end(fx, &inotify);
}

/* Names of all lengths, and so changes of all sizes, queue up and come out one by one, none with a part of the next. */
static void names_of_every_length_come_one_by_one(void **state) {
        struct weir_inotify inotify = make_inotify();
        int here = add(&inotify, ".", IN_CREATE | IN_DELETE);
        char name[NAME_MAX + 1];

        (void)state;
        for (unsigned round = 0; round < 2; ++round)
                for (size_t length = 1; length <= NAME_MAX; ++length) {
                        memset(name, 'n', length);
                        name[length] = '\0';
                        if (round == 0)
                                create(name);
                        else
                                unlink(name);
                }
        for (unsigned round = 0; round < 2; ++round)
                for (size_t length = 1; length <= NAME_MAX; ++length) {
                        memset(name, 'n', length);
                        name[length] = '\0';
                        expect_change(&inotify, here, round == 0 ? IN_CREATE : IN_DELETE, name);
                }
        expect_drained(&inotify);
        weir_inotify_deinit(&inotify);
}

/* Nothing is kept back in the library: while a change is unread, level-triggered readiness says so. */
static void one_read_for_each_level_event_is_enough(void **state) {
        struct fixture *fx = *state;
        struct weir_inotify inotify = make_inotify();
        int file;

        create("f");
        file = add(&inotify, "f", IN_ATTRIB | IN_MODIFY);
        watch(fx, &inotify, WEIR_READABLE | WEIR_LEVEL);
        for (unsigned i = 0; i < 3; ++i) { /* the kernel merges neighbours that are the same; these are not */
                assert_int_equal(chmod("f", 0600), 0);
                assert_int_equal(truncate("f", i + 1), 0);
        }
        for (unsigned i = 0; i < 3; ++i) {
                expect_one(fx, FILES);
                expect_change(&inotify, file, IN_ATTRIB, "");
                expect_one(fx, FILES);
                expect_change(&inotify, file, IN_MODIFY, "");
        }
        expect_silence(fx);
        expect_drained(&inotify);
        end(fx, &inotify);
        unlink("f");
}

static void both_halves_of_a_rename_have_one_cookie(void **state) {
        struct weir_inotify inotify = make_inotify();
        struct weir_change from, to;

        (void)state;
        create("old");
        add(&inotify, ".", IN_MOVE);
        assert_int_equal(rename("old", "new"), 0);
        assert_int_equal(weir_inotify_read(&inotify, &from), 0);
        assert_int_equal(weir_inotify_read(&inotify, &to), 0);
        assert_int_equal(from.mask, IN_MOVED_FROM);
        assert_string_equal(from.name, "old");
        assert_int_equal(to.mask, IN_MOVED_TO);
        assert_string_equal(to.name, "new");
        assert_int_not_equal(from.cookie, 0);
        assert_int_equal(from.cookie, to.cookie);
        weir_inotify_deinit(&inotify);
        unlink("new");
}

static void a_watch_is_of_the_file_and_ends(void **state) {
        struct weir_inotify inotify = make_inotify();
        int first, second;

        (void)state;
        create("f");
        assert_int_equal(link("f", "g"), 0);
        first = add(&inotify, "f", IN_MODIFY);
        assert_int_equal(add(&inotify, "g", IN_MODIFY), first);
        assert_int_equal(weir_inotify_remove(&inotify, first), 0);
        expect_change(&inotify, first, IN_IGNORED, "");
        expect_drained(&inotify);
        assert_int_equal(truncate("f", 1), 0);
        expect_drained(&inotify);
        assert_int_equal(weir_inotify_remove(&inotify, first), -EINVAL);

        second = add(&inotify, "f", IN_DELETE_SELF);
        assert_int_not_equal(second, first);
        unlink("f");
        unlink("g");
        expect_change(&inotify, second, IN_DELETE_SELF, "");
        expect_change(&inotify, second, IN_IGNORED, "");
        expect_drained(&inotify);
        assert_int_equal(weir_inotify_remove(&inotify, second), -EINVAL);
        weir_inotify_deinit(&inotify);
}

static void a_full_queue_says_that_changes_were_lost(void **state) {
        struct weir_inotify inotify = make_inotify();
        struct weir_change change;
        unsigned limit = 0, read = 0;
        FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

        (void)state;
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%u", &limit), 1);
        fclose(file);
        if (limit > 1000000) {
                weir_inotify_deinit(&inotify);
                skip();
        }
        create("a");
        create("b");
        add(&inotify, "a", IN_ATTRIB);
        add(&inotify, "b", IN_ATTRIB);
        for (unsigned i = 0; i < limit + 2; ++i)
                assert_int_equal(chmod(i % 2 ? "a" : "b", 0600), 0);
        while (weir_inotify_read(&inotify, &change) == 0) {
                ++read;
                if (change.mask & IN_Q_OVERFLOW)
                        break;
                assert_int_equal(change.mask, IN_ATTRIB);
        }
        assert_int_equal(change.mask, IN_Q_OVERFLOW);
        assert_int_equal(change.watch, -1);
        assert_true(read > 2);
        expect_drained(&inotify);
        weir_inotify_deinit(&inotify);
        unlink("a");
        unlink("b");
}

static void a_one_shot_is_rearmed_by_its_descriptor(void **state) {
        struct fixture *fx = *state;
        struct weir_inotify inotify = make_inotify();
        int here = add(&inotify, ".", IN_CREATE | IN_DELETE);

        watch(fx, &inotify, WEIR_READABLE | WEIR_ONESHOT);
        for (unsigned i = 0; i < 3; ++i) {
                create("a");
                expect_soon(fx, FILES);
                unlink("a");
                expect_silence(fx); /* not before it is armed */
                expect_change(&inotify, here, IN_CREATE, "a");
                expect_change(&inotify, here, IN_DELETE, "a");
                expect_drained(&inotify);
                assert_int_equal(weir_rearm(fx->registry, inotify.fd, WEIR_READABLE), 0);
        }
        end(fx, &inotify);
}

static int read_in_child(void *arg) {
        struct weir_change change;

        REQUIRE(weir_inotify_read(arg, &change) == 0);
        weir_inotify_deinit(arg);
        return 0;
}

static void what_a_forked_child_reads_is_gone(void **state) {
        struct weir_inotify inotify = make_inotify();
        int here = add(&inotify, ".", IN_CREATE | IN_DELETE);

        (void)state;
        create("a");
        unlink("a");
        assert_int_equal(run_child(read_in_child, &inotify), 0);
        expect_change(&inotify, here, IN_DELETE, "a");
        expect_drained(&inotify);
        weir_inotify_deinit(&inotify);
}

static void bad_arguments_get_a_clear_errno(void **state) {
        struct fixture *fx = *state;
        struct weir_inotify inotify = { .fd = 0 };
        struct weir_change change = { .watch = 99 };
        char longest[PATH_MAX + 2];

        memset(longest, 'x', sizeof longest - 1);
        longest[sizeof longest - 1] = '\0';
        assert_int_equal(weir_inotify_init(NULL), -EINVAL);
        assert_int_equal(weir_inotify_add(NULL, ".", IN_CREATE), -EINVAL);
        assert_int_equal(weir_inotify_remove(NULL, 1), -EINVAL);
        assert_int_equal(weir_inotify_read(NULL, &change), -EINVAL);
        weir_inotify_deinit(NULL);
        for (unsigned round = 0; round < 2; ++round) { /* all zero, then ended */
                assert_int_equal(weir_inotify_add(&inotify, ".", IN_CREATE), -EINVAL);
                assert_int_equal(weir_inotify_remove(&inotify, 1), -EINVAL);
                assert_int_equal(weir_inotify_read(&inotify, &change), -EINVAL);
                assert_int_equal(weir_source_register(fx->registry, &inotify.source, FILES, WEIR_READABLE), -EINVAL);
                weir_inotify_deinit(&inotify);
                if (round == 0) {
                        inotify = make_inotify();
                        weir_inotify_deinit(&inotify);
                }
        }
        assert_int_equal(stats_of(fx->registry).registered, 0);
        assert_true(fcntl(0, F_GETFD) >= 0);

        inotify = make_inotify();
        create("f");
        assert_int_equal(weir_inotify_add(&inotify, NULL, IN_CREATE), -EINVAL);
        assert_int_equal(weir_inotify_add(&inotify, ".", 0), -EINVAL);
        assert_int_equal(weir_inotify_add(&inotify, "", IN_CREATE), -ENOENT);
        assert_int_equal(weir_inotify_add(&inotify, "none", IN_CREATE), -ENOENT);
        assert_int_equal(weir_inotify_add(&inotify, "f", IN_CREATE | IN_ONLYDIR), -ENOTDIR);
        assert_int_equal(weir_inotify_add(&inotify, longest, IN_CREATE), -ENAMETOOLONG);
        assert_int_equal(symlink("loop", "loop"), 0);
        assert_int_equal(weir_inotify_add(&inotify, "loop", IN_CREATE), -ELOOP);
        unlink("loop");
#ifdef IN_MASK_CREATE
        add(&inotify, "f", IN_MODIFY);
        assert_int_equal(weir_inotify_add(&inotify, "f", IN_MODIFY | IN_MASK_CREATE), -EEXIST);
#endif
        assert_int_equal(weir_inotify_remove(&inotify, -1), -EINVAL);
        assert_int_equal(weir_inotify_remove(&inotify, 12345), -EINVAL);
        assert_int_equal(weir_inotify_read(&inotify, NULL), -EINVAL);
        assert_int_equal(change.watch, 99);
        expect_drained(&inotify);
        weir_inotify_deinit(&inotify);
        unlink("f");
}

static int enter(void **state) {
        (void)state;
        return mkdtemp(directory) ? chdir(directory) : -1;
}

static int leave(void **state) {
        (void)state;
        return chdir("/") < 0 || rmdir(directory) < 0 ? -1 : 0;
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(changes_are_read_with_their_names),       CASE(names_of_every_length_come_one_by_one),
                CASE(one_read_for_each_level_event_is_enough), CASE(both_halves_of_a_rename_have_one_cookie),
                CASE(a_watch_is_of_the_file_and_ends),         CASE(a_full_queue_says_that_changes_were_lost),
                CASE(a_one_shot_is_rearmed_by_its_descriptor), CASE(what_a_forked_child_reads_is_gone),
                CASE(bad_arguments_get_a_clear_errno),
        };

        return cmocka_run_group_tests_name("inotify", cases, enter, leave);
}
