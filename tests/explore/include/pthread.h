/* SPDX-License-Identifier: MIT */

/*
 * Stands before the C library's header where the library is compiled for the explorer: its threads are the explorer's own,
 * see scheduler.h.
 */

#ifndef WEIR_TESTS_EXPLORE_PTHREAD_H
#define WEIR_TESTS_EXPLORE_PTHREAD_H

#pragma GCC system_header /* for include_next */
#include_next <pthread.h>

/* A mutex is as its first byte says: 0 free, 1 held. Zeroed memory is a free one. */
int explore_mutex_lock(pthread_mutex_t *mutex);
int explore_mutex_unlock(pthread_mutex_t *mutex);
unsigned long explore_self(void);

#define pthread_mutex_init(mutex, attributes) ((void)(attributes), *(unsigned char *)(mutex) = 0, 0)
#define pthread_mutex_destroy(mutex)          ((void)(mutex), 0)
#define pthread_mutex_lock                    explore_mutex_lock
#define pthread_mutex_unlock                  explore_mutex_unlock
#define pthread_self()                        ((pthread_t)explore_self())
#undef pthread_equal
#define pthread_equal(a, b)                   ((a) == (b))
#define pthread_setcancelstate(state, former) ((void)(state), *(former) = 0, 0)

#endif
