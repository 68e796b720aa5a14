/* SPDX-License-Identifier: MIT */

/* The version. That of meson.build, of the header and of this function are one: tests/api/version.sh. */

#include <weir/weir.h>

uint32_t weir_version(void) {
        return WEIR_VERSION_NUMBER;
}
