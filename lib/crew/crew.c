/* SPDX-License-Identifier: MIT */

/*
 * The crew from outside: how it is made, who joins and leaves, and its end. What its threads do is in work.c, when they wait and
 * sleep in turn.h. Read weir_crew_work(), then let_go().
 *
 * A crew is used by its threads, and by calls in progress that look at it beside: `users` counts both. Who destroys it waits
 * until there are none; if that was done on one of its own threads, the user that goes last frees it. While there are threads
 * the role of the poll is kept. Memory of a member is used again by the next one, and freed with the crew: others may look at it
 * at any time.
 *
 * The lock guards all this. Nothing of the user's runs under it; weir_crew_stop() does not take it.
 */

#include "turn.h"
#include "work.h"

#include <errno.h>

static uint64_t turn_of(const struct weir_crew *crew) {
        /* relaxed: the flags alone count */
        return atomic_load_explicit(&crew->words->turn, memory_order_relaxed);
}

static unsigned threads_of(const struct weir_crew *crew) {
        /* relaxed: under the lock */
        return atomic_load_explicit(&crew->threads, memory_order_relaxed);
}

/* Under the lock: whether this thread works for the crew, further up its stack. */
static bool is_among(const struct weir_crew *crew) {
        /* relaxed: under the lock */
        const struct weir_member *member = atomic_load_explicit(&crew->members, memory_order_relaxed);

        while (member && !(member->used && pthread_equal(member->thread, pthread_self())))
                member = member->next;
        return member;
}

static bool is_member(struct weir_crew *crew) {
        bool is;

        pthread_mutex_lock(&crew->lock);
        is = is_among(crew);
        pthread_mutex_unlock(&crew->lock);
        return is;
}

/* ---------------------------------------------------------------- making and end */

/* Also of a crew that is half made, and in a forked child. Nobody uses it any more. */
static void free_crew(struct weir_crew *crew) {
        /* relaxed: nobody else is left */
        struct weir_member *member = atomic_load_explicit(&crew->members, memory_order_relaxed), *next;

        for (; member; member = next) {
                next = member->next;
                weir_events_destroy(member->bag.events);
                weir_seam_free(member);
        }
        weir_role_destroy(crew->role);
        weir_registry_release(crew->registry);
        /* In a child these may be waited for by threads that are not there, and their end would wait for those. */
        if (!crew->words || !weir_crew_is_forked(crew)) {
                pthread_cond_destroy(&crew->left);
                pthread_mutex_destroy(&crew->lock);
        }
        weir_seam_post_close(&crew->post);
        weir_seam_free_page(crew->words, sizeof *crew->words);
        weir_seam_free(crew);
}

/* Nobody else knows the crew yet. 0 or a negative errno. */
static int set_going(struct weir_crew *crew, struct weir_poll *poll) {
        int r;

        /* relaxed, both: likewise */
        atomic_store_explicit(&crew->words->state, CREW_GOES_ON, memory_order_relaxed);
        atomic_store_explicit(&crew->words->turn, TURN_ALIVE, memory_order_relaxed);
        r = weir_role_create(poll, &crew->role);
        if (r == 0)
                crew->registry = weir_registry_clone(weir_poll_registry(poll));
        return r;
}

int weir_crew_create(struct weir_poll *poll, weir_crew_fn *fn, void *data, struct weir_crew **ret_crew) {
        struct weir_crew *crew;
        int r;

        if (!poll || !fn || !ret_crew)
                return -EINVAL;
        crew = weir_seam_alloc(sizeof *crew);
        if (!crew)
                return -ENOMEM;
        /* With default attributes these allocate nothing and cannot fail. */
        pthread_mutex_init(&crew->lock, NULL);
        pthread_cond_init(&crew->left, NULL);
        crew->fn = fn;
        crew->data = data;
        weir_pace_init(&crew->pace);
        crew->words = weir_seam_page(sizeof *crew->words, &crew->pid);
        crew->post = (struct weir_seam_post){ -1, -1, -1 };
        r = crew->words ? set_going(crew, poll) : -ENOMEM;
        if (r == 0)
                r = weir_seam_post_open(&crew->post);
        if (r < 0) {
                free_crew(crew);
                return r;
        }
        *ret_crew = crew;
        return 0;
}

struct weir_registry *weir_crew_registry(struct weir_crew *crew) {
        return crew ? crew->registry : NULL;
}

/* Waits until no call of weir_crew_stop() is under way: it may be about to interrupt the poll, and to look at the crew. */
static void await_stoppers(struct weir_crew *crew) {
        _Atomic(uint32_t) *stoppers = &crew->words->stoppers;
        uint32_t count;

        /* PAIR(ended): weir_turn_end(), by whichever of the two it was that the thread has left. */
        (void)atomic_load_explicit(&crew->words->turn, memory_order_acquire);
        (void)atomic_load_explicit(&crew->words->state, memory_order_acquire);
        /* PAIR(stopper): comes after all that it did. It wakes nobody, for by then the crew may be gone. */
        while ((count = atomic_load_explicit(stoppers, memory_order_acquire)))
                weir_seam_sleep(stoppers, count, TURN_ALARM);
}

