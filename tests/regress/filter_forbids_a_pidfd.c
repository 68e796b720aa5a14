/* SPDX-License-Identifier: MIT */
/*
 * A filter of system calls that answers with EPERM, as those of containers do, forbids pidfd_open(2), or waitid(2) with a pidfd:
 * weir_child_init() gets -ENOSYS, as it says, and nothing is left.
 */
#include "../support.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <weir/sources.h>

#define NO_FILTER 200

static int forbid(int number, int error) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { ARRAY_LEN(code), code };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
                return NO_FILTER;
        return 0;
}

struct rule {
        int number;
        int error;
};

static int init_under(void *arg) {
        const struct rule *rule = arg;
        struct weir_child child;
        unsigned open_before;
        pid_t pid;
        int r;

        pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
                pause();
                _exit(0);
        }
        open_before = count_descriptors();
        r = forbid(rule->number, rule->error);
        if (r == 0) {
                memset(&child, 0, sizeof(child));
                r = weir_child_init(pid, &child);
                if (r != -ENOSYS)
                        fprintf(stderr, "call %d forbidden with %d: weir_child_init() returns %d\n", rule->number,
                                rule->error, r);
                r = r != -ENOSYS                         ? __LINE__
                    : child.source.ops                   ? __LINE__
                    : count_descriptors() != open_before ? __LINE__
                                                         : 0;
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return r;
}

static void expect_enosys(int number) {
        const int errors[] = { EPERM, ENOSYS };
        struct rule rule = { .number = number };
        int r;

        for (unsigned i = 0; i < ARRAY_LEN(errors); i++) {
                rule.error = errors[i];
                r = run_child(init_under, &rule);
                if (r == NO_FILTER)
                        skip();
                assert_int_equal(r, 0);
        }
}

static void forbidden_pidfd_open_is_enosys(void **state) {
        (void)state;
        expect_enosys(SYS_pidfd_open);
}

static void forbidden_waitid_is_enosys(void **state) {
        (void)state;
        expect_enosys(SYS_waitid);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                cmocka_unit_test(forbidden_pidfd_open_is_enosys),
                cmocka_unit_test(forbidden_waitid_is_enosys),
        };

        return cmocka_run_group_tests_name("filter_forbids_a_pidfd", cases, NULL, NULL);
}
