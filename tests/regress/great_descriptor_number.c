/* SPDX-License-Identifier: MIT */
/*
 * A descriptor of a number beyond what the library has room for is refused with an errno that says so: it is not memory that
 * lacks. Few systems can open so many, so the linker sends the library's system calls here (--wrap), and the great number
 * stands for a small one.
 */
#include "../support.h"

#include <sys/syscall.h>

static int great = -1, small_one = -1;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* Six words, whatever the call: those that it does not have are not looked at. */
long __wrap_syscall(long number, ...) {
        va_list list;
        long words[6];

        va_start(list, number);
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                words[i] = va_arg(list, long);
        va_end(list);
        if (number == SYS_epoll_ctl && (int)words[2] == great)
                words[2] = small_one;
        return __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

int __real_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event) {
        return __real_epoll_ctl(set, op, fd == great ? small_one : fd, event);
}

/* Whether it is open is asked so, under either name of the call. */
#define WRAP_FCNTL(name)                                                           \
        int __real_##name(int fd, int command, ...);                               \
        int __wrap_##name(int fd, int command, ...);                               \
        int __wrap_##name(int fd, int command, ...) {                              \
                va_list list;                                                      \
                long word;                                                         \
                                                                                   \
                va_start(list, command);                                           \
                word = va_arg(list, long);                                         \
                va_end(list);                                                      \
                return __real_##name(fd == great ? small_one : fd, command, word); \
        }

WRAP_FCNTL(fcntl)
WRAP_FCNTL(fcntl64)

static void g12_great_number_does_not_lack_memory(void **state) {
        const int numbers[] = { (1 << 26) - 1, 1 << 26, (1 << 26) + 1, 1 << 28, INT32_MAX };
        struct fixture *fx = *state;
        unsigned wrong = 0;
        int r;

        small_one = make_eventfd(1);
        for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
                great = numbers[i];
                r = weir_register(fx->registry, great, 1, WEIR_READABLE);
                if (r == 0) {
                        expect_one(fx, 1);
                        assert_int_equal(weir_deregister(fx->registry, great), 0);
                } else if (r == -ENOMEM && wrong++ == 0) {
                        print_error("number %d: -ENOMEM\n", great);
                }
                expect_silence(fx);
        }
        close(small_one);
        assert_int_equal(wrong, 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g12_great_number_does_not_lack_memory),
        };

        return cmocka_run_group_tests_name("great_descriptor_number", cases, NULL, NULL);
}
