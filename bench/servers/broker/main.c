/* SPDX-License-Identifier: MIT */

/*
 * broker: each line that a subscriber sends goes to all of them. Read publish() and end() first, then serve(), then on_signal().
 *
 * A crew of threads calls on_event() for each event. Listener, signals and subscribers are one-shots: each is with one thread at
 * a time, its owner.
 *
 *   - Who publishes may be on any thread, and names subscribers that others own. So it holds the lock of the list for reading
 *     while it queues and triggers. The owner takes a subscriber off the list under the same lock, for writing, and only then
 *     ends it. Nobody can name it by then, so it is closed and freed at once, without weir_defer().
 *   - A subscriber that does not read has a queue that fills up. Who finds it full shuts the socket down, and the owner meets
 *     the end.
 *   - The end is on_signal(), on_listener(), say_goodbye() and leave(), in this order: each subscriber is told, what is queued
 *     for it goes out before that, and the last one that leaves stops the crew. A second signal stops it at once.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/crew.h>
#include <weir/net.h>
#include <weir/sources.h>

#include "common/start.h"

static const char usage[] =
        "Usage: broker [OPTION]...\n"
        "Send each line to all who are connected to a port of the loopback address, until SIGINT or SIGTERM.\n"
        "\n"
        "  --port=N           listen on port N (default 8083; 0 picks a free one)\n"
        "  --workers=N        threads that read and write (default 4)\n"
        "  --idle-timeout=S   send those away who say nothing for S seconds (default 300)\n"
        "  --help             print this\n";

#define NS_PER_S   INT64_C(1000000000)
#define REST       (NS_PER_S / 20) /* of the listener, when there are no descriptors */
#define LINGER     (3 * NS_PER_S)  /* how long who was told good-bye may take to read what is left */
#define ROUNDS     8               /* reads, before others have their turn */
#define QUEUE_SIZE 65536           /* what is kept for a subscriber that reads slowly */
#define LAST_LINE  64              /* of it, room for the good-bye */

/* Tokens that are no pointers to subscribers. */
enum {
        TOKEN_LISTENER,
        TOKEN_SIGNALS,
};

struct subscriber {
        struct subscriber *previous, *next; /* under the lock of the list */

        pthread_mutex_t lock; /* guards the queue */
        bool closed;          /* the last line is in it, or the subscriber is cut off */
        size_t queued;
        char *queue;

        /* The owner's. */
        int fd;
        enum { OPEN, LEAVING, LEFT } phase; /* LEFT: all has been sent, and the peer's own end is awaited */
        size_t line_size;
        char line[1024];
        size_t begin, end; /* of what is being sent */
        char *sending;
        char buffers[2][QUEUE_SIZE]; /* for the queue and for what is being sent, in turn */
};

struct broker {
        struct weir_poll *poll;
        struct weir_crew *crew;
        struct weir_registry *registry;
        struct weir_signals signals;
        int listener;
        weir_time idle_limit;
        atomic_bool stopping;
        atomic_uint open; /* the listener and the subscribers */
        pthread_rwlock_t lock;
        struct subscriber *subscribers;
};

/* ---------------------------------------------------------------- from any thread */

/* Under the lock of the queue. False: it is full. */
static bool append(struct subscriber *one, const char *text, size_t size, size_t room) {
        if (size > room - one->queued)
                return false;
        memcpy(one->queue + one->queued, text, size);
        one->queued += size;
        return true;
}

static void enqueue(struct subscriber *one, const char *text, size_t size) {
        bool full;

        pthread_mutex_lock(&one->lock);
        full = !one->closed && !append(one, text, size, QUEUE_SIZE - LAST_LINE);
        one->closed |= full;
        pthread_mutex_unlock(&one->lock);
        if (full)
                shutdown(one->fd, SHUT_RDWR); /* too slow: its owner meets the end */
}

/* Whom it names is on the list, and is not freed while the lock is held. */
static void publish(struct broker *broker, const char *text, size_t size) {
        pthread_rwlock_rdlock(&broker->lock);
        for (struct subscriber *one = broker->subscribers; one; one = one->next) {
                enqueue(one, text, size); /* its queue has a lock of its own */
                weir_trigger(broker->registry, one->fd);
        }
        pthread_rwlock_unlock(&broker->lock);
}

/* ---------------------------------------------------------------- the owner's */

/* The listener counts, too: so the last one leaves only when the server ends. */
static void leave(struct broker *broker) {
        if (atomic_fetch_sub(&broker->open, 1) == 1)
                weir_crew_stop(broker->crew);
}

/* Off the list first: then nobody can name it, and it is freed at once. */
static void end(struct broker *broker, struct subscriber *one) {
        pthread_rwlock_wrlock(&broker->lock);
        *(one->previous ? &one->previous->next : &broker->subscribers) = one->next;
        if (one->next)
                one->next->previous = one->previous;
        pthread_rwlock_unlock(&broker->lock);
        weir_deregister(broker->registry, one->fd);
        close(one->fd);
        pthread_mutex_destroy(&one->lock);
        free(one);
        leave(broker);
}

