/* SPDX-License-Identifier: MIT */
/* The clients of the stress of a server: each connects, says its number and some bytes, hears frames, and ends in one of four ways. */
#include "server.h"

#include "yield.h"

static _Thread_local uint64_t random_state;

unsigned draw(unsigned below) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (unsigned)(random_state >> 33) % below;
}

void seed_thread(uint64_t number) {
        random_state = number * UINT64_C(0x9e3779b97f4a7c15) | 1;
        yield_seed(number);
}

struct client {
        struct stress *stress;
        struct page *page;
        int fd;
        uint32_t next[SENDERS]; /* the least number that may come */
        bool bye;
};

/* Blocking from here on. -1 when the server listens no more. */
static int connect_somewhere(struct stress *stress) {
        const struct weir_address *address = &stress->addresses[draw(2)];
        int fd;

        while ((fd = weir_stream_connect(address)) == -EAGAIN && !atomic_load(&stress->stopping))
                sched_yield();
        if (fd >= 0)
                (void)fcntl(fd, F_SETFL, 0);
        return fd;
}

/* False when the server has ended the connection. */
static bool say(struct client *client, const void *bytes, size_t size) {
        return send(client->fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static void take(struct client *client, const struct frame *frame) {
        bool wrong = client->bye || frame->sender >= SENDERS;

        if (frame->kind == BYE)
                client->bye = true;
        else if (!wrong && frame->kind == WORDS && frame->number >= client->next[frame->sender])
                client->next[frame->sender] = frame->number + 1;
        else
                wrong = true;
        if (wrong)
                atomic_fetch_add(&client->stress->wrong, 1);
        ++client->page->received;
}

/* False at the end, or an error. */
static bool hear_one(struct client *client) {
        struct frame frame;
        ssize_t n = recv(client->fd, &frame, sizeof frame, MSG_WAITALL);

        if (n == (ssize_t)sizeof frame) {
                take(client, &frame);
                return true;
        }
        client->page->to_the_end = n == 0;
        return false;
}

static bool talk(struct client *client) {
        unsigned char bytes[1000];

        for (unsigned rounds = draw(4); rounds > 0; --rounds) {
                size_t size = 1 + draw(sizeof bytes);

                for (size_t i = 0; i < size; ++i)
                        bytes[i] = (unsigned char)((client->page->sent + i) % COUNTING);
                if (!say(client, bytes, size))
                        return false;
                client->page->sent += (unsigned)size;
                for (unsigned frames = draw(20); frames > 0; --frames)
                        if (!hear_one(client))
                                return false;
        }
        return true;
}

/* Until the server ends: asked to, or not. */
static void leave(struct client *client) {
        const unsigned char quit = QUIT;

        switch (draw(4)) {
        case 0:
                return; /* close(2) without a word */
        case 1:
                (void)say(client, &quit, 1);
                break;
        case 2:
                (void)shutdown(client->fd, SHUT_WR);
                break;
        default:
                if (draw(50))
                        (void)say(client, &quit, 1);
                break; /* or it stays until it is thrown out */
        }
        while (hear_one(client))
                ;
}

int run_clients(void *arg) {
        struct stress *stress = arg;
        uint32_t number;

        seed_thread(100 + atomic_fetch_sub(&stress->clients_left, 1));
        while ((number = atomic_fetch_add(&stress->next, 1) + 1) <= stress->connections) {
                struct client client = { .stress = stress, .page = &stress->pages[number] };

                client.fd = connect_somewhere(stress);
                if (client.fd < 0)
                        continue;
                if (say(&client, &number, sizeof number) && talk(&client))
                        leave(&client);
                close(client.fd);
        }
        return 0;
}
