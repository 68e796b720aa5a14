/* SPDX-License-Identifier: MIT */

/*
 * Asio: one io_context that all threads run. A connection has an operation under way and a timer, the idle limit, whose handlers
 * might run at once; so each has a strand, and is there as long as one of the two is. To move the limit is to cancel the timer's
 * wait and to begin another one. A read that finds less than there was room for tells Asio that
 * the socket is drained, and the next one waits without trying. What is written is tried at once, and only a full socket
 * is waited for. Read await_input() first, then write().
 */

#include "rival.h"

#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/version.hpp>

#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>

namespace {

/* The executor is known when this is compiled: that is cheaper than asio::ip::tcp::socket, which takes any. */
using executor = asio::io_context::executor_type;
using strand = asio::strand<executor>;
using stream = asio::basic_stream_socket<asio::ip::tcp, strand>;
using timer =
        asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, strand>;
using acceptor = asio::basic_socket_acceptor<asio::ip::tcp, executor>;

struct connection {
        explicit connection(stream &&accepted) : socket(std::move(accepted)), idle(socket.get_executor()) {
                socket.non_blocking(true);
                session_init(&session, socket.native_handle());
        }

        stream socket;
        timer idle;
        struct session session;
};

/* The last one that has it closes the connection by letting it go. */
using owner = std::shared_ptr<connection>;

/* The connection is idle from now on. */
void move_limit(const owner &c) {
        c->idle.expires_after(std::chrono::seconds(rival_idle_limit));
        c->idle.async_wait([weak = std::weak_ptr<connection>(c)](const asio::error_code &error) {
                owner late = error ? nullptr : weak.lock();

                /* It may have been moved when its handler was on the way already. */
                if (late && late->idle.expiry() <= std::chrono::steady_clock::now()) {
                        asio::error_code ignored;

                        late->socket.close(ignored); /* the operation under way ends with an error */
                }
        });
}

void write(owner c);

void await_input(owner c) {
        stream &socket = c->socket;
        auto room = asio::buffer(c->session.input + c->session.input_end, SESSION_INPUT - c->session.input_end);

        socket.async_read_some(room, [c = std::move(c)](const asio::error_code &error, std::size_t n) mutable {
                if (error)
                        return;
                c->session.input_end += static_cast<unsigned>(n);
                session_answer(&c->session);
                write(std::move(c));
        });
}

void await_room(owner c) {
        stream &socket = c->socket;

        socket.async_wait(stream::wait_write, [c = std::move(c)](const asio::error_code &error) mutable {
                if (!error)
                        write(std::move(c));
        });
}

void write(owner c) {
        struct session *session = &c->session;

        while (session->output_end > 0) {
                asio::error_code error;
                auto rest = asio::buffer(session->output + session->output_begin,
                                         session->output_end - session->output_begin);
                std::size_t n = c->socket.write_some(rest, error);

                if (error == asio::error::would_block)
                        return await_room(std::move(c));
                if (error)
                        return;
                session_sent(session, static_cast<unsigned>(n));
        }
        if (session->ending)
                return;
        move_limit(c);
        await_input(std::move(c));
}

void await_client(acceptor &listener) {
        /* A strand for the client who comes. */
        listener.async_accept(asio::make_strand(listener.get_executor()),
                              [&listener](const asio::error_code &error, stream accepted) {
                                      if (error)
                                              rival_fail("async_accept");
                                      write(std::make_shared<connection>(std::move(accepted)));
                                      await_client(listener);
                              });
}

void *work(void *context) {
        static_cast<asio::io_context *>(context)->run();
        rival_fail("the io_context has run out of work");
}

} /* namespace */

const char *rival_name() {
        static char name[32];

        std::snprintf(name, sizeof name, "Asio %d.%d.%d", ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000,
                      ASIO_VERSION % 100);
        return name;
}

void rival_start(int fd, unsigned threads) {
        /* Both live until the program ends, which does not wait for its threads. */
        auto *context = new asio::io_context(static_cast<int>(threads));
        auto *listener = new acceptor(*context, asio::ip::tcp::v4(), fd);

        await_client(*listener);
        for (unsigned i = 0; i < threads; ++i)
                rival_thread(work, context);
}