/*
 * Its last line. It goes out after what is queued; then the peer has some time to read all that.
 * Here the deadline does not fail: admit() has set the first one.
 */
static void say_goodbye(struct broker *broker, struct subscriber *one, const char *text) {
        pthread_mutex_lock(&one->lock);
        if (!one->closed)
                append(one, text, strlen(text), QUEUE_SIZE); /* there is room */
        one->closed = true;
        pthread_mutex_unlock(&one->lock);
        one->phase = LEAVING;
        weir_set_deadline(broker->registry, one->fd, weir_now() + LINGER);
}

/* Publishes whole lines, and keeps the rest of one. */
static void take_bytes(struct broker *broker, struct subscriber *one, size_t size) {
        size_t whole = 0;

        for (size_t i = 0; i < size; ++i)
                if (one->line[one->line_size + i] == '\n')
                        whole = one->line_size + i + 1;
        one->line_size += size;
        if (whole > 0)
                publish(broker, one->line, whole);
        one->line_size -= whole;
        memmove(one->line, one->line + whole, one->line_size);
        if (one->line_size == sizeof one->line)
                say_goodbye(broker, one, "a line is too long\n");
}

/* What a step found: there may be more, the kernel has no more (-EAGAIN), or the peer is gone. */
enum found { MORE, WAIT, GONE };

static enum found receive(struct broker *broker, struct subscriber *one, bool *heard) {
        for (unsigned round = 0; round < ROUNDS; ++round) {
                ssize_t n;

                if (one->phase != OPEN)
                        one->line_size = 0; /* whoever leaves is not listened to, but read: else close(2) resets */
                n = recv(one->fd, one->line + one->line_size, sizeof one->line - one->line_size, 0);
                if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                        return GONE;
                if (n < 0 && errno == EAGAIN)
                        return WAIT;
                *heard = true;
                if (n > 0 && one->phase == OPEN)
                        take_bytes(broker, one, (size_t)n);
        }
        return MORE;
}

static enum found flush(struct subscriber *one) {
        for (;;) {
                ssize_t n;

                if (one->begin == one->end) { /* what is queued is next */
                        char *empty = one->sending;

                        pthread_mutex_lock(&one->lock);
                        one->sending = one->queue;
                        one->begin = 0;
                        one->end = one->queued;
                        one->queue = empty;
                        one->queued = 0;
                        pthread_mutex_unlock(&one->lock);
                        if (one->end == 0)
                                return MORE;
                }
                n = send(one->fd, one->sending + one->begin, one->end - one->begin, MSG_NOSIGNAL);
                if (n < 0 && errno != EINTR)
                        return errno == EAGAIN ? WAIT : GONE;
                if (n > 0)
                        one->begin += (size_t)n;
        }
}

/* A turn of the owner: does what can be done without waiting, then rearms the subscriber or ends it. */
static void serve(struct broker *broker, struct subscriber *one, bool late) {
        bool heard = false, leaving = one->phase != OPEN;
        enum found in, out;
        int r;

        in = receive(broker, one, &heard); /* first: data and timeout may be one event */
        /* The end, for each subscriber. */
        if (one->phase == OPEN && atomic_load(&broker->stopping))
                say_goodbye(broker, one, "bye\n");
        else if (one->phase == OPEN && heard)
                weir_set_deadline(broker->registry, one->fd, weir_now() + broker->idle_limit);
        else if (one->phase == OPEN && late)
                say_goodbye(broker, one, "you said nothing for too long\n");
        else if (leaving && late)
                in = GONE; /* it does not close */
        out = one->phase == LEFT ? MORE : flush(one);
        if (in == GONE || out == GONE) {
                end(broker, one);
                return;
        }
        /* All is written: now the peer reads it, and closes. */
        if (out == MORE && one->phase == LEAVING) {
                shutdown(one->fd, SHUT_WR);
                one->phase = LEFT;
        }
        if (in == WAIT)
                r = weir_rearm(broker->registry, one->fd, WEIR_READABLE | (out == WAIT ? WEIR_WRITABLE : 0));
        else /* not drained: the kernel looks afresh, and its turn comes after the others' */
                r = weir_rearm_afresh(broker->registry, one->fd, WEIR_READABLE | (out == WAIT ? WEIR_WRITABLE : 0));
        if (r < 0)
                end(broker, one);
}

/* ---------------------------------------------------------------- who comes */

