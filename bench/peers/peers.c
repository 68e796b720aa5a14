/* SPDX-License-Identifier: MIT */

/* Which libraries there are, and what the cases do with any of them. */

#include "peer.h"

const struct peer *const peers[] = {
        NULL,
};

void peer_take(const struct peer *peer, void *loop, size_t n) {
        size_t seen = 0;

        while (seen < n) {
                size_t count = peer->wait(loop, 0);

                require(count, "a peer's wait");
                seen += count;
        }
        require(seen == n, "a peer's wait: one event each");
}
