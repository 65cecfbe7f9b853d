//! Linux and macOS.

use std::ffi::{c_int, c_long, c_short, c_ulong, c_void};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::Duration;

use api_simulator_engine::platform::{Platform, Watch};

use super::System;

#[cfg(target_os = "linux")]
const SOL_SOCKET: c_int = 1;
#[cfg(target_os = "linux")]
const SO_LINGER: c_int = 13;
#[cfg(not(target_os = "linux"))]
const SOL_SOCKET: c_int = 0xffff;
#[cfg(not(target_os = "linux"))]
const SO_LINGER: c_int = 0x80;
// Python's monotonic clock: CLOCK_MONOTONIC, on macOS the uptime that mach_absolute_time counts.
#[cfg(target_os = "linux")]
const CLOCK: c_int = 1;
#[cfg(not(target_os = "linux"))]
const CLOCK: c_int = 8;
const POLLIN: c_short = 1;
#[cfg(target_os = "linux")]
const POLLRDHUP: c_short = 0x2000;
// Elsewhere only the end of both directions is seen without reading.
#[cfg(not(target_os = "linux"))]
const POLLRDHUP: c_short = 0;

#[repr(C)]
struct Linger {
    on: c_int,
    seconds: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct PollFd {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

#[repr(C)]
struct TimeSpec {
    seconds: c_long,
    nanoseconds: c_long,
}

unsafe extern "C" {
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, size: u32) -> c_int;
    #[cfg(target_os = "linux")]
    fn shutdown(fd: c_int, how: c_int) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut TimeSpec) -> c_int;
    #[cfg(target_os = "linux")]
    fn ppoll(
        fds: *mut PollFd,
        count: c_ulong,
        timeout: *const TimeSpec,
        mask: *const c_void,
    ) -> c_int;
    #[cfg(not(target_os = "linux"))]
    fn poll(fds: *mut PollFd, count: c_ulong, timeout_ms: c_int) -> c_int;
}

/// Take over a listening socket; `None` if the number cannot be one.
///
/// # Safety
///
/// It is an open listening socket, and nobody else closes it.
pub(crate) unsafe fn listener(number: i64) -> Option<TcpListener> {
    let fd = c_int::try_from(number).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the caller's promise: it is open, and ours.
    Some(unsafe { TcpListener::from_raw_fd(fd) })
}

impl Platform for System {
    fn now_ns(&self) -> i64 {
        let mut time = TimeSpec {
            seconds: 0,
            nanoseconds: 0,
        };
        // SAFETY: the pointer is to a live value of the type that the call fills in.
        unsafe { clock_gettime(CLOCK, &raw mut time) };
        // c_long is i64 wherever this is built for 64 bits, and widened elsewhere.
        #[allow(clippy::useless_conversion)]
        let (seconds, nanoseconds) = (i64::from(time.seconds), i64::from(time.nanoseconds));
        seconds * 1_000_000_000 + nanoseconds
    }

    fn reset_on_close(&self, stream: &TcpStream) {
        // RFC 9293 3.10.7: with a linger time of zero, close() aborts the connection by RST instead of FIN.
        let linger = Linger { on: 1, seconds: 0 };
        // SAFETY: the descriptor is open while `stream` is borrowed; pointer and size are those of a live value.
        unsafe {
            setsockopt(
                stream.as_raw_fd(),
                SOL_SOCKET,
                SO_LINGER,
                (&raw const linger).cast(),
                size_of::<Linger>() as u32,
            )
        };
    }

    fn stop_listening(&self, listener: &TcpListener) {
        // Linux wakes whoever waits at a listener that is shut down.
        // SAFETY: the descriptor is open while `listener` is borrowed; 0 is SHUT_RD.
        #[cfg(target_os = "linux")]
        unsafe {
            shutdown(listener.as_raw_fd(), 0)
        };
        #[cfg(not(target_os = "linux"))]
        super::connect_once(listener);
    }

    fn wait(
        &self,
        first: Option<Watch<'_>>,
        second: Option<Watch<'_>>,
        timeout: Option<Duration>,
    ) -> [bool; 2] {
        let entry = |watch: Watch<'_>| PollFd {
            fd: watch.handle.as_raw_fd(),
            events: POLLRDHUP | if watch.readable { POLLIN } else { 0 },
            revents: 0,
        };
        // poll() leaves out what has a negative descriptor.
        let mut fds = [first, second].map(|watch| {
            watch.map_or(
                PollFd {
                    fd: -1,
                    events: 0,
                    revents: 0,
                },
                entry,
            )
        });
        poll_all(&mut fds, timeout);
        [fds[0].revents != 0, fds[1].revents != 0]
    }
}

#[cfg(target_os = "linux")]
fn poll_all(fds: &mut [PollFd; 2], timeout: Option<Duration>) {
    let time = timeout.map(|timeout| TimeSpec {
        seconds: c_long::try_from(timeout.as_secs()).unwrap_or(c_long::MAX),
        nanoseconds: timeout.subsec_nanos().into(),
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: two live entries, a live time or NULL for none, and NULL for no change of signals.
    unsafe { ppoll(fds.as_mut_ptr(), 2, time, std::ptr::null()) };
}

#[cfg(not(target_os = "linux"))]
fn poll_all(fds: &mut [PollFd; 2], timeout: Option<Duration>) {
    // SAFETY: two live entries.
    unsafe { poll(fds.as_mut_ptr(), 2, super::milliseconds(timeout)) };
}
