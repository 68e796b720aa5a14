/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Static probe points for debuggers and tracers: gdb, perf, bpftrace, SystemTap. Each is a nop, and a note for the tool that
 * says where the nop is and where its arguments are: what is in a register or in memory anyway costs nothing. They exist
 * where sys/sdt.h does, unless the option `probes` says otherwise; else they are nothing. The provider is weir.
 *
 *   probe         arguments                              when
 *   wait_begin    registry, timeout                      a thread took the waiting role; in ns, INT64_MAX is for ever
 *   wait_return   registry, result                       it is about to leave it; entries fetched, or a negative errno
 *   event         registry, fd, token, readiness         weir_events_next() hands it out
 *   stale         registry, fd, readiness                an entry was dropped, since its registration has gone
 *   wake          registry, token                        weir_waker_wake() begins
 *   register      registry, fd, token, interest, result  the kernel was asked; its events come after this
 *   reregister    registry, fd, token, interest, result  the same
 *   rearm         registry, fd, directions, result       done; an event that it allows may have come before this
 *   disarm        registry, fd                           done: the caller is the owner
 *   set_deadline  registry, fd, moment                   about to be set
 *   trigger       registry, fd                           about to be made
 *   retoken       registry, fd, token                    done
 *   deregister    registry, fd                           done: none of its events comes after this
 *
 * A registry has the address of its poll. The fd of a waker is 1 << 27 or more. readiness holds epoll(7) bits.
 */

#ifdef WEIR_PROBES
#include <sys/sdt.h>
#ifdef __clang__
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments" /* in the macros of sys/sdt.h */
#endif
#define WEIR_PROBE(count, ...) STAP_PROBE##count(weir, __VA_ARGS__)
#else
#define WEIR_PROBE(count, ...) ((void)0)
#endif
