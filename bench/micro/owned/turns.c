/* SPDX-License-Identifier: MIT */

/*
 * The turns of a lap: a waiter, a worker, and the peer, which is the main thread. They hand on to each other by semaphores.
 * The peer reads in /proc whether the other two are asleep; what that costs is not counted. Read play() first, then work().
 */

#include "calls.h"
#include "owned.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct thread {
        pthread_t thread;
        _Atomic(int) id;
        int stat; /* /proc/self/task/ID/stat */
};

struct scene {
        const struct side *side;
        bool late;
        unsigned messages;
        int end; /* the peer's */
        struct thread waiter, worker;
        _Atomic(int) handed; /* what the waiter hands on; -1: the end */
        sem_t hand, next, came, served;
};

static void await(sem_t *semaphore) {
        while (sem_wait(semaphore) < 0)
                require(errno == EINTR, "sem_wait");
}

static void tell_id(struct thread *self) {
        /* relaxed: it guards nothing */
        atomic_store_explicit(&self->id, (int)syscall(SYS_gettid), memory_order_relaxed);
}

static void begin(struct thread *thread, void *(*run)(void *), struct scene *scene) {
        char path[64];
        int id;

        atomic_init(&thread->id, 0);
        require(pthread_create(&thread->thread, NULL, run, scene) == 0, "pthread_create");
        while (!(id = atomic_load_explicit(&thread->id, memory_order_relaxed)))
                sched_yield();
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
        thread->stat = open(path, O_RDONLY | O_CLOEXEC);
        require(thread->stat >= 0, "opening the thread's stat");
}

static void end(struct thread *thread) {
        pthread_join(thread->thread, NULL);
        close(thread->stat);
}

/* From the moment on at which a thread is woken it is not asleep, whether it runs already or not. */
static bool is_asleep(const struct thread *thread) {
        char text[512];
        ssize_t n = pread(thread->stat, text, sizeof text - 1, 0);
        const char *name_end;

        require(n > 0, "reading the thread's stat");
        text[n] = '\0';
        name_end = strrchr(text, ')');
        require(name_end && name_end[1] == ' ', "the thread's stat");
        return name_end[2] == 'S';
}

/* How often it left the processor of itself. */
static double switches_of(const struct thread *thread) {
        unsigned long long count;
        bool found = false;
        char text[256];
        FILE *file;

        snprintf(text, sizeof text, "/proc/self/task/%d/status",
                 atomic_load_explicit(&thread->id, memory_order_relaxed));
        file = fopen(text, "re");
        require(file, "opening the thread's status");
        while (!found && fgets(text, sizeof text, file))
                found = sscanf(text, "voluntary_ctxt_switches: %llu", &count) == 1;
        fclose(file);
        require(found, "reading the thread's status");
        return (double)count;
}

static void *take(void *data) {
        struct scene *scene = data;
        int fd;

        tell_id(&scene->waiter);
        do {
                fd = scene->side->wait(scene->side->loop);
                /* relaxed: the semaphore brings it; that the one before was read, the kernel's one-shot says */
                atomic_store_explicit(&scene->handed, fd, memory_order_relaxed);
                sem_post(&scene->hand);
        } while (fd >= 0);
        return NULL;
}

static bool receive(int fd, int flags) {
        char message[BENCH_BUFFER];
        ssize_t n = recv(fd, message, sizeof message, flags);

        require(n == BENCH_MESSAGE || (n < 0 && errno == EAGAIN), "recv");
        return n > 0;
}

/* A one-shot may come back without new data: that is no turn. */
static void *work(void *data) {
        struct scene *scene = data;
        const struct side *side = scene->side;

        tell_id(&scene->worker);
        for (;;) {
                bool turn;
                int fd;

                await(&scene->hand);
                fd = atomic_load_explicit(&scene->handed, memory_order_relaxed);
                if (fd < 0)
                        return NULL;
                turn = receive(fd, MSG_DONTWAIT);
                for (unsigned i = 0; turn && i < scene->messages; ++i) {
                        sem_post(&scene->next);
                        if (scene->late)
                                await(&scene->came);
                        require(receive(fd, 0), "recv: a message to the owner");
                }
                require(!turn || !receive(fd, MSG_DONTWAIT), "recv to -EAGAIN");
                side->rearm(side->loop, fd);
                if (turn)
                        sem_post(&scene->served);
        }
}

/* ---------------------------------------------------------------- a lap: the peer */

static double cpu_us(clockid_t clock) {
        struct timespec now;

        clock_gettime(clock, &now);
        return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Until both sleep. The worker is looked at twice, for the waiter may have woken it in between. Returns what that took. */
static double settle(const struct scene *scene) {
        double began = cpu_us(CLOCK_THREAD_CPUTIME_ID);

        while (!is_asleep(&scene->worker) || !is_asleep(&scene->waiter) || !is_asleep(&scene->worker))
                sched_yield();
        return cpu_us(CLOCK_THREAD_CPUTIME_ID) - began;
}

static void snapshot(const struct scene *scene, double *figures) {
        struct calls calls = calls_made();

        figures[WAITS] = (double)calls.waits;
        figures[CTLS] = (double)calls.ctls;
        figures[SWITCHES] = switches_of(&scene->waiter);
        figures[CPU] = cpu_us(CLOCK_PROCESS_CPUTIME_ID);
}

static double send_when_settled(const struct scene *scene) {
        static const char message[BENCH_MESSAGE];
        double spent = settle(scene);

        require(write(scene->end, message, sizeof message) == sizeof message, "write");
        return spent;
}

static void play(struct scene *scene, unsigned turns, double *ret_figures) {
        double before[FIGURES], after[FIGURES], spent = 0;

        settle(scene);
        snapshot(scene, before);
        for (unsigned turn = 0; turn < turns; ++turn) {
                spent += send_when_settled(scene);
                for (unsigned i = 0; i < scene->messages; ++i) {
                        await(&scene->next);
                        spent += send_when_settled(scene);
                        if (!scene->late)
                                continue;
                        spent += settle(scene);
                        sem_post(&scene->came);
                }
                await(&scene->served);
        }
        spent += settle(scene);
        snapshot(scene, after);
        after[CPU] -= spent;
        for (size_t i = 0; i < FIGURES; ++i)
                ret_figures[i] = (after[i] - before[i]) / turns;
}

void owned_run(const struct plan *plan, const struct side *side, double *ret_figures) {
        struct scene scene = {
                .side = side, .late = plan->way == LATE, .messages = plan->messages, .end = plan->pair[1]
        };

        require(sem_init(&scene.hand, 0, 0) == 0 && sem_init(&scene.next, 0, 0) == 0 &&
                        sem_init(&scene.came, 0, 0) == 0 && sem_init(&scene.served, 0, 0) == 0,
                "sem_init");
        begin(&scene.waiter, take, &scene);
        begin(&scene.worker, work, &scene);
        play(&scene, plan->turns, ret_figures);
        side->stop(side->loop);
        end(&scene.waiter);
        end(&scene.worker);
        sem_destroy(&scene.hand);
        sem_destroy(&scene.next);
        sem_destroy(&scene.came);
        sem_destroy(&scene.served);
}
