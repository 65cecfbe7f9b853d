//! The record of an invocation, appended while it happens: the frames of `_calls.py`.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use api_simulator_sys as sys;

/// Each frame is one write, so that neither a signal nor a reader can come in its middle.
pub(crate) struct CallFile(File);

impl CallFile {
    /// Count this invocation and begin its record.
    pub(crate) fn create(stage: &Path) -> io::Result<CallFile> {
        let number = count(&stage.join("counter"))?;
        let place = stage.join("calls").join(number.to_string());
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(place)?;
        Ok(CallFile(file))
    }

    /// Append `frames`, pairs of kind and payload, all with the present time.
    pub(crate) fn add(&mut self, frames: &[(&str, &[u8])]) -> io::Result<()> {
        let now_ns = sys::monotonic_ns();
        let mut bytes =
            Vec::with_capacity(frames.iter().map(|(_, payload)| payload.len() + 48).sum());
        for (kind, payload) in frames {
            writeln!(bytes, "{kind} {now_ns} {}", payload.len())?;
            bytes.extend_from_slice(payload);
            bytes.push(b'\n');
        }
        self.0.write_all(&bytes)
    }
}

/// Count one more in the file at `path` and return the number, from 1.
pub(crate) fn count(path: &Path) -> io::Result<u64> {
    // Each appending write moves its own offset to the file's new end, so the offset is a number that no other
    // process gets, however many start at once.
    let mut counter = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    counter.write_all(b"\n")?;
    counter.stream_position()
}

/// Wake every process that waits for calls: each has a FIFO of its own, and one that is full is awake.
pub(crate) fn wake_waiters(stage: &Path) {
    let Ok(waiters) = stage.join("waiters").read_dir() else {
        return;
    };
    for waiter in waiters.flatten() {
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(sys::O_NONBLOCK)
            .open(waiter.path());
        if let Ok(mut waiter) = opened {
            let _ = waiter.write(b"\n");
        }
    }
}