/* Waits for the end of the threads that were made and have left. If one of them is the caller, nobody is to wait for that. */
static void join_made(struct weir_crew *crew) {
        /* relaxed: whoever added one did so under the lock */
        struct weir_member *member = atomic_load_explicit(&crew->members, memory_order_relaxed);

        for (; member; member = member->next) {
                bool made;

                pthread_mutex_lock(&crew->lock);
                made = member->made && !member->used;
                member->made = member->made && !made;
                pthread_mutex_unlock(&crew->lock);
                if (made && pthread_equal(member->thread, pthread_self()))
                        pthread_detach(member->thread);
                else if (made)
                        pthread_join(member->thread, NULL);
        }
}

static void end_crew(struct weir_crew *crew) {
        await_stoppers(crew);
        join_made(crew);
        free_crew(crew);
}

/* ---------------------------------------------------------------- who uses it */

/* Under the lock: lets others wait on the poll again, if there are no threads. */
static void leave_role(struct weir_crew *crew) {
        if (threads_of(crew) > 0)
                return;
        await_stoppers(crew);
        weir_role_leave(crew->role);
}

/*
 * Under the lock: whether threads may work. 0: they may, and the role is kept; a negative errno; or -ECANCELED if the crew was
 * stopped.
 */
static int admit(struct weir_crew *crew) {
        /* Also if it is kept: so it is known whether the poll is still there. */
        int r = weir_role_keep(crew->role), error;

        if (r == -ECHILD || r == -ESHUTDOWN)
                return r;
        if (turn_of(crew) & TURN_ENDED) {
                leave_role(crew);
                /* relaxed: under the lock */
                error = atomic_load_explicit(&crew->error, memory_order_relaxed);
                return error ? error : -ECANCELED;
        }
        return r;
}

static void count_thread(struct weir_crew *crew, int step) {
        /* relaxed: under the lock; others take it for a hint */
        atomic_store_explicit(&crew->threads, threads_of(crew) + (unsigned)step, memory_order_relaxed);
        crew->users += (unsigned)step;
}

/* Under the lock: a member for one thread more, that nobody uses, or NULL when out of memory. */
static struct weir_member *add_member(struct weir_crew *crew) {
        /* relaxed: under the lock */
        struct weir_member *first = atomic_load_explicit(&crew->members, memory_order_relaxed), *member;

        for (member = first; member; member = member->next)
                if (!member->used && !member->made)
                        return member;
        member = weir_seam_alloc(sizeof *member);
        if (!member)
                return NULL;
        if (weir_events_create(PACE_MAX, &member->bag.events) < 0) {
                weir_seam_free(member);
                return NULL;
        }
        member->crew = crew;
        member->limit = PACE_MAX;
        member->next = first;
        /* PAIR(member): who looks at the bags finds it made. */
        atomic_store_explicit(&crew->members, member, memory_order_release);
        return member;
}

/* Under the lock: lets one thread more in. 0 or a negative errno. */
static int let_in(struct weir_crew *crew, struct weir_member **ret_member) {
        struct weir_member *member;

        if (threads_of(crew) >= CREW_THREADS_MAX)
                return -EAGAIN;
        member = add_member(crew);
        if (!member)
                return -ENOMEM;
        member->used = true;
        member->loaded = false;
        member->begun = 0;
        member->worked = 0;
        count_thread(crew, 1);
        *ret_member = member;
        return 0;
}

/* Under the lock: a thread has left. */
static void let_out(struct weir_crew *crew, struct weir_member *member) {
        /* relaxed: a hint */
        atomic_store_explicit(&member->bag.since, BAG_NOBODY, memory_order_relaxed);
        member->used = false;
        count_thread(crew, -1);
        leave_role(crew);
        pthread_cond_broadcast(&crew->left);
}

/* Gives up the lock. If nobody uses the crew any more, and it was destroyed on its own thread, this is its end. */
static void let_go(struct weir_crew *crew) {
        bool last = crew->users == 0 && turn_of(crew) & TURN_DESTROY;

        pthread_mutex_unlock(&crew->lock);
        if (last)
                end_crew(crew);
}

/* Under the lock, which it gives up meanwhile: waits until so few use the crew, or work. */
static void await_users(struct weir_crew *crew, unsigned users) {
        while (crew->users > users)
                pthread_cond_wait(&crew->left, &crew->lock);
}

static void await_threads(struct weir_crew *crew) {
        while (threads_of(crew) > 0)
                pthread_cond_wait(&crew->left, &crew->lock);
}

/* ---------------------------------------------------------------- threads */

static void *run_made(void *argument) {
        struct weir_member *me = argument;
        struct weir_crew *crew = me->crew;
        int state = weir_seam_forbid_cancel();

        weir_crew_loop(crew, me);
        if (!weir_crew_is_forked(crew)) {
                pthread_mutex_lock(&crew->lock);
                let_out(crew, me);
                let_go(crew);
        }
        weir_seam_restore_cancel(state);
        return NULL;
}

