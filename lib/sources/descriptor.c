/* SPDX-License-Identifier: MIT */

/* Sources of one descriptor. See descriptor.h for what their structs look like. */

#include "descriptor.h"

#include <unistd.h>

static int *descriptor_of(struct weir_source *source) {
        return (int *)((char *)source + sizeof *source);
}

static int descriptor_register(struct weir_registry *registry, struct weir_source *source, weir_token token,
                               weir_interest interest) {
        return weir_register(registry, *descriptor_of(source), token, interest);
}

static int descriptor_reregister(struct weir_registry *registry, struct weir_source *source, weir_token token,
                                 weir_interest interest) {
        return weir_reregister(registry, *descriptor_of(source), token, interest);
}

static int descriptor_deregister(struct weir_registry *registry, struct weir_source *source) {
        return weir_deregister(registry, *descriptor_of(source));
}

const struct weir_source_ops weir_descriptor_ops = {
        .register_source = descriptor_register,
        .reregister_source = descriptor_reregister,
        .deregister_source = descriptor_deregister,
};

bool weir_descriptor_is_open(const struct weir_source *source) {
        return source && source->ops == &weir_descriptor_ops;
}

void weir_descriptor_close(struct weir_source *source) {
        if (!weir_descriptor_is_open(source))
                return;
        close(*descriptor_of(source));
        *descriptor_of(source) = -1;
        source->ops = NULL;
}
