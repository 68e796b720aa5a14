/* SPDX-License-Identifier: MIT */

/*
 * Explores the programs that are linked with it: see relacy.h. Its threads are fibers of one thread, so what is local to a
 * thread lies in a section of its own, and is kept over each operation, in which another fiber may run.
 */

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <ostream>
#include <streambuf>

#include <relacy/relacy.hpp>
#undef new
#undef delete
#undef malloc
#undef free

#include "relacy.h"

#define PREEMPTIONS 2
#define ITERATIONS  1000000
#define OBJECTS     4096
#define LOCALS      64

typedef rl::atomic<uint64_t> atomic;
typedef rl::var<int> plain;

/* Objects by their address, made when they are met first, and anew for each execution. */
template <typename T> struct table {
        const volatile void *addresses[OBJECTS];
        alignas(64) unsigned char room[OBJECTS][sizeof(T)];
        unsigned count;

        T &at(const volatile void *address, uint64_t value) {
                for (unsigned i = 0; i < count; i++)
                        if (addresses[i] == address)
                                return reinterpret_cast<T &>(room[i]);
                if (count == OBJECTS)
                        abort();
                addresses[count] = address;
                return *::new (room[count++]) T(value);
        }
        void forget() {
                while (count)
                        reinterpret_cast<T &>(room[--count]).~T();
        }
};

static table<atomic> atomics;
static table<plain> plains;

extern "C" unsigned char __start_relacy_locals[] __attribute__((weak)), __stop_relacy_locals[] __attribute__((weak));

struct keep_locals {
        unsigned char kept[LOCALS];

        static size_t size() {
                return static_cast<size_t>(__stop_relacy_locals - __start_relacy_locals);
        }
        keep_locals() {
                memcpy(kept, __start_relacy_locals, size());
        }
        ~keep_locals() {
                memcpy(__start_relacy_locals, kept, size());
        }
};

static uint64_t cut(uint64_t value, unsigned size) {
        return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

static atomic &atomic_at(const volatile void *object, unsigned size) {
        uint64_t value = 0;

        memcpy(&value, const_cast<const void *>(object), size); /* little-endian */
        return atomics.at(object, value);
}

static rl::memory_order order_of(int order) {
        static const rl::memory_order orders[] = { rl::mo_relaxed, rl::mo_acquire, rl::mo_acquire,
                                                   rl::mo_release, rl::mo_acq_rel, rl::mo_seq_cst };

        return orders[order];
}

uint64_t relacy_load(const volatile void *object, unsigned size, int order) {
        keep_locals keep;

        return atomic_at(object, size)($).load(order_of(order));
}

void relacy_store(volatile void *object, unsigned size, uint64_t value, int order) {
        keep_locals keep;

        atomic_at(object, size)($).store(cut(value, size), order_of(order));
}

uint64_t relacy_change(volatile void *object, unsigned size, relacy_kind change, uint64_t value, int order) {
        keep_locals keep;
        atomic &target = atomic_at(object, size);

        switch (change) {
        case RELACY_EXCHANGE:
                return target($).exchange(cut(value, size), order_of(order));
        case RELACY_ADD:
                return target($).fetch_add(value, order_of(order));
        case RELACY_SUBTRACT:
                return target($).fetch_sub(value, order_of(order));
        case RELACY_OR:
                return target($).fetch_or(value, order_of(order));
        default:
                return target($).fetch_and(value, order_of(order));
        }
}

bool relacy_compare_exchange(volatile void *object, unsigned size, void *expected, uint64_t desired, int success,
                             int failure) {
        keep_locals keep;
        uint64_t value = 0;
        bool done;

        memcpy(&value, expected, size);
        done = atomic_at(object, size)($).compare_exchange_strong(value, cut(desired, size), order_of(success),
                                                                  order_of(failure));
        memcpy(expected, &value, size);
        return done;
}

void relacy_give_way(bool unless) {
        keep_locals keep;

        if (!unless)
                rl::yield(1, $);
}

void relacy_assert(bool condition, const char *text) {
        if (!condition)
                rl::ctx().fail_test(text, rl::test_result_user_assert_failed, $);
}

int relacy_plain_get(const int *object) {
        return plains.at(object, 0)($).load();
}

void relacy_plain_set(int *object, int value) {
        plains.at(object, 0)($).store(value);
}

/* ---------------------------------------------------------------- programs */

static unsigned program;

struct programs : rl::test_suite<programs, 2> {
        atomic *joins;

        void before() {
                /* An execution that failed has left its own, which went with it. */
                atomics.count = plains.count = 0;
                enumerated_begin(program);
                joins = &atomics.at(this, 0);
                (*joins)($).store(0, rl::mo_release);
        }
        void thread(unsigned number) {
                memset(__start_relacy_locals, 0, keep_locals::size());
                (*joins)($).fetch_add(0, rl::mo_acquire);
                enumerated_thread(number);
                (*joins)($).fetch_add(1, rl::mo_acq_rel);
        }
        void after() {
                (*joins)($).fetch_add(0, rl::mo_acquire);
                enumerated_end();
                atomics.forget();
                plains.forget();
        }
};

/* The history of what is wrong is long. RELACY_HISTORY has it written. */
struct nothing : std::streambuf {
        int overflow(int c) override {
                return c;
        }
};

int main() {
        nothing discarded;
        std::ostream nowhere(&discarded);
        uint64_t iterations = 0;
        unsigned wrong = 0;

        for (program = 0; program < enumerated_count(); program++) {
                rl::test_params params;

                params.search_type = rl::sched_bound;
                params.context_bound = PREEMPTIONS;
                params.iteration_count = ITERATIONS;
                if (!getenv("RELACY_HISTORY"))
                        params.output_stream = &nowhere;
                if (!rl::simulate<programs>(params)) {
                        printf("%s|%s: %s, outcome %llx\n", enumerated_letters(program, 0),
                               enumerated_letters(program, 1), rl::test_result_str(params.test_result),
                               static_cast<unsigned long long>(enumerated_outcome()));
                        wrong++;
                }
                iterations += params.stop_iteration;
        }
        printf("%u programs, %llu executions, %u wrong\n", enumerated_count(),
               static_cast<unsigned long long>(iterations), wrong);
        return wrong != 0;
}
