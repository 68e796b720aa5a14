/* SPDX-License-Identifier: MIT */

/* All outcomes: see allowed.h. Read step() first, which lets each thread go on in each way that the model accepts. */

#include "allowed.h"

#include "allowed_point.h"
#include "alphabet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define ROUNDS   2 /* waits of the main thread, each with so many events at most */
#define OUTCOMES (1u << 16)
#define VISITED  (1u << 20)

static uint64_t outcomes[OUTCOMES];
static unsigned outcomes_count;

/* What was looked at already, by its hash; of another program if the number beside it says so. */
static struct {
        uint64_t hash;
        unsigned program;
} visited[VISITED];
static unsigned programs;

static bool is_known(const struct point *point) {
        const unsigned char *bytes = (const unsigned char *)point;
        uint64_t hash = 0;
        unsigned i;

        for (size_t n = 0; n + 8 <= sizeof(*point); n += 8) {
                uint64_t word;

                memcpy(&word, bytes + n, 8);
                hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 29;
        }
        for (i = (unsigned)hash % VISITED; visited[i].program == programs; i = (i + 1) % VISITED)
                if (visited[i].hash == hash)
                        return true;
        visited[i].program = programs;
        visited[i].hash = hash;
        return false;
}

/* ---------------------------------------------------------------- the end */

static void end(const struct point *point);

static void ended(struct point *point, const struct call *call, unsigned thread) {
        unsigned shift = ALLOWED_REST(point->stage == READS ? 0 : point->stage == READS_LATER ? 1 : 2);
        uint64_t note = point->outcome >> shift & 0x3ff;

        (void)thread;
        switch (call->kind) {
        case KIND_FETCH:
                point->open = call->result > 0;
                point->events = 0;
                if (call->result <= 0)
                        point->round = ROUNDS;
                break;
        case KIND_NEXT:
                point->events = call->result ? point->events + 1 : ROUNDS;
                if (call->result && call->event.token == 1)
                        note |= allowed_saying(&call->event) * 0x100;
                else if (call->result)
                        note |= (note & 0xf ? 0x10 : call->event.token) | allowed_saying(&call->event) * 0x20;
                point->outcome = (point->outcome & ~(UINT64_C(0x3ff) << shift)) | note << shift;
                break;
        case KIND_CLEAR:
                point->round += point->open;
                point->open = false;
                break;
        default:
                break;
        }
        end(point);
}

static void note_outcome(uint64_t outcome) {
        for (unsigned i = 0; i < outcomes_count; i++)
                if (outcomes[i] == outcome)
                        return;
        if (outcomes_count == OUTCOMES)
                abort();
        outcomes[outcomes_count++] = outcome;
}

/* The next call of a stage that reads. False: it is over. */
static bool reads(const struct point *point, struct call *call) {
        if (point->round == ROUNDS)
                return false;
        if (!point->open)
                call->kind = KIND_FETCH;
        else if (point->events < ROUNDS)
                call->kind = KIND_NEXT;
        return true;
}

/*
 * Clears both batches, waits and reads; lets time pass, if there is a deadline, waits and reads; drains, gives a one-shot back,
 * makes ready, waits and reads.
 */
static void end(const struct point *from) {
        struct point point = *from;
        struct call call = { .kind = KIND_CLEAR, .interest = EPOLLIN };

        if (is_known(from))
                return;
        while ((point.stage == READS || point.stage == READS_LATER || point.stage == READS_AGAIN) &&
               !reads(&point, &call)) {
                point.round = 0;
                point.stage++;
                if (point.stage == PASSES_TIME && !(point.program->flags & LETTER_SETS))
                        point.stage = DRAINS;
        }
        switch (point.stage) {
        case CLEARS_FIRST:
        case CLEARS_SECOND:
                call.batch = point.stage++ - CLEARS_FIRST;
                break;
        case PASSES_TIME:
                call.kind = KIND_TIME;
                call.moment = ALPHABET_LATER;
                point.stage++;
                break;
        case DRAINS:
                call.kind = KIND_DRAIN;
                call.interest = EPOLLIN | EPOLLHUP;
                point.stage++;
                break;
        case DRAINS_DUPLICATE:
                call.kind = KIND_DRAIN;
                call.number = 1;
                call.interest = EPOLLIN | EPOLLHUP;
                point.stage += point.program->beginning->mode & WEIR_ONESHOT ? 1 : 2;
                break;
        case REARMS:
                call.kind = KIND_REARM;
                point.stage++;
                break;
        case MAKES_READY:
                call.kind = KIND_READY;
                point.stage++;
                break;
        case ENDS:
                note_outcome(point.outcome);
                return;
        default:
                break;
        }
        allowed_each(&point, &call, MAIN, ended);
}

/* ---------------------------------------------------------------- the threads */

static void step(const struct point *point);

static void stepped(struct point *point, const struct call *call, unsigned thread) {
        unsigned letter = point->letter[thread], shift = ALLOWED_CALL(thread, letter);
        struct call calls[PAIR];
        uint64_t code = 0;

        if (call->kind == KIND_NEXT && call->result) {
                code = 0x80 | allowed_saying(&call->event) << 4 | call->event.token;
                point->taken[thread] = call->event.registration;
        } else
                code = call->result < 0 ? 0x40u | (unsigned)-call->result : (unsigned)call->result;
        point->outcome |= code << shift;
        if (++point->part[thread] ==
            allowed_parts(point->program, point->program->letters[thread][letter], thread, letter, calls)) {
                point->part[thread] = 0;
                point->letter[thread]++;
        }
        step(point);
}

static void step(const struct point *point) {
        bool any = false;

        if (is_known(point))
                return;
        for (unsigned i = 0; i < PAIR; i++) {
                char letter = point->program->letters[i][point->letter[i]];
                struct call calls[PAIR];

                if (!letter)
                        continue;
                any = true;
                allowed_parts(point->program, letter, i, point->letter[i], calls);
                allowed_each(point, &calls[point->part[i]], i, stepped);
                /* A wait that is refused has not closed its batch. */
                if (letter == 'W' && point->part[i] == 0 && allowed_refusal(point->program, i)) {
                        struct point next = *point;

                        next.part[i] = 1;
                        calls[1].result = -EBUSY;
                        stepped(&next, &calls[1], i);
                }
        }
        if (!any) {
                struct point last = *point;

                last.stage = CLEARS_FIRST;
                end(&last);
        }
}

static int by_value(const void *a, const void *b) {
        uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

        return left < right ? -1 : left > right;
}

unsigned allowed_outcomes(const struct program *which, const struct sequential *begin, const uint64_t **ret_outcomes) {
        struct model_registration *reg;
        struct point point;
        unsigned tokens = 2, thread = 0;

        programs++;
        outcomes_count = 0;
        memset(&point, 0, sizeof(point));
        point.program = which;
        point.state = *begin;
        memset(point.state.formers, 0, sizeof(point.state.formers));
        point.state.model.sides[0].wakers[0].token = 1;
        /* The token that stands is that of the last call which gave one. */
        reg = &point.state.model.sides[0].registrations[0];
        for (const char *letter = which->beginning->letters; *letter; letter++) {
                tokens += strchr("RHEPT", *letter) != NULL;
                if (*letter == '1')
                        thread = 1;
                else if (*letter == 'N')
                        point.taken[thread] = reg->begun;
        }
        if (reg->registered)
                reg->token = tokens - 1;
        reg->name = 0; /* the library's */
        allowed_name(&point.state);
        step(&point);
        qsort(outcomes, outcomes_count, sizeof(*outcomes), by_value);
        *ret_outcomes = outcomes;
        return outcomes_count;
}
