/* SPDX-License-Identifier: MIT */
/*
 * Operations on files, on the numbers they are open at, and on what is registered there. A number is closed, taken over
 * by dup3(2) or opened anew whether or not it is registered: what that means is for the model to say.
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---------------------------------------------------------------- files */

/* Mostly one that is open, sometimes one that is closed, or that no operation ever opens. */
static int pick_number(struct world *world) {
        unsigned byte = world_pick(world, 256), number = byte % NUMBERS;

        if (byte >= 254)
                return byte == 254 ? -1 : 5000;
        for (unsigned i = 0; byte < 200 && i < NUMBERS && !world->model.file_at[number]; i++)
                number = (number + 1) % NUMBERS;
        return (int)number;
}

/* Moves a descriptor to the lowest free number, or over one in use. False: there is none. */
static bool place(struct world *world, int fd, bool pollable, int over) {
        int number = over;

        if (over < 0)
                number = fcntl(fd, F_DUPFD_CLOEXEC, BASE) - BASE;
        else
                dup3(fd, BASE + over, O_CLOEXEC);
        close(fd);
        if (number >= NUMBERS || world->model.files_made + 1 == FILES) {
                close(BASE + number);
                if (number < NUMBERS)
                        model_close(&world->model, (unsigned)number);
                return false;
        }
        world_note(world, " %d", number);
        model_open(&world->model, (unsigned)number, pollable);
        return true;
}

