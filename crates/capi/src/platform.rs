//! The system calls that the standard library has no stable, safe form of.
//!
//! Declared here and not taken from a crate: the workspace has no dependencies. Tried on Linux; what is written for
//! macOS and Windows has not been run.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::listener;
#[cfg(windows)]
pub(crate) use windows::listener;

/// This operating system.
pub(crate) struct System;

/// End a wait for connections by one, which works on every system.
#[cfg(not(target_os = "linux"))]
fn connect_once(listener: &std::net::TcpListener) {
    if let Ok(address) = listener.local_addr() {
        let second = std::time::Duration::from_secs(1);
        let _ = std::net::TcpStream::connect_timeout(&address, second);
    }
}

/// Return *timeout* as `poll` takes it, rounded up: a wait is never short.
#[cfg(not(target_os = "linux"))]
fn milliseconds(timeout: Option<std::time::Duration>) -> std::ffi::c_int {
    timeout.map_or(-1, |timeout| {
        timeout
            .as_nanos()
            .div_ceil(1_000_000)
            .try_into()
            .unwrap_or(std::ffi::c_int::MAX)
    })
}
