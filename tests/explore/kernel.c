/* SPDX-License-Identifier: MIT */

/* The kernel: see kernel.h. Read kernel_collect() and tell() first. What the library calls is in seam.c. */

#include "world.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define ALWAYS  (EPOLLERR | EPOLLHUP)
#define PRIVATE (EPOLLET | (uint32_t)EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)

/* ---------------------------------------------------------------- files */

static struct kernel_file *file_at(int number) {
        unsigned file = number >= 0 && number < KERNEL_NUMBERS ? world.kernel.numbers[number] : 0;

        return file ? &world.kernel.files[file] : NULL;
}

static unsigned number_of(const struct kernel_file *file) {
        return (unsigned)(file - world.kernel.files);
}

static struct kernel_set *set_at(int number) {
        struct kernel_file *file = file_at(number);

        return file && file->kind == FILE_SET ? &world.kernel.sets[file->set] : NULL;
}

static uint32_t readiness_of(const struct kernel_file *file, unsigned depth) {
        const struct kernel_set *set = &world.kernel.sets[file->set];

        if (file->kind != FILE_SET)
                return file->ready;
        for (unsigned i = 0; i < set->count && depth < KERNEL_SETS; i++) {
                const struct kernel_item *item = &set->items[set->listed[i]];

                if (readiness_of(&world.kernel.files[item->file], depth + 1) & item->events)
                        return EPOLLIN;
        }
        return 0;
}

static void tell(unsigned file, uint32_t events);

static void list(struct kernel_set *set, struct kernel_item *item) {
        if (item->listed)
                return;
        item->listed = true;
        set->listed[set->count++] = (uint8_t)(item - set->items);
        tell(set->file, EPOLLIN);
}

/* Something new of a file: every set that asked for it lists it. */
static void tell(unsigned file, uint32_t events) {
        for (unsigned s = 0; s < world.kernel.sets_made; s++) {
                struct kernel_set *set = &world.kernel.sets[s];

                for (unsigned i = 0; set->file && i < KERNEL_ITEMS; i++)
                        if (set->items[i].file == file && set->items[i].events & ~PRIVATE &&
                            set->items[i].events & events)
                                list(set, &set->items[i]);
        }
}

static void forget(struct kernel_set *set, struct kernel_item *item) {
        unsigned kept = 0;

        for (unsigned i = 0; i < set->count; i++)
                if (set->listed[i] != (uint8_t)(item - set->items))
                        set->listed[kept++] = set->listed[i];
        set->count = (uint8_t)kept;
        memset(item, 0, sizeof(*item));
}

static int open_at(int number, enum file_kind kind, uint32_t ready) {
        unsigned file = 1;

        while (file < KERNEL_FILES && world.kernel.files[file].kind)
                file++;
        if (file == KERNEL_FILES)
                return -ENFILE;
        memset(&world.kernel.files[file], 0, sizeof(world.kernel.files[file]));
        world.kernel.files[file].kind = (uint8_t)kind;
        world.kernel.files[file].numbers = 1;
        world.kernel.files[file].ready = ready;
        world.kernel.numbers[number] = (uint8_t)file;
        return number;
}

static int open_own(enum file_kind kind, uint32_t ready) {
        int number = KERNEL_OWN;

        while (number < KERNEL_NUMBERS && world.kernel.numbers[number])
                number++;
        return number < KERNEL_NUMBERS ? open_at(number, kind, ready) : -EMFILE;
}

int kernel_create_eventfd(void) {
        return open_own(FILE_EVENTFD, 0);
}

static void ring(struct kernel_file *file) {
        if (!file->rings || file->rings > world.kernel.now)
                return;
        file->rings = 0;
        file->ready = EPOLLIN;
        tell(number_of(file), EPOLLIN);
}

/* Like timerfd_settime(2), it is not readable afterwards for what it was set to before. */
void kernel_set_timer(int number, int64_t moment) {
        struct kernel_file *file = file_at(number);

        file->ready = 0;
        file->rings = moment == INT64_MAX ? 0 : moment;
        ring(file);
}

int64_t kernel_pass_time(void) {
        world.kernel.now = (world.kernel.now / KERNEL_HOUR + 1) * KERNEL_HOUR;
        for (unsigned file = 1; file < KERNEL_FILES; file++)
                ring(&world.kernel.files[file]);
        return world.kernel.now;
}

bool kernel_is_open(int number) {
        return file_at(number);
}

void kernel_open(int number, uint32_t ready) {
        open_at(number, FILE_USER, ready);
}

void kernel_dup(int from, int to) {
        kernel_close(to);
        world.kernel.numbers[to] = world.kernel.numbers[from];
        file_at(to)->numbers++;
}

