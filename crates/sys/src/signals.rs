//! Signals: noted by a handler that does nothing else, and looked at by the program where it can act on them.

use std::ffi::{c_int, c_ulong, c_void};
use std::fs::File;
use std::io;
use std::os::fd::IntoRawFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// The numbers that the player itself is concerned with; all of Linux has these.
pub const SIGINT: i32 = 2;
/// A write to a pipe without reader.
pub const SIGPIPE: i32 = 13;
/// The timer of the leash.
pub const SIGALRM: i32 = 14;

const SIGKILL: i32 = 9;
const SIGSTOP: i32 = 19;

const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;

const SIG_UNBLOCK: c_int = 1;
const ITIMER_REAL: c_int = 0;
const RLIMIT_CORE: c_int = 4;

/// How often the leash is looked at, as in the Python player: a quarter of a second.
const LEASH_INTERVAL_US: i64 = 250_000;

/// The exit code when the test process has gone: nobody is left who would read it.
const LEASH_EXIT: c_int = 1;

/// 1024 bits, in glibc and in musl.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct SignalSet([c_ulong; 16]);

impl SignalSet {
    pub(crate) const EMPTY: SignalSet = SignalSet([0; 16]);
    pub(crate) const FULL: SignalSet = SignalSet([c_ulong::MAX; 16]);

    fn only(number: i32) -> SignalSet {
        let mut set = SignalSet::EMPTY;
        set.0[0] = bit(number);
        set
    }
}

#[repr(C)]
struct Action {
    handler: usize,
    mask: SignalSet,
    flags: c_int,
    restorer: usize,
}

#[repr(C)]
struct Time {
    seconds: i64,
    microseconds: i64,
}

#[repr(C)]
struct Timer {
    interval: Time,
    value: Time,
}

#[repr(C)]
struct Limit {
    current: u64,
    maximum: u64,
}

unsafe extern "C" {
    fn sigaction(number: c_int, new: *const Action, old: *mut Action) -> c_int;
    pub(crate) fn pthread_sigmask(how: c_int, new: *const SignalSet, old: *mut SignalSet) -> c_int;
    fn setitimer(which: c_int, new: *const Timer, old: *mut Timer) -> c_int;
    fn setrlimit(resource: c_int, limit: *const Limit) -> c_int;
    fn getpid() -> c_int;
    fn kill(pid: c_int, number: c_int) -> c_int;
    fn read(fd: c_int, buffer: *mut c_void, count: usize) -> isize;
    fn _exit(code: c_int) -> !;
    fn __errno_location() -> *mut c_int;
}

static PENDING: AtomicU64 = AtomicU64::new(0);
static LEASH: AtomicI32 = AtomicI32::new(-1);

fn bit(number: i32) -> u64 {
    1 << (number - 1)
}

extern "C" fn note(number: c_int) {
    PENDING.fetch_or(bit(number), Ordering::SeqCst);
}

/// Ends the process if the leash is at its end. In the handler itself, because the program may be blocked in a write.
extern "C" fn look_at_leash(_number: c_int) {
    let mut byte = 0_u8;
    // SAFETY: the location belongs to this thread and is there as long as it runs.
    let errno = unsafe { __errno_location() };
    // SAFETY: as above. Who was interrupted may be about to read it, so it is put back below.
    let saved = unsafe { *errno };
    // SAFETY: one byte of room; `read` may be called in a handler.
    let got = unsafe { read(LEASH.load(Ordering::SeqCst), (&raw mut byte).cast(), 1) };
    if got == 0 {
        // SAFETY: `_exit` may be called in a handler.
        unsafe { _exit(LEASH_EXIT) };
    }
    // SAFETY: as when it was read.
    unsafe { *errno = saved };
}

fn set_action(number: i32, handler: usize) -> io::Result<()> {
    // No SA_RESTART: a call that waits returns, and the program looks at what came.
    let action = Action {
        handler,
        mask: SignalSet::EMPTY,
        flags: 0,
        restorer: 0,
    };
    // SAFETY: `action` lives through the call and has the layout of the C library; the handlers touch atomics only.
    crate::checked(unsafe { sigaction(number, &raw const action, ptr::null_mut()) }).map(drop)
}

/// Note signal `number` from now on instead of ending by it; see [`take_pending`].
///
/// # Errors
///
/// If the system does not let a program catch it.
pub fn catch(number: i32) -> io::Result<()> {
    set_action(number, note as *const () as usize)
}

/// Let signal `number` do what it does by default.
///
/// # Errors
///
/// If the system does not let a program choose.
pub fn restore_default(number: i32) -> io::Result<()> {
    set_action(number, SIG_DFL)
}

/// Let signal `number` do nothing.
///
/// # Errors
///
/// If the system does not let a program choose.
pub fn set_ignored(number: i32) -> io::Result<()> {
    set_action(number, SIG_IGN)
}

/// Whether a signal was noted that nobody has taken.
#[must_use]
pub fn is_pending() -> bool {
    PENDING.load(Ordering::SeqCst) != 0
}

/// The signals noted since the last time, in ascending order.
pub fn take_pending() -> impl Iterator<Item = i32> {
    let taken = PENDING.swap(0, Ordering::SeqCst);
    (1..=64).filter(move |&number| taken & bit(number) != 0)
}

fn unblock(number: i32) {
    let set = SignalSet::only(number);
    // SAFETY: the set lives through the call; nobody asks for the old one. It fails for an unknown `how` only.
    unsafe { pthread_sigmask(SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
}

/// End this process soon after the other end of `leash`, a FIFO opened without blocking, was closed.
///
/// A timer looks at it, whatever this process is doing; it interrupts what waits.
///
/// # Errors
///
/// If there is no such timer.
pub fn hold_leash(leash: File) -> io::Result<()> {
    LEASH.store(leash.into_raw_fd(), Ordering::SeqCst);
    set_action(SIGALRM, look_at_leash as *const () as usize)?;
    let timer = Timer {
        interval: Time {
            seconds: 0,
            microseconds: LEASH_INTERVAL_US,
        },
        value: Time {
            seconds: 0,
            microseconds: LEASH_INTERVAL_US,
        },
    };
    // SAFETY: `timer` lives through the call and has the layout of the C library.
    crate::checked(unsafe { setitimer(ITIMER_REAL, &raw const timer, ptr::null_mut()) })?;
    // The parent may have blocked it in the thread that started this process.
    unblock(SIGALRM);
    Ok(())
}

/// End this process by signal `number`, without a core file; returns if that signal does not end a process.
///
/// # Errors
///
/// If the system does not let a program choose what the signal does.
pub fn end_by(number: i32) -> io::Result<()> {
    let none = Limit {
        current: 0,
        maximum: 0,
    };
    // SAFETY: `none` lives through the call and has the layout of the C library. A refusal changes nothing here.
    unsafe { setrlimit(RLIMIT_CORE, &raw const none) };
    if number != SIGKILL && number != SIGSTOP {
        restore_default(number)?;
        unblock(number);
    }
    // SAFETY: asks for a number.
    let pid = unsafe { getpid() };
    // SAFETY: sends a signal to this process.
    crate::checked(unsafe { kill(pid, number) }).map(drop)
}
