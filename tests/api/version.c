/* SPDX-License-Identifier: MIT */

/* Prints the version: that of the header it was compiled with, and that of the library it runs with. */

#include <weir/weir.h>

#include <stdio.h>

#if WEIR_VERSION_NUMBER != (WEIR_VERSION_MAJOR << 16 | WEIR_VERSION_MINOR << 8 | WEIR_VERSION_PATCH)
#error "the preprocessor cannot compute the number"
#endif

int main(void) {
        uint32_t version = weir_version();

        printf("%d.%d.%d\n", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR, WEIR_VERSION_PATCH);
        printf("%u.%u.%u\n", version >> 16, version >> 8 & 0xff, version & 0xff);
        return version == WEIR_VERSION_NUMBER ? 0 : 1;
}