/* Under the lock: makes one thread. 0 or a negative errno. */
static int make_thread(struct weir_crew *crew) {
        struct weir_member *member;
        int r = let_in(crew, &member);

        if (r < 0)
                return r;
        r = weir_seam_thread(&member->thread, run_made, member);
        if (r < 0) {
                member->used = false;
                count_thread(crew, -1);
                return r == -ENOMEM ? -ENOMEM : -EAGAIN;
        }
        member->made = true;
        return 0;
}

/* Under the lock: makes threads, as many as can be. 0 if there is one, or if none was to be made. */
static int make_threads(struct weir_crew *crew, unsigned count) {
        for (unsigned made = 0; made < count; ++made) {
                int r = make_thread(crew);

                if (r < 0)
                        return made > 0 ? 0 : r;
        }
        return 0;
}

int weir_crew_start(struct weir_crew *crew, unsigned threads) {
        int state, r;

        if (!crew)
                return -EINVAL;
        if (weir_crew_is_forked(crew))
                return -ECHILD;
        state = weir_seam_forbid_cancel();
        pthread_mutex_lock(&crew->lock);
        r = admit(crew);
        if (r == 0) {
                r = make_threads(crew, threads ? threads : weir_seam_processors());
                leave_role(crew);
        }
        pthread_mutex_unlock(&crew->lock);
        weir_seam_restore_cancel(state);
        return r;
}

/* Under the lock, which is given up meanwhile: the calling thread joins in until the crew ends. */
static int work(struct weir_crew *crew) {
        struct weir_member *me;
        int r = let_in(crew, &me);

        if (r < 0) {
                leave_role(crew);
                return r;
        }
        me->thread = pthread_self();
        pthread_mutex_unlock(&crew->lock);
        weir_crew_loop(crew, me);
        if (weir_crew_is_forked(crew))
                return -ECHILD;
        pthread_mutex_lock(&crew->lock);
        let_out(crew, me);
        /* relaxed: under the lock */
        return atomic_load_explicit(&crew->error, memory_order_relaxed);
}

/* The caller works, with others that are made. If all is set, it waits for all to leave. */
static int work_with(struct weir_crew *crew, unsigned others, bool all) {
        int r;

        pthread_mutex_lock(&crew->lock);
        if (is_among(crew)) {
                pthread_mutex_unlock(&crew->lock);
                return -EDEADLK;
        }
        ++crew->users;
        r = admit(crew);
        if (r == 0) {
                make_threads(crew, others);
                r = work(crew);
        }
        if (r == -ECHILD)
                return r;
        if (all) {
                await_threads(crew);
                pthread_mutex_unlock(&crew->lock);
                join_made(crew);
                pthread_mutex_lock(&crew->lock);
        }
        --crew->users;
        pthread_cond_broadcast(&crew->left);
        let_go(crew);
        return r == -ECANCELED ? 0 : r;
}

int weir_crew_work(struct weir_crew *crew) {
        int state, r;

        if (!crew)
                return -EINVAL;
        if (weir_crew_is_forked(crew))
                return -ECHILD;
        state = weir_seam_forbid_cancel();
        r = work_with(crew, 0, false);
        weir_seam_restore_cancel(state);
        return r;
}

int weir_crew_run(struct weir_crew *crew, unsigned threads) {
        int state, r;

        if (!crew)
                return -EINVAL;
        if (weir_crew_is_forked(crew))
                return -ECHILD;
        state = weir_seam_forbid_cancel();
        r = work_with(crew, (threads ? threads : weir_seam_processors()) - 1, true);
        weir_seam_restore_cancel(state);
        return r;
}

/* ---------------------------------------------------------------- stop and destroy */

void weir_crew_stop(struct weir_crew *crew) {
        if (!crew || weir_crew_is_forked(crew))
                return;
        /* relaxed: who waits for this one comes after it by other means */
        atomic_fetch_add_explicit(&crew->words->stoppers, 1, memory_order_relaxed);
        weir_turn_end(crew, 0);
        /* PAIR(stopper): the last look at the crew. */
        atomic_fetch_sub_explicit(&crew->words->stoppers, 1, memory_order_release);
}

void weir_crew_destroy(struct weir_crew *crew) {
        int state;

        if (!crew)
                return;
        if (weir_crew_is_forked(crew)) {
                free_crew(crew);
                return;
        }
        if (is_member(crew)) {
                /* relaxed: this thread looks at it under the lock when it leaves */
                atomic_fetch_or_explicit(&crew->words->turn, TURN_DESTROY, memory_order_relaxed);
                weir_crew_stop(crew);
                return;
        }
        state = weir_seam_forbid_cancel();
        weir_crew_stop(crew);
        pthread_mutex_lock(&crew->lock);
        await_users(crew, 0);
        pthread_mutex_unlock(&crew->lock);
        end_crew(crew);
        weir_seam_restore_cancel(state);
}
