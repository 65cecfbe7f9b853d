//! Plays a fake program's script, as `src/api_simulator/process/_player.py` does, if the script is plain.
//!
//! The code under test starts a copy of this program that knows its stage. If the stage's script has nothing but
//! what [`plain`] names, it is played here, within a millisecond. Otherwise the process becomes the Python player, before
//! it has left any trace: no call is counted, nothing is read from standard input.
//!
//! What holds for the Python player holds here: one process and one thread; inherited descriptors keep their flags; a
//! call's frames come in the same order. The formats are described in `script.py` (read) and `_calls.py` (written).

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![forbid(unsafe_code)]

mod call;
mod cases;
mod input;
mod place;
mod plain;
mod player;
mod script;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::IntoRawFd;

use api_simulator_sys as sys;

use crate::place::Place;
use crate::player::Player;
use crate::script::Script;

/// What this program answers when it was started without a stage; Python looks for this line (`_stand_in.py`). The number
/// is that of what the two agree on: the place at the end of the file, the stage's folders, the hand-over.
const INTRODUCTION: &str = "api-simulator-stand-in 1\n";

/// `EX_UNAVAILABLE` of `sysexits.h`: a program that did nothing and exited with 0 would look like a success.
const NOT_ON_A_STAGE: i32 = 69;

/// `EX_SOFTWARE`, as the Python player's.
const BROKEN_EXIT: i32 = 70;

/// Be one invocation of a fake program with these arguments, the first being the name; ends the process.
pub fn run(arguments: &[Vec<u8>]) -> ! {
    // Whoever started this process may ignore them; the Python player begins with the defaults too.
    let _ = sys::restore_default(sys::SIGPIPE);
    let _ = sys::restore_default(sys::SIGINT);
    open_missing_streams();
    let place = match Place::of_this_program() {
        Ok(Some(place)) => place,
        Ok(None) => introduce(),
        Err(error) => give_up(&format!("its own file cannot be read: {error}")),
    };
    let plain = Script::open(&place.stage.join("script"))
        .and_then(|mut script| Ok(plain::is_plain(&mut script)?.then_some(script)));
    let mut argv = vec![sys::invoked_path().unwrap_or_default()];
    argv.extend(arguments.iter().skip(1).cloned());
    match plain {
        Ok(Some(script)) => Player::play(place.stage, argv, script),
        // Also if it cannot be read: Python says what is wrong, in one place.
        Ok(None) | Err(_) => hand_over(&place, &argv),
    }
}

/// Become the Python player, which gets the name as it was called: a script's own name is its file.
fn hand_over(place: &Place, argv: &[Vec<u8>]) -> ! {
    let launcher = place.launcher.as_os_str();
    let mut arguments = vec![launcher.as_encoded_bytes()];
    arguments.extend(argv.iter().map(Vec::as_slice));
    let error = sys::execute(launcher, &arguments);
    give_up(&format!("{}: {error}", place.launcher.display()))
}

fn introduce() -> ! {
    let _ = sys::standard_stream(1).write_all(INTRODUCTION.as_bytes());
    let _ = sys::standard_stream(2)
        .write_all(b"a part of api-simulator, which copies it for each fake program; by itself it plays nothing\n");
    sys::exit(NOT_ON_A_STAGE)
}

fn give_up(text: &str) -> ! {
    let message = format!("api-simulator: this fake program cannot go on: {text}\n");
    let _ = sys::standard_stream(2).write_all(message.as_bytes());
    sys::exit(BROKEN_EXIT)
}

fn open_missing_streams() {
    // A closed standard stream would give its number to the next file opened, and a message would end up there.
    for fd in 0..=2 {
        if sys::standard_stream(fd).metadata().is_err() {
            if let Ok(nothing) = OpenOptions::new().read(true).write(true).open("/dev/null") {
                let _ = nothing.into_raw_fd();
            }
        }
    }
}
