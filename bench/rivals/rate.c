/* SPDX-License-Identifier: MIT */

/* Prints the rate that servers which are compared are told: see load.h. */

#include "../servers/common/load.h"

#include <stdio.h>

int main(void) {
        return printf("%.0f\n", load_rate()) < 0;
}