void op_open(struct world *world) {
        unsigned kind = world_pick(world, 8);
        int over = world_pick(world, 8) ? -1 : (int)world_pick(world, NUMBERS), pair[2] = { -1, -1 }, small = 1;

        world_note(world, "open kind %u at", kind);
        if (kind < 3 && pipe2(pair, O_NONBLOCK | O_CLOEXEC) == 0)
                fcntl(pair[1], F_SETPIPE_SZ, 4096);
        else if (kind >= 3 && kind < 6 && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
                setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
        else if (kind == 6)
                pair[0] = eventfd(world_pick(world, 2), EFD_NONBLOCK | EFD_CLOEXEC);
        else if (kind == 7)
                pair[0] = memfd_create("regular", MFD_CLOEXEC);
        if (pair[0] >= 0)
                place(world, pair[0], kind != 7, over);
        if (pair[1] >= 0)
                place(world, pair[1], true, -1);
        world_note(world, "\n");
}

void op_dup(struct world *world) {
        unsigned from = world_pick(world, NUMBERS), over = world_pick(world, 2 * NUMBERS), to;
        int fd = BASE + (int)over;

        if (!world->model.file_at[from] || over == from)
                return;
        if (over >= NUMBERS)
                fd = fcntl(BASE + (int)from, F_DUPFD_CLOEXEC, BASE);
        to = (unsigned)(fd - BASE);
        if (to >= NUMBERS) {
                if (over >= NUMBERS)
                        close(fd);
                return;
        }
        if (over < NUMBERS)
                dup3(BASE + (int)from, fd, O_CLOEXEC);
        world_note(world, "dup %u to %u\n", from, to);
        model_dup(&world->model, to, from);
}

static void close_number(struct world *world, unsigned number) {
        world_note(world, "close %u\n", number);
        close(BASE + (int)number);
        model_close(&world->model, number);
}

void op_close(struct world *world) {
        unsigned number = world_pick(world, NUMBERS);

        if (world->model.file_at[number])
                close_number(world, number);
}

/* Closes a number of which there is a duplicate, deregistered before, after or not at all. It may come back. */
void op_ghost(struct world *world) {
        unsigned s = world_pick_side(world), back = world_pick(world, 8);
        int number = pick_number(world), to;
        unsigned file = number < 0 || number >= NUMBERS ? 0 : world->model.file_at[number];

        if (!file)
                return;
        to = fcntl(BASE + number, F_DUPFD_CLOEXEC, BASE) - BASE;
        if (to >= NUMBERS) {
                close(BASE + to);
                return;
        }
        world_note(world, "dup %d to %d\n", number, to);
        model_dup(&world->model, (unsigned)to, (unsigned)number);
        close_number(world, (unsigned)number);
        if (back < 5) {
                world_note(world, "deregister %d in %u", number, s);
                world_expect(world, weir_deregister(world->sides[s].registry, BASE + number),
                             model_deregister(&world->model, s, number));
        }
        if (back % 4 == 0) {
                world_note(world, "dup %d to %d\n", to, number);
                dup3(BASE + to, BASE + number, O_CLOEXEC);
                model_dup(&world->model, (unsigned)number, (unsigned)to);
        }
}

void op_transfer(struct world *world) {
        static char buffer[65536];
        int number = pick_number(world), fd = BASE + number;
        unsigned what = world_pick(world, 8);
        uint64_t value = what == 1 ? UINT64_MAX - 1 : 1;
        ssize_t n = 0, total = 0;

        if (number < 0 || number >= NUMBERS || !world->model.file_at[number])
                return;
        if (what < 4) {
                /* Eight bytes suit every kind; an eventfd that is to be full gets all it takes at once. */
                do
                        total += n;
                while ((n = write(fd, what == 1 ? (void *)buffer : &value, what == 1 ? 2048 : sizeof(value))) > 0 &&
                       what == 1 && total < 1 << 20);
                if (what == 1)
                        n = write(fd, &value, sizeof(value));
                world_note(world, "write %d, %s\n", number, what == 1 ? "until it is full" : "once");
        } else if (what < 7) {
                while ((n = read(fd, buffer, sizeof(buffer))) > 0 && what != 6)
                        ;
                world_note(world, "read %d, %s\n", number, what == 6 ? "once" : "until it is empty");
        } else {
                shutdown(fd, SHUT_WR);
                world_note(world, "shutdown %d\n", number);
        }
}

/* ---------------------------------------------------------------- registrations */

static weir_interest pick_interest(struct world *world) {
        static const weir_interest modes[] = { 0,
                                               WEIR_LEVEL,
                                               WEIR_ONESHOT,
                                               WEIR_EXCLUSIVE,
                                               WEIR_LEVEL | WEIR_EXCLUSIVE,
                                               WEIR_ONESHOT | WEIR_HELD,
                                               WEIR_LEVEL | WEIR_ONESHOT,
                                               UINT32_C(1) << 20 };
        unsigned byte = world_pick(world, 256);

        /* Writable is ready most of the time and hides the rest, so it is seldom asked for. */
        return modes[byte >> 5] | (byte & 1   ? byte & 7
                                   : byte & 8 ? WEIR_READABLE
                                              : (weir_interest[]){ 3, 1, 5, 0 }[byte >> 1 & 3]);
}

/* ---------------------------------------------------------------- deadlines and triggers */

void op_deadline(struct world *world) {
        unsigned s = world_pick_side(world);
        int number = pick_number(world);
        weir_time moment = world_pick_moment(world);

        world_note(world, "set the deadline of %d in %u to %" PRId64, number, s,
                   moment < 0 ? moment : moment - BEGINNING);
        world_expect(world, weir_set_deadline(world->sides[s].registry, number < 0 ? -1 : BASE + number, moment),
                     model_set_deadline(&world->model, s, number, moment));
}

void op_trigger(struct world *world) {
        unsigned s = world_pick_side(world), all = world_pick(world, 8);
        int number = pick_number(world);

        if (!all) {
                world_note(world, "trigger all in %u", s);
                world_expect(world, weir_trigger_all(world->sides[s].registry), model_trigger_all(&world->model, s));
                return;
        }
        world_note(world, "trigger %d in %u", number, s);
        world_expect(world, weir_trigger(world->sides[s].registry, number < 0 ? -1 : BASE + number),
                     model_trigger(&world->model, s, number));
}

struct source {
        struct weir_source source;
        int fd;
};

static int source_register(struct weir_registry *registry, struct weir_source *source, weir_token token,
                           weir_interest interest) {
        return weir_register(registry, ((struct source *)source)->fd, token, interest);
}

static int source_reregister(struct weir_registry *registry, struct weir_source *source, weir_token token,
                             weir_interest interest) {
        return weir_reregister(registry, ((struct source *)source)->fd, token, interest);
}

static int source_deregister(struct weir_registry *registry, struct weir_source *source) {
        return weir_deregister(registry, ((struct source *)source)->fd);
}

static const struct weir_source_ops source_ops = { source_register, source_reregister, source_deregister };

static bool is_number(int number) {
        return number >= 0 && number < NUMBERS;
}

static void deregister_by_event(struct world *world, unsigned s, int number) {
        struct weir_event event = { .token = 0 };
        int got;

        if (is_number(number)) {
                event = world->sides[s].taken[number];
                world->sides[s].taken[number].registration = 0;
        }
        world_note(world, "deregister %d in %u by an event of token %u", number, s, (unsigned)event.token);
        got = weir_deregister_if(world->sides[s].registry, number < 0 ? -1 : BASE + number, &event);
        if (is_number(number) && event.registration && model_may_refuse_event(&world->model, s, number, got))
                world_note(world, " = %d, refused\n", got);
        else
                world_expect(world, got, model_deregister_if(&world->model, s, number, &event));
}

void op_registry(struct world *world, unsigned what) {
        unsigned s = world_pick_side(world), through = world_pick(world, 8);
        int number = pick_number(world), fd = number < 0 ? -1 : BASE + number, wanted, got;
        struct source source = { { &source_ops }, fd };
        struct weir_registry *registry = world->sides[s].registry;
        struct model *model = &world->model;
        weir_interest interest = 0;
        weir_token token;
        bool other = false; /* another way of doing it */

        if (what < 3)
                interest = pick_interest(world);
        if (what == 2 && world_pick(world, 8))
                interest &= 7;
        /* A source that registers itself hears of a bad interest only if there is a poll. */
        if (world->model.sides[s].shut)
                through = 1;
        token = ++world->last_token;
        if (what == 2 || what == 4)
                other = world_pick(world, 4) == 3;
        switch (what) {
        case 0:
                world_note(world, "register %d in %u, token %u, interest %x", number, s, (unsigned)token, interest);
                wanted = model_register(model, s, number, token, interest);
                if (through)
                        world_expect(world, weir_register(registry, fd, token, interest), wanted);
                else
                        world_expect(world, weir_source_register(registry, &source.source, token, interest), wanted);
                break;
        case 1:
                world_note(world, "reregister %d in %u, token %u, interest %x", number, s, (unsigned)token, interest);
                wanted = model_reregister(model, s, number, token, interest);
                if (through)
                        got = weir_reregister(registry, fd, token, interest);
                else
                        got = weir_source_reregister(registry, &source.source, token, interest);
                /* Closed, and reused by what cannot be polled: both are true. */
                world_expect(world, got, wanted == -EPERM && got == -ENOENT ? got : wanted);
                break;
        case 2:
                world_note(world, "rearm%s %d in %u, interest %x", other ? " afresh" : "", number, s, interest);
                got = (other ? weir_rearm_afresh : weir_rearm)(registry, fd, interest);
                if (is_number(number) && model_may_refuse_rearm(model, s, number, got))
                        world_note(world, " = %d, refused\n", got);
                else
                        world_expect(world, got,
                                     (other ? model_rearm_afresh : model_rearm)(model, s, number, interest));
                break;
        case 3:
                world_note(world, "retoken %d in %u, token %u", number, s, (unsigned)token);
                world_expect(world, weir_retoken(registry, fd, token), model_retoken(model, s, number, token));
                break;
        case 5:
                world_note(world, "disarm %d in %u", number, s);
                world_expect(world, weir_disarm(registry, fd), model_disarm(model, s, number));
                break;
        default:
                if (other) {
                        deregister_by_event(world, s, number);
                        break;
                }
                world_note(world, "deregister %d in %u", number, s);
                wanted = model_deregister(model, s, number);
                if (through)
                        world_expect(world, weir_deregister(registry, fd), wanted);
                else
                        world_expect(world, weir_source_deregister(registry, &source.source), wanted);
        }
}
