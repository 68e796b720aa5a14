/* SPDX-License-Identifier: MIT */
/*
 * G14, G12: a crew for which there is no memory, no descriptor or no thread is refused, and nothing is left; what could be made
 * works. The linker puts a hand on the calls that fail.
 */
#include "scene.h"

#include <sys/epoll.h>
#include <sys/mman.h>

/* The how-manieth call from now on fails, and all after it; 0: none. */
static int allocations_left, threads_left, maps_left, watches_left;
static int thread_error = EAGAIN;

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);

static bool fails(int *left) {
        if (*left <= 1)
                return *left;
        --*left;
        return false;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
        return fails(&allocations_left) ? NULL : __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
        if (fails(&maps_left)) {
                errno = ENOMEM;
                return MAP_FAILED;
        }
        return __real_mmap(address, size, protection, flags, fd, offset);
}

/* Where off_t has another size, the call has another name. */
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
        return __wrap_mmap(address, size, protection, flags, fd, offset);
}

int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event) {
        if (!fails(&watches_left))
                return __real_epoll_ctl(set, op, fd, event);
        errno = ENOSPC;
        return -1;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
        return fails(&threads_left) ? thread_error : __real_pthread_create(thread, attributes, run, argument);
}

static void stop_at_once(struct scene *scene, unsigned token) {
        (void)token;
        weir_crew_stop(scene->crew);
}

static void g14_crew_without_memory_is_refused(void **state) {
        struct fixture *fx = *state;
        struct weir_crew *crew = NULL;
        int r = -ENOMEM;

        maps_left = 1;
        assert_int_equal(weir_crew_create(fx->poll, scene_serve, NULL, &crew), -ENOMEM);
        maps_left = 0;
        for (int n = 1; r == -ENOMEM; n++) {
                assert_null(crew);
                allocations_left = n;
                r = weir_crew_create(fx->poll, scene_serve, NULL, &crew);
                allocations_left = 0;
        }
        assert_int_equal(r, 0);
        weir_crew_destroy(crew);
}

/* Makes a crew with room for so many descriptors. */
static int create_with_room(struct weir_poll *poll, unsigned room, struct weir_crew **ret_crew) {
        struct rlimit before;
        int r;

        leave_room(room, &before);
        r = weir_crew_create(poll, scene_serve, NULL, ret_crew);
        restore_room(&before);
        return r;
}

static void g14_crew_without_descriptors_is_refused(void **state) {
        unsigned before = count_descriptors(), room = 0;
        struct fixture *fx = *state;
        struct weir_crew *crew = NULL;
        int r;

        while ((r = create_with_room(fx->poll, room, &crew)) == -EMFILE) {
                assert_null(crew);
                assert_int_equal(count_descriptors(), before);
                assert_in_range(++room, 1, 16);
        }
        assert_int_equal(r, 0);
        weir_crew_destroy(crew);
        assert_int_equal(count_descriptors(), before);

        crew = NULL;
        r = -ENOSPC;
        for (int n = 1; r == -ENOSPC; n++) {
                assert_null(crew);
                assert_int_equal(count_descriptors(), before);
                watches_left = n;
                r = weir_crew_create(fx->poll, scene_serve, NULL, &crew);
                watches_left = 0;
        }
        assert_int_equal(r, 0);
        weir_crew_destroy(crew);
}

static void g14_work_without_memory_is_refused(void **state) {
        struct fixture *fx = *state;
        struct scene scene;
        int r = -ENOMEM;

        scene_make(&scene, fx, stop_at_once, 1, 1);
        for (int n = 1; r == -ENOMEM; n++) {
                fetch(fx, 1); /* a plain wait is possible, and gives back what it got */
                weir_events_clear(fx->events);
                allocations_left = n;
                r = weir_crew_work(scene.crew);
                allocations_left = 0;
        }
        assert_int_equal(r, 0);
        assert_int_equal(scene.begun, 1);
        scene_destroy(&scene);
}

static void g14_start_without_a_thread_is_refused(void **state) {
        struct fixture *fx = *state;
        struct scene scene;

        scene_make(&scene, fx, stop_at_once, 1, 0);
        threads_left = 1;
        assert_int_equal(weir_crew_start(scene.crew, 3), -EAGAIN);
        thread_error = ENOMEM;
        assert_int_equal(weir_crew_start(scene.crew, 3), -ENOMEM);
        thread_error = EPERM;
        assert_int_equal(weir_crew_start(scene.crew, 3), -EAGAIN);
        thread_error = EAGAIN;
        threads_left = 0;
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        scene_destroy(&scene);
        expect_threads(1);

        scene_make(&scene, fx, stop_at_once, 1, 0);
        allocations_left = 1;
        assert_int_equal(weir_crew_start(scene.crew, 3), -ENOMEM);
        allocations_left = 0;
        assert_int_equal(wait_ms(fx->poll, fx->events, 0), 0);
        scene_destroy(&scene);
}

static void g14_start_with_fewer_threads_than_were_asked_for_is_enough(void **state) {
        struct scene scene;

        scene_make(&scene, *state, stop_at_once, 1, 0);
        threads_left = 3;
        assert_int_equal(weir_crew_start(scene.crew, 8), 0);
        threads_left = 0;
        assert_int_equal(count_threads(), 1 + 2);
        ring(scene.fds[0]);
        assert_true(reached(&scene.begun, 1));
        expect_threads(1);
        scene_destroy(&scene);
}

static void g14_run_goes_on_with_the_threads_there_are(void **state) {
        for (int made = 1; made < 4; made++) {
                struct scene scene;

                scene_make(&scene, *state, stop_at_once, 1, 1);
                threads_left = made;
                assert_int_equal(weir_crew_run(scene.crew, 8), 0);
                threads_left = 0;
                assert_int_equal(scene.begun, 1);
                expect_threads(1);
                scene_destroy(&scene);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(g14_crew_without_memory_is_refused),
                CASE(g14_crew_without_descriptors_is_refused),
                CASE(g14_work_without_memory_is_refused),
                CASE(g14_start_without_a_thread_is_refused),
                CASE(g14_start_with_fewer_threads_than_were_asked_for_is_enough),
                CASE(g14_run_goes_on_with_the_threads_there_are),
        };

        return cmocka_run_group_tests_name("g14_refused", cases, NULL, NULL);
}