/* With its last number a file leaves every set. */
void kernel_close(int number) {
        struct kernel_file *file = file_at(number);

        if (!file)
                return;
        world.kernel.numbers[number] = 0;
        if (--file->numbers)
                return;
        for (unsigned s = 0; s < world.kernel.sets_made; s++)
                for (unsigned i = 0; i < KERNEL_ITEMS; i++)
                        if (world.kernel.sets[s].items[i].file == number_of(file))
                                forget(&world.kernel.sets[s], &world.kernel.sets[s].items[i]);
        if (file->kind == FILE_SET)
                memset(&world.kernel.sets[file->set], 0, sizeof(struct kernel_set));
        memset(file, 0, sizeof(*file));
}

void kernel_ready(int number, uint32_t events) {
        struct kernel_file *file = file_at(number);

        if (!file)
                return;
        file->ready |= events;
        tell(number_of(file), events);
}

void kernel_drain(int number, uint32_t events) {
        if (file_at(number))
                file_at(number)->ready &= ~events;
}

bool kernel_is_readable(int number) {
        return file_at(number) && readiness_of(file_at(number), 0) & EPOLLIN;
}

bool kernel_has_something(int set) {
        return !set_at(set) || set_at(set)->count;
}

bool kernel_is_clean(void) {
        for (int number = KERNEL_OWN; number < KERNEL_NUMBERS; number++)
                if (world.kernel.numbers[number])
                        return false;
        return true;
}

/* ---------------------------------------------------------------- epoll sets */

int kernel_create_set(void) {
        int number;
        unsigned s = 0;

        while (s < KERNEL_SETS && world.kernel.sets[s].file)
                s++;
        if (s == KERNEL_SETS)
                return -EMFILE;
        number = open_own(FILE_SET, 0);
        if (number < 0)
                return number;
        if (s >= world.kernel.sets_made)
                world.kernel.sets_made = (uint8_t)(s + 1);
        file_at(number)->set = (uint8_t)s;
        world.kernel.sets[s].file = world.kernel.numbers[number];
        return number;
}

int kernel_copy_items(int number, struct kernel_item items[KERNEL_ITEMS]) {
        struct kernel_set *set = set_at(number);

        if (!set)
                return -EBADF;
        memcpy(items, set->items, sizeof(set->items));
        return 0;
}

static struct kernel_item *find(struct kernel_set *set, unsigned file, int number) {
        for (unsigned i = 0; i < KERNEL_ITEMS; i++)
                if (set->items[i].file == file && (!file || set->items[i].number == number))
                        return &set->items[i];
        return NULL;
}

int kernel_control(int number, int op, int fd, uint32_t events, uint64_t data) {
        struct kernel_set *set;
        struct kernel_item *item;
        struct kernel_file *file;

        set = set_at(number);
        file = file_at(fd);
        if (!set || !file)
                return -EBADF;
        if (file_at(number) == file)
                return -EINVAL;
        item = find(set, number_of(file), fd);
        if (op == EPOLL_CTL_ADD ? item != NULL : !item)
                return op == EPOLL_CTL_ADD ? -EEXIST : -ENOENT;
        if (op == EPOLL_CTL_DEL) {
                forget(set, item);
                return 0;
        }
        if (op == EPOLL_CTL_MOD && (item->events | events) & EPOLLEXCLUSIVE)
                return -EINVAL;
        if (op == EPOLL_CTL_ADD) {
                item = find(set, 0, 0);
                if (!item)
                        return -ENOSPC;
                item->file = (uint8_t)number_of(file);
                item->number = (uint8_t)fd;
        }
        item->events = events | ALWAYS;
        item->data = data;
        if (readiness_of(file, 0) & item->events)
                list(set, item);
        return 0;
}

int kernel_collect(int number, struct epoll_event *events, unsigned capacity) {
        struct kernel_set *set = set_at(number);
        uint8_t again[KERNEL_ITEMS];
        unsigned n_again = 0, count = 0, i;

        if (!set)
                return -EBADF;
        for (i = 0; i < set->count && count < capacity; i++) {
                struct kernel_item *item = &set->items[set->listed[i]];
                uint32_t ready = readiness_of(&world.kernel.files[item->file], 0) & item->events;

                item->listed = false;
                if (!ready)
                        continue;
                events[count].events = ready;
                events[count++].data.u64 = item->data;
                if (item->events & EPOLLONESHOT)
                        item->events &= PRIVATE;
                else if (!(item->events & EPOLLET)) {
                        item->listed = true;
                        again[n_again++] = set->listed[i];
                }
        }
        set->count = (uint8_t)(set->count - i);
        memmove(set->listed, set->listed + i, set->count);
        memcpy(set->listed + set->count, again, n_again);
        set->count = (uint8_t)(set->count + n_again);
        return (int)count;
}
