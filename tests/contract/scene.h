/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The scene of a case of G14: a crew on the fixture's poll, eventfds with their index as token, and what to do for each. The
 * function runs on the crew's threads, so it records, and the main thread asserts.
 */

#include "../support.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <weir/crew.h>

#define SCENE_FDS 128

struct scene {
        struct weir_poll *poll;
        struct weir_registry *registry; /* of the crew */
        struct weir_crew *crew;
        void (*act)(struct scene *scene, unsigned token);
        atomic_int begun;             /* events, of any token */
        atomic_int counts[SCENE_FDS]; /* events of each */
        atomic_int failed;            /* the line of a REQUIRE, 0 if none */
        struct latch go;
        int goal;
        int fds[SCENE_FDS];
        unsigned n_fds;
};

/* On a thread of the crew: notes the line that failed. */
#define SCENE_REQUIRE(scene, expr)                                \
        do {                                                      \
                if (!(expr))                                      \
                        atomic_store(&(scene)->failed, __LINE__); \
        } while (0)

static inline void scene_serve(struct weir_crew *crew, const struct weir_event *event, void *data) {
        struct scene *scene = data;
        uint64_t counter;

        SCENE_REQUIRE(scene, crew == scene->crew);
        SCENE_REQUIRE(scene, event->token < scene->n_fds);
        SCENE_REQUIRE(scene, read(scene->fds[event->token], &counter, sizeof counter) > 0 || errno == EAGAIN);
        atomic_fetch_add(&scene->counts[event->token], 1);
        atomic_fetch_add(&scene->begun, 1);
        scene->act(scene, (unsigned)event->token);
}

/* A crew, and so many descriptors, of which the first ones are ready. */
static inline void scene_make(struct scene *scene, struct fixture *fx, void (*act)(struct scene *, unsigned),
                              unsigned n_fds, unsigned n_ready) {
        *scene = (struct scene){ .poll = fx->poll, .act = act, .n_fds = n_fds };
        assert_int_equal(weir_crew_create(fx->poll, scene_serve, scene, &scene->crew), 0);
        scene->registry = weir_registry_clone(weir_crew_registry(scene->crew));
        for (unsigned i = 0; i < n_fds; i++) {
                scene->fds[i] = make_eventfd(i < n_ready);
                assert_int_equal(weir_register(scene->registry, scene->fds[i], i, WEIR_READABLE), 0);
        }
}

/* The crew has been destroyed. */
static inline void scene_end(struct scene *scene) {
        assert_int_equal(atomic_load(&scene->failed), 0);
        for (unsigned i = 0; i < scene->n_fds; i++) {
                assert_int_equal(weir_deregister(scene->registry, scene->fds[i]), 0);
                close(scene->fds[i]);
        }
        weir_registry_release(scene->registry);
}

static inline void scene_destroy(struct scene *scene) {
        weir_crew_destroy(scene->crew);
        scene_end(scene);
}

static inline int scene_run(void *arg) {
        struct scene *scene = arg;

        return weir_crew_run(scene->crew, (unsigned)scene->goal);
}

static inline int scene_work(void *arg) {
        struct scene *scene = arg;

        return weir_crew_work(scene->crew);
}

/* Thread sanitizer has a thread of its own, from the first that is made, which wakes now and then. */
#if defined(__SANITIZE_THREAD__)
#define SCENE_STRANGERS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SCENE_STRANGERS 1
#endif
#endif
#ifndef SCENE_STRANGERS
#define SCENE_STRANGERS 0
#endif

/* Threads of this process. */
static inline int count_threads(void) {
        DIR *dir = opendir("/proc/self/task");
        int count = -2;

        while (dir && readdir(dir))
                ++count;
        if (dir)
                closedir(dir);
        return count > 1 ? count - SCENE_STRANGERS : count;
}

/* A thread that was joined may stand in /proc a moment longer; and while one goes, a reading may miss it and the next one not. */
static inline void expect_threads(int count) {
        uint64_t end = now_ns() + DEADLINE_MS * UINT64_C(1000000);
        int there;

        while ((there = count_threads()) != count && now_ns() < end)
                sched_yield();
        assert_int_equal(there, count);
}

static inline void sleep_ms(int ms) {
        const struct timespec time = { ms / 1000, ms % 1000 * 1000000L };

        nanosleep(&time, NULL);
}
