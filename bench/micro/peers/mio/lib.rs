// SPDX-License-Identifier: MIT

//! mio, as mio.c calls it. A loop is a poll, which the waiting thread alone uses, and a registry of it for everybody. A failing
//! call ends the program.

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use std::cell::UnsafeCell;
use std::os::raw::{c_int, c_void};
use std::time::Duration;

const WAKE: Token = Token(usize::MAX);

pub struct Loop {
    // Of the waiting thread.
    waiting: UnsafeCell<(Poll, Events)>,
    registry: Registry,
    waker: Waker,
}

impl Loop {
    fn wait(&self, block: bool, mut handler: impl FnMut()) {
        // SAFETY: the caller has only one thread wait at a time.
        let (poll, events) = unsafe { &mut *self.waiting.get() };
        let timeout = if block { None } else { Some(Duration::ZERO) };

        poll.poll(events, timeout).expect("poll");
        for event in events.iter() {
            let seen = (event.token(), event.is_readable());

            // SAFETY: it is on the stack. Keeps the compiler from looking at nothing at all.
            unsafe { std::ptr::read_volatile(&seen) };
            handler();
        }
    }
}

/// # Safety
/// For each function here: l comes from bench_mio_create() and is not destroyed yet; fds points to n open descriptors.
#[no_mangle]
pub unsafe extern "C" fn bench_mio_create(batch: usize) -> *mut Loop {
    let poll = Poll::new().expect("Poll::new");
    let registry = poll.registry().try_clone().expect("try_clone");
    let waker = Waker::new(&registry, WAKE).expect("Waker::new");
    let waiting = UnsafeCell::new((poll, Events::with_capacity(batch)));

    Box::into_raw(Box::new(Loop { waiting, registry, waker }))
}

#[no_mangle]
pub unsafe extern "C" fn bench_mio_destroy(l: *mut Loop) {
    drop(Box::from_raw(l));
}

#[no_mangle]
pub unsafe extern "C" fn bench_mio_add(l: *const Loop, fds: *const c_int, n: usize) {
    for fd in std::slice::from_raw_parts(fds, n) {
        (*l).registry.register(&mut SourceFd(fd), Token(*fd as usize), Interest::READABLE).expect("register");
    }
}

#[no_mangle]
pub unsafe extern "C" fn bench_mio_modify(l: *const Loop, fds: *const c_int, n: usize) {
    for fd in std::slice::from_raw_parts(fds, n) {
        (*l).registry.reregister(&mut SourceFd(fd), Token(*fd as usize), Interest::READABLE).expect("reregister");
    }
}

#[no_mangle]
pub unsafe extern "C" fn bench_mio_remove(l: *const Loop, fds: *const c_int, n: usize) {
    for fd in std::slice::from_raw_parts(fds, n) {
        (*l).registry.deregister(&mut SourceFd(fd)).expect("deregister");
    }
}

#[no_mangle]
pub unsafe extern "C" fn bench_mio_wait(l: *const Loop, block: bool) -> usize {
    let mut seen = 0;

    (*l).wait(block, || seen += 1);
    seen
}

#[no_mangle]
pub unsafe extern "C" fn bench_mio_serve(
    l: *const Loop,
    handler: unsafe extern "C" fn(*mut c_void),
    data: *mut c_void,
) {
    (*l).wait(true, || handler(data));
}

#[no_mangle]
pub unsafe extern "C" fn bench_mio_wake(l: *const Loop, times: usize) {
    for _ in 0..times {
        (*l).waker.wake().expect("wake");
    }
}

#[no_mangle]
pub unsafe extern "C" fn bench_mio_clone(l: *const Loop, times: usize) {
    for _ in 0..times {
        drop((*l).registry.try_clone().expect("try_clone"));
    }
}
