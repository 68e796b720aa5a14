/* SPDX-License-Identifier: MIT */
/*
 * A deferred function that runs because a wait closes the former batch forks, while a part of the ready queue is left over
 * and an outer set may watch: the child leaves the wait without a write to the eventfd that it shares with its parent.
 */
#include "../support.h"

#include <dirent.h>
#include <sys/wait.h>

/* The sum of the counters of all eventfds, as the kernel tells it. */
static unsigned long long eventfd_counters(void) {
        DIR *dir = opendir("/proc/self/fdinfo");
        unsigned long long sum = 0, counter;
        struct dirent *entry;
        char line[100];
        FILE *file;
        int fd;

        while (dir && (entry = readdir(dir))) {
                fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
                file = fd >= 0 ? fdopen(fd, "r") : NULL;
                while (file && fgets(line, sizeof(line), file))
                        if (sscanf(line, "eventfd-count: %llx", &counter) == 1)
                                sum += counter;
                if (file)
                        fclose(file);
        }
        if (dir)
                closedir(dir);
        return sum;
}

struct forker {
        struct weir_deferred node;
        pid_t child;
        int status;
        unsigned long long before;
};

/* The parent goes on when the child has ended, so that no write of its own is counted. */
static void fork_here(struct weir_deferred *node) {
        struct forker *forker = (struct forker *)node;

        forker->before = eventfd_counters();
        forker->child = fork();
        if (forker->child > 0)
                forker->child = waitpid(forker->child, &forker->status, 0);
}

static void g11_child_of_a_deferred_function_leaves_the_wait_in_silence(void **state) {
        struct fixture *fx = *state;
        struct forker forker = { .status = -1 };
        struct weir_events *one = NULL;
        struct weir_waker *wakers[3];
        int r;

        assert_int_equal(weir_events_create(1, &one), 0);
        assert_true(weir_poll_fd(fx->poll) >= 0);
        for (unsigned i = 0; i < ARRAY_LEN(wakers); i++) {
                assert_int_equal(weir_waker_create(fx->registry, i, &wakers[i]), 0);
                assert_int_equal(weir_waker_wake(wakers[i]), 0);
        }
        assert_int_equal(wait_ms(fx->poll, one, 0), 1);
        weir_defer(fx->registry, &forker.node, fork_here);
        r = wait_ms(fx->poll, one, 0);
        if (forker.child == 0)
                _exit(r != -ECHILD ? 1 : eventfd_counters() != forker.before ? 2 : 0);
        assert_int_equal(r, 1);
        assert_true(forker.child > 0);
        assert_true(forker.before > 0);
        assert_true(WIFEXITED(forker.status));
        assert_int_equal(WEXITSTATUS(forker.status), 0);
        weir_events_destroy(one);
        for (unsigned i = 0; i < ARRAY_LEN(wakers); i++)
                weir_waker_destroy(wakers[i]);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g11_child_of_a_deferred_function_leaves_the_wait_in_silence),
        };

        return cmocka_run_group_tests_name("fork_in_a_deferred_function", cases, NULL, NULL);
}
