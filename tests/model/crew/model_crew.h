/* SPDX-License-Identifier: MIT */
#pragma once

/* The crew from outside, for scenarios about it: what else of libc and the reactor it takes. */

#ifdef WEIR_MODEL_CHECK
#define ECANCELED                           125
#define pthread_cond_init(cond, attributes) ((void)(cond))
#define pthread_cond_destroy(cond)          ((void)(cond))
#define pthread_cond_wait(cond, lock)       ((void)(cond), (void)(lock))
#define pthread_cond_broadcast(cond)        ((void)(cond))
#define pthread_detach(thread)              ((void)(thread))
#ifndef pthread_equal
#define pthread_equal(a, b) ((a) == (b))
#endif
#endif

static struct weir_member model_made;

void *weir_seam_alloc(size_t size) {
        (void)size;
        return &model_made;
}

void weir_seam_free(void *memory) {
        (void)memory;
}

void *weir_seam_page(size_t size, int *ret_pid) {
        (void)size;
        *ret_pid = 0;
        return &model_words;
}

void weir_seam_free_page(void *page, size_t size) {
        (void)page;
        (void)size;
}

int weir_seam_post_open(struct weir_seam_post *ret_post) {
        (void)ret_post;
        return 0;
}

void weir_seam_post_close(struct weir_seam_post *post) {
        (void)post;
}

unsigned weir_seam_processors(void) {
        return 1;
}

int weir_seam_thread(pthread_t *ret_thread, void *(*run)(void *), void *argument) {
        return -pthread_create(ret_thread, NULL, run, argument);
}

int weir_seam_forbid_cancel(void) {
        return 0;
}

void weir_seam_restore_cancel(int state) {
        (void)state;
}

int weir_events_create(unsigned capacity, struct weir_events **ret_events) {
        (void)capacity;
        *ret_events = &model_events[0];
        return 0;
}

void weir_events_destroy(struct weir_events *events) {
        (void)events;
}

int weir_role_create(struct weir_poll *poll, struct weir_role **ret_role) {
        (void)poll;
        *ret_role = &model_role;
        return 0;
}

void weir_role_destroy(struct weir_role *role) {
        (void)role;
}

int weir_role_keep(struct weir_role *role) {
        (void)role;
        return 0;
}

void weir_role_leave(struct weir_role *role) {
        (void)role;
}

struct weir_registry *weir_poll_registry(struct weir_poll *poll) {
        (void)poll;
        return NULL;
}

struct weir_registry *weir_registry_clone(struct weir_registry *registry) {
        return registry;
}

void weir_registry_release(struct weir_registry *registry) {
        (void)registry;
}

#include "crew.c"
