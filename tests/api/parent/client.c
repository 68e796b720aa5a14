/* SPDX-License-Identifier: MIT */

/* Uses the library, and knows nothing of weir. */

#include "service.h"

int main(void) {
        return service_run();
}
