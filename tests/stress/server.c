/* SPDX-License-Identifier: MIT */
/*
 * A server under load, over a library with seeded yield points: clients come and go over TCP and Unix sockets, threads send to all
 * that are open, another one throws connections out, by finish and by cut, and in the end the server stops in the midst of it.
 * It proves numbers: each connection is opened once and closed once; both directions are in order; and where a connection ended
 * by the rules, and its client heard it to the end, each frame that was queued has arrived.
 *
 * Each lock that the server takes is a yield point, too: another thread may send when a turn has written all and is about to end.
 * That frame must not lie with nobody to see to it until the next one comes. How often one did is a count which must be zero; in
 * the control, the same program over a server whose turns do not look once more before they end, it must not be.
 *
 *   WEIR_STRESS       multiplies the connections, of which there are 1,000; the control has 3,000, always
 *   WEIR_STRESS_SEED  what the threads draw from; threads still meet as the scheduler likes
 */
#include "server.h"

#include <time.h>
#include <weir/server.h>

#include "connection.h"
#include "yield.h"

#ifdef SERVER_CONTROL
#define CONTROL 1
#else
#define CONTROL 0
#endif

#define CLIENTS   12
#define PAUSE_NS  50000 /* between two frames of a sender */
#define NAP_EVERY 127   /* locks of a thread, and no multiple of those of a turn, so that each of these has its nap */

/* The program's own of a connection. */
struct guest {
        atomic_uint number; /* 0 until it has come */
        unsigned char number_bytes[sizeof(uint32_t)];
        unsigned size; /* of what has come of them */
        atomic_bool busy;
};

static struct stress stress;
static struct weir_server *server;
static atomic_uint opened, closed;
static atomic_uint forgotten; /* frames that lay with nobody to see to them */
static uint64_t seed;

/* The server calls this in the place of pthread_mutex_lock(). */
int yielding_lock(pthread_mutex_t *mutex);

int yielding_lock(pthread_mutex_t *mutex) {
        static _Thread_local unsigned locks;
        const struct timespec nap = { 0, 2 * PAUSE_NS };

        /* Where there are processors for all, a yield alone lets nobody in between. */
        if (++locks % NAP_EVERY == 0)
                nanosleep(&nap, NULL);
        else
                yield_here();
        return pthread_mutex_lock(mutex);
}

static struct guest *enter(struct weir_connection *connection) {
        struct guest *guest = weir_connection_data(connection);

        if (atomic_exchange(&guest->busy, true))
                atomic_fetch_add(&stress.wrong, 1);
        return guest;
}

static int on_opened(struct weir_connection *connection) {
        struct guest *guest = enter(connection);

        atomic_fetch_add(&opened, 1);
        atomic_store(&guest->busy, false);
        return 0;
}

static void on_closed(struct weir_connection *connection, int reason) {
        struct guest *guest = enter(connection);
        struct page *page = &stress.pages[atomic_load(&guest->number)];

        atomic_store(&page->reason, reason);
        atomic_fetch_add(&page->closed, 1);
        atomic_fetch_add(&closed, 1);
}

static void say_bye(struct weir_connection *connection) {
        const struct frame bye = { .kind = BYE };
        struct guest *guest = weir_connection_data(connection);
        struct page *page = &stress.pages[atomic_load(&guest->number)];

        if (weir_connection_finish(connection, &bye, sizeof bye) == 0)
                atomic_fetch_add(&page->queued, 1);
}

static void take_byte(struct weir_connection *connection, struct guest *guest, unsigned char byte) {
        struct page *page = &stress.pages[atomic_load(&guest->number)];

        if (guest->size < sizeof guest->number_bytes) {
                uint32_t number;

                guest->number_bytes[guest->size++] = byte;
                memcpy(&number, guest->number_bytes, sizeof number);
                if (guest->size == sizeof number)
                        atomic_store(&guest->number, number <= stress.connections ? number : 0);
        } else if (byte == QUIT) {
                say_bye(connection);
        } else if (byte != atomic_fetch_add(&page->read, 1) % COUNTING) {
                atomic_fetch_add(&stress.wrong, 1);
        }
}

static void on_readable(struct weir_connection *connection) {
        struct guest *guest = enter(connection);
        unsigned char bytes[512];
        ssize_t n;

        while ((n = weir_connection_read(connection, bytes, sizeof bytes)) > 0)
                for (ssize_t i = 0; i < n; ++i)
                        take_byte(connection, guest, bytes[i]);
        atomic_store(&guest->busy, false);
}

/* ---------------------------------------------------------------- other threads */

/* Whether something is queued though no turn goes on, and none is to come. */
static bool is_forgotten(struct weir_connection *connection) {
        bool is;

        pthread_mutex_lock(&connection->lock);
        is = connection->turn == TURN_NONE && connection->queue.end > 0;
        pthread_mutex_unlock(&connection->lock);
        return is;
}

static void send_frame(struct weir_connection *connection, void *data) {
        struct guest *guest = weir_connection_data(connection);
        unsigned number = atomic_load(&guest->number);

        /* Before it is sent by the turn that this one makes. */
        if (is_forgotten(connection))
                atomic_fetch_add(&forgotten, 1);
        if (number && weir_connection_send(connection, data, sizeof(struct frame)) == 0)
                atomic_fetch_add(&stress.pages[number].queued, 1);
}

