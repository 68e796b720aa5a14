/* SPDX-License-Identifier: MIT */

/*
 * weir as a C++11 program uses it: handles in std::unique_ptr, a connection that is the node of its own deferred function,
 * and threads that register while another one waits. Each sends a number, and the waiting one adds them up.
 */

#include <weir/weir.h>

#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

const unsigned threads = 4;

template <typename T, void (*destroy)(T *)> struct Destroy {
        void operator()(T *object) const {
                destroy(object);
        }
};

using Poll = std::unique_ptr<weir_poll, Destroy<weir_poll, weir_poll_destroy>>;
using Registry = std::unique_ptr<weir_registry, Destroy<weir_registry, weir_registry_release>>;
using Events = std::unique_ptr<weir_events, Destroy<weir_events, weir_events_destroy>>;
using Waker = std::unique_ptr<weir_waker, Destroy<weir_waker, weir_waker_destroy>>;

unsigned alive; /* connections that are not freed */

void require(bool holds) {
        if (!holds)
                std::abort();
}

struct Connection : weir_deferred {
        int ends[2];

        Connection() : weir_deferred() {
                require(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
        }
        ~Connection() {
                close(ends[0]);
                close(ends[1]);
        }
        Connection(const Connection &) = delete;
        Connection &operator=(const Connection &) = delete;
};

void send(Registry registry, unsigned char number) {
        std::unique_ptr<Connection> connection(new Connection);

        require(write(connection->ends[1], &number, 1) == 1);
        require(weir_register(registry.get(), connection->ends[0], weir_ptr_token(connection.get()), WEIR_READABLE) ==
                0);
        connection.release(); /* the waiting thread's now */
}

unsigned receive(const Registry &registry, const weir_event &event) {
        Connection *connection = static_cast<Connection *>(weir_token_ptr(event.token));
        unsigned char number = 0;

        require(weir_event_is_readable(&event) && read(connection->ends[0], &number, 1) == 1);
        require(weir_deregister(registry.get(), connection->ends[0]) == 0);
        weir_defer(registry.get(), connection, [](weir_deferred *node) {
                delete static_cast<Connection *>(node);
                --alive;
        });
        return number;
}

} // namespace

int main() {
        weir_poll *made_poll = nullptr;
        weir_events *made_events = nullptr;
        weir_waker *made_waker = nullptr;
        std::vector<std::thread> senders;
        unsigned sum = 0, count = 0;
        bool woken = false;

        require(weir_version() >= WEIR_VERSION_NUMBER);
        require(weir_poll_create(&made_poll) == 0);
        Poll poll(made_poll);
        Registry registry(weir_registry_clone(weir_poll_registry(poll.get())));
        require(weir_events_create(8, &made_events) == 0);
        Events events(made_events);
        require(weir_waker_create(registry.get(), 0, &made_waker) == 0);
        Waker waker(made_waker);

        alive = threads;
        for (unsigned i = 1; i <= threads; ++i)
                senders.emplace_back(send, Registry(weir_registry_clone(registry.get())),
                                     static_cast<unsigned char>(i));
        senders.emplace_back([&waker] { require(weir_waker_wake(waker.get()) == 0); });
        while (count < threads || !woken) {
                weir_event event;

                require(weir_poll_wait(poll.get(), events.get(), nullptr) > 0);
                while (weir_events_next(events.get(), &event)) {
                        if (event.token == 0) {
                                woken = true;
                        } else {
                                sum += receive(registry, event);
                                ++count;
                        }
                }
        }
        for (std::thread &sender : senders)
                sender.join();
        weir_events_clear(events.get());
        return sum == threads * (threads + 1) / 2 && alive == 0 ? 0 : 1;
}
