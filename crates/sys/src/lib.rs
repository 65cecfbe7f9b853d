//! What the operating system offers and the standard library does not: signals, the leash's timer, poll, exec.
//!
//! Made so that the stand-in needs no `unsafe` of its own. It is not part of `capi`: that is a library which Python
//! loads, and nothing here may ever run in Python's process. Declarations are written out because there is no third-party
//! crate in this workspace; their layouts and numbers are those that glibc and musl share on these two kinds of Linux.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

mod poll;
mod process;
mod signals;

pub use poll::{Interest, Waited, is_ready, wait};
pub use process::{
    arguments, execute, exit, invoked_path, is_in_foreground, monotonic_ns, standard_stream,
};
pub use signals::{
    SIGALRM, SIGINT, SIGPIPE, catch, end_by, hold_leash, is_pending, restore_default, set_ignored,
    take_pending,
};

use std::io;

// Not x32, which is x86_64 with other layouts.
const _: () = assert!(size_of::<usize>() == 8);

/// The flag by which opening, reading and writing do not wait.
pub const O_NONBLOCK: i32 = 0o4000;

/// The error that the call which just returned left behind, if it returned -1.
fn checked(returned: i32) -> io::Result<i32> {
    if returned == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned)
    }
}
