/* SPDX-License-Identifier: MIT */
/* A number that could not be registered is none that ever was: it does not raise the capacity, nor what looks cost. */
#include "../support.h"

static void g12_refused_register_does_not_raise_the_capacity(void **state) {
        struct fixture *fx = *state;
        int fd = make_eventfd(0);

        assert_int_equal(weir_register(fx->registry, fd, 1, WEIR_READABLE), 0);
        assert_int_equal(stats_of(fx->registry).capacity, (uint64_t)fd + 1);
        assert_int_equal(weir_register(fx->registry, 20000, 2, WEIR_READABLE), -EBADF);
        assert_int_equal(stats_of(fx->registry).capacity, (uint64_t)fd + 1);
        assert_int_equal(weir_deregister(fx->registry, fd), 0);
        close(fd);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g12_refused_register_does_not_raise_the_capacity),
        };

        return cmocka_run_group_tests_name("capacity_of_a_refused_number", cases, NULL, NULL);
}
