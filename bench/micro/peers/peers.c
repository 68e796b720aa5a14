/* SPDX-License-Identifier: MIT */

/* Which libraries there are, and what the cases do with any of them. */

#include "peer.h"

#include <sys/mman.h>

const struct peer *const peers[] = {
        &peer_floor,
#ifdef BENCH_LIBEVENT
        &peer_libevent,
#endif
#ifdef BENCH_LIBUV
        &peer_libuv,
#endif
#ifdef BENCH_LIBEV
        &peer_libev,
#endif
#ifdef BENCH_ASIO
        &peer_asio,
#endif
#ifdef BENCH_MIO
        &peer_mio,
#endif
        NULL,
};

void *peer_map(size_t n, size_t size) {
        void *memory = mmap(NULL, n * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        require(memory != MAP_FAILED, "mmap");
        return memory;
}

void peer_unmap(void *memory, size_t n, size_t size) {
        require(munmap(memory, n * size) == 0, "munmap");
}

size_t peer_take(const struct peer *peer, void *loop, size_t n) {
        size_t seen = 0;

        while (seen < n) {
                size_t count = peer->wait(loop, false);

                require(count, "a peer's wait");
                seen += count;
        }
        return seen;
}
