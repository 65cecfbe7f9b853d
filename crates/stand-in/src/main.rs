//! Reserved for the native player of fake programs. Nothing starts this binary yet: scripts are played in Python.
//!
//! It refuses on purpose: a fake program that did nothing and exited with 0 would look like a success.

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// `EX_UNAVAILABLE` of `sysexits.h`: no shell gives it a meaning of its own, unlike 1, 2 and 126 upwards.
const NOT_IMPLEMENTED: u8 = 69;

fn main() -> ExitCode {
    eprintln!(
        "api-simulator-stand-in: not implemented; nothing was played. Fake programs are played by Python (api_simulator.process)."
    );
    ExitCode::from(NOT_IMPLEMENTED)
}
