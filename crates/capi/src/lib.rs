//! The C ABI between Python and the native engine; `include/api_simulator.h` is its contract.
//!
//! All `unsafe` of the workspace is in this crate: pointers from outside here, system calls in [`platform`].

mod platform;

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api_simulator_engine::log::Segment;
use api_simulator_engine::program::Program;
use api_simulator_engine::runtime::Runtime;
use api_simulator_engine::server::Server;
use api_simulator_engine::table::Then;

use crate::platform::System;

/// The version of the C ABI; grows with each incompatible change, and no number is used twice.
pub const ABI_VERSION: u32 = 2;

/// Call *action*; a panic becomes *otherwise*.
fn guarded<T>(otherwise: T, action: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(action)).unwrap_or(otherwise)
}

/// Borrow what a handle of this library points at.
///
/// # Safety
///
/// *pointer* is NULL or was returned by this library for a `T` and not freed yet.
unsafe fn borrowed<'a, T>(pointer: *const T) -> Option<&'a T> {
    // SAFETY: the caller's promise; the library never changes a handle's target but through its own locks.
    unsafe { pointer.as_ref() }
}

/// Borrow *size* bytes.
///
/// # Safety
///
/// *data* is NULL or points at that many readable bytes, for as long as the call lasts.
unsafe fn bytes<'a>(data: *const u8, size: usize) -> Option<&'a [u8]> {
    if data.is_null() {
        return None;
    }
    // SAFETY: not NULL, and the caller promises the bytes.
    Some(unsafe { std::slice::from_raw_parts(data, size) })
}