static void admit(struct broker *broker, int fd) {
        struct subscriber *one = calloc(1, sizeof *one);

        /* Held: it is this thread's until the rearm, so it can be made ready in any order. */
        if (!one ||
            weir_register(broker->registry, fd, weir_ptr_token(one), WEIR_READABLE | WEIR_ONESHOT | WEIR_HELD) < 0) {
                free(one);
                close(fd);
                return;
        }
        one->fd = fd;
        one->queue = one->buffers[0];
        one->sending = one->buffers[1];
        pthread_mutex_init(&one->lock, NULL);
        atomic_fetch_add(&broker->open, 1);
        pthread_rwlock_wrlock(&broker->lock);
        one->next = broker->subscribers;
        if (one->next)
                one->next->previous = one;
        broker->subscribers = one;
        pthread_rwlock_unlock(&broker->lock);
        if (atomic_load(&broker->stopping)) /* weir_trigger_all() may have come before it was registered */
                weir_trigger(broker->registry, fd);
        if (weir_set_deadline(broker->registry, fd, weir_now() + broker->idle_limit) < 0 ||
            weir_rearm(broker->registry, fd, WEIR_READABLE) < 0)
                end(broker, one);
}

static void on_listener(struct broker *broker) {
        int fd;

        /* The end, for the listener: it is a one-shot, so its owner may close it. */
        if (atomic_load(&broker->stopping)) {
                weir_deregister(broker->registry, broker->listener);
                close(broker->listener);
                broker->listener = -1;
                leave(broker);
                return;
        }
        while ((fd = weir_stream_accept(broker->listener, NULL)) >= 0 || fd == -ECONNABORTED)
                if (fd >= 0)
                        admit(broker, fd);
        if (fd != -EAGAIN) /* no descriptors */
                weir_set_deadline(broker->registry, broker->listener, weir_now() + REST);
        weir_rearm(broker->registry, broker->listener, fd == -EAGAIN ? WEIR_READABLE : 0);
}

/* On a thread of the crew, and not in a signal handler: weir_trigger_all() is not for those. */
static void on_signal(struct broker *broker) {
        struct signalfd_siginfo info;

        while (weir_signals_read(&broker->signals, &info) == 0)
                if (atomic_exchange(&broker->stopping, true))
                        weir_crew_stop(broker->crew); /* the second one: at once */
                else
                        weir_trigger_all(broker->registry); /* whoever owns each, now or next, sees the flag */
        weir_rearm(broker->registry, broker->signals.fd, WEIR_READABLE);
}

static void on_event(struct weir_crew *crew, const struct weir_event *event, void *data) {
        (void)crew;
        if (event->token == TOKEN_LISTENER)
                on_listener(data);
        else if (event->token == TOKEN_SIGNALS)
                on_signal(data);
        else
                serve(data, weir_token_ptr(event->token), weir_event_is_timeout(event));
}

/* ---------------------------------------------------------------- begin and end */

/* Makes all there is. Even if it fails broker_close() must follow. */
static int broker_open(struct broker *broker, uint16_t *port) {
        sigset_t signals;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before there are threads, so that they have them blocked, too */
        r = weir_signals_init(&signals, &broker->signals);
        if (r < 0)
                return r;
        broker->listener = listen_on_loopback(port);
        if (broker->listener < 0)
                return broker->listener;
        r = weir_poll_create(&broker->poll);
        if (r < 0)
                return r;
        r = weir_crew_create(broker->poll, on_event, broker, &broker->crew);
        if (r < 0)
                return r;
        broker->registry = weir_crew_registry(broker->crew);
        r = weir_source_register(broker->registry, &broker->signals.source, TOKEN_SIGNALS,
                                 WEIR_READABLE | WEIR_ONESHOT);
        if (r < 0)
                return r;
        r = weir_register(broker->registry, broker->listener, TOKEN_LISTENER, WEIR_READABLE | WEIR_ONESHOT);
        if (r < 0)
                return r;
        /* A first deadline needs memory. This one is had now, so that on_listener() can rely on it later. */
        return weir_set_deadline(broker->registry, broker->listener, weir_now());
}

/* With no other thread left, all is the caller's. After a second signal somebody may be there. */
static void broker_close(struct broker *broker) {
        while (broker->subscribers)
                end(broker, broker->subscribers);
        weir_crew_destroy(broker->crew);
        weir_poll_destroy(broker->poll);
        weir_signals_deinit(&broker->signals);
        if (broker->listener >= 0)
                close(broker->listener);
}

int main(int argc, char **argv) {
        unsigned long number = 8083, workers = 4, idle_timeout = 300;
        const struct number_option options[] = {
                { "port", 0, UINT16_MAX, &number },
                { "workers", 1, 256, &workers },
                { "idle-timeout", 1, 1000000000, &idle_timeout },
                { .name = NULL },
        };
        struct broker broker = { .listener = -1, .open = 1, .lock = PTHREAD_RWLOCK_INITIALIZER };
        uint16_t port;
        int r;

        r = parse_number_options(argc, argv, usage, options);
        if (r > 0)
                return r - 1;
        port = (uint16_t)number;
        broker.idle_limit = (weir_time)idle_timeout * NS_PER_S;
        r = broker_open(&broker, &port);
        if (r == 0) {
                printf("listening on 127.0.0.1:%u\n", port);
                fflush(stdout);
                r = weir_crew_run(broker.crew, (unsigned)workers);
        }
        if (r < 0)
                fprintf(stderr, "broker: cannot serve port %lu: %s\n", number, strerror(-r));
        broker_close(&broker);
        return r < 0 ? 1 : 0;
}
