/* SPDX-License-Identifier: MIT */

/* Sources: the checks that every call makes, then the source's own function. */

#include "core.h"

static int check(struct weir_registry *core, struct weir_source *source) {
        if (!core || !source || !source->ops)
                return -EINVAL;
        return 0;
}

int weir_source_register(struct weir_registry *core, struct weir_source *source, weir_token token,
                         weir_interest interest) {
        int r = check(core, source);

        if (r < 0 || !source->ops->register_source)
                return -EINVAL;
        r = weir_core_check(core);
        return r < 0 ? r : source->ops->register_source(core, source, token, interest);
}

int weir_source_reregister(struct weir_registry *core, struct weir_source *source, weir_token token,
                           weir_interest interest) {
        int r = check(core, source);

        if (r < 0 || !source->ops->reregister_source)
                return -EINVAL;
        r = weir_core_check(core);
        return r < 0 ? r : source->ops->reregister_source(core, source, token, interest);
}

/* Works after the poll was destroyed, as weir_deregister() does. */
int weir_source_deregister(struct weir_registry *core, struct weir_source *source) {
        int r = check(core, source);

        if (r < 0 || !source->ops->deregister_source)
                return -EINVAL;
        return weir_core_is_forked(core) ? -ECHILD : source->ops->deregister_source(core, source);
}
