//! The entry; what is done is in the library.
//!
//! C's `main`, not Rust's: the standard library's start would replace the handling of SIGPIPE, SIGSEGV and SIGBUS, which
//! other programs leave alone, and costs a tenth of the program's whole life.

#![cfg_attr(
    all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ),
    no_main
)]

/// Called by the C library.
// SAFETY: the only symbol of this name in the program.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[unsafe(no_mangle)]
extern "C" fn main(
    count: std::ffi::c_int,
    values: *const *const std::ffi::c_char,
) -> std::ffi::c_int {
    // SAFETY: the C library passes so many strings, and nobody changes them.
    let arguments = unsafe { api_simulator_sys::arguments(count, values) };
    api_simulator_stand_in::run(&arguments)
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn main() {
    eprintln!(
        "api-simulator-stand-in: made for Linux on x86_64 and aarch64 only; nothing was played. Python plays fake programs here."
    );
    std::process::exit(69);
}
