//! Windows.

use std::ffi::{c_int, c_short, c_ulong};
use std::net::{TcpListener, TcpStream};
use std::os::windows::io::{AsRawSocket, FromRawSocket, RawSocket};
use std::time::Duration;

use api_simulator_engine::platform::{Platform, Watch};

use super::System;

const SOL_SOCKET: c_int = 0xffff;
const SO_LINGER: c_int = 0x80;
const POLLRDNORM: c_short = 0x100;

#[repr(C)]
struct Linger {
    on: u16,
    seconds: u16,
}

#[repr(C)]
struct PollFd {
    fd: RawSocket,
    events: c_short,
    revents: c_short,
}

#[link(name = "ws2_32")]
unsafe extern "system" {
    fn setsockopt(
        socket: RawSocket,
        level: c_int,
        name: c_int,
        value: *const u8,
        size: c_int,
    ) -> c_int;
    fn WSAPoll(fds: *mut PollFd, count: c_ulong, timeout_ms: c_int) -> c_int;
}

#[link(name = "kernel32")]
unsafe extern "system" {
    fn QueryPerformanceCounter(count: *mut i64) -> c_int;
    fn QueryPerformanceFrequency(frequency: *mut i64) -> c_int;
}

/// Take over a listening socket; `None` if the number cannot be one.
///
/// # Safety
///
/// It is an open listening socket, and nobody else closes it.
pub(crate) unsafe fn listener(number: i64) -> Option<TcpListener> {
    let socket = RawSocket::try_from(number).ok()?;
    // SAFETY: the caller's promise: it is open, and ours.
    Some(unsafe { TcpListener::from_raw_socket(socket) })
}

impl Platform for System {
    fn now_ns(&self) -> i64 {
        let (mut count, mut frequency) = (0, 0);
        // SAFETY: the pointer is to a live value.
        unsafe { QueryPerformanceCounter(&raw mut count) };
        // SAFETY: as above.
        unsafe { QueryPerformanceFrequency(&raw mut frequency) };
        i64::try_from(i128::from(count) * 1_000_000_000 / i128::from(frequency.max(1)))
            .unwrap_or(i64::MAX)
    }

    fn reset_on_close(&self, stream: &TcpStream) {
        let linger = Linger { on: 1, seconds: 0 };
        // SAFETY: the socket is open while `stream` is borrowed; pointer and size are those of a live value.
        unsafe {
            setsockopt(
                stream.as_raw_socket(),
                SOL_SOCKET,
                SO_LINGER,
                (&raw const linger).cast(),
                size_of::<Linger>() as c_int,
            )
        };
    }

    fn stop_listening(&self, listener: &TcpListener) {
        super::connect_once(listener);
    }

    fn wait(
        &self,
        first: Option<Watch<'_>>,
        second: Option<Watch<'_>>,
        timeout: Option<Duration>,
    ) -> [bool; 2] {
        let entry = |watch: Watch<'_>| PollFd {
            fd: watch.handle.as_raw_socket(),
            events: if watch.readable { POLLRDNORM } else { 0 },
            revents: 0,
        };
        // Windows has no number for "left out"; a socket that is none is reported with an error, which is not looked at.
        let none = || PollFd {
            fd: RawSocket::MAX,
            events: 0,
            revents: 0,
        };
        let mut fds = [first, second].map(|watch| watch.map_or_else(none, entry));
        let milliseconds = super::milliseconds(timeout);
        // SAFETY: so many live entries.
        unsafe { WSAPoll(fds.as_mut_ptr(), fds.len() as c_ulong, milliseconds) };
        [
            first.is_some() && fds[0].revents != 0,
            second.is_some() && fds[1].revents != 0,
        ]
    }
}
