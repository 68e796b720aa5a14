/* SPDX-License-Identifier: MIT */

#include "tell.h"

#include "world.h"

#include <stdarg.h>
#include <stdio.h>

bool tell_on;

static unsigned former = MAIN + 1;

void tell_line(const char *format, ...) {
        unsigned self = world.schedule.inside ? world.schedule.self : MAIN;
        va_list args;

        if (self == former)
                printf("           ");
        else if (self == MAIN)
                printf("  main     ");
        else
                printf("  thread %u ", self);
        former = self;
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        printf("\n");
}

void tell_call(const char *what, const struct call *call) {
        static const char *const names[] = {
                "-",         "register",    "reregister",    "retoken", "rearm",    "rearm afresh",
                "disarm",    "deregister",  "deregister if", "close",   "open",     "dup",
                "ready",     "drain",       "fetch",         "next",    "clear",    "wake",
                "interrupt", "defer",       "enter",         "leave",   "deadline", "waker's deadline",
                "trigger",   "trigger all", "time",          "quiet"
        };

        if (call->kind == KIND_NEXT && call->result)
                tell_line("%s next of batch %u: token %u, readiness %x", what, call->batch, (unsigned)call->event.token,
                          call->event.readiness);
        else
                tell_line("%s %s, number %u, batch %u, token %u, interest %x, moment %.1f h: %d", what,
                          names[call->kind], call->number, call->batch, (unsigned)call->token, (unsigned)call->interest,
                          (double)call->moment / KERNEL_HOUR, call->result);
}
