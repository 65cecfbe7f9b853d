//! This process: how it was called, its clock, its standard streams, and its end.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_ulong};
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

const AT_EXECFN: c_ulong = 31;
const CLOCK_MONOTONIC: c_int = 1;

#[repr(C)]
struct Moment {
    seconds: i64,
    nanoseconds: i64,
}

unsafe extern "C" {
    fn getauxval(kind: c_ulong) -> c_ulong;
    fn clock_gettime(clock: c_int, now: *mut Moment) -> c_int;
    fn execv(path: *const c_char, arguments: *const *const c_char) -> c_int;
    fn tcgetpgrp(fd: c_int) -> c_int;
    fn getpgrp() -> c_int;
    fn _exit(code: c_int) -> !;
}

/// Return what C's `main` was given.
///
/// # Safety
///
/// `values` are `count` strings that stay as they are.
#[must_use]
pub unsafe fn arguments(count: c_int, values: *const *const c_char) -> Vec<Vec<u8>> {
    let count = usize::try_from(count).unwrap_or(0);
    (0..count)
        .map(|index| {
            // SAFETY: the caller says that there are so many.
            let value = unsafe { values.add(index) };
            // SAFETY: as above, so there is one to read.
            let text = unsafe { *value };
            // SAFETY: the caller says that each is a string.
            unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
        })
        .collect()
}

/// Return the path that this program was started by, as it was given: what a script sees as its name.
#[must_use]
pub fn invoked_path() -> Option<Vec<u8>> {
    // SAFETY: looks at a table that the kernel filled; what is not in it is 0.
    let address = unsafe { getauxval(AT_EXECFN) };
    let text: *const c_char = ptr::with_exposed_provenance(usize::try_from(address).ok()?);
    if text.is_null() {
        return None;
    }
    // SAFETY: the kernel put a string there, which stays as long as the process.
    Some(unsafe { CStr::from_ptr(text) }.to_bytes().to_vec())
}

/// Return the time of the monotonic clock in nanoseconds, that of Python's `time.monotonic_ns`.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let mut now = Moment {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: `now` lives through the call; this clock is always there.
    unsafe { clock_gettime(CLOCK_MONOTONIC, &raw mut now) };
    now.seconds.unsigned_abs() * 1_000_000_000 + now.nanoseconds.unsigned_abs()
}

/// Return standard stream `fd`, 0 to 2, as a file that is not closed when it goes.
///
/// # Panics
///
/// If it is none of them.
#[must_use]
pub fn standard_stream(fd: i32) -> ManuallyDrop<File> {
    assert!((0..=2).contains(&fd), "{fd} is no standard stream");
    // SAFETY: whoever else uses these numbers expects others to read and write them; it is never closed through this.
    ManuallyDrop::new(unsafe { File::from_raw_fd(fd) })
}

/// Return whether this process may read terminal `fd` without being stopped, none if `fd` is not its terminal.
#[must_use]
pub fn is_in_foreground(fd: i32) -> Option<bool> {
    // SAFETY: asks for a number; an error is -1.
    let foreground = unsafe { tcgetpgrp(fd) };
    // SAFETY: asks for a number.
    let own = unsafe { getpgrp() };
    (foreground != -1).then_some(foreground == own)
}

/// Become the program at `path`, with this process's environment; returns if that fails.
#[must_use]
pub fn execute(path: &OsStr, arguments: &[&[u8]]) -> io::Error {
    let Ok(path) = CString::new(path.as_bytes()) else {
        return io::ErrorKind::InvalidInput.into();
    };
    let Ok(arguments) = arguments
        .iter()
        .map(|&text| CString::new(text))
        .collect::<Result<Vec<_>, _>>()
    else {
        return io::ErrorKind::InvalidInput.into();
    };
    let mut pointers: Vec<*const c_char> = arguments.iter().map(|text| text.as_ptr()).collect();
    pointers.push(ptr::null());
    // SAFETY: strings and the row of pointers to them live through the call, and the row ends with null.
    unsafe { execv(path.as_ptr(), pointers.as_ptr()) };
    io::Error::last_os_error()
}

/// End this process at once, running nothing more.
pub fn exit(code: i32) -> ! {
    // SAFETY: may be called at any time.
    unsafe { _exit(code) }
}
