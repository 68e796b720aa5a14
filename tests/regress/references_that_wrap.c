/* SPDX-License-Identifier: MIT */
/*
 * Handles that are cloned and never released are a leak and no more, be there 2^32 of them: the core lives as long as one of
 * them is held. That takes some 20 s, so it is done only where WEIR_STRESS asks for more than the least.
 */
#include "../support.h"

#define CLONES (UINT64_C(1) << 32)

static int leak_and_use(void *arg) {
        struct weir_registry *registry, *clone;
        struct weir_poll *poll = NULL;
        unsigned open_before, open_with;
        int fd = make_eventfd(0);

        (void)arg;
        /* The watchdog is for cases that hang. */
        alarm(0);
        open_before = count_descriptors();
        REQUIRE(weir_poll_create(&poll) == 0);
        open_with = count_descriptors();
        REQUIRE(open_with > open_before);
        registry = weir_poll_registry(poll);
        clone = weir_registry_clone(registry);
        for (uint64_t i = 1; i < CLONES; i++)
                (void)weir_registry_clone(registry);
        REQUIRE(weir_register(clone, fd, 1, WEIR_READABLE) == 0);
        weir_poll_destroy(poll);
        /* The handles hold what the poll had. */
        REQUIRE(count_descriptors() == open_with);
        REQUIRE(weir_deregister(clone, fd) == 0);
        REQUIRE(weir_register(clone, fd, 1, WEIR_READABLE) == -ESHUTDOWN);
        weir_registry_release(clone);
        REQUIRE(count_descriptors() == open_with);
        return 0;
}

static void g10_more_handles_than_32_bits_count_hold_the_core(void **state) {
        const char *stress = getenv("WEIR_STRESS");

        (void)state;
        if (!stress || atof(stress) <= 1)
                skip();
        assert_int_equal(run_child(leak_and_use, NULL), 0);
}

int main(void) {
        const struct CMUnitTest cases[] = {
                cmocka_unit_test(g10_more_handles_than_32_bits_count_hold_the_core),
        };

        return cmocka_run_group_tests_name("references_that_wrap", cases, NULL, NULL);
}
