//! Waiting for a descriptor, for time, or for a signal, without losing one that comes just before.

use std::ffi::{c_int, c_short, c_ulong};
use std::ptr;
use std::time::Duration;

use crate::signals::{self, SignalSet, pthread_sigmask};

const POLLIN: c_short = 1;
const POLLOUT: c_short = 4;

const SIG_BLOCK: c_int = 0;
const SIG_SETMASK: c_int = 2;

#[repr(C)]
struct Polled {
    fd: c_int,
    events: c_short,
    returned: c_short,
}

#[repr(C)]
struct Span {
    seconds: i64,
    nanoseconds: i64,
}

unsafe extern "C" {
    fn ppoll(
        polled: *mut Polled,
        count: c_ulong,
        limit: *const Span,
        mask: *const SignalSet,
    ) -> c_int;
}

/// What a wait is for, besides time and signals.
#[derive(Clone, Copy, Debug)]
pub enum Interest {
    /// There is something to read, or an end of input.
    Readable(i32),
    /// There is room to write, or nobody who reads.
    Writable(i32),
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// What it was for has come.
    Ready,
    /// A noted signal came, or was there before.
    Signalled,
    /// Nothing came; also when the leash's timer interrupted it.
    Nothing,
}

/// Return at once whether `interest` is met.
#[must_use]
pub fn is_ready(interest: Interest) -> bool {
    polled(Some(interest), Some(Duration::ZERO), None) > 0
}

/// Wait for `interest`, a noted signal, or the end of `limit`, none for ever; may return early with nothing.
#[must_use]
pub fn wait(interest: Option<Interest>, limit: Option<Duration>) -> Waited {
    let mut before = SignalSet::EMPTY;
    let all = SignalSet::FULL;
    // Between the look at what was noted and the wait no signal may come: it would be noted and wait for nothing.
    // SAFETY: both sets live through the call.
    unsafe { pthread_sigmask(SIG_BLOCK, &raw const all, &raw mut before) };
    let count = if signals::is_pending() {
        0
    } else {
        polled(interest, limit, Some(&before))
    };
    // SAFETY: `before` is what the call above wrote.
    unsafe { pthread_sigmask(SIG_SETMASK, &raw const before, ptr::null_mut()) };
    if signals::is_pending() {
        Waited::Signalled
    } else if count > 0 {
        Waited::Ready
    } else {
        Waited::Nothing
    }
}

fn polled(interest: Option<Interest>, limit: Option<Duration>, mask: Option<&SignalSet>) -> c_int {
    let (fd, events) = match interest {
        None => (-1, 0),
        Some(Interest::Readable(fd)) => (fd, POLLIN),
        Some(Interest::Writable(fd)) => (fd, POLLOUT),
    };
    // A negative descriptor is passed over, as the standard says.
    let mut polled = Polled {
        fd,
        events,
        returned: 0,
    };
    let span = limit.map(|limit| Span {
        seconds: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: i64::from(limit.subsec_nanos()),
    });
    let span = span.as_ref().map_or(ptr::null(), ptr::from_ref);
    let mask = mask.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: one entry, as the count says; each pointer is null or to a value that lives through the call.
    unsafe { ppoll(&raw mut polled, 1, span, mask) }
}