static int run_sender(void *arg) {
        struct frame frame = { .kind = WORDS, .sender = *(unsigned *)arg };
        const struct timespec pause = { 0, PAUSE_NS };

        seed_thread(seed + 10 + frame.sender);
        while (!atomic_load(&stress.stopping)) {
                weir_server_for_each(server, send_frame, &frame);
                ++frame.number;
                nanosleep(&pause, NULL); /* leaves the processors to the others */
        }
        return 0;
}

static void throw_out(struct weir_connection *connection, void *data) {
        struct guest *guest = weir_connection_data(connection);

        (void)data;
        if (!atomic_load(&guest->number))
                return;
        if (draw(200) == 0)
                weir_connection_cut(connection, -EPERM);
        else if (draw(200) == 0)
                say_bye(connection);
}

static int run_kicker(void *arg) {
        (void)arg;
        seed_thread(seed + 1);
        while (!atomic_load(&stress.stopping)) {
                weir_server_for_each(server, throw_out, NULL);
                for (int i = 0; i < 20; ++i)
                        sched_yield();
        }
        return 0;
}

static int run_server(void *arg) {
        return weir_server_run(server, *(unsigned *)arg);
}

/* ---------------------------------------------------------------- the whole */

static void listen_on(const char *text, struct weir_address *ret_address) {
        struct weir_address address;
        int fd;

        assert_int_equal(weir_address_parse(text, &address), 0);
        fd = weir_stream_listen(&address, 0);
        assert_true(fd >= 0);
        ret_address->length = sizeof ret_address->sa;
        assert_int_equal(getsockname(fd, &ret_address->sa.any, &ret_address->length), 0);
        assert_int_equal(weir_server_listen(server, fd), 0);
}

static void make_server(void) {
        const struct weir_server_config config = {
                .connection_size = sizeof(struct guest),
                .output_limit = 100 * sizeof(struct frame),
                .linger_limit = INT64_C(3600000000000),
                .opened = on_opened,
                .readable = on_readable,
                .closed = on_closed,
        };
        char name[64];

        assert_int_equal(weir_server_create(&config, &server), 0);
        snprintf(name, sizeof name, "unix:@weir-stress-server-%d", (int)getpid());
        listen_on("127.0.0.1:0", &stress.addresses[0]);
        listen_on(name, &stress.addresses[1]);
}

static void judge(void) {
        unsigned whole = 0, thrown = 0, others = 0;

        for (unsigned i = 1; i <= stress.connections; ++i) {
                const struct page *page = &stress.pages[i];

                assert_in_range(page->closed, 0, 1);
                assert_in_range(page->received, 0, page->queued);
                assert_in_range(page->read, 0, page->sent);
                if (page->closed && page->reason == 0 && page->to_the_end) {
                        assert_int_equal(page->received, page->queued);
                        ++whole;
                } else if (page->reason == -EPERM) {
                        ++thrown;
                } else {
                        ++others;
                }
        }
        printf("%u connections%s: %u heard to the end, %u thrown out at once, %u went away or met a reset\n", opened,
               CONTROL ? ", no look at the end of a turn" : "", whole, thrown, others);
        printf("  frames that were forgotten until the next: %u\n", forgotten);
        assert_int_equal(opened, closed);
        assert_int_equal(stress.wrong, 0);
        assert_true(whole > 0 && thrown > 0);
        if (CONTROL)
                assert_int_not_equal(forgotten, 0);
        else
                assert_int_equal(forgotten, 0);
}

static unsigned connections(void) {
        const char *value = getenv("WEIR_STRESS");
        double number = (value ? strtod(value, NULL) : 1.0) * 1000;

        if (CONTROL)
                return 3000;
        return number >= 1 && number <= MAX_CONNECTIONS ? (unsigned)number : 1000;
}

static void each_connection_is_opened_and_closed_once_and_hears_all(void **state) {
        struct worker runner, kicker, senders[SENDERS], clients[CLIENTS];
        unsigned numbers[SENDERS], threads = 4;

        (void)state;
        stress.connections = connections();
        stress.clients_left = CLIENTS;
        stress.pages = calloc(stress.connections + 1, sizeof *stress.pages);
        assert_non_null(stress.pages);
        make_server();
        worker_start(&runner, run_server, &threads);
        worker_start(&kicker, run_kicker, NULL);
        for (unsigned i = 0; i < SENDERS; ++i) {
                numbers[i] = i;
                worker_start(&senders[i], run_sender, &numbers[i]);
        }
        for (unsigned i = 0; i < CLIENTS; ++i)
                worker_start(&clients[i], run_clients, &stress);

        /* Near the end, with some on their way. */
        while (atomic_load(&stress.next) + 2 * CLIENTS < stress.connections)
                sched_yield();
        weir_server_stop(server);
        assert_int_equal(worker_join(&runner), 0);
        atomic_store(&stress.stopping, true);
        for (unsigned i = 0; i < CLIENTS; ++i)
                assert_int_equal(worker_join(&clients[i]), 0);
        for (unsigned i = 0; i < SENDERS; ++i)
                assert_int_equal(worker_join(&senders[i]), 0);
        assert_int_equal(worker_join(&kicker), 0);
        weir_server_destroy(server);
        judge();
        free(stress.pages);
}

int main(void) {
        const struct CMUnitTest cases[] = { CASE(each_connection_is_opened_and_closed_once_and_hears_all) };
        const char *value = getenv("WEIR_STRESS_SEED");

        seed = value ? strtoul(value, NULL, 0) : 1;
        setvbuf(stdout, NULL, _IOLBF, 0);
        return cmocka_run_group_tests_name(CONTROL ? "server-control" : "server", cases, NULL, NULL);
}
