/* SPDX-License-Identifier: MIT */

/* The headers alone, as C++11: they need nothing before them, and their calls link as C. */

#include <weir/server.h>
#include <weir/crew.h>
#include <weir/sources.h>
#include <weir/net.h>
#include <weir/weir.h>

#include <cerrno>

int main() {
        weir_poll *poll = nullptr;
        weir_events *events = nullptr;
        timespec nothing = {};
        weir_interest interest = WEIR_READABLE | WEIR_ONESHOT;
        int fetched;

        static_assert(sizeof(weir_event) == 16, "a token, its readiness, its registration");
        if (weir_poll_create(&poll) < 0 || weir_events_create(1, &events) < 0)
                return 1;
        fetched = weir_poll_wait(poll, events, &nothing);
        fetched |= weir_register(weir_poll_registry(poll), -1, weir_ptr_token(poll), interest) != -EBADF;
        fetched |= weir_server_create(nullptr, nullptr) != -EINVAL;
        fetched |= weir_crew_create(nullptr, nullptr, nullptr, nullptr) != -EINVAL;
        fetched |= weir_address_parse("localhost", nullptr) != -EINVAL;
        fetched |= weir_timer_init(CLOCK_MONOTONIC, nullptr) != -EINVAL;
        weir_events_destroy(events);
        weir_poll_destroy(poll);
        return fetched;
}
