/* SPDX-License-Identifier: MIT */

/*
 * A host that has a copy of weir and loads plug-ins which have theirs: host PLUGIN PLUGIN. All that could make the copies
 * meet is done: the host exports its symbols, and the plug-ins are loaded with RTLD_GLOBAL. Each copy must stay by itself,
 * and nothing may be left of one that is unloaded, however often that happens.
 */

#include "plugin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ROUNDS 50

static void require(bool holds, const char *what) {
        if (holds)
                return;
        fprintf(stderr, "host: not so: %s\n", what);
        exit(1);
}

static unsigned count_descriptors(void) {
        DIR *directory = opendir("/proc/self/fd");
        unsigned count = 0;

        require(directory, "/proc is there");
        while (readdir(directory))
                ++count;
        closedir(directory);
        return count;
}

/* The pages that are mapped. */
static unsigned long count_pages(void) {
        FILE *file = fopen("/proc/self/statm", "re");
        unsigned long pages = 0;

        require(file && fscanf(file, "%lu", &pages) == 1, "/proc is there");
        fclose(file);
        return pages;
}

static const struct plugin *load(const char *path, void **ret_handle) {
        const struct plugin *(*loaded)(void);

        *ret_handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        require(*ret_handle, "the plug-in is loaded");
        *(void **)&loaded = dlsym(*ret_handle, "plugin");
        require(loaded, "the plug-in exports what it should");
        require(!dlsym(*ret_handle, "weir_poll_create"), "the plug-in exports nothing of weir");
        return loaded();
}

static void unload(const char *path, void *handle) {
        dlclose(handle);
        require(!dlopen(path, RTLD_NOW | RTLD_NOLOAD), "nothing keeps the plug-in in memory");
}

/* The same descriptor in the polls of all three, under a token of each. */
static void meet(char *const *paths) {
        const struct plugin *users[3] = { plugin() };
        struct weir_poll *polls[3];
        void *handles[3];
        int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

        require(fd >= 0, "an eventfd");
        for (unsigned i = 1; i < 3; ++i)
                users[i] = load(paths[i], &handles[i]);
        for (unsigned i = 0; i < 3; ++i) {
                require(users[i]->copy != users[(i + 1) % 3]->copy, "each has a copy of weir");
                polls[i] = users[i]->open(fd, i);
                require(polls[i], "each makes a poll");
        }
        for (unsigned i = 0; i < 3; ++i)
                require(users[i]->comes(polls[i], i), "each gets its own token");
        for (unsigned i = 1; i < 3; ++i) {
                users[i]->close(polls[i]);
                unload(paths[i], handles[i]);
                require(users[0]->comes(polls[0], 0), "the host's poll outlives a plug-in");
        }
        users[0]->close(polls[0]);
        close(fd);
}

int main(int argc, char **argv) {
        unsigned descriptors;
        unsigned long pages;

        require(argc == 3, "two plug-ins are given");
        for (int i = 0; i < ROUNDS; ++i)
                meet(argv);
        descriptors = count_descriptors();
        pages = count_pages();
        for (int i = 0; i < ROUNDS; ++i)
                meet(argv);
        require(count_descriptors() == descriptors, "no descriptor is left");
        require(count_pages() == pages || SANITIZED, "no memory is left"); /* a sanitizer keeps some */
        return 0;
}