/// Free what `Box::into_raw` gave out.
///
/// # Safety
///
/// *pointer* is NULL or was returned by this library for a `T`, and nobody uses it any more.
unsafe fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: the caller's promise: it came from `Box::into_raw` and is given back once.
        guarded((), || drop(unsafe { Box::from_raw(pointer) }));
    }
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn asim_abi_version() -> u32 {
    ABI_VERSION
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn asim_runtime_new() -> *mut Arc<Runtime> {
    guarded(std::ptr::null_mut(), || {
        Box::into_raw(Box::new(Arc::new(Runtime::default())))
    })
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_runtime_free(runtime: *mut Arc<Runtime>) {
    // SAFETY: the header's promise.
    unsafe { free(runtime) }
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_wait(runtime: *const Arc<Runtime>, timeout_ms: u32) -> i64 {
    // SAFETY: the header's promise.
    let Some(runtime) = (unsafe { borrowed(runtime) }) else {
        return -1;
    };
    guarded(-1, || {
        let ready = runtime.wait(Duration::from_millis(u64::from(timeout_ms)));
        ready.map_or(-1, |number| i64::try_from(number).unwrap_or(-1))
    })
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_wake(runtime: *const Arc<Runtime>) {
    // SAFETY: the header's promise.
    let Some(runtime) = (unsafe { borrowed(runtime) }) else {
        return;
    };
    guarded((), || runtime.signal(0));
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory; *listener* is a listening socket that nobody else closes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_serve(
    runtime: *const Arc<Runtime>,
    listener: i64,
    number: u64,
    max_requests: u64,
    max_body_bytes: u64,
) -> *mut Arc<Server> {
    // SAFETY: the header's promise: the descriptor belongs to the library from now on.
    let Some(listener) = (unsafe { platform::listener(listener) }) else {
        return std::ptr::null_mut();
    };
    // SAFETY: the header's promise.
    let Some(runtime) = (unsafe { borrowed(runtime) }) else {
        return std::ptr::null_mut();
    };
    guarded(std::ptr::null_mut(), || {
        serve(listener, runtime, number, max_requests, max_body_bytes)
    })
}

fn serve(
    listener: TcpListener,
    runtime: &Arc<Runtime>,
    number: u64,
    requests: u64,
    body_bytes: u64,
) -> *mut Arc<Server> {
    let bound = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let bounds = (bound(requests), bound(body_bytes));
    let started = Server::start(
        listener,
        number,
        bounds,
        Arc::clone(runtime),
        Arc::new(System),
    );
    started.map_or(std::ptr::null_mut(), |server| {
        Box::into_raw(Box::new(server))
    })
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_close(server: *const Arc<Server>) -> i32 {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return 0;
    };
    guarded(0, || i32::from(server.close()))
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_server_free(server: *mut Arc<Server>) {
    // SAFETY: the header's promise.
    unsafe { free(server) }
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_drop_connections(server: *const Arc<Server>) {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return;
    };
    guarded((), || server.drop_connections());
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_route(
    server: *const Arc<Server>,
    answers: u32,
    then: u32,
    calls: u64,
    position: u64,
) -> i64 {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return -1;
    };
    let Some(then) = then_of(then) else {
        return -1;
    };
    guarded(-1, || {
        server
            .with_table(|table| i64::from(table.add_route(answers as usize, then, calls, position)))
    })
}

fn then_of(number: u32) -> Option<Then> {
    match number {
        0 => Some(Then::Repeat),
        1 => Some(Then::Cycle),
        2 => Some(Then::Error),
        _ => None,
    }
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_mount(
    server: *const Arc<Server>,
    then: u32,
    calls: u64,
    position: u64,
    form: u32,
    program: *const u8,
    size: usize,
    entry: u32,
    key: *const u8,
    key_size: usize,
) -> i64 {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return -1;
    };
    // SAFETY: the header's promise.
    let Some(program) = (unsafe { bytes(program, size) }) else {
        return -1;
    };
    // SAFETY: the header's promise.
    let Some(key) = (unsafe { bytes(key, key_size) }) else {
        return -1;
    };
    let (Some(then), Ok(form)) = (then_of(then), u8::try_from(form)) else {
        return -1;
    };
    guarded(-1, || {
        let Ok(program) = Program::parse(program) else {
            return -1;
        };
        server.with_table(|table| {
            let route = table.add_route(1, then, calls, position);
            table.add_program(route, form, program);
            table.add_entry(entry, route, key);
            i64::from(route)
        })
    })
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_program(
    server: *const Arc<Server>,
    route: u32,
    form: u32,
    program: *const u8,
    size: usize,
) -> i32 {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return 0;
    };
    // SAFETY: the header's promise.
    let Some(program) = (unsafe { bytes(program, size) }) else {
        return 0;
    };
    let Ok(form) = u8::try_from(form) else {
        return 0;
    };
    guarded(0, || {
        let Ok(program) = Program::parse(program) else {
            return 0;
        };
        i32::from(server.with_table(|table| table.add_program(route, form, program)))
    })
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_entry(
    server: *const Arc<Server>,
    entry: u32,
    route: u32,
    key: *const u8,
    size: usize,
) {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return;
    };
    // SAFETY: the header's promise.
    let Some(key) = (unsafe { bytes(key, size) }) else {
        return;
    };
    guarded((), || {
        server.with_table(|table| table.add_entry(entry, route, key))
    });
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_forget(server: *const Arc<Server>, key: *const u8, size: usize) {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return;
    };
    // SAFETY: the header's promise.
    let key = unsafe { bytes(key, size) };
    guarded((), || match key {
        Some(key) => server.with_table(|table| table.forget(key)),
        None => drop(server.with_table(|table| table.forget_all())),
    });
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_route_end(server: *const Arc<Server>, route: u32) {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return;
    };
    // What it leaves is freed without the lock, which answers wait for.
    guarded((), || {
        drop(server.with_table(|table| table.end_route(route)))
    });
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_turn(server: *const Arc<Server>, route: u32, what: u32) -> i64 {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return -1;
    };
    guarded(-1, || {
        server.with_table(|table| {
            let Some(route) = table.route(route) else {
                return -1;
            };
            let value = match what {
                0 => route.calls,
                1 => route.position,
                2 => {
                    route.calls += 1;
                    route.calls
                }
                3 => {
                    route.position += 1;
                    route.position - 1
                }
                _ => return -1,
            };
            i64::try_from(value).unwrap_or(i64::MAX)
        })
    })
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_set(server: *const Arc<Server>, setting: u32, value: u64) {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return;
    };
    let settings = &server.settings;
    match setting {
        0 => settings
            .accept_delay_ms
            .store(u32::try_from(value).unwrap_or(u32::MAX), Ordering::Release),
        1 => settings.upload_bytes_per_s.store(value, Ordering::Release),
        2 => settings.early.store(value != 0, Ordering::Release),
        3 => settings.watch.store(value != 0, Ordering::Release),
        _ => {}
    }
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_reset(server: *const Arc<Server>, generation: u64) {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return;
    };
    guarded((), || server.reset(generation));
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_count(server: *const Arc<Server>, what: u32) -> i64 {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return -1;
    };
    guarded(-1, || match what {
        0 => server
            .waiting_plain()
            .map_or(-1, |count| i64::try_from(count).unwrap_or(-1)),
        1 => i64::try_from(server.connection_counts().0).unwrap_or(-1),
        2 => i64::try_from(server.connection_counts().1).unwrap_or(-1),
        3 => i64::try_from(server.with_table(|table| table.route_count())).unwrap_or(-1),
        _ => -1,
    })
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory; *data* and *size* point at places to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_drain(
    server: *const Arc<Server>,
    data: *mut *const u8,
    size: *mut usize,
) -> *mut Segment {
    if data.is_null() || size.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return std::ptr::null_mut();
    };
    let Some(segment) = guarded(None, || server.take()) else {
        return std::ptr::null_mut();
    };
    let segment = Box::new(segment);
    // SAFETY: not NULL, and the caller promises a place to write to.
    unsafe { data.write(segment.bytes().as_ptr()) };
    // SAFETY: as above.
    unsafe { size.write(segment.bytes().len()) };
    Box::into_raw(segment)
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_segment_free(segment: *mut Segment) {
    // SAFETY: the header's promise.
    unsafe { free(segment) }
}

/// See the header.
///
/// # Safety
///
/// As the header says of handles and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn asim_answer(
    server: *const Arc<Server>,
    sequence: u64,
    program: *const u8,
    size: usize,
    flags: u32,
) -> i32 {
    // SAFETY: the header's promise.
    let Some(server) = (unsafe { borrowed(server) }) else {
        return -1;
    };
    // SAFETY: the header's promise.
    let Some(program) = (unsafe { bytes(program, size) }) else {
        return -1;
    };
    guarded(-1, || {
        let Ok(program) = Program::parse(program) else {
            return -1;
        };
        i32::from(server.answer(sequence, program, flags & 1 != 0, flags & 2 != 0))
    })
}
