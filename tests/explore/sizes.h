/* SPDX-License-Identifier: MIT */
/* How large the model is for the explorer, which copies it at every step of the oracle. */
#define NUMBERS 2
#define FILES   8
#define SIDES   1
#define WAKERS  1
#define BATCHES 4
#define GUARDS  0 /* nothing that they change is asked of the model */
#define NODES   1
