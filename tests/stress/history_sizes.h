/* SPDX-License-Identifier: MIT */
/* How large the model is for a history of one descriptor or one waker: the judge copies it for every step. */
#define NUMBERS 1
#define FILES   8
#define SIDES   1
#define WAKERS  1
#define BATCHES 1
#define GUARDS  0 /* nothing that they change is asked of the model */
#define NODES   1
