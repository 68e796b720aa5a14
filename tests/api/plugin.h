/* SPDX-License-Identifier: MIT */
#pragma once

/* What a plug-in does. The host does the same with the copy of its own. */

#include <weir/weir.h>

struct plugin {
        int (*copy)(struct weir_poll **ret_poll);            /* weir_poll_create() of the weir that it uses */
        struct weir_poll *(*open)(int fd, weir_token token); /* a poll that watches fd, or NULL */
        bool (*comes)(struct weir_poll *, weir_token token); /* whether a wait brings that token and nothing else */
        void (*close)(struct weir_poll *);
};

/* What a plug-in exports. */
__attribute__((visibility("default"))) const struct plugin *plugin(void);
